"""Which file of the project a URL in it means, and which scripts are not the author's."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import av

_LIBRARY_FOLDERS = frozenset({"vendor", "vendors", "node_modules", "lib", "libs", "third_party", "third-party"})
_LIBRARY_SIZE = 200_000
_MINIFIED_LINE = 400
_LARGE_FILE = 50_000


Bases: TypeAlias = tuple[str | None, ...]
"""The paths that a URL may count from, the likeliest first; None stands for a place outside of the project."""


def base_of(href: str | None, path: str) -> str | None:
    """The path that the URLs of the document at ``path`` count from, where it has a ``<base>`` with this ``href``."""
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
    """The paths in the project that a URL may mean, or None where it means none of its files.

    Parameters
    ----------
    url : str
        As the author wrote it.
    *bases : str or None
        Paths of the document, style sheet or script that has it, or of what it counts from otherwise; see `Bases`.
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
    """The URL that a module's specifier means by an import map whose document counts from ``base``; None where none is told."""
    known = {_specifier(key, base): address for key, address in imports.items()}
    name = _specifier(name, base)
    if name in known:
        return known[name]
    prefix = max((key for key in known if key.endswith("/") and name.startswith(key)), key=len, default=None)
    return None if prefix is None else known[prefix] + name.removeprefix(prefix)


def is_path(specifier: str) -> bool:
    """Whether a module's specifier is a URL without a host, and no name for an import map."""
    return specifier.startswith(("./", "../", "/"))


def _specifier(text: str, base: str | None) -> str:
    """As import maps compare them: those that are paths, by what they mean."""
    found = candidates(text, base) if is_path(text) else None
    return text if not found else f"/{found[0]}" + ("/" if text.endswith("/") else "")


def leaves_project(url: str, base: str) -> bool:
    """Whether a relative URL climbs above the project's folder."""
    path = unquote(urlsplit(url.strip()).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), path)).startswith("..")


def is_library(path: str, text: str) -> bool:
    """Whether a script is somebody else's: by its folder, its name, its size, or lines that no person writes."""
    name = path.lower()
    if _LIBRARY_FOLDERS & set(name.split("/")[:-1]) or re.search(r"[.-]min\.m?js$", name):
        return True
    lines = text.count("\n") + 1
    return len(text) > _LIBRARY_SIZE or (len(text) > 5_000 and len(text) / lines > _MINIFIED_LINE)


def image_size(file: Path) -> tuple[int, int] | None:
    """Width and height of a picture that is large enough to be worth a look."""
    if file.suffix.lower() == ".svg" or file.stat().st_size < _LARGE_FILE:
        return None
    try:
        with av.open(str(file)) as container:
            stream = next(iter(container.streams.video), None)
            return (stream.width, stream.height) if stream is not None else None
    except av.FFmpegError:
        return None  # the render itself tells of pictures that it cannot read


def read_text(files: Mapping[str, Path], path: str) -> str:
    """A text file with the line ends that HTML makes of them."""
    return files[path].read_text("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
