"""Sequences of PNG files, in a folder or in a ZIP file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FRAME = re.compile(r"frame_\d{6}\.png")


def frame_name(number: int) -> str:
    """Return the name of a frame's file, given the number of the frame from 0."""
    return f"frame_{number + 1:06d}.png"


def is_frame(name: str) -> bool:
    """Return true if a file of this name is a frame."""
    return _FRAME.fullmatch(name) is not None


def is_sequence(path: Path) -> bool:
    """Return true if this is a folder or a ZIP file."""
    return path.is_dir() or zipfile.is_zipfile(path)


@contextmanager
def open_sequence(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Yield the names of all files of a sequence, in the order of their names, and what reads one of them.

    Raises
    ------
    OSError, zipfile.BadZipFile
    """
    if path.is_dir():
        yield sorted(each.name for each in path.iterdir()), lambda name: (path / name).read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        yield sorted(archive.namelist()), archive.read
