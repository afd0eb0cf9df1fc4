"""Saturation and bitcrush send each sample through known curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from effect_samples import SECOND, Sound, apart, band_limited, decibels, effect, lane, noise, processed, sine
from scipy.special import erf

RAMP = np.tile(np.linspace(-1, 1, 4801), (2, 1))
"""Each level once."""


def clamped(inside: Sound, x: Sound) -> Sound:
    return np.where(np.abs(x) < 1, inside, np.sign(x))


CURVES = {
    "tanh": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "atan": lambda x: np.angle(1 + 1j * x * math.pi / 2) * 2 / math.pi,
    "cubic": lambda x: clamped(x - x * x * x / 3, x),
    "exp": lambda x: np.where(x < 0, np.exp(x) - 1, 1 - np.exp(-x)),
    "alg": lambda x: np.sin(np.arctan(x)),
    "quintic": lambda x: clamped(x - x * x * x * x * x / 5, x),
    "sin": lambda x: clamped(np.cos(np.pi / 2 * (1 - x)), x),
    "hard": lambda x: np.minimum(np.maximum(x, -1), 1),
}


@pytest.mark.parametrize("shape", CURVES)
def test_a_shape_has_its_curve_scaled_by_the_threshold(shape):
    top = 10 ** (-8 / 20)
    out = processed(RAMP, (effect("saturate", type=shape, threshold=-8.0, oversample=1.0),))
    smooth = np.abs(np.abs(RAMP) / top - 1) > 1e-3  # some curves have a corner or a step at the threshold
    assert apart(out[smooth], (CURVES[shape](RAMP / top) * top)[smooth]) < 1e-6


def test_the_error_function_is_nearly_one():
    out = processed(RAMP, (effect("saturate", type="erf", threshold=0.0, oversample=1.0),))
    assert apart(out, erf(RAMP)) < 0.03


def test_what_is_beyond_full_scale_has_the_curves_end():
    out = processed(3 * RAMP, (effect("saturate", type="tanh", threshold=0.0, oversample=1.0),))
    assert apart(out[:, 0], -np.tanh(1)) < 1e-12
    assert apart(out[:, -1], np.tanh(1)) < 1e-12


def test_the_output_is_a_level_and_moves():
    sound = noise(1)
    plain = processed(sound, (effect("saturate"),))
    assert apart(processed(sound, (effect("saturate", output=6.0),)), plain * 10 ** (6 / 20)) < 1e-12
    faded = processed(sound, (effect("saturate"),), (lane("fx.a.output", (0, 0), (1, -20)),))
    assert apart(faded, plain * 10 ** (-np.arange(SECOND) / SECOND)) < 1e-12


@pytest.mark.parametrize("oversample", [2.0, 4.0, 8.0])
def test_oversampling_neither_delays_nor_colours_soft_sound(oversample):
    sound = 1e-4 * band_limited(noise(0.5), 18_000)
    out = processed(sound, (effect("saturate", type="tanh", threshold=0.0, oversample=oversample),))
    assert apart(out[:, 100:-100], sound[:, 100:-100]) < 2e-5 * np.abs(sound).max()


def aliased(oversample: float) -> float:
    """Return the level of the alias of a clipped sine of 9.5 kHz: its fifth harmonic, 47.5 kHz, comes out at 500 Hz."""
    out = processed(sine(9500), (effect("saturate", type="hard", threshold=-6.0, oversample=oversample),))
    spectrum = np.abs(np.fft.rfft(out[0] * np.hanning(SECOND)))
    return decibels(spectrum[500] / spectrum[9500])


def test_oversampling_keeps_aliases_down():
    assert aliased(1.0) > -30
    assert aliased(1.9) > -30
    assert aliased(2.0) < -65
    assert aliased(4.0) < -80


def test_bits_are_levels():
    out = processed(RAMP, (effect("bitcrush", bits=3.0),))
    assert np.unique(out).tolist() == [n / 4 for n in range(-4, 5)]
    assert apart(out, RAMP) <= 1 / 8
    assert apart(processed(RAMP, (effect("bitcrush", bits=24.0),)), RAMP) <= 2**-24


def test_samples_are_held_and_mixed():
    sound = noise(0.01)
    held = processed(sound, (effect("bitcrush", bits=32.0, samples=5.0),), blocks=[3, 1, 6, 4])
    assert apart(held, np.repeat(sound[:, ::5], 5, axis=1)) < 1e-9
    mixed = processed(sound, (effect("bitcrush", bits=32.0, samples=5.0, mix=0.25),))
    assert apart(mixed, 0.25 * held + 0.75 * sound) < 1e-9
