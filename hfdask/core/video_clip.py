"""Compute the time of its source that a clip shows at each frame (docs/compositions.md, 9).

All times are exact. A time is read as the decimal that the author wrote, and the arithmetic is rational. Logarithms and
powers in a speed ramp are not rational: they are computed to 28 digits, with the same rounding on every machine. So a
worker always shows the source frame that planning chose.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from hfdask.core.fields import Seconds, Text
from hfdask.core.shapes import shaped
from hfdask.core.values import Value
from hfdask.core.video_source import FrameIndex, VideoSource

MIN_RATE, MAX_RATE = 0.1, 10.0
"""Limits of a playback rate. Rates beyond them are clamped."""

MAX_POINTS = 512
"""Most points of a speed ramp."""

SNAP = Fraction(1, 1000)
"""Frames. A start or an end within this distance of a frame counts as on it."""

_TINY = Fraction(1, 10**9)  # in frames, as in `hfdask.core.frames.frame_at`
_CELLS = 48
_DIGITS = Context(prec=28)

PlaybackRate = Annotated[float, Meta(ge=MIN_RATE, le=MAX_RATE)]
MIN_VIA, MAX_VIA = 0.001, 0.999
"""Limits of the coordinates of a via point. Coordinates beyond them are clamped."""

Share = Annotated[float, Meta(ge=MIN_VIA, le=MAX_VIA)]


class RatePoint(Value, frozen=True):
    """A point of a speed ramp, and the shape of the ramp up to the next point (docs/compositions.md, 9.5).

    Attributes
    ----------
    t : float
        Seconds from the clip's beginning.
    v : float
        The rate at this point.
    curve : float
        Bend from -1 (early) to 1 (late).
    via : tuple of two floats, or None
        A point that the ramp passes through instead of bending by ``curve``: progress in time and in value, both from 0
        to 1.
    """

    t: Seconds
    v: PlaybackRate
    curve: Annotated[float, Meta(ge=-1, le=1)] = 0.0
    via: tuple[Share, Share] | None = None

    def __post_init__(self) -> None:
        if self.via and abs(self.via[0] - self.via[1]) < 1e-6:
            raise ValueError("a via point on the straight line does not bend the ramp; leave it out")


class VideoClip(Value, frozen=True):
    """A ``<video>`` of the page: the time in which it shows, and the source that it plays.

    Attributes
    ----------
    id : str
        Its render id, unique among the videos of the page.
    video : int
        Number of its source among the plan's videos.
    start, end : float
        Its window in seconds of the composition. It shows at ``start <= time < end``.
    origin : float
        The time at which it begins to play. If this is before ``start``, its beginning is cut off.
    pace : float
        Product of the rates of the compositions around it.
    media_start : float
        Seconds of the source at which it begins to play.
    rate : float
        Its own rate.
    ramp : tuple of RatePoint
        Rates over time. If there are any, ``rate`` does not count.
    loop : bool
        True if it begins again at ``media_start`` when the source ends. Else the last frame stays.
    muted : bool
        True if its sound is not wanted.
    """

    id: Text
    video: Annotated[int, Meta(ge=0, le=2**31)]
    start: Seconds
    end: Seconds
    origin: Annotated[float, Meta(ge=-1e9, le=1e9)]
    pace: Annotated[float, Meta(ge=1e-9, le=1e9)]
    media_start: Seconds
    rate: PlaybackRate
    ramp: Annotated[tuple[RatePoint, ...], Meta(max_length=MAX_POINTS)]
    loop: bool
    muted: bool

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("it ends before it starts")
        if any(after.t <= before.t for before, after in itertools.pairwise(self.ramp)):
            raise ValueError("the points of its ramp are not in order of time")


@lru_cache(maxsize=4096)
def exact(seconds: float) -> Fraction:
    """Return a time as the shortest decimal that is read as this float: 0.1 is exactly a tenth."""
    return Fraction(repr(seconds))


def on_grid(seconds: float, fps: Fraction) -> Fraction:
    """Return a time in frames, rounded to a whole number if it is within `SNAP` of it (docs/compositions.md, 9.3)."""
    frames = exact(seconds) * fps
    nearest = round(frames)
    return Fraction(nearest) if abs(frames - nearest) <= SNAP else frames


def frames_of(clip: VideoClip, fps: Fraction) -> range:
    """Return the frames in the clip's window (docs/compositions.md, 9.3)."""
    return range(math.ceil(on_grid(clip.start, fps)), math.ceil(on_grid(clip.end, fps)))


def source_time(clip: VideoClip, frame: int, fps: Fraction, playable: Fraction) -> Fraction | None:
    """Return the time of the source that a clip shows at a frame, or None outside of its window.

    The time is on the frame grid of the video, which starts at the in-point. It may be after the end of the source:
    then the last frame stays (docs/compositions.md, 9.4).
    """
    if frame not in frames_of(clip, fps):
        return None
    local = max(Fraction(0), frame - on_grid(clip.origin, fps)) / fps * exact(clip.pace)
    begin = exact(clip.media_start)
    played = played_seconds(clip.rate, clip.ramp, local) + _TINY / fps
    if clip.loop and playable > begin:
        played %= playable - begin
    return begin + math.floor(played * fps) / fps


def source_frames(
    clip: VideoClip, source: VideoSource, index: FrameIndex, frames: Iterable[int], fps: Fraction
) -> tuple[int | None, ...]:
    """Return the source frame that a clip shows at each frame, or None if it shows nothing."""
    times = (source_time(clip, frame, fps, source.playable.fraction) for frame in frames)
    return tuple(None if time is None else index.at(time) for time in times)


def natural_length(
    media_start: float, rate: float, ramp: tuple[RatePoint, ...], pace: float, playable: Fraction
) -> Fraction:
    """Return how many seconds of the composition a source lasts from its in-point on (docs/compositions.md, 9.5)."""
    left = max(Fraction(0), playable - exact(media_start))
    if not ramp:
        return left / exact(rate) / exact(pace)
    times, played = _table(ramp)
    if left >= played[-1]:
        return (times[-1] + (left - played[-1]) / exact(ramp[-1].v)) / exact(pace)
    return _between(played, times, left) / exact(pace)


def played_seconds(rate: float, ramp: tuple[RatePoint, ...], local: Fraction) -> Fraction:
    """Return the seconds of the source that a clip has played after ``local`` seconds (docs/compositions.md, 9.5)."""
    if not ramp:
        return local * exact(rate)
    times, played = _table(ramp)
    if local >= times[-1]:
        return played[-1] + (local - times[-1]) * exact(ramp[-1].v)
    return _between(times, played, local)


@lru_cache(maxsize=256)
def _table(ramp: tuple[RatePoint, ...]) -> tuple[list[Fraction], list[Fraction]]:
    """Integrate a ramp. Return times, and the seconds of the source that were played at each of them.

    Interpolate linearly between them. There are 48 trapezoids from each point to the next. Before the first point, the
    rate of that point holds.
    """
    times, played = [Fraction(0)], [Fraction(0)]
    rate = exact(ramp[0].v)

    def add(time: Fraction, reached: Fraction) -> None:
        nonlocal rate
        played.append(played[-1] + (rate + reached) / 2 * (time - times[-1]))
        times.append(time)
        rate = reached

    if ramp[0].t > 0:
        add(exact(ramp[0].t), rate)
    for point, following in itertools.pairwise(ramp):
        begin, length = exact(point.t), exact(following.t) - exact(point.t)
        for cell in range(1, _CELLS + 1):
            progress = Fraction(cell, _CELLS)
            last = cell == _CELLS
            add(begin + length * progress, exact(following.v) if last else _rate_within(point, following.v, progress))
    return times, played


def _rate_within(point: RatePoint, following: float, progress: Fraction) -> Fraction:
    """Return the rate between two points. Its logarithm is interpolated by the shape of the ramp."""
    with localcontext(_DIGITS):
        low, high = Decimal(repr(point.v)).ln(), Decimal(repr(following)).ln()
        x = Decimal(progress.numerator) / Decimal(progress.denominator)
        p = shaped(x, point.curve, point.via, Decimal)
        return Fraction((low + (high - low) * p).exp())


def _between(xs: Sequence[Fraction], ys: Sequence[Fraction], x: Fraction) -> Fraction:
    """Interpolate linearly. ``xs`` are in rising order, and ``x`` is within their range."""
    upper = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    lower = upper - 1
    return ys[lower] + (ys[upper] - ys[lower]) * (x - xs[lower]) / (xs[upper] - xs[lower])
