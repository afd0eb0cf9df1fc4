"""Compressor, limiter and gate. Each channel follows its own level."""

from __future__ import annotations

import math

import numpy as np

from hfdask.core.sound import SAMPLE_RATE
from hfdask.sound.effects.kernels import follow
from hfdask.sound.effects.parts import Block, Values

_SILENCE = 1e-15


class _Follower:
    """One pole that rises and falls at different speeds."""

    def __init__(self, channels: int, attack: float, release: float, first: float = 0.0) -> None:
        self._poles = _pole(attack), _pole(release)
        self._state = np.full(channels, first)

    def follow(self, x: Block) -> Block:
        return follow(x, *self._poles, self._state)


class Compressor:
    """Lowers levels above a threshold. Within the knee, the ratio sets in gradually."""

    latency = 0

    def __init__(
        self,
        channels: int,
        *,
        threshold: float,
        ratio: float,
        attack: float,
        release: float,
        knee: float,
        makeup: float,
        mix: float,
    ) -> None:
        self._follower = _Follower(channels, attack, release)
        self._threshold, self._knee = threshold, 20 * math.log10(knee)
        self._slope = 1 - 1 / ratio
        self._wet, self._dry = mix * 10 ** (makeup / 20), 1 - mix

    def process(self, block: Block, begin: int) -> Block:
        levels = self._follower.follow(np.abs(block))
        gains = np.ones_like(block)
        loud = levels > 10 ** ((self._threshold - self._knee) / 20)
        gains[loud] = 10 ** (-self._slope / 20 * self._over(20 * np.log10(levels[loud])))
        return block * (gains * self._wet + self._dry)

    def _over(self, levels: Values) -> Values:
        """Return by how many decibels each level counts as too loud."""
        over = levels - self._threshold
        if self._knee == 0:
            return np.maximum(over, 0.0)
        within = np.clip(over, -self._knee, self._knee) + self._knee
        return np.where(over < self._knee, within * within / (4 * self._knee), over)


class Limiter:
    """Lowers levels above a limit. It does not look ahead, so peaks that rise faster than its attack pass."""

    latency = 0

    def __init__(self, channels: int, *, limit: float, attack: float, release: float, level_out: float) -> None:
        self._follower = _Follower(channels, attack, release)
        self._limit = 10 ** (limit / 20)
        self._out = 10 ** (level_out / 20)

    def process(self, block: Block, begin: int) -> Block:
        levels = self._follower.follow(np.abs(block))
        return block * (self._limit / np.maximum(levels, self._limit) * self._out)


class Gate:
    """Lowers sound below a threshold, the more the softer it is, down to a range."""

    latency = 0

    def __init__(
        self, channels: int, *, threshold: float, range: float, ratio: float, attack: float, release: float
    ) -> None:
        self._follower = _Follower(channels, attack, release)
        self._smoother = _Follower(channels, attack, release, first=1.0)
        self._threshold, self._range = 10 ** (threshold / 20), 10 ** (range / 20)
        self._power = ratio - 1

    def process(self, block: Block, begin: int) -> Block:
        levels = self._follower.follow(np.abs(block))
        targets = np.ones_like(block)
        soft = levels < self._threshold
        below = np.maximum(levels[soft] / self._threshold, _SILENCE)
        targets[soft] = np.maximum(below**self._power, self._range)
        return block * self._smoother.follow(targets)


def _pole(milliseconds: float) -> float:
    return math.exp(-1000 / (SAMPLE_RATE * milliseconds))
