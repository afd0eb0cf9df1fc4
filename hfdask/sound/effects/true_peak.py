"""A limiter that looks ahead, and holds the true peak of the sound, between its samples, at a ceiling."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import minimum_filter1d

from hfdask.core.sound import SAMPLE_RATE
from hfdask.sound.effects.kernels import fir, peaks, smooth_gain
from hfdask.sound.effects.parts import Block, Past, Values

_OVERSAMPLING = 4
_REACH = 16  # samples of the sound on each side of a value between samples
_LATE = _REACH + 1
_MARGIN = 0.1  # dB, more than a peak is ever underestimated if the sound has nothing above 20 kHz


class TruePeak:
    """The limiter. All channels have one gain.

    The gain that each sample needs is known when it comes. Of these gains, the least of a window is averaged over a window of the
    same length, so that the gain has come down smoothly when the peak leaves, after `latency` samples.
    """

    def __init__(self, channels: int, *, ceiling: float, lookahead: float, release: float) -> None:
        ahead = max(1, math.floor(lookahead * SAMPLE_RATE / 1000 + 0.5))
        self.latency = ahead + _LATE
        self._width = ahead + 1
        self._ceiling = 10 ** ((ceiling - _MARGIN) / 20)
        self._release = 1 - math.exp(-1000 / (SAMPLE_RATE * release))
        self._branches = _branches()
        self._sound = Past(channels, self.latency)
        self._around = Past(channels, 2 * _LATE)
        self._needed = _past_of_ones(ahead)
        self._least = _past_of_ones(self._width)
        self._state = np.array([float(self._width), 1.0])

    def process(self, block: Block, begin: int) -> Block:
        needed = self._needed.before(self._ceiling / np.maximum(self._peaks(block), self._ceiling))
        half = self._width // 2
        least = minimum_filter1d(needed[0], self._width, mode="nearest")[half : half + block.shape[1]]
        gains = smooth_gain(self._least.before(least[np.newaxis])[0], self._width, self._release, self._state)
        return self._sound.late(block) * gains

    def _peaks(self, block: Block) -> Block:
        """Return the largest size that all channels reach from each sample to the next, `_LATE` samples late."""
        around = self._around.before(block)
        return peaks(around[:, _REACH:-_REACH].copy(), *(fir(around, branch) for branch in self._branches))


def _past_of_ones(length: int) -> Past:
    past = Past(1, length)
    past.before(np.ones((1, length)))
    return past


def _branches() -> list[Values]:
    """Return the taps for each place between two samples: a sinc with a Kaiser window, of which a constant keeps its level."""
    places = np.arange(-_REACH, _REACH + 1)
    branches = []
    for branch in range(1, _OVERSAMPLING):
        times = places + branch / _OVERSAMPLING
        window = np.i0(6 * np.sqrt(np.maximum(0, 1 - (times / _REACH) ** 2)))
        taps = np.where(np.abs(times) < _REACH, np.sinc(times) * window, 0)
        branches.append(taps / taps.sum())
    return branches
