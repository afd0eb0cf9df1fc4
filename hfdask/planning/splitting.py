"""Choose the ranges of chunks: as the options ask for, as in an earlier plan, or so that they end soonest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hfdask.config import RenderConfig
from hfdask.core.costs import Range, balanced_ranges, chunk_costs, expected_end
from hfdask.core.fields import MAX_CHUNKS
from hfdask.core.model import ChunkRange
from hfdask.errors import PlanError
from hfdask.manifest.location import CHUNKS, PlanLocation
from hfdask.manifest.reading import read_manifest


def split(
    location: PlanLocation,
    options: RenderConfig,
    frames: int,
    costs: Sequence[int],
    key: Callable[[ChunkRange], str],
    container: str,
    *,
    whole: int = 0,
) -> tuple[tuple[ChunkRange, ...], str]:
    """Return the chunks of a plan, with their keys and expected costs, and the reason for their ranges.

    Parameters
    ----------
    location : PlanLocation
        Of the plan. If there is an earlier plan, and a finished chunk fits the new one, its ranges are kept.
    costs : sequence of int
        Expected cost of each frame; empty if it is not known.
    key : callable
        Computes the key of a chunk.
    container : str
        Container of the chunks' files.
    whole : int
        Frames of the longest video that is one chunk whatever the options say.
    """
    if frames <= whole:
        return _chunks([(0, frames)], costs, key, container), "one chunk, because the video is short"
    again = _chunks(_earlier_ranges(location, options, frames, costs), costs, key, container)
    finished = location.child(CHUNKS).store().names() if again else {}
    if any(f"{chunk.file}.json" in finished for chunk in again):
        return again, "the ranges of the earlier plan, because finished chunks of it can be used"
    ranges, why = _ranges(options, frames, costs)
    return _chunks(ranges, costs, key, container), why


def _ranges(options: RenderConfig, frames: int, costs: Sequence[int]) -> tuple[list[Range], str]:
    even = options.ranges(frames)
    if options.sizes_chunks:
        return even, "equal length, as asked for"
    if not costs:
        return even, "equal length, because planning did not go through the timeline"
    ranges = balanced_ranges(costs, even, options.workers)
    if ranges == even:
        return even, "equal length: ranges of equal cost would not end much sooner"
    slots = options.workers or max(len(even), len(ranges))
    ends = [expected_end(chunk_costs(costs, each), slots) for each in (ranges, even)]
    return ranges, f"equal cost: expected to end in {ends[0] / ends[1]:.0%} of the time of ranges of equal length"


def _earlier_ranges(location: PlanLocation, options: RenderConfig, frames: int, costs: Sequence[int]) -> list[Range]:
    """Return the ranges of the existing plan for a video of ``frames`` frames, unless the options ask for others.

    In a longer video, other ranges follow them.
    """
    if options.sizes_chunks:
        return []
    try:
        chunks = read_manifest(location.store()).chunks
    except PlanError:
        return []
    earlier = [(chunk.start, min(chunk.end, frames)) for chunk in chunks if chunk.start < frames]
    done = earlier[-1][1]
    added = _ranges(options, frames - done, costs[done:])[0] if done < frames else []
    ranges = [*earlier, *((done + start, done + end) for start, end in added)]
    return ranges if len(ranges) <= MAX_CHUNKS else []


def _chunks(
    ranges: Sequence[Range], costs: Sequence[int], key: Callable[[ChunkRange], str], container: str
) -> tuple[ChunkRange, ...]:
    # A single chunk has nothing to be compared with.
    prices = chunk_costs(costs, ranges) if costs and len(ranges) > 1 else [0] * len(ranges)
    unnamed = (
        ChunkRange(index=index, start=start, end=end, cost=cost, container=container)
        for index, ((start, end), cost) in enumerate(zip(ranges, prices, strict=True))
    )
    return tuple(msgspec.structs.replace(chunk, key=key(chunk)) for chunk in unnamed)
