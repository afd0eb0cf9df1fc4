"""Parts of which effects consist: the value of a parameter over time, sound of the past, and a slow oscillator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE, Lane
from hfdask.sound.lanes import lane_values

Block = NDArray[np.float64]
"""Samples in the shape (channels, samples)."""

Values = NDArray[np.float64]
"""One value for each sample, or only one for all."""


class Processor(Protocol):
    """An effect at work.

    Attributes
    ----------
    latency : int
        Samples by which its output is late.
    """

    latency: int

    def process(self, block: Block, begin: int) -> Block:
        """Return as many samples as are given. ``begin`` is the number of the first one on the clock of the lanes."""
        ...


class Knob(Struct, frozen=True):
    """A parameter over time: a value, or a lane in its place."""

    value: float
    lane: Lane | None = None
    log: bool = False

    def at(self, begin: int, count: int) -> Values:
        """Return its value at each of these samples, or an array of one value if it never changes."""
        if self.lane is None:
            return np.array([self.value])
        return lane_values(self.lane, begin, count, log=self.log)


class Past:
    """The last samples of a sound, silence at first."""

    def __init__(self, channels: int, length: int) -> None:
        self._kept = np.zeros((channels, length))

    def before(self, block: Block) -> Block:
        """Return the kept samples and the block behind them, and keep the last samples of that."""
        joined = np.concatenate((self._kept, block), axis=1)
        self._kept = joined[:, block.shape[1] :].copy()
        return joined

    def late(self, block: Block) -> Block:
        """Return the sound that is as late as the past is long, as many samples as the block has."""
        return self.before(block)[:, : block.shape[1]] if self._kept.size else block


class Oscillator:
    """The phase of a slow oscillator, from 0 to 1. It is 0 at the first sample."""

    def __init__(self, speed: Knob) -> None:
        self._speed = speed
        self._count = 0
        self._phase = 0.0

    def phases(self, begin: int, count: int) -> Values:
        """Return its phase at the next samples."""
        if self._speed.lane is None:
            numbers = np.arange(self._count, self._count + count, dtype=np.float64)
            phases = numbers * (self._speed.value / SAMPLE_RATE)
        else:
            steps = self._speed.at(begin, count) / SAMPLE_RATE
            phases = np.cumsum(np.concatenate(([self._phase], steps)))
            self._phase = float(phases[-1])
            phases = phases[:-1]
        self._count += count
        return phases % 1.0


def linear(decibels: Values) -> Values:
    """Return the factor of a level in decibels."""
    return 10.0 ** (decibels / 20)


def read_late(joined: Block, delays: Values) -> Block:
    """Return the last samples of a sound, each as it was some samples before, linearly interpolated between samples."""
    whole = np.floor(delays)
    places = np.arange(joined.shape[1] - delays.size, joined.shape[1]) - whole.astype(np.int64)
    near = joined[:, places]
    return near + (joined[:, places - 1] - near) * (delays - whole)


def through(processors: Sequence[Processor], block: Block, begin: int) -> Block:
    """Send a block through effects in series. Each sees the lanes at the time of the sound that reaches it."""
    for processor in processors:
        block = processor.process(block, begin)
        begin -= processor.latency
    return block
