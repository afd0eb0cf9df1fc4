"""Effects and lanes of a few words, sounds to send through them, and ways to measure what comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE, Chain, Effect, EffectType, Lane, LanePoint, Lanes
from hfdask.sound.effects import ChainProcessor

SECOND = SAMPLE_RATE
Sound = NDArray[np.float64]


def effect(kind: str, *, id: str = "a", preset: str | None = None, amount: float = 1.0, **parameters: Any) -> Effect:
    return Effect(id=id, type=cast(EffectType, kind), parameters=parameters, preset=preset, amount=amount)


def lane(target: str, *points: tuple[float, float], curve: float = 0.0, via: tuple[float, float] | None = None) -> Lane:
    return Lane(target=target, points=tuple(LanePoint(t=t, v=v, curve=curve, via=via) for t, v in points))


def processed(
    sound: Sound, chain: Chain, lanes: Lanes = (), *, begin: int = 0, blocks: Iterable[int] = (), tail: int = 0
) -> Sound:
    """Return a sound after a chain, aligned with the sound, and ``tail`` samples longer.

    ``blocks`` are lengths of the first blocks; everything else is one block.
    """
    processor = ChainProcessor(chain, lanes, sound.shape[0])
    whole = np.pad(sound, ((0, 0), (0, processor.latency + tail)))
    out, done = [], 0
    for length in [*blocks, whole.shape[1]]:
        out.append(processor.process(whole[:, done : done + length], begin + done))
        done += out[-1].shape[1]
    return np.concatenate(out, axis=1)[:, processor.latency :]


def sine(frequency: float, seconds: float = 1.0, level: float = 1.0) -> Sound:
    """Return a sine in two channels; the second has half the level."""
    wave = level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * SECOND)) / SECOND)
    return np.stack([wave, wave / 2])


def noise(seconds: float = 1.0, level: float = 0.2, seed: int = 0) -> Sound:
    return np.random.default_rng(seed).normal(size=(2, round(seconds * SECOND))) * level


def band_limited(sound: Sound, highest: float) -> Sound:
    """Return a sound without anything above a frequency."""
    spectrum = np.fft.rfft(sound)
    spectrum[:, np.fft.rfftfreq(sound.shape[1], 1 / SECOND) > highest] = 0
    return np.fft.irfft(spectrum, sound.shape[1])


def impulse(seconds: float = 1.0, at: int = 0, level: float = 1.0) -> Sound:
    """Return one sample in silence, in two channels; the second has half the level."""
    sound = np.zeros((2, round(seconds * SECOND)))
    sound[:, at] = level, level / 2
    return sound


def rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound * sound)))


def decibels(factor: float) -> float:
    return float(20 * np.log10(factor))


def apart(one: NDArray[Any], other: NDArray[Any] | float) -> float:
    """Return the largest difference of two sounds."""
    return float(np.abs(one - other).max())
