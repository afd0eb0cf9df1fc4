"""Resolve URLs to files of the project, and recognise libraries."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import av

from hfdask.errors import HfdaskError
from hfdask.media.probe import probe_video
from hfdask.sound.probe import probe_sound

_LIBRARY_FOLDERS = frozenset({"vendor", "vendors", "node_modules", "lib", "libs", "third_party", "third-party"})
_LIBRARY_SIZE = 200_000
_MINIFIED_LINE = 400
_LARGE_FILE = 50_000


Bases: TypeAlias = tuple[str | None, ...]
"""The paths that a URL may count from, the likeliest first; None is a place outside of the project."""


def base_of(href: str | None, path: str) -> str | None:
    """Return the path that URLs of the document at ``path`` count from, if it has a ``<base>`` with this ``href``."""
    try:
        parts = urlsplit((href or "").strip())
    except ValueError:
        return path
    if parts.scheme in ("data", "javascript"):  # a browser ignores these
        return path
    if parts.scheme or parts.netloc:
        return None
    if not parts.path:
        return path
    [base] = candidates(href or "", path) or [path]
    is_folder = parts.path.rpartition("/")[2] in ("", ".", "..")
    return f"{base}/" if is_folder and base else base


def candidates(url: str, *bases: str | None) -> list[str] | None:
    """Return the paths in the project that a URL may mean, or None if it means none of its files.

    Parameters
    ----------
    url : str
        As the author wrote it.
    *bases : str or None
        Paths of the document, style sheet or script with the URL, or other bases; see `Bases`.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = unquote(parts.path).replace("\\", "/")
    folders = ["/" + posixpath.dirname(base) for base in bases if base is not None]
    # As in a browser, `..` at the top stays there.
    found = (posixpath.normpath(posixpath.join(folder, path)).lstrip("/") for folder in folders)
    return list(dict.fromkeys(found)) or None


def imported(name: str, imports: Mapping[str, str], base: str | None) -> str | None:
    """Return the URL of a module's specifier by an import map in a document with this ``base``, or None."""
    known = {_specifier(key, base): address for key, address in imports.items()}
    name = _specifier(name, base)
    if name in known:
        return known[name]
    prefix = max((key for key in known if key.endswith("/") and name.startswith(key)), key=len, default=None)
    return None if prefix is None else known[prefix] + name.removeprefix(prefix)


def is_path(specifier: str) -> bool:
    """Return true if a module's specifier is a URL without a host, and not a name for an import map."""
    return specifier.startswith(("./", "../", "/"))


def _specifier(text: str, base: str | None) -> str:
    """Normalise a specifier as import maps do: resolve it if it is a path."""
    found = candidates(text, base) if is_path(text) else None
    return text if not found else f"/{found[0]}" + ("/" if text.endswith("/") else "")


def leaves_project(url: str, base: str) -> bool:
    """Return true if a relative URL climbs above the project's folder."""
    path = unquote(urlsplit(url.strip()).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), path)).startswith("..")


def is_library(path: str, text: str) -> bool:
    """Return true if a script is a library, by its folder, name, size, or lines that no person writes."""
    name = path.lower()
    if _LIBRARY_FOLDERS & set(name.split("/")[:-1]) or re.search(r"[.-]min\.m?js$", name):
        return True
    lines = text.count("\n") + 1
    return len(text) > _LIBRARY_SIZE or (len(text) > 5_000 and len(text) / lines > _MINIFIED_LINE)


def image_size(file: Path) -> tuple[int, int] | None:
    """Return width and height of a picture, if its file is large enough to matter."""
    if file.suffix.lower() == ".svg" or file.stat().st_size < _LARGE_FILE:
        return None
    try:
        with av.open(str(file)) as container:
            stream = next(iter(container.streams.video), None)
            return (stream.width, stream.height) if stream is not None else None
    except av.FFmpegError:
        return None  # the render itself reports unreadable pictures


def video_length(file: Path) -> Fraction | None:
    """Return the seconds of a source video, or None if it cannot be rendered."""
    try:
        source, _ = probe_video(file)
    except HfdaskError:
        return None  # the render itself says why
    return source.playable.fraction


def sound_length(file: Path) -> Fraction | None:
    """Return the seconds of a file's sound, or None if it has none, or it cannot be decoded."""
    try:
        facts = probe_sound(file)
    except HfdaskError:
        return None
    return None if facts is None else facts.seconds


def read_text(files: Mapping[str, Path], path: str) -> str:
    """Read a text file with HTML's line ends."""
    return files[path].read_text("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
