"""Delay, chorus, pitch shift and reverb put sound at known times, with known levels."""

from __future__ import annotations

import numpy as np
import pytest
from effect_samples import SECOND, Sound, apart, decibels, effect, impulse, lane, noise, processed, rms, sine
from scipy.signal import fftconvolve

from hfdask.sound.effects import ChainProcessor
from hfdask.sound.effects.echoes import impulse as room

SLOPE = np.tile(np.arange(SECOND, dtype=float), (2, 1))
"""A sound whose value is its time in samples, so a delayed copy shows its delay."""


def sounding(sound: Sound) -> dict[int, float]:
    """Return the samples of the left channel that are not silent."""
    return {int(at): float(sound[0, at]) for at in np.flatnonzero(np.abs(sound[0]) > 1e-9)}


def test_echoes_come_at_their_times_with_their_levels():
    out = processed(impulse(), (effect("delay", time=100.0, feedback=0.5, mix=0.4),))
    echoes = {4800 * n + 128 * (n - 1): 0.4 * 0.5 ** (n - 1) for n in range(1, 10)}
    assert sounding(out) == pytest.approx({0: 0.6, **echoes})
    assert apart(out[1], out[0] / 2) < 1e-15


def test_the_shortest_and_the_longest_echo():
    short = processed(impulse(0.01), (effect("delay", time=1.0, feedback=0.5, mix=0.5),))
    assert list(sounding(short)) == [0, 48, 224, 400]
    long = processed(impulse(5.5), (effect("delay", time=5000.0, mix=0.5),))
    assert list(sounding(long)) == [0, 240_000]


def test_a_time_between_samples_is_interpolated():
    out = processed(SLOPE, (effect("delay", time=333.33, mix=1.0),))
    assert apart(out[:, 16_001:31_000], SLOPE[:, 16_001:31_000] - 333.33 * 48) < 1e-9


def test_a_delays_lanes_move_its_time_its_feedback_and_its_mix():
    moved = processed(SLOPE, (effect("delay", mix=1.0),), (lane("fx.a.time", (0, 400), (1, 900)),))
    times = 400 * (900 / 400) ** (np.arange(SECOND) / SECOND) * 48  # the logarithm of the time is interpolated
    first = slice(36_000, 40_000)  # the first echo, not yet the second one
    assert apart(moved[0, first], np.arange(SECOND)[first] - times[first]) < 1e-6
    mixed = processed(SLOPE, (effect("delay", time=500.0),), (lane("fx.a.mix", (0, 0), (1, 1)),))
    mix = np.arange(SECOND) / SECOND
    expected = SLOPE[0] * (1 - mix) + np.maximum(SLOPE[0] - 24_000, 0) * mix
    assert apart(mixed[0], expected) < 1e-6
    fed = processed(
        impulse(), (effect("delay", time=200.0, mix=1.0),), (lane("fx.a.feedback", (0.5, 0.9), (0.51, 0.1)),)
    )
    assert sounding(fed) == pytest.approx({9600: 1, 19_328: 0.9, 29_056: 0.81, 38_784: 0.081}, rel=1e-3)


def test_a_chorus_moves_its_delay_by_a_sine():
    out = processed(SLOPE, (effect("chorus", delay=20.0, depth=5.0, speed=2.0, mix=0.25),))
    delays = 48 * (20 + 5 * np.sin(2 * np.pi * 2 * np.arange(SECOND) / SECOND))
    assert apart(out[0, 2000:], (SLOPE[0] - 0.25 * delays)[2000:]) < 1e-8


def test_a_choruss_lanes_move_all_its_parameters():
    lanes = (
        lane("fx.a.delay", (0, 10), (1, 20)),
        lane("fx.a.depth", (0, 0), (1, 8)),
        lane("fx.a.speed", (0, 1), (1, 3)),
        lane("fx.a.mix", (0, 0), (1, 1)),
    )
    out = processed(SLOPE, (effect("chorus"),), lanes)
    t = np.arange(SECOND) / SECOND
    delays = 48 * (10 + 10 * t + 8 * t * np.sin(2 * np.pi * (t + t * t)))  # the phase is the integral of the speed
    assert apart(out[0, 2000:], (SLOPE[0] - t * delays)[2000:]) < 0.2


def test_a_choruss_delay_is_never_negative():
    out = processed(SLOPE, (effect("chorus", delay=1.0, depth=10.0, mix=1.0),))
    assert (out[:, 1000:] <= SLOPE[:, 1000:] + 1e-9).all()


@pytest.mark.parametrize("semitones", [-12, -5, 4, 7, 12])
def test_a_pitch_is_shifted_by_semitones(semitones):
    out = processed(sine(1000, 4), (effect("pitchshift", semitones=float(semitones)),))[0, SECOND:]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
    assert np.argmax(spectrum) / 3 == pytest.approx(1000 * 2 ** (semitones / 12), abs=25)  # sidebands of grains


def test_a_pitch_shift_of_nothing_changes_nothing():
    sound = noise(0.3)
    assert np.array_equal(processed(sound, (effect("pitchshift", semitones=0.0),)), sound)
    assert np.array_equal(processed(sound, (effect("pitchshift", semitones=5.0, mix=0.0),)), sound)


def test_a_pitch_shift_fades_in_from_the_original_and_mixes():
    sound = np.tile(sine(100, 1)[:1], (2, 1))
    wet = processed(sound, (effect("pitchshift", semitones=3.0),))
    assert apart(wet[:, :5], sound[:, :5]) < 1e-2
    half = processed(sound, (effect("pitchshift", semitones=3.0, mix=0.5),))
    assert apart(half[:, 4800:], (0.5 * (wet + sound))[:, 4800:]) < 1e-12


def test_the_heads_of_a_pitch_shift_are_heard_in_turn():
    """Both heads read a constant, so the sum of their windows comes out: from 1, when one is heard, to the root of 2."""
    wet = processed(np.ones((2, SECOND)), (effect("pitchshift", semitones=12.0),))[0, 4800:]
    phases = (-np.arange(4801, SECOND + 1) / 4800) % 1
    assert apart(wet, np.sin(np.pi * phases) + np.abs(np.cos(np.pi * phases))) < 1e-9


@pytest.mark.parametrize(("size", "damping"), [(0.05, 0.0), (0.3, 0.25), (1.0, 1.0)])
def test_a_room_has_unit_energy_its_length_and_its_decay(size, damping):
    taps = room(size, damping)
    assert taps.size == int(48_000 * (0.6 + 2.6 * size) + 1e-6)
    assert np.sum(taps * taps) == pytest.approx(1)
    left = np.cumsum((taps * taps)[::-1])[::-1]  # of the energy, at each time
    for share in (0.25, 0.5):
        assert left[int(share * taps.size)] == pytest.approx((1 - share) ** 6, rel=0.25 if damping < 1 else 0.9)


def test_a_room_begins_with_the_noise_of_its_generator():
    seed = (300 * 2654435761 + 250 * 40503) % 2**32
    values, passed = [], 0.0
    taps = room(0.3, 0.25)
    for n in range(1000):
        seed = (seed * 1664525 + 1013904223) % 2**32
        passed += 0.75 * (seed / (2**32 - 1) * 2 - 1 - passed)
        values.append(passed * (1 - n / taps.size) ** 2.5)
    taps = taps[:1000]
    assert apart(taps / np.linalg.norm(taps), np.array(values) / np.linalg.norm(values)) < 1e-9


def test_damping_takes_the_highs():
    bright, dull = (np.abs(np.fft.rfft(room(0.2, damping))) for damping in (0.0, 0.9))
    assert decibels(rms(dull[-5000:]) / rms(bright[-5000:])) == pytest.approx(decibels(np.sqrt(0.1 / 1.9)), abs=1)


def test_a_reverb_is_the_sound_and_its_convolution_with_the_room():
    sound = noise(1.5)
    out = processed(sound, (effect("reverb", size=0.3, damping=0.25, wet=0.35, dry=0.7),), tail=70_000)
    padded = np.pad(sound, ((0, 0), (0, 70_000)))
    expected = 0.35 * fftconvolve(padded, room(0.3, 0.25)[np.newaxis], axes=1)[:, : padded.shape[1]] + 0.7 * padded
    assert apart(out, expected) < 1e-12


def test_a_reverbs_lanes_move_wet_and_dry_in_time_with_the_sound():
    sound = noise(1)
    lanes = (lane("fx.a.wet", (0, 0), (1, 1)), lane("fx.a.dry", (0.5, 1), (0.75, 0)))
    moved = processed(sound, (effect("reverb", size=0.1),), lanes)
    wet, dry = (processed(sound, (effect("reverb", size=0.1, wet=w, dry=1 - w),)) for w in (1.0, 0.0))
    t = np.arange(SECOND) / SECOND
    assert apart(moved, wet * t + dry * np.clip(3 - 4 * t, 0, 1)) < 1e-12
    assert ChainProcessor((effect("reverb"),), ()).latency > 0
