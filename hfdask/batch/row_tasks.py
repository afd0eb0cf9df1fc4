"""Tasks of rows that the scheduler has: submission, retries, and workers that stop."""

from __future__ import annotations

import queue
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed import span as dask_span
from msgspec import Struct

from hfdask.batch.checked import Row
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.failures import cause_of
from hfdask.cluster.graph import queued_tasks
from hfdask.cluster.liveness import LOOK, QUIET
from hfdask.cluster.names import layer_name
from hfdask.cluster.placement import Workers
from hfdask.cluster.retries import FETCH, retry_delay
from hfdask.cluster.scheduler import Watch, ask, cancel, workers_of
from hfdask.errors import EnvironmentMismatchError, HfdaskError, SchedulerLostError, WorkerLostError


class RowTask(Struct):
    """A task to run for a row; ``name`` is its name on the dashboard, with an underscore."""

    row: Row
    name: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    failures: int = 0
    number: int = 0
    since: float = 0.0


class RowTasks:
    """All tasks of a batch that are under way. One thread uses it.

    Parameters
    ----------
    span : str
        Name of the batch on the dashboard.
    workers : Workers
        Decides which workers may run a task.
    """

    def __init__(self, client: Client, span: str, workers: Workers, retries: int) -> None:
        self._client, self._span, self._workers, self._retries = client, span, workers, retries
        self._token = uuid.uuid4().hex
        self._ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._running: dict[Future[Any], RowTask] = {}
        self._later: list[tuple[float, RowTask]] = []
        self._watch = Watch(client)
        self._look_at = time.monotonic() + QUIET

    def __len__(self) -> int:
        return len(self._running) + len(self._later)

    def submit(self, tasks: Iterable[RowTask]) -> None:
        """Submit tasks, to run in the order in which all tasks of all clients of the cluster were submitted."""
        alike: defaultdict[tuple[str, int, frozenset[str]], list[RowTask]] = defaultdict(list)
        for task in tasks:
            workers = self._workers.allowed([task.row.index])[task.row.index]
            alike[task.name, task.number, workers].append(task)
        for (name, number, workers), same in alike.items():
            now = time.monotonic()
            layer = layer_name(name, self._token, number)
            graph = queued_tasks(
                layer,
                same[0].call,
                {(layer, task.row.index): task.arguments for task in same},
                -connection_of(self._client).scheduler_time(now),
            )
            with dask_span("hfdask", self._span):
                futures: list[Future[Any]] = self._client.compute(graph, workers=sorted(workers) or None)
            for future, task in zip(futures, same, strict=True):
                task.since, task.number = now, number + 1
                self._running[future] = task
                future.add_done_callback(self._ended.put)

    def wait(self, seconds: float) -> list[tuple[RowTask, Any]]:
        """Wait for tasks to end; return the tasks that need no further attempt, with their results or errors.

        Raises
        ------
        SchedulerLostError
        EnvironmentMismatchError
            If no worker is left that renders as the others do.
        """
        now = time.monotonic()
        self.submit([task for when, task in self._later if when <= now])
        self._later = [each for each in self._later if each[0] > now]
        found = self._taken(seconds)
        self._free_stuck()
        if not found:
            self._watch.require()
            return []
        self._watch.heard()
        values = self._values([future for future, _ in found if future.status == "finished"])
        ended = []
        for future, task in found:
            outcome = values[future] if future in values else self._outcome(future, task)
            future.release()
            if not isinstance(outcome, HfdaskError) or not self._again(outcome, task):
                ended.append((task, outcome))
        return ended

    def withdraw(self) -> None:
        """Cancel all tasks."""
        cancel(self._client, list(self._running))
        self._running.clear()
        self._later.clear()

    def _taken(self, seconds: float) -> list[tuple[Future[Any], RowTask]]:
        """Return the tasks that have ended, after waiting for the first, without withdrawn ones."""
        futures = []
        with suppress(queue.Empty):
            futures.append(self._ended.get(timeout=seconds))
            while True:
                futures.append(self._ended.get_nowait())
        return [(future, self._running.pop(future)) for future in futures if future in self._running]

    def _values(self, futures: list[Future[Any]]) -> dict[Future[Any], Any]:
        """Fetch the results of many tasks at once; return none if a worker does not send its own."""
        if not futures:
            return {}
        try:
            values = ask(
                self._client, self._client.sync, lambda: self._client.gather(futures, asynchronous=True), seconds=FETCH
            )
        except HfdaskError:
            return {}
        return dict(zip(futures, values, strict=True))

    def _outcome(self, future: Future[Any], task: RowTask) -> Any:
        what = f"row {task.row.index}"
        try:
            return future.result(timeout=FETCH)
        except TimeoutError:
            return WorkerLostError(f"{what} was finished, but its worker does not send the record")
        except (Exception, CancelledError) as error:
            cause = cause_of(error, what, self._client)
            if isinstance(cause, SchedulerLostError):
                raise cause from error
            cause.__cause__ = error if isinstance(error, KilledWorker) else None
            return cause

    def _again(self, error: HfdaskError, task: RowTask) -> bool:
        """Plan another attempt, if one may succeed."""
        worker = error.details.get("worker")
        if isinstance(error, EnvironmentMismatchError) and worker:
            self._workers.exclude({worker: error.details.get("differences", {})})
            self._later.append((time.monotonic(), task))
            return True
        if worker:
            self._workers.record_attempt(task.row.index, worker)
        task.failures += 1
        killed = isinstance(error.__cause__, KilledWorker)
        delay = retry_delay(error, task.failures, self._retries, killed=killed)
        if delay is not None:
            self._later.append((time.monotonic() + delay, task))
        return delay is not None

    def _free_stuck(self) -> None:
        """Submit tasks again that are on workers that have stopped."""
        now = time.monotonic()
        if now < self._look_at or not any(now - task.since >= QUIET for task in self._running.values()):
            return
        self._look_at = now + LOOK
        silent = self._workers.silent = connection_of(self._client).silent_workers()
        places = workers_of(self._client, list(self._running)) if silent else {}
        stuck = {future: places[str(future.key)] for future in self._running if places.get(str(future.key)) in silent}
        if stuck and not self._workers.eligible() <= silent:
            tasks = [self._running.pop(future) for future in stuck]
            cancel(self._client, list(stuck))
            for task, worker in zip(tasks, stuck.values(), strict=True):
                self._workers.record_attempt(task.row.index, worker)
            self.submit(tasks)
