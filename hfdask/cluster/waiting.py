"""Waiting for a render inside a Dask task, whose worker has to run the render's own tasks meanwhile."""

from __future__ import annotations

import sys


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
