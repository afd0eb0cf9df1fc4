"""A clip shows its source at known times, and at the times of slow computations (docs/compositions.md, 9)."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from clip_samples import CLIP, regular

from hfdask.core.video_clip import (
    RatePoint,
    VideoClip,
    exact,
    frames_of,
    natural_length,
    on_grid,
    played_seconds,
    source_frames,
    source_time,
)

FPS = Fraction(30)
NTSC = Fraction(30000, 1001)


def clip(**changes: object) -> VideoClip:
    if "start" in changes and "origin" not in changes:
        changes["origin"] = changes["start"]
    return msgspec.structs.replace(CLIP, **changes)


def times(
    of: VideoClip, frames: range, fps: Fraction = FPS, playable: Fraction = Fraction(10)
) -> list[Fraction | None]:
    return [source_time(of, frame, fps, playable) for frame in frames]


def ramp(
    *points: tuple[float, float], curve: float = 0.0, via: tuple[float, float] | None = None
) -> tuple[RatePoint, ...]:
    return tuple(RatePoint(t=t, v=v, curve=curve, via=via) for t, v in points)


def test_times_are_the_decimals_that_authors_write():
    assert exact(0.1) == Fraction(1, 10)
    assert exact(1e-05) == Fraction(1, 100_000)


def test_windows_are_half_open():
    assert frames_of(clip(), FPS) == range(30, 90)
    assert times(clip(), range(29, 32)) == [None, 0, Fraction(1, 30)]
    assert times(clip(), range(88, 91)) == [Fraction(58, 30), Fraction(59, 30), None]


def test_adjacent_clips_share_no_frame_and_leave_none_out():
    for fps in (Fraction(24), FPS, NTSC, Fraction(60000, 1001)):
        cuts = [round(k * 0.7 + 0.0333, 4) for k in range(20)]
        shown = [frame for start, end in pairwise(cuts) for frame in frames_of(clip(start=start, end=end), fps)]
        assert shown == list(range(shown[0], shown[-1] + 1))


@pytest.mark.parametrize(("off", "first"), [(0.99e-3, 30), (1.01e-3, 31), (-0.99e-3, 30), (-1.01e-3, 30), (0.5, 31)])
def test_a_bound_within_a_thousandth_of_a_frame_is_on_it(off, first):
    start = float(1 + exact(off) / 30)
    assert frames_of(clip(start=start), FPS).start == first
    assert frames_of(clip(end=float(3 + exact(off) / 30)), FPS).stop == first + 60
    assert (on_grid(start, FPS) == 30) == (abs(off) < 1e-3)


def test_rounded_starts_begin_with_the_sources_first_frame_and_repeat_none():
    for k in range(1, 100):  # rounded, as tools write starts
        shown = clip(start=round(k / 30, 4), end=9.0)
        assert times(shown, range(k, k + 3)) == [Fraction(n, 30) for n in range(3)]


def test_an_in_point_comes_before_the_frame_grid():
    shown = clip(media_start=0.25)
    assert times(shown, range(30, 32)) == [Fraction(1, 4), Fraction(1, 4) + Fraction(1, 30)]


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), FPS, NTSC, Fraction(60)])
def test_twice_the_rate_shows_every_second_time_and_half_of_it_each_twice(fps):
    shown = frames_of(clip(), fps)
    assert times(clip(rate=2.0, origin=0.0, start=0.0), range(5), fps) == [2 * n / fps for n in range(5)]
    assert times(clip(rate=0.5, origin=0.0, start=0.0), range(6), fps) == [n // 2 / fps for n in range(6)]
    assert len(shown) == math.ceil(3 * fps) - math.ceil(fps)


def test_hosts_hasten_what_is_in_them():
    # A host at 5 s with an in-point of 1.5 s and rate 2 holds a clip at its local second 1.
    inside = clip(start=5.0, end=6.75, origin=4.75, pace=2.0)
    assert source_time(inside, 150, FPS, Fraction(10)) == Fraction(1, 2)
    assert source_time(inside, 165, FPS, Fraction(10)) == Fraction(3, 2)
    assert source_time(msgspec.structs.replace(inside, rate=2.0), 165, FPS, Fraction(10)) == 3


def test_what_begins_before_the_video_is_cut_off():
    early = clip(start=0.0, end=3.0, origin=-2.0, rate=0.5)
    assert source_time(early, 0, FPS, Fraction(10)) == 1


def test_the_last_frame_stays_when_the_source_ends():
    long = clip(start=0.0, end=3.0)
    assert source_frames(long, *regular(25, 25), range(0, 91, 15), FPS) == (0, 12, 24, 24, 24, 24, None)


def test_an_in_point_past_the_end_shows_the_last_frame():
    past = clip(start=0.0, end=1.0, media_start=7.0)
    assert set(source_frames(past, *regular(25, 25), range(30), FPS)) == {24}


def test_a_loop_begins_again_at_its_in_point():
    source = regular(30, 60)
    looped = clip(start=0.0, end=9.0, media_start=0.3, loop=True)  # 51 frames a round
    shown = source_frames(looped, *source, range(270), FPS)
    assert shown == tuple(9 + n % 51 for n in range(270))


def test_a_loop_keeps_its_phase_when_its_beginning_is_cut_off():
    source = regular(30, 30)
    whole = clip(start=0.0, end=9.0, loop=True)
    cut = clip(start=0.0, end=9.0, origin=-2.5, loop=True)
    assert source_frames(cut, *source, range(10), FPS) == source_frames(whole, *source, range(75, 85), FPS)


def test_a_loop_with_a_rate_has_shorter_rounds():
    source = regular(30, 30)
    shown = source_frames(clip(start=0.0, end=2.0, rate=2.0, loop=True), *source, range(30), FPS)
    assert shown == tuple(2 * n % 30 for n in range(30))


def test_no_source_frame_of_the_grid_is_lost_to_rounding():
    for fps in (Fraction(24), Fraction(25), FPS, NTSC, Fraction(60), Fraction(240)):
        far = clip(start=0.0, end=80_000.0)
        for frame in range(0, 80_000, 997):
            assert source_time(far, frame, fps, Fraction(10**6)) == frame / fps


# Speed ramps


def slow_rate(points: tuple[RatePoint, ...], time: float) -> float:
    """Return the rate at a time, by the definition, in doubles."""
    if time <= points[0].t:
        return points[0].v
    for before, after in pairwise(points):
        if time < after.t:
            x = (time - before.t) / (after.t - before.t)
            shaped = conic(x, *before.via) if before.via else x ** (2 ** (2 * before.curve))
            return float(before.v * (after.v / before.v) ** shaped)
    return points[-1].v


def conic(x: float, via_x: float, via_y: float) -> float:
    """Return the conic's height at x, by bisecting its parameter."""
    weight = 1.0
    for via in (via_x, via_y):
        room = 0.999 - via if via > 0.5 else via - 0.001
        weight = max(weight, abs(via - 0.5) / room)
    control = [via + (via - 0.5) / weight for via in (via_x, via_y)]
    low, high = 0.0, 1.0
    for _ in range(60):
        s = (low + high) / 2
        below = (1 - s) ** 2 + 2 * weight * s * (1 - s) + s * s
        at, height = ((2 * weight * c * s * (1 - s) + s * s) / below for c in control)
        low, high = (s, high) if at < x else (low, s)
    return height


def slow_played(points: tuple[RatePoint, ...], time: float) -> float:
    """Return the integral of the rate, by the trapezoids of the definition."""
    edges = [0.0, points[0].t]
    for before, after in pairwise(points):
        edges += [*(before.t + (after.t - before.t) * k / 48 for k in range(1, 48)), after.t]
    total = 0.0
    for a, b in pairwise([*edges, max(time, edges[-1])]):
        if b <= a:
            continue
        rates = slow_rate(points, a), slow_rate(points, b)
        if time < b:  # within a cell, the integral is linear
            return total + (rates[0] + rates[1]) / 2 * (time - a)
        total += (rates[0] + rates[1]) / 2 * (b - a)
    return total


def random_ramp(chance: random.Random) -> tuple[RatePoint, ...]:
    points = []
    for t in sorted(chance.sample(range(0, 80), chance.randint(1, 6))):
        curve, via = 0.0, None
        if chance.random() < 0.4:
            curve = round(chance.uniform(-1, 1), 3)
        elif chance.random() < 0.6:
            via = (round(chance.uniform(0.001, 0.499), 3), round(chance.uniform(0.501, 0.999), 3))
            if chance.random() < 0.5:
                via = via[::-1]
        points.append(RatePoint(t=t / 10, v=round(chance.uniform(0.1, 10), 2), curve=curve, via=via))
    return tuple(points)


@pytest.mark.sample("0", "1", "2")
@pytest.mark.parametrize("seed", range(30))
def test_a_ramp_is_the_integral_of_its_rate(seed):
    chance = random.Random(seed)
    points = random_ramp(chance)
    for _ in range(20):
        time = round(chance.uniform(0, 12), 4)
        assert float(played_seconds(1.0, points, exact(time))) == pytest.approx(slow_played(points, time), abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_the_natural_length_is_when_the_source_has_been_played(seed):
    chance = random.Random(seed)
    points = random_ramp(chance)
    for pace in (1.0, 2.0, 0.3):
        length = natural_length(0.5, 1.0, points, pace, Fraction(7))
        assert abs(played_seconds(1.0, points, length * exact(pace)) - Fraction(13, 2)) < Fraction(1, 10**12)


def test_a_ramp_of_one_rate_is_that_rate():
    for rate in (0.1, 0.5, 3.0, 10.0):
        flat = ramp((0.5, rate), (2.0, rate), curve=0.7)
        assert played_seconds(1.0, flat, Fraction(5)) == pytest.approx(5 * exact(rate), abs=1e-20)


def test_a_straight_ramp_is_straight_for_the_ear():
    # From 1 to 4 in logarithms: 2 in the middle; the integral of 4^x is 3 / ln 4.
    up = ramp((0.0, 1.0), (1.0, 4.0))
    assert float(played_seconds(1.0, up, Fraction(1))) == pytest.approx(3 / math.log(4), rel=1e-4)
    middle = played_seconds(1.0, up, Fraction(1, 2) + Fraction(1, 10**6)) - played_seconds(1.0, up, Fraction(1, 2))
    assert float(middle * 10**6) == pytest.approx(2, rel=0.03)


def test_a_curve_bends_and_a_via_point_is_passed():
    late = ramp((0.0, 1.0), (1.0, 4.0), curve=1.0)
    early = ramp((0.0, 1.0), (1.0, 4.0), curve=-1.0)
    straight = ramp((0.0, 1.0), (1.0, 4.0))
    ends = [played_seconds(1.0, each, Fraction(1)) for each in (late, straight, early)]
    assert ends == sorted(ends)
    through = ramp((0.0, 1.0), (1.0, 4.0), via=(0.25, 0.75))  # 4 ** 0.75 after a quarter
    cell = played_seconds(1.0, through, Fraction(13, 48)) - played_seconds(1.0, through, Fraction(12, 48))
    assert slow_rate(through, 0.25) == pytest.approx(4**0.75)
    assert float(cell) * 48 == pytest.approx((slow_rate(through, 12 / 48) + slow_rate(through, 13 / 48)) / 2)


def test_a_ramp_wins_over_the_rate_and_goes_on_with_its_last_one():
    shown = clip(start=0.0, end=9.0, rate=7.0, ramp=ramp((1.0, 0.5), (1.5, 0.5), (1.6, 2.0)))
    at = [source_time(shown, frame, FPS, Fraction(100)) for frame in (0, 30, 60, 90)]
    assert at[:2] == [0, Fraction(1, 2)]
    assert at[2] is not None
    assert at[3] == at[2] + 2


def test_a_loop_of_a_ramp_begins_again_in_source_time():
    source = regular(30, 30)
    shown = clip(start=0.0, end=9.0, loop=True, ramp=ramp((0.0, 2.0)))
    assert source_frames(shown, *source, range(30), FPS) == tuple(2 * n % 30 for n in range(30))


def test_frames_do_not_depend_on_the_range_that_is_asked_for():
    source = regular(24, 200)
    shown = clip(start=0.0, end=9.0, media_start=0.7, ramp=random_ramp(random.Random(3)))
    whole = source_frames(shown, *source, range(270), NTSC)
    for a, b in ((0, 1), (13, 90), (200, 270)):
        assert source_frames(shown, *source, range(a, b), NTSC) == whole[a:b]


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0.0},
        {"rate": 11.0},
        {"pace": 0.0},
        {"video": -1},
        {"start": -1.0},
        {"ramp": [{"t": 1.0, "v": 1.0}, {"t": 1.0, "v": 2.0}]},
        {"ramp": [{"t": 0.0, "v": 1.0, "curve": 2.0}]},
        {"ramp": [{"t": 0.0, "v": 1.0, "via": [0.5, 0.5]}]},
        {"ramp": [{"t": 0.0, "v": 1.0, "via": [0.0, 0.5]}]},
        {"ramp": [{"t": float(t), "v": 1.0} for t in range(513)]},
    ],
)
def test_a_stored_clip_that_no_page_makes_is_refused(change):
    document = {**msgspec.to_builtins(CLIP), **change}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(document), type=VideoClip)
