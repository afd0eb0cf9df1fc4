"""A Dask cluster in this process, for renders without one.

It opens no port: its scheduler, worker and client talk within the process, and the HTTP servers that Dask gives to every
scheduler and worker are left out, because any user of the machine could ask them. A dashboard is served to this machine
alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Scheduler, SpecCluster, Worker
from distributed.utils import format_dashboard_link

_SETTINGS = {
    # Its profiler can lock the process up (`hfdask.cluster.tasks.stop_profiler`).
    "distributed.worker.profile.enabled": False,
    # How often scheduler and worker test if they are late. By default 50 times a second, which takes 3 % of a core.
    "distributed.admin.tick.interval": "1s",
}
"""Dask's settings for an embedded cluster."""


class _Embedded(SpecCluster):
    @property
    def dashboard_link(self) -> str:
        """The dashboard's address. A scheduler without a port would report the machine's own address."""
        services = self.scheduler_info["services"]
        return format_dashboard_link("127.0.0.1", services["dashboard"]) if "dashboard" in services else ""


class _QuietScheduler(Scheduler):
    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None."""


class _QuietWorker(Worker):
    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None."""


@contextmanager
def embedded_client(slots: int, *, dashboard: bool = False) -> Iterator[Client]:
    """Yield the client of a new cluster in this process, which is closed at the end of the block.

    It is one worker with a thread for each browser: it starts in a fraction of a second and needs no ``__main__`` guard,
    and the heavy work runs in Chromium's processes anyway. With ``dashboard`` it has one, at the client's
    ``dashboard_link``.
    """
    with (
        dask.config.set(_SETTINGS),
        _embedded(slots, dashboard) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def is_embedded(client: Client) -> bool:
    """Return true if `embedded_client` made a client's cluster."""
    return isinstance(client.cluster, _Embedded)


def _embedded(slots: int, dashboard: bool) -> _Embedded:
    scheduler: dict[str, Any] = {
        "cls": Scheduler if dashboard else _QuietScheduler,
        # Importing bokeh, which the dashboard needs, takes longer than all the rest of the start.
        "options": {"protocol": "inproc://", "dashboard": dashboard, "dashboard_address": "127.0.0.1:0"},
    }
    if dashboard:
        configured = dask.config.get("distributed.scheduler.preload")
        others = [configured] if isinstance(configured, str) else configured
        scheduler["options"]["preload"] = [*others, "hfdask.dashboard"]  # by name, because it is in a higher layer
    worker = {
        "cls": _QuietWorker,
        "options": {"protocol": "inproc://", "nthreads": slots, "memory_limit": 0, "dashboard": False},
    }
    return _Embedded(scheduler=scheduler, workers={0: worker}, silence_logs=logging.CRITICAL)  # type: ignore[no-untyped-call]
