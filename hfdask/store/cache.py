"""The machine's cache of plan objects: by digest, shared by its processes, bounded, and filled once.

    objects/<2 hex>/<sha256>    verified content, read-only; each process hashes an object once before it uses it
    partial/<name>              what one process is fetching, locked for as long as it does
    leases/<name>               digests that one caller uses, locked for as long as it does
    lock                        held by all who take a lease, alone by the one who evicts

All locks are `flock`: the kernel drops them with the process, however that ends, so there is nothing to recover. A file
whose lock is free belongs to nobody. An object's access time is when it was used last; its time of change stays, by which
a process knows the file that it has hashed.
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
"""Unless told otherwise; never more than half of what is free on the disk."""

STALLED = 20.0
"""Seconds without progress after which whoever holds a lock counts as stopped: locks of processes that end are free at once."""

_LOOK = 0.02


class Cache:
    """A folder of objects by digest. Any number of threads and processes may have one of the same folder.

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
        Where the folder cannot be made, or is not this user's alone.
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
                f"{wanted} cannot hold plan objects: {error}; name a folder of this user's in {FOLDER_VARIABLE}",
                field=FOLDER_VARIABLE,
            ) from error

    def path(self, digest: str) -> Path:
        """Where the object of this digest is, if it is there.

        Raises
        ------
        PlanCorruptError
            Where it is no digest.
        """
        return self.folder / object_name(digest)

    def has(self, digest: str, size: int) -> bool:
        """Whether an object is there and right. One that a power cut has spoilt, or somebody else, does not count."""
        return is_content(self.path(digest), digest, size)

    @contextmanager
    def lease(self) -> Iterator[Callable[[Iterable[str]], None]]:
        """Gives a function that keeps objects from being evicted until the block ends, those too that are to come."""
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
        """Wait until nobody else fetches what has this name, then hold its place; gives a path for what is fetched.

        Look again whether it is there: whoever had the turn before has probably brought it. One whose file does not grow is
        not waited for longer than `STALLED`: then the path is another one.
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
        """Move verified content into its place."""
        final = self.path(digest)
        final.parent.mkdir(exist_ok=True, mode=0o700)
        path.chmod(0o400)
        mark_checked(path, digest, final)
        os.replace(path, final)
        return final

    def retry_when_full(self, call: Callable[[], None]) -> None:
        """Make a call that writes to the cache; where the disk is full, once more after everything unused has gone.

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
                f"no space is left for plan objects in {self.folder}; free some, or name another folder in {FOLDER_VARIABLE}",
                path=str(self.folder),
            ) from error

    def evict(self, limit: int | None = None) -> int:
        """Remove the least recently used objects until the rest fits in the limit; returns the bytes that are left.

        Objects under a lease stay, even above the limit. Remains of dead processes go.
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
        """Bytes that objects take now."""
        return sum(size for _, size, _ in self._objects())

    def limit(self, used: int) -> int:
        """Bytes that objects may take, where they take ``used`` now."""
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
                        f"or name another folder in {FOLDER_VARIABLE}",
                        path=str(self.folder),
                    )
                time.sleep(_LOOK)
            yield
        finally:
            os.close(descriptor)


def _own_folder(wanted: Path) -> Path:
    """A folder if it is this user's alone, else one of this user's in it: others could change what is rendered."""
    wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
    return wanted if is_private(wanted.resolve()) else private_folder(wanted / f"hfdask-{os.getuid()}")


def _remove_if_free(path: Path) -> bool:
    """Remove a file that no living process has locked; False for one that is locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX):
            return False
        path.unlink()  # while it is locked, so that nobody has begun to use it in between
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
    """A descriptor that holds a file's lock, once it is free; None where its holder has not written for `STALLED` seconds."""
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
