"""The tasks of a batch that run on workers: a short video as a whole, and the copy of a finished one."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from hfdask.browser.environment import current_environment, require_environment
from hfdask.cluster.tasks import Planned, WorkerObserver, frozen_project, tagged, task_observer
from hfdask.core.model import Environment
from hfdask.core.observer import StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.values import Value
from hfdask.formats.beside import fetch_beside, folder_beside
from hfdask.formats.table import format_of
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.rendering.short import render_short
from hfdask.store import Location, SecretOptions, file_digest, split_output, split_url


class RowVideo(Value, frozen=True):
    """A finished video of a row; see `hfdask.batch.results.RowResult`."""

    frames: int
    seconds: float
    bytes: int
    digest: str
    sha256: str
    worker: str
    warnings: tuple[str, ...]


class TooLong(Value, frozen=True):
    """A video that has too many frames for one task: its plan is at the place that the task was given."""

    planned: Planned
    seconds: float


@dataclass(frozen=True)
class Frozen:
    """What all rows of a batch share on workers.

    Attributes
    ----------
    location : PlanLocation
        Folder of the project's content.
    handed_over : Location
        The frozen project there; see `hfdask.cluster.handover`.
    environment : Environment
        The software that renders all videos of the batch.
    limit : int
        Frames of the longest video that is one task.
    """

    location: PlanLocation
    handed_over: Location
    options: SecretOptions = field(repr=False)
    environment: Environment
    limit: int
    strict: bool
    damage_test: bool


def render_row_task(frozen: Frozen, options: SecretOptions, output: Location, plan: Location) -> RowVideo | TooLong:
    """Render a short video as a whole, or write the plan of a longer one. ``options`` are the row's, with its variables."""
    began = time.perf_counter()
    observer = task_observer()
    with tagged(observer), ExitStack() as held:
        require_environment(frozen.environment)
        given = SecretOptions({**frozen.options, **options})
        clock = StageClock(observer)
        project, files, config = held.enter_context(
            frozen_project(frozen.location, frozen.handed_over, given, observer, clock)
        )
        made = render_short(
            project,
            files,
            output,
            config,
            limit=frozen.limit,
            plan_url=plan,
            strict=frozen.strict,
            damage_test=frozen.damage_test,
            observer=observer,
        )
    if isinstance(made, Plan):
        return TooLong(planned=Planned.of(made, observer.worker), seconds=round(time.perf_counter() - began, 4))
    if isinstance(observer, WorkerObserver):
        for chunk in made.chunks:
            observer.finished(chunk)
    return RowVideo(
        frames=made.frames,
        seconds=round(time.perf_counter() - began, 4),
        bytes=made.size,
        digest=made.digest,
        sha256=local_digest(output),
        worker=observer.worker,
        warnings=made.warnings,
    )


def local_digest(output: Location) -> str:
    """Return the digest of a video on a disk of this machine; empty if it is elsewhere."""
    store, name = split_url(output)
    return file_digest(store.in_place(name)) if store.local else ""


def copy_row_task(source: Location, size: int, output: Location) -> str:
    """Copy a finished video; return the worker's address."""
    observer = task_observer()
    with tagged(observer), scratch_subfolder("copy") as folder:
        store, name = split_url(source)
        target, target_name = split_output(output)
        path = store.fetch(name, folder / "video", size)
        beside = folder_beside(format_of(name), path)
        if beside is not None and store.url != target.url:
            for each, file in fetch_beside(store, beside, folder / "beside").items():
                target.put(f"{beside}/{each}", file)
        target.put(target_name, path)
    return observer.worker


def environment_task() -> Environment:
    """Return the software of a worker."""
    with tagged(task_observer()):
        return current_environment()
