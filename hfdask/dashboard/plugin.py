"""The scheduler's side of the dashboard: a plugin that follows chunk tasks, and adds the page.

It reads messages that the scheduler has anyway: changes of tasks, the progress events of chunks, and the summary that comes
with the end of a task. It sends nothing. Pages that are open ask workers for pictures (`hfdask.dashboard.filmstrip`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from distributed import Client, Scheduler, SchedulerPlugin

from hfdask.cluster.names import SUMMARY, TOPIC, chunk_of
from hfdask.cluster.summary import ChunkSummary
from hfdask.core.fields import ChunkIndex, Count, Frame, Line
from hfdask.core.values import built
from hfdask.dashboard.board import Board, State
from hfdask.dashboard.filmstrip import Filmstrip
from hfdask.dashboard.routes import add_pages, page_of
from hfdask.errors import DashboardError

NAME = "hfdask-dashboard"

_STATES = {
    "waiting": State.WAITING,
    "queued": State.WAITING,
    "no-worker": State.WAITING,
    "processing": State.RUNNING,
    "memory": State.DONE,
    "erred": State.FAILED,
    "released": State.WITHDRAWN,
    "forgotten": State.WITHDRAWN,
}
"""Dask's states of a task, and the state of its chunk."""

_SPANS = ("video:", "batch:")
"""What spans of renders and of batches begin with, before the name."""

logger = logging.getLogger("distributed.hfdask")


class _Progress(msgspec.Struct, frozen=True):
    """An event of a chunk task. Any client can publish on its topic, so it is checked."""

    render: Line
    chunk: ChunkIndex
    attempt: Count
    done: Frame
    worker: Line
    of: Frame = 0


class RenderDashboard(SchedulerPlugin):
    """Follow the renders of a cluster, and show them on the scheduler's dashboard. See `show_dashboard`.

    Attributes
    ----------
    board : Board
        State of all chunks. Its size is bounded.
    filmstrip : Filmstrip
        The newest pictures of workers.
    """

    name = NAME
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        """Add the page, and take note of the chunks that are under way. Dask calls this.

        Raises
        ------
        DashboardError
        """
        add_pages(scheduler)
        self.scheduler = scheduler
        self.board = Board()
        self.filmstrip = Filmstrip(scheduler)
        for key, task in scheduler.tasks.items():
            if chunk_of(key):
                self._note_task(key, task.state, task.processing_on.address if task.processing_on else "")

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Take note of a task's new state. Dask calls this for every task."""
        if type(key) is not tuple or not (named := chunk_of(key)):
            return
        worker = kwargs.get("worker") or ""
        if finish == "processing":
            task = self.scheduler.tasks[key]
            worker = task.processing_on.address if task.processing_on else ""
        summary = (kwargs.get("metadata") or {}).get(SUMMARY) if finish == "memory" else None
        if summary is not None:
            token, index, _ = named
            with _logged("a chunk's summary"):
                self.board.finished(
                    token, index, msgspec.convert(summary, built(ChunkSummary)), worker, time.monotonic()
                )
        self._note_task(key, finish, worker)

    def log_event(self, topic: str, msg: Any) -> None:
        """Take note of a progress event. Dask calls this for every event."""
        if topic != TOPIC:
            return
        with _logged("a progress event"):
            event = msgspec.convert(msg, built(_Progress))
            if event.worker in self.scheduler.workers:
                self.board.progress(
                    event.render, event.chunk, event.attempt, event.done, event.of, event.worker, time.monotonic()
                )

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **kwargs: Any) -> None:
        """Forget a worker. Dask calls this."""
        self.board.forget_worker(worker)
        self.filmstrip.forget_worker(worker)

    def _note_task(self, key: Any, state: str, worker: str) -> None:
        named = chunk_of(key)
        if named is None or state not in _STATES:
            return
        token, index, attempt = named
        self.board.task(token, index, attempt, _STATES[state], name=self._video(key), worker=worker)

    def _video(self, key: Any) -> str:
        """Return the name of a task's video, which the driver gives as a span."""
        task = self.scheduler.tasks.get(key)
        span = ((task.annotations or {}) if task else {}).get("span") or {}
        *_, last = span.get("name") or ("",)
        return next((last.removeprefix(kind) for kind in _SPANS if str(last).startswith(kind)), "")


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log a message that cannot be read, as of another version of hfdask. An error would be logged, too, but less clearly."""
    try:
        yield
    except msgspec.ValidationError as error:
        logger.warning("The dashboard cannot read %s: %s", what, error)


def show_dashboard(client: Client) -> str:
    """Show the renders of a cluster on its dashboard, and return the page's address.

    A second call changes nothing. The page stays until the scheduler ends. `client.unregister_scheduler_plugin` with
    ``"hfdask-dashboard"`` ends the recording.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster. Its scheduler needs hfdask and Bokeh: ``pip install "hfdask[dashboard]"``.

    Returns
    -------
    str
        The page's address, from the client's ``dashboard_link``.

    Raises
    ------
    DashboardError
        If the scheduler has no dashboard, no Bokeh or no hfdask.
    SchedulerLostError
        If the scheduler does not answer.
    """
    from hfdask.cluster.scheduler import ask

    async def register() -> None:
        try:
            await client.register_plugin(RenderDashboard())
        except ModuleNotFoundError as error:
            raise DashboardError(
                f"the scheduler cannot import {error.name}: install the version of hfdask there that you use here, "
                "with its extra 'dashboard'"
            ) from error

    ask(client, client.sync, register)
    return page_of(client.dashboard_link)
