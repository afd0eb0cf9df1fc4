"""Arithmetic that every layer must agree on, as properties."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfdask.core.frames import chunk_ranges, frame_at, frame_count, frame_time, parse_fps
from hfdask.errors import DurationError, InvalidConfigError

whole = st.integers(1, 20_000)
maybe = st.none() | st.integers(1, 3600)
rates = st.fractions(1, 240, max_denominator=1001)


@given(whole, maybe, maybe, st.none() | st.integers(1, 256), st.none() | st.integers(1, 500))
def test_chunks_cover_the_video_once(total, size, target, limit, workers):
    ranges = chunk_ranges(total, size=size, target=target, max_chunks=limit, workers=workers)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == total
    assert all(a < b for a, b in ranges)
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    lengths = {b - a for a, b in ranges[:-1]}
    assert len(lengths) <= 1
    assert ranges[-1][1] - ranges[-1][0] <= max(lengths, default=total)
    if limit:
        assert len(ranges) <= limit
    if size and not limit:
        assert ranges[0][1] == min(size, total)


@pytest.mark.parametrize(
    ("total", "options", "count", "length"),
    [
        (660, {"max_chunks": 16}, 16, 42),
        (660, {"size": 240, "max_chunks": 16}, 3, 240),
        (30, {"max_chunks": 16}, 3, 10),
        (5, {"max_chunks": 16}, 1, 5),
        (10_000, {"size": 240, "max_chunks": 16}, 16, 625),
        (180, {"workers": 2}, 2, 90),
        (400, {"workers": 2}, 4, 100),
        (100, {"workers": 16}, 4, 30),
        (3600, {"workers": 2}, 6, 600),
        (100, {"target": 25}, 4, 25),
        (100, {"size": 30, "target": 5}, 4, 30),
    ],
)
def test_chunk_table(total, options, count, length):
    ranges = chunk_ranges(total, **options)
    assert (len(ranges), ranges[0][1]) == (count, length)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "3"])
@pytest.mark.parametrize("name", ["size", "target", "max_chunks", "workers"])
def test_chunk_options_are_whole_and_positive(name, bad):
    with pytest.raises(InvalidConfigError) as caught:
        chunk_ranges(100, **{name: bad})
    assert caught.value.details["field"]


@pytest.mark.parametrize("size", [3601, 10**9])
def test_chunks_have_a_greatest_size(size):
    with pytest.raises(InvalidConfigError):
        chunk_ranges(100, size=size)


@given(st.integers(0, 2_000_000), rates)
def test_a_frame_shows_its_own_time(frame, fps):
    assert frame_at(frame_time(frame, fps), fps) == frame


@given(st.integers(1, 80_000), rates)
def test_a_duration_of_whole_frames_counts_them(frames, fps):
    assert frame_count(float(frames / fps), fps) == frames


@given(st.floats(0.001, 86_400), rates)
def test_the_last_frame_is_before_the_end(duration, fps):
    frames = frame_count(duration, fps)
    assert frames >= 1
    assert frame_time(frames - 1, fps) < duration
    assert frames >= duration * fps - Fraction(1, 500)


@pytest.mark.parametrize("duration", [0.0, -1.0, math.nan, math.inf, 86_401.0, 1e300])
def test_durations_out_of_range_are_refused(duration):
    with pytest.raises(DurationError):
        frame_count(duration, Fraction(30))


@pytest.mark.parametrize(
    ("text", "rate"),
    [(24, Fraction(24)), ("60", Fraction(60)), ("30000/1001", Fraction(30000, 1001)), (Fraction(25), Fraction(25))],
)
def test_rates(text, rate):
    assert parse_fps(text) == rate


@pytest.mark.parametrize("bad", ["29.97", 29.97, "0", "241", "1/2", "30/0", "", "x", True, "-30", "３０", "1" * 400])
def test_bad_rates_are_refused(bad):
    with pytest.raises(InvalidConfigError) as caught:
        parse_fps(bad)
    assert caught.value.details == {"field": "fps"}
