"""A project folder, frozen: which files belong to a composition, and their digests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hfdask.config import PROJECT_FILE
from hfdask.errors import EntryNotFoundError
from hfdask.model import Artifact
from hfdask.store import Store, file_digest, object_name

# What is at the top of a project and never part of a composition.
SKIPPED = frozenset(
    {"node_modules", ".git", ".cache", "output", "failures", "dist", ".next", ".turbo", ".hfdask"} | {PROJECT_FILE}
)

_FRAGMENT_FREE = re.compile(rb"<(?:html|head|body)[\s>/]", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Project:
    """A folder and its entry document, both known to exist."""

    folder: Path
    entry: str

    @classmethod
    def find(cls, path: str | os.PathLike[str], entry: str) -> Project:
        """The project at a folder, or the one whose entry document this file is.

        Raises
        ------
        EntryNotFoundError
        """
        folder = Path(path).expanduser()
        if folder.is_file():
            folder, entry = folder.parent, folder.name
        if not folder.is_dir():
            raise EntryNotFoundError(f"{path}: there is no such folder", project=str(path))
        folder = folder.resolve()
        document = folder / entry
        if not document.is_file() or not document.resolve().is_relative_to(folder):
            raise EntryNotFoundError(
                f"{folder} has no {entry}; a composition starts with one (another name: entry='NAME.html')",
                project=str(folder),
                entry=entry,
            )
        return cls(folder, Path(entry).as_posix())

    @property
    def is_fragment(self) -> bool:
        """Whether the entry document lacks html, head and body tags."""
        text = _COMMENT.sub(b"", (self.folder / self.entry).read_bytes())
        return _FRAGMENT_FREE.search(text) is None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file of the project by its URL path, sorted. Links are followed while they stay in the project."""
        yield from sorted(self._walk(self.folder, (), frozenset({self.folder})))

    def _walk(self, folder: Path, parts: tuple[str, ...], above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
        for item in os.scandir(folder):
            path = Path(item.path)
            name = (*parts, item.name)
            if not parts and item.name in SKIPPED:
                continue
            target = path.resolve()
            if not target.is_relative_to(self.folder):
                continue
            if target.is_dir():
                if target not in above:  # a link to a folder above would never end
                    yield from self._walk(path, name, above | {target})
            elif target.is_file():
                yield "/".join(name), target


def freeze_files(project: Project, store: Store) -> tuple[Artifact, ...]:
    """Put every file of a project into a plan's objects; equal content is stored once."""
    artifacts = []
    for path, file in project.files():
        digest, size = file_digest(file), file.stat().st_size
        freeze_file(store, digest, size, file)
        artifacts.append(Artifact(path=path, sha256=digest, size=size))
    return tuple(artifacts)


def freeze_file(store: Store, digest: str, size: int, file: Path) -> None:
    """Put a file into a plan's objects, unless it is there already."""
    name = object_name(digest)
    if not (store.exists(name) and store.size(name) == size):
        store.put(name, file)
