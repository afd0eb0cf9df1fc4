"""What a browser's processes take of the machine's memory, and how much they may.

Dask's nanny looks at the worker's own process, and so does everything else that is asked about a worker. So a lent
browser is measured some times a second, and killed above a limit, which ends in an error that says so, before the
kernel has to choose somebody.

Measured is what ``/proc/PID/statm`` tells: the private memory of all processes, and once, as that of the process with
most of it, the memory that they share (the binary, and the pictures that go from one to another). An empty page takes 158 MiB
by this, and 193 by PSS, the exact figure, which also counts the files that one process alone has mapped; where a page keeps
500 MiB more, both grow by 500. PSS takes the kernel 6 to 14 ms, holds up the page, and is not told of processes in Chromium's sandbox;
this takes 0.1, and the search for the processes 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import psutil

from hfdask.browser.processes import Processes
from hfdask.errors import BrowserMemoryError, InvalidConfigError

BYTES_VARIABLE = "HFDASK_BROWSER_BYTES"
LEAST = 512 * 2**20
"""No limit is below this unless it is given: an empty page takes nearly half of it."""

_OF_SHARE = 0.75  # the worker and its encoder need the rest
_RECYCLED_ABOVE = 0.5
# A page can fill a gigabyte in half a second, and then keep this process from looking by keeping the machine busy.
_PAUSE = 0.25
_LONGEST_PAUSE = 2.0
_MOST_TIME = 0.01  # of one core, however many processes the machine has to be searched
_EXIT_SECONDS = 1.0
_OUT_OF_SIGHT = (psutil.NoSuchProcess, psutil.AccessDenied)  # gone, or hidden from us by the machine


class Memory:
    """Bytes that a browser's processes take: ``now`` as last measured, ``peak`` since it was lent, ``limit`` for them.

    ``excess`` is what they took when they were killed for it.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.now = 0
        self.peak = 0
        self.limit = 0
        self.excess: int | None = None

    def measure(self) -> int:
        """Look at the processes now; 0 where they are gone."""
        private, shared = 0, 0
        for process in self._processes.all():
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
            Instead of whatever its death has broken.
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
        pause = _PAUSE
        while True:
            await asyncio.sleep(pause)
            began = time.thread_time()
            if self.measure() > self.limit:
                self.excess = self.now
                self._processes.kill()  # all of them: what a renderer has taken is wanted back at once
                return
            pause = min(max(_PAUSE, (time.thread_time() - began) / _MOST_TIME), _LONGEST_PAUSE)

    async def light(self) -> bool:
        """Whether the browser may be kept for the next page, after the last one was closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _EXIT_SECONDS
        while self.measure() > _RECYCLED_ABOVE * self.limit:
            if loop.time() > until:
                return False
            await asyncio.sleep(0.05)  # the page's own process is on its way out
        return True


def browser_limit(share: int | None, at_a_time: int) -> int:
    """Bytes that a browser may take.

    That is ``HFDASK_BROWSER_BYTES``, else three quarters of ``share``, else three quarters of the machine's or container's memory
    divided by its cores or, where that is more, by how many browsers run at a time in this process; at least 512 MiB.

    Raises
    ------
    InvalidConfigError
        Where the variable is no whole number.
    """
    told = os.environ.get(BYTES_VARIABLE)
    if told:
        if not told.isdigit() or not int(told):
            raise InvalidConfigError(
                f"{BYTES_VARIABLE} must be a whole number of bytes, not {told!r}", field=BYTES_VARIABLE
            )
        return int(told)
    if share is None:
        # Dask knows containers' limits; nothing else of it is used here.
        from dask.system import CPU_COUNT
        from distributed.system import MEMORY_LIMIT

        share = MEMORY_LIMIT // max(CPU_COUNT, at_a_time)
    return max(LEAST, int(_OF_SHARE * share))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
