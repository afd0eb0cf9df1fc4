"""The driver: plan, chunks, assembly, with retries and progress, for one video.

Results come to the driver as they finish, and finished chunks are first looked for in the store. So neither a dead worker
nor a dead driver loses a finished chunk. `hfdask.cluster.chunk_run` runs and retries chunks; `hfdask.cluster.assembler`
joins them meanwhile.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import wait
from contextlib import ExitStack
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from hfdask.assembly.assemble import AssembleOptions, Assembly
from hfdask.cluster.assembler import AssemblyTask, AssemblyThread, Spoilt
from hfdask.cluster.claim import Claim
from hfdask.cluster.job import Job
from hfdask.cluster.local import Cluster
from hfdask.cluster.pictures import SECONDS, Picture, pictures_of
from hfdask.cluster.waiting import UnderWay
from hfdask.core.observer import Observer
from hfdask.core.results import ChunkResult, RenderResult
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import (
    BrowserNotFoundError,
    DiskFullError,
    EnvironmentMismatchError,
    HfdaskError,
    InvalidConfigError,
    OutputNotWritableError,
    RenderCancelledError,
    StoreNotAllowedError,
    StoreRefusedError,
)
from hfdask.manifest.location import CHUNKS
from hfdask.manifest.plan import Plan
from hfdask.manifest.records import has_records
from hfdask.planning.planning import plan_with
from hfdask.rendering.film import ChunkFilm, is_short
from hfdask.rendering.reuse import damaged, finished_chunk
from hfdask.store import Store, concurrently, split_url

if TYPE_CHECKING:
    from hfdask.cluster.chunk_run import ChunkRun


class Progress(Struct, frozen=True):
    """The progress of a render.

    Attributes
    ----------
    stage : str
        The current stage.
    done, frames : int
        Finished frames, and all frames. Both are 0 until the plan is made.
    chunks_done, chunks : int
        Finished chunks, and all chunks.
    fps : float
        Finished frames a second.
    eta : float or None
        Seconds until the end at this rate.
    """

    stage: str
    done: int = 0
    frames: int = 0
    chunks_done: int = 0
    chunks: int = 0
    fps: float = 0.0

    @property
    def eta(self) -> float | None:
        """Seconds that the rest of the frames will take at this rate."""
        return (self.frames - self.done) / self.fps if self.fps > 0 else None


class WorkerShare(Struct):
    """The part of a render that one worker has done, and the chunks that it renders now."""

    chunks: int = 0
    frames: int = 0
    running: list[int] = field(default_factory=list)


class Render(UnderWay[RenderResult]):
    """A render under way, from `hfdask.submit`.

    It runs in a thread of this process; ``result`` and ``await`` wait for it, ``cancel`` stops it. Keep the client open
    until then. A notebook shows it live: a bar, the workers, and the seconds by stage.

    Attributes
    ----------
    plan : Plan or None
        The plan, as soon as it is made.
    """

    def __init__(self, job: Job, cluster: Cluster) -> None:
        super().__init__()
        self.job = job
        self.plan: Plan | None = None
        self._cluster = cluster
        self._progress = Progress("plan")
        self._submitted = time.monotonic()
        self._lock = threading.Lock()
        self._partial: dict[int, int] = {}
        self._filmed = 0  # frames of a video that planning films
        self._redone: set[int] = set()
        self._warnings: list[str] = []
        self._results: dict[int, ChunkResult] = {}
        self._pictures: dict[str, Picture] = {}
        self._looked = -math.inf
        self._found: frozenset[int] = frozenset()
        self._run_of_chunks: ChunkRun | None = None
        self._began = time.monotonic()
        self._started_with = 0
        self._stop = threading.Event()
        self._claim = Claim(job.output)
        threading.Thread(target=self._main, name="hfdask-render", daemon=True).start()

    @property
    def progress(self) -> Progress:
        """The current stage and its numbers."""
        with self._lock:
            return self._progress

    def result(self, timeout: float | None = None) -> RenderResult:
        """Wait for the finished video. ``await render`` does the same without blocking an event loop.

        Inside a Dask task, the worker may run other tasks meanwhile, such as chunks of this render.

        Raises
        ------
        HfdaskError
            The error that ended the render.
        TimeoutError
            After ``timeout`` seconds. The render goes on.
        KeyboardInterrupt
            If the wait is interrupted, as by a notebook. The render is cancelled.
        """
        if not self._wait_for_end(timeout):
            raise TimeoutError(f"the render of {self.job.output.url} is not finished after {timeout:g} s")
        return self._ended.result()

    def __await__(self) -> Generator[Any, None, RenderResult]:
        """Wait for the finished video as `result` does. If the waiting task is cancelled, the render is, too."""
        return self._end().__await__()

    def cancel(self, *, wait_seconds: float = 0.0) -> None:
        """Stop the chunks that run. Finished chunks stay, and the same call can go on with them.

        Parameters
        ----------
        wait_seconds : float
            Maximum number of seconds to wait for the end. After the end, the output is free for another render.
        """
        self._stop.set()
        self._stop_chunks()
        wait([self._ended], wait_seconds)

    def __repr__(self) -> str:
        p = self.progress
        return (
            f"<Render {p.stage}: {p.done}/{p.frames} frames, {p.chunks_done}/{p.chunks} chunks, {self.job.output.url}>"
        )

    def _repr_html_(self) -> str:
        from hfdask.views.live import render_html

        error = self._ended.exception() if self._ended.done() else None
        shares, stages = self._shares(), self._stage_seconds()
        return render_html(self.job.output.url, self.progress, shares, stages, error, self._pictures)

    def _shown(self) -> dict[str, str]:
        self._look()
        return super()._shown()

    def _look(self) -> None:
        """Ask the workers that render for their newest pictures, from time to time."""
        run, now = self._run_of_chunks, time.monotonic()
        if run is None or self._ended.done():
            self._pictures = {}
        elif now - self._looked >= SECONDS and (workers := {worker for _, worker in run.running() if worker}):
            try:
                found = pictures_of(self._cluster.client, workers)
            except HfdaskError:  # the render itself ends with an error if its workers are lost
                return
            self._looked = now if found else self._looked
            self._pictures = {worker: picture for worker, picture in found.items() if picture.render == run.token}

    def _shares(self) -> dict[str, WorkerShare]:
        """Return the finished chunks and frames of each worker, and the chunks that it renders now, by its address."""
        shares: defaultdict[str, WorkerShare] = defaultdict(WorkerShare)
        for index, result in list(self._results.items()):
            if index not in self._found:
                share = shares[result.worker]
                share.chunks += 1
                share.frames += result.frames
        for index, worker in self._run_of_chunks.running() if self._run_of_chunks is not None else ():
            share = shares[worker]
            share.running.append(index)
            share.frames += self._partial.get(index, 0)
        return dict(sorted(shares.items()))

    def _stage_seconds(self) -> dict[str, float]:
        """Return the seconds of planning, and of the chunks that this render has finished, by stage."""
        seconds = Counter(self.plan.stages if self.plan else {})
        for index, result in list(self._results.items()):
            if index not in self._found:
                seconds.update(result.stages)
        return dict(seconds)

    def _main(self) -> None:
        try:
            video = self._run()
        except BaseException as raised:  # noqa: BLE001 - it is raised again by result()
            error = self._typed(raised)
            try:
                trouble = [] if _can_go_on(error) and self._has_finished_chunks() else self._forget_plan()
                for text in (*trouble, *self._claim.release()):
                    error.add_note(text)
                self._set("failed")
            finally:
                self._ended.set_exception(error)
        else:
            self._set("done")
            self._ended.set_result(video)

    def _typed(self, error: BaseException) -> BaseException:
        """Return an error as an `HfdaskError`; an interruption stays unchanged."""
        if isinstance(error, HfdaskError):
            return error
        from hfdask.cluster.scheduler import typed

        return typed(error, f"the render of {self.job.output.url}", self._cluster.started)

    def _run(self) -> RenderResult:
        began = time.perf_counter()
        self._require_shared()
        self._claim.take(self._stop)
        self.plan, planned_on = self._plan()
        self._require_going()
        video, warnings = self._render_chunks(self.plan)
        warnings += [*self._forget_plan(), *self._claim.release()]
        stages = {**self.plan.stages, **video.stages, "total": round(time.perf_counter() - began, 4)}
        return replace(
            video,
            stages=stages,
            findings=self.plan.findings,
            warnings=(*video.warnings, *warnings),
            planned_on=planned_on,
        )

    def _require_shared(self) -> None:
        """Refuse URLs of this process's memory if workers in other processes need them."""
        job = self.job
        urls = {"plan_dir": job.plan.url, "output": job.output.url if job.config.assemble_on == "worker" else ""}
        field = next((name for name, url in urls.items() if url.startswith("memory:")), None)
        if field is None or self._cluster.embedded:
            return
        from hfdask.cluster.scheduler import in_process

        if not in_process(self._cluster.client):
            raise InvalidConfigError(
                "memory:// is not shared with the workers' processes; use another URL", field=field
            )

    def _plan(self) -> tuple[Plan, str]:
        """Plan, unless a worker has done that already; return the plan and the worker that made it, if any."""
        job, cluster, where = self.job, self._cluster, self.job.config.plan_on
        if job.planned is None and (where == "driver" or (where == "auto" and cluster.embedded)):
            return self._plan_here(), ""
        from hfdask.cluster.remote_planning import needs_worker, plan_on_worker, with_report

        if job.planned is not None:
            return with_report(Plan.open(job.plan), job.planned), job.planned.worker
        if where == "auto" and not needs_worker(cluster.client):
            return self._plan_here(), ""
        self._set("plan on a worker")
        return plan_on_worker(
            self._once,
            job.project,
            job.plan,
            job.plan_options,
            slots=cluster.slots,
            storage_options=job.storage_options,
        )

    def _plan_here(self) -> Plan:
        """Plan in this process. In an embedded cluster, film a short video meanwhile."""
        job = self.job
        with ExitStack() as held:
            film = None
            if self._cluster.embedded and not job.keeps_plan and not job.plan.child(CHUNKS).store().names():
                path = held.enter_context(scratch_subfolder("film")) / "film.mp4"
                observer = _FilmObserver(self._on_film, self._stop)
                film = ChunkFilm(path, is_short, damage_test=job.config.damage_test, observer=observer)
                held.enter_context(film)
            plan = plan_with(
                job.project,
                job.plan,
                job.plan_options,
                slots=self._cluster.slots,
                storage_options=job.storage_options,
                film=film,
            )
            if film is not None and (chunk := film.chunk(plan, Observer())):
                self._results[chunk.index] = chunk
            else:
                self._partial.clear()
        return plan

    def _once(self, name: str, call: Callable[..., Any], *args: object) -> Any:
        """Run a task of this render that is not a chunk, and return its result."""
        from hfdask.cluster.client_state import connection_of
        from hfdask.cluster.single_task import run_task

        client = self._cluster.client
        return run_task(
            client,
            name,
            call,
            *args,
            span=f"video:{self._name}",
            priority=-connection_of(client).scheduler_time(self._submitted),
            retries=self.job.config.retries,
            stop=self._stop,
        )

    @property
    def _name(self) -> str:
        return PurePosixPath(self.job.output.url).stem

    def _has_finished_chunks(self) -> bool:
        """Return true if this render, or an interrupted one before it, has finished chunks, or if the store does not answer."""
        if self._results:
            return True
        try:
            return has_records(self.job.plan.child(CHUNKS).store())
        except HfdaskError:
            return True

    def _forget_plan(self) -> list[str]:
        """Remove the temporary plan next to the output; return warnings if that fails."""
        if self.job.keeps_plan:
            return []
        store, name = split_url(self.job.plan)
        try:
            if self._claim.holds():  # else it is another render's by now
                store.delete(name)
        except HfdaskError as error:
            return [f"could not remove the temporary plan {self.job.plan.url}: {error.message}"]
        return []

    def _render_chunks(self, plan: Plan) -> tuple[RenderResult, list[str]]:
        """Render the missing chunks and assemble all; return the video and warnings."""
        store = plan.location.child(CHUNKS).store()
        found = concurrently(
            lambda chunk: (chunk, finished_chunk(store, chunk.file, chunk, self._warnings.append)), plan.manifest.chunks
        )
        for chunk, known in found:
            if known and known.plan_hash == plan.hash and chunk.index not in self._results:
                self._results[chunk.index] = replace(known, index=chunk.index, reused=True)
        self._found = frozenset(self._results)
        self._started_with = self._frames_done()
        self._began = time.monotonic()
        self._set("render")
        missing = [chunk.index for chunk in plan.manifest.chunks if chunk.index not in self._results]
        chunks = self._chunks(plan, missing)  # before the assembly, which stops them if it fails
        with self._assembly(plan) as assembly:
            assembly.add(*self._results.values())
            while True:
                for result in chunks:
                    self._results[result.index] = result
                    assembly.add(result)
                    self._set("render")
                self._set("assemble" + (" on a worker" if self.job.config.assemble_on == "worker" else ""))
                outcome = assembly.finish()
                if isinstance(outcome, RenderResult):
                    run = self._run_of_chunks
                    return outcome, [*(run.warnings if run is not None else ()), *self._warnings]
                chunks = self._chunks(plan, self._again(outcome, store))

    def _chunks(self, plan: Plan, missing: Sequence[int]) -> Iterator[ChunkResult]:
        """Return an iterator that renders these chunks, and yields the results as they finish."""
        if missing and self._run_of_chunks is None:
            from hfdask.cluster.chunk_run import ChunkRun

            self._run_of_chunks = ChunkRun(
                self._cluster.client,
                plan,
                plan.chunks_url,
                name=self._name,
                retries=self.job.config.retries,
                damage_test=self.job.config.damage_test,
                submitted=self._submitted,
                on_frames=self._on_frames,
            )
        self._require_going()
        return iter(()) if self._run_of_chunks is None else self._run_of_chunks.results(missing)

    def _stop_chunks(self, error: BaseException | None = None) -> None:
        if self._run_of_chunks is not None:
            self._run_of_chunks.stop(error)

    def _again(self, spoilt: Spoilt, store: Store) -> list[int]:
        """Drop damaged chunks and return their numbers. Each is rendered again once; if that is damaged too, its error is raised."""
        assert self.plan is not None
        for index, error in sorted(spoilt.items()):
            if index in self._redone:
                raise error
            self._redone.add(index)
            self._results.pop(index, None)
            self._partial.pop(index, None)
            # Without its record it counts as not finished.
            store.delete(self.plan.manifest.chunks[index].file + ".json")
            self._warnings.append(damaged(index, error.message))
        self._set("render")
        return sorted(spoilt)

    def _assembly(self, plan: Plan) -> AssemblyThread | AssemblyTask:
        output, config = self.job.output, self.job.config
        options: AssembleOptions = {
            "strict": config.strict,
            "certificate": config.certificate,
            "plan_hash": plan.hash,
        }
        if config.assemble_on == "worker":
            return AssemblyTask(self._once, plan.location, output, options)
        return AssemblyThread(partial(Assembly, plan.location, output, **options), self._stop_chunks, self._stop)

    def _require_going(self) -> None:
        if self._stop.is_set():
            raise RenderCancelledError(f"the render of {self.job.output.url} was cancelled; finished chunks are kept")

    def _on_film(self, done: int, total: int) -> None:
        self._partial[0], self._filmed = done, total
        self._set("render")

    def _on_frames(self, index: int, done: int) -> None:
        self._partial[index] = max(done, self._partial.get(index, 0))
        self._set("render")

    def _frames_done(self) -> int:
        finished = sum(result.frames for result in self._results.values())
        return finished + sum(done for index, done in list(self._partial.items()) if index not in self._results)

    def _set(self, stage: str) -> None:
        with self._lock:
            manifest = self.plan.manifest if self.plan else None
            done = self._frames_done()
            fresh = done - self._started_with
            elapsed = time.monotonic() - self._began
            self._progress = replace(
                self._progress,
                stage=stage,
                done=done,
                frames=manifest.frames if manifest else self._filmed,
                chunks=len(manifest.chunks) if manifest else int(self._filmed > 0),
                chunks_done=len(self._results),
                fps=fresh / elapsed if stage == "render" and fresh and elapsed > 0 else self._progress.fps,
            )


class _FilmObserver(Observer):
    def __init__(self, on_frames: Callable[[int, int], None], stop: threading.Event) -> None:
        self._on_frames, self._stop = on_frames, stop

    def progress(self, done: int, total: int) -> None:
        self._on_frames(done, total)

    def cancelled(self) -> bool:
        return self._stop.is_set()


# The pictures of chunks do not depend on the causes of these errors.
_MENDABLE = (
    BrowserNotFoundError,
    DiskFullError,
    EnvironmentMismatchError,
    OutputNotWritableError,
    RenderCancelledError,
    StoreNotAllowedError,
    StoreRefusedError,
)


def _can_go_on(error: BaseException) -> bool:
    """Return true if the same call could finish the interrupted render with the chunks that exist."""
    if not isinstance(error, HfdaskError) or type(error) is HfdaskError:
        return True
    return error.retryable or isinstance(error, _MENDABLE)
