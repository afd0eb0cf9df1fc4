"""A mix has each track at its samples, with its effects, its volume and its fades, whatever the blocks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from sound_samples import RATE, clicks, silence, sound_in, tone, write_sound
from track_samples import mixed, soundtrack, track
from video_samples import bar_code_video, cached

from hfdask.core.sound import Effect, Lane, LanePoint, SoundGroup, Treatment
from hfdask.errors import DiskFullError, MediaTypeError, NotMediaError
from hfdask.sound import mix as mixing
from hfdask.sound import playback, streams
from hfdask.sound.effects import tail
from hfdask.sound.lanes import Volume
from hfdask.sound.mix import mix, soundtrack_key
from hfdask.sound.reader import read_sound

ONE_STEP = 2**-23


@pytest.fixture(scope="module")
def ones(tmp_path_factory) -> Path:
    """Return a file of 10 s whose samples are all 0.5."""
    return write_sound(tmp_path_factory.mktemp("ones") / "a.wav", silence(10) + 0.5)


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> tuple[Path, NDArray[np.float32]]:
    """Return a file of 5 s, and its samples."""
    samples = (np.random.default_rng(7).integers(-(2**20), 2**20, (2, 5 * RATE)) / 2**23).astype(np.float32)
    return write_sound(tmp_path_factory.mktemp("noise") / "a.wav", samples), samples


def lane(target: str, *points: tuple[float, float], curve: float = 0.0) -> Lane:
    return Lane(target=target, points=tuple(LanePoint(t=t, v=v, curve=curve) for t, v in points))


def expected_at(samples: NDArray[np.float32], begin: int, length: int, total: int) -> NDArray[np.float64]:
    out = np.zeros((2, total))
    out[:, begin : begin + length] = samples[:, :length]
    return out


@pytest.mark.sample("0.7003", "0.3333333333333333")
@pytest.mark.parametrize("start", [0.0, 1.0, 0.1, 1 / 3, 2.00001, 0.7003])
def test_a_track_begins_at_the_sample_nearest_to_its_start(start, noise):
    path, samples = noise
    begin = round(start * RATE)
    end = 4.0
    _, sound = mixed(path, [track(start=start, end=end)], 5)
    assert np.array_equal(sound, expected_at(samples, begin, 4 * RATE - begin, 5 * RATE))


def test_a_track_plays_its_source_from_the_in_point(noise):
    path, samples = noise
    _, sound = mixed(path, [track(start=1.0, end=3.0, media_start=0.5)], 4)
    assert np.array_equal(sound, expected_at(samples[:, RATE // 2 :], RATE, 2 * RATE, 4 * RATE))


def test_a_beginning_that_was_cut_off_advances_the_source(noise):
    path, samples = noise
    _, sound = mixed(path, [track(start=1.0, end=3.0, origin=-0.25, media_start=0.5)], 4)
    assert np.array_equal(sound, expected_at(samples[:, RATE // 2 + RATE * 5 // 4 :], RATE, 2 * RATE, 4 * RATE))


def test_a_source_that_ends_is_followed_by_silence_and_does_not_loop(noise):
    path, samples = noise
    report, sound = mixed(path, [track(end=8.0), track("late", end=8.0, media_start=6.0)], 8)
    assert np.array_equal(sound, expected_at(samples, 0, 5 * RATE, 8 * RATE))
    assert report.tracks == ("a",)


def test_the_mix_ends_with_the_composition(noise):
    path, samples = noise
    _, sound = mixed(path, [track(start=1.0, end=9.0), track("after", start=2.5, end=3.0)], 2)
    assert np.array_equal(sound, expected_at(samples, RATE, RATE, 2 * RATE))


def test_tracks_are_summed_without_making_them_softer(ones):
    report, sound = mixed(ones, [track(str(number), start=0.1 * number, end=2.0) for number in range(4)], 2)
    counts = (np.arange(2 * RATE) >= np.array([[0], [4800], [9600], [14_400]])).sum(axis=0)
    assert np.abs(sound - 0.5 * counts).max() <= 2 * ONE_STEP
    assert report.gain == 2  # so that 2.0 is stored, but for one step
    assert report.clipped == 2 * RATE - 9600
    assert 20 * np.log10(2) <= report.true_peak < 20 * np.log10(2) + 1.5  # it ends at once, which overshoots


def test_full_scale_is_stored_as_it_is(tmp_path):
    sound = silence(1)
    sound[0, 5], sound[1, 7] = 1 - ONE_STEP, -1
    report, mixed_sound = mixed(write_sound(tmp_path / "a.wav", sound), [track(end=1.0)], 1)
    assert np.array_equal(mixed_sound, sound)
    assert report.clipped == 0


def test_numbers_that_are_no_sound_do_no_harm(tmp_path):
    sound = silence(1) + 0.25
    sound[:, 10], sound[:, 11], sound[:, 12] = np.nan, np.inf, 1e30
    path = write_sound(tmp_path / "a.wav", sound, "pcm_f32le")
    report, found = mixed(path, [track(end=1.0)], 1)
    assert not found[:, 10:12].any()
    assert found[0, 12] == pytest.approx(64)
    assert report.gain == 64
    assert np.abs(found[:, 20:] - 0.25).max() <= 64 * ONE_STEP


def test_silence_is_a_mix_too(ones):
    report, sound = mixed(ones, [track(end=1.0, treatment=Treatment(volume=0.0))], 1)
    assert not sound.any()
    assert (report.gain, report.true_peak, report.loudness, report.clipped, report.tracks) == (1, -200, None, 0, ())


def test_two_hundred_tracks_of_one_file(noise, monkeypatch):
    path, samples = noise
    decoded = []

    def read(path: Path) -> Iterator[NDArray[np.float32]]:
        decoded.append(path)
        return read_sound(path)

    monkeypatch.setattr(mixing, "read_sound", read)
    tracks = [
        track(str(number), start=number / 100, end=number / 100 + 0.5, media_start=(199 - number) / 100)
        for number in range(200)
    ]
    report, sound = mixed(path, tracks, 3)
    expected = np.zeros((2, 3 * RATE))
    for number in range(200):
        begin, source = number * 480, (199 - number) * 480
        expected[:, begin : begin + RATE // 2] += samples[:, source : source + RATE // 2]
    assert np.abs(sound - expected).max() < 1e-5
    assert len(report.tracks) == 200
    assert len(decoded) == 1


class TestVolume:
    def test_static(self, ones):
        _, sound = mixed(ones, [track(end=1.0, treatment=Treatment(volume=0.25))], 1)
        assert np.abs(sound - 0.125).max() <= ONE_STEP

    def test_a_lane_is_followed_sample_by_sample(self, ones):
        lanes = (lane("volume", (0.5, 0.2), (1.5, 1.0)),)
        _, sound = mixed(ones, [track(start=1.0, end=4.0, treatment=Treatment(lanes=lanes, volume=0.1))], 5)
        clock = np.arange(3 * RATE) / RATE
        gains = np.clip(0.2 + (clock - 0.5) * 0.8, 0.2, 1.0)
        assert np.abs(sound[:, RATE : 4 * RATE] - 0.5 * gains).max() <= ONE_STEP
        assert not sound[:, :RATE].any()

    def test_keys_of_a_tween_are_followed_sample_by_sample(self, ones):
        treatment = Treatment(keys=((1.0, 0.0), (2.0, 1.0)), volume=0.5)
        _, sound = mixed(ones, [track(end=3.0, treatment=treatment)], 3)
        clock = np.arange(3 * RATE) / RATE
        gains = np.where(clock < 1, 0.5, np.clip(clock - 1, 0, 1))
        assert np.abs(sound - 0.5 * gains).max() <= ONE_STEP

    def test_a_lane_replaces_keys(self, ones):
        treatment = Treatment(lanes=(lane("volume", (0.0, 0.25)),), keys=((0.0, 1.0),))
        _, sound = mixed(ones, [track(end=1.0, treatment=treatment)], 1)
        assert np.abs(sound - 0.125).max() <= ONE_STEP

    def test_a_cut_off_beginning_is_on_the_clock_of_the_lane(self, ones):
        lanes = (lane("volume", (0.0, 0.0), (4.0, 1.0)),)
        _, sound = mixed(ones, [track(start=1.0, end=3.0, origin=0.0, treatment=Treatment(lanes=lanes))], 3)
        assert np.abs(sound[:, RATE:] - 0.5 * np.arange(RATE, 3 * RATE) / (4 * RATE)).max() <= ONE_STEP

    def test_the_clock_of_a_lane_runs_at_the_pace_of_the_host(self, ones):
        lanes = (lane("volume", (0.0, 0.0), (4.0, 1.0)),)
        _, sound = mixed(ones, [track(end=2.0, pace=2.0, rate=0.5, treatment=Treatment(lanes=lanes))], 2)
        assert np.abs(sound - 0.5 * np.arange(2 * RATE) / (2 * RATE)).max() <= ONE_STEP

    def test_an_envelope_is_clipped_and_a_static_volume_is_not(self, ones):
        _, loud = mixed(ones, [track(end=1.0, treatment=Treatment(volume=3.0))], 1)
        assert np.abs(loud - 1.5).max() <= 2 * ONE_STEP
        _, clipped = mixed(ones, [track(end=1.0, treatment=Treatment(lanes=(lane("volume", (0.0, 3.0)),)))], 1)
        assert np.abs(clipped - 1).max() <= ONE_STEP


class TestFades:
    def test_they_are_linear_from_start_to_end(self, ones):
        _, sound = mixed(ones, [track(start=1.0, end=4.0, fade_in=0.5, fade_out=1.0)], 5)
        at = np.arange(3 * RATE)
        gains = np.minimum(1, at / (0.5 * RATE)) * np.minimum(1, (3 * RATE - at) / RATE)
        assert np.abs(sound[:, RATE : 4 * RATE] - 0.5 * gains).max() <= ONE_STEP

    def test_fades_that_are_too_long_are_shortened_together(self, ones):
        _, sound = mixed(ones, [track(end=3.0, fade_in=4.0, fade_out=2.0)], 3)
        at = np.arange(3 * RATE)
        gains = np.minimum(1, at / (2 * RATE)) * np.minimum(1, (3 * RATE - at) / RATE)
        assert np.abs(sound - 0.5 * gains).max() <= ONE_STEP

    def test_they_multiply_the_volume(self, ones):
        _, sound = mixed(ones, [track(end=2.0, fade_in=2.0, treatment=Treatment(volume=0.5))], 2)
        assert np.abs(sound - 0.25 * np.arange(2 * RATE) / (2 * RATE)).max() <= ONE_STEP


class TestEffects:
    def test_they_come_before_the_volume(self, ones):
        chain = (Effect(id="g", type="gain", parameters={"gain": 6.0}),)
        treatment = Treatment(chain=chain, volume=0.5)
        _, sound = mixed(ones, [track(end=1.0, treatment=treatment)], 1)
        assert np.abs(sound - 0.25 * 10 ** (6 / 20)).max() <= ONE_STEP

    def test_the_tail_sounds_on_after_the_end(self, tmp_path):
        path = write_sound(tmp_path / "a.wav", clicks(1, [43_200]))
        chain = (Effect(id="d", type="delay", parameters={"time": 200.0, "feedback": 0.5, "mix": 0.5}),)
        _, sound = mixed(path, [track(end=1.0, treatment=Treatment(chain=chain))], 4)
        echoes = [52_800 + 9728 * number for number in range(3)]
        assert all(sound[0, at] > 0.04 for at in echoes)
        assert echoes[1] > RATE
        end = RATE + tail(chain, ())
        assert not sound[:, end:].any()

    def test_the_fade_out_silences_the_tail(self, tmp_path):
        path = write_sound(tmp_path / "a.wav", clicks(1, [43_200]))
        chain = (Effect(id="d", type="delay", parameters={"time": 200.0, "feedback": 0.5, "mix": 0.5}),)
        _, sound = mixed(path, [track(end=1.0, fade_out=0.1, treatment=Treatment(chain=chain))], 2)
        assert not sound[:, RATE:].any()

    def test_an_effect_that_is_late_keeps_the_sound_in_its_place(self, tmp_path):
        path = write_sound(tmp_path / "a.wav", clicks(1, [100, 24_000, 47_000], level=0.3))
        chain = (Effect(id="t", type="truepeak", parameters={}),)
        plain = mixed(path, [track(end=1.0)], 1)[1]
        for one in (
            mixed(path, [track(end=1.0, treatment=Treatment(chain=chain))], 1)[1],
            mixed(path, [track(end=1.0)], 1, master=Treatment(chain=chain))[1],
        ):
            assert np.abs(one - plain).max() < 1e-6


class TestGroups:
    def test_members_are_summed_and_then_treated_on_the_clock_of_the_composition(self, ones):
        group = SoundGroup(id="g", treatment=Treatment(lanes=(lane("volume", (0.0, 0.0), (4.0, 1.0)),)))
        tracks = [track("a", start=1.0, end=3.0, group=0), track("b", start=2.0, end=3.0, group=0), track("c", end=1.0)]
        report, sound = mixed(ones, tracks, 4, groups=[group])
        at = np.arange(4 * RATE)
        members = 0.5 * ((at >= RATE) & (at < 3 * RATE)) + 0.5 * ((at >= 2 * RATE) & (at < 3 * RATE))
        assert np.abs(sound - (members * at / (4 * RATE) + 0.5 * (at < RATE))).max() <= ONE_STEP
        assert report.tracks == ("a", "b", "c")

    def test_effects_of_a_group_hear_the_sum(self, ones):
        shaped = (Effect(id="s", type="saturate", parameters={"type": "hard", "threshold": -6.0}),)
        apart = [track("a", end=1.0), track("b", end=1.0)]
        together = [track("a", end=1.0, group=0), track("b", end=1.0, group=0)]
        _, sound = mixed(ones, together, 1, groups=[SoundGroup(id="g", treatment=Treatment(chain=shaped))])
        _, plain = mixed(ones, apart, 1)
        _, whole = mixed(ones, apart, 1, master=Treatment(chain=shaped))
        assert np.array_equal(sound, whole)
        assert sound[0, RATE // 2] < plain[0, RATE // 2] - 0.2

    def test_a_group_without_tracks_changes_nothing(self, ones):
        _, sound = mixed(ones, [track(end=1.0)], 1, groups=[SoundGroup(id="g")])
        assert np.abs(sound - 0.5).max() <= ONE_STEP


def everything(path: Path, other: Path) -> Iterator[bytes]:
    """Yield the bytes of a mix that uses everything."""
    chain = (
        Effect(id="d", type="delay", parameters={"time": 120.0, "mix": 0.4}),
        Effect(id="c", type="compressor", parameters={}),
        Effect(id="t", type="truepeak", parameters={}),
    )
    volume = lane("volume", (0.0, 0.2), (1.7, 0.9), (2.9, 0.1), curve=0.4)
    tracks = [
        track("a", start=0.31, end=3.0, rate=1.25, treatment=Treatment(chain=chain, lanes=(volume,))),
        track("b", start=0.5, end=4.0, source=1, fade_in=0.7, group=0),
        track("c", start=1.5, end=4.0, source=1, media_start=0.3, treatment=Treatment(keys=((0.0, 1.0), (1.0, 0.3)))),
    ]
    group = SoundGroup(id="g", treatment=Treatment(chain=chain, lanes=(volume,)))
    described = soundtrack(tracks, 5, sources=2, groups=[group], master=Treatment(chain=chain[1:]))
    output = path.with_name("mix.flac")
    for _ in range(2):
        mix(described, [path, other].__getitem__, output)
        yield output.read_bytes()


@pytest.mark.slow
def test_neither_blocks_nor_runs_change_a_byte(noise, tmp_path, monkeypatch):
    path = sound_in(tmp_path, "aac", noise[1][:, : 4 * RATE])
    one, again = everything(path, noise[0])
    assert one == again
    for module in (mixing, streams, playback):
        monkeypatch.setattr(module, "BLOCK", 12_347)
    assert next(everything(path, noise[0])) == one


def test_the_mix_is_flac_of_24_bits_with_nothing_else_in_it(ones, tmp_path):
    output = tmp_path / "mix"
    mix(soundtrack([track(end=1.0)], 1), lambda number: ones, output)
    with av.open(str(output)) as file:
        assert file.format.name == "flac"
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == ("flac", RATE, "stereo")
        assert stream.codec_context.format.name == "s32"
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == 1
        assert file.metadata == {}
    assert b"Lavf6" not in output.read_bytes()[:200]


def test_the_sound_of_a_video_is_a_source_like_any_other(tmp_path):
    path = write_sound(
        tmp_path / "a.mov",
        clicks(2, [24_000]),
        "aac",
        start=Fraction(1, 2),
        picture=True,
        options={"movie_timescale": "48000"},
    )
    _, sound = mixed(path, [track(start=1.0, end=3.0, media_start=0.75)], 3)
    assert int(np.argmax(sound[0])) == RATE + 24_000 + 24_000 - 36_000


def test_a_source_that_cannot_be_decoded_ends_the_mix_with_a_note(noise, tmp_path):
    page = tmp_path / "a.mp3"
    page.write_text("<!doctype html>")
    for path, error in ((page, NotMediaError), (cached(bar_code_video, "a.mp4", 5), MediaTypeError)):
        with pytest.raises(error) as caught:
            mixed([noise[0], path], [track(end=1.0), track("music", end=1.0, source=1)], 1)
        assert any("music" in note for note in caught.value.__notes__)


def test_a_disk_that_is_full_is_a_typed_error(small_disk, tmp_path, monkeypatch):
    samples = (np.random.default_rng(9).standard_normal((2, 10 * RATE)) / 10).astype(np.float32)
    path = write_sound(tmp_path / "a.flac", samples, "flac")
    with pytest.raises(DiskFullError, match=str(small_disk)):
        mix(soundtrack([track(end=10.0)], 10), lambda number: path, small_disk / "mix")

    @contextlib.contextmanager
    def scratch(kind: str) -> Iterator[Path]:
        yield small_disk

    monkeypatch.setattr(mixing, "scratch_subfolder", scratch)
    for tracks in ([track(end=10.0)], [track(end=0.5), track("b", end=0.5, media_start=8.0)]):
        with pytest.raises(DiskFullError):
            mix(soundtrack(tracks, 10), lambda number: path, tmp_path / "mix")


def test_the_key_depends_on_everything():
    base = soundtrack([track(end=1.0)], 1)
    others = [
        soundtrack([track(end=1.5)], 1),
        soundtrack([track(end=1.0)], 2),
        soundtrack([track(end=1.0, treatment=Treatment(volume=0.5))], 1),
        soundtrack([track(end=1.0)], 1, master=Treatment(volume=0.5)),
        soundtrack([track(end=1.0)], 1, groups=[SoundGroup(id="g")]),
    ]
    keys = {soundtrack_key(each) for each in (base, *others)}
    assert len(keys) == 6
    assert soundtrack_key(soundtrack([track(end=1.0)], 1)) == soundtrack_key(base)
    assert all(len(key) == len(hashlib.sha256().hexdigest()) for key in keys)


def test_a_volume_is_that_of_its_lane_for_any_begin():
    treatment = Treatment(lanes=(lane("volume", (0.0, 0.0), (1.0, 1.0), curve=0.7),))
    whole = Volume(treatment).values(0, RATE)
    assert isinstance(whole, np.ndarray)
    assert np.array_equal(Volume(treatment).values(1234, 5000), whole[1234:6234])


@pytest.mark.slow
def test_there_is_no_drift_over_ten_minutes(tmp_path):
    seconds = 600
    at = [48_000 * second for second in range(10, seconds, 59)]
    for form, rate in (("mp3", 44_100), ("aac", 44_100), ("opus", 48_000)):
        scaled = [round(each * rate / RATE) for each in at]
        path = sound_in(tmp_path, form, clicks(seconds, scaled, rate=rate, channels=1), rate=rate)
        _, sound = mixed(path, [track(end=float(seconds))], seconds)
        assert all(abs(int(np.argmax(sound[0, each - 500 : each + 500])) - 500) <= 1 for each in at)
    single = silence(seconds, channels=1)
    single[:, at] = 0.9
    path = write_sound(tmp_path / "a.wav", single)
    _, mixed_sound = mixed(path, [track(end=480.0, rate=1.25)], 480)
    for each in at:
        place = round(each / 1.25)
        assert abs(int(np.argmax(mixed_sound[0, place - 500 : place + 500])) - 500) <= 1


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path):
    path = write_sound(tmp_path / "a.flac", tone(440, 150), "flac")
    program = """
import re, sys
from pathlib import Path
from track_samples import soundtrack, track
from hfdask.sound.mix import mix
length = float(sys.argv[2])
tracks = [track(str(n), end=length, source=n, rate=1.25 if n % 2 else 1.0) for n in range(12)]
mix(soundtrack(tracks, length, sources=12), lambda number: Path(sys.argv[1]), Path(sys.argv[1]).with_name("mix"))
print(int(re.search("VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text()).group(1)) // 1024)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(path), str(seconds)],
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        )
        for seconds in (30, 120)
    ]
    assert peaks[1] < 300
    assert peaks[1] - peaks[0] < 30


def test_a_tone_keeps_its_level_through_the_whole_mix(tmp_path):
    _, sound = mixed(write_sound(tmp_path / "a.flac", tone(1000, 2), "flac"), [track(end=2.0)], 2)
    assert abs(20 * np.log10(np.sqrt(2) * sound.std() / 0.5)) < 0.001
