"""The cache of plan objects on a machine: by digest, shared by its processes, and bounded in size.

    objects/<2 hex>/<sha256>    verified content, read-only; each process hashes an object once before it uses it
    partial/<name>              object that a process is fetching, locked meanwhile
    leases/<name>               digests that a caller uses, locked meanwhile
    lock                        shared by all that take a lease, exclusive for eviction

All locks are `flock`: the kernel drops them when the process ends, however it ends, so there is nothing to recover. A
file whose lock is free has no owner. An object's access time is the time of its last use. Its modification time stays,
so that a process recognises a file that it has hashed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hfdask.core.scratch import is_private, private_folder, shared_folder
from hfdask.errors import DiskFullError, InvalidConfigError, StoreError
from hfdask.store.content import is_content, mark_checked, object_name, require_digest
from hfdask.store.failures import is_full

FOLDER_VARIABLE = "HFDASK_CACHE"
BYTES_VARIABLE = "HFDASK_CACHE_BYTES"
DEFAULT_BYTES = 16 * 2**30
"""Default limit in bytes; half of the free disk space if that is less."""

STALLED = 20.0
"""Seconds without progress after which the holder of a lock counts as stopped. Ended processes hold no locks."""

_LOOK = 0.02


class Cache:
    """A folder of objects by digest. Any number of threads and processes may use the same folder.

    Parameters
    ----------
    folder : Path, optional
        Default: ``HFDASK_CACHE``, else in the folder for scratch files.
    limit : int, optional
        Bytes of objects above which the least recently used are removed, except those in use. Default:
        ``HFDASK_CACHE_BYTES``, else 16 GiB or half of the free disk.

    Raises
    ------
    InvalidConfigError
        If the folder cannot be made, or others can write to it.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self._limit = limit
        wanted = folder or Path(os.environ.get(FOLDER_VARIABLE) or shared_folder() / "cache")
        try:
            self.folder = _own_folder(wanted)
            for part in ("objects", "partial", "leases"):
                private_folder(self.folder / part)
        except OSError as error:
            raise InvalidConfigError(
                f"{wanted} cannot hold plan objects: {error}; set {FOLDER_VARIABLE} to a folder that this user owns",
                field=FOLDER_VARIABLE,
            ) from error

    def path(self, digest: str) -> Path:
        """Return the path of the object of this digest, which need not exist.

        Raises
        ------
        PlanCorruptError
            If it is not a digest.
        """
        return self.folder / object_name(digest)

    def has(self, digest: str, size: int) -> bool:
        """Return true if an object exists and its content is right; a damaged one does not count."""
        return is_content(self.path(digest), digest, size)

    @contextmanager
    def lease(self) -> Iterator[Callable[[Iterable[str]], None]]:
        """Yield a function that protects objects, present or future, from eviction until the block ends."""
        lease = self.folder / "leases" / uuid.uuid4().hex
        with self._locked(fcntl.LOCK_SH):
            descriptor = os.open(lease, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)

        def keep(digests: Iterable[str]) -> None:
            wanted = [require_digest(digest) for digest in digests]
            with self._locked(fcntl.LOCK_SH):
                os.write(descriptor, "".join(digest + "\n" for digest in wanted).encode("ascii"))
                for digest in wanted:
                    with suppress(FileNotFoundError):
                        changed = self.path(digest).stat().st_mtime_ns
                        os.utime(self.path(digest), ns=(time.time_ns(), changed))

        try:
            yield keep
        finally:
            lease.unlink(missing_ok=True)
            os.close(descriptor)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Path]:
        """Wait for the exclusive right to fetch this name; yield a path for the fetched file.

        Check again if the object exists: another process has probably fetched it meanwhile. If the file of the other
        process does not grow for `STALLED` seconds, the wait ends with another path.
        """
        path = self.folder / "partial" / name
        descriptor = _held(path)
        if descriptor is None:
            path = path.with_name(uuid.uuid4().hex)
            descriptor = _held(path)
        assert descriptor is not None, path
        try:
            yield path
        finally:
            if _is_at(descriptor, path):
                path.unlink()
            os.close(descriptor)

    def commit(self, path: Path, digest: str) -> Path:
        """Move verified content to its place."""
        final = self.path(digest)
        final.parent.mkdir(exist_ok=True, mode=0o700)
        path.chmod(0o400)
        mark_checked(path, digest, final)
        os.replace(path, final)
        return final

    def retry_when_full(self, call: Callable[[], None]) -> None:
        """Make a call that writes to the cache. If the disk is full, remove all unused objects and try once more.

        Raises
        ------
        DiskFullError
        """
        try:
            call()
            return
        except (OSError, DiskFullError) as error:
            if not (isinstance(error, DiskFullError) or is_full(error)):
                raise
        self.evict(0)
        try:
            call()
        except (OSError, DiskFullError) as error:
            if not (isinstance(error, DiskFullError) or is_full(error)):
                raise
            raise DiskFullError(
                f"no space is left for plan objects in {self.folder}; free some space, or set {FOLDER_VARIABLE} to another folder",
                path=str(self.folder),
            ) from error

    def evict(self, limit: int | None = None) -> int:
        """Remove the least recently used objects until the rest fits in the limit; return the bytes that are left.

        Objects under a lease stay, even above the limit. Files of dead processes are removed.
        """
        with self._locked(fcntl.LOCK_EX):
            used = self._leased()
            self._sweep_partial()
            objects = sorted(self._objects())
            total = sum(size for _, size, _ in objects)
            bound = self.limit(total) if limit is None else limit
            for _, size, path in objects:
                if total <= bound:
                    break
                if path.name not in used:
                    path.unlink()
                    total -= size
        return total

    def used(self) -> int:
        """Return the bytes that objects take now."""
        return sum(size for _, size, _ in self._objects())

    def limit(self, used: int) -> int:
        """Return the bytes that objects may take, if they take ``used`` now."""
        if self._limit is not None:
            return self._limit
        told = os.environ.get(BYTES_VARIABLE)
        if not told:
            return min(DEFAULT_BYTES, (shutil.disk_usage(self.folder).free + used) // 2)
        if not told.isdigit():
            raise InvalidConfigError(
                f"{BYTES_VARIABLE} must be a whole number of bytes, not {told!r}", field=BYTES_VARIABLE
            )
        return int(told)

    def _objects(self) -> Iterator[tuple[int, int, Path]]:
        for path in (self.folder / "objects").glob("*/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_atime_ns, status.st_size, path

    def _leased(self) -> set[str]:
        digests: set[str] = set()
        for lease in (self.folder / "leases").iterdir():
            with suppress(FileNotFoundError):
                if not _remove_if_free(lease):
                    digests.update(lease.read_text("ascii").split())
        return digests

    def _sweep_partial(self) -> None:
        for path in (self.folder / "partial").iterdir():
            with suppress(FileNotFoundError):
                _remove_if_free(path)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            began = time.monotonic()
            while not _lock(descriptor, how):
                if time.monotonic() - began > STALLED:
                    raise StoreError(
                        f"{self.folder} has been locked for {STALLED:g} s, by a process that is probably stopped; end that process, "
                        f"or set {FOLDER_VARIABLE} to another folder",
                        path=str(self.folder),
                    )
                time.sleep(_LOOK)
            yield
        finally:
            os.close(descriptor)


def _own_folder(wanted: Path) -> Path:
    """Return the folder if no one else can write to it, else a folder of this user in it."""
    wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
    return wanted if is_private(wanted.resolve()) else private_folder(wanted / f"hfdask-{os.getuid()}")


def _remove_if_free(path: Path) -> bool:
    """Remove a file unless a living process has locked it; return false if it is locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX):
            return False
        path.unlink()  # while it is locked, so that no process begins to use it
    finally:
        os.close(descriptor)
    return True


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(path: Path) -> int | None:
    """Wait for a file's lock and return its descriptor; None if the holder stalls for `STALLED` seconds."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since <= STALLED:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        locked = _lock(descriptor, fcntl.LOCK_EX)
        if locked and _is_at(descriptor, path):
            return descriptor
        grown = os.fstat(descriptor).st_size
        os.close(descriptor)
        if locked or grown != size:  # the one before has moved it into place or removed it, or still writes
            size, since = grown, time.monotonic()
        if not locked:
            time.sleep(_LOOK)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
