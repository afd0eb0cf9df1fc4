"""Copies of sounds into containers, and every sound that a finished video must not have."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from media_samples import HEIGHT, NTSC, WIDTH, make_chunks, verify
from mix_samples import clicks, mixed, played, signal_to_noise, tone
from msgspec.structs import replace

from hfdask.core.sound import SAMPLE_RATE, sample_count
from hfdask.errors import OutputInvalidError
from hfdask.formats.mp4 import MP4
from hfdask.formats.table import encoder_settings
from hfdask.media.sound_file import Encoding, SoundCopy, SoundFile, movie_timescale
from hfdask.sound.encode import encode_sound

LENGTHS = (4, 3)
SAMPLES = sample_count(sum(LENGTHS), NTSC)
SOUND = clicks(SAMPLES, 0, 5_000) * 0.5


@pytest.fixture
def sound(tmp_path: Path) -> SoundFile:
    return encode_sound(tmp_path / "mix.flac", mixed(tmp_path / "mix.flac", SOUND), tmp_path).file


def joined(folder: Path, sound: SoundFile | None, fps: Fraction = NTSC) -> tuple[Path, dict[str, Any]]:
    """Return a video with this sound, and what `verify` takes."""
    output, settings = folder / "out.mp4", encoder_settings("draft", None, None, fps)
    chunks = make_chunks(folder, LENGTHS, fps)
    with MP4.join(output, fps, settings, {}, None if sound is None else lambda: sound) as join:
        for chunk in chunks:
            join.append(chunk)
        digest = join.finish().digest
    plan = {
        "frames": sum(LENGTHS),
        "fps": fps,
        "width": WIDTH,
        "height": HEIGHT,
        "keyframes": [chunk.start for chunk in chunks],
        "codec": "h264",
        "pixel_format": "yuv420p",
        "digest": digest,
    }
    return output, plan


def refused(path: Path, check: str, **plan: Any) -> None:
    with pytest.raises(OutputInvalidError) as caught:
        verify(path, **plan)
    assert caught.value.details["check"] == check


def test_the_planned_sound_is_accepted(tmp_path: Path, sound: SoundFile) -> None:
    path, plan = joined(tmp_path, sound)
    verify(path, **plan, sound=sound)


def test_a_sound_that_was_not_planned_is_refused(tmp_path: Path, sound: SoundFile) -> None:
    path, plan = joined(tmp_path, sound)
    refused(path, "streams", **plan)


def test_a_missing_sound_is_refused(tmp_path: Path, sound: SoundFile) -> None:
    path, plan = joined(tmp_path, None)
    verify(path, **plan)
    refused(path, "streams", **plan, sound=sound)


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("sound_format", {"codec": "opus"}),
        ("sound_length", {"samples": SAMPLES - 1}),
        ("sound_length", {"samples": SAMPLES + 1}),
        ("sound_times", {"priming": 0}),
        ("sound_packets", {"digest": "0" * 64}),
    ],
)
def test_another_sound_is_refused(check: str, change: dict[str, Any], tmp_path: Path, sound: SoundFile) -> None:
    path, plan = joined(tmp_path, sound)
    refused(path, check, **plan, sound=replace(sound, **change))


def remuxed(source: Path, target: Path, edits: bool = True, **fault: int) -> Path:
    """Copy a video, with its sound ``late`` by some samples, or without its packet of number ``drop``."""
    options = {"video_track_timescale": "90000", "movie_timescale": "720000", "movflags": "+faststart"}
    if not edits:
        options["use_editlist"] = "0"
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        streams = {each.index: new.add_stream_from_template(each) for each in old.streams}
        numbers = dict.fromkeys(streams, 0)
        for packet in old.demux():
            if packet.size:
                index = packet.stream.index
                numbers[index] += 1
                sounds = packet.stream.type == "audio"
                packet.stream = streams[index]
                if sounds:
                    packet.pts = packet.dts = (packet.pts or 0) + fault.get("late", 0)
                if not (sounds and fault.get("drop") == numbers[index]):
                    new.mux(packet)
    return target


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("duration", {"late": 480}),
        ("sound_length", {"late": -480}),
        ("rate", {"edits": False}),
        ("sound_packets", {"drop": 4}),
    ],
)
def test_a_sound_that_plays_at_another_time_is_refused(
    check: str, fault: dict[str, Any], tmp_path: Path, sound: SoundFile
) -> None:
    path, plan = joined(tmp_path, sound)
    verify(remuxed(path, tmp_path / "same.mp4"), **plan, sound=sound)
    refused(remuxed(path, tmp_path / "spoilt.mp4", **fault), check, **plan, sound=sound)


def box(data: bytes, *path: bytes) -> bytes:
    """Return the content of a box of an MP4 file, by the names of the boxes around it; the last one of each name."""
    for name in path:
        position, found = 0, b""
        while position < len(data):
            size = int.from_bytes(data[position : position + 4])
            if data[position + 4 : position + 8] == name:
                found = data[position + 8 : position + size]
            position += size
        data = found
    return data


def numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4]) for at in range(0, len(data), 4)]


@pytest.mark.parametrize("rate", ["24", "25", "60", "30000/1001"])
def test_the_edit_list_hides_the_priming_and_ends_after_the_last_sample(rate: str, tmp_path: Path) -> None:
    """So a player needs no rounding, of which players have several kinds."""
    fps = Fraction(rate)
    samples = sample_count(sum(LENGTHS), fps)
    mix = clicks(samples, 100) * 0.5
    sound = encode_sound(tmp_path / "mix.flac", mixed(tmp_path / "mix.flac", mix), tmp_path).file
    data = joined(tmp_path, sound, fps)[0].read_bytes()
    timescale = numbers(box(data, b"moov", b"mvhd"))[3]
    [_, edits, length, begin, speed] = numbers(box(data, b"moov", b"trak", b"edts", b"elst"))
    assert (edits, begin, speed) == (1, 1024, 1 << 16)
    assert Fraction(length, timescale) == Fraction(samples, SAMPLE_RATE)


@pytest.mark.slow
def test_packets_of_the_sound_lie_between_the_pictures_of_their_time_also_in_long_chunks(tmp_path: Path) -> None:
    fps, frames = Fraction(1), 15
    mix = tone(sample_count(frames, fps), 440, 0.3)
    sound = encode_sound(tmp_path / "mix.flac", mixed(tmp_path / "mix.flac", mix), tmp_path).file
    [chunk] = make_chunks(tmp_path, (frames,), fps)
    with MP4.join(tmp_path / "out.mp4", fps, encoder_settings("draft", None, None, fps), {}, lambda: sound) as join:
        join.append(chunk)
        join.finish()
    with av.open(str(tmp_path / "out.mp4")) as file:
        placed = sorted((p.pos, (p.pts or 0) * p.time_base) for p in file.demux() if p.size)
    latest = Fraction(-1)
    for _, time in placed:
        assert time > latest - Fraction(1, 20)
        latest = max(latest, time)


@pytest.mark.parametrize("rate", ["24", "30", "60000/1001", "1000003/10007"])
def test_the_clock_of_the_file_is_never_coarser_than_that_of_the_pictures(rate: str, tmp_path: Path) -> None:
    """At the last rate, samples and frames have no common clock that fits. The length is right all the same."""
    fps = Fraction(rate)
    settings = encoder_settings("draft", None, None, fps)
    clock = movie_timescale(settings.timescale)
    assert clock % settings.timescale == 0
    assert clock % SAMPLE_RATE == 0 or rate == "1000003/10007"
    samples = sample_count(sum(LENGTHS), fps)
    mix = clicks(samples, 100) * 0.5
    sound = encode_sound(tmp_path / "mix.flac", mixed(tmp_path / "mix.flac", mix), tmp_path).file
    path, plan = joined(tmp_path, sound, fps)
    verify(path, **plan, sound=sound)
    assert played(path).shape == (2, samples)


@pytest.mark.parametrize(
    ("encoding", "container"),
    [
        (Encoding("libopus", "mp4", "mp4", 128_000), "webm"),
        (Encoding("pcm_s16le", "mov", "mov"), "mov"),
    ],
)
def test_other_containers_get_other_sounds(encoding: Encoding, container: str, tmp_path: Path) -> None:
    mix = tone(SAMPLE_RATE, 440, 0.3)
    sound = encode_sound(tmp_path / "mix.flac", mixed(tmp_path / "mix.flac", mix), tmp_path, encoding).file
    with av.open(str(tmp_path / f"out.{container}"), "w") as file:
        copy = SoundCopy(sound, file)
        copy.write(until=Fraction(1, 2))
        copy.write()
    copy.close()
    with av.open(str(tmp_path / f"out.{container}")) as file:
        heard = list(file.decode(audio=0))
    assert SAMPLE_RATE <= sum(frame.samples for frame in heard) <= SAMPLE_RATE + 1_000
    if container == "mov":
        assert signal_to_noise(played(tmp_path / "out.mov"), mix) > 70
