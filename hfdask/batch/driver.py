"""The driver of a batch: a window of rows under way, and their results as they come.

A short video is one task, which plans, captures, encodes and joins on a worker (`hfdask.batch.row_tasks`). A longer one is a render
in chunks (`hfdask.batch.long_videos`). A row with the values of an earlier row is a copy of its video.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any, TypeVar

import msgspec
from distributed import Client

from hfdask.batch.checked import CheckedRows, Row
from hfdask.batch.job import BatchJob
from hfdask.batch.long_videos import LongVideos
from hfdask.batch.manifest import Manifest, video_is_there
from hfdask.batch.results import ResultLog, RowResult, Status
from hfdask.batch.row_tasks import RowTask, RowTasks
from hfdask.batch.shared import shared_project
from hfdask.batch.tasks import (
    CopiedVideo,
    Frozen,
    RowVideo,
    TooLong,
    comparison_task,
    copy_row_task,
    environment_task,
    local_digest,
    render_row_task,
)
from hfdask.batch.window import task_window
from hfdask.browser.environment import current_environment
from hfdask.cluster.claim import Claim
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.names import VIDEO_PREFIX
from hfdask.cluster.placement import Workers
from hfdask.cluster.scheduler import in_process, worker_slots
from hfdask.cluster.single_task import run_task
from hfdask.config import RenderConfig
from hfdask.core.fields import MAX_TEXT
from hfdask.core.model import Environment
from hfdask.core.results import RenderResult
from hfdask.errors import HfdaskError, RenderCancelledError, SchedulerLostError
from hfdask.store import SecretOptions

T = TypeVar("T")

COPY = "copy_video"
"""Name of the tasks that copy videos on every page of the dashboard."""

COMPARED_FROM = 16
"""Rows from which on the project is compared once for all of them. That takes as long as two or three of them."""

_TICK = 0.2
_SLOTS_ASKED = 2.0
"""Seconds between questions for the number of workers, which may grow and shrink."""


@dataclass
class Driver:
    """Run a batch to its end.

    Attributes
    ----------
    rows : CheckedRows
        The rows, not read yet.
    log : ResultLog
        Gets the result of each row.
    stop : threading.Event
        Ends the batch from outside.
    warnings : list of str
        Warnings that concern no single row.
    """

    job: BatchJob
    rows: CheckedRows
    log: ResultLog
    client: Client
    stop: threading.Event
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting: defaultdict[int, list[Row]] = defaultdict(list)
        self._unsaved: list[RowResult] = []
        self._planning: dict[int, float] = {}
        self._exhausted = False
        self._slots, self._slots_at = 0, -_SLOTS_ASKED
        self._sizes: Mapping[str, int] | None = None
        self._span = f"batch:{PurePath(self.job.manifest.url).parent.name}"

    def run(self) -> None:
        """Render all rows.

        Raises
        ------
        HfdaskError
            What ended the batch: an error of the cluster, the store or the project, or of a row if the job asks for that. The
            results so far are in the log and in the manifest.
        """
        claim = Claim(self.job.manifest)
        try:
            claim.take(self.stop)
            with ExitStack() as held:
                self._manifest = held.enter_context(Manifest(self.job.manifest))
                held.callback(self._save)
                environment = self._environment()
                self._shared = held.enter_context(shared_project(self.job, self.client, environment))
                workers = self._workers = Workers(self.client, environment)
                held.callback(lambda: self.warnings.extend(workers.warnings))
                workers.ask()
                self._long = held.enter_context(LongVideos(self.client, self.job))
                self._tasks = RowTasks(self.client, self._span, workers, self.job.config.retries)
                held.callback(self._tasks.withdraw)
                self._loop()
            if not self.log.counts["failed"]:
                self.job.forget_plans()
        finally:
            self.warnings += claim.release()

    def _environment(self) -> Environment:
        """Return the software of one worker, with which all rows are rendered."""
        return current_environment() if in_process(self.client) else self._ask("environment", environment_task)

    @cached_property
    def _project(self) -> Frozen:
        """The project for the tasks of rows.

        If they are many, find out once if it looks the same from a canvas, so that they need not be compared one by one.
        """
        project = self._shared.on_workers
        if self.rows.count < COMPARED_FROM or not RenderConfig.of(self.job.options).may_choose_canvas:
            return project
        try:
            return replace(project, alike=self._ask("comparison", comparison_task, project, fit=self._workers.eligible))
        except HfdaskError as error:
            self._require_going()
            if isinstance(error, SchedulerLostError):
                raise
            self.warnings.append(f"the project was not compared for a capture from a canvas: {error.message}")
            return project

    def _ask(self, name: str, call: Callable[..., T], *args: object, fit: Callable[[], set[str]] | None = None) -> T:
        """Run a task on a worker."""
        return run_task(
            self.client,
            name,
            call,
            *args,
            span=self._span,
            priority=-connection_of(self.client).scheduler_time(time.monotonic()),
            retries=self.job.config.retries,
            stop=self.stop,
            fit=fit,
        )

    def _loop(self) -> None:
        if len(self._manifest):
            self._sizes = self.job.sizes_there()
        while not (self._exhausted and not self._under_way):
            self._require_going()
            self._tasks.submit(self._next_tasks())
            for task, outcome in self._tasks.wait(_TICK if self._under_way else 0):
                self._end_task(task, outcome)
            for row, made in self._long.take(self._slots_now()):
                self._end(self._result_of_render(row, made), row)
            self._save()

    @property
    def _under_way(self) -> int:
        return len(self._tasks) + len(self._long) + self._waiting_rows()

    def _require_going(self) -> None:
        if self.stop.is_set():
            raise RenderCancelledError(
                "the batch was cancelled; finished videos are kept, so that the same call goes on"
            )

    def _slots_now(self) -> int:
        now = time.monotonic()
        if now - self._slots_at >= _SLOTS_ASKED:
            self._slots, self._slots_at = worker_slots(self.client), now
        return self._slots

    # Rows that begin

    def _next_tasks(self) -> list[RowTask]:
        """Read rows until the window is full; return the tasks to submit."""
        slots, tasks = self._slots_now(), list[RowTask]()
        most = task_window(slots)
        while not self.stop.is_set() and len(self._tasks) + len(tasks) + self._waiting_rows() < most:
            if not self._long.has_room(slots):
                break
            row = self.rows.take()
            if row is None:
                self._exhausted = True
                break
            self._begin(row, tasks)
        return tasks

    def _waiting_rows(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _begin(self, row: Row, tasks: list[RowTask]) -> None:
        earlier = self._finished_before(row)
        if earlier is not None:
            facts = {"row": row.index, "status": "reused", "seconds": 0.0, "worker_seconds": 0.0, "worker": ""}
            self._end(msgspec.structs.replace(earlier, **facts), row)
        elif row.first >= 0:
            self._follow(row, tasks)
        else:
            variables = {**self.job.options.get("variables", {}), **row.variables}
            options = SecretOptions({**row.options, "variables": variables})
            arguments = (self._project, options, self.job.output(row.name), self.job.plan_of(row.name))
            tasks.append(RowTask(row, VIDEO_PREFIX, render_row_task, arguments))

    def _finished_before(self, row: Row) -> RowResult | None:
        """Return the result of an earlier run, if its video is there and would be the same today."""
        found = self._manifest.find(self.job.shown(row.name))
        if found is None or found.failed or (found.key, found.project) != (row.key, self._shared.digest):
            return None
        return found if video_is_there(found, self.job.output(row.name), self._sizes) else None

    def _follow(self, row: Row, tasks: list[RowTask]) -> None:
        """Copy the video of the first row with these values, once it is there."""
        first = self.log.of(row.first)
        if first is None:
            self._waiting[row.first].append(row)
        elif first.failed:
            self._end(
                self._failed(row, first.code, f"as row {row.first}, which has the same values: {first.message}"), row
            )
        elif first.output == self.job.shown(row.name):
            self._end(self._copied(row, first, first), row)
        else:
            output = self.job.output(row.name)
            source = replace(output, url=first.output)
            tasks.append(RowTask(row, COPY, copy_row_task, (source, output)))

    # Rows that end

    def _end_task(self, task: RowTask, outcome: Any) -> None:
        row = task.row
        match outcome:
            case TooLong():
                self._planning[row.index] = outcome.seconds
                self._long.add(row, outcome.planned)
            case RowVideo():
                self._end(self._result_of_video(row, outcome), row)
            case HfdaskError():
                self._end(self._result_of_error(row, outcome), row)
            case _:
                first = self.log.of(row.first)
                assert first is not None  # it ended before its copy began
                self._end(self._copied(row, first, outcome), row)

    def _end(self, result: RowResult, row: Row) -> None:
        """Record the end of a row, and let rows go on that wait for it."""
        self.log.append(result)
        if result.status != "reused":
            self._unsaved.append(result)
        waiting = self._waiting.pop(row.index, ())
        tasks: list[RowTask] = []
        for each in waiting:
            self._follow(each, tasks)
        self._tasks.submit(tasks)

    def _save(self) -> None:
        """Write the results that are new to the manifest."""
        unsaved, self._unsaved = self._unsaved, []
        self._manifest.append(unsaved)

    def _result(self, row: Row, status: Status, **facts: Any) -> RowResult:
        return RowResult(
            row=row.index,
            output=self.job.shown(row.name),
            status=status,
            key=row.key,
            project=self._shared.digest,
            **facts,
        )

    def _result_of_video(self, row: Row, video: RowVideo) -> RowResult:
        return self._result(
            row,
            "rendered",
            frames=video.frames,
            seconds=video.seconds,
            worker_seconds=video.seconds,
            bytes=video.bytes,
            digest=video.digest,
            sha256=video.sha256,
            worker=video.worker,
            warnings=video.warnings,
        )

    def _result_of_render(self, row: Row, made: RenderResult | HfdaskError) -> RowResult:
        planning = self._planning.pop(row.index, 0.0)
        if isinstance(made, HfdaskError):
            return self._result_of_error(row, made)
        workers = {chunk.worker for chunk in made.chunks}
        return self._result(
            row,
            "rendered",
            frames=made.frames,
            seconds=round(planning + made.stages["total"], 4),
            worker_seconds=round(planning + made.cost.worker_seconds, 4),
            bytes=made.size,
            digest=made.digest,
            sha256=local_digest(self.job.output(row.name)),
            worker=workers.pop() if len(workers) == 1 else "",
            warnings=made.warnings,
        )

    def _result_of_error(self, row: Row, error: HfdaskError) -> RowResult:
        """Return the result of a row that failed, or end the batch with its error.

        Raises
        ------
        HfdaskError
            If the job asks for it, or if the row could not fail on its own: the batch was cancelled, or the cluster is gone.
        """
        self._require_going()
        if isinstance(error, SchedulerLostError):
            raise error
        if self.job.on_error == "raise":
            error.details.setdefault("row", row.index)
            error.add_note(f"row {row.index}, {row.name}: the batch ends with the first error, as asked")
            raise error
        return self._failed(row, error.code, error.message, str(error.details.get("worker", "")))

    def _failed(self, row: Row, code: str, message: str, worker: str = "") -> RowResult:
        return self._result(row, "failed", code=code, message=message[:MAX_TEXT], worker=worker)

    def _copied(self, row: Row, first: RowResult, copy: CopiedVideo | RowResult) -> RowResult:
        return self._result(
            row, "copied", frames=first.frames, bytes=copy.bytes, digest=first.digest, sha256=copy.sha256
        )
