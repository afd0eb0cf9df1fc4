"""Estimate what a render will take, from a few frames that are captured here.

The project is planned, and some short chunks of it are rendered: as many at a time as a render here would have, because
chunks slow each other down. The places of the samples are spread over the expected cost and over the length of the
video, so that dear scenes are sampled most. The seconds of a frame follow from its expected cost
(`hfdask.planning.costs`), and the seconds of a chunk besides its frames from the records of the samples.

A short video, which a render without a cluster films while it is planned (`hfdask.rendering.film`), is rendered as a
whole: that takes no longer than the samples.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Unpack

import msgspec
import numpy as np
from msgspec import Struct
from scipy.optimize import nnls

from hfdask.config import PlanOptions, RenderConfig, explicit
from hfdask.core.cores import cores
from hfdask.core.costs import MOVING, STILL, expected_end
from hfdask.core.forks import worked
from hfdask.core.model import ChunkRange, Sweep, decode, pretty_json
from hfdask.core.observer import Observer
from hfdask.core.results import ChunkResult, Cost, FrameRecord
from hfdask.manifest.location import MANIFEST, SWEEP
from hfdask.manifest.plan import Plan
from hfdask.manifest.records import frame_record
from hfdask.media.video_file import packet_sizes
from hfdask.planning.costs import costs_in
from hfdask.planning.planning import plan_with
from hfdask.project.files import local_project
from hfdask.project.settings import with_project_file
from hfdask.rendering.chunk import render_chunk
from hfdask.rendering.film import ChunkFilm, is_short
from hfdask.store import StorageOptions

SAMPLES = 8
"""Number of short chunks that are rendered."""

SAMPLE_FRAMES = (6, 18)
"""Frames of each, by turns: from chunks of one length one cannot see what a chunk takes besides its frames."""


LOOKAHEAD = 40
"""Frames that x264 holds back: the last ones of a chunk are encoded after the last capture."""


class Estimate(Struct, frozen=True):
    """The expected cost of a render, on workers like this machine while the estimate was made.

    Attributes
    ----------
    frames, chunks, workers : int
        Of the render.
    cost : Cost
        What `RenderResult.cost` would be.
    planning_seconds : float
        Seconds that planning took here.
    wall_seconds : float
        Seconds from the call to the last chunk.
    sampled_frames : int
        Frames that were rendered for the estimate.
    """

    frames: int
    chunks: int
    workers: int
    cost: Cost
    planning_seconds: float
    wall_seconds: float
    sampled_frames: int

    def money(self, price: float) -> float:
        """Return the price of the worker seconds, in the unit of ``price``, which is for one worker and an hour."""
        return self.cost.money(price)

    def __str__(self) -> str:
        return (
            f"{self.frames} frames in {self.chunks} chunks: {self.cost}; about {self.wall_seconds:.1f} s on "
            f"{self.workers} workers, {self.planning_seconds:.1f} s of it planning"
        )


@worked
def estimate(
    project: str | os.PathLike[str],
    *,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[PlanOptions],
) -> Estimate:
    """Estimate the cost of a render from a few frames that are rendered on this machine.

    It takes some seconds, and is exact to a fifth or so if this machine is like the workers and as busy as they are. A video
    that a render without a cluster films in one go is rendered as a whole.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    storage_options : mapping, optional
        Arguments of the project's file system.
    config : RenderConfig, optional
        As for `hfdask.plan`. The default of ``workers`` is the number of cores.
    **options
        Fields of `hfdask.RenderConfig`.

    Returns
    -------
    Estimate
        Worker seconds, CPU seconds, bytes and wall seconds.

    Raises
    ------
    HfdaskError
        As for `plan` and `render_chunk`.
    """
    given, slots = explicit(config, options), cores()
    with (
        local_project(project, storage_options) as source,
        tempfile.TemporaryDirectory(prefix="hfdask-estimate-") as scratch,
    ):
        workers = RenderConfig.of(with_project_file(source, given)).workers or slots
        folder = Path(scratch)
        with ChunkFilm(folder / "film.mp4", is_short) as film:
            plan = plan_with(source, folder / "plan", given, slots=slots, film=film)
            if chunk := film.chunk(plan, Observer()):
                return _of_film(plan, chunk, workers)
        sweep = decode(plan.location.store().read(SWEEP), Sweep, SWEEP)
        costs = costs_in(plan.manifest, sweep) or [STILL] * plan.manifest.frames
        samples = sample_ranges(costs)
        cold, warm = _render_samples(plan, samples, folder, min(workers, slots))
    rates = Rates.of(costs, cold, warm)
    return _estimate(plan, costs, workers, rates, sum(end - start for start, end in samples))


def _of_film(plan: Plan, chunk: ChunkResult, workers: int) -> Estimate:
    return Estimate(
        frames=plan.manifest.frames,
        chunks=1,
        workers=workers,
        cost=Cost(chunk.seconds, chunk.cpu_seconds, bytes_moved=chunk.uploaded + 2 * chunk.size),
        planning_seconds=sum(seconds for stage, seconds in plan.stages.items() if stage != "capture"),
        wall_seconds=chunk.seconds,
        sampled_frames=plan.manifest.frames,
    )


def _estimate(plan: Plan, costs: Sequence[int], workers: int, rates: Rates, sampled: int) -> Estimate:
    chunks = [rates.chunk(costs[chunk.start : chunk.end]) for chunk in plan.manifest.chunks]
    planning = sum(plan.stages.values())
    video = sum(chunk.video for chunk in chunks)
    started = min(workers, len(chunks))
    cost = Cost(
        worker_seconds=sum(chunk.seconds for chunk in chunks) + rates.startup * started,
        cpu_seconds=sum(chunk.cpu for chunk in chunks) + rates.startup_cpu * started,
        bytes_moved=round(3 * video + rates.other_bytes * len(chunks)),
    )
    return Estimate(
        frames=plan.manifest.frames,
        chunks=len(chunks),
        workers=workers,
        cost=cost,
        planning_seconds=planning,
        wall_seconds=planning + rates.startup + expected_end([chunk.seconds for chunk in chunks], workers),
        sampled_frames=sampled,
    )


def sample_ranges(costs: Sequence[int]) -> list[tuple[int, int]]:
    """Return ranges of frames to render for an estimate: apart, half by expected cost and half by length.

    Parameters
    ----------
    costs : sequence of int
        Expected cost of each frame, at least 1.
    """
    frames = len(costs)
    weights = np.array(costs) / sum(costs) + 1 / frames
    reached = np.cumsum(weights) / 2
    ranges: list[tuple[int, int]] = []
    for number in range(SAMPLES):
        middle = int(np.searchsorted(reached, (2 * number + 1) / (2 * SAMPLES)))
        length = SAMPLE_FRAMES[number % len(SAMPLE_FRAMES)]
        start = max(ranges[-1][1] if ranges else 0, min(middle - length // 2, frames - length))
        end = min(start + length, frames)
        if end > start:
            ranges.append((start, end))
    return ranges


class Sample(Struct, frozen=True):
    """A rendered sample: its record, what its frames took, and the bytes of its pictures in the video."""

    record: ChunkResult
    frames: FrameRecord
    packets: tuple[int, ...]


def _render_samples(
    plan: Plan, ranges: Sequence[tuple[int, int]], folder: Path, slots: int
) -> tuple[list[ChunkResult], list[Sample]]:
    """Render the samples, ``slots`` at a time; before them one in each slot with a browser that has to be started."""
    borders = sorted({0, plan.manifest.frames, *(border for each in ranges for border in each)})
    chunks = tuple(
        ChunkRange(index=number, start=start, end=end, key=f"{number:064x}", container=plan.manifest.encoder.container)
        for number, (start, end) in enumerate(pairwise(borders))
    )
    wanted = [chunk.index for chunk in chunks if (chunk.start, chunk.end) in ranges]
    manifest = msgspec.structs.replace(plan.manifest, chunks=chunks).sealed()
    plan.location.store().put(MANIFEST, pretty_json(manifest))

    def render(name: str, index: int) -> ChunkResult:
        return render_chunk(plan.url, index, folder / f"{name}.mp4")

    with ThreadPoolExecutor(slots) as pool:
        cold = list(pool.map(lambda slot: render(f"cold-{slot}", wanted[0]), range(slots)))
        warm = list(pool.map(lambda index: render(f"warm-{index}", index), wanted))
    return cold, [
        Sample(each, frame_record(each), packet_sizes(folder / f"warm-{index}.mp4"))
        for each, index in zip(warm, wanted, strict=True)
    ]


class ChunkEstimate(Struct, frozen=True):
    """Seconds, CPU seconds, and bytes of the video of a chunk."""

    seconds: float
    cpu: float
    video: float


class Rates(Struct, frozen=True):
    """What frames take by their expected cost, and what a chunk takes besides them.

    Attributes
    ----------
    frame, packet : dict of int to float
        Seconds of a frame (to capture or to encode it, whichever is longer, because both go on at the same time), and
        its bytes in the video, by its expected cost.
    first_packet : dict of int to float
        Bytes of the first frame of a chunk, by its expected cost.
    fixed, fixed_cpu : float
        Seconds and CPU seconds of a chunk besides its frames.
    late : float
        Seconds after the last capture, for a second of the frames that the encoder holds back.
    cpu : float
        CPU seconds of a second of frames.
    startup, startup_cpu : float
        Seconds and CPU seconds of the start of a browser.
    other_bytes : float
        Bytes of a chunk's files besides its video.
    """

    frame: dict[int, float]
    packet: dict[int, float]
    first_packet: dict[int, float]
    fixed: float
    fixed_cpu: float
    late: float
    cpu: float
    startup: float
    startup_cpu: float
    other_bytes: float

    @classmethod
    def of(cls, costs: Sequence[int], cold: Sequence[ChunkResult], samples: Sequence[Sample]) -> Rates:
        """Take the rates from rendered samples; ``cold`` are renderings of the first one with browsers that were started."""
        capture, encode, packet, first = (defaultdict[int, list[float]](list) for _ in range(4))
        for sample in samples:
            record = sample.record
            levels = costs[record.start : record.end]
            # The first frame of a chunk has a picture in any case.
            pictures = max(levels[0], MOVING) + sum(levels[1:])
            for level, taken, size in zip(levels[1:], sample.frames.seconds[1:], sample.packets[1:], strict=True):
                capture[level].append(taken)
                encode[level].append(record.stages.get("encode", 0.0) * level / pictures)
                packet[level].append(size)
            first[levels[0]].append(sample.packets[0])
        captured, encoded = _means(capture), _means(encode)
        frame = {level: max(captured[level], encoded[level]) for level in captured}
        # By the means of all samples: the seconds of one sample on a busy machine would hide how they grow with its frames.
        work = [_summed(frame, costs[each.record.start : each.record.end]) for each in samples]
        terms = np.column_stack([np.ones(len(work)), work])
        fixed, rate = nnls(terms, np.array([sample.record.seconds for sample in samples]))[0]
        fixed_cpu, cpu = nnls(terms, np.array([sample.record.cpu_seconds for sample in samples]))[0]
        started = [each for each in cold if not each.warm]
        warm = samples[0].record
        return cls(
            frame=frame,
            packet=_means(packet),
            first_packet=_means(first),
            fixed=float(fixed),
            fixed_cpu=float(fixed_cpu),
            late=max(0.0, float(rate) - 1),
            cpu=float(cpu),
            startup=max(0.0, median(each.seconds for each in started) - warm.seconds) if started else 0.0,
            startup_cpu=max(0.0, median(each.cpu_seconds for each in started) - warm.cpu_seconds) if started else 0.0,
            other_bytes=float(np.mean([sample.record.uploaded - sample.record.size for sample in samples])),
        )

    def chunk(self, costs: Sequence[int]) -> ChunkEstimate:
        """Return what a chunk with frames of these expected costs takes."""
        frames = _summed(self.frame, costs)
        return ChunkEstimate(
            seconds=self.fixed + frames + self.late * _summed(self.frame, costs[-LOOKAHEAD:]),
            cpu=self.fixed_cpu + self.cpu * frames,
            video=_summed(self.packet, costs) + at_level(self.first_packet, costs[0]),
        )


def _summed(known: Mapping[int, float], costs: Sequence[int]) -> float:
    """Return the sum over frames of a value that is known by expected cost."""
    return sum(count * at_level(known, level) for level, count in Counter(costs).items())


def _means(known: Mapping[int, Sequence[float]]) -> dict[int, float]:
    return {level: float(np.mean(some)) for level, some in known.items()}


def at_level(known: Mapping[int, float], level: int) -> float:
    """Return the value at an expected cost: between known ones on a line, and outside of them in proportion."""
    if not known:
        return 0.0
    levels = sorted(known)
    inside = min(max(level, levels[0]), levels[-1])
    value = float(np.interp(inside, levels, [known[each] for each in levels]))
    return value * level / inside
