"""True peaks of sounds whose highest level between the samples is known."""

from __future__ import annotations

import numpy as np
import pytest
from mix_samples import Samples, noise, tone

from hfdask.sound.true_peak import SILENCE, TruePeak

SECOND = 48_000


def faded(sound: Samples) -> Samples:
    """Fade a sound in and out, as a sound that begins at once has another peak there."""
    return sound * np.hanning(sound.shape[1])


def true_peak(sound: Samples, block: int = SECOND) -> float:
    measure = TruePeak()
    for begin in range(0, sound.shape[1], block):
        measure.add(sound[:, begin : begin + block].astype(np.float32))
    return measure.dbtp()


@pytest.mark.parametrize("level", [1.5, 1.0, 0.25, 0.001])
@pytest.mark.parametrize(
    ("frequency", "phase", "tolerance"), [(997.0, 0.0, 0.01), (12_000.0, np.pi / 4, 0.1), (16_000.0, np.pi / 6, 0.2)]
)
def test_a_tone_peaks_at_its_amplitude_also_between_samples(frequency, phase, tolerance, level):
    sound = faded(tone(SECOND, frequency, level, phase))
    assert true_peak(sound) == pytest.approx(20 * np.log10(level), abs=tolerance)
    if frequency == 12_000:
        assert 20 * np.log10(np.abs(sound).max() / level) < -2.9


def test_the_blocks_make_no_difference():
    sound = noise(5_000, 0.1)
    whole = true_peak(sound)
    for block in (1, 7, 20, 4_999):
        assert true_peak(sound, block) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("sample", [0, 1, 50, 99])
def test_a_single_sample_counts_at_any_place_and_in_any_channel(sample, channel):
    sound = np.zeros((2, 100))
    sound[channel, sample] = -0.5
    assert true_peak(sound) == pytest.approx(20 * np.log10(0.5), abs=0.01)


def test_two_samples_at_the_very_end_overshoot_after_them():
    """An alternating step has its peak between its last samples."""
    sound = np.zeros((2, 64))
    sound[:, -2:] = 0.5
    assert true_peak(sound) == pytest.approx(20 * np.log10(0.5 * 4 / np.pi), abs=0.2)


def test_silence_and_nothing_have_the_level_of_silence():
    assert true_peak(np.zeros((2, 100))) == SILENCE
    assert TruePeak().dbtp() == SILENCE
