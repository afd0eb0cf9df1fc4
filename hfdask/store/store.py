"""Files behind URLs: a small interface over fsspec for plans, chunks and outputs.

A name either holds a whole file or does not exist. If a block ends with an error, fsspec commits what was written so far. So
nothing is ever streamed into its final name. On object stores, which are atomic for each object, bytes arrive in one call;
on file systems, files are renamed.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import fsspec.config
from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import get_protocol

from hfdask.core.fields import is_plain
from hfdask.core.places import file_url, local_path
from hfdask.core.scratch import atomic_file, scratch_folder
from hfdask.errors import (
    ArtifactDigestError,
    DiskFullError,
    HfdaskError,
    InvalidConfigError,
    MissingArtifactError,
    PlanCorruptError,
    StoreError,
    StoreRefusedError,
)
from hfdask.store.allowlist import require_allowed
from hfdask.store.calls import THREADS, in_time, reread, retried
from hfdask.store.connections import Connections
from hfdask.store.content import file_digest
from hfdask.store.failures import TruncatedRead, is_full, may_be_missing, not_writable, typed
from hfdask.store.redaction import StorageOptions, scrubbed, shown
from hfdask.store.urls import parted_url

_R = TypeVar("_R")

# Options that let file systems make as many transfers at a time as there are threads.
_WIDE: dict[str, dict[str, Any]] = {"s3": {"config_kwargs": {"max_pool_connections": THREADS}}}
_WIDE["s3a"] = _WIDE["s3"]

LONGEST = 2**28
"""Default limit for files that are read into memory, in bytes."""

READS = 5
"""Reads of a file before its content counts as wrong: a proxy or a cut connection may damage single reads."""

REMOVALS = 10
"""Attempts to remove a folder in which another process is at work."""

_OTHERS_AT_WORK = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


class Store:
    """A folder at a URL: any fsspec URL, or a local path.

    Calls that fail with a transient error are retried for a limited time.

    Parameters
    ----------
    url : str
        Such as ``out/plan``, ``file:///data/plan``, ``memory://plan`` or ``s3://bucket/plan``.
    storage_options : mapping, optional
        Arguments of the file system, such as credentials. They are never stored or shown.

    Attributes
    ----------
    given, credentials : mapping
        The given storage options, and the options in the URL.

    Raises
    ------
    InvalidConfigError
        If no file system knows the URL, or it does not accept the options.
    StoreNotAllowedError
        If the URL is outside of ``HFDASK_ALLOWED_URLS``.
    """

    def __init__(self, url: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> None:
        text = plain_url(url)
        require_allowed(text, storage_options)
        self.fs, path = _file_system(text, storage_options)
        self.path = path.rstrip("/")
        self._rooted = bool(path)  # the top of an archive is empty, and its names have no slash before them
        self.local = isinstance(self.fs, LocalFileSystem)
        self.given: StorageOptions = storage_options or {}
        self._url, self.credentials = parted_url(type(self.fs), text, self.fs.unstrip_protocol(self.path))
        self._connections = Connections(self.fs)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    @property
    def url(self) -> str:
        """The folder's URL, absolute, with its server, without credentials."""
        return self.url_of("")

    def url_of(self, name: str) -> str:
        """Return the URL of this name."""
        if self.local:
            return file_url(self._at(name) or "/")
        return f"{self._url}/{name}" if name else self._url

    def shown(self, name: str) -> str:
        """Return the place of this name as people write it: a local path, else the URL."""
        return self._at(name) if self.local else self.url_of(name)

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name and self._rooted else name or self.path

    def _do(self, name: str, call: Callable[[], _R], *, writing: bool = False) -> _R:
        """Call with retries and translate the file system's error.

        The new error is raised outside of the handler. The file system's error may contain credentials, so it must be neither
        the cause nor the context of a logged error.
        """
        try:
            return retried(call)
        except _AlreadyThereError:
            raise
        except Exception as error:  # noqa: BLE001 - the file systems' errors have no other common base
            options = {**self.credentials, **self.given}
            trouble = typed(error, self.url_of(name), options, writing=writing)
        raise trouble

    def exists(self, name: str) -> bool:
        """Return true if there is a file or folder of this name now."""
        return bool(self._do(name, partial(self._ask, "exists", name)))

    def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises
        ------
        MissingArtifactError, StoreError, StoreRefusedError
        """
        return int(self._do(name, partial(self._ask, "size", name)) or 0)

    def _ask(self, method: str, name: str) -> Any:
        self.fs.invalidate_cache(self.fs._parent(self._at(name)))  # others write here too
        return in_time(self._connections, method, self._at(name))

    def read(self, name: str, limit: int = LONGEST) -> bytes:
        """Return the content of a file.

        Parameters
        ----------
        limit : int
            Maximum size in bytes; no more than that is ever held in memory.

        Raises
        ------
        PlanCorruptError
            If it is longer.
        MissingArtifactError, StoreError, StoreRefusedError
        """
        too_long = PlanCorruptError(f"{self.url_of(name)} has more than {limit} bytes", url=self.url_of(name))
        if self.local:
            data = self._do(name, partial(_read_regular, Path(self._at(name)), limit + 1))
            if len(data) > limit:
                raise too_long
            return data
        with _temporary(scratch_folder() / "read") as path:
            self._do(name, partial(self._get, name, path, 0, _Bounded(limit, too_long)))
            return path.read_bytes()

    def read_as(self, name: str, parse: Callable[[bytes], _R], reads: int = READS, limit: int = LONGEST) -> _R:
        """Read and parse a file; read it again if ``parse`` fails.

        Raises
        ------
        HfdaskError
            The errors of `read`, or the last error of ``parse``.
        """
        return reread(lambda: parse(self.read(name, limit)), 1 if self.local else reads, _may_be_spoilt)

    def fetch(
        self,
        name: str,
        path: Path,
        size: int = 0,
        sha256: str | None = None,
        reads: int = READS,
        limit: int | None = None,
    ) -> Path:
        """Return a local file with this content: the file itself in a local store, else a copy at ``path``.

        Parameters
        ----------
        size : int
            Expected size in bytes, from which the time limit follows.
        sha256 : str, optional
            Expected digest; the file is read again if its digest differs.
        limit : int, optional
            Bytes after which a transfer is stopped. Default: ``size`` if a digest is given.

        Raises
        ------
        ArtifactDigestError
            If it has another digest every time, or is longer.
        MissingArtifactError, StoreError, StoreRefusedError, DiskFullError
        """
        wrong = ArtifactDigestError(f"{self.url_of(name)} is not what was written there", url=self.url_of(name))
        if self.local:
            found = self.in_place(name)
            if sha256 is not None and file_digest(found) != sha256:
                raise wrong
            return found
        bound = size if limit is None and sha256 is not None else limit

        def copy() -> Path:
            self._do(name, partial(self._get, name, path, size, _Bounded(bound, wrong)))
            if sha256 is not None and file_digest(path) != sha256:
                raise wrong
            return path

        try:
            return reread(copy, reads, lambda error: error is wrong)
        except HfdaskError:
            path.unlink(missing_ok=True)
            raise

    def in_place(self, name: str) -> Path:
        """Return the path of the file itself, in a local store."""
        found = Path(self._at(name))
        if not os.path.isfile(found):
            raise MissingArtifactError(f"{self.url_of(name)} does not exist", url=self.url_of(name))
        return found

    def _get(self, name: str, path: Path, size: int, bounded: _Bounded) -> None:
        if type(self.fs) is MemoryFileSystem:
            # get_file shares one position among all readers.
            path.write_bytes(bounded.checked(self.fs.cat_file(self._at(name), end=bounded.enough)))
        elif getattr(self.fs, "async_impl", False):
            self._copy(self._at(name), path, size, bounded)
        else:
            # A call that has timed out cannot be stopped, so it must not share a file with the next call.
            with _temporary(scratch_folder() / "get") as own:
                self._copy(self._at(name), own, size, bounded, undo=partial(own.unlink, missing_ok=True))
                shutil.copyfile(own, path)

    def _copy(self, source: str, path: Path, size: int, bounded: _Bounded, **options: Any) -> None:
        told = bounded.again()
        try:
            in_time(self._connections, "get_file", source, str(path), callback=told, size=size, **options)
        except Exception as error:
            if may_be_missing(error):
                in_time(self._connections, "info", source)  # raises what says so
            raise
        got = path.stat().st_size
        told.require(got)
        if told.size is not None and got < told.size:
            raise TruncatedRead(got, told.size)

    def put(self, name: str, source: bytes | Path) -> None:
        """Store bytes or a copy of a local file atomically; an existing file is replaced.

        Raises
        ------
        StoreError, StoreRefusedError, DiskFullError
        """
        self._do(name, partial(self._write, name, source, create=False), writing=True)

    def create(self, name: str, source: bytes | Path) -> bool:
        """Store a file atomically if there is none; return false, and change nothing, if there is one.

        Some stores cannot check that. They replace the file, so use this only for names that are derived from the content.
        """
        try:
            self._do(name, partial(self._write, name, source, create=True), writing=True)
        except _AlreadyThereError:
            return False
        return True

    def _write(self, name: str, source: bytes | Path, *, create: bool) -> None:
        if self.local:
            self._move_in(name, source, create=create)
            return
        if not create:
            self._send(name, source)
            return
        try:
            self._send(name, source, mode="create")
        except FileExistsError:
            raise _AlreadyThereError(self.url_of(name)) from None
        except (TypeError, NotImplementedError) as error:
            self._send_anyway(name, source, error)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            self._send_anyway(name, source, error)

    def _send_anyway(self, name: str, source: bytes | Path, error: Exception) -> None:
        """Write to a store without conditional writes."""
        if self.fs.exists(self._at(name)):
            raise _AlreadyThereError(self.url_of(name)) from error
        self._send(name, source)

    def _send(self, name: str, source: bytes | Path, **options: Any) -> None:
        if type(self.fs) is MemoryFileSystem and isinstance(source, Path):
            source = source.read_bytes()  # put_file would show it while it grows
        if not getattr(self.fs, "async_impl", False) and type(self.fs) is not MemoryFileSystem:
            self._send_and_move(name, source, **options)
        elif isinstance(source, bytes):
            in_time(self._connections, "pipe_file", self._at(name), source, size=len(source), sending=True, **options)
        else:
            size = source.stat().st_size
            in_time(self._connections, "put_file", str(source), self._at(name), size=size, sending=True, **options)

    def _send_and_move(self, name: str, source: bytes | Path, mode: str = "overwrite") -> None:
        """Write to a file system that shows files while they are written: SFTP, SMB, HDFS and the like.

        A process that is killed meanwhile leaves its hidden file, because these file systems have no locks that would end with it.
        """
        final = self._at(name)
        folder, _, last = final.rpartition("/")
        temporary = f"{folder}/.{last}.{uuid.uuid4().hex[:12]}.tmp"
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        call = partial(in_time, self._connections, size=size)
        remove = partial(call, "rm_file", temporary)
        there = call("exists", final)
        if there and mode == "create":
            raise FileExistsError(final)
        self._make_folder(folder)
        try:
            if isinstance(source, bytes):
                call("pipe_file", temporary, source, undo=remove)
            else:
                call("put_file", str(source), temporary, undo=remove)
            self._require_arrived(temporary, source, size)
            if there:
                call("rm_file", final)  # many of these cannot rename onto a file
            call("mv", temporary, final)
        except BaseException:
            with suppress(Exception):
                call("rm_file", temporary)
            raise

    def _make_folder(self, folder: str) -> None:
        """Make a folder that others may make at the same time, which some servers report as an error."""
        for left in reversed(range(folder.count("/") + 1)):  # others may make each of its parents, too
            try:
                in_time(self._connections, "makedirs", folder, exist_ok=True)
                return
            except Exception as error:
                if in_time(self._connections, "exists", folder):
                    return
                if not left or not (isinstance(error, FileExistsError) or may_be_missing(error)):
                    raise

    def _require_arrived(self, sent: str, source: bytes | Path, size: int) -> None:
        """Read a sent file back and compare it: unlike object stores, these file systems do not check transfers."""
        with _temporary(scratch_folder() / "back") as path:
            changed = OSError(errno.EIO, "more bytes came back than were sent")
            self._copy(sent, path, size, _Bounded(size, changed), undo=partial(path.unlink, missing_ok=True))
            same = (
                path.read_bytes() == source if isinstance(source, bytes) else filecmp.cmp(path, source, shallow=False)
            )
        if not same:
            raise OSError(errno.EIO, "other bytes came back than were sent")

    def _move_in(self, name: str, source: bytes | Path, *, create: bool) -> None:
        final = Path(self._at(name))
        if create and final.exists():
            raise _AlreadyThereError(self.url_of(name))
        with atomic_file(final.parent, final.name) as temporary:
            if isinstance(source, bytes):
                temporary.write_bytes(source)
            else:
                shutil.copyfile(source, temporary)
            if create and _linked(temporary, final):
                return
            os.replace(temporary, final)

    def names(self) -> dict[str, int]:
        """Return the sizes of all files below this folder, by name."""

        def find() -> dict[str, Any]:
            self.fs.invalidate_cache(self.path)
            found: dict[str, Any] = in_time(self._connections, "find", self.path, detail=True)
            return found

        found = self._do("", find)
        sizes = {str(path)[len(self.path) :].lstrip("/"): int(info.get("size") or 0) for path, info in found.items()}
        return {name: size for name, size in sizes.items() if name}

    def delete(self, name: str = "") -> None:
        """Remove a file or folder if it exists."""

        def remove() -> None:
            if not getattr(self.fs, "async_impl", False) and self._ask("isfile", name):
                in_time(self._connections, "rm_file", self._at(name))  # FTP's `rm` takes a file for a folder, too
            elif self._ask("exists", name):
                in_time(self._connections, "rm", self._at(name), recursive=True)

        def remove_all() -> None:
            """Remove it, also if another process removes or adds files of the folder at the same time."""
            for left in reversed(range(REMOVALS)):
                try:
                    return remove()
                except OSError as error:
                    at_work = isinstance(error, FileNotFoundError) or error.errno in _OTHERS_AT_WORK
                    if not (at_work and left):
                        raise

        self._do(name, remove_all, writing=True)

    @contextmanager
    def removed_on_error(self, name: str = "") -> Iterator[None]:
        """Remove a file or folder if the block fails; if the removal fails, too, raise the block's error."""
        try:
            yield
        except BaseException:
            with suppress(HfdaskError):  # of a failing store: the first error says more
                self.delete(name)
            raise

    @contextmanager
    def removed_at_end(self, name: str = "") -> Iterator[None]:
        """Remove a file or folder at the end of the block; see `removed_on_error` for errors."""
        with self.removed_on_error(name):
            yield
        self.delete(name)

    def require_writable(self) -> None:
        """Prove that a file can be written in this folder.

        Raises
        ------
        OutputNotWritableError
        """
        probe = f".hfdask-{uuid.uuid4().hex[:12]}"
        try:
            self.put(probe, b"")
            self.delete(probe)
        except (StoreError, StoreRefusedError, DiskFullError, MissingArtifactError) as error:
            raise not_writable(error, self.url) from error


class _Bounded(Callback):  # type: ignore[misc] # fsspec has no types
    """A transfer's callback that ends it with ``error`` as soon as more than ``limit`` bytes are announced or have come."""

    def __init__(self, limit: int | None, error: Exception) -> None:
        super().__init__()
        self.limit, self.error = limit, error

    @property
    def enough(self) -> int | None:
        """The number of bytes that proves a file too long."""
        return None if self.limit is None else self.limit + 1

    def again(self) -> _Bounded:
        """Return a new callback for the next attempt."""
        return _Bounded(self.limit, self.error)

    def require(self, size: int | None) -> None:
        if self.limit is not None and size is not None and size > self.limit:
            raise self.error

    def checked(self, data: bytes) -> bytes:
        self.require(len(data))
        return data

    def call(self, *_: Any, **__: Any) -> None:
        """Check the size and the number of received bytes. fsspec calls this whenever they change."""
        self.require(self.size)
        self.require(self.value)


def _may_be_spoilt(error: BaseException) -> bool:
    """Return true if an error of a parser may come from bytes that were damaged on their way."""
    return isinstance(error, HfdaskError) and not isinstance(
        error, MissingArtifactError | StoreError | StoreRefusedError | DiskFullError
    )


class _AlreadyThereError(FileExistsError):
    """Signals an existing file within this module."""


@contextmanager
def disk_full_at(path: Path) -> Iterator[None]:
    """Raise `DiskFullError` if writing to ``path`` fails because the disk is full."""
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise DiskFullError(f"no space is left in {path.parent}; nothing partial was kept", path=str(path)) from error


def _read_regular(path: Path, most: int) -> bytes:
    """Return at most ``most`` bytes of a regular file. The open does not wait for the other end of a pipe."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if stat.S_ISDIR(mode := os.fstat(file.fileno()).st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(mode):
            raise PermissionError(errno.EPERM, "it is not a regular file")
        return file.read(most)


def plain_url(url: str | os.PathLike[str]) -> str:
    """Return a URL as text that a document can hold; a ``file:`` URL becomes a path.

    Raises
    ------
    InvalidConfigError
    """
    text = os.fspath(url)
    if not isinstance(text, str) or not is_plain(text) or not is_plain(text := local_path(text)):
        raise InvalidConfigError(
            f"{str(text)[:200]!r} is not a URL or path that a render can use: it is too long, or has characters that cannot "
            "be written down",
            field="url",
        )
    return text


def _file_system(url: str, options: StorageOptions | None) -> tuple[Any, str]:
    first = url.partition("::")[0]
    if first != url and "/" in first and "://" not in first:
        raise InvalidConfigError(
            f"{shown(url)} is a path with '::', which joins URLs of file systems: rename it", field="url"
        )
    protocol = get_protocol(url)
    given = {**_WIDE.get(protocol, {}), **fsspec.config.conf.get(protocol, {}), **(options or {})}
    try:
        fs, path = fsspec.url_to_fs(url, **given)
    except Exception as error:  # noqa: BLE001 - whatever a file system raises about its arguments or credentials
        trouble = InvalidConfigError(f"{shown(url)}: {scrubbed(f'{error}', {'url': url, **given})}", field="url")
    else:
        return fs, str(path)
    raise trouble


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    """Yield a path next to ``final``, and remove the file at the end of the block."""
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _linked(temporary: Path, final: Path) -> bool:
    """Give a file its final name if that is free; return false if the file system has no links."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise _AlreadyThereError(str(final)) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True
