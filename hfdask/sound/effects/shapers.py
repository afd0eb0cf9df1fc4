"""Effects that change the form of the wave: saturation and a coarser resolution."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.signal import firwin

from hfdask.sound.effects.kernels import fir, look_up
from hfdask.sound.effects.parts import Block, Knob, Past, Values, linear

_POINTS = 8192  # of the curve
_REACH = 20  # samples on each side from which a value between samples is made
_BETA = 10.0  # of the Kaiser window: 100 dB

_SHAPES: dict[str, Callable[[Values], Values]] = {
    "tanh": np.tanh,
    "atan": lambda x: 2 / np.pi * np.arctan(np.pi / 2 * x),
    "cubic": lambda x: np.where(np.abs(x) < 1, x - x**3 / 3, np.sign(x)),
    "exp": lambda x: np.sign(x) * (1 - np.exp(-np.abs(x))),
    "alg": lambda x: x / np.sqrt(1 + x * x),
    "quintic": lambda x: np.where(np.abs(x) < 1, x - x**5 / 5, np.sign(x)),
    "sin": lambda x: np.where(np.abs(x) < 1, np.sin(np.pi / 2 * x), np.sign(x)),
    "erf": lambda x: np.tanh(1.20211 * x),
    "hard": lambda x: np.clip(x, -1, 1),
}


class Saturate:
    """A curve through which each sample goes. With oversampling, also values between samples go through it."""

    def __init__(self, channels: int, *, shape: str, threshold: float, output: Knob, oversample: float) -> None:
        top = 10 ** (threshold / 20)
        self._curve = _SHAPES[shape](np.linspace(-1, 1, _POINTS) / top) * top
        self._output = output
        self._factor = 4 if oversample >= 4 else 2 if oversample >= 2 else 1
        self.latency = 2 * _REACH if self._factor > 1 else 0
        self._up, self._down = _filters(self._factor) if self._factor > 1 else ([], [])
        self._sound = Past(channels, 2 * _REACH)
        self._shaped = [Past(channels, 2 * _REACH) for _ in self._up]

    def process(self, block: Block, begin: int) -> Block:
        shaped = look_up(block, self._curve) if self._factor == 1 else self._oversampled(block)
        return shaped * linear(self._output.at(begin - self.latency, block.shape[1]))

    def _oversampled(self, block: Block) -> Block:
        sound = self._sound.before(block)
        out = np.zeros_like(block)
        for up, down, past in zip(self._up, self._down, self._shaped, strict=True):
            out += fir(past.before(look_up(fir(sound, up), self._curve)), down)
        return out


class Bitcrush:
    """Rounds samples to fewer bits, and holds each for some samples."""

    latency = 0

    def __init__(self, channels: int, *, bits: float, samples: float, mix: float) -> None:
        self._levels = 2 ** (bits - 1)
        self._hold = math.floor(samples + 0.5)
        self._mix = mix
        self._count = 0
        self._held = np.zeros((channels, 1))

    def process(self, block: Block, begin: int) -> Block:
        rounded = np.floor(block * self._levels + 0.5) / self._levels
        numbers = np.arange(self._count, self._count + block.shape[1])
        first = (
            numbers - numbers % self._hold - self._count
        )  # of the samples with the same value; -1 and less are of the past
        values = np.concatenate((self._held, rounded), axis=1)[:, np.maximum(first, -1) + 1]
        self._count += block.shape[1]
        self._held = values[:, -1:].copy()
        return values * self._mix + block * (1 - self._mix)


def _filters(factor: int) -> tuple[list[Values], list[Values]]:
    """Return, for each place between two samples, the taps that make its values from samples, and samples from its values.

    Both belong to one low-pass with linear phase, which passes 20 kHz and stops at 28 kHz.
    """
    taps = firwin(2 * _REACH * factor + 1, 1 / factor, window=("kaiser", _BETA))
    padded = np.concatenate((np.zeros(factor), taps, np.zeros(factor)))
    length = (2 * _REACH + 1) * factor
    up = [factor * padded[factor + place :][:length:factor].copy() for place in range(factor)]
    down = [padded[factor - place :][:length:factor].copy() for place in range(factor)]
    return up, down
