"""Which cluster a render runs on: the caller's, or one in this process that is closed at the end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, get_client

from hfdask.errors import InvalidConfigError, SchedulerLostError

ANSWER = 60.0
"""Seconds in which a scheduler must answer; its event loop is never busy for so long."""


def default_slots() -> int:
    """Chunks to render at a time on this machine: one for each core, since a chunk keeps more than one busy."""
    return max(1, len(os.sched_getaffinity(0)))


@contextmanager
def client_for(client: Client | None, slots: int | None = None, *, dashboard: bool = False) -> Iterator[Client]:
    """The given client, else the current one, else that of an embedded cluster for the length of the block.

    The embedded cluster is one worker in this process, with a thread for each browser: it starts in a fraction of a
    second and needs no ``__main__`` guard, and what is heavy runs in Chromium's processes anyway. With ``dashboard`` it has one, at the client's ``dashboard_link``.

    Raises
    ------
    InvalidConfigError
        Where ``client`` is no synchronous distributed Client.
    """
    if client is not None:
        if not isinstance(client, Client) or client.asynchronous:
            raise InvalidConfigError(
                f"client must be a synchronous distributed.Client, not {type(client).__name__}", field="client"
            )
        yield client
        return
    current = _current_client()
    if current is not None:
        yield current
        return
    with (
        # The profiler of a worker samples all threads of the process, and on Python 3.11 and 3.12 can lock it up for good: the
        # garbage collector may run while the interpreter's list of threads is held (CPython issue 106883).
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=1,
            threads_per_worker=slots or default_slots(),
            processes=False,
            dashboard_address=":0",
            # Importing bokeh takes longer than all the rest of the start.
            scheduler_kwargs={"dashboard": dashboard},
            silence_logs=logging.CRITICAL,
            memory_limit=0,
        ) as cluster,
        Client(cluster, set_as_default=False) as embedded,
    ):
        yield embedded


def _current_client() -> Client | None:
    try:
        found: Any = get_client()
    except ValueError:
        return None
    return found if not found.asynchronous else None


def ask_scheduler(client: Client, n_workers: int = 0) -> dict[str, Any]:
    """What a scheduler tells of itself, and of so many of its workers; of all with -1.

    Raises
    ------
    SchedulerLostError
        Where it does not answer within `ANSWER` seconds: one that hangs closes no connection.
    """
    if client.scheduler is None:
        raise SchedulerLostError("the client is closed; render with another one")
    try:
        answer: dict[str, Any] = client.sync(client.scheduler.identity, n_workers=n_workers, callback_timeout=ANSWER)
    except (TimeoutError, OSError) as error:
        raise SchedulerLostError(
            f"the scheduler has not answered for {ANSWER:g} s; finished chunks are kept, so render again when it does"
        ) from error
    return answer


def worker_slots(client: Client) -> int:
    """Threads of all workers of a cluster, which is the number of chunks that run at a time; 0 before the first has come."""
    return int(ask_scheduler(client)["total_threads"])


def in_process(client: Client) -> bool:
    """Whether all workers share this process, and so its memory:// files; they then reach the scheduler in no other way."""
    return str(ask_scheduler(client)["address"]).startswith("inproc://")
