"""What runs on a worker: one chunk, with its stages metered and its progress told to the driver."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from hfdask.browser import browser_thread
from hfdask.chunk import render_chunk
from hfdask.errors import HfdaskError
from hfdask.model import ChunkResult
from hfdask.stages import Observer
from hfdask.store import SecretOptions

EVENT_SECONDS = 0.5
"""Progress events of a chunk are at least this far apart."""


def render_chunk_task(
    plan_url: str,
    index: int,
    output_url: str,
    damage_test: bool,
    storage_options: SecretOptions | None,
    topic: str | None,
    attempt: int,
) -> ChunkResult:
    """`hfdask.render_chunk` as a task: URLs and numbers in, a small record out."""
    observer = _observer(index, topic, attempt)
    try:
        return render_chunk(
            plan_url,
            index,
            output_url,
            storage_options=storage_options,
            damage_test=damage_test,
            observer=observer,
        )
    except HfdaskError as error:
        error.details.setdefault("worker", observer.worker)
        raise


def memory_share(worker: Any) -> int | None:
    """Bytes of memory that a task and its browser have on a worker, where Dask was told how many the worker has."""
    limit = worker.memory_manager.memory_limit
    return int(limit) // int(worker.state.nthreads) if limit else None


def _observer(index: int, topic: str | None, attempt: int) -> Observer:
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):
        return Observer()  # a local scheduler: nobody is listening
    browser_thread().pool.share = memory_share(worker)
    return WorkerObserver(worker, index, topic, attempt)


class WorkerObserver(Observer):
    """Feeds Fine Performance Metrics (``hf-capture`` and so on) and a topic of progress events."""

    def __init__(self, worker: Any, index: int, topic: str | None, attempt: int = 0) -> None:
        from distributed.worker import thread_state  # type: ignore[attr-defined]  # not in __all__

        self.worker = str(worker.contact_address or worker.address)  # as the scheduler calls it
        self._worker = worker
        self._key = getattr(thread_state, "key", None)
        self._index = index
        self._topic = topic
        self.attempt = attempt
        self._told = 0.0
        self._tell(0)

    def meter(self, stage: str) -> AbstractContextManager[object]:
        from distributed.metrics import context_meter

        meter: AbstractContextManager[object] = context_meter.meter(f"hf-{stage}")
        return meter

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= EVENT_SECONDS or done == total:
            self._told = now
            self._tell(done)

    def _tell(self, done: int) -> None:
        if self._topic:
            self._worker.log_event(self._topic, {"chunk": self._index, "attempt": self.attempt, "done": done})

    def cancelled(self) -> bool:
        """Whether the scheduler has withdrawn this task, by the worker's own state: no message is exchanged."""
        if self._key is None:
            return False
        state = self._worker.state.tasks.get(self._key)
        return state is None or state.state in ("cancelled", "resumed")
