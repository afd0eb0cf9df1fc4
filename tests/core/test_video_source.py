"""An index gives the frame of a source that is shown at a time, and a plan refuses invalid sources."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfdask.core.model import canonical_json, decode
from hfdask.core.video_source import FrameIndex, KeyFrame, Ratio, TimeBase, VideoSource
from hfdask.errors import PlanCorruptError


def index_of(pts: list[int], tick: Fraction, start: Fraction = Fraction(0), origin: int = 0) -> FrameIndex:
    return FrameIndex(
        time_base=TimeBase(num=tick.numerator, den=tick.denominator),
        start=Ratio.of(start),
        origin=origin,
        pts=tuple(pts),
        keys=(KeyFrame(frame=0, pts=pts[0], dts=pts[0]),),
    )


SOURCE = VideoSource(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    codec="h264",
    pixel_format="yuv420p",
    stream=0,
    width=320,
    height=180,
    display_width=320,
    display_height=240,
    rotation=90,
    flip=False,
    primaries="bt709",
    transfer="bt709",
    matrix="bt709",
    full_range=False,
    alpha=False,
    interlaced=False,
    time_base=TimeBase(num=1, den=90_000),
    lead=Ratio(num=1, den=2),
    playable=Ratio(num=5, den=2),
    rate=Ratio(num=30, den=1),
    variable=False,
    sound=True,
)


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1, 4)])
@pytest.mark.parametrize("tick", [Fraction(1, 90_000), Fraction(1, 15_360), Fraction(1, 1000)])
def test_frames_are_found_at_their_times_though_containers_round(rate, tick):
    index = index_of([round(n / rate / tick) for n in range(50)], tick)
    for n in range(50):
        assert index.at(n / rate) == n
        assert index.at((n + Fraction(1, 2)) / rate) == n


def test_half_a_tick_early_is_on_time_and_more_is_not():
    tick = Fraction(1, 500)  # half a tick is 1 ms, the most that counts
    index = index_of([0, 10, 20], tick)
    assert index.at(10 * tick - tick / 2) == 1
    assert index.at(10 * tick - tick / 2 - Fraction(1, 10**12)) == 0


@pytest.mark.parametrize("tick", [Fraction(1, 499), Fraction(1, 30)])
def test_half_ticks_of_more_than_a_millisecond_do_not_count(tick):
    index = index_of([0, 10, 20], tick)
    assert index.at(10 * tick) == 1
    assert index.at(10 * tick - Fraction(1, 10**12)) == 0


def test_the_last_frame_is_held_and_uneven_frames_stay_as_long_as_they_say():
    index = index_of([0, 3, 20, 21], Fraction(1, 120))
    shown = [index.at(Fraction(k, 120)) for k in range(24)]
    assert shown == [0] * 3 + [1] * 17 + [2] + [3] * 3
    assert index.at(Fraction(10**6)) == 3


@pytest.mark.parametrize(
    ("seconds", "frame"),
    [("0", None), ("0.5", None), ("0.5000009", None), ("0.500002", 0), ("1.4", 0), ("1.5", 0), ("1.534", 1)],
)
def test_the_first_frame_is_shown_less_than_a_second_before_its_time(seconds, frame):
    index = index_of([45_000 * 3, 45_000 * 3 + 3000], Fraction(1, 90_000))
    assert index.time(0) == Fraction(3, 2)
    assert index.at(Fraction(seconds)) == frame


def test_media_time_counts_from_the_start_of_the_file():
    start = Fraction(-1024, 44_100)  # the start of the sound, which is not a whole number of ticks
    index = index_of([0, 33, 67], Fraction(1, 1000), start=start, origin=-24)
    assert index.time(1) == Fraction(9, 1000) - start
    assert [index.at(index.time(n)) for n in range(3)] == [0, 1, 2]


@given(
    gaps=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    den=st.integers(1, 100_000),
    seconds=st.fractions(min_value=0, max_value=100),
    start=st.fractions(min_value=-2, max_value=2),
)
def test_at_is_the_rule_in_words(gaps, den, seconds, start):
    tick, pts = Fraction(1, den), [0]
    for gap in gaps:
        pts.append(pts[-1] + gap)
    index = index_of(pts, tick, start=start, origin=start // tick)
    slack = tick / 2 if tick / 2 <= Fraction(1, 1000) else 0
    begun = [n for n in range(len(pts)) if index.time(n) <= seconds + slack]
    expected = begun[-1] if begun else (0 if index.time(0) - seconds < 1 - Fraction(1, 10**6) else None)
    assert index.at(seconds) == expected


def test_the_key_interval_is_the_longest_way_to_decode():
    keys = tuple(KeyFrame(frame=n, pts=n, dts=n) for n in (0, 2, 7))
    index = FrameIndex(
        time_base=TimeBase(num=1, den=10), start=Ratio(num=0, den=1), origin=0, pts=tuple(range(10)), keys=keys
    )
    assert index.key_interval == Fraction(4, 10)
    assert [index.distance(frame) for frame in range(10)] == [0, 1, 0, 1, 2, 3, 4, 0, 1, 2]
    assert msgspec.structs.replace(index, keys=keys[:1], counted=True).distance(9) == 9


def test_sources_and_indexes_survive_being_stored():
    index = index_of([0, 512, 1024], Fraction(1, 15_360), origin=-7)
    assert decode(canonical_json(SOURCE), VideoSource, "source") == SOURCE
    assert decode(canonical_json(index), FrameIndex, "index") == index
    assert b'"keys":[[0,0,0]]' in canonical_json(index)


def test_pages_see_square_pixels_and_turned_pictures():
    assert SOURCE.natural_size == (240, 320)
    assert not SOURCE.hdr


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0),
        ("height", 8193),
        ("rotation", 45),
        ("matrix", "ycgco"),
        ("codec", "h264\n"),
        ("time_base", {"num": 1, "den": 0}),
        ("lead", {"num": -1, "den": 1}),
        ("playable", {"num": 1, "den": 4}),
        ("rate", {"num": -1, "den": 1}),
        ("extra", 1),
    ],
)
def test_invalid_sources_are_refused(field, value):
    document: dict[str, Any] = decode(canonical_json(SOURCE), dict, "source")
    with pytest.raises(PlanCorruptError):
        decode(canonical_json(document | {field: value}), VideoSource, "source")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pts", []),
        ("pts", [0, 512, 512]),
        ("pts", [0, 2**63, 2**63 + 1]),
        ("keys", []),
        ("keys", [[1, 0, 0]]),
        ("keys", [[0, 0, 0], [0, 1, 1]]),
        ("keys", [[0, 0, 0], [3, 1, 1]]),
        ("keys", [[0, 0]]),
        ("time_base", {"num": 0, "den": 1}),
    ],
)
def test_invalid_indexes_are_refused(field, value):
    document: dict[str, Any] = decode(canonical_json(index_of([0, 512, 1024], Fraction(1, 15_360))), dict, "index")
    with pytest.raises(PlanCorruptError):
        decode(canonical_json(document | {field: value}), FrameIndex, "index")


def test_later_times_never_show_earlier_frames():
    index = index_of([0, 33, 67, 100, 133, 900], Fraction(1, 1000))
    shown = [index.at(Fraction(k, 240)) or 0 for k in range(300)]
    assert all(later >= earlier for earlier, later in pairwise(shown))
    assert set(shown) == set(range(6))
