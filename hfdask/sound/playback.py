"""Find the samples of its source that a track plays, and when (docs/compositions.md, 10).

Times are exact, as in `hfdask.core.video_clip`. The first sample of a track is at its start, to the nearest sample. The
sample of the source that it plays there is also the nearest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE, SoundTrack, Treatment
from hfdask.core.video_clip import exact, played_seconds
from hfdask.sound.streams import BLOCK, Block, Window
from hfdask.sound.tempo import Piece, most_behind, stretched

STEP = SAMPLE_RATE // 4
"""Samples of the shortest piece with one rate."""

MAX_PIECE = 5 * SAMPLE_RATE
"""Most samples of a piece, in the source and in the mix. Memory grows with it."""

MAX_ERROR = SAMPLE_RATE // 200
"""Most samples of the source by which a piece with one rate may differ from a speed ramp, if it is longer than `STEP`."""


class Playback(Struct, frozen=True):
    """When a track plays.

    Attributes
    ----------
    begin, end : int
        Samples of the mix.
    clock : int
        Number of the first sample on the clock of the track's lanes. It is more than 0 if the beginning was cut off.
    first, last : int
        Samples of the source that it plays, at 48 kHz.
    pieces : tuple of Piece
    """

    begin: int
    end: int
    clock: int
    first: int
    last: int
    pieces: tuple[Piece, ...]

    def sound(self, source: Callable[[int], Iterator[Block]]) -> Iterator[Block]:
        """Yield the samples from ``begin`` to ``end``.

        ``source`` returns blocks of the source from a sample on.
        """
        plain = all(piece.rate == 1 for piece in self.pieces)
        window = Window(source(self.first), self.first, self.last, behind=0 if plain else most_behind(self.pieces))
        try:
            if plain:
                for begin in range(self.first, self.last, BLOCK):
                    yield window.read(begin, min(begin + BLOCK, self.last))
            else:
                yield from stretched(self.pieces, window.read)
        finally:
            window.close()


def playback(track: SoundTrack, samples: int) -> Playback | None:
    """Return when a track plays in a mix of ``samples`` samples, or None if it does not play at all."""
    start, pace = max(exact(track.start), exact(track.origin)), exact(track.pace)
    begin, end = _nearest(start * SAMPLE_RATE), min(_nearest(exact(track.end) * SAMPLE_RATE), samples)
    if end <= begin:
        return None
    cut = start - exact(track.origin)

    def position(sample: int) -> Fraction:
        local = (cut + Fraction(sample, SAMPLE_RATE)) * pace
        return (exact(track.media_start) + played_seconds(track.rate, track.ramp, local)) * SAMPLE_RATE

    rate = track.rate * track.pace
    step = STEP if track.ramp else end - begin if rate == 1 else max(STEP, math.floor(MAX_PIECE / max(1.0, rate)))
    times = [*range(0, end - begin, step), end - begin]
    positions = [position(time) for time in times]
    pieces = tuple(_pieces(times, positions))
    return Playback(begin, end, _nearest(cut * SAMPLE_RATE), _nearest(positions[0]), _nearest(positions[-1]), pieces)


def _pieces(times: list[int], positions: list[Fraction]) -> Iterator[Piece]:
    """Join steps while one rate is near enough to the positions of all of them."""
    floats = np.array([float(position - positions[0]) for position in positions])
    clock = np.array(times)
    at = 0
    while at < len(times) - 1:
        to = at + 1
        while to < len(times) - 1 and _fits(clock[at : to + 2], floats[at : to + 2]):
            to += 1
        count = times[to] - times[at]
        yield Piece(count, float(positions[at]), float((positions[to] - positions[at]) / count))
        at = to


def _nearest(samples: Fraction) -> int:
    return math.floor(samples + Fraction(1, 2))


def _fits(times: NDArray[np.int64], positions: NDArray[np.float64]) -> bool:
    longest = max(times[-1] - times[0], positions[-1] - positions[0])
    straight = np.interp(times, times[[0, -1]], positions[[0, -1]])
    return bool(longest <= MAX_PIECE and np.abs(straight - positions).max() <= MAX_ERROR)


def on_track_clock(treatment: Treatment, pace: float) -> Treatment:
    """Return a treatment whose lanes and keys are in seconds of the mix, not of a clip that plays at some pace."""
    if pace == 1:
        return treatment
    lanes = tuple(
        msgspec.structs.replace(
            lane, points=tuple(msgspec.structs.replace(point, t=point.t / pace) for point in lane.points)
        )
        for lane in treatment.lanes
    )
    keys = tuple((time / pace, gain) for time, gain in treatment.keys)
    return msgspec.structs.replace(treatment, lanes=lanes, keys=keys)
