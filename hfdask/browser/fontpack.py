"""The canonical families on this machine: where they are, and how they get there.

They are free fonts of the npm registry, which we do not carry: `hfdask install-fonts` asks npm for them. Its packages
hold compressed web fonts; a browser's system fonts must be plain ones, so they are unpacked, and nothing else is changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hfdask.browser.families import CANONICAL, Canonical
from hfdask.errors import FontInstallError

ENV_FONTS = "HFDASK_FONTS"
VERSION = "5.2"
_TIMEOUT = 600


def fonts_folder() -> Path:
    """Where canonical families are kept: ``HFDASK_FONTS``, else in this Python's own ``share`` folder."""
    chosen = os.environ.get(ENV_FONTS)
    return Path(chosen).expanduser() if chosen else Path(sys.prefix) / "share" / "hfdask" / "fonts"


def installed_files() -> list[Path]:
    """The faces of canonical families that are here, in the order of the table."""
    folder = fonts_folder()
    paths = [folder / name for canonical in CANONICAL for name in canonical.files()]
    return [path for path in paths if path.is_file()]


def install_fonts(say: Callable[[str], None]) -> str:
    """Get every canonical family that is not here yet; returns a line about what is here then.

    Raises
    ------
    FontInstallError
        Where npm is missing or refuses, or the folder cannot be written.
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
    from fontTools.ttLib import TTFont  # slow to import, and nothing else needs it

    [package] = packages.glob(f"fontsource-{canonical.slug}-{VERSION}.*.tgz")
    with tarfile.open(package) as files:
        for name, weight in canonical.files().items():
            member = files.extractfile(f"package/files/{canonical.slug}-latin-{weight}-normal.woff")
            if member is None:
                raise FontInstallError(f"{package.name} has no {name}")
            font = TTFont(member, recalcBBoxes=False, recalcTimestamp=False)
            font.flavor = None
            with _whole(folder / name) as path:
                font.save(path)
        licence = files.extractfile("package/LICENSE")
        if licence is not None:
            (folder / f"{canonical.slug}.LICENSE").write_bytes(licence.read())


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file is whole or not there: another install may run at the same time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    yield temporary
    temporary.replace(path)
