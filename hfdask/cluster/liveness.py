"""Find the workers that have stopped, or start no tasks, by their heartbeats.

A worker that is stopped, or whose machine is, closes no connection, and the scheduler counts it as running for minutes
(``worker-ttl``). The time that a chunk takes proves little, because chunks may be long. So if a render has heard nothing of a
chunk for a while, it asks the scheduler for the time of each worker's last heartbeat. It asks twice, some seconds apart: a value
that has not changed in between is better evidence than a difference of clocks, which may jump.

A worker that is paused because its memory is full, or that is closing, sends heartbeats, but starts no task. Its heartbeats
are not counted, so that it soon counts as stopped, too.

The scheduler is asked only while a chunk is quiet. All renders of a client share one answer, of a few bytes for each worker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from distributed import Client

from hfdask.cluster.scheduler import Turns, ask

QUIET = 10.0
"""Seconds without news of a chunk after which the heartbeats are looked at."""

LOOK = 5.0
"""Seconds between two looks."""

SILENT = 10.0
"""Seconds without a heartbeat after which a worker counts as stopped. They come twice a second on a small cluster."""

SILENT_A_WORKER = 0.015
"""Seconds more for each worker of the cluster: the scheduler wants at most 200 heartbeats a second, of all together."""


logger = logging.getLogger("hfdask")


class Heartbeats:
    """The heartbeats of a cluster's workers. Any thread may use it.

    It logs a warning if a cluster has had no worker for a while: Dask lets tasks wait silently, and without end unless
    ``distributed.scheduler.no-workers-timeout`` is set.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turns = Turns()
        self._looked = -LOOK
        self._known: dict[str, tuple[float, float]] = {}
        self._deserted: float | None = None
        self._warned = False

    def silent(self) -> set[str]:
        """Return the workers that have stopped, or start no tasks. Ask the scheduler at most every `LOOK` seconds.

        Raises
        ------
        SchedulerLostError
        """
        with self._turns.turn():
            if time.monotonic() - self._looked >= LOOK:
                last_seen = ask(self._client, self._client.run_on_scheduler, _last_seen())
                self._looked = time.monotonic()
                self._known = noted(self._known, last_seen, self._looked)
                self._warn_if_deserted()
            return silent(self._known, self._looked)

    def _warn_if_deserted(self) -> None:
        if self._known:
            self._deserted, self._warned = None, False
        elif self._deserted is None:
            self._deserted = self._looked
        elif self._looked - self._deserted >= QUIET and not self._warned:
            self._warned = True
            logger.warning("the cluster has no worker: renders wait until one comes")


def noted(
    known: Mapping[str, tuple[float, float]], last_seen: Mapping[str, float], now: float
) -> dict[str, tuple[float, float]]:
    """Return each worker's last heartbeat, and the time since which it is known to be the last."""
    before = {worker: known.get(worker, (None, now)) for worker in last_seen}
    return {
        worker: (seen, before[worker][1] if before[worker][0] == seen else now) for worker, seen in last_seen.items()
    }


def silent(known: Mapping[str, tuple[float, float]], now: float) -> set[str]:
    """Return the workers whose last heartbeat has been the last for too long."""
    limit = SILENT + SILENT_A_WORKER * len(known)
    return {worker for worker, (_, since) in known.items() if now - since >= limit}


def _last_seen() -> Callable[..., dict[str, float]]:
    """Return the function that runs on the scheduler. A nested function is pickled whole. For a module's function the scheduler
    would import hfdask, and could not answer other clients meanwhile.
    """

    def last_seen(dask_scheduler: Any) -> dict[str, float]:
        workers = dask_scheduler.workers.items()
        return {address: worker.last_seen if worker.status.name == "running" else 0.0 for address, worker in workers}

    return last_seen
