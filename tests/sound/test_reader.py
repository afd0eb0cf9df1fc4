"""Sound is decoded to the sample, in order, in all formats, and what cannot be decoded is a typed error."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from sound_samples import FORMATS, RATE, click_times, clicks, silence, sound_in, tone, tone_of, write_sound
from video_samples import bar_code_video, cached, truncated

from hfdask.errors import AssetError, HfdaskError, MediaTypeError, NotMediaError, SoundReadError, SoundSourceError
from hfdask.sound.probe import probe_sound
from hfdask.sound.reader import read_sound

AT = (4800, 48_000, 100_000, 140_000)
SECONDS = 3.0162
DELAYS = {"mp3 without header": 1105, "adts": 1024}  # of the encoder; these files do not say it
ENDS = {"fragmented": 1024, "vorbis": 128, "vorbis in webm": 128}  # most samples of padding at the end


def decoded(path: Path) -> NDArray[np.float32]:
    return np.concatenate(list(read_sound(path)), axis=1)


@pytest.mark.parametrize("form", FORMATS)
def test_clicks_are_at_their_samples_in_every_format(form, tmp_path):
    sound = decoded(sound_in(tmp_path, form, clicks(SECONDS, AT)))
    delay = DELAYS.get(form, 0)
    assert click_times(sound, AT) == [at + delay for at in AT]
    if not delay:
        assert 0 <= sound.shape[1] - round(SECONDS * RATE) <= ENDS.get(form, 0)


@pytest.mark.parametrize("form", [form for form in FORMATS if "opus" not in form])
def test_clicks_of_other_rates_are_at_their_times(form, tmp_path):
    scaled = [round(at * 0.91875) for at in AT]
    sound = decoded(sound_in(tmp_path, form, clicks(SECONDS, scaled, rate=44_100), rate=44_100))
    delay = round(DELAYS.get(form, 0) / 0.91875)
    assert all(abs(time - at - delay) <= 1 for time, at in zip(click_times(sound, AT), AT, strict=True))


@pytest.mark.parametrize("form", ["wav", "flac", "alac"])
def test_lossless_sound_is_decoded_bit_by_bit(form, tmp_path):
    sound = (np.random.default_rng(0).integers(-(2**15), 2**15, (2, 70_001)) / 2**15).astype(np.float32)
    assert np.array_equal(decoded(sound_in(tmp_path, form, sound)), sound)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("frequency", [440, 3000])
def test_tones_keep_pitch_and_level_at_other_rates(rate, frequency, tmp_path):
    sound = decoded(write_sound(tmp_path / "a.wav", tone(frequency, 2, rate=rate), rate=rate))
    found, level = tone_of(sound[:, RATE // 2 : -RATE // 2])
    assert abs(1200 * np.log2(found / frequency)) < 0.1
    assert abs(20 * np.log10(level / 0.5)) < 0.01
    assert abs(sound.shape[1] - 2 * RATE) <= 1


def test_high_tones_survive_resampling(tmp_path):
    sound = decoded(write_sound(tmp_path / "a.wav", tone(19_500, 2, rate=44_100), rate=44_100))
    assert abs(20 * np.log10(tone_of(sound[:, 9600:-9600])[1] / 0.5)) < 0.1


def test_mono_is_heard_on_both_sides_at_its_full_level(tmp_path):
    mono = tone(440, 1, channels=1)
    sound = decoded(write_sound(tmp_path / "a.wav", mono))
    assert np.abs(sound - mono).max() < 2**-23


def test_surround_is_mixed_down_without_exceeding_full_scale(tmp_path):
    levels = np.array([[0.5], [-0.25], [0.125], [0.75], [0.25], [-0.5]], np.float32)  # FL FR FC LFE BL BR
    sound = decoded(write_sound(tmp_path / "a.wav", np.tile(levels, (1, 4800))))
    half = 0.5**0.5
    expected = np.array([0.5 + half * 0.125 + half * 0.25, -0.25 + half * 0.125 - half * 0.5]) / (1 + 2 * half)
    assert np.abs(sound[:, 2400] - expected).max() < 1e-6


@pytest.mark.parametrize("layout", ["2.1", "3.0", "quad", "4.0", "5.0", "5.1(side)", "6.1", "7.1", "downmix"])
def test_the_down_mix_is_that_of_ffmpeg(layout, tmp_path):
    count = av.AudioLayout(layout).nb_channels
    sound = (np.random.default_rng(1).standard_normal((count, 9600)) / 10).astype(np.float32)
    path = write_sound(tmp_path / "a.flac", sound, "flac", layout=layout)
    graph = av.filter.Graph()
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        source = graph.add_abuffer(template=stream)
        down = graph.add("aresample", "ochl=stereo:osf=fltp:rematrix_maxval=1.0")
        sink = graph.add("abuffersink")
        source.link_to(down)
        down.link_to(sink)
        graph.configure()
        parts: list[Any] = []
        for frame in file.decode(stream):
            graph.push(frame)
            parts.append(graph.pull().to_ndarray())
    expected = np.concatenate(parts, axis=1)
    if layout == "downmix":  # FFmpeg takes these two as they are, too
        assert count == 2
    assert np.abs(decoded(path)[:, : expected.shape[1]] - expected).max() < 2e-6


@pytest.mark.parametrize(
    ("name", "codec", "error"),
    [("a.mov", "aac", 0), ("a.mkv", "aac", 0), ("a.mp4", "aac", 0), ("a.webm", "libopus", 48)],
)
def test_sound_that_begins_after_the_pictures_keeps_its_place(name, codec, error, tmp_path):
    options = {"movie_timescale": "48000"} if name in ("a.mov", "a.mp4") else {}
    path = write_sound(tmp_path / name, clicks(3, AT), codec, start=Fraction(1, 2), picture=True, options=options)
    sound = decoded(path)
    places = [at + RATE // 2 for at in AT]
    off = [time - place for time, place in zip(click_times(sound, places), places, strict=True)]
    assert max(map(abs, off)) <= error  # WebM counts in milliseconds
    facts = probe_sound(path)
    assert facts is not None
    assert abs(facts.seconds - Fraction(7, 2)) <= Fraction(1, 40)


def test_a_gap_of_the_time_stamps_is_silent(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        for begin in (0, 4800, 4800 + 9600):  # the last one begins 0.1 s late
            block = (clicks(0.1, [2400]) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(block.T).reshape(1, -1), format="s16", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    sound = decoded(path)
    assert click_times(sound, [2400, 7200, 16_800]) == [2400, 7200, 16_800]
    assert sound.shape[1] == 19_200


def test_the_default_stream_is_heard(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        for frequency in (440, 1000):
            stream = file.add_stream("flac", rate=RATE, layout="stereo")
            stream.disposition = av.stream.Disposition.default if frequency == 1000 else av.stream.Disposition.dub
        for frequency, stream in zip((440, 1000), file.streams.audio, strict=True):
            data = (tone(frequency, 1) * 32767).astype(np.int16)
            for begin in range(0, RATE, 4608):
                block = np.ascontiguousarray(data[:, begin : begin + 4608].T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    assert round(tone_of(decoded(path))[0]) == 1000


def test_two_decodes_are_equal(tmp_path):
    path = sound_in(tmp_path, "aac", clicks(3, AT) + tone(440, 3, level=0.1))
    assert np.array_equal(decoded(path), decoded(path))


@pytest.mark.parametrize("form", FORMATS)
def test_the_end_is_known(form, tmp_path):
    facts = probe_sound(sound_in(tmp_path, form, clicks(SECONDS, AT)))
    assert facts is not None
    assert (facts.channels, facts.rate) == (2, RATE)
    late = Fraction(DELAYS.get(form, 0) + ENDS.get(form, 0) + (700 if form in DELAYS or "opus" in form else 0), RATE)
    assert 0 <= facts.seconds - Fraction(144_778, RATE) <= late
    assert facts.missing == 0
    assert facts.warning is None


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.flac", "flac")])
def test_a_cut_file_is_heard_as_far_as_it_goes(name, codec, tmp_path):
    noise = (np.random.default_rng(2).standard_normal((2, 4 * RATE)) / 10).astype(np.float32)
    options = {"movflags": "faststart"} if codec == "aac" else {}
    path = truncated(write_sound(tmp_path / name, noise, codec, options=options), tmp_path / f"cut {name}", 0.5)
    facts = probe_sound(path)
    assert facts is not None
    assert abs(facts.seconds - 2) < Fraction(1, 5)
    assert abs(facts.seconds + facts.missing - 4) < Fraction(1, 1000)
    assert "cut off" in str(facts.warning)
    assert abs(decoded(path).shape[1] - facts.seconds * RATE) < 1


def test_damaged_packets_are_silent_and_the_rest_keeps_its_place(tmp_path):
    path = sound_in(tmp_path, "flac", clicks(SECONDS, AT))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    path.write_bytes(bytes(data[:middle]) + bytes(64) + bytes(data[middle + 64 :]))
    sound = decoded(path)
    assert click_times(sound, [AT[0], AT[-1]]) == [AT[0], AT[-1]]


def test_a_video_without_sound_has_none():
    path = cached(bar_code_video, "a.mp4", 5)
    assert probe_sound(path) is None
    with pytest.raises(MediaTypeError, match="has no sound"):
        decoded(path)


@pytest.mark.parametrize(
    ("name", "content", "error", "reason"),
    [
        ("a.mp3", b"<!doctype html><p>404", NotMediaError, None),
        ("a.mp3", b'{"error": 404}', NotMediaError, None),
        ("a.mp3", b"\x89PNG\r\n\x1a\n" + bytes(100), MediaTypeError, None),
        ("a.wav", b"", SoundSourceError, "empty"),
        ("a.mp3", b"plain words, not media, " * 50, SoundSourceError, "container"),
        ("a.wav", b"RIFF\0\0\0\0WAVE", SoundSourceError, "truncated"),
        ("a.mp3", None, AssetError, None),
    ],
)
def test_what_is_no_sound_is_a_typed_error(name, content, error, reason, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for read in (probe_sound, decoded):
        with pytest.raises(HfdaskError) as caught:
            read(path)
        assert type(caught.value) is error
        assert caught.value.details.get("reason") == reason


def test_a_file_without_samples_is_a_typed_error(tmp_path):
    for form in ("wav", "aac"):
        path = sound_in(tmp_path, form, silence(0.1))
        data = path.read_bytes()
        path.write_bytes(data[:44] if form == "wav" else data[: len(data) // 4])
        with pytest.raises(SoundSourceError, match=r"cut|decoded|copy"):
            decoded(path)


def test_a_codec_that_nobody_knows_is_a_typed_error(tmp_path):
    path = sound_in(tmp_path, "wav", tone(440, 0.1))
    data = bytearray(path.read_bytes())
    place = data.index(b"fmt ") + 8
    data[place : place + 2] = b"\x99\x99"
    path.write_bytes(data)
    for read in (probe_sound, decoded):
        with pytest.raises(SoundSourceError) as caught:
            read(path)
        assert caught.value.details["reason"] == "codec"


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(SoundReadError):
        decoded(tmp_path)
