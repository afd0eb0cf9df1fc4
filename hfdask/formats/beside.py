"""The files beside an output that names them, such as the segments of a playlist: find, fetch and copy them."""

from __future__ import annotations

from pathlib import Path

from hfdask.formats.format import Format
from hfdask.store import Location, Store

HEAD = 2**16
"""Bytes of an output that names other files, at most."""


def folder_beside(format: Format | None, path: Path) -> str | None:
    """Return the folder that a local copy of an output names, if it names one."""
    with path.open("rb") as file:
        return None if format is None else format.beside_of(file.read(HEAD))


def fetch_beside(store: Store, folder: str, into: Path) -> dict[str, Path]:
    """Fetch all files of a folder beside an output, and return them by name."""
    into.mkdir()
    there = Location.at(store, folder).store()
    return {
        name: there.fetch(name, into / str(number), size) for number, (name, size) in enumerate(there.names().items())
    }
