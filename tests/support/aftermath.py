"""Checks after every fault: no process, no partial output and no stale file is left.

Ask for the fixture ``nothing_left`` and it is checked when the test is over. Processes whose parents were killed are found
because this process adopts them, and files because all that is temporary goes to a folder of this test run's own.
"""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from video_samples import SAMPLES

from hfdask.browser import browser_thread
from hfdask.core import scratch
from hfdask.store import Cache

_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
_WARM = re.compile(r"launch-.+\.sh|fonts-[\w-]+|playwright[-_].+")
_STALE = re.compile(r"\..+\.tmp|\.hfdask-[0-9a-f]{12}")


def isolate() -> Path:
    """Give this test run a separate folder for temporary files; its reports stay in their place."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="hfdask-tests-")
    os.chmod(tempfile.tempdir, 0o755)  # some tests act for another user
    # Browsers that tests start by themselves may play sound. PulseAudio then makes a folder for all later processes, in ``TMPDIR``.
    os.environ.setdefault("PULSE_RUNTIME_PATH", os.path.join(os.environ["PYTEST_DEBUG_TEMPROOT"], "hfdask-tests-pulse"))
    assert ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0) == 0
    return Path(tempfile.tempdir)


def until(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Wait for a condition, up to these seconds; return false if it is not met."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that still run, without zombies."""
    return [process for process in processes if process.is_running() and not _is_zombie(process)]


def below(*pids: int) -> list[psutil.Process]:
    """All processes below these, or this one."""
    return [child for pid in pids or (os.getpid(),) for child in psutil.Process(pid).children(recursive=True)]


def said(process: psutil.Process) -> str:
    """Return a process's command line; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def is_browser(process: psutil.Process) -> bool:
    """Return true if it is the first process of a browser."""
    try:
        return "headless" in process.name() and "--type=" not in said(process)
    except psutil.Error:
        return False


def strays(before: list[psutil.Process]) -> list[str]:
    """List the processes below this one, besides its warm browsers, their driver, Python's resource tracker, and ``before``."""
    warm = [chromium.pid for chromium in browser_thread().pool._idle]
    kept = {*warm, *(process.pid for pid in warm if psutil.pid_exists(pid) for process in below(pid))}
    found = [process for process in running(below()) if process.pid not in kept and process not in before]
    drivers = [process for process in found if "run-driver" in said(process)]
    own = {process.pid for process in [*drivers[:1], *(each for each in found if "resource_tracker" in said(each))]}
    return [f"{process.pid}: {said(process)[:200]}" for process in found if process.pid not in own]


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    before = below()
    yield
    until(lambda: not strays(before), 10)
    _require_none("processes", strays(before))
    _require_none("files", left_in(tmp_path))
    names = [name for kind in _in_memory() for name in kind.store]
    _require_none("stale objects", [name for name in names if _STALE.fullmatch(name.rpartition("/")[2])])
    base, mine = scratch.shared_folder(), scratch.scratch_folder()
    scratch.sweep(base)  # as the next process does
    _require_none("scratch folders", [folder for folder in base.glob("run-*") if folder != mine])
    _require_none("scratch files", [path for path in mine.iterdir() if not _WARM.fullmatch(path.name)])
    _require_none("things", left_on_machine())
    for cache in {path.parent for path in tmp_path.rglob("partial")}:
        Cache(cache).evict()
        _require_none("half-fetched files and leases", [*cache.glob("partial/*"), *cache.glob("leases/*")])


def left_in(folder: Path) -> list[str]:
    """Files below a folder that a fault has left: temporary ones, and videos that are not whole."""
    stale = [path for path in folder.rglob("*") if _STALE.fullmatch(path.name)]
    partial = [path for path in folder.rglob("*.mp4") if path.is_file() and not _is_whole(path)]
    return [f"stale file {path}" for path in stale] + [f"partial video {path}" for path in partial]


def left_on_machine(expected: Collection[str] = ()) -> list[str]:
    """List leftovers in the folder for temporary files and in the cache, besides files that living processes use."""
    base = scratch.shared_folder()
    scratch.sweep(base)  # as the next process does
    cache = base / "cache"
    Cache(cache).evict()
    own = {base.name, "dask-scratch-space", *expected}
    left = [path for path in base.parent.iterdir() if path.name not in own and not path.name.startswith(SAMPLES)]
    left += [path for path in base.glob("run-*/*") if not _WARM.fullmatch(path.name)]
    left += [*cache.glob("partial/*"), *cache.glob("leases/*")]
    return [f"temporary file {path}" for path in left]


def _require_none(what: str, found: list[Any]) -> None:
    assert not found, f"{what} are left: {', '.join(map(str, found))}"


def _in_memory() -> list[type[MemoryFileSystem]]:
    return [MemoryFileSystem, *MemoryFileSystem.__subclasses__()]


def _is_whole(path: Path) -> bool:
    try:
        with av.open(path) as video:
            return sum(packet.size for packet in video.demux(video=0)) > 0
    except av.FFmpegError:
        return False


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
