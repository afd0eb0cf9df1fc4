"""Play sound faster or slower with its pitch kept.

Signalsmith's stretch takes whole clips only. So a clip is stretched in pieces, and memory stays bounded. Each piece gets
a part of its neighbours' sound too, and is faded into the next one. The phases of a tone differ from one piece to the
next. So the tones of each piece are turned to the phases of the piece before it, and come back to their own phases
slowly (docs/decisions/tempo.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from python_stretch.Signalsmith import Stretch

from hfdask.core.sound import SAMPLE_RATE

MIN_RATE, MAX_RATE = 1 / 16, 16.0
"""Limits of the rate that is heard, as in Chromium. Beyond them there is silence."""

BEFORE = 5760
"""Samples of the result that a piece computes before its beginning: one block of the library."""

FADE = 4096
"""Samples of the fade from a piece to the next one."""

TURN = 24_000
"""Samples after a fade in which tones come back to their own phases."""

FAINT = 1e-4
"""Level below which tones have no phases."""

_HOP = FADE // 4
_AFTER = 2 * FADE
_SEED = 1
_WINDOW = np.sqrt(np.hanning(FADE + 1)[:-1])

Block = NDArray[np.float32]


class Piece(Struct, frozen=True):
    """A part of a clip that has one rate.

    Attributes
    ----------
    count : int
        Its samples in the result.
    begin : float
        The place in the source at which it begins, in samples.
    rate : float
        Samples of the source for each sample of the result.
    """

    count: int
    begin: float
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
        if tail is not None:
            if np.abs(tail).max() > FAINT:
                _turn(sound, tail)
            sound[:, BEFORE : BEFORE + FADE] = _faded(tail, sound[:, BEFORE : BEFORE + FADE])
        end = BEFORE + piece.count
        yield sound[:, BEFORE:end]
        tail = sound[:, end : end + FADE].copy()


def most_behind(pieces: Sequence[Piece]) -> int:
    """Return by how many samples of the source a piece may begin before the one before it."""
    return round(2 * BEFORE * max(piece.rate for piece in pieces))


def _stretch(piece: Piece, source: Callable[[int, int], Block]) -> Block:
    count = BEFORE + piece.count + _AFTER
    if not MIN_RATE <= piece.rate <= MAX_RATE:
        return np.zeros((2, count), np.float32)
    begin = math.floor(piece.begin - (BEFORE + 1) * piece.rate)
    early = (
        round((piece.begin - begin) / piece.rate) - BEFORE
    )  # samples of the result: the source begins at a whole one
    sound = source(begin, begin + round((early + count) * piece.rate))
    if not sound.any():
        return np.zeros((2, count), np.float32)
    if piece.rate != 1:
        channels = 1 if np.array_equal(sound[0], sound[1]) else 2  # one channel takes half the time
        stretch = Stretch(_SEED)
        stretch.preset(channels, SAMPLE_RATE)
        stretch.setTimeFactor(sound.shape[1] / (early + count))
        sound = np.resize(stretch.process(sound[:channels]), (2, early + count))
    return sound[:, early:]


def _turn(sound: Block, tail: Block) -> None:
    """Give the tones of a piece the phases of the piece before it. They come back to their own within `TURN` samples."""
    old, new = (np.fft.rfft(part * _WINDOW) for part in (tail, sound[:, BEFORE : BEFORE + FADE]))
    turns = _phases((old * new.conj()).sum(axis=0), (np.abs(new) ** 2).sum(axis=0))
    part = sound[:, BEFORE - FADE : BEFORE + 2 * FADE + TURN]
    frames = np.lib.stride_tricks.sliding_window_view(part, FADE, axis=1)[:, ::_HOP] * _WINDOW
    shares = np.clip(1 - (np.arange(frames.shape[1]) * _HOP - FADE) / TURN, 0, 1)
    turned = np.fft.irfft(np.fft.rfft(frames) * np.exp(1j * shares[:, np.newaxis] * turns), FADE) * _WINDOW
    total = np.zeros(part.shape)
    for number in range(frames.shape[1]):
        total[:, number * _HOP : number * _HOP + FADE] += turned[:, number] / 2
    whole = slice(FADE, frames.shape[1] * _HOP)  # all four frames overlap there
    part[:, whole] = total[:, whole]


def _phases(cross: NDArray[np.complex128], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each frequency has to be turned. All frequencies around a peak are turned by the same."""
    peaks = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    if not len(peaks):
        return np.zeros(len(power))
    edges = np.concatenate(([0], (peaks[1:] + peaks[:-1] + 1) // 2))
    turns = np.angle(np.add.reduceat(cross, edges))
    return np.repeat(turns, np.diff(np.append(edges, len(power))))


def _faded(old: Block, new: Block) -> Block:
    """Fade from one sound to another. The power stays, whether they are alike or not."""
    likeness = float((old * new).sum()) / max(1e-12, math.sqrt(float((old**2).sum()) * float((new**2).sum())))
    share = (np.arange(FADE) + 0.5) / FADE
    power = share**2 + (1 - share) ** 2 + 2 * min(1.0, max(0.0, likeness)) * share * (1 - share)
    return ((old * (1 - share) + new * share) / np.sqrt(power)).astype(np.float32)
