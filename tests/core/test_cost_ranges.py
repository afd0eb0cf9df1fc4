"""Ranges of equal expected cost, as properties."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfdask.core.costs import (
    CHUNK,
    DEAR,
    GAIN,
    balanced_ranges,
    chunk_costs,
    equal_cost_ranges,
    expected_end,
    first_to_last,
)
from hfdask.core.frames import MAX_CHUNK_FRAMES, chunk_ranges

costs_of_frames = st.lists(st.integers(1, 640), min_size=1, max_size=300)
counts = st.integers(1, 40)
limits = st.integers(1, 100)


def require_cover(ranges, frames):
    assert ranges[0][0] == 0
    assert ranges[-1][1] == frames
    assert all(start < end for start, end in ranges)
    assert all(left[1] == right[0] for left, right in pairwise(ranges))


@given(costs_of_frames, counts, limits)
def test_ranges_cover_all_frames_once_and_keep_to_the_limit(costs, count, limit):
    ranges = equal_cost_ranges(costs, count, limit=limit)
    require_cover(ranges, len(costs))
    assert max(end - start for start, end in ranges) <= limit


@given(costs_of_frames, counts)
def test_costs_of_ranges_differ_from_the_mean_by_one_frame_at_most(costs, count):
    ranges = equal_cost_ranges(costs, count)
    assert len(ranges) <= count
    if len(ranges) == count:
        assert all(abs(sum(costs[a:b]) - sum(costs) / count) <= max(costs) for a, b in ranges)
    assert max(sum(costs[a:b]) for a, b in ranges) <= sum(costs) / count + max(costs)


@given(costs_of_frames, counts, st.data())
def test_a_changed_frame_moves_borders_by_its_change_at_most(costs, count, data):
    place = data.draw(st.integers(0, len(costs) - 1))
    changed = [*costs]
    changed[place] = data.draw(st.integers(1, 640))
    before, after = (equal_cost_ranges(each, count) for each in (costs, changed))
    if len(before) == len(after) == count:
        most = abs(changed[place] - costs[place]) + max(*costs, *changed)
        for (start, _), (other, _) in zip(before, after, strict=True):
            assert sum(costs[min(start, other) : max(start, other)]) <= most


@given(costs_of_frames, st.none() | st.integers(1, 8))
def test_ranges_of_equal_cost_are_taken_only_if_they_end_sooner(costs, workers):
    even = chunk_ranges(len(costs), workers=workers)
    ranges = balanced_ranges(costs, even, workers)
    require_cover(ranges, len(costs))
    if ranges != even:
        slots = workers or max(len(even), len(ranges))
        ends = [expected_end(chunk_costs(costs, each), slots) for each in (ranges, even)]
        assert ends[0] <= GAIN * ends[1]


@given(st.integers(1, 2000), st.integers(1, 640), st.none() | st.integers(1, 8))
def test_frames_of_one_cost_leave_few_reasons_for_other_ranges(frames, cost, workers):
    even = chunk_ranges(frames, workers=workers)
    ranges = balanced_ranges([cost] * frames, even, workers)
    lengths = {end - start for start, end in ranges}
    assert max(lengths) - min(lengths) <= 1 or ranges == even


def test_a_dear_scene_is_split_among_all_workers():
    costs = [1] * 240 + [100] * 90 + [1] * 270
    even = chunk_ranges(len(costs), workers=4)
    ranges = balanced_ranges(costs, even, 4)
    assert sum(start < 330 and end > 240 for start, end in ranges) == len(ranges) == 8
    ends = [expected_end(chunk_costs(costs, each), 4) for each in (even, ranges)]
    assert ends[1] < 0.7 * ends[0]


def test_cheap_videos_get_a_chunk_a_worker():
    costs = [10] * 30 + [1] * 150
    assert len(balanced_ranges(costs, chunk_ranges(180, workers=2), 2)) == 2


def test_very_long_still_videos_have_chunks_of_bounded_length():
    costs = [1] * 100_000 + [640] * 500
    ranges = balanced_ranges(costs, chunk_ranges(len(costs), workers=2), 2)
    assert max(end - start for start, end in ranges) <= MAX_CHUNK_FRAMES


@given(st.lists(st.integers(0, 10_000), max_size=60))
def test_dear_chunks_begin_first_and_the_others_in_order(costs):
    order = first_to_last(costs)
    assert sorted(order) == list(range(len(costs)))
    dear = [index for index in order if costs[index] and costs[index] >= DEAR * sum(costs) / len(costs)]
    assert order[: len(dear)] == sorted(dear, key=lambda index: (-costs[index], index))
    assert order[len(dear) :] == sorted(order[len(dear) :])


@pytest.mark.parametrize(
    ("costs", "slots", "end"), [([3, 1, 1, 1], 2, 3), ([1, 1, 1, 3], 2, 3), ([2, 2], 1, 4), ([], 3, 0)]
)
def test_when_the_last_chunk_ends(costs, slots, end):
    assert expected_end(costs, slots) == end


@given(costs_of_frames, counts)
def test_chunks_cost_their_frames_and_a_start(costs, count):
    ranges = equal_cost_ranges(costs, count)
    assert sum(chunk_costs(costs, ranges)) == sum(costs) + CHUNK * len(ranges)
