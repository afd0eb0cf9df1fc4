"""Gain and filters have the responses of their analog models, also while a lane moves them."""

from __future__ import annotations

import numpy as np
import pytest
from effect_samples import SECOND, Sound, apart, decibels, effect, impulse, lane, noise, processed, rms, sine
from numpy.typing import NDArray
from scipy.signal import sosfilt

from hfdask.core.sound import Effect, Lanes
from hfdask.sound.effects.filters import coefficients
from hfdask.sound.registry import PARAMETERS

SETTINGS = [(1000.0, 6.0, 2.0), (120.0, -12.0, 0.5), (1900.0, 18.0, 9.0)]


def response(of: Effect, lanes: Lanes = ()) -> NDArray[np.complex128]:
    """Return the response at 1, 2, 3 ... Hz below half of the sampling rate."""
    return np.fft.rfft(processed(impulse(), (of,), lanes)[0])[1:-1]


def analog(frequency: float) -> NDArray[np.complex128]:
    """Return the place on the imaginary axis of each frequency, relative to a filter's frequency, by the bilinear transform."""
    return 1j * np.tan(np.pi * np.arange(1, SECOND // 2) / SECOND) / np.tan(np.pi * frequency / SECOND)


def model(kind: str, frequency: float, gain: float, q: float) -> NDArray[np.complex128]:
    s, a = analog(frequency), 10 ** (gain / 40)
    resonance = 10 ** (q / 20)  # of a pass filter, in decibels
    shelf = s * np.sqrt(2 * a)
    models = {
        "peaking": (s * s + s * a / q + 1) / (s * s + s / (a * q) + 1),
        "lowshelf": a * (s * s + shelf + a) / (a * s * s + shelf + 1),
        "highshelf": a * (a * s * s + shelf + 1) / (s * s + shelf + a),
        "highpass": s * s / (s * s + s / resonance + 1),
        "lowpass": 1 / (s * s + s / resonance + 1),
    }
    return models[kind]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", ["peaking", "lowshelf", "highshelf", "highpass", "lowpass"])
def test_a_filter_has_the_response_of_its_model(kind, setting):
    frequency, gain, q = setting
    frequency = max(frequency, 500) if kind == "highshelf" else frequency
    heard = response(
        effect(
            kind,
            frequency=frequency,
            **{name: value for name, value in (("gain", gain), ("q", q)) if name in PARAMETERS[kind]},
        )
    )
    assert apart(heard, model(kind, frequency, gain, q)) < 1e-4 * 10 ** (max(gain, q) / 20)


def test_a_filter_is_exact_at_its_frequency_and_far_from_it():
    assert decibels(abs(response(effect("peaking", frequency=1000.0, gain=6.0, q=3.0))[999])) == pytest.approx(6)
    assert decibels(abs(response(effect("lowpass", frequency=1000.0, q=5.0))[999])) == pytest.approx(5, abs=1e-6)
    assert decibels(abs(response(effect("lowshelf", frequency=800.0, gain=-9.0))[0])) == pytest.approx(-9, abs=1e-3)
    assert decibels(abs(response(effect("highshelf", frequency=800.0, gain=-9.0))[-1])) == pytest.approx(-9, abs=1e-3)


@pytest.mark.parametrize("frequency", [100.0, 5000.0, 20_000.0])
def test_one_pole_has_six_decibels_an_octave(frequency):
    s = analog(frequency)
    assert apart(response(effect("lowpass", frequency=frequency, poles="1")), 1 / (1 + s)) < 1e-5
    assert apart(response(effect("highpass", frequency=frequency, poles="1")), s / (1 + s)) < 1e-5


def test_filters_agree_with_scipy():
    sound = noise(0.5)
    for kind in ("peaking", "lowshelf", "highshelf", "highpass", "lowpass"):
        b0, b1, b2, a1, a2 = coefficients(kind, np.array([700.0]), np.array([5.0]), np.array([1.2]))[:, 0]
        theirs = sosfilt([[b0, b1, b2, 1, a1, a2]], sound)
        assert apart(processed(sound, (effect(kind, frequency=700.0, gain=5.0, q=1.2),)), theirs) < 1e-10


def test_channels_do_not_mix():
    sound = noise(0.1)
    left = np.stack([sound[0], np.zeros_like(sound[0])])
    out = processed(left, (effect("peaking", gain=12.0), effect("phaser"), effect("compressor")))
    assert not out[1].any()
    peak = (effect("peaking", gain=12.0),)
    assert np.array_equal(processed(sound, peak)[1], processed(sound[::-1], peak)[0])


def test_filters_fall_silent():
    """Values that only become smaller and smaller would take far more time than zero."""
    sound = np.pad(noise(0.1), ((0, 0), (0, 3 * SECOND)))
    for kind in ("peaking", "lowshelf", "highpass", "lowpass", "phaser", "delay"):
        assert not processed(sound, (effect(kind, frequency=100.0, time=1.0),))[:, -SECOND:].any()


def test_a_gain_is_in_decibels():
    sound = noise(0.1)
    assert apart(processed(sound, (effect("gain", gain=-6.0),)), sound * 10 ** (-6 / 20)) < 1e-12
    moved = processed(np.ones((2, SECOND)), (effect("gain"),), (lane("fx.a.gain", (0, 0), (1, -40)),))
    assert apart(moved[0], 10 ** (-2 * np.arange(SECOND) / SECOND)) < 1e-12


def test_a_lane_that_stays_is_the_same_as_a_parameter():
    sound = noise(0.2)
    for kind in ("peaking", "lowpass"):
        fixed = processed(sound, (effect(kind, frequency=640.0),))
        assert np.array_equal(processed(sound, (effect(kind),), (lane("fx.a.frequency", (0, 640)),)), fixed)


def test_a_moving_filter_has_at_each_time_the_response_of_that_time():
    cutoff = lane("fx.a.frequency", (0, 200), (8, 12_800))  # an octave in 4/3 of a second
    heard = processed(sine(1500, 8), (effect("lowpass", q=3.0),), (cutoff,))[0]
    for second in (1, 3, 4, 6, 7.5):
        at = round(second * SECOND)
        level = rms(heard[at - 800 : at + 800]) * np.sqrt(2)
        assert level == pytest.approx(abs(model("lowpass", 200 * 2 ** (0.75 * second), 0, 3)[1499]), rel=0.03)


def test_a_moving_filter_does_not_click():
    for kind, target in (("peaking", "gain"), ("highpass", "q"), ("lowshelf", "frequency")):
        moved = processed(
            sine(50, 1), (effect(kind, frequency=100.0, gain=0.0),), (lane(f"fx.a.{target}", (0.2, 15), (0.8, 20)),)
        )
        spectrum = np.abs(np.fft.rfft(moved[0] * np.hanning(SECOND)))
        assert decibels(spectrum[2000:].max() / spectrum.max()) < -120


def phaser_model(center: float) -> Sound:
    s = analog(center)
    stage = (s * s - s / 0.7071 + 1) / (s * s + s / 0.7071 + 1)
    return np.abs(0.5 * 1.5 * (1 + stage**6))


def test_a_phaser_without_sweep_has_notches():
    heard = response(effect("phaser", in_gain=0.5, out_gain=1.5, delay=2.0, decay=0.0))
    assert apart(np.abs(heard), phaser_model(500)) < 1e-6
    assert np.abs(heard).min() < 0.001


@pytest.mark.parametrize(("wave", "shares"), [("0", (0.5, 1, 0, -1)), ("1", (np.sqrt(0.5), 1, 0, -1))])
def test_a_phaser_sweeps_by_its_wave(wave, shares):
    of = effect("phaser", in_gain=0.5, out_gain=1.5, delay=1.0, decay=0.6, speed=0.1, type=wave)
    heard = processed(sine(700, 10), (of,))[0]
    for second, share in zip((1.25, 2.5, 5, 7.5), shares, strict=True):
        at = round(second * SECOND)
        level = rms(heard[at - 480 : at + 480]) * np.sqrt(2)
        assert level == pytest.approx(phaser_model(1000 * (1 + 0.6 * share))[699], abs=0.05)


def test_a_phasers_lanes_move_its_gains_and_its_speed():
    sound = noise(1)
    loud = processed(sound, (effect("phaser", in_gain=0.5, out_gain=1.0),))
    faded = processed(sound, (effect("phaser", in_gain=0.5),), (lane("fx.a.out_gain", (0, 1), (1, 0)),))
    assert apart(faded, loud * (1 - np.arange(SECOND) / SECOND)) < 1e-12
    slow = processed(sound, (effect("phaser", speed=0.5),))
    sped = processed(sound, (effect("phaser"),), (lane("fx.a.speed", (0, 0.5)),))
    assert apart(sped, slow) < 1e-9
    # From 0 to 2 Hz in a second, an oscillator has turned once, as one of 1 Hz.
    assert processed(sound, (effect("phaser", speed=1.0, decay=0.9),))[0, -1] == pytest.approx(
        processed(sound, (effect("phaser", decay=0.9),), (lane("fx.a.speed", (0, 0), (1, 2)),))[0, -1], abs=0.01
    )
