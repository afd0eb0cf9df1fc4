"""Files behind URLs: one small face over fsspec for plans, chunks and outputs.

A name either holds a whole file or does not exist. fsspec commits what was written when a block ends with an error, so
nothing is ever streamed into its final name: bytes go there in one call on object stores, which are atomic for each
object, and by rename on file systems.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem, make_path_posix

from hfdask.errors import (
    ArtifactDigestError,
    InvalidConfigError,
    MissingArtifactError,
    OutputNotWritableError,
    StoreError,
)
from hfdask.model import Artifact, Font, Resource
from hfdask.scratch import scratch_folder

StorageOptions = Mapping[str, Any]


class SecretOptions(Mapping[str, Any]):
    """Storage options that can travel in a task: whole when pickled, but never shown and never part of a key.

    It is no dict on purpose: dask would tokenise a dict by its content and a worker would log it.
    """

    __slots__ = ("_options",)

    def __init__(self, options: StorageOptions) -> None:
        self._options = dict(options)

    def __getitem__(self, name: str) -> Any:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __repr__(self) -> str:
        return "SecretOptions(***)"

    def __reduce__(self) -> tuple[Any, ...]:
        return SecretOptions, (self._options,)

    def __dask_tokenize__(self) -> tuple[str]:
        return ("hfdask.SecretOptions",)


class Store:
    """A folder at a URL: any fsspec URL, or a local path.

    Parameters
    ----------
    url : str
        Such as ``out/plan``, ``file:///data/plan``, ``memory://plan`` or ``s3://bucket/plan``.
    storage_options : mapping, optional
        Arguments of the file system, such as credentials. They are never stored or shown.

    Raises
    ------
    InvalidConfigError
        Where no file system knows the URL.
    """

    def __init__(self, url: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> None:
        try:
            self.fs, self.path = fsspec.url_to_fs(os.fspath(url), **(storage_options or {}))
        except (ValueError, ImportError) as error:
            raise InvalidConfigError(f"{_shown(url)}: {error}", field="url") from error
        self.path = self.path.rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    @property
    def url(self) -> str:
        """The folder's URL, absolute, without credentials."""
        return f"file://{self.path}" if self.local else _shown(self.fs.unstrip_protocol(self.path))

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}"

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}"

    @contextmanager
    def _healing(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingArtifactError(f"{self.url_of(name)} does not exist", url=self.url_of(name)) from error
        except OSError as error:
            raise StoreError(f"{self.url_of(name)}: {type(error).__name__}: {error.strerror or error}") from error

    def exists(self, name: str) -> bool:
        with self._healing(name):
            return bool(self.fs.exists(self._at(name)))

    def size(self, name: str) -> int:
        with self._healing(name):
            return int(self.fs.size(self._at(name)))

    def read(self, name: str) -> bytes:
        """The whole file.

        Raises
        ------
        MissingArtifactError, StoreError
        """
        with self._healing(name):
            return bytes(self.fs.cat_file(self._at(name)))

    def write(self, name: str, data: bytes) -> None:
        """Put a file there at once, in place of one that is there.

        Raises
        ------
        StoreError
        """
        with self._healing(name):
            if self.local:
                self._move_in(name, lambda temporary: temporary.write_bytes(data))
            else:
                self.fs.pipe_file(self._at(name), data)

    def put(self, name: str, source: Path) -> None:
        """Copy a local file there at once, in place of one that is there."""
        with self._healing(name):
            if self.local:
                self._move_in(name, lambda temporary: shutil.copyfile(source, temporary))
            else:
                self.fs.put_file(str(source), self._at(name))

    def _move_in(self, name: str, fill: Any) -> None:
        final = Path(self._at(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.tmp")
        try:
            fill(temporary)
            os.replace(temporary, final)
        finally:
            temporary.unlink(missing_ok=True)

    def fetch(self, name: str) -> Path:
        """A local file with this content: the file itself in a local store, else a copy in the scratch folder."""
        if self.local:
            path = Path(self._at(name))
            if not path.is_file():
                raise MissingArtifactError(f"{self.url_of(name)} does not exist", url=self.url_of(name))
            return path
        copy = (
            scratch_folder() / f"{hashlib.sha256(self.url_of(name).encode()).hexdigest()[:24]}-{uuid.uuid4().hex[:8]}"
        )
        with self._healing(name):
            self.fs.get_file(self._at(name), str(copy))
        return copy

    def delete(self, name: str = "") -> None:
        """Remove a file or folder, if it is there."""
        target = self._at(name) if name else self.path
        with self._healing(name):
            if self.fs.exists(target):
                self.fs.rm(target, recursive=True)

    def require_writable(self) -> None:
        """Prove that a file can be written in this folder.

        Raises
        ------
        OutputNotWritableError
        """
        probe = f".hfdask-{uuid.uuid4().hex[:12]}"
        try:
            self.write(probe, b"")
            self.delete(probe)
        except (StoreError, MissingArtifactError, ValueError) as error:
            reason = error.message if isinstance(error, StoreError | MissingArtifactError) else str(error)
            raise OutputNotWritableError(f"cannot write to {self.url}: {reason}", url=self.url) from error


def split_url(url: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> tuple[Store, str]:
    """The store of a file's folder, and the file's name in it."""
    text = os.fspath(url)
    folder, _, name = (text if "://" in text else make_path_posix(text)).rpartition("/")
    if not name:
        raise InvalidConfigError(f"{_shown(url)} names a folder, not a file", field="output")
    return Store(folder or "/", storage_options), name


def object_name(sha256: str) -> str:
    """Where an object of this digest is kept in a plan."""
    return f"objects/{sha256[:2]}/{sha256}"


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Materialiser:
    """Local, verified copies of plans' objects: each is fetched and hashed once a process, however many chunks run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str], tuple[Path, tuple[int, int]]] = {}

    def fonts(self, store: Store, fonts: Iterable[Font]) -> dict[str, Path]:
        """Local files of fonts by their names; as `files`."""
        return self.files(store, [Artifact(path=font.name, sha256=font.sha256, size=font.size) for font in fonts])

    def files(self, store: Store, artifacts: Iterable[Artifact]) -> dict[str, Path]:
        """Local files by page path.

        Raises
        ------
        MissingArtifactError
            Where an object is not in the store.
        ArtifactDigestError
            Where its bytes are not those that were planned.
        """
        return {artifact.path: self.file(store, artifact) for artifact in artifacts}

    def file(self, store: Store, artifact: Artifact | Resource) -> Path:
        """A local file with the content of one object; raises as `files`."""
        key = (store.url, artifact.sha256)
        with self._lock:
            known = self._files.get(key)
            if known and known[0].exists() and _stamp(known[0]) == known[1]:
                return known[0]
            path = store.fetch(object_name(artifact.sha256))
            if path.stat().st_size != artifact.size or file_digest(path) != artifact.sha256:
                raise ArtifactDigestError(
                    f"{artifact.path}: the plan's object {artifact.sha256[:16]} at {store.url} does not have the content "
                    "that was planned; plan again",
                    path=artifact.path,
                    sha256=artifact.sha256,
                )
            self._files[key] = (path, _stamp(path))
            return path


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


materialiser = Materialiser()
"""This process's objects."""


def _shown(url: object) -> str:
    """A URL without credentials or query, for messages."""
    scheme, separator, rest = str(url).partition("://")
    if not separator:
        return scheme
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
