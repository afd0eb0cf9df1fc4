"""Settings, colours, keyframes, repeated frames and failures of the chunk encoder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from media_samples import HEIGHT, NTSC, WIDTH, encode, picture, png, solid, to_rgb

from hfdask.core.frames import parse_fps
from hfdask.errors import EncodeError, InvalidConfigError, MediaError, NotDecodableError
from hfdask.formats.codec import timescale
from hfdask.formats.decoding import Decoding
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.table import encoder_settings
from hfdask.media.captured import PngPicture
from hfdask.media.picture import Converter, frame_digest, psnr

RATES = [parse_fps(rate) for rate in ("1", "24", "25", "30", "60", "240", "24000/1001", "30000/1001")]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [to_rgb(frame) for frame in container.decode(video=0)]


def encoder_for(path: Path, frames: int = 2, width: int = WIDTH, height: int = HEIGHT) -> ChunkEncoder:
    return ChunkEncoder(path, encoder_settings("draft", None, None, NTSC), NTSC, width, height, frames)


def test_qualities() -> None:
    for quality, preset, crf in (
        ("draft", "ultrafast", "28"),
        ("looks", "medium", "16"),
        ("standard", "medium", "18"),
        ("high", "slow", "15"),
    ):
        settings = encoder_settings(quality, None, None, NTSC)
        assert (settings.options["preset"], settings.options["crf"]) == (preset, crf)
        assert ("deblock" in settings.options["x264-params"]) == (preset != "ultrafast")
        assert (settings.codec, settings.pixel_format, settings.container) == ("libx264", "yuv420p", "mp4")
        assert settings.threads == 2


def test_crf_and_bitrate_replace_the_quality() -> None:
    assert encoder_settings("high", 0, None, NTSC).options["crf"] == "0"
    for bitrate, bits in (("8M", "8000000"), ("500k", "500000"), ("2.5M", "2500000"), ("64000", "64000")):
        options = encoder_settings("high", None, bitrate, NTSC).options
        assert options["b"] == bits
        assert "crf" not in options


@pytest.mark.parametrize(
    ("quality", "crf", "bitrate", "field"),
    [
        ("best", None, None, "quality"),
        ("high", -1, None, "crf"),
        ("high", 52, None, "crf"),
        ("high", True, None, "crf"),
        ("high", 18.5, None, "crf"),
        ("high", None, "fast", "bitrate"),
        ("high", None, "", "bitrate"),
        ("high", None, "0", "bitrate"),
        ("high", None, "8MB", "bitrate"),
        ("high", None, "-8M", "bitrate"),
        ("high", None, "9000M", "bitrate"),
        ("high", 18, "8M", "bitrate"),
    ],
)
def test_settings_are_validated(quality: str, crf: int | None, bitrate: str | None, field: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        encoder_settings(quality, crf, bitrate, NTSC)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("fps", [*RATES, Fraction(7, 3), Fraction(239_999_999, 1_000_000)])
def test_a_frame_is_a_whole_number_of_ticks(fps: Fraction) -> None:
    ticks = timescale(fps)
    assert (ticks / fps).denominator == 1
    assert 90_000 <= ticks < 2**31


def test_two_threads_encode(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(0, 640, 360), picture(1, 640, 360)])  # a small picture has too few rows for two
    assert b"threads=2" in (tmp_path / "a.mp4").read_bytes()


def test_the_cpu_seconds_of_its_threads_are_known(tmp_path: Path) -> None:
    settings = encoder_settings("high", None, None, NTSC)
    pictures = [PngPicture(png(picture(i, 640, 360))) for i in range(20)]
    began = time.process_time()
    with ChunkEncoder(tmp_path / "a.mp4", settings, NTSC, 640, 360, len(pictures)) as encoder:
        for each in pictures:
            encoder.encode(each)
    spent = time.process_time() - began
    assert 0.3 * spent < encoder.cpu_seconds < spent


def test_settings_reach_the_encoder(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(0), picture(1)], quality="high", crf=20)
    data = (tmp_path / "a.mp4").read_bytes()
    for option in (
        b"crf=20.0",
        b"bframes=0",
        b"scenecut=0",
        b"aq=3:0.80",
        b"deblock=1:1:1",
        b"keyint=2 ",
    ):
        assert option in data


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 64, 200)])
@pytest.mark.parametrize("quality", ["draft", "high"])
def test_colours_survive(tmp_path: Path, colour: tuple[int, int, int], quality: str) -> None:
    encode(tmp_path / "a.mp4", [solid(colour)] * 2, quality=quality)
    for frame in decoded(tmp_path / "a.mp4"):
        assert np.abs(frame.astype(int) - colour).max() <= 2


def test_stream_is_tagged_and_paced(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(i) for i in range(5)])
    with av.open(str(tmp_path / "a.mp4")) as container:
        video = container.streams.video[0]
        context = video.codec_context
        assert (context.color_range, context.color_primaries, context.color_trc, context.colorspace) == (
            1,
            1,
            1,
            1,
        )
        assert (video.average_rate, video.base_rate, video.start_time, video.frames) == (NTSC, NTSC, 0, 5)
        assert video.time_base == Fraction(1, 90_000)
        assert video.duration == 5 * 3003


@pytest.mark.parametrize("frames", [1, 2, 60])
def test_one_keyframe_and_no_b_frames(tmp_path: Path, frames: int) -> None:
    # The scene changes completely every ten frames; every PNG arrives marked as an I picture.
    encode(tmp_path / "a.mp4", [picture(i) if i // 10 % 2 else 255 - picture(i) for i in range(frames)])
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * (frames - 1)
    assert all(packet.pts == packet.dts == i * 3003 for i, packet in enumerate(packets))
    with av.open(str(tmp_path / "a.mp4")) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    assert len(kinds) == frames
    assert 3 not in kinds
    assert kinds.count(1) < max(2, frames // 5)


@pytest.mark.parametrize("size", [(33, 17), (64, 47), (63, 48)])
def test_odd_sizes_repeat_their_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    encode(tmp_path / "a.mp4", [solid((250, 10, 20), width, height)] * 2, crf=1)
    for frame in decoded(tmp_path / "a.mp4"):
        assert frame.shape == (height + height % 2, width + width % 2, 3)
        assert np.abs(frame.astype(int) - (250, 10, 20)).max() <= 4


def test_digests_are_those_of_the_frames_that_the_encoder_gets(tmp_path: Path) -> None:
    pictures = [picture(i) for i in range(4)]
    frames = [Converter("yuv420p").convert(PngPicture(png(pixels)).frame) for pixels in pictures]
    assert encode(tmp_path / "a.mp4", pictures) == [frame_digest(frame) for frame in frames]
    with encoder_for(tmp_path / "b.mp4") as encoder:
        encoder.encode(PngPicture(png(pictures[0])))
        assert encoder.digest(PngPicture(png(pictures[1]))) == frame_digest(frames[1])
        encoder.abort()


def test_pictures_that_differ_only_before_the_conversion_are_repeated(tmp_path: Path) -> None:
    darker, lighter = (solid((0, 0, blue)) for blue in (0, 1))
    with encoder_for(tmp_path / "a.mp4", 2) as encoder:
        digests = [encoder.encode(PngPicture(png(pixels))) for pixels in (darker, lighter)]
    assert digests[0] == digests[1]
    assert (decoded(tmp_path / "a.mp4")[0] == decoded(tmp_path / "a.mp4")[1]).all()


@pytest.mark.parametrize("quality", ["draft", "standard", "high"])
def test_same_pictures_same_bytes(tmp_path: Path, quality: str) -> None:
    for name in "ab":
        encode(tmp_path / f"{name}.mp4", [picture(i) for i in range(12)], quality=quality)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_repeat_is_the_picture_before(tmp_path: Path) -> None:
    with encoder_for(tmp_path / "b.mp4", 5) as encoder:
        digests = [encoder.encode(PngPicture(png(picture(0)))), encoder.repeat(), encoder.repeat()]
        digests += [encoder.encode(PngPicture(png(picture(7)))), encoder.repeat()]
    assert digests == [digests[0]] * 3 + [digests[3]] * 2
    frames = decoded(tmp_path / "b.mp4")
    assert [(a == b).all() for a, b in pairwise(frames)] == [True, True, False, True]


def test_frames_may_come_from_another_thread(tmp_path: Path) -> None:
    with encoder_for(tmp_path / "a.mp4", 2) as encoder:
        for i in range(2):
            thread = threading.Thread(target=encoder.encode, args=(PngPicture(png(picture(i))),))
            thread.start()
            thread.join()
    assert psnr(decoded(tmp_path / "a.mp4")[1], picture(1)) > 15


def test_repeat_needs_a_frame(tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="no frame to repeat"), encoder_for(tmp_path / "a.mp4") as encoder:
        encoder.repeat()
    assert not (tmp_path / "a.mp4").exists()


def test_wrong_size_names_the_frame(tmp_path: Path) -> None:
    encoder = encoder_for(tmp_path / "a.mp4")
    encoder.encode(PngPicture(png(picture(0))))
    with pytest.raises(EncodeError, match=r"frame 1 .* 32x16 pixels instead of 64x48") as caught, encoder:
        encoder.encode(PngPicture(png(picture(0, 32, 16))))
    assert caught.value.details["frame"] == 1
    assert not (tmp_path / "a.mp4").exists()


def test_broken_png_removes_the_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="PNG"), encoder_for(tmp_path / "a.mp4") as encoder:
        encoder.encode(PngPicture(b"garbage"))
    assert not (tmp_path / "a.mp4").exists()


def test_any_exception_removes_the_file(tmp_path: Path) -> None:
    encoder = encoder_for(tmp_path / "a.mp4", 60)
    for i in range(50):
        encoder.encode(PngPicture(png(picture(i))))
    with pytest.raises(KeyboardInterrupt), encoder:
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_missing_frames_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="1 of its 2 frames"), encoder_for(tmp_path / "a.mp4") as encoder:
        encoder.encode(PngPicture(png(picture(0))))
    assert not (tmp_path / "a.mp4").exists()


def test_more_frames_than_planned_are_an_error(tmp_path: Path) -> None:
    encoder = encoder_for(tmp_path / "a.mp4", 1)
    encoder.encode(PngPicture(png(picture(0))))
    with pytest.raises(EncodeError, match="has all of its 1 frames"), encoder:
        encoder.repeat()
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2), lambda data: b""],
    ids=["damaged", "empty"],
)
def test_packets_that_cannot_be_decoded_remove_the_file(
    spoil: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Decoding.take
    numbers = iter(range(4))

    def taken(decoding: Decoding, packet: Packet[Any]) -> None:
        take(decoding, packet if next(numbers) != 1 else Packet(spoil(bytes(packet))))

    monkeypatch.setattr(Decoding, "take", taken)
    with pytest.raises(NotDecodableError, match="does not decode beyond its frame 1") as caught:
        encode(tmp_path / "a.mp4", [picture(number) for number in range(4)])
    assert caught.value.details["path"] == str(tmp_path / "a.mp4")
    assert caught.value.retryable
    assert not (tmp_path / "a.mp4").exists()


def test_a_picture_that_no_decoder_shows_removes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoding._decode
    packets: list[object] = []

    def decoded(decoding: Decoding, packet: Packet[Any] | None) -> None:
        packets.append(packet)
        if len(packets) != 4:
            decode(decoding, packet)

    monkeypatch.setattr(Decoding, "_decode", decoded)
    with pytest.raises(NotDecodableError, match="decodes to 3 pictures instead of 4"):
        encode(tmp_path / "a.mp4", [picture(number) for number in range(4)])
    assert not (tmp_path / "a.mp4").exists()


def test_closing_twice_is_allowed_and_encoding_after_it_is_not(tmp_path: Path) -> None:
    encoder = encoder_for(tmp_path / "a.mp4", 1)
    encoder.encode(PngPicture(png(picture(0))))
    encoder.close()
    encoder.close()
    encoder.abort()
    with pytest.raises(EncodeError):
        encoder.encode(PngPicture(png(picture(0))))
    assert len(decoded(tmp_path / "a.mp4")) == 1


@pytest.mark.parametrize(("width", "height", "frames"), [(0, 48, 1), (64, 20_000, 1), (64, 48, 0)])
def test_impossible_sizes(tmp_path: Path, width: int, height: int, frames: int) -> None:
    with pytest.raises(EncodeError):
        encoder_for(tmp_path / "a.mp4", frames, width, height)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="cannot write"):
        encoder_for(tmp_path / "no" / "a.mp4").encode(PngPicture(png(picture(0))))


def test_refused_settings(tmp_path: Path) -> None:
    settings = encoder_settings("draft", None, None, NTSC)
    settings.options["preset"] = "warp"
    with pytest.raises(EncodeError, match="refused"):
        ChunkEncoder(tmp_path / "a.mp4", settings, NTSC, 64, 48, 1)
    assert not (tmp_path / "a.mp4").exists()
