"""At other rates sound keeps its pitch, its level and its times, also if a clip is stretched in pieces."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from sound_samples import RATE, click_times, tone, tone_of, write_sound
from track_samples import mixed, track

from hfdask.core.video_clip import RatePoint, played_seconds
from hfdask.sound import playback

AT = tuple(range(24_000, 12 * RATE, 24_000))
RATES = (0.5, 1.25, 2.0)


@pytest.fixture(scope="module")
def clicks_file(tmp_path_factory):
    sound = np.zeros((2, 12 * RATE), np.float32)
    sound[:, list(AT)] = 0.9
    return write_sound(tmp_path_factory.mktemp("clicks") / "a.wav", sound)


@pytest.fixture(scope="module")
def tone_file(tmp_path_factory):
    return write_sound(tmp_path_factory.mktemp("tone") / "a.wav", tone(440, 26))


def levels_of(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the amplitude of a tone, for each 100 ms of the first channel."""
    squares = sound[0, : sound.shape[1] // 4800 * 4800].reshape(-1, 4800) ** 2
    return np.asarray(np.sqrt(2 * squares.mean(axis=1)))


@pytest.mark.sample("0.0-0.5", "1.3337-2.0")
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("media_start", [0.0, 1.3337])
def test_clicks_are_within_a_sample_of_their_times(rate, media_start, clicks_file):
    seconds = (12 - media_start) / rate + 1
    _, sound = mixed(clicks_file, [track(start=1.0, end=seconds, media_start=media_start, rate=rate)], seconds)
    times = [round(RATE + (at - media_start * RATE) / rate) for at in AT if at > media_start * RATE + 6000]
    assert max(abs(found - time) for found, time in zip(click_times(sound, times), times, strict=True)) <= 1


@pytest.mark.sample("0.5-4.0", "1.25-0.4")
@pytest.mark.parametrize(("rate", "pace"), [(1.25, 0.4), (0.5, 2.0), (2.0, 0.625), (0.5, 4.0)])
def test_rates_of_clip_and_host_multiply(rate, pace, clicks_file):
    both = rate * pace
    _, sound = mixed(clicks_file, [track(end=10.0, rate=rate, pace=pace)], 10)
    times = [round(at / both) for at in AT if at / both < 9.5 * RATE]
    if both == 1:
        assert all(sound[0, time] == pytest.approx(0.9, abs=1e-6) for time in times)
    else:
        assert max(abs(found - time) for found, time in zip(click_times(sound, times), times, strict=True)) <= 1


@pytest.mark.sample("0.5")
@pytest.mark.parametrize("rate", RATES)
def test_tones_keep_pitch_and_level_where_pieces_meet(rate, tone_file):
    assert playback.MAX_PIECE == 5 * RATE
    seconds = min(26 / rate, 16)
    _, sound = mixed(tone_file, [track(end=seconds, rate=rate)], seconds)
    inside = sound[:, RATE // 2 : -RATE // 2]
    assert abs(1200 * np.log2(tone_of(inside)[0] / 440)) < 1
    assert np.abs(20 * np.log10(levels_of(inside) / 0.5)).max() < 0.1


@pytest.mark.slow
def test_chords_keep_their_level_where_pieces_meet(tmp_path):
    tones = (220.0, 277.2, 329.6, 1318.5)
    path = write_sound(tmp_path / "a.wav", np.sum([tone(each, 14, level=0.2) for each in tones], axis=0))
    _, sound = mixed(path, [track(end=11.2, rate=1.25)], 11.2)
    window = np.hanning(9600) / np.hanning(9600).sum()
    parts = np.lib.stride_tricks.sliding_window_view(sound[0], 9600)[24_000:-24_000:960]
    for each in tones:
        levels = 2 * np.abs(parts @ (window * np.exp(-2j * np.pi * each * np.arange(9600) / RATE)))
        assert np.abs(20 * np.log10(levels / 0.2)).max() < 1


def test_a_speed_ramp_keeps_the_pitch_and_follows_its_integral(clicks_file, tone_file):
    ramp = (RatePoint(t=1.0, v=1.0), RatePoint(t=5.0, v=2.0, curve=0.3))
    _, sound = mixed(tone_file, [track(end=10.0, ramp=ramp)], 10)
    inside = sound[:, RATE // 2 : -RATE // 2]
    assert abs(1200 * np.log2(tone_of(inside)[0] / 440)) < 1
    assert np.abs(20 * np.log10(levels_of(inside) / 0.5)).max() < 0.5
    _, sound = mixed(clicks_file, [track(end=7.0, ramp=ramp)], 7)
    grid = np.arange(7 * 100) / 100
    played = [float(played_seconds(1.0, ramp, Fraction(t).limit_denominator(100))) for t in grid]
    times = [round(float(np.interp(at / RATE, played, grid)) * RATE) for at in AT if at / RATE < played[-1] - 0.1]
    found = click_times(sound, times, reach=1500)
    assert max(abs(a - b) for a, b in zip(found, times, strict=True)) <= 600  # a hundredth of a second and a bit


def test_a_ramp_that_stays_at_1_changes_nothing(clicks_file):
    _, plain = mixed(clicks_file, [track(end=12.0)], 12)
    _, ramped = mixed(clicks_file, [track(end=12.0, ramp=(RatePoint(t=0.0, v=1.0), RatePoint(t=3.0, v=1.0)))], 12)
    assert np.array_equal(plain, ramped)


@pytest.mark.parametrize("pace", [0.01, 100.0])
def test_sound_that_is_too_slow_or_too_fast_to_hear_is_silent(pace, tone_file):
    report, sound = mixed(tone_file, [track(end=2.0, pace=pace)], 2)
    assert not sound.any()
    assert report.tracks == ()


def test_one_channel_is_stretched_as_two(tmp_path):
    sound = tone(440, 3) + 0.1 * tone(1000, 3)
    one = mixed(write_sound(tmp_path / "a.wav", sound), [track(end=2.4, rate=1.25)], 2.4)[1]
    sound[1, -1] += 0.01
    two = mixed(write_sound(tmp_path / "b.wav", sound), [track(end=2.4, rate=1.25)], 2.4)[1]
    assert np.array_equal(one[0], one[1])
    assert np.abs(one - two)[:, : 2 * RATE].max() < 1e-3


def test_stretching_is_repeatable(tone_file):
    one, other = (mixed(tone_file, [track(end=4.0, rate=1.1)], 4)[1] for _ in range(2))
    assert np.array_equal(one, other)
