"""A project folder, frozen: which files belong to a composition, and their digests."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hfdask.config import PROJECT_FILE
from hfdask.errors import EntryNotFoundError, ProjectError, StoreError
from hfdask.model import Artifact
from hfdask.scratch import scratch_subfolder
from hfdask.store import READS, Snapshot, StorageOptions, Store, concurrently, shown, split_url

# What is at the top of a project and never part of a composition.
SKIPPED = frozenset(
    {"node_modules", ".git", ".cache", "output", "failures", "dist", ".next", ".turbo", ".hfdask"} | {PROJECT_FILE}
)

MAX_ENTRIES = 100_000
"""Files and folders of a project. Links can make a path of every walk through them, of which there may be more than anybody can count."""

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
        yield from files_below(self.folder, SKIPPED)


def files_below(folder: Path, skipped: Collection[str] = ()) -> list[tuple[str, Path]]:
    """Every regular file below a resolved folder by its path there, sorted, without what has a ``skipped`` name at the top.

    Links are followed while they stay in the folder.

    Raises
    ------
    ProjectError
        Where there are more than `MAX_ENTRIES`, or folders too deep for this machine.
    """
    seen = 0

    def walk(inside: Path, parts: tuple[str, ...], above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
        nonlocal seen
        for item in os.scandir(inside):
            name = (*parts, item.name)
            seen += 1
            if seen > MAX_ENTRIES:
                raise ProjectError(
                    f"{folder} has more than {MAX_ENTRIES} files and folders, or links that lead from folder to folder; "
                    "give the composition a folder of its own"
                )
            if not parts and item.name in skipped:
                continue
            target = Path(item.path).resolve()
            if not target.is_relative_to(folder):
                continue
            if target.is_dir():
                if target not in above:  # a link to a folder above would never end
                    yield from walk(Path(item.path), name, above | {target})
            elif target.is_file():
                yield "/".join(name), target

    try:
        return sorted(walk(folder, (), frozenset({folder})))
    except RecursionError as error:
        raise ProjectError(f"the folders in {folder} are nested too deep") from error


def freeze_files(project: Project, snapshot: Snapshot) -> tuple[Artifact, ...]:
    """Take every file of a project into a plan's content; equal content is kept once."""
    found = list(project.files())
    contents = snapshot.add_all(file for _, file in found)
    return tuple(
        Artifact(path=path, sha256=digest, size=size) for (path, _), (digest, size) in zip(found, contents, strict=True)
    )


@contextmanager
def local_project(
    project: str | os.PathLike[str], storage_options: StorageOptions | None = None
) -> Iterator[str | os.PathLike[str]]:
    """A project as a local path: itself if it is one, else a copy of what is at its URL for as long as the block runs.

    Raises
    ------
    EntryNotFoundError
        Where nothing is at the URL.
    StoreError, StoreRefusedError, StoreNotAllowedError, InvalidConfigError
    """
    url = os.fspath(project)
    store = Store(url, storage_options)
    if store.local:
        yield store.path if "://" in url else project
        return
    names, document = store.names(), ""
    if not names:
        store, document = split_url(url, storage_options)
        names = store.names()
        if document not in names:
            raise EntryNotFoundError(f"{shown(url)}: there is no such folder or document", project=shown(url))
    with scratch_subfolder("project") as folder:
        _fetch_all(store, names, folder)
        yield folder / document


def _fetch_all(store: Store, names: Mapping[str, int], folder: Path) -> None:
    """Copy files that can belong to a composition; a name that no page can ask for cannot."""
    wanted = [
        name
        for name in names
        if (name == PROJECT_FILE or name.partition("/")[0] not in SKIPPED)
        and not {"", ".", ".."} & {*name.split("/")}
        and "\0" not in name
    ]
    folders = {parent.as_posix() for name in wanted for parent in PurePosixPath(name).parents}
    if both := sorted(folders & {*wanted}):
        raise ProjectError(f"{store.url_of(both[0])} is a file and a folder, which no project can hold; rename one")
    for parent in folders:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    concurrently(lambda name: _fetch_whole(store, name, names[name], folder / name), wanted)


def _fetch_whole(store: Store, name: str, size: int, path: Path) -> None:
    """Copy a file of which nothing but its size is known. It may be more: some stores decompress what they give."""
    for _ in range(READS):
        if store.fetch(name, path, size).stat().st_size >= size:
            return
    url = store.url_of(name)
    raise StoreError(f"{url}: only {path.stat().st_size} of {size} bytes came, {READS} times", url=url)
