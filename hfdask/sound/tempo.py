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

PIECE = 20 * SAMPLE_RATE
"""Most samples of a piece, in the source and in the result."""

BEFORE = 5760
"""Samples of the result that a piece computes before its beginning: one block of the library."""

FADE = 2400
"""Samples of the fade from a piece to the next one."""

REACH = 240
"""Most samples by which a piece is moved to fit the one before."""

_AFTER = FADE + 2 * REACH + BEFORE // 2
_BETTER = 0.02  # of a correlation; a smaller gain is not worth moving a piece
_SEED = 1

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a clip with one rate: its samples in the result, and the samples of the source that it plays."""

    begin: int
    end: int
    source_begin: int
    source_end: int

    @property
    def rate(self) -> float:
        return (self.source_end - self.source_begin) / (self.end - self.begin)


def stretched(pieces: Sequence[Piece], source: Callable[[int, int], Block]) -> Iterator[Block]:
    """Yield the samples of consecutive pieces, one block for each piece.

    Parameters
    ----------
    pieces : sequence of Piece
        Each begins where the one before ends, in the result and in the source.
    source : callable
        Returns samples of the source, from a number up to another, in two channels.
    """
    tail: Block | None = None
    for piece in pieces:
        sound = _stretch(piece, source)
        begin = BEFORE
        if tail is not None:
            shift, likeness = _fit(tail, sound[:, BEFORE - REACH : BEFORE + REACH + FADE])
            begin += shift
            sound[:, begin : begin + FADE] = _faded(tail, sound[:, begin : begin + FADE], likeness)
        end = begin + piece.end - piece.begin
        yield sound[:, begin:end]
        tail = sound[:, end : end + FADE].copy()


def _stretch(piece: Piece, source: Callable[[int, int], Block]) -> Block:
    rate = piece.rate
    count = BEFORE + piece.end - piece.begin + _AFTER
    sound = source(piece.source_begin - round(BEFORE * rate), piece.source_end + round(_AFTER * rate))
    if sound.shape[1] == count:
        return sound.copy()
    stretch = Stretch(_SEED)
    stretch.preset(2, SAMPLE_RATE)
    stretch.setTimeFactor(sound.shape[1] / count)
    return stretch.process(np.ascontiguousarray(sound))


def _fit(tail: Block, sound: Block) -> tuple[int, float]:
    """Return by how many samples to move a piece, and how alike it then is to the end of the one before, from 0 to 1."""
    products = sum(correlate(new, old, "valid") for new, old in zip(sound, tail, strict=True))
    squares = np.cumsum(np.pad((sound.astype(float) ** 2).sum(0), (1, 0)))
    energy = (squares[FADE:] - squares[:-FADE]) * (tail.astype(float) ** 2).sum()
    likeness = products / np.sqrt(np.maximum(energy, 1e-30))
    best = int(np.argmax(likeness))
    if likeness[best] < likeness[REACH] + _BETTER:
        best = REACH
    return best - REACH, float(np.clip(likeness[best], 0, 1))


def _faded(old: Block, new: Block, likeness: float) -> Block:
    """Fade from one to the other. The power stays, whether they are alike or not."""
    share = (np.arange(FADE) + 0.5) / FADE
    power = share**2 + (1 - share) ** 2 + 2 * likeness * share * (1 - share)
    return ((old * (1 - share) + new * share) / np.sqrt(power)).astype(np.float32)
