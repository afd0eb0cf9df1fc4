"""Measure a mix: true peak and loudness by ITU-R BS.1770 and EBU R128, and samples beyond full scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE

SILENCE = -200.0
"""True peak of silence, in dBTP."""

STEP = SAMPLE_RATE // 10
"""Samples from the beginning of a gating block to the next. A block has four steps."""

_OVERSAMPLING = 4
_REACH = 16  # samples on each side of a place between two samples
# The two filters of BS.1770 at 48 kHz: the effect of the head, and the RLB high-pass.
_WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0

Block = NDArray[np.floating[Any]]


class Meter:
    """Measure blocks of two channels that follow each other, of any size.

    Attributes
    ----------
    peak : float
        Largest sample of all.
    clipped : int
        Samples beyond full scale in either channel.
    """

    def __init__(self) -> None:
        from scipy.signal import firwin  # SciPy takes half a second to load

        self.peak = 0.0
        self.clipped = 0
        self._taps = firwin(2 * _REACH * _OVERSAMPLING + 1, 1 / _OVERSAMPLING, window=("kaiser", 8)) * _OVERSAMPLING
        self._reach = float(max(np.abs(self._taps[at::_OVERSAMPLING]).sum() for at in range(_OVERSAMPLING)))
        self._between = 0.0
        self._past: Block = np.zeros((2, 2 * _REACH))
        self._state = np.zeros((2, 2, 2))
        self._step = 0.0
        self._filled = 0
        self._powers: list[float] = []

    def add(self, block: Block) -> None:
        """Measure the next samples."""
        levels = np.abs(block)
        self.peak = max(self.peak, float(levels.max(initial=0)))
        self.clipped += int((levels > 1).any(axis=0).sum())
        self._add_between(block)
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(_WEIGHTING, block, axis=1, zi=self._state)
        self._state[np.abs(self._state) < 1e-30] = 0  # numbers that are almost 0 are slow
        self._add_powers((weighted**2).sum(axis=0))

    @property
    def true_peak(self) -> float:
        """Return the largest value at or between samples, in dB of full scale."""
        after = np.pad(self._past, ((0, 0), (0, 2 * _REACH)))
        highest = max(self.peak, self._between, self._highest_between(after))
        return max(SILENCE, 20 * math.log10(highest)) if highest else SILENCE

    @property
    def loudness(self) -> float | None:
        """Return the integrated loudness in LUFS, or None if nothing is as loud as -70 LUFS for 0.4 s."""
        steps = np.array(self._powers)
        if len(steps) < 4:
            return None
        powers = np.lib.stride_tricks.sliding_window_view(steps, 4).sum(axis=1) / (4 * STEP)
        powers = powers[powers > _power(_ABSOLUTE_GATE)]
        if not len(powers):
            return None
        relative = powers.mean() * 10 ** (_RELATIVE_GATE / 10)
        return float(-0.691 + 10 * math.log10(powers[powers > relative].mean()))

    def _add_between(self, block: Block) -> None:
        joined = np.concatenate((self._past, block), axis=1)
        self._past = joined[:, joined.shape[1] - 2 * _REACH :].copy()
        if np.abs(joined).max() * self._reach > self._between:  # else no value between them can be higher
            self._between = max(self._between, self._highest_between(joined))

    def _highest_between(self, joined: Block) -> float:
        from scipy.signal import upfirdn

        values = upfirdn(self._taps, joined, up=_OVERSAMPLING, axis=1)
        return float(np.abs(values[:, 2 * _REACH * _OVERSAMPLING : joined.shape[1] * _OVERSAMPLING]).max(initial=0))

    def _add_powers(self, squares: NDArray[np.float64]) -> None:
        at = 0
        while at < len(squares):
            part = squares[at : at + STEP - self._filled]
            self._step += float(part.sum())
            self._filled += len(part)
            at += len(part)
            if self._filled == STEP:
                self._powers.append(self._step)
                self._step, self._filled = 0.0, 0


def _power(loudness: float) -> float:
    return float(10 ** ((loudness + 0.691) / 10))
