"""Measure and limit the memory of a browser's processes.

Dask's nanny measures only the worker's own process. So a leased browser is measured several times a second, and killed
above a limit, with an error that says so, before the kernel has to end some process.

The numbers come from ``/proc/PID/statm``: the private memory of all processes, plus the largest shared memory of one
process (the binary, and pictures that are sent between processes). By this an empty page takes 158 MiB. PSS, the exact
figure, is 193 MiB: it also counts files that only one process has mapped. If a page keeps 500 MiB more, both grow by
500. PSS takes the kernel 6 to 14 ms, holds up the page, and is not available for processes in Chromium's sandbox. This
takes 0.1 ms, and the search for the processes 1 to 3 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import runpy
import time
from collections.abc import AsyncIterator

import psutil

from hfdask.browser.processes import Processes
from hfdask.core.cores import cores
from hfdask.errors import BrowserMemoryError, InvalidConfigError

BYTES_VARIABLE = "HFDASK_BROWSER_BYTES"
LEAST = 512 * 2**20
"""Minimum of a computed limit: an empty page takes nearly half of it."""

_OF_SHARE = 0.75  # the worker and its encoder need the rest
_RECYCLED_ABOVE = 0.5
# A page can fill a gigabyte in half a second, and then keep this process from looking by keeping the machine busy.
_PAUSE = 0.25
# Between searches for processes, which take longer. A page's own processes are found when it is opened.
_LONGEST_PAUSE = 2.0
_MOST_TIME = 0.002  # share of one core for searches, however many processes the machine has
_EXIT_SECONDS = 1.0
_OUT_OF_SIGHT = (psutil.NoSuchProcess, psutil.AccessDenied)  # gone, or hidden by the machine


class Memory:
    """Bytes of a browser's processes: ``now`` as last measured, ``peak`` since the lease began, and their ``limit``.

    ``excess`` is the number of bytes for which they were killed.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.now = 0
        self.peak = 0
        self.limit = 0
        self.excess: int | None = None

    def measure(self) -> int:
        """Measure the processes that were found last, now; 0 if they are gone."""
        private, shared = 0, 0
        for process in self._processes.found():
            with contextlib.suppress(*_OUT_OF_SIGHT):
                memory = process.memory_info()
                private += memory.rss - memory.shared
                shared = max(shared, memory.shared)
        self.now = private + shared
        self.peak = max(self.peak, self.now)
        return self.now

    @contextlib.asynccontextmanager
    async def bounded(self, limit: int) -> AsyncIterator[None]:
        """Kill the browser if it takes more than ``limit`` while the block runs.

        Raises
        ------
        BrowserMemoryError
            Instead of errors that the kill has caused.
        """
        self.limit, self.peak = limit, 0
        watch = asyncio.create_task(self._watch())
        try:
            yield
        except Exception as error:
            if self.excess is None:
                raise
            raise BrowserMemoryError(
                f"the browser was killed at {_megabytes(self.excess)}, above its limit of {_megabytes(limit)}: make the "
                f"page lighter (pictures in the size that they are shown in, nothing kept from frame to frame), give each worker more memory, "
                f"or set {BYTES_VARIABLE}",
                bytes=self.excess,
                limit=limit,
            ) from error
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            if not watch.cancelled():
                watch.result()

    async def _watch(self) -> None:
        search_at = 0.0
        while True:
            await asyncio.sleep(_PAUSE)
            if time.monotonic() >= search_at:
                began = time.thread_time()
                self._processes.all()
                search_at = time.monotonic() + min((time.thread_time() - began) / _MOST_TIME, _LONGEST_PAUSE)
            if self.measure() > self.limit:
                self.excess = self.now
                self._processes.kill()  # all of them, so that a renderer's memory is freed at once
                return

    async def light(self) -> bool:
        """Return true if the browser may be kept for the next page, after the last one was closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _EXIT_SECONDS
        while self.measure() > _RECYCLED_ABOVE * self.limit:
            if loop.time() > until:
                return False
            await asyncio.sleep(0.05)  # the page's process is still ending
        return True


def browser_limit(share: int | None, at_a_time: int) -> int:
    """Return the bytes that a browser may take.

    That is ``HFDASK_BROWSER_BYTES``, else three quarters of ``share``, else three quarters of the memory of the machine
    or container, divided by its cores, or by the number of browsers that run at a time in this process if that is more.
    It is at least 512 MiB.

    Raises
    ------
    InvalidConfigError
        If the variable is not a whole number.
    """
    told = os.environ.get(BYTES_VARIABLE)
    if told:
        if not told.isdigit() or not int(told):
            raise InvalidConfigError(
                f"{BYTES_VARIABLE} must be a whole number of bytes, not {told!r}", field=BYTES_VARIABLE
            )
        return int(told)
    if share is None:
        share = _machine_memory() // max(cores(), at_a_time)
    return max(LEAST, int(_OF_SHARE * share))


@functools.cache
def _machine_memory() -> int:
    """Return the bytes of this machine or container by Dask's rules.

    They are in a module that needs no other one of its package, and to import the package takes a third of a second.
    """
    package = importlib.util.find_spec("distributed")
    assert package is not None
    assert package.origin is not None
    rules = runpy.run_path(os.path.join(os.path.dirname(package.origin), "system.py"))
    return int(rules["memory_limit"]())


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
