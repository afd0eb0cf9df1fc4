"""A batch under way: its progress, its results as they come, and the table at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import wait
from contextlib import ExitStack
from typing import Any

from distributed import Client
from msgspec import Struct

from hfdask.batch.checked import CheckedRows
from hfdask.batch.driver import Driver
from hfdask.batch.job import BatchJob
from hfdask.batch.results import ResultLog, RowResult, data_frame
from hfdask.cluster.scheduler import typed
from hfdask.cluster.waiting import LEAVE, UnderWay

_LOOK = 0.05
"""Seconds between looks of a coroutine for new results."""


class BatchProgress(Struct, frozen=True):
    """The progress of a batch.

    Attributes
    ----------
    rows : int
        All rows.
    done : int
        Rows that have ended, with a video or an error.
    rendered, reused, copied, failed : int
        The same by status; see `RowResult`.
    frames : int
        Frames of all videos so far.
    seconds : float
        Since the beginning.
    """

    rows: int
    done: int = 0
    rendered: int = 0
    reused: int = 0
    copied: int = 0
    failed: int = 0
    frames: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second, without the reused ones."""
        return (self.done - self.reused) / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds that the rest of the rows will take at this rate."""
        return (self.rows - self.done) / self.rate if self.rate > 0 else None


class Batch(UnderWay[None]):
    """A batch under way, from `hfdask.render_batch`.

    It runs in a thread of this process; ``result`` waits for it, ``cancel`` stops it. Keep the client open until then. In a
    coroutine, ``await batch`` is the table, and ``async for row in batch`` yields each `RowResult` as its row ends.

    Attributes
    ----------
    manifest : str
        Path or URL of the manifest.
    warnings : list of str
        Warnings that concern no single row, such as workers that were skipped.
    """

    def __init__(self, job: BatchJob, rows: CheckedRows, client: Client, held: ExitStack) -> None:
        super().__init__()
        self.manifest = job.manifest_shown
        self._rows = rows.count
        self._log = ResultLog(rows.count)
        self._client = client
        self._held = held
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._took: float | None = None
        self._driver = Driver(job, rows, self._log, client, self._stop)
        self.warnings = self._driver.warnings
        threading.Thread(target=self._main, name="hfdask-batch", daemon=True).start()

    @property
    def progress(self) -> BatchProgress:
        """The numbers of rows by their state."""
        counts = dict(self._log.counts)
        took = self._took if self._took is not None else time.monotonic() - self._began
        return BatchProgress(
            rows=self._rows, done=sum(counts.values()), frames=self._log.frames, seconds=took, **counts
        )

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end of all rows.

        Returns
        -------
        pandas.DataFrame
            A row for each row of the batch, in their order: row, output, status, frames, seconds, worker_seconds, bytes,
            digest, code, message, worker, and the number of warnings; see `RowResult`.

        Raises
        ------
        HfdaskError
            The error that ended the batch, of the cluster, the store or the project; with ``on_error="raise"`` also the
            error of the first row that failed.
        InvalidConfigError
            If pandas is not installed; `results` does without.
        TimeoutError
            After ``timeout`` seconds. The batch goes on.
        KeyboardInterrupt
            If the wait is interrupted, as by a notebook. The batch is cancelled.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"the batch of {self._rows} rows is not finished after {timeout:g} s")
        return data_frame(self.results())

    def wait(self, timeout: float | None = None, *, raises: bool = True) -> bool:
        """Wait for the end of all rows, without a table; return false after ``timeout`` seconds.

        Raises
        ------
        HfdaskError
            As `result`, unless ``raises`` is false.
        KeyboardInterrupt
            As `result`.
        """
        if not self._wait_for_end(timeout):
            return False
        if raises and self._error is not None:
            raise self._error
        return True

    def results(self) -> Iterator[RowResult]:
        """Yield the results so far, by row, also of a batch that was cancelled or has failed."""
        return self._log.in_order()

    def cancel(self, *, wait_seconds: float = 0.0) -> None:
        """Stop the rows that run. Finished videos stay, and the same call goes on with the others.

        Parameters
        ----------
        wait_seconds : float
            Maximum number of seconds to wait for the end.
        """
        self._stop.set()
        wait([self._ended], wait_seconds)

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the table as `result` does. If the waiting task is cancelled, the batch is, too."""
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        await self._end()
        return self.result()

    async def __aiter__(self) -> AsyncIterator[RowResult]:
        place = 0
        while True:
            last = self.done()
            result, place = self._log.after(place)
            if result is not None:
                yield result
            elif not last:
                try:
                    await asyncio.sleep(_LOOK)
                except asyncio.CancelledError:
                    await asyncio.to_thread(self.cancel, wait_seconds=LEAVE)
                    raise
            elif self._error is not None:
                raise self._error
            else:
                return

    def __repr__(self) -> str:
        p = self.progress
        return f"<Batch {self._state}: {p.done}/{p.rows} rows, {p.failed} failed, {self.manifest}>"

    def _repr_html_(self) -> str:
        from hfdask.views.live import batch_html

        return batch_html(self.manifest, self._state, self.progress, self._error)

    @property
    def _state(self) -> str:
        if not self.done():
            return "running"
        return "done" if self._error is None else "ended early"

    def _main(self) -> None:
        try:
            with self._held:
                self._driver.run()
        except BaseException as error:  # noqa: BLE001 - it is raised again by result()
            self._error = typed(error, "the batch", self._client)
        finally:
            self._took = time.monotonic() - self._began
            self._ended.set_result(None)
