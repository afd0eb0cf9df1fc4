"""Install the canonical families on this machine, and find them.

They are free fonts from the npm registry and are not part of hfdask: `hfdask install-fonts` fetches them with npm. The
packages contain compressed web fonts, but a browser's system fonts must be uncompressed. So they are decompressed, and
not changed otherwise.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, cast

from hfdask.errors import FontInstallError
from hfdask.fonts.families import CANONICAL, Canonical

ENV_FONTS = "HFDASK_FONTS"
VERSION = "5.2"
_TIMEOUT = 600
_PACKAGE = 2**29
_MEMBER = 2**25


def fonts_folder() -> Path:
    """Return the folder of the canonical families: ``HFDASK_FONTS``, else in this Python's ``share`` folder."""
    chosen = os.environ.get(ENV_FONTS)
    return Path(chosen).expanduser() if chosen else Path(sys.prefix) / "share" / "hfdask" / "fonts"


def installed_files() -> list[Path]:
    """Return the installed faces of canonical families, in the order of the table."""
    folder = fonts_folder()
    paths = [folder / name for canonical in CANONICAL for name in canonical.files()]
    return [path for path in paths if path.is_file()]


def install_fonts(say: Callable[[str], None] = print) -> str:
    """Install every missing canonical family; return a line about the installed ones.

    Raises
    ------
    FontInstallError
        If npm is missing or fails, or the folder cannot be written.
    """
    folder = fonts_folder()
    wanted = [canonical for canonical in CANONICAL if not all((folder / name).is_file() for name in canonical.files())]
    if wanted:
        npm = shutil.which("npm")
        if npm is None:
            raise FontInstallError("npm is needed to fetch fonts: install it (Debian: apt-get install npm)")
        say(f"fetching {len(wanted)} font families with npm")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as scratch:
                _pack(npm, wanted, Path(scratch))
                for canonical in wanted:
                    _unpack(Path(scratch), canonical, folder)
        except OSError as error:
            raise FontInstallError(
                f"fonts cannot be put into {folder}: {error}; set {ENV_FONTS} to another folder", folder=str(folder)
            ) from error
    return f"{folder}: {len(installed_files())} faces of {len(CANONICAL)} families"


def _pack(npm: str, wanted: list[Canonical], folder: Path) -> None:
    packages = [f"@fontsource/{canonical.slug}@{VERSION}" for canonical in wanted]
    command = [npm, "pack", *packages, "--silent", "--pack-destination", str(folder)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise FontInstallError(f"npm did not fetch the fonts within {_TIMEOUT} s") from error
    if run.returncode:
        last = (run.stderr or run.stdout).strip().splitlines()[-1:] or ["no output"]
        raise FontInstallError(f"npm did not fetch the fonts: {last[0][:300]}")


def _unpack(packages: Path, canonical: Canonical, folder: Path) -> None:
    from fontTools.ttLib import TTFont  # slow to import, and needed only here

    found = list(packages.glob(f"fontsource-{canonical.slug}-{VERSION}.*.tgz"))
    if len(found) != 1:
        raise FontInstallError(f"npm gave {len(found)} packages of {canonical.family} instead of one")
    names = {
        name: f"package/files/{canonical.slug}-latin-{weight}-normal.woff" for name, weight in canonical.files().items()
    }
    licence = "package/LICENSE"
    members = _members(found[0], {*names.values(), licence})
    for name, member in names.items():
        if member not in members:
            raise FontInstallError(f"{found[0].name} has no {name}")
        try:
            font = TTFont(io.BytesIO(members[member]), recalcBBoxes=False, recalcTimestamp=False)
            font.flavor = None
            with _whole(folder / name) as path:
                font.save(path)
        except Exception as error:
            if isinstance(error, OSError):
                raise
            raise FontInstallError(f"{name} of {found[0].name} is not a font: {error}") from error
    if licence in members:
        (folder / f"{canonical.slug}.LICENSE").write_bytes(members[licence])


def _members(package: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Return the content of regular files in an npm package, up to a limit."""
    found: dict[str, bytes] = {}
    try:
        with (
            gzip.open(package) as packed,
            tarfile.open(fileobj=cast("IO[bytes]", _Bounded(packed)), mode="r|") as files,
        ):
            for member in files:
                if member.name in wanted and member.isreg() and not member.issparse() and member.size <= _MEMBER:
                    content = files.extractfile(member)
                    assert content is not None  # it is a regular file
                    found[member.name] = content.read()
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise FontInstallError(f"{package.name} cannot be unpacked: {error}") from error
    return found


class _Bounded:
    """The content of a compressed file, up to a size that no font package has."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, _PACKAGE

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"it holds more than {_PACKAGE} bytes")
        return data


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Write a file in one step, because another install may run at the same time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    yield temporary
    temporary.replace(path)
