"""Gain and filters, with the formulas of the Web Audio API.

While a lane moves a parameter, each sample has its own coefficients.
"""

from __future__ import annotations

import numpy as np

from hfdask.core.sound import SAMPLE_RATE, EffectType
from hfdask.sound.effects.kernels import biquad
from hfdask.sound.effects.parts import Block, Knob, Oscillator, Values, linear

_PHASER_STAGES = 6
_PHASER_Q = 0.7071


class Gain:
    """A level."""

    latency = 0

    def __init__(self, gain: Knob) -> None:
        self._gain = gain

    def process(self, block: Block, begin: int) -> Block:
        return block * linear(self._gain.at(begin, block.shape[1]))


class Filter:
    """A filter of two poles. For types without a gain or a ``q``, these do not count."""

    latency = 0

    def __init__(self, kind: EffectType, channels: int, frequency: Knob, gain: Knob, q: Knob) -> None:
        self._kind = kind
        self._knobs = frequency, gain, q
        self._state = np.zeros((channels, 4))

    def process(self, block: Block, begin: int) -> Block:
        frequency, gain, q = (knob.at(begin, block.shape[1]) for knob in self._knobs)
        return biquad(block, coefficients(self._kind, frequency, gain, q), self._state)


class OnePole:
    """A low-pass or high-pass of one pole at a fixed frequency, by the bilinear transform."""

    latency = 0

    def __init__(self, kind: EffectType, channels: int, frequency: float) -> None:
        k = np.tan(np.pi * frequency / SAMPLE_RATE)
        b = (k, k) if kind == "lowpass" else (1, -1)
        self._coefficients = np.array([[b[0] / (1 + k)], [b[1] / (1 + k)], [0], [(k - 1) / (k + 1)], [0]])
        self._state = np.zeros((channels, 4))

    def process(self, block: Block, begin: int) -> Block:
        return biquad(block, self._coefficients, self._state)


class Phaser:
    """The sound and its copy, which went through six all-passes whose frequency an oscillator moves."""

    latency = 0

    def __init__(
        self, channels: int, in_gain: Knob, out_gain: Knob, delay: float, decay: float, speed: Knob, sine: bool
    ) -> None:
        self._gains = in_gain, out_gain
        self._center = 1000 / delay
        self._decay = decay
        self._oscillator = Oscillator(speed)
        self._sine = sine
        self._states = np.zeros((_PHASER_STAGES, channels, 4))

    def process(self, block: Block, begin: int) -> Block:
        count = block.shape[1]
        in_gain, out_gain = (gain.at(begin, count) for gain in self._gains)
        phases = self._oscillator.phases(begin, count)
        wave = np.sin(2 * np.pi * phases) if self._sine else 4 * np.abs((phases + 0.75) % 1 - 0.5) - 1
        all_pass = coefficients("allpass", self._center * (1 + self._decay * wave), np.zeros(1), np.array([_PHASER_Q]))
        dry = block * in_gain
        wet = dry
        for state in self._states:
            wet = biquad(wet, all_pass, state)
        return (dry + wet) * out_gain


def coefficients(kind: str, frequency: Values, gain: Values, q: Values) -> Values:
    """Return b0, b1, b2, a1 and a2 of a filter, each divided by a0, in the shape (5, samples).

    Parameters
    ----------
    kind : str
        ``peaking``, ``lowshelf``, ``highshelf``, ``highpass``, ``lowpass`` or ``allpass``.
    frequency : float64 array
        Hertz.
    gain : float64 array
        Decibels, of ``peaking`` and shelves.
    q : float64 array
        For ``highpass`` and ``lowpass`` in decibels, as in the Web Audio API.
    """
    w = 2 * np.pi * frequency / SAMPLE_RATE
    cos, sin = np.cos(w), np.sin(w)
    level = linear(gain / 2)
    if kind == "peaking":
        alpha = sin / (2 * q)
        b = 1 + alpha * level, -2 * cos, 1 - alpha * level
        a = 1 + alpha / level, -2 * cos, 1 - alpha / level
    elif kind == "allpass":
        alpha = sin / (2 * q)
        b = 1 - alpha, -2 * cos, 1 + alpha
        a = 1 + alpha, -2 * cos, 1 - alpha
    elif kind in ("lowpass", "highpass"):
        alpha = sin / (2 * linear(q))
        edge = 1 - cos if kind == "lowpass" else 1 + cos
        b = edge / 2, edge if kind == "lowpass" else -edge, edge / 2
        a = 1 + alpha, -2 * cos, 1 - alpha
    else:
        cos = cos if kind == "lowshelf" else -cos  # a high shelf is a low shelf seen from the other end
        bend = 2 * np.sqrt(level) * sin * np.sqrt(0.5)
        up, down = level + 1, level - 1
        b = level * (up - down * cos + bend), 2 * level * (down - up * cos), level * (up - down * cos - bend)
        a = up + down * cos + bend, -2 * (down + up * cos), up + down * cos - bend
        if kind == "highshelf":
            b, a = (b[0], -b[1], b[2]), (a[0], -a[1], a[2])
    return np.stack(np.broadcast_arrays(*(each / a[0] for each in (*b, *a[1:]))))
