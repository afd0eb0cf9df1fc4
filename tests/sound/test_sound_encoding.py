"""Encoded sounds: their lengths, the places of clicks, their peaks, and every mix that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from mix_samples import CLICK, Samples, clicks, mixed, noise, played, signal_to_noise, silence, tone

import hfdask.sound.encode as module
from hfdask.core.sound import CEILING, SAMPLE_RATE, PlannedSound, sample_count
from hfdask.errors import DiskFullError, EncodeError, PlanCorruptError, RenderCancelledError
from hfdask.media.sound_file import AAC, Encoding
from hfdask.sound.encode import EncodedSound, encode_sound
from hfdask.sound.loudness import Meter

MILLISECOND = SAMPLE_RATE // 1000
RATES = ["24", "25", "30", "60", "30000/1001"]


def encoded(folder: Path, sound: Samples, gain: float = 1.0, encoding: Encoding = AAC) -> EncodedSound:
    return encode_sound(folder / "mix.flac", mixed(folder / "mix.flac", sound, gain), folder, encoding)


def onsets(sound: Samples, *near: int) -> list[int]:
    """Return the highest sample of each channel around each of these places."""
    reach = 3 * MILLISECOND
    found = []
    for place in near:
        begin = max(0, place - reach)
        found += [begin + int(np.abs(channel[begin : place + reach]).argmax()) for channel in sound]
    return found


def true_peak(sound: Samples) -> float:
    meter = Meter()
    meter.add(sound)
    return meter.true_peak


@pytest.mark.sample("1-30000/1001", "250-30000/1001", "2-30000/1001", "61-30000/1001", "1-24", "61-25", "2-60")
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [1, 2, 61, 250])
def test_a_sound_has_the_length_of_its_frames_to_the_nearest_sample(rate, frames, tmp_path):
    samples = sample_count(frames, Fraction(rate))
    assert abs(samples - frames * SAMPLE_RATE / Fraction(rate)) <= Fraction(1, 2)
    sound = encoded(tmp_path, clicks(samples, 0) * 0.5).file
    with av.open(str(sound.path)) as file:
        stream = file.streams.audio[0]
        assert (stream.start_time, stream.duration, stream.time_base) == (0, samples, Fraction(1, SAMPLE_RATE))
        assert (stream.codec_context.name, stream.profile, stream.codec_context.layout.name) == ("aac", "LC", "stereo")
        packets = [packet for packet in file.demux(stream) if packet.size]
    assert packets[0].pts == -sound.priming == -1024
    assert sum(packet.duration or 0 for packet in packets) == samples + sound.priming
    assert played(sound.path).shape == (2, samples)


def test_clicks_are_where_they_were(tmp_path):
    places = (0, 1001, 48_000, 100_000, 144_000 - 300)
    sound = played(encoded(tmp_path, clicks(144_000, *places) * 0.5).file.path)
    for found, place in zip(onsets(sound, *places), np.repeat(places, 2), strict=True):
        assert abs(found - place) <= MILLISECOND
    assert signal_to_noise(sound, clicks(144_000, *places) * 0.5) > 13


def test_channels_stay_apart_and_levels_are_kept(tmp_path):
    sound = np.stack([tone(96_000, 440, 0.5)[0], tone(96_000, 3_000, 0.05)[1]])
    heard = played(encoded(tmp_path, sound).file.path)
    assert signal_to_noise(heard[:, 4_800:-4_800], sound[:, 4_800:-4_800]) > 30


def test_a_mix_beyond_full_scale_is_stored_with_a_gain_and_not_clipped(tmp_path):
    sound = tone(96_000, 440, 3.0)
    lowered = encoded(tmp_path, sound, gain=4.0)
    heard = played(lowered.file.path)[:, 4_800:-4_800]
    assert signal_to_noise(heard, sound[:, 4_800:-4_800] * 10 ** (-lowered.lowered / 20)) > 30
    assert lowered.lowered == pytest.approx(20 * np.log10(3.0) + 1.5, abs=0.5)


@pytest.mark.sample("noise with peaks far beyond full scale")
@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(tone(96_000, 997, 1.0), id="a tone at full scale"),
        pytest.param(np.sign(tone(96_000, 100, 1.0)), id="a square wave"),
        pytest.param(noise(96_000, 0.4), id="noise with peaks far beyond full scale"),
        pytest.param(clicks(96_000, *range(0, 90_000, 9_000)) * 2, id="clicks"),
    ],
)
def test_a_hot_mix_is_lowered_until_players_stay_below_the_ceiling(sound, tmp_path):
    result = encoded(tmp_path, sound, gain=max(1.0, float(np.abs(sound).max())))
    assert result.lowered > 0
    assert result.lowered == round(result.lowered, 2)
    measured = true_peak(played(result.file.path))
    assert measured == pytest.approx(result.true_peak, abs=1e-3)
    assert measured <= CEILING


def test_a_mix_below_the_ceiling_is_left_as_it_is(tmp_path):
    result = encoded(tmp_path, tone(96_000, 997, 0.7))
    assert result.lowered == 0
    assert -3.5 < result.true_peak < -2


def test_a_sound_that_stays_too_loud_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CEILING", -60.0)
    monkeypatch.setattr(module, "TARGET", -1.5)
    with pytest.raises(EncodeError, match="lowered 3 times") as caught:
        encoded(tmp_path, tone(9_600, 997, 0.5))
    assert caught.value.details["true_peak"] > -60


def test_silence_and_a_single_sample(tmp_path):
    quiet = encoded(tmp_path, silence(48_000))
    assert (quiet.true_peak, quiet.lowered) == (-200.0, 0)
    assert not played(quiet.file.path).any()
    assert played(encoded(tmp_path, np.full((2, 1), 0.1)).file.path).shape == (2, 1)


@pytest.mark.slow
def test_the_same_mix_gives_the_same_bytes(tmp_path):
    sound = noise(100_000, 0.3)
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(encoded(tmp_path / name, sound, gain=2.0).file)
    assert files[0].path.read_bytes() == files[1].path.read_bytes()
    assert files[0].digest == files[1].digest


def test_other_codecs_have_the_same_length_and_places(tmp_path):
    """What other outputs will need: nothing is bound to AAC or to MP4."""
    places = (1001, 48_000)
    sound = clicks(70_000, *places) * 0.5
    pcm = encoded(tmp_path, sound, encoding=Encoding("pcm_s16le", "mov", "mov"))
    assert pcm.file.priming == 0
    assert np.abs(played(pcm.file.path) - sound).max() < 2**-15
    opus = encoded(tmp_path, sound, encoding=Encoding("libopus", "mp4", "mp4", 128_000))
    assert opus.file.codec == "opus"
    for found, place in zip(onsets(played(opus.file.path), *places), np.repeat(places, 2), strict=True):
        assert abs(found - place) <= MILLISECOND


def replaced(**changes: object) -> Callable[[Path, PlannedSound], PlannedSound]:
    return lambda _, planned: msgspec.structs.replace(planned, **changes)


def other_file(write: Callable[[Path], object]) -> Callable[[Path, PlannedSound], PlannedSound]:
    def change(path: Path, planned: PlannedSound) -> PlannedSound:
        write(path)
        return planned

    return change


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replaced(samples=9_599), "more than its 9599 samples"),
        (replaced(samples=9_601), "only 9600 of its 9601 samples"),
        (other_file(lambda path: path.write_bytes(b"no sound")), "is damaged"),
        (other_file(lambda path: path.write_text("#EXTM3U\n/etc/passwd\n")), "is damaged"),
        (other_file(cut), "only [0-9]+ of its 9600 samples"),
    ],
)
def test_a_mix_that_is_not_the_planned_one_is_refused(change, said, tmp_path):
    planned = mixed(tmp_path / "mix.flac", noise(9_600, 0.1))
    with pytest.raises(PlanCorruptError, match=said):
        encode_sound(tmp_path / "mix.flac", change(tmp_path / "mix.flac", planned), tmp_path)


@pytest.mark.parametrize("late", [1, 480, 1024])
def test_an_encoder_whose_sound_is_late_is_found_out(late, tmp_path, monkeypatch):
    """A decoder that plays the priming is, for example."""
    original = module._frames

    def delayed(blocks, samples, context):
        return original(chain([np.zeros((2, late), np.float32)], blocks), samples, context)

    monkeypatch.setattr(module, "_frames", delayed)
    with pytest.raises(EncodeError, match="does not match the mix"):
        encoded(tmp_path, noise(30_000, 0.1))


def test_a_codec_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(EncodeError, match="could not be encoded as nothing"):
        encoded(tmp_path, silence(100), encoding=Encoding("nothing", "mp4", "m4a"))


def test_it_can_be_stopped(tmp_path):
    def stop() -> None:
        raise RenderCancelledError("stopped")

    planned = mixed(tmp_path / "mix.flac", noise(9_600, 0.1))
    with pytest.raises(RenderCancelledError):
        encode_sound(tmp_path / "mix.flac", planned, tmp_path, going=stop)


@pytest.mark.slow
def test_ten_minutes_have_their_length_and_their_last_click(tmp_path):
    samples = 600 * SAMPLE_RATE
    places = (0, samples // 2 + 7, samples - 2 * len(CLICK))
    sound = played(encoded(tmp_path, clicks(samples, *places) * 0.5).file.path)
    assert sound.shape == (2, samples)
    for found, place in zip(onsets(sound, *places), np.repeat(places, 2), strict=True):
        assert abs(found - place) <= MILLISECOND


@pytest.mark.slow
def test_a_disk_that_is_full_is_a_typed_error(small_disk, tmp_path):
    """A minute takes more than a megabyte."""
    planned = mixed(tmp_path / "mix.flac", noise(60 * SAMPLE_RATE, 0.05))
    with pytest.raises(DiskFullError):
        encode_sound(tmp_path / "mix.flac", planned, small_disk)
