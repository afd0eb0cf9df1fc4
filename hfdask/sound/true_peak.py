"""Measure true peaks: what a player's converter makes of the samples may exceed all of them (ITU-R BS.1770, annex 2)."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Block = NDArray[np.float32]
"""Samples of both channels, shape (2, n)."""

SILENCE = -200.0
"""Level of silence, in place of minus infinity."""

OVERSAMPLING = 4
_SIDE = 10
"""Samples on either side that a value between two samples is computed from."""


def _phases() -> Block:
    """Return the weights of the samples around each of the three points between two samples, shape (2 * _SIDE, 3)."""
    times = np.arange(-_SIDE * OVERSAMPLING, _SIDE * OVERSAMPLING + 1)
    response = np.sinc(times / OVERSAMPLING) * np.kaiser(len(times), 5.0)
    response *= OVERSAMPLING / response.sum()
    return np.stack([response[phase::OVERSAMPLING][::-1] for phase in range(1, OVERSAMPLING)], axis=1, dtype=np.float32)


_PHASES = _phases()


def decibels(level: float) -> float:
    """Return a linear level in decibels, at least `SILENCE`."""
    return max(SILENCE, 20 * float(np.log10(level))) if level > 0 else SILENCE


class TruePeak:
    """Measure the true peak of a sound that is given in blocks of any length."""

    def __init__(self) -> None:
        self._last: Block = np.zeros((2, 2 * _SIDE), np.float32)
        self._peak = 0.0

    def add(self, block: Block) -> None:
        """Take the next samples."""
        joined = np.concatenate([self._last, block], axis=1, dtype=np.float32)
        self._last = joined[:, -2 * _SIDE :]
        self._peak = max(self._peak, _between(joined), float(np.abs(block).max(initial=0.0)))

    def dbtp(self) -> float:
        """Return the true peak of all samples so far, with silence around them, in dBTP."""
        end = np.concatenate([self._last, np.zeros_like(self._last)], axis=1)
        return decibels(max(self._peak, _between(end)))


def _between(samples: Block) -> float:
    """Return the highest level between the samples."""
    return max(float(np.abs(sliding_window_view(channel, 2 * _SIDE) @ _PHASES).max()) for channel in samples)
