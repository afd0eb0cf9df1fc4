"""Split frames into ranges of equal expected cost.

Costs are whole numbers of a unit: the work of a frame in which nothing changes. They are used to balance chunks, never
to decide what a frame shows, so a wrong cost makes a render slower and nothing else. `hfdask.planning.costs` finds the
costs of frames.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from hfdask.core.frames import FULL_CHUNK_FRAMES, MAX_CHUNK_FRAMES, auto_chunks

STILL = 1
"""Cost of a frame in which nothing changes."""

MOVING = 10
"""Cost of a frame that changes, if its picture is nearly empty."""

CHUNK = 250
"""Cost of a chunk besides its frames: it loads the page, and captures the frame before its first one."""

LEAST = FULL_CHUNK_FRAMES * MOVING
"""Cost that a chunk should have, besides `CHUNK`, before a worker gets more than one."""

GAIN = 0.9
"""Ranges of equal cost are taken if they are expected to end within this share of the time of ranges of equal length."""

DEAR = 1.5
"""A chunk that costs this many times the mean begins before the others."""

Range = tuple[int, int]


def equal_cost_ranges(costs: Sequence[int], count: int, *, limit: int = MAX_CHUNK_FRAMES) -> list[Range]:
    """Split frames into about ``count`` contiguous half-open ranges of nearly equal cost.

    At each border the sum of costs is nearest to its share. So the cost of a range differs from the mean by at
    most the cost of one frame, and a frame whose cost changes moves no border by more than that cost.

    Parameters
    ----------
    costs : sequence of int
        Cost of each frame, at least 1.
    count : int
        Number of ranges. There are fewer if single frames cost more than a range, and more if ranges would be longer
        than ``limit`` frames.
    limit : int
        Maximum number of frames of a range.

    Returns
    -------
    list of (start, end)
        Covers all frames with no empty range.
    """
    sums = [0, *accumulate(costs)]
    borders = {0, len(costs)}
    for number in range(1, count):
        share = number * sums[-1]  # in units of 1 / count
        after = bisect_left(sums, -(-share // count))
        borders.add(min((after - 1, after), key=lambda place: abs(count * sums[place] - share)))
    return [part for whole in pairwise(sorted(borders)) for part in _parts(*whole, limit)]


def _parts(start: int, end: int, limit: int) -> list[Range]:
    """Split a range evenly into as few parts of at most ``limit`` frames as possible."""
    parts = max(1, -(-(end - start) // limit))
    places = [start + number * (end - start) // parts for number in range(parts + 1)]
    return list(pairwise(places))


def balanced_ranges(costs: Sequence[int], even: Sequence[Range], workers: int | None) -> list[Range]:
    """Return ranges of equal cost if they are expected to end sooner than ranges of equal length, else ``even``.

    A video of one range stays whole. Each worker gets one to three ranges of equal cost: as many as there are with the cost of 90 moving frames. Without
    a number of workers there are as many ranges as in ``even``. They must be expected to end in at most `GAIN` of the
    time.
    """
    count = len(even)
    if count == 1:
        return list(even)
    if workers is not None:
        count = auto_chunks(sum(costs), LEAST, workers)
    ranges = equal_cost_ranges(costs, count)
    slots = workers or max(len(even), len(ranges))
    if expected_end(chunk_costs(costs, ranges), slots) <= GAIN * expected_end(chunk_costs(costs, even), slots):
        return ranges
    return list(even)


def chunk_costs(costs: Sequence[int], ranges: Iterable[Range]) -> list[int]:
    """Return the cost of each range as a chunk, which includes `CHUNK`."""
    sums = [0, *accumulate(costs)]
    return [CHUNK + sums[end] - sums[start] for start, end in ranges]


def expected_end(costs: Sequence[float], slots: int) -> float:
    """Return when the last of these chunks ends, if they begin in `first_to_last` order on ``slots`` workers."""
    free = [0.0] * max(1, slots)
    for index in first_to_last(costs):
        heapq.heapreplace(free, free[0] + costs[index])
    return max(free)


def first_to_last(costs: Sequence[float]) -> list[int]:
    """Return the numbers of chunks in the order in which they should begin.

    Chunks that cost much more than the mean go first, the dearest before the others, so that no worker has to wait for
    one at the end. The rest goes in the order of the video, because assembly writes it in that order.
    """
    if not costs:
        return []
    dear = DEAR * sum(costs) / len(costs)
    return sorted(range(len(costs)), key=lambda index: (-costs[index] if costs[index] >= dear else 0, index))
