"""Run the chunks of one plan on a cluster until each has a result, whatever happens to workers on the way.

A failed chunk is handled by its error alone. After a transient error the chunk is tried again under a new key
(`hfdask.cluster.retries`); any other error ends the run and stops the other chunks. Chunks that run far too long, and chunks
on stopped workers, get a second copy (`hfdask.cluster.copies`). Which worker may run an attempt is decided in
`hfdask.cluster.placement`.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker
from distributed import span as dask_span

from hfdask.cluster.attempts import Attempt, Attempts
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.copies import Copies
from hfdask.cluster.failures import cause_of
from hfdask.cluster.graph import chunk_tasks, chunk_token
from hfdask.cluster.placement import Workers
from hfdask.cluster.retries import FETCH, retry_delay
from hfdask.cluster.scheduler import Watch, worker_slots
from hfdask.cluster.tasks import event_seconds
from hfdask.core.results import ChunkResult
from hfdask.errors import (
    EnvironmentMismatchError,
    HfdaskError,
    RenderCancelledError,
    WorkerLostError,
)
from hfdask.manifest.plan import Plan

_TICK = 0.5


@dataclass
class ChunkRun:
    """A run of some of a plan's chunks.

    Attributes
    ----------
    output_url : str
        Folder of the chunk files.
    name : str
        Of the video, for the dashboard.
    submitted : float
        Time of the render's submission, by `time.monotonic`. All of its chunks go before chunks of later renders.
    on_frames : callable
        Called with a chunk's index and the number of its finished frames.
    only : frozenset of str
        Addresses of the only workers that may take chunks; empty for all workers.
    """

    client: Client
    plan: Plan
    output_url: str
    name: str
    retries: int
    damage_test: bool = True
    submitted: float = field(default_factory=time.monotonic)
    on_frames: Callable[[int, int], None] = lambda index, done: None
    only: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._stopped: BaseException | None = None
        self._failures: dict[int, int] = {}
        self._retry_queue: list[tuple[float, int]] = []
        self._workers = Workers(self.client, self.plan.manifest.environment, self.only)
        self._attempts = Attempts(self.client, self._workers, self._compute)
        self._copies = Copies(self.client, self.plan, self._attempts, self._workers)
        self._watch = Watch(self.client)
        self._connection = connection_of(self.client)
        self._since = self._every = 0.0
        self.token = chunk_token(self.plan, self.output_url, damage_test=self.damage_test)

    @property
    def warnings(self) -> list[str]:
        """Warnings that name skipped workers and the reasons."""
        return self._workers.warnings

    def running(self) -> list[tuple[int, str]]:
        """List the numbers of the chunks that run now, with the addresses of their workers."""
        return [(attempt.index, attempt.worker) for attempt in self._attempts.all() if attempt.worker]

    def results(self, indices: Iterable[int]) -> Iterator[ChunkResult]:
        """Render these chunks, and yield the results as they finish.

        Raises
        ------
        HfdaskError
            The first permanent error, or a transient error of the last attempt; no chunk of this run is running then.
        """
        wanted = list(indices)
        missing = set(wanted)
        if not wanted:
            return
        self._connection.listen(self.token, self._on_event)
        try:
            self._since = self._connection.scheduler_time(self.submitted)
            self._every = event_seconds(worker_slots(self.client))
            self._workers.ask()
            self._attempts.submit(wanted)
            while missing:
                for result in self._next():
                    if result.index in missing:
                        missing.remove(result.index)
                        yield result
                if missing:
                    self._copies.submit(len(wanted), {index for _, index in self._retry_queue})
        except (Exception, CancelledError) as error:
            if isinstance(error, HfdaskError):
                raise
            raise cause_of(error, f"the render of {self.name}", self.client) from error
        finally:
            self._attempts.withdraw_all()
            self._connection.leave(self.token, self._on_event)

    def stop(self, error: BaseException | None = None) -> None:
        """End the run from another thread, as cancelled or with an error; finished chunks stay."""
        self._stopped = error or RenderCancelledError(
            f"the render of {self.name} was cancelled; finished chunks are kept"
        )
        self._attempts.ended.put(None)
        self._attempts.withdraw_all()

    def _next(self) -> Iterator[ChunkResult]:
        """Wait at most a tick, and yield at most one result."""
        try:
            future = self._attempts.ended.get(timeout=_TICK)
        except queue.Empty:
            future = None
        if self._stopped:
            raise self._stopped
        now = time.monotonic()
        due = [index for when, index in self._retry_queue if when <= now]
        self._retry_queue = [(when, index) for when, index in self._retry_queue if when > now]
        self._attempts.submit(due)
        if future is None:
            self._watch.require()
            return
        self._watch.heard()
        attempt = self._attempts.take(future)
        if attempt is None:
            return  # a copy that lost
        try:
            result = self._result(future, attempt)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - sorted out by its kind
            # A failed task that is still referenced, as by a traceback, gives its error to the next render without a new attempt.
            future.release()
            self._failed(error, attempt)
        else:
            self._copies.note_finished(attempt.index, now - (attempt.began or now))
            self._attempts.withdraw_chunk(attempt.index)
            yield result
            future.release()

    def _result(self, future: Future[ChunkResult], attempt: Attempt) -> ChunkResult:
        try:
            result = future.result(timeout=FETCH)
        except TimeoutError as error:  # the next attempt will find the chunk in the store
            raise WorkerLostError(
                f"chunk {attempt.index} was finished, but its worker does not send the record",
                worker=attempt.worker,
            ) from error
        # URL and index come from this plan, never from the stored record.
        url = f"{self.output_url}/{self.plan.manifest.chunks[attempt.index].file}"
        return msgspec.structs.replace(result, index=attempt.index, url=url)

    def _failed(self, error: BaseException, attempt: Attempt) -> None:
        index = attempt.index
        cause = self._cause(error, index)
        if any(other.index == index and not other.stuck for other in self._attempts.all()):
            return  # a copy of it still runs
        worker = cause.details.get("worker")
        if isinstance(cause, EnvironmentMismatchError) and worker:
            self._workers.exclude({worker: cause.details.get("differences", {})})
            self._attempts.submit([index])
            return
        if worker:
            self._workers.record_attempt(index, worker)
        count = self._failures[index] = self._failures.get(index, 0) + 1
        delay = retry_delay(cause, count, self.retries, killed=isinstance(error, KilledWorker))
        if delay is None:
            raise cause from (error.__cause__ if cause is error else error)
        self._retry_queue.append((time.monotonic() + delay, index))

    def _cause(self, error: BaseException, index: int) -> HfdaskError:
        return cause_of(error, f"chunk {index}", self.client, chunk=index)

    def _compute(self, indices: list[int], number: int, workers: frozenset[str]) -> list[Future[ChunkResult]]:
        graph = chunk_tasks(
            self.plan,
            self.output_url,
            damage_test=self.damage_test,
            indices=indices,
            attempt=number,
            every=self._every,
            priority=-self._since,
        )
        with dask_span("hfdask", f"video:{self.name}"):
            futures: list[Future[ChunkResult]] = self.client.compute(graph, workers=sorted(workers) or None)
        return futures

    def _on_event(self, message: dict[str, Any]) -> None:
        self._watch.heard()
        self._attempts.note_progress(message)
        self.on_frames(message["chunk"], message["done"])
