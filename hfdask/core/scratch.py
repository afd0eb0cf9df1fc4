"""Scratch folders: private, removed at exit, or by the next process after a `kill -9`.

Each process holds a lock on its folders. The kernel drops the lock when the process ends, however it ends, so a folder
whose lock is free has no owner. Process ids do not show this: they are reused, and mean nothing across containers that
share /tmp.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import functools
import os
import re
import shutil
import stat
import tempfile
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from tenacity import retry, retry_if_exception_type, stop_after_attempt

MEMORY = Path("/dev/shm")
"""Top folder of files that are kept in memory."""

_END = re.compile(r"[0-9a-f]{12}\.tmp")  # of the name of a hidden file

_lock = threading.Lock()
_folders: dict[tuple[int, Path], Path] = {}  # by process, since forks inherit them, and top folder
_held: list[int] = []


def scratch_folder() -> Path:
    """Return this process's scratch folder. The first call makes it and removes the folders of dead processes."""
    return _folder_in(Path(tempfile.gettempdir()))


def memory_folder(room: int) -> Path:
    """Return a scratch folder whose files are in memory, or `scratch_folder` if less than ``room`` bytes are free there."""
    try:
        if shutil.disk_usage(MEMORY).free >= room:
            return _folder_in(MEMORY)
    except OSError:
        pass  # no such folder, or none that this user may write to
    return scratch_folder()


def _folder_in(top: Path) -> Path:
    with _lock:
        key = os.getpid(), top
        if key not in _folders:
            base = _base(top)
            sweep(base)
            _folders[key], descriptor = _locked(
                lambda: base / f"run-{uuid.uuid4().hex[:12]}", functools.partial(_new_folder, mode=0o700)
            )
            _held.append(descriptor)
            atexit.register(_remove, os.getpid(), _folders[key])
        return _folders[key]


@contextlib.contextmanager
def scratch_subfolder(kind: str) -> Iterator[Path]:
    """Make a folder in this process's scratch folder, and remove it at the end of the block."""
    folder = scratch_folder() / f"{kind}-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def nameless_file(owner: object) -> IO[bytes]:
    """Return a file without a name, which is gone when its owner is, or when this process ends in any way."""
    file = tempfile.TemporaryFile(dir=scratch_folder())  # noqa: SIM115 - its owner's end closes it
    weakref.finalize(owner, file.close)
    return file


def atomic_file(folder: Path, name: str) -> AbstractContextManager[Path]:
    """Make a hidden file in ``folder`` that can be renamed to ``name``; remove it at the end of the block.

    Like the scratch folders, it is locked while its process lives. Files of dead processes are removed first.
    """
    return _hidden(folder, name, _new_file, lambda path: path.unlink(missing_ok=True))


def atomic_folder(folder: Path, name: str) -> AbstractContextManager[Path]:
    """Do the same as `atomic_file` for a folder."""
    remove = functools.partial(shutil.rmtree, ignore_errors=True)
    return _hidden(folder, name, _new_folder, remove)


@contextlib.contextmanager
def _hidden(folder: Path, name: str, make: Callable[[Path], int], remove: Callable[[Path], object]) -> Iterator[Path]:
    """Make, lock and remove what `atomic_file` describes; ``make`` returns a descriptor."""
    start = f".{name}."
    path, descriptor = _locked(lambda: folder / f"{start}{uuid.uuid4().hex[:12]}.tmp", make)
    try:
        found = [each for each in os.listdir(folder) if each.startswith(start) and _END.fullmatch(each, len(start))]
        for left in map(folder.joinpath, found):
            with contextlib.suppress(OSError):  # alive, or just removed by another process
                lock = _lock_of(left)
                try:
                    remove(left)
                finally:
                    os.close(lock)
        yield path
    finally:
        # If the disk fails, the block's error says more, and the next output removes the file.
        with contextlib.suppress(OSError):
            remove(path)
        os.close(descriptor)


@retry(
    retry=retry_if_exception_type((FileNotFoundError, FileExistsError, BlockingIOError)),
    stop=stop_after_attempt(100),
    reraise=True,
)
def _locked(name: Callable[[], Path], make: Callable[[Path], int]) -> tuple[Path, int]:
    """Make a file or folder, and lock it; return its path and the descriptor that holds the lock.

    Before it is locked, another process may take it for a dead one's, and lock or remove it. Then another one is made.
    """
    path = name()
    descriptor = make(path)
    try:
        _flock(descriptor)
        path.lstat()  # raises if another process has removed it
    except OSError as error:
        if isinstance(error, FileNotFoundError | BlockingIOError):
            os.close(descriptor)
            raise
        # A file system without locks: no other process can mistake this path for a dead one's.
    return path, descriptor


def _new_folder(path: Path, mode: int = 0o777) -> int:
    path.mkdir(mode, parents=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _new_file(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def shared_folder() -> Path:
    """Return the folder that this user's processes on this machine share; it contains their scratch folders."""
    return _base(Path(tempfile.gettempdir()))


def sweep(base: Path) -> int:
    """Remove the scratch folders under ``base`` that no living process holds; return their number."""
    removed = 0
    for folder in base.glob("run-*"):
        try:
            descriptor = _lock_of(folder)
        except OSError:
            continue  # alive, or just being made or removed by another process
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        removed += 1
    return removed


def _lock_of(path: Path) -> int:
    """Lock a path and return the descriptor that holds the lock. Raise OSError if another process holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _flock(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _flock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_private(folder: Path) -> bool:
    """Return true if this user owns the folder, it is not a link, and no other user can write to it."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def private_folder(folder: Path) -> Path:
    """Make a folder that only this user can use, or take others' access from an existing one of this user.

    Raises
    ------
    OSError
        If another user owns something of this name, or the file system cannot restrict access.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "another user owns it, or it is a link", str(folder))
    if status.st_mode & 0o777 != 0o700:
        folder.chmod(0o700)
    if not is_private(folder):
        raise PermissionError(errno.EPERM, "other users can write to it on this file system", str(folder))
    return folder


def _base(top: Path) -> Path:
    """Return the user's folder. If another user has taken its name, make another folder, which later processes find."""
    name = f"hfdask-{os.getuid()}"
    for folder in (top / name, *sorted(top.glob(f"{name}-*"))):
        with contextlib.suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            return private_folder(folder)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=top))


def _remove(pid: int, folder: Path) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
