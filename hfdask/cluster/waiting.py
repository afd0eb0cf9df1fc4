"""Waiting for the end of a render or batch: in a script, in a cell that may be interrupted, or inside a Dask task."""

from __future__ import annotations

import asyncio
import sys
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

LEAVE = 5.0
"""Seconds to wait for the end of a render or batch that was cancelled by an interrupt."""

_WAKE = 0.5

_T = TypeVar("_T")


class UnderWay(ABC, Generic[_T]):
    """A render or batch: it runs in a thread of this process until ``_ended`` is set, and a notebook shows it live."""

    def __init__(self) -> None:
        self._ended: Future[_T] = Future()
        self._ended.set_running_or_notify_cancel()  # so that a cancelled waiter does not end it

    def done(self) -> bool:
        """Return true if it has ended, with all its work done or an error."""
        return self._ended.done()

    @abstractmethod
    def cancel(self, *, wait_seconds: float = 0.0) -> None:
        """Stop it, and wait for its end for at most these seconds."""

    @abstractmethod
    def _repr_html_(self) -> str: ...

    def _ipython_display_(self) -> None:
        self.show()

    def show(self) -> threading.Thread | None:
        """Show it in a notebook, without blocking it: the output is updated until the end.

        Returns
        -------
        Thread or None
            The thread that updates the output; it ends soon after. None if IPython runs without a notebook.

        Raises
        ------
        MissingExtraError
            If IPython is not installed.
        """
        from hfdask.views.live import show

        return show(self._shown, self._ended)

    def _shown(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _wait_for_end(self, timeout: float | None) -> bool:
        """Wait for the end; return false after ``timeout`` seconds. An interrupt cancels it.

        Inside a Dask task, the worker may run other tasks meanwhile.
        """
        try:
            if not self.done():
                leave_thread_pool()
            return bool(wait([self._ended], timeout).done)
        except KeyboardInterrupt:
            self.cancel(wait_seconds=LEAVE)
            raise

    async def _end(self) -> _T:
        """Wait for the end without blocking the event loop. If the waiting task is cancelled, so is what it waits for."""
        ended = asyncio.wrap_future(self._ended)
        try:
            while not ended.done():
                # IPython's kernel takes note of an interrupt only when its loop wakes up.
                await asyncio.wait([ended], timeout=_WAKE)
            return ended.result()
        except asyncio.CancelledError:
            ended.cancel()
            await asyncio.to_thread(self.cancel, wait_seconds=LEAVE)
            raise


def leave_thread_pool() -> None:
    """Let a worker run another task while the task of this thread waits; without this, both would wait without end.

    It does nothing outside of a task, and in a task that has done it already.
    """
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker, secede
    from distributed.threadpoolexecutor import thread_state

    try:
        get_worker()
    except ValueError:
        return
    if getattr(thread_state, "proceed", False):  # a thread of the pool
        secede()
