"""Compressor, limiter and gate have known gains in a steady state, and reach them in known times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from effect_samples import (
    SECOND,
    Sound,
    apart,
    band_limited,
    decibels,
    effect,
    impulse,
    noise,
    processed,
    sine,
)
from scipy.signal import firwin, resample_poly

TIMES = np.arange(1, SECOND + 1) / SECOND


def steady(level: float, seconds: float = 1.0) -> Sound:
    """Return a level in decibels that stays, in two channels; the second is 6 dB softer."""
    return np.full((2, round(seconds * SECOND)), 10 ** (level / 20)) * [[1], [10 ** (-6 / 20)]]


def settled(level: float, kind: str, **parameters: Any) -> list[float]:
    """Return the levels of both channels, once they do not change any more."""
    out = processed(steady(level), (effect(kind, attack=1.0, release=10.0, **parameters),))
    return [decibels(abs(value)) for value in out[:, -1]]


def compressed(level: float, threshold: float, ratio: float, knee: float) -> float:
    """Return the level that comes of a level, by the rule of the soft knee."""
    width, over = 20 * np.log10(knee), level - threshold
    if over <= -width:
        return level
    if over >= width:
        return threshold + over / ratio
    return level - (1 - 1 / ratio) * (over + width) ** 2 / (4 * width)


@pytest.mark.sample("1.0-1.0", "4.0-2.83", "20.0-8.0")
@pytest.mark.parametrize("knee", [1.0, 2.83, 8.0])
@pytest.mark.parametrize("ratio", [1.0, 4.0, 20.0])
def test_a_compressor_has_its_static_curve(ratio, knee):
    for level in range(-60, 7, 3):
        expected = [compressed(each, -24, ratio, knee) for each in (level, level - 6)]
        assert settled(level, "compressor", threshold=-24.0, ratio=ratio, knee=knee) == pytest.approx(
            expected, abs=1e-3
        )


def test_a_compressors_makeup_and_mix_are_levels():
    plain = settled(-10, "compressor", threshold=-30.0)[0]
    assert settled(-10, "compressor", threshold=-30.0, makeup=9.0)[0] == pytest.approx(plain + 9)
    half = 10 ** (settled(-10, "compressor", threshold=-30.0, makeup=9.0, mix=0.25)[0] / 20)
    assert half == pytest.approx(0.25 * 10 ** ((plain + 9) / 20) + 0.75 * 10 ** (-10 / 20))


def test_a_compressor_attacks_and_releases_exponentially():
    loud, soft, attack, release = 1.0, 0.1, 0.05, 0.2
    sound = np.full((2, 2 * SECOND), loud)
    sound[:, SECOND:] = soft
    out = processed(sound, (effect("compressor", threshold=-20.0, ratio=2.0, knee=1.0, attack=50.0, release=200.0),))
    reached = 1 - np.exp(-1 / attack)
    levels = np.concatenate((loud * (1 - np.exp(-TIMES / attack)), soft + (reached - soft) * np.exp(-TIMES / release)))
    gains = np.where(levels > 0.1, np.sqrt(0.1 / levels), 1)  # at a ratio of 2
    assert apart(out[0], sound[0] * gains) < 1e-9


def test_a_limiter_lets_through_what_its_attack_misses():
    out = processed(steady(12), (effect("limiter", limit=-6.0, attack=10.0, release=50.0, level_out=3.0),))
    loud, limit = 10 ** (12 / 20), 10 ** (-6 / 20)
    followed = loud * (1 - np.exp(-TIMES / 0.01))
    assert apart(out[0], loud * np.minimum(1, limit / followed) * 10 ** (3 / 20)) < 1e-9
    assert decibels(out[0, -1]) == pytest.approx(-3)
    assert out[0, 0] == pytest.approx(loud * 10 ** (3 / 20))


def test_a_limiter_leaves_soft_sound_alone():
    sound = noise(0.3, level=0.05)
    assert apart(processed(sound, (effect("limiter", limit=0.0),)), sound) < 1e-12


@pytest.mark.parametrize(("level", "heard"), [(-20, -20), (-34.9, -34.9), (-38, -44), (-41, -53), (-60, -84)])
def test_a_gate_has_its_static_curve(level, heard):
    """At a ratio of 3, each decibel below the threshold of -35 dB counts three times, down to a range of -24 dB."""
    assert settled(level, "gate", threshold=-35.0, ratio=3.0, range=-24.0)[0] == pytest.approx(heard, abs=1e-3)


def test_a_gate_closes_and_opens_exponentially():
    sound = np.full((2, 2 * SECOND), 1e-6)
    sound[:, SECOND:] = 1
    out = processed(sound, (effect("gate", range=-40.0, attack=0.01, release=100.0),))
    assert apart(out[0, :SECOND], 1e-6 * (0.01 + 0.99 * np.exp(-TIMES / 0.1))) < 1e-12
    assert apart(out[0, SECOND + 5 :], 1) < 1e-3


def test_silence_stays_silent():
    for kind in ("compressor", "limiter", "gate", "truepeak"):
        assert not processed(np.zeros((2, SECOND)), (effect(kind),)).any()


def true_peak(sound: Sound) -> float:
    """Measure the true peak, eight times oversampled, in decibels."""
    taps = firwin(8 * 2 * 64 + 1, 1 / 8, window=("kaiser", 10))
    return decibels(float(np.abs(resample_poly(sound, 8, 1, axis=1, window=taps)).max()))


def surrounded(sound: Sound) -> Sound:
    """Let a sound begin and end gradually, because a sudden edge has everything above 20 kHz."""
    fade = np.minimum(1, np.arange(sound.shape[1]) / 4800)
    return np.pad(sound * fade * fade[::-1], ((0, 0), (4800, 4800)))


LOUD = {
    "sine": sine(997, level=1.5),
    "between_samples": sine(12_000, level=1.4) + np.roll(sine(12_000, level=1.4), 1),
    "high": sine(19_001, level=2.0),
    "beats": sine(3000, level=2.0) * sine(7.0),
    "noise": band_limited(noise(level=0.8), 19_500),
    "square": band_limited(np.sign(sine(440.3)) * 1.5, 19_500),
    "clicks": band_limited(np.sum([impulse(at=n, level=5.0) for n in range(3000, 45_000, 3333)], axis=0), 19_500),
}


@pytest.mark.sample("noise-0.5", "between_samples-0.5", "clicks-0.5")
@pytest.mark.parametrize("lookahead", [0.5, *(pytest.param(each, marks=pytest.mark.slow) for each in (3.0, 10.0))])
@pytest.mark.parametrize("name", LOUD)
def test_the_true_peak_never_passes_its_ceiling(name, lookahead):
    for ceiling in (-1.0, -6.0):
        out = processed(
            surrounded(LOUD[name]),
            (effect("truepeak", ceiling=ceiling, lookahead=lookahead, release=10.0),),
        )
        assert ceiling - 0.2 < true_peak(out) <= ceiling


def test_sound_below_the_ceiling_passes_untouched_and_on_time():
    sound = noise(0.5, level=0.1)
    assert np.array_equal(processed(sound, (effect("truepeak", ceiling=0.0),)), sound)


def test_both_channels_have_one_gain():
    sound = np.stack([LOUD["noise"][0], 0.01 * LOUD["sine"][0]])
    out = processed(sound, (effect("truepeak"),))
    used = np.abs(sound) > 1e-3
    gains = np.where(used, out, 1) / np.where(used, sound, 1)
    both = used.all(axis=0)
    assert gains[0].min() < 0.9
    assert apart(gains[0, both], gains[1, both]) < 1e-9


def test_the_gain_comes_down_before_a_peak_and_recovers_after_it():
    sound = np.full((2, SECOND), 0.1)
    sound[:, SECOND // 2 : SECOND // 2 + 5] = 2
    gains = processed(sound, (effect("truepeak", ceiling=0.0, lookahead=5.0, release=100.0),))[0] / sound[0]
    ahead = 5 * SECOND // 1000
    assert apart(gains[: SECOND // 2 - ahead - 32], 1) < 1e-12
    assert (np.diff(gains[SECOND // 2 - ahead : SECOND // 2]) <= 1e-12).all()
    after = gains[SECOND // 2 + ahead + 32 :]
    assert apart(1 - after[4800:], (1 - after[:-4800]) * np.exp(-1)) < 1e-6  # a tenth of a second later
