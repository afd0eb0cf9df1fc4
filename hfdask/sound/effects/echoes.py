"""Effects that repeat, move or spread the sound in time: delay, chorus, pitch shift and reverb."""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import irfft, rfft
from scipy.signal import lfilter

from hfdask.core.sound import SAMPLE_RATE
from hfdask.sound.effects.kernels import echo
from hfdask.sound.effects.parts import Block, Knob, Oscillator, Past, Values, read_late

_LONGEST_DELAY = 5  # seconds
_FEEDBACK_LAG = 128  # samples, in Chromium's Web Audio: a loop goes round once in a block
_LONGEST_CHORUS = 0.11  # its longest delay and its largest depth
_GRAIN = SAMPLE_RATE // 10
_PARTITION = 16_384


class Delay:
    """The sound and its echoes. The first comes after ``time``, and each further one after ``time`` and 128 samples."""

    latency = 0

    def __init__(self, channels: int, time: Knob, feedback: Knob, mix: Knob) -> None:
        self._knobs = time, feedback, mix
        self._line = np.zeros((channels, _LONGEST_DELAY * SAMPLE_RATE + 2))
        self._returned = np.zeros((channels, _FEEDBACK_LAG))
        self._position = 0

    def process(self, block: Block, begin: int) -> Block:
        count = block.shape[1]
        time, feedback, mix = (knob.at(begin, count) for knob in self._knobs)
        wet = echo(block, time * (SAMPLE_RATE / 1000), feedback, self._line, self._returned, self._position)
        self._position += count
        return wet * mix + block * (1 - mix)


class Chorus:
    """The sound and a copy of it, whose delay an oscillator moves."""

    latency = 0

    def __init__(self, channels: int, delay: Knob, depth: Knob, speed: Knob, mix: Knob) -> None:
        self._knobs = delay, depth, mix
        self._oscillator = Oscillator(speed)
        self._longest = math.ceil(_LONGEST_CHORUS * SAMPLE_RATE)
        self._past = Past(channels, self._longest + 1)

    def process(self, block: Block, begin: int) -> Block:
        count = block.shape[1]
        delay, depth, mix = (knob.at(begin, count) for knob in self._knobs)
        moved = delay + depth * np.sin(2 * np.pi * self._oscillator.phases(begin, count))
        delays = np.clip(moved * (SAMPLE_RATE / 1000), 0, self._longest)
        return read_late(self._past.before(block), delays) * mix + block * (1 - mix)


class PitchShift:
    """The sound, read at another speed by two heads that jump back in turn, at a time when they are not heard.

    A grain is a tenth of a second. At the beginning, the sound fades from the original to the shifted one within a grain. Its
    delay of half a grain is not a `latency`, as in HyperFrames.
    """

    latency = 0

    def __init__(self, channels: int, *, semitones: float, mix: float) -> None:
        self._speed = (1 - 2 ** (semitones / 12)) / _GRAIN
        self._mix = mix
        self._count = 0
        self._past = Past(channels, _GRAIN + 2)

    def process(self, block: Block, begin: int) -> Block:
        if self._mix == 0 or self._speed == 0:
            return block
        numbers = np.arange(self._count, self._count + block.shape[1])
        self._count += block.shape[1]
        joined = self._past.before(block)
        wet = np.zeros_like(block)
        for head in (0, 0.5):
            phases = ((numbers + 1) * self._speed + head) % 1
            wet += read_late(joined, 1 + phases * _GRAIN) * np.sin(np.pi * phases)
        mix = self._mix * np.minimum(numbers / _GRAIN, 1)
        return block * (1 - mix) + wet * mix


class Reverb:
    """The sound and its convolution with the impulse of a room."""

    latency = _PARTITION

    def __init__(self, channels: int, *, size: float, damping: float, wet: Knob, dry: Knob) -> None:
        self._convolution = _Convolution(channels, impulse(size, damping))
        self._sound = Past(channels, self.latency)
        self._wet, self._dry = wet, dry

    def process(self, block: Block, begin: int) -> Block:
        wet, dry = (knob.at(begin - self.latency, block.shape[1]) for knob in (self._wet, self._dry))
        return self._convolution.process(block) * wet + self._sound.late(block) * dry


class _Convolution:
    """Convolve a sound with an impulse, late by a partition.

    Sound and impulse are cut into partitions of equal length, so that a sample does not depend on the blocks in which the sound
    comes. The spectra of partitions are multiplied and summed.
    """

    def __init__(self, channels: int, taps: Values) -> None:
        count = math.ceil(taps.size / _PARTITION)
        padded = np.pad(taps, (0, count * _PARTITION - taps.size)).reshape(count, _PARTITION)
        self._taps = rfft(padded, 2 * _PARTITION)
        self._spectra = np.zeros((count, channels, _PARTITION + 1), complex)
        self._sound = np.zeros((channels, 2 * _PARTITION))  # the last partition, and the next one, which fills up
        self._out = np.zeros((channels, _PARTITION))
        self._filled = 0
        self._newest = 0

    def process(self, block: Block) -> Block:
        out = np.empty_like(block)
        done = 0
        while done < block.shape[1]:
            count = min(_PARTITION - self._filled, block.shape[1] - done)
            out[:, done : done + count] = self._out[:, self._filled : self._filled + count]
            self._sound[:, _PARTITION + self._filled :][:, :count] = block[:, done : done + count]
            self._filled += count
            done += count
            if self._filled == _PARTITION:
                self._turn()
        return out

    def _turn(self) -> None:
        count = self._taps.shape[0]
        self._newest = (self._newest - 1) % count
        self._spectra[self._newest] = rfft(self._sound)
        total = np.zeros_like(self._spectra[0])
        for age in range(count):
            total += self._spectra[(self._newest + age) % count] * self._taps[age]
        self._out = irfft(total, 2 * _PARTITION)[:, _PARTITION:]
        self._sound[:, :_PARTITION] = self._sound[:, _PARTITION:]
        self._filled = 0


def impulse_length(size: float) -> int:
    """Return the samples of a room's impulse."""
    return math.floor(SAMPLE_RATE * (0.6 + 2.6 * size))


def impulse(size: float, damping: float) -> Values:
    """Return the impulse of a room: fading noise of unit energy.

    The noise comes from a linear congruential generator, whose seed is made of both parameters, so a room always sounds the same.
    """
    length = impulse_length(size)
    seed = math.floor(size * 1000 + 0.5) * 2654435761 + math.floor(damping * 1000 + 0.5) * 40503
    powers = np.cumprod(np.full(length, 1664525, np.uint32), dtype=np.uint32)
    sums = np.cumsum(np.concatenate((np.ones(1, np.uint32), powers[:-1])), dtype=np.uint32)
    numbers = powers * np.uint32(seed % 2**32) + sums * np.uint32(1013904223)
    noise = numbers / 0xFFFFFFFF * 2 - 1
    passed = max(0.001, 1 - damping)
    fading = lfilter([passed], [1, passed - 1], noise) * (1 - np.arange(length) / length) ** 2.5
    return np.asarray(fading / np.sqrt(np.sum(fading * fading)))
