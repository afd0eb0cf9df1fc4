"""The tasks that run on workers: a chunk with metered stages and progress events, planning, and assembly."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from hfdask.assembly.assemble import AssembleOptions, assemble
from hfdask.browser import browser_thread
from hfdask.cluster.handover import received
from hfdask.cluster.names import SUMMARY, TOPIC, chunk_of
from hfdask.cluster.pictures import newest_of
from hfdask.cluster.summary import ChunkSummary, SlowFrames
from hfdask.config import RenderConfig
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult, Finding, RenderResult
from hfdask.core.values import Value
from hfdask.errors import HfdaskError, MissingArtifactError, RenderCancelledError
from hfdask.manifest.location import MANIFEST, PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.media.captured import Picture
from hfdask.planning.planning import FrozenProject, seal
from hfdask.rendering.chunk import render_chunk
from hfdask.store import Location, SecretOptions, Snapshot, materialised, split_url

EVENT_SECONDS = 0.5
"""Minimum number of seconds between progress events of a chunk."""

EVENTS_A_SECOND = 100
"""Progress events of a whole cluster per second; the scheduler forwards each to every driver."""


def event_seconds(slots: int) -> float:
    """Return the seconds between progress events of a chunk, if ``slots`` chunks run at a time."""
    return max(EVENT_SECONDS, slots / EVENTS_A_SECOND)


def render_chunk_task(
    plan: PlanLocation,
    plan_hash: str,
    index: int,
    output: Location,
    damage_test: bool,
    attempt: int,
    token: str,
    every: float | None,
) -> ChunkResult:
    """Run `hfdask.render_chunk` as a task. It takes URLs and numbers, and returns a small record.

    ``every`` is the number of seconds between progress events, which have the render's ``token``; None for no events.
    """
    observer = task_observer(index, attempt, token, every)
    with tagged(observer):
        try:
            result = render_chunk(
                plan,
                index,
                output,
                damage_test=damage_test,
                plan_hash=plan_hash,
                observer=observer,
            )
        except HfdaskError:  # perhaps between two of the chunk's files
            with suppress(HfdaskError):  # of a failing store: the first error says more
                _leave_no_orphan(plan, output)
            raise
        if observer.cancelled():
            _leave_no_orphan(plan, output)
        elif isinstance(observer, WorkerObserver):
            observer.finished(result)
        return result


def _leave_no_orphan(plan: PlanLocation, output: Location) -> None:
    """Remove the chunk's files if its plan is gone: the worker was stopped during the upload, and the render ended without it."""
    if plan.store().exists(MANIFEST):
        return
    store, name = split_url(output)
    for suffix in ("", ".json", ".frames.json", ".before.png", ".last.png"):
        store.delete(name + suffix)
    if store.local:
        with suppress(OSError):  # the folder has other files
            os.removedirs(store.path)


def assemble_task(
    plan: PlanLocation, chunk_urls: tuple[str, ...], output: Location, options: AssembleOptions
) -> RenderResult:
    """Run `hfdask.assemble` as a task. The result has no records of chunks, because the driver has them."""
    observer = task_observer()
    with tagged(observer):
        video = assemble(plan, chunk_urls, output, observer=observer, **options)
    return msgspec.structs.replace(video, chunks=(), assembled_on=observer.worker)


class Planned(Value, frozen=True):
    """The results of planning besides the plan; see `hfdask.Plan`."""

    worker: str
    stages: dict[str, float]
    messages: tuple[str, ...]
    findings: tuple[Finding, ...]
    split: str

    @classmethod
    def of(cls, plan: Plan, worker: str) -> Planned:
        """Return what a worker reports of a plan that it has made."""
        return cls(worker=worker, stages=plan.stages, messages=plan.messages, findings=plan.findings, split=plan.split)


def plan_task(location: PlanLocation, handed_over: Location, options: SecretOptions) -> Planned:
    """Plan a project that the driver has frozen; see `hfdask.cluster.remote_planning`."""
    observer = task_observer()
    clock = StageClock(observer)
    with (
        tagged(observer),
        frozen_project(location, handed_over, options, observer, clock) as (frozen, files, config),
        Snapshot(location.store()) as snapshot,
    ):
        plan = seal(frozen, files, location, snapshot, config, clock, published=True)
    return Planned.of(plan, observer.worker)


@contextmanager
def frozen_project(
    location: PlanLocation, handed_over: Location, options: SecretOptions, observer: Observer, clock: StageClock
) -> Iterator[tuple[FrozenProject, dict[str, Path], RenderConfig]]:
    """Fetch a project that the driver has frozen; yield it, its files by path, and the options for this machine.

    Raises
    ------
    MissingArtifactError
        If this machine does not find it.
    """
    with ExitStack() as held:
        try:
            with clock("materialise"):
                frozen, replace_urls = held.enter_context(received(handed_over))
                paths = held.enter_context(materialised(location.store(), frozen.artifacts, frozen.artifacts))
        except MissingArtifactError as error:
            raise MissingArtifactError(
                f"worker {observer.worker} does not find {location.url}: set plan_dir, or for a batch the output, to a URL that all "
                "workers can reach",
                url=location.url,
            ) from error
        files = {each.path: paths[each.sha256] for each in frozen.artifacts}
        yield (
            frozen,
            files,
            RenderConfig.of({**options, "replace_urls": {**options.get("replace_urls", {}), **replace_urls(files)}}),
        )


@contextmanager
def tagged(observer: Observer) -> Iterator[None]:
    """Give the errors of a task its worker's address, and let their types arrive at the driver."""
    try:
        yield
    except HfdaskError as error:
        error.details.setdefault("worker", observer.worker)
        if not _can_be_sent(error):
            causes = traceback.format_exception(error.__cause__ or error.__context__)
            error.__cause__, error.__context__ = RuntimeError("".join(causes)), None
        raise


def _can_be_sent(error: HfdaskError) -> bool:
    """Return true if Dask sends an error to the driver with its type.

    It sends plain text if a cause cannot be restored from a pickle, such as PyAV's errors of the operating system.
    """
    from distributed.core import error_message
    from distributed.protocol.pickle import loads

    return isinstance(loads(error_message(error)["exception"].data), type(error))


def memory_share(worker: Any) -> int | None:
    """Return the bytes of memory for a task and its browser on a worker; None if the worker has no memory limit."""
    limit = worker.memory_manager.memory_limit
    return int(limit) // int(worker.state.nthreads) if limit else None


def stop_profiler(worker: Any) -> None:
    """Stop the profiler of a worker if it can lock the process up for good: on Python before 3.13.

    It samples all threads of the process up to a hundred times a second, and the garbage collector may run while the
    interpreter's list of threads is held (CPython issue 106883). Any thread may call this.
    """
    profiler = worker.periodic_callbacks.get("profile")
    if profiler is not None and sys.version_info < (3, 13):
        worker.loop.add_callback(profiler.stop)


def task_observer(index: int = 0, attempt: int = 0, token: str = "", every: float | None = None) -> Observer:
    """Return the observer of the task that this thread runs, and prepare its worker for the task."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):
        return Observer()  # a local scheduler has no listeners
    stop_profiler(worker)
    browser_thread().pool.share = memory_share(worker)
    return WorkerObserver(worker, index, attempt, token, every)


class WorkerObserver(Observer):
    """Send Fine Performance Metrics (``hf-capture`` and so on) and progress events, and keep the newest picture."""

    def __init__(self, worker: Any, index: int, attempt: int, token: str, every: float | None) -> None:
        from distributed.worker import thread_state  # type: ignore[attr-defined]  # not in __all__

        self.worker = str(worker.contact_address or worker.address)  # as the scheduler calls it
        self._worker = worker
        self._key = getattr(thread_state, "key", None)
        if not token and (own := chunk_of(self._key)):  # a row of a batch
            token, index, attempt = own
        self._index = index
        self._token = token
        self._every = every
        self.attempt = attempt
        self._told = 0.0
        self._newest = newest_of(worker)
        self._slow = SlowFrames()
        self._tell(0, 0)

    def meter(self, stage: str) -> AbstractContextManager[object]:
        """Meter a stage as in the base class. A withdrawn task ends here, and so uploads nothing.

        Raises
        ------
        RenderCancelledError
        """
        from distributed.metrics import context_meter

        if self.cancelled():
            raise RenderCancelledError(f"cancelled before {stage}")
        meter: AbstractContextManager[object] = context_meter.meter(f"hf-{stage}")
        return meter

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._every is not None and (now - self._told >= self._every or done == total):
            self._told = now
            self._tell(done, total)

    def _tell(self, done: int, total: int) -> None:
        if self._every is not None:
            message = {"render": self._token, "chunk": self._index, "attempt": self.attempt, "done": done, "of": total}
            self._worker.log_event(TOPIC, message)

    def frame(self, index: int, picture: Picture | None, seconds: float) -> None:
        self._slow.note(index, seconds)
        if picture is not None:
            self._newest.note(self._token, self._index, index, picture)

    def finished(self, result: ChunkResult) -> None:
        """Give the task the summary of its chunk, which goes to the scheduler together with the end of the task."""
        task = self._worker.state.tasks.get(self._key)
        if task is not None:
            task.metadata[SUMMARY] = msgspec.to_builtins(ChunkSummary.of(result, self._slow))

    def cancelled(self) -> bool:
        """Return true if the scheduler has withdrawn this task. It looks at the worker's state and sends no message."""
        if self._key is None:
            return False
        state = self._worker.state.tasks.get(self._key)
        return state is None or state.state in ("cancelled", "resumed")
