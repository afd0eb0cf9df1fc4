"""Render a project with every combination of chunk size, workers and quality, and measure."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, get_args

from distributed import Client
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hfdask.browser import close_browsers
from hfdask.cluster.chunk_run import ChunkRun
from hfdask.cluster.local import client_for
from hfdask.cluster.scheduler import ask, in_process, worker_slots
from hfdask.config import Quality, RenderConfig, explicit
from hfdask.core.forks import at_work
from hfdask.core.results import ChunkResult
from hfdask.diagnostics.benchmark import Benchmark, Trial
from hfdask.diagnostics.cost_model import TrialChunk
from hfdask.errors import InvalidConfigError
from hfdask.manifest.plan import Plan
from hfdask.planning.planning import plan_with
from hfdask.store import Location, StorageOptions

SIZES = (None, 30, 60, 120)
"""Chunk sizes that are tried by default; None is hfdask's own choice."""

Tell = Callable[[str], None]


def sweep(
    project: str | os.PathLike[str],
    *,
    chunk_sizes: Sequence[int | None] = SIZES,
    workers: Sequence[int] | int | None = None,
    quality: Sequence[Quality] | Quality = "looks",
    repeats: int = 3,
    client: Client | None = None,
    folder: str | os.PathLike[str] | None = None,
    storage_options: StorageOptions | None = None,
    progress: bool | None = None,
    config: RenderConfig | None = None,
    **options: Any,
) -> Benchmark:
    """Measure every combination of chunk size, number of workers and quality.

    First each combination is rendered once, with all browsers closed before. Then it is rendered ``repeats`` times with
    browsers that run. Combinations take turns, so that a slow minute of the machine falls on all of them. The plan of
    each is made once, and neither planning nor assembly is measured: chunk sizes do not matter for them.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    chunk_sizes : sequence of int or None
        Frames of a chunk; None lets hfdask choose.
    workers : int or sequence of int, optional
        Chunks at a time. Default: all slots of the client, or one for each core without a client.
    quality : str or sequence of str
        Encoder presets.
    repeats : int
        Renders of each combination with running browsers.
    client : distributed.Client, optional
        Default: a cluster in this process. Of the cluster of a client, as many workers are used as a combination asks
        for.
    folder : str or path, optional
        Folder for plans and chunks, any fsspec URL that the workers reach. All that the sweep makes there is removed. Default: a
        temporary folder of this machine.
    storage_options : mapping, optional
        Arguments of the file systems.
    progress : bool, optional
        True to show a progress bar on standard error. Default: on a terminal and in a notebook.
    config : RenderConfig, optional
        Other options of the plan.
    **options
        Fields of `hfdask.RenderConfig`, without ``chunk_size``, ``workers`` and ``quality``.

    Returns
    -------
    Benchmark
        All measurements, a cost model and recommendations.

    Raises
    ------
    InvalidConfigError
        For numbers that no render can use, or more workers than the client has.
    HfdaskError
        The errors of `render`.
    """
    given = explicit(config, options)
    sizes, qualities = tuple(dict.fromkeys(chunk_sizes)), _qualities(quality)
    _require(sizes, repeats, given)
    with at_work(with_dask=True), ExitStack() as held:
        place = Location.of(
            folder or held.enter_context(tempfile.TemporaryDirectory(prefix="hfdask-sweep-")), storage_options
        )
        counts = _counts(workers, client)
        total = len(sizes) * len(counts) * len(qualities) * (repeats + 1)
        tell = held.enter_context(_progress(total, progress))
        plans = held.enter_context(_Plans.made(project, place, given, storage_options))
        trials = [
            trial
            for turn in range(repeats + 1)
            for count in counts
            for trial in _trials(plans, client, turn, count, sizes, qualities, tell)
        ]
    first = next(iter(plans.known.values()))
    environment = first.manifest.environment
    machine = {"processors": str(os.cpu_count()), "platform": environment.platform, "browser": environment.browser}
    return Benchmark.of(os.fspath(project), first.manifest.frames, machine, trials)


def _trials(
    plans: _Plans,
    client: Client | None,
    turn: int,
    count: int,
    sizes: Sequence[int | None],
    qualities: Sequence[Quality],
    tell: Tell,
) -> Iterator[Trial]:
    """Render each size and quality once, ``count`` chunks at a time."""
    with client_for(client, count) as cluster:
        only = _some_workers(cluster, count)
        for preset in qualities:
            for size in sizes:
                tell(f"{preset}, {count} at a time, {'own size' if size is None else f'chunks of {size}'}")
                plan = plans.of(preset, size, count)
                if turn == 0:
                    _close_browsers(cluster)
                yield _trial(plan, cluster, only, turn, count, size, preset)


def _trial(
    plan: Plan, client: Client, only: frozenset[str], turn: int, count: int, size: int | None, quality: Quality
) -> Trial:
    folder = plan.location.child(f"trial-{turn}")
    run = ChunkRun(client, plan, folder.url, name="sweep", retries=0, only=only)
    began = time.perf_counter()
    with folder.store().removed_at_end():
        results = list(run.results(range(len(plan.manifest.chunks))))
        wall = time.perf_counter() - began
    return Trial(
        chunk_size=size,
        workers=count,
        quality=quality,
        turn=turn,
        wall_seconds=round(wall, 4),
        cpu_seconds=round(sum(result.cpu_seconds for result in results), 4),
        bytes_moved=sum(result.uploaded + result.size for result in results),
        chunks=tuple(map(_measured, sorted(results, key=lambda result: result.index))),
    )


def _measured(result: ChunkResult) -> TrialChunk:
    return TrialChunk(
        frames=result.frames,
        changed=result.frames - result.static_frames,
        seconds=round(result.seconds, 4),
        cold=not result.warm,
    )


class _Plans(Struct):
    """The plans of a sweep, each made when it is first needed, and removed at the end."""

    project: str | os.PathLike[str]
    place: Location
    options: dict[str, Any]
    storage_options: StorageOptions | None
    known: dict[tuple[Quality, int | None, int], Plan]

    @classmethod
    @contextmanager
    def made(
        cls,
        project: str | os.PathLike[str],
        place: Location,
        options: dict[str, Any],
        storage_options: StorageOptions | None,
    ) -> Iterator[_Plans]:
        plans = cls(project, place, options, storage_options, {})
        try:
            yield plans
        finally:
            for plan in plans.known.values():
                plan.location.store().delete()

    def of(self, quality: Quality, size: int | None, workers: int) -> Plan:
        """Return the plan of a combination. With a chunk size, the number of workers does not matter."""
        key = (quality, size, 0 if size else workers)
        if key not in self.known:
            sizes = {"workers": workers} if size is None else {"chunk_size": size}
            options = {**self.options, "quality": quality, **sizes}
            if self.known:
                options["check"] = "off"
            place = self.place.child(f"plan-{len(self.known)}")
            self.known[key] = plan_with(self.project, place, options, storage_options=self.storage_options)
        return self.known[key]


def _qualities(quality: Sequence[Quality] | Quality) -> tuple[Quality, ...]:
    qualities: tuple[Quality, ...] = (quality,) if isinstance(quality, str) else tuple(dict.fromkeys(quality))
    for each in qualities:
        if each not in get_args(Quality):
            raise InvalidConfigError(
                f"quality must be of {', '.join(get_args(Quality))}, not {each!r}", field="quality"
            )
    return qualities


def _require(sizes: Sequence[int | None], repeats: int, options: dict[str, Any]) -> None:
    if repeats < 1:
        raise InvalidConfigError(f"repeats must be a whole number of at least 1, not {repeats!r}", field="repeats")
    if not sizes:
        raise InvalidConfigError("chunk_sizes is empty", field="chunk_sizes")
    for size in sizes:
        RenderConfig.of({**options, "chunk_size": size})
    for name in ("chunk_size", "target_chunk_frames", "max_chunks", "workers", "quality"):
        if options.get(name) is not None:
            raise InvalidConfigError(f"a sweep sets {name} itself; give chunk_sizes, workers or quality", field=name)


def _counts(workers: Sequence[int] | int | None, client: Client | None) -> tuple[int, ...]:
    """Return the numbers of chunks at a time."""
    if workers is None:
        with client_for(client) as cluster:
            slots = worker_slots(cluster)
        if not slots:
            raise InvalidConfigError("the client's cluster has no workers yet; wait for them first", field="client")
        return (slots,)
    counts = (workers,) if isinstance(workers, int) else tuple(dict.fromkeys(workers))
    for count in counts:
        RenderConfig.of({"workers": count})
    if not counts:
        raise InvalidConfigError("workers is empty", field="workers")
    return counts


def _some_workers(client: Client, count: int) -> frozenset[str]:
    """Return workers with ``count`` threads in all; nothing if these are all workers.

    Raises
    ------
    InvalidConfigError
        If no workers have exactly this number.
    """
    threads = ask(client, client.nthreads)
    chosen: list[str] = []
    for address in sorted(threads):
        if sum(threads[each] for each in chosen) + threads[address] <= count:
            chosen.append(address)
    if sum(threads[each] for each in chosen) != count:
        raise InvalidConfigError(
            f"workers={count}: the client's workers have {sorted(threads.values())} threads, of which none make {count}",
            field="workers",
        )
    return frozenset() if len(chosen) == len(threads) else frozenset(chosen)


def _close_browsers(client: Client) -> None:
    if in_process(client):
        close_browsers()
    else:
        client.run(close_browsers)


@contextmanager
def _progress(total: int, show: bool | None) -> Iterator[Tell]:
    """Show a bar of trials; yield a function that is called before each."""
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter if show is None else show):
        yield lambda text: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("sweep", total=total)
        begun = 0

        def tell(text: str) -> None:
            nonlocal begun
            bar.update(task, description=text, completed=begun)
            begun += 1

        yield tell
        bar.update(task, completed=total)
