"""A worker plugin that prepares workers before their first chunk, and cleans up after the last one.

Renders work without it, because each chunk makes the same checks. With it, a worker that cannot render leaves the cluster
before it gets a task, also if it joins late. The first chunk finds a warm browser. The scheduler knows how much of each
worker's memory Chromium uses, which Dask's own numbers do not show.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from distributed import Status, Worker, WorkerPlugin

from hfdask.browser import browser_thread, close_browsers
from hfdask.browser.capabilities import capture_mode
from hfdask.browser.environment import current_environment, require_environment
from hfdask.browser.loop import browser_usage
from hfdask.cluster.tasks import memory_share, stop_profiler
from hfdask.core.model import Environment
from hfdask.core.scratch import shared_folder, sweep
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.errors import HfdaskError
from hfdask.manifest.plan import Plan
from hfdask.rendering.plan_page import fetch_fonts
from hfdask.store.cache import Cache

TOPIC = "hfdask-worker"
"""Events of workers that left because they cannot render: ``client.get_events("hfdask-worker")``."""

_METRICS = ("hfdask_browsers", "hfdask_browser_bytes")
_ATTEMPTS = 2

logger = logging.getLogger("distributed.hfdask")


class PrepareWorker(WorkerPlugin):
    """Prepare each worker of a cluster, late ones too: ``client.register_plugin(hfdask.PrepareWorker())``.

    It compares browser and libraries with the expected ones, removes files of dead processes from scratch folder and cache,
    and adds the worker metrics ``hfdask_browsers`` and ``hfdask_browser_bytes`` (see ``client.scheduler_info()`` and the
    dashboard's page of workers). A worker that cannot render logs the reason, also at the topic ``hfdask-worker``, and closes
    together with its nanny. Its other tasks and data go to other workers.

    Only the first registration on a cluster counts. To expect something else, unregister it first:
    ``client.unregister_worker_plugin("hfdask")``.

    Parameters
    ----------
    plan : Plan, optional
        Expect the environment that this plan is locked to.
    environment : Environment, optional
        Expect this environment.
    warm : bool
        True to start a browser at once, with the plan's fonts if a plan is given.
    """

    name = "hfdask"
    idempotent = True

    def __init__(self, plan: Plan | None = None, *, environment: Environment | None = None, warm: bool = False) -> None:
        self.environment = environment or (plan.manifest.environment if plan else None)
        self.warm = warm
        self.location = plan.location if plan else None
        self._leaving: asyncio.Task[None] | None = None

    async def setup(self, worker: Worker) -> None:
        """Prepare a worker before it takes tasks. Dask calls this."""
        stop_profiler(worker)
        worker.metrics.update(zip(_METRICS, (_browsers, _browser_bytes), strict=True))
        trouble = await asyncio.to_thread(self._trouble, memory_share(worker))
        if trouble is not None:
            logger.error("Worker %s cannot render and closes: %s", worker.address, trouble)
            worker.log_event(TOPIC, {"action": "closing", "code": trouble.code, "reason": trouble.message})
            self._leaving = asyncio.create_task(_leave(worker, str(trouble)))

    async def teardown(self, worker: Worker) -> None:
        """Close browsers: all if the process ends, else the idle ones. Dask calls this."""
        for name in _METRICS:
            worker.metrics.pop(name, None)
        ending = worker.nanny is not None and worker.status in (Status.closing, Status.closed)
        await asyncio.to_thread(close_browsers if ending else _close_idle)

    def _trouble(self, share: int | None) -> HfdaskError | None:
        """Return the reason why this worker cannot render, after a second attempt if the first error is transient."""
        for _ in range(_ATTEMPTS):
            try:
                self._prepare(share)
                return None
            except HfdaskError as error:
                trouble = error
                if not error.retryable:
                    break
        return trouble

    def _prepare(self, share: int | None) -> None:
        sweep(shared_folder())
        Cache().evict()
        if self.environment is None:
            current_environment()
        else:
            require_environment(self.environment)
        if self.warm:
            thread = browser_thread()
            thread.pool.share = share
            thread.run(self._start(*self._kind()))

    def _kind(self) -> tuple[Any, Any, Scale]:
        """Return the capture mode, the fonts and the scale of the browser to start."""
        if self.location is None:
            return capture_mode("auto"), None, UNSCALED
        plan = Plan.open(self.location)
        page = plan.manifest.page
        return page.capture_mode, fetch_fonts(plan), page.scale

    async def _start(self, mode: Any, fonts: Any, scale: Scale) -> None:
        async with browser_thread().pool.lease(mode, fonts, scale=scale):
            pass


def _browsers(worker: Worker) -> int:
    return browser_usage()[0]


def _browser_bytes(worker: Worker) -> int:
    return browser_usage()[1]


def _close_idle() -> None:
    thread = browser_thread()
    thread.run(thread.pool.close_idle())


async def _leave(worker: Worker, reason: str) -> None:
    await worker  # until it has started, because its nanny does not answer before
    # Together with its nanny, which would start a new worker with the same fault.
    await worker.close_gracefully(restart=False, reason=reason)
