"""The files of a finished output: a file, a folder of files, or a file that names others in a folder beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from msgspec import Struct

from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import MissingArtifactError, PlanCorruptError
from hfdask.formats.table import folder_named, format_of
from hfdask.store import Location, Store, concurrently, file_digest, listing_digest, split_url

HEAD = 2**16
"""Bytes of an output that names other files, at most."""


class OutputFiles(Struct, frozen=True):
    """All files of an output that is in a store.

    Attributes
    ----------
    store : Store
        The folder that the output is in.
    name : str
        The output's.
    folder : str, optional
        The folder that is the output, or that is beside it.
    sizes : mapping of str to int
        Bytes of each file, by its name in the store.
    """

    store: Store
    name: str
    folder: str | None
    sizes: Mapping[str, int]

    @classmethod
    def at(cls, place: Location) -> Self:
        """Find the files of an output.

        Raises
        ------
        MissingArtifactError
            If there is no output.
        StoreError, StoreRefusedError
        """
        store, name = split_url(place)
        own = {} if folder_named(name) else {name: store.size(name)}
        folder = name if folder_named(name) else folder_beside(store, name)
        more = {} if folder is None else Location.at(store, folder).store().names()
        sizes = own | {f"{folder}/{each}": size for each, size in more.items() if _is_name(each)}
        if not sizes:
            raise MissingArtifactError(f"{store.url_of(name)} does not exist", url=store.url_of(name))
        return cls(store, name, folder, sizes)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    def fetch(self, into: Path) -> dict[str, Path]:
        """Return local files by their names in the store: these files themselves, or copies of the same names in a folder."""
        if self.folder is not None:
            (into / self.folder).mkdir()
        paths = concurrently(lambda item: self.store.fetch(item[0], into / item[0], item[1]), self.sizes.items())
        return dict(zip(self.sizes, paths, strict=True))

    def digest(self) -> str:
        """Return the sha256 of the file, or the `hfdask.store.content.listing_digest` of several files."""
        with scratch_subfolder("output") as folder:
            paths = self.fetch(folder)
            digests = dict(zip(paths, concurrently(file_digest, paths.values()), strict=True))
        return digests[self.name] if self.folder is None else listing_digest(digests)


def _is_name(name: str) -> bool:
    """Return true if a file may be of an output, none of which has folders in its folder."""
    return "/" not in name and name not in (".", "..")


def folder_beside(store: Store, name: str) -> str | None:
    """Return the folder of the other files that an output names, if it names some.

    Raises
    ------
    MissingArtifactError
        If the output does not exist and is of a format that names others.
    """
    format = format_of(name)
    if format is None or not format.names_files:
        return None
    try:
        return format.beside_of(store.read(name, HEAD))
    except PlanCorruptError:  # it is longer than an output that names others
        return None
