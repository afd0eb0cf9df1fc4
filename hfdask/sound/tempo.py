"""Play sound faster or slower with its pitch kept.

Signalsmith's stretch takes whole clips only. So a clip is stretched in pieces, and memory stays bounded. Each piece gets
a part of its neighbours' sound too, and is faded into the next one. The phases of a tone differ from one piece to the
next. So a piece may be moved by up to `REACH` samples to fit the one before (docs/decisions/tempo.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from python_stretch.Signalsmith import Stretch
from scipy.signal import correlate

from hfdask.core.sound import SAMPLE_RATE

MIN_RATE, MAX_RATE = 1 / 16, 16.0
"""Limits of the rate that is heard, as in Chromium. Beyond them there is silence."""

BEFORE = 5760
"""Samples of the result that a piece computes before its beginning: one block of the library."""

FADE = 2400
"""Samples of the fade from a piece to the next one."""

REACH = 240
"""Most samples by which a piece is moved to fit the one before: half a period of 100 Hz."""

_AFTER = FADE + 2 * REACH + BEFORE // 2
_BETTER = 0.02  # of a correlation; a smaller gain is not worth moving a piece
_SEED = 1

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a clip that has one rate.

    Attributes
    ----------
    count : int
        Its samples in the result.
    begin : int
        The sample of the source that it begins with.
    rate : float
        Samples of the source for each sample of the result.
    """

    count: int
    begin: int
    rate: float


def stretched(pieces: Sequence[Piece], source: Callable[[int, int], Block]) -> Iterator[Block]:
    """Yield the samples of pieces that follow each other, one block for each.

    Parameters
    ----------
    pieces : sequence of Piece
    source : callable
        Returns the samples of the source from a number up to another, in two channels. Numbers outside of the source are
        silent. At most `most_behind` samples before the latest begin are asked for.
    """
    tail: Block | None = None
    for piece in pieces:
        sound = _stretch(piece, source)
        begin = BEFORE
        if tail is not None:
            shift, likeness = _fit(tail, sound[:, BEFORE - REACH : BEFORE + REACH + FADE])
            begin += shift
            sound[:, begin : begin + FADE] = _faded(tail, sound[:, begin : begin + FADE], likeness)
        end = begin + piece.count
        yield sound[:, begin:end]
        tail = sound[:, end : end + FADE].copy()


def most_behind(pieces: Sequence[Piece]) -> int:
    """Return by how many samples of the source a piece may begin before the one before it."""
    return round(2 * BEFORE * max(piece.rate for piece in pieces))


def _stretch(piece: Piece, source: Callable[[int, int], Block]) -> Block:
    count = BEFORE + piece.count + _AFTER
    if not MIN_RATE <= piece.rate <= MAX_RATE:
        return np.zeros((2, count), np.float32)
    begin = piece.begin - round(BEFORE * piece.rate)
    sound = source(begin, begin + round(count * piece.rate))
    if sound.shape[1] == count:
        return sound
    if not sound.any():
        return np.zeros((2, count), np.float32)
    stretch = Stretch(_SEED)
    stretch.preset(2, SAMPLE_RATE)
    stretch.setTimeFactor(sound.shape[1] / count)
    return stretch.process(sound)


def _fit(tail: Block, sound: Block) -> tuple[int, float]:
    """Return by how many samples to move a piece, and how alike it then is to the end of the one before, from 0 to 1."""
    old, new = tail.astype(float), sound.astype(float)
    products = correlate(new[0], old[0], "valid") + correlate(new[1], old[1], "valid")
    squares = np.cumsum(np.pad((new**2).sum(0), (1, 0)))
    energy = np.maximum((squares[FADE:] - squares[:-FADE]) * (old**2).sum(), 1e-12)
    likeness = products / np.sqrt(energy)
    best = int(np.argmax(likeness))
    if likeness[best] < likeness[REACH] + _BETTER:
        best = REACH
    return best - REACH, float(np.clip(likeness[best], 0, 1))


def _faded(old: Block, new: Block, likeness: float) -> Block:
    """Fade from one sound to another. The power stays, whether they are alike or not."""
    share = (np.arange(FADE) + 0.5) / FADE
    power = share**2 + (1 - share) ** 2 + 2 * likeness * share * (1 - share)
    return ((old * (1 - share) + new * share) / np.sqrt(power)).astype(np.float32)
