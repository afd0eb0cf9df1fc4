"""Run one task on any worker and retry transient failures: for planning and assembly away from the driver."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from distributed import Client, Future
from distributed import span as dask_span

from hfdask.cluster.client_state import connection_of
from hfdask.cluster.failures import cause_of
from hfdask.cluster.graph import queued_task
from hfdask.cluster.liveness import LOOK, QUIET
from hfdask.cluster.retries import FETCH, retry_delay
from hfdask.cluster.scheduler import Watch, cancel, worker_addresses, workers_of
from hfdask.errors import HfdaskError, RenderCancelledError, WorkerLostError

_TICK = 0.2

_R = TypeVar("_R")


def run_task(
    client: Client,
    name: str,
    call: Callable[..., _R],
    *args: object,
    span: str,
    priority: float,
    retries: int,
    stop: threading.Event,
    fit: Callable[[], set[str]] | None = None,
) -> _R:
    """Run a task and return its result.

    Parameters
    ----------
    name : str
        Name of the task on the dashboard and in errors: a single word.
    call, *args
        The function and its arguments. It should give its errors the worker's address.
    span : str
        Name of the video.
    priority, retries : float, int
        The same as for chunks.
    stop : threading.Event
        Ends the wait.
    fit : callable, optional
        Returns the addresses of the workers that may run it, asked before each attempt. Any worker by default.

    Raises
    ------
    HfdaskError
        The first permanent error, or a transient error of the last attempt.
    """
    failures = 0
    while True:
        try:
            return _attempt(client, name, call, *args, span=span, priority=priority, stop=stop, fit=fit)
        except HfdaskError as error:
            failures += 1
            delay = retry_delay(error, failures, retries, killed=isinstance(error, WorkerLostError))
            if delay is None:
                raise
        if stop.wait(delay):
            raise _cancelled(name)


def _attempt(
    client: Client,
    name: str,
    call: Callable[..., _R],
    *args: object,
    span: str,
    priority: float,
    stop: threading.Event,
    fit: Callable[[], set[str]] | None,
) -> _R:
    ended, watch = threading.Event(), Watch(client)
    look_at = time.monotonic() + QUIET
    try:
        silent = connection_of(client).silent_workers()
        able = worker_addresses(client) if fit is None else fit()
        workers = sorted((able - silent) or able) if silent or fit is not None else None
        with dask_span("hfdask", span):
            task = queued_task(f"{name}-{uuid.uuid4().hex}", call, *args)
            future: Future[_R] = client.compute(task, priority=priority, workers=workers)
        future.add_done_callback(lambda _: ended.set())
        try:
            while not ended.wait(_TICK):
                if stop.is_set():
                    raise _cancelled(name)
                watch.require()
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK
                    _require_going_on(client, future, name)
            return future.result(timeout=FETCH)
        finally:
            cancel(client, [future])
    except HfdaskError:
        raise
    except (Exception, CancelledError) as error:
        raise cause_of(error, name, client) from error


def _require_going_on(client: Client, future: Future[_R], name: str) -> None:
    """Raise an error if the task is on a worker that has stopped."""
    silent = connection_of(client).silent_workers()
    worker = next(iter(workers_of(client, [future]).values()), "") if silent else ""
    if worker in silent:
        raise WorkerLostError(f"{name}: worker {worker} has stopped", worker=worker)


def _cancelled(name: str) -> RenderCancelledError:
    return RenderCancelledError(f"the render was cancelled during {name}; finished chunks are kept")
