"""Find the files of a project folder that belong to a composition, and freeze them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from msgspec import Struct

from hfdask.core.fields import LEFT_OUT, MAX_FILES, is_path
from hfdask.core.model import Artifact
from hfdask.core.places import local_path
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import EntryNotFoundError, ProjectError, StoreError
from hfdask.store import READS, Snapshot, StorageOptions, Store, concurrently, shown, split_url

PROJECT_FILE = "hfdask.toml"
"""A project's own options; see `hfdask.project.settings`."""

# Names at the top of a project that are never part of a composition.
SKIPPED = LEFT_OUT | {PROJECT_FILE}

UNPACKED = 2**30
"""Bytes that a store may send beyond a file's size, if it decompresses files."""

MAX_ENTRY = 100 * 10**6
"""Bytes of an entry document."""

_DOCUMENTS = (".html", ".htm", ".xhtml", ".svg")
_FRAGMENT_FREE = re.compile(rb"<(?:html|head|body)[\s>/]", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


class Project(Struct, frozen=True):
    """A folder and its entry document, both known to exist; or what they were when they were frozen.

    Attributes
    ----------
    folder : Path
        The folder. A frozen project has only its name.
    entry : str
        Path of the entry document in the folder.
    content : mapping of str to Path, optional
        The files of a frozen project, by their URL paths.
    """

    folder: Path
    entry: str
    content: Mapping[str, Path] | None = None

    @classmethod
    def find(cls, path: str | os.PathLike[str], entry: str) -> Project:
        """Find the project at a folder, or the one with this file as its entry document.

        Raises
        ------
        EntryNotFoundError
        """
        folder = Path(path).expanduser()
        if os.path.isfile(folder):  # unlike Path's, it takes any text
            folder, entry = folder.parent, folder.name
        if not os.path.isdir(folder):
            raise EntryNotFoundError(f"{path}: there is no such folder", project=str(path))
        folder = folder.resolve()
        entry = Path(entry).as_posix()
        document = folder / entry
        inside = is_path(entry) and os.path.isfile(document) and document.resolve().is_relative_to(folder)
        if not inside:
            raise EntryNotFoundError(
                f"{folder} has no {entry[:200]!r}; a composition starts with one (another name: entry='NAME.html')",
                project=str(folder),
                entry=entry[:200],
            )
        if document.suffix.lower() not in _DOCUMENTS:
            raise EntryNotFoundError(
                f"{document} is not a page: the name of an entry document ends in {', '.join(_DOCUMENTS)}",
                project=str(folder),
                entry=entry[:200],
            )
        if document.stat().st_size > MAX_ENTRY:
            raise ProjectError(f"{document} has more than {MAX_ENTRY} bytes, which is too long for a page", file=entry)
        return cls(folder, entry)

    @property
    def is_fragment(self) -> bool:
        """True if the entry document lacks html, head and body tags."""
        text = _COMMENT.sub(b"", dict(self.files())[self.entry].read_bytes())
        return _FRAGMENT_FREE.search(text) is None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Return every file of the project by its URL path, sorted. Links are followed while they stay in the project."""
        yield from files_below(self.folder, SKIPPED) if self.content is None else self.content.items()


def files_below(folder: Path, skipped: Collection[str] = ()) -> list[tuple[str, Path]]:
    """Return every regular file below a resolved folder by its path, sorted, without ``skipped`` names at the top.

    Links are followed if they stay in the folder.

    Raises
    ------
    ProjectError
        If there are more than `hfdask.core.fields.MAX_FILES` files and folders. Links to folders can make many of a
        few.
    """
    found: list[tuple[str, Path]] = []
    contents: dict[Path, list[_Item]] = {}  # a folder is read once, however many links lead to it
    waiting: list[tuple[Path, tuple[str, ...], frozenset[Path]]] = [(folder, (), frozenset({folder}))]
    seen = 0
    while waiting:
        inside, parts, above = waiting.pop()
        if inside not in contents:
            contents[inside] = _items(inside, folder)
        seen += len(contents[inside])
        if seen > MAX_FILES:
            raise ProjectError(
                f"{folder} has more than {MAX_FILES} files and folders, counting each at every place that links give "
                "it; remove such links, or files that the composition does not need",
                project=str(folder),
            )
        for name, target, is_folder in contents[inside]:
            if not parts and name in skipped:
                continue
            if not is_folder:
                found.append(("/".join((*parts, name)), target))
            elif target not in above:  # a link to a folder above would never end
                waiting.append((target, (*parts, name), above | {target}))
    return sorted(found)


_Item: TypeAlias = tuple[str, Path, bool]
"""A name, its resolved path, and true if that is a folder."""


def _items(inside: Path, folder: Path) -> list[_Item]:
    """Return the files and folders in a folder that belong to the project."""
    found: list[_Item] = []
    try:
        with os.scandir(inside) as items:
            for item in itertools.islice(items, MAX_FILES + 1):
                target = Path(os.path.realpath(item.path)) if item.is_symlink() else inside / item.name
                if target.is_relative_to(folder) and (os.path.isdir(target) or os.path.isfile(target)):
                    found.append((item.name, target, os.path.isdir(target)))
    except OSError as error:
        raise ProjectError(f"{inside} cannot be read: {error.strerror}", file=str(inside)) from error
    return found


def freeze_files(project: Project, snapshot: Snapshot) -> tuple[Artifact, ...]:
    """Add every file of a project to a plan's content; equal content is kept once.

    Raises
    ------
    ProjectError
        If a file cannot be read, or its name does not fit into a plan.
    """
    return tuple(concurrently(lambda found: _freeze(snapshot, *found), project.files()))


def _freeze(snapshot: Snapshot, path: str, file: Path) -> Artifact:
    if not is_path(path):
        raise ProjectError(
            f"the project has a file {path[:200]!r}, whose name is too long or has control characters or bytes that are not "
            "UTF-8; rename it",
            file=ascii(path)[:200],
        )
    try:
        digest, size = snapshot.add(file)
    except OSError as error:
        raise ProjectError(f"{path} of the project cannot be read: {error.strerror}", file=path) from error
    return Artifact(path=path, sha256=digest, size=size)


@contextmanager
def local_project(project: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> Iterator[Path]:
    """Yield a project as a local path: a local project itself, else a copy that stays until the block ends.

    Raises
    ------
    EntryNotFoundError
        If there is nothing at the URL.
    StoreError, StoreRefusedError, StoreNotAllowedError, InvalidConfigError
    """
    url = os.fspath(project)
    store = Store(url, storage_options)
    if store.local:
        yield Path(local_path(project))
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
    """Copy the files that can belong to a composition, without names that no page can ask for."""
    if len(names) > MAX_FILES:
        raise ProjectError(f"{store.url} has {len(names)} files, more than the {MAX_FILES} that a project may have")
    wanted = [
        name
        for name in names
        if (name == PROJECT_FILE or name.partition("/")[0] not in SKIPPED)
        and not {"", ".", ".."} & {*name.split("/")}
        and "\0" not in name
    ]
    folders = {parent.as_posix() for name in wanted for parent in PurePosixPath(name).parents}
    if both := sorted(folders & {*wanted}):
        raise ProjectError(f"{store.url_of(both[0])} is both a file and a folder; rename one")
    for parent in folders:
        try:
            (folder / parent).mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise ProjectError(
                f"{store.url} has a folder {parent[:200]!r}, which cannot be created here: {error}"
            ) from error
    concurrently(lambda name: _fetch_whole(store, name, names[name], folder / name), wanted)


def _fetch_whole(store: Store, name: str, size: int, path: Path) -> None:
    """Copy a file of known size. It may be longer than that, because some stores decompress files."""
    for _ in range(READS):
        if store.fetch(name, path, size, limit=size + UNPACKED).stat().st_size >= size:
            return
    url = store.url_of(name)
    raise StoreError(f"{url}: received only {path.stat().st_size} of {size} bytes, {READS} times", url=url)
