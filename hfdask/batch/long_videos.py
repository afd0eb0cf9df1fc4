"""Videos of a batch that are too long for one task: each is a `Render` of this process, in chunks on all workers."""

from __future__ import annotations

from collections import deque

from distributed import Client

from hfdask.batch.checked import Row
from hfdask.batch.job import BatchJob
from hfdask.batch.window import FEWEST, window
from hfdask.cluster.handle import Render
from hfdask.cluster.job import Job
from hfdask.cluster.local import Cluster
from hfdask.cluster.tasks import Planned
from hfdask.core.forks import at_work
from hfdask.core.results import RenderResult
from hfdask.errors import HfdaskError


class LongVideos:
    """Renders under way, and rows that wait for their turn. Use it as a context manager: at its end all renders have ended."""

    def __init__(self, client: Client, job: BatchJob) -> None:
        self._client, self._job = client, job
        self._waiting: deque[tuple[Row, Planned]] = deque()
        self._running: list[tuple[Row, Render]] = []
        self._chunks = 0

    def __enter__(self) -> LongVideos:
        return self

    def __exit__(self, *error: object) -> None:
        for _, render in self._running:
            render.cancel()
        for _, render in self._running:
            _ended(render)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def has_room(self, slots: int) -> bool:
        """Return true if another row can be added without a wait."""
        return len(self) < self._most(slots)

    def add(self, row: Row, planned: Planned) -> None:
        """Render this row, whose plan is there, as soon as the window has room for it."""
        self._waiting.append((row, planned))

    def take(self, slots: int) -> list[tuple[Row, RenderResult | HfdaskError]]:
        """Start waiting renders, and return the ended ones, with their results or errors."""
        ended = [(row, render) for row, render in self._running if render.done()]
        self._running = [(row, render) for row, render in self._running if not render.done()]
        outcomes = []
        for row, render in ended:
            if render.plan is not None:
                self._chunks = len(render.plan.manifest.chunks)
            outcomes.append((row, _ended(render)))
        while self._waiting and len(self._running) < self._most(slots):
            row, planned = self._waiting.popleft()
            self._running.append((row, self._started(row, planned)))
        return outcomes

    def _most(self, slots: int) -> int:
        return window(max(slots, 1), self._chunks or FEWEST)

    def _started(self, row: Row, planned: Planned) -> Render:
        job = Job(
            project=self._job.project,
            output=self._job.output(row.name),
            plan=self._job.plan_of(row.name),
            plan_options={},  # they are in the plan
            config=self._job.config,
            workers=None,
            storage_options=self._job.storage_options,
            planned=planned,
        )
        with at_work(with_dask=True):
            return Render(job, Cluster(self._client))


def _ended(render: Render) -> RenderResult | HfdaskError:
    try:
        return render.result()
    except HfdaskError as error:
        return error
