"""Loudness and true peak agree with EBU R128, whatever the blocks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from sound_samples import RATE, Samples, silence, tone, write_sound

from hfdask.sound.loudness import SILENCE, Meter


def metered(sound: Samples, block: int = RATE) -> Meter:
    meter = Meter()
    for begin in range(0, sound.shape[1], block):
        meter.add(sound[:, begin : begin + block])
    return meter


def ffmpeg_loudness(path: Path) -> float:
    graph = av.filter.Graph()
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        source = graph.add_abuffer(template=stream)
        filter_, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
        source.link_to(filter_)
        filter_.link_to(sink)
        graph.configure()
        value = 0.0
        for frame in file.decode(stream):
            graph.push(frame)
            while True:
                try:
                    pulled = graph.pull()
                except (BlockingIOError, EOFError):
                    break
                assert isinstance(pulled, AudioFrame)
                value = float(pulled.metadata.get("lavfi.r128.I", value))
    return value


def test_a_tone_at_full_scale_has_the_loudness_of_the_standard():
    # ITU-R BS.1770-5, annex 1: 997 Hz at 0 dB in one channel is -3.01 LKFS
    sound = tone(997, 5, level=1.0)
    sound[1] = 0
    assert metered(sound).loudness == pytest.approx(-3.01, abs=0.02)


def sounds() -> dict[str, Samples]:
    random = np.random.default_rng(3)
    noise = (random.standard_normal((2, 8 * RATE)) * 0.05).astype(np.float32)
    swelling = noise * np.linspace(0, 4, 8 * RATE, dtype=np.float32)
    paused = np.concatenate([tone(300, 3), silence(4), noise[:, : 2 * RATE] / 50], axis=1)
    return {
        "noise": noise,
        "swelling": swelling,
        "paused": paused,
        "low": tone(60, 4),
        "high": tone(8000, 4, level=0.1),
    }


@pytest.mark.parametrize("name", sounds())
def test_loudness_is_that_of_ffmpeg(name, tmp_path):
    sound = sounds()[name]
    measured = metered(sound).loudness
    assert measured is not None
    assert abs(measured - ffmpeg_loudness(write_sound(tmp_path / "a.wav", sound))) < 0.1


def test_short_or_quiet_sound_has_no_loudness():
    assert metered(tone(440, 0.39)).loudness is None
    assert metered(tone(440, 2, level=1e-5)).loudness is None
    assert metered(silence(2)).loudness is None


def test_the_true_peak_is_between_the_samples():
    # a quarter of the rate, with samples at 45 degrees: all of them are at 0.707 of the amplitude
    time = np.arange(RATE)
    wave = 0.8 * np.sin(np.pi / 2 * time + np.pi / 4) * np.minimum(1, np.minimum(time, RATE - time) / 4800)
    meter = metered(np.tile(wave.astype(np.float32), (2, 1)))
    assert 20 * np.log10(meter.peak) == pytest.approx(20 * np.log10(0.8) - 3.01, abs=0.01)
    assert meter.true_peak == pytest.approx(20 * np.log10(0.8), abs=0.05)


def test_a_peak_at_the_last_sample_counts():
    sound = silence(1)
    sound[0, -1] = 0.5
    assert metered(sound).true_peak >= 20 * np.log10(0.5)


def test_silence_has_the_lowest_peak():
    assert metered(silence(1)).true_peak == SILENCE


def test_samples_beyond_full_scale_are_counted_once_for_both_channels():
    sound = silence(1)
    sound[:, 100] = 1.5
    sound[1, 200] = -1.01
    sound[0, 300] = 1.0
    assert metered(sound).clipped == 2


@pytest.mark.sample("1")
@pytest.mark.parametrize("block", [1, 777, 4800, 100_000])
def test_blocks_do_not_change_what_is_measured(block):
    sound = sounds()["swelling"][:, : 3000 if block == 1 else None]
    one, other = metered(sound), metered(sound, block)
    assert (one.peak, one.clipped) == (other.peak, other.clipped)
    assert one.true_peak == pytest.approx(other.true_peak, abs=1e-9)
    if one.loudness is not None:
        assert one.loudness == pytest.approx(other.loudness, abs=1e-9)
