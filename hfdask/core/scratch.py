"""A process's scratch folder: private, removed at exit, and swept by the next process after a `kill -9`.

The owner holds a lock on its folder for as long as it lives. The kernel drops the lock with the process, however that
ends, so a folder whose lock is free belongs to nobody; process ids, which are reused and mean nothing across
containers that share /tmp, are not asked.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import glob
import os
import shutil
import stat
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

_lock = threading.Lock()
_folder: tuple[int, Path] | None = None
_held: list[int] = []


def scratch_folder() -> Path:
    """This process's scratch folder; made, and those of dead processes removed, at the first call."""
    global _folder  # noqa: PLW0603 - one a process is the point
    with _lock:
        if _folder is None or _folder[0] != os.getpid():
            base = _base()
            sweep(base)
            # It gets the name that others sweep only when it is locked: processes start at the same time.
            fresh = Path(tempfile.mkdtemp(prefix="new-", dir=base))
            _held.append(_lock_of(fresh, os.O_RDONLY | os.O_DIRECTORY))
            folder = fresh.rename(base / fresh.name.replace("new-", "run-", 1))
            _folder = (os.getpid(), folder)
            atexit.register(_remove, os.getpid(), folder)
        return _folder[1]


@contextlib.contextmanager
def scratch_subfolder(kind: str) -> Iterator[Path]:
    """A new folder in this process's scratch folder, removed at the end of the block."""
    folder = scratch_folder() / f"{kind}-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(folder: Path, name: str) -> Iterator[Path]:
    """A new hidden file in ``folder`` that can be moved to ``name`` in one step, and is gone after the block.

    Like the scratch folders it is locked for as long as its process lives, and those of dead processes are removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{glob.escape(name)}.{'[0-9a-f]' * 12}.tmp"):
        with contextlib.suppress(OSError):  # alive, or just removed by another process
            descriptor = _lock_of(left, os.O_RDONLY)
            left.unlink(missing_ok=True)
            os.close(descriptor)
    fresh = folder / f".{name}.{uuid.uuid4().hex[:12]}"
    path = fresh.with_name(f"{fresh.name}.tmp")
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # without locks on this file system nobody takes it for a dead one's
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(path)
        yield path
    finally:
        fresh.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        os.close(descriptor)


def shared_folder() -> Path:
    """The folder that all of this user's processes on this machine share, and in which each has its scratch folder."""
    return _base()


def sweep(base: Path) -> int:
    """Remove the scratch folders under ``base`` that no living process holds; returns how many."""
    removed = 0
    for folder in base.glob("run-*"):
        try:
            descriptor = _lock_of(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # alive, or just being made or removed by another process
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        removed += 1
    return removed


def _lock_of(path: Path, flags: int) -> int:
    """A descriptor that holds the lock; OSError where another process holds it."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_private(folder: Path) -> bool:
    """Whether a folder is this user's own, is no link, and nobody else can write to it."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def private_folder(folder: Path) -> Path:
    """Make a folder that only this user can use, or close one of this user's to others.

    Raises
    ------
    OSError
        Where somebody else has made something of this name, or the file system cannot keep others out.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it is somebody else's, or a link", str(folder))
    if status.st_mode & 0o777 != 0o700:
        folder.chmod(0o700)
    if not is_private(folder):
        raise PermissionError(errno.EPERM, "this file system lets others write to it", str(folder))
    return folder


def _base() -> Path:
    """The user's folder. Where somebody else has taken its name, another one, which later processes find again."""
    top = Path(tempfile.gettempdir())
    name = f"hfdask-{os.getuid()}"
    for folder in (top / name, *sorted(top.glob(f"{name}-*"))):
        with contextlib.suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            return private_folder(folder)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=top))


def _remove(pid: int, folder: Path) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
