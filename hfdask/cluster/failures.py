"""Translate the errors of tasks to hfdask's errors."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, KilledWorker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from hfdask.errors import DiskFullError, HfdaskError, SchedulerLostError, WorkerLostError
from hfdask.store.failures import is_full


def cause_of(error: BaseException, what: str, client: Client | None, **details: Any) -> HfdaskError:
    """Return the error of a client's task as an `HfdaskError`; ``what`` names the task, and ``details`` are added to it."""
    if isinstance(error, HfdaskError):
        for name, value in details.items():
            error.details.setdefault(name, value)
        return error
    if isinstance(error, KilledWorker):
        return WorkerLostError(
            f"{what}: its worker died, {error.allowed_failures + 1} times; look at the worker's memory, and at the content of "
            "these frames",
            **details,
        )
    if isinstance(error, (NoWorkerError, NoValidWorkerError)):
        return WorkerLostError(
            f"{what}: no worker that may take it has come for {error.timeout:g} s (distributed.scheduler.no-workers-timeout); start "
            "workers, and render again",
            **details,
        )
    # The error of a lost scheduler depends on the state of the client.
    lost = (CancelledError, asyncio.CancelledError, ClosedClientError, CommClosedError)
    if isinstance(error, lost) or (client is not None and client.status != "running"):
        return SchedulerLostError(
            f"the cluster forgot {what} ({getattr(error, 'reason', type(error).__name__)}): its scheduler was lost or restarted; "
            "finished chunks are kept, so render again",
            **details,
        )
    if is_full(error):
        return DiskFullError(f"{what}: no space is left on the machine that it ran on: {error}", **details)
    wrapped = HfdaskError(f"{what} failed: {type(error).__name__}: {error}", **details)
    wrapped.__cause__ = error
    return wrapped
