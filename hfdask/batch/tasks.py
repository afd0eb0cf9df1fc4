"""The tasks of a batch that run on workers: a short video as a whole, and the copy of a finished one."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from hfdask.assembly.publishing import copy_output
from hfdask.browser.environment import current_environment, require_environment
from hfdask.cluster.tasks import Planned, WorkerObserver, frozen_project, tagged, task_observer
from hfdask.core.model import Environment
from hfdask.core.observer import StageClock
from hfdask.core.values import Value
from hfdask.formats.output_files import OutputFiles
from hfdask.formats.table import format_of
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.precedence import merged
from hfdask.rendering.short import looks_alike, render_short
from hfdask.store import Location, SecretOptions, split_output


class RowVideo(Value, frozen=True):
    """A finished video of a row; see `hfdask.batch.results.RowResult`."""

    frames: int
    seconds: float
    bytes: int
    digest: str
    sha256: str
    worker: str
    warnings: tuple[str, ...]


class CopiedVideo(Value, frozen=True):
    """A finished copy of a row's video; see `hfdask.batch.results.RowResult`."""

    bytes: int
    sha256: str


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
    alike : bool
        True if the project, with its own variables, looks the same from a canvas.
    """

    location: PlanLocation
    handed_over: Location
    options: SecretOptions = field(repr=False)
    environment: Environment
    limit: int
    strict: bool
    damage_test: bool
    alike: bool = False


def render_row_task(frozen: Frozen, options: SecretOptions, output: Location, plan: Location) -> RowVideo | TooLong:
    """Render a short video as a whole, or write the plan of a longer one. ``options`` are the row's, with its variables."""
    began = time.perf_counter()
    observer = task_observer()
    with tagged(observer), ExitStack() as held:
        require_environment(frozen.environment)
        given = SecretOptions(merged(frozen.options, options))
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
            compared="yes" if frozen.alike else "no",
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
    """Return the digest of a video on a disk of this machine, see `OutputFiles.digest`; empty if it is elsewhere."""
    return OutputFiles.at(output).digest() if output.store().local else ""


def copy_row_task(source: Location, output: Location) -> CopiedVideo:
    """Copy a finished video."""
    observer = task_observer()
    with tagged(observer):
        store, name = split_output(output, may_be_folder=True)
        format = format_of(name)
        assert format is not None  # the name was checked before the batch began
        copy_output(OutputFiles.at(source), store, name, format)
        return CopiedVideo(bytes=OutputFiles.at(output).size, sha256=local_digest(output))


def comparison_task(frozen: Frozen) -> bool:
    """Return true if the project looks the same from a canvas with the batch's own variables."""
    observer = task_observer()
    with tagged(observer), ExitStack() as held:
        require_environment(frozen.environment)
        clock = StageClock(observer)
        project, files, config = held.enter_context(
            frozen_project(frozen.location, frozen.handed_over, frozen.options, observer, clock)
        )
        return looks_alike(project, files, config, observer)


def environment_task() -> Environment:
    """Return the software of a worker."""
    with tagged(task_observer()):
        return current_environment()
