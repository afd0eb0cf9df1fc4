"""Running the chunks of one plan on a cluster until each has a result, whatever happens to workers on the way.

What happens to a failed chunk depends on its error alone: one that can heal is tried again under a new key; one that
cannot ends the run and stops its siblings. A chunk that runs far longer than its like gets a second copy, and so does what was
given to a worker that has stopped (`hfdask.cluster.liveness`); the first to finish wins. Where tries go is decided in
`hfdask.cluster.placement`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker
from distributed import span as dask_span

from hfdask.cluster.backup import needs_backup
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.failures import cause_of
from hfdask.cluster.graph import chunk_tasks, chunk_token
from hfdask.cluster.liveness import LOOK, QUIET
from hfdask.cluster.placement import Workers
from hfdask.cluster.retries import FETCH, retry_delay
from hfdask.cluster.scheduler import Watch, cancel, worker_slots, workers_of
from hfdask.cluster.tasks import event_seconds
from hfdask.core.model import ChunkResult
from hfdask.errors import (
    EnvironmentMismatchError,
    HfdaskError,
    RenderCancelledError,
    WorkerLostError,
)
from hfdask.manifest.plan import Plan

_TICK = 0.5


@dataclass
class _Attempt:
    """One task for a chunk; ``began`` is when it was first heard of, on the clock of `time.monotonic`, and ``worker`` from where.

    ``heard`` is when it was submitted or last heard of. If there are ``workers``, it may run on these alone. It is
    ``stuck`` while it is on a worker that has stopped.
    """

    index: int
    number: int
    workers: frozenset[str] = frozenset()
    heard: float = field(default_factory=time.monotonic)
    began: float | None = None
    worker: str = ""
    stuck: bool = False


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
        When the render was asked for, by `time.monotonic`. All that it ever runs goes before what was asked for later.
    on_frames : callable
        Told a chunk's index and how many of its frames are done.
    """

    client: Client
    plan: Plan
    output_url: str
    name: str
    retries: int
    damage_test: bool = True
    submitted: float = field(default_factory=time.monotonic)
    on_frames: Callable[[int, int], None] = lambda index, done: None

    def __post_init__(self) -> None:
        self._attempts: dict[Future[ChunkResult], _Attempt] = {}
        self._ended: queue.SimpleQueue[Future[ChunkResult] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped: BaseException | None = None
        self._numbers: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._retry_queue: list[tuple[float, int]] = []
        self._durations: list[tuple[int, float]] = []
        self._workers = Workers(self.client, self.plan.manifest.environment)
        self._look_at = self._stuck_look_at = 0.0
        self._watch = Watch(self.client)
        self._connection = connection_of(self.client)
        self._since = self._every = 0.0

    @property
    def warnings(self) -> list[str]:
        """Workers that were passed over, and why."""
        return self._workers.warnings

    def results(self, indices: Iterable[int]) -> Iterator[ChunkResult]:
        """Render these chunks; results come as they finish.

        Raises
        ------
        HfdaskError
            The first error that cannot heal, or that did not in all attempts; no chunk of this run is running then.
        """
        wanted = list(indices)
        missing = set(wanted)
        if not wanted:
            return
        token = chunk_token(self.plan, self.output_url, damage_test=self.damage_test)
        self._connection.listen(token, self._on_event)
        try:
            self._since = self._connection.scheduler_time(self.submitted)
            self._every = event_seconds(worker_slots(self.client))
            self._workers.ask()
            self._submit(wanted)
            while missing:
                for result in self._next():
                    if result.index in missing:
                        missing.remove(result.index)
                        yield result
                if missing:
                    self._copy_stuck()
                    self._copy_stragglers(len(wanted))
                    self._free_stranded()
        except (Exception, CancelledError) as error:
            if isinstance(error, HfdaskError):
                raise
            raise cause_of(error, f"the render of {self.name}", self.client) from error
        finally:
            self._withdraw(list(self._attempts))
            self._connection.leave(token, self._on_event)

    def stop(self, error: BaseException | None = None) -> None:
        """End the run from another thread, as cancelled or with an error; what is finished stays."""
        self._stopped = error or RenderCancelledError(
            f"the render of {self.name} was cancelled; finished chunks are kept"
        )
        self._ended.put(None)
        self._withdraw(list(self._attempts))

    def _next(self) -> Iterator[ChunkResult]:
        """At most one result, after at most a tick."""
        try:
            future = self._ended.get(timeout=_TICK)
        except queue.Empty:
            future = None
        if self._stopped:
            raise self._stopped
        now = time.monotonic()
        due = [index for when, index in self._retry_queue if when <= now]
        self._retry_queue = [(when, index) for when, index in self._retry_queue if when > now]
        self._submit(due)
        if future is None:
            self._watch.require()
            return
        self._watch.heard()
        with self._lock:
            attempt = self._attempts.pop(future, None)
        if attempt is None:
            return  # a copy that lost
        try:
            result = self._result(future, attempt)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - sorted out by its kind
            # While anybody holds a failed task, and a traceback does, the next render is told its error without a new try.
            future.release()
            self._failed(error, attempt)
        else:
            frames = result.frames
            self._durations.append((frames, now - (attempt.began or now)))
            self._withdraw([other for other, its in list(self._attempts.items()) if its.index == attempt.index])
            yield result
            future.release()

    def _result(self, future: Future[ChunkResult], attempt: _Attempt) -> ChunkResult:
        try:
            result = future.result(timeout=FETCH)
        except TimeoutError as error:  # the next attempt will find the chunk in the store
            raise WorkerLostError(
                f"chunk {attempt.index} was finished, but its worker does not send what it says about it",
                worker=attempt.worker,
            ) from error
        # A stored record is not believed where it says it is, nor which chunk of this plan.
        url = f"{self.output_url}/{self.plan.manifest.chunks[attempt.index].file}"
        return msgspec.structs.replace(result, index=attempt.index, url=url)

    def _failed(self, error: BaseException, attempt: _Attempt) -> None:
        index = attempt.index
        cause = self._cause(error, index)
        if any(other.index == index and not other.stuck for other in self._attempts.values()):
            return  # a copy of it still runs
        worker = cause.details.get("worker")
        if isinstance(cause, EnvironmentMismatchError) and worker:
            self._workers.exclude({worker: cause.details.get("differences", {})})
            self._submit([index])
            return
        if worker:
            self._workers.record_attempt(index, worker)
        count = self._failures[index] = self._failures.get(index, 0) + 1
        delay = retry_delay(cause, count, self.retries, killed=isinstance(error, KilledWorker))
        if delay is None:
            raise cause from error
        self._retry_queue.append((time.monotonic() + delay, index))

    def _cause(self, error: BaseException, index: int) -> HfdaskError:
        return cause_of(error, f"chunk {index}", self.client, chunk=index)

    def _submit(self, indices: list[int]) -> None:
        alike: defaultdict[tuple[int, frozenset[str]], list[int]] = defaultdict(list)
        for index, workers in self._workers.allowed(indices).items():
            alike[self._numbers.get(index, 0), workers].append(index)
        for (number, workers), same in alike.items():
            self._submit_tries(same, number, workers)

    def _submit_tries(self, indices: list[int], number: int, workers: frozenset[str]) -> None:
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
        with self._lock:
            for future, index in zip(futures, indices, strict=True):
                self._attempts[future] = _Attempt(index, number, workers)
                self._numbers[index] = number + 1
        for future in futures:
            future.add_done_callback(self._ended.put)

    def _withdraw(self, futures: list[Future[ChunkResult]]) -> None:
        with self._lock:
            for future in futures:
                self._attempts.pop(future, None)
        cancel(self.client, futures)

    def _copy_stragglers(self, total: int) -> None:
        now = time.monotonic()
        tries = list(self._attempts.values())
        if self._retry_queue or any(
            attempt.began is None and not (attempt.workers or attempt.stuck) for attempt in tries
        ):
            return  # no worker is free
        frames = {chunk.index: chunk.frames for chunk in self.plan.manifest.chunks}
        alone = [attempt for attempt in tries if sum(other.index == attempt.index for other in tries) == 1]
        running = {attempt.index: (frames[attempt.index], now - (attempt.began or now)) for attempt in alone}
        if late := needs_backup(running, self._durations, total):
            late = late[: max(0, worker_slots(self.client) - len(tries))]  # asks the scheduler
            for attempt in alone:
                if attempt.index in late:
                    self._workers.record_attempt(attempt.index, attempt.worker)
            self._submit(late)

    def _copy_stuck(self) -> None:
        """Submit again what is on workers that have stopped, running or waiting there; one that goes on may still win."""
        now = time.monotonic()
        if now < self._stuck_look_at or all(now - attempt.heard < QUIET for attempt in list(self._attempts.values())):
            return
        self._stuck_look_at = now + LOOK
        silent = self._workers.silent = self._connection.silent_workers()
        tries = dict(self._attempts)
        places = workers_of(self.client, list(tries)) if silent else {}
        for future, attempt in tries.items():
            place = places.get(str(future.key), "")
            attempt.stuck = place in silent
            if attempt.stuck:
                self._workers.record_attempt(attempt.index, place)
        stuck = {attempt.index for attempt in tries.values() if attempt.stuck}
        stuck -= {attempt.index for attempt in tries.values() if not attempt.stuck} | {
            index for _, index in self._retry_queue
        }
        if stuck and not self._workers.eligible() <= silent:
            self._submit(sorted(stuck))

    def _free_stranded(self) -> None:
        """Submit again what is bound to workers that are all gone: the scheduler would wait for them for ever."""
        now = time.monotonic()
        bound = {future: attempt for future, attempt in list(self._attempts.items()) if attempt.workers}
        if not bound or now < self._look_at:
            return
        self._look_at = now + LOOK
        fit = self._workers.eligible()
        stranded = {future: attempt.index for future, attempt in bound.items() if fit.isdisjoint(attempt.workers)}
        if stranded and fit:
            self._withdraw(list(stranded))
            self._submit(list(stranded.values()))

    def _on_event(self, message: dict[str, Any]) -> None:
        self._watch.heard()
        now = time.monotonic()
        for attempt in list(self._attempts.values()):
            if (attempt.index, attempt.number) == (message["chunk"], message["attempt"]):
                attempt.heard = now
                if attempt.began is None:
                    attempt.began, attempt.worker = now, message["worker"]
        self.on_frames(message["chunk"], message["done"])
