"""Waiting for the end of a render or batch: in a script, in a cell that may be interrupted, or inside a Dask task."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future, wait
from typing import Protocol, TypeVar

LEAVE = 5.0
"""Seconds to wait for the end of a render that was cancelled by an interrupt."""

_WAKE = 0.5

_T = TypeVar("_T")


class Cancel(Protocol):
    """Cancels what is waited for, and waits for its end as long as it is given."""

    def __call__(self, *, wait_seconds: float) -> None: ...


def wait_for_end(ended: Future[_T], timeout: float | None, cancel: Cancel) -> bool:
    """Wait for an end; return false after ``timeout`` seconds. If the wait is interrupted, ``cancel`` is called.

    Inside a Dask task, the worker may run other tasks meanwhile.
    """
    if not ended.done():
        leave_thread_pool()
    try:
        return bool(wait([ended], timeout).done)
    except KeyboardInterrupt:
        cancel(wait_seconds=LEAVE)
        raise


async def end_of(ended: Future[_T], cancel: Cancel) -> _T:
    """Wait for an end without blocking the event loop, and return its result. If the waiting task is cancelled, ``cancel`` is called."""
    waiter = asyncio.wrap_future(ended)
    try:
        while not waiter.done():
            # IPython's kernel takes note of an interrupt only when its loop wakes up.
            await asyncio.wait([waiter], timeout=_WAKE)
        return waiter.result()
    except asyncio.CancelledError:
        waiter.cancel()
        await asyncio.to_thread(cancel, wait_seconds=LEAVE)
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
