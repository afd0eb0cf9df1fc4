"""The state that all renders of a client share: fit workers, stopped workers, the progress of chunks, and the scheduler's
clock.

A thousand renders that each ask two hundred workers are two hundred thousand messages, and a topic of events for each
render stays on the scheduler for good. So every worker is asked once, and there is one topic.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client
from distributed.client import ClosedClientError

from hfdask.browser.environment import environment_differences
from hfdask.cluster.liveness import Heartbeats
from hfdask.cluster.names import TOPIC
from hfdask.cluster.scheduler import Turns, ask, worker_addresses
from hfdask.core.model import Environment
from hfdask.errors import SchedulerLostError, WorkerLostError

WORKERS_ANSWER = 30.0
"""Seconds in which all workers must answer, some of which may start a browser for it."""

_ROUNDS = 3

_Message = dict[str, Any]

_connections: weakref.WeakKeyDictionary[Client, Connection] = weakref.WeakKeyDictionary()
_making = threading.Lock()


class Connection:
    """The shared state of one client; see `connection_of`. Any thread may use it."""

    def __init__(self, client: Client) -> None:
        self._client: Client = weakref.proxy(client)
        self._lock = threading.Lock()
        self._asking = Turns()
        self._heartbeats = Heartbeats(self._client)
        self._fit: dict[Environment, set[str]] = {}
        self._listeners: dict[str, list[Callable[[_Message], None]]] = {}
        self._ahead: float | None = None

    def scheduler_time(self, moment: float) -> float:
        """Convert a moment of `time.monotonic` to the scheduler's clock, in seconds since the epoch.

        Submitters whose own clocks differ, or jump, agree on who was first.
        """
        with self._asking.turn():
            if self._ahead is None:
                before = time.monotonic()
                there: float = ask(self._client, self._client.run_on_scheduler, time.time)
                self._ahead = there - (before + time.monotonic()) / 2
            return self._ahead + moment

    def unfit_workers(self, planned: Environment) -> dict[str, dict[str, Any]]:
        """Return the workers that would render other pixels than the plan, with the differences of each.

        A fit worker is not asked again, because only a new process can change its answer. Stopped workers are left out.
        Each chunk also compares its own environment with the plan.
        """
        with self._asking.turn():
            workers = worker_addresses(self._client)
            fit = self._fit.setdefault(planned, set())
            fit.intersection_update(workers)
            answers, _ = self.ask_workers(_differences, planned, workers=workers - fit)
            fit.update(worker for worker, differences in answers.items() if not differences)
            return {worker: differences for worker, differences in answers.items() if differences}

    def silent_workers(self) -> set[str]:
        """Return the workers that have stopped, by their heartbeats."""
        return self._heartbeats.silent()

    def ask_workers(self, call: Callable[..., Any], *args: Any, workers: set[str]) -> tuple[dict[str, Any], set[str]]:
        """Call a function on each of these workers; return the results, and the workers that have stopped.

        A worker on which it fails is in neither.

        Raises
        ------
        SchedulerLostError
        WorkerLostError
            If some workers send heartbeats, but no answer.
        """
        stopped, limit = set[str](), WORKERS_ANSWER
        for _ in range(_ROUNDS):
            going = sorted(workers - stopped)
            if not going:
                return {}, stopped
            stopped |= workers & self.silent_workers()
            try:
                return ask(
                    self._client, self._client.run, call, *args, workers=going, on_error="ignore", seconds=limit
                ), stopped
            except SchedulerLostError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise
                stopped |= workers & self.silent_workers()
        raise WorkerLostError(f"workers {', '.join(going)} have not answered in {_ROUNDS} times {WORKERS_ANSWER:g} s")

    def listen(self, token: str, heard: Callable[[_Message], None]) -> None:
        """Subscribe to progress events of chunks with this token; ``heard`` is called on the client's event loop."""
        with self._lock:
            if not self._listeners:
                try:
                    self._client.subscribe_topic(TOPIC, self._on_event)
                except ClosedClientError as error:
                    raise SchedulerLostError("the client is closed; render with another one") from error
            self._listeners.setdefault(token, []).append(heard)

    def leave(self, token: str, heard: Callable[[_Message], None]) -> None:
        """Unsubscribe; the last listener also unsubscribes the client."""
        with self._lock:
            self._listeners[token].remove(heard)
            if not self._listeners[token]:
                del self._listeners[token]
            if not self._listeners and self._client.status == "running":
                with suppress(ClosedClientError):  # just closed: the scheduler has forgotten it
                    self._client.unsubscribe_topic(TOPIC)

    def _on_event(self, event: tuple[float, _Message]) -> None:
        _, message = event
        for heard in tuple(self._listeners.get(message["render"], ())):
            heard(message)


def connection_of(client: Client) -> Connection:
    """Return the connection that all renders of this client share."""
    with _making:
        if client not in _connections:
            _connections[client] = Connection(client)
        return _connections[client]


async def _differences(planned: Environment) -> dict[str, Any]:
    """Compare environments off the worker's event loop, which must not wait for a browser to print its version."""
    return await asyncio.to_thread(environment_differences, planned)
