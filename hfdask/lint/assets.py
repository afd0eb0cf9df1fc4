"""Which file of the project a URL in it means, and which scripts are not the author's."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av

_LIBRARY_FOLDERS = frozenset({"vendor", "vendors", "node_modules", "lib", "libs", "third_party", "third-party"})
_LIBRARY_SIZE = 200_000
_MINIFIED_LINE = 400
_LARGE_FILE = 50_000


def candidates(url: str, base: str, *, also_root: bool = False) -> list[str] | None:
    """The paths in the project that a URL may mean, or None where it means none of its files.

    Parameters
    ----------
    url : str
        As the author wrote it.
    base : str
        Path of the document, style sheet or script that has it.
    also_root : bool
        Whether a path may count from the project's folder as well, as in a sub-composition (contract 1.12).
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = unquote(parts.path).replace("\\", "/")
    bases = ["/"] if path.startswith("/") else ["/" + posixpath.dirname(base), *(["/"] if also_root else [])]
    # As in a browser, `..` at the top stays there.
    return list(dict.fromkeys(posixpath.normpath(posixpath.join(item, path)).lstrip("/") for item in bases))


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
