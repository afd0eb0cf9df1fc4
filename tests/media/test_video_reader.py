"""Every frame of a source is the right frame, in any order of reading."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from blake3 import blake3
from slow import sampled
from video_samples import (
    bar_code,
    bar_code_video,
    cached,
    cut_video,
    luma,
    read_bar_code,
    spoilt,
    to_frame,
    truncated,
    write_video,
)

from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.errors import VideoReadError, VideoSourceError
from hfdask.media import probe
from hfdask.media.frame_decoder import FrameDecoder
from hfdask.media.probe import probe_video
from hfdask.media.video_file import packets_of
from hfdask.media.video_reader import VideoReader

FRAMES = 30
OPEN_GOP = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"}
QUIET = "log-level=none:pools=none:frame-threads=1"

SAMPLES: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {"bframes": 3},
    "open-gop.mp4": {"gop": 8, "bframes": 3, "options": OPEN_GOP},
    "open-gop.ts": {"gop": 8, "bframes": 3, "options": OPEN_GOP},
    "open-gop.mkv": {"gop": 8, "bframes": 3, "options": OPEN_GOP},
    "no-edit-list.mp4": {"mux": {"use_editlist": "0"}},
    "fragments.mp4": {"mux": {"movflags": "frag_keyframe+empty_moov"}},
    "plain.ts": {},
    "plain.mkv": {},
    "one-key.mp4": {"gop": 1000},
    "intra-refresh.mp4": {"bframes": 0, "options": {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=10"}},
    "vp8.webm": {"codec": "libvpx"},
    "vp8-alpha.webm": {"codec": "libvpx", "pix_fmt": "yuva420p"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "vp9-alpha.webm": {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"},
    "hevc.mp4": {"codec": "libx265"},
    "hevc-open-gop.mp4": {"codec": "libx265", "bframes": 3, "options": {"x265-params": f"open-gop=1:{QUIET}"}},
    "av1.mp4": {"codec": "libsvtav1"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuva444p10le"},
    "png.mov": {"codec": "png", "pix_fmt": "rgba"},
    "ten-bits.mp4": {"pix_fmt": "yuv420p10le"},
    "23.976.mp4": {"fps": Fraction(24000, 1001)},
    "slow.mp4": {"fps": Fraction(1, 4)},
    "mpeg4.avi": {"codec": "mpeg4", "bframes": 0},
    "b-frames.avi": {},
    "packed.avi": {"codec": "mpeg4"},
    "program.mpg": {"codec": "mpeg2video"},
    "odd.mkv": {"codec": "ffv1", "size": (77, 51)},
    "late.mp4": {"start": Fraction(1, 2), "sound": (Fraction(0), Fraction(1))},
}


def sample(name: str) -> Path:
    return cached(bar_code_video, name, FRAMES, **SAMPLES[name])


def digest(frame: av.VideoFrame) -> str:
    hasher = blake3()
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        bytes_a_sample = 2 if max(part.bits for part in frame.format.components) > 8 else 1
        packed = len(frame.format.components) if not frame.format.is_planar else 1
        hasher.update(np.ascontiguousarray(rows[:, : plane.width * bytes_a_sample * packed]).data)
    return hasher.hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[tuple[VideoReader, VideoSource, FrameIndex]]:
    source, index = probe_video(path)
    with VideoReader(path, source, index) as reader:
        yield reader, source, index


def whole(path: Path, source: VideoSource) -> list[str]:
    """Return digests of all frames, decoded once from the beginning by FFmpeg."""
    decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(source.codec) if source.alpha else None
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context: Any = stream.codec_context if decoder is None else av.CodecContext.create(decoder, "r")
        return [
            digest(frame) for packet in file.demux(stream) for frame in context.decode(packet if packet.size else None)
        ]


def count_work(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Return lists that will have an entry for each seek and for each decoded frame."""
    seeks: list[int] = []
    decoded: list[int] = []
    seek, decode = FrameDecoder._seek, FrameDecoder._decode

    def counted_seek(self: FrameDecoder, ticks: int) -> bool:
        seeks.append(ticks)
        return seek(self, ticks)

    def counted_decode(self: FrameDecoder, start: int, group: int) -> Iterator[av.VideoFrame]:
        for frame in decode(self, start, group):
            decoded.append(start)
            yield frame

    monkeypatch.setattr(FrameDecoder, "_seek", counted_seek)
    monkeypatch.setattr(FrameDecoder, "_decode", counted_decode)
    return seeks, decoded


@pytest.mark.parametrize("name", sampled(SAMPLES, one_of=2))
def test_each_frame_equals_a_full_decode_in_any_order(name):
    path = sample(name)
    with opened(path) as (reader, source, index):
        expected = whole(path, source)
        assert len(index) == len(expected) == FRAMES
        numbers = list(range(FRAMES))
        order = [*numbers, *reversed(numbers), *random.Random(name).sample(numbers, FRAMES), 5, 5]
        for number in order:
            frame = reader.frame(number)
            assert digest(frame) == expected[number], number
            assert read_bar_code(luma(frame)) == number


@pytest.mark.parametrize("name", ["b-frames.mp4", "open-gop.mp4", "plain.ts", "prores.mov", "vp9-alpha.webm"])
def test_reading_forward_never_seeks_and_decodes_each_frame_once(name, monkeypatch):
    seeks, decoded = count_work(monkeypatch)
    with opened(sample(name)) as (reader, _, index):
        decoded.clear()
        for number in range(FRAMES):
            reader.frame(number)
        leading = 4 * len(index.keys) if "open" in name else 0  # a key frame, and frames that are shown before it
        assert FRAMES <= len(decoded) <= FRAMES + leading
        assert seeks == []


def test_a_frame_far_ahead_is_sought_not_decoded_up_to(monkeypatch):
    path = cached(bar_code_video, "long.mp4", 700, gop=20, size=(64, 32))
    with opened(path) as (reader, _, _index):
        seeks, decoded = count_work(monkeypatch)
        assert read_bar_code(luma(reader.frame(655))) == 655
        assert read_bar_code(luma(reader.frame(3))) == 3
        assert len(decoded) <= 40
        assert len(seeks) <= 2


@pytest.mark.parametrize("name", ["open-gop.mp4", "b-frames.mp4", "hevc-open-gop.mp4"])
def test_a_cut_without_encoding_starts_where_its_edit_list_says(name, tmp_path):
    path = cut_video(sample(name), tmp_path / "cut.mp4", Fraction(17, 30))
    with opened(path) as (reader, source, index):
        assert [read_bar_code(luma(reader.frame(n))) for n in range(len(index))] == list(range(17, FRAMES))
        assert index.time(0) == source.lead.fraction == 0
        assert [digest(reader.frame(n)) for n in reversed(range(len(index)))] == whole(path, source)[::-1]


def test_a_recording_that_begins_between_key_frames_starts_at_the_first_key_frame(tmp_path):
    data = sample("open-gop.ts").read_bytes()
    path = tmp_path / "middle.ts"
    path.write_bytes(data[len(data) // 188 * 2 // 5 * 188 :])
    with opened(path) as (reader, source, index):
        shown = [read_bar_code(luma(reader.frame(n))) for n in range(len(index))]
        assert shown == list(range(16, FRAMES))
        assert 0 < source.lead.fraction < Fraction(1, 2)


def test_a_packet_without_a_picture_of_its_own_holds_the_picture_before(tmp_path):
    path = tmp_path / "hidden.mkv"
    with av.open(str(sample("vp8.webm"))) as file, av.open(str(path), "w") as copy:
        copied = copy.add_stream_from_template(file.streams.video[0])
        for packet in file.demux(video=0):
            if packet.size:
                data = bytearray(bytes(packet))
                data[0] &= 0xEF if data and packet.pts in (133, 700) else 0xFF  # clears its bit for being shown
                hidden = av.Packet(bytes(data))
                hidden.pts, hidden.dts, hidden.time_base = packet.pts, packet.dts, packet.time_base
                hidden.is_keyframe, hidden.stream = packet.is_keyframe, copied
                copy.mux(hidden)
    with opened(path) as (reader, _, index):
        shown = [read_bar_code(luma(reader.frame(n))) for n in range(len(index))]
        assert shown == [{4: 3, 21: 20}.get(n, n) for n in range(FRAMES)]
        for number in (21, 4, 22, 5, 4):
            assert read_bar_code(luma(reader.frame(number))) == shown[number]


def test_sound_that_appears_in_the_middle_of_a_recording_changes_no_picture(tmp_path):
    first = cached(bar_code_video, "first.ts", 200, gop=20)
    start = Fraction(203, 30)  # after the last frame of the first video, which has B-frames
    second = cached(bar_code_video, "second.ts", 40, first=200, start=start, sound=(start, Fraction(1)))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with opened(path) as (reader, _, index):
        assert [read_bar_code(luma(reader.frame(n))) for n in range(len(index))] == list(range(240))
        assert [read_bar_code(luma(reader.frame(n))) for n in (239, 3, 201, 120)] == [239, 3, 201, 120]


def test_packets_that_are_only_called_key_frames_are_decoded_from_earlier_ones(monkeypatch, tmp_path):
    path = tmp_path / "called.mp4"
    video = cached(bar_code_video, "true.mp4", 40, codec="libx265", bframes=0)
    with av.open(str(video)) as file, av.open(str(path), "w") as copy:
        copied = copy.add_stream_from_template(file.streams.video[0])
        for number, packet in enumerate(packet for packet in file.demux(video=0) if packet.size):
            packet.is_keyframe, packet.stream = packet.is_keyframe or number in (17, 18), copied
            copy.mux(packet)
    with opened(path) as (reader, _, index):
        assert [key.frame for key in index.keys] == [0, 12, 17, 18, 24, 36]
        _, decoded = count_work(monkeypatch)
        for number in range(40):
            assert read_bar_code(luma(reader.frame(number))) == number
        assert len(decoded) < 80
        for number in (3, 20, 39, 17, 30, 18, 23, 11, 24, 19):
            assert read_bar_code(luma(reader.frame(number))) == number


def test_a_stream_that_appears_later_ends_no_reading_early():
    class Late:
        """Read a file as PyAV 18 does: at the end, it looks for a stream that it has not listed."""

        def demux(self, stream: Any) -> Iterator[Any]:
            yield from (av.Packet(b"a"), av.Packet(), av.Packet(b"bc"))
            raise IndexError("list index out of range")

    late: Any = Late()
    assert [packet.size for packet in packets_of(late, late)] == [1, 2]


def test_program_streams_that_lack_times_are_counted():
    path = cached(bar_code_video, "few-times.mpg", 60, codec="mpeg2video", size=(64, 32), gop=30)
    with opened(path) as (reader, _, index):
        assert index.counted
        for number in (*range(60), 7, 59, 0, 30):
            assert read_bar_code(luma(reader.frame(number))) == number
            assert index.time(number) == pytest.approx(number / 30, abs=1e-4)


def test_a_file_that_cannot_be_sought_is_read_from_its_beginning(monkeypatch):
    monkeypatch.setattr(FrameDecoder, "_seek", lambda self, ticks: False)
    with opened(cached(bar_code_video, "long.mp4", 700, gop=20, size=(64, 32))) as (reader, _, _index):
        assert [read_bar_code(luma(reader.frame(n))) for n in (655, 17, 655)] == [655, 17, 655]


def test_uneven_frames_are_told_apart_by_their_times():
    times = [Fraction(t, 120) for t in (0, 3, 20, 21, 90, 91, 92, 200)]
    path = cached(bar_code_video, "vfr.mp4", len(times), times=times)
    with opened(path) as (reader, source, index):
        assert [index.time(n) for n in range(len(times))] == times
        assert [read_bar_code(luma(reader.frame(n))) for n in reversed(range(len(times)))] == list(range(8))[::-1]
        assert source.variable


@pytest.mark.parametrize("fps", [30, Fraction(1, 7)])
def test_a_video_of_one_frame_shows_it_for_ever(fps):
    path = cached(bar_code_video, "one.mp4", 1, fps, first=77)
    with opened(path) as (reader, source, index):
        assert len(index) == 1
        assert index.at(Fraction(1000)) == 0
        assert read_bar_code(luma(reader.frame(0))) == 77
        assert source.playable.fraction == 1 / Fraction(fps)


@pytest.mark.parametrize("number", [-1, FRAMES])
def test_frames_that_are_not_there_are_an_error(number):
    with opened(sample("plain.mkv")) as (reader, _, _index), pytest.raises(IndexError, match=f"of {FRAMES}"):
        reader.frame(number)


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("long.mp4", {"mux": {"movflags": "faststart"}}),
        ("long.mkv", {}),
        ("long.ts", {}),
        ("long.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_of_a_truncated_file_what_is_there_is_shown_and_the_last_frame_held(name, options, share, tmp_path):
    path = truncated(cached(bar_code_video, name, 60, **options), tmp_path / name, share)
    with opened(path) as (reader, _, index):
        assert 60 * share / 2 < len(index) < 60
        for n in reversed(range(len(index))):
            assert Fraction(read_bar_code(luma(reader.frame(n))), 30) == pytest.approx(index.time(n), abs=0.001)
        assert index.at(Fraction(100)) == len(index) - 1


def test_the_last_frame_is_held_where_probing_did_not_decode_the_end(monkeypatch, tmp_path):
    video = cached(bar_code_video, "hevc-one-key.mp4", FRAMES, bframes=0, gop=1000, codec="libx265")
    path = spoilt(video, tmp_path / "bad-end.mp4", FRAMES - 1)
    assert len(probe_video(path)[1]) == FRAMES - 1
    monkeypatch.setattr(probe, "TAIL_FRAMES", 3)
    with opened(path) as (reader, _, index):
        assert len(index) == FRAMES
        for _ in range(2):
            assert read_bar_code(luma(reader.frame(FRAMES - 1))) == FRAMES - 2
            assert read_bar_code(luma(reader.frame(4))) == 4


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuva420p"])
@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_damage_is_the_same_in_any_order_and_names_file_and_time(codec, pix_fmt, tmp_path):
    video = cached(bar_code_video, "vpx.mkv", FRAMES, codec=codec, pix_fmt=pix_fmt)
    path = spoilt(video, tmp_path / "damaged.mkv", 12)

    def look(order: list[int]) -> dict[int, str]:
        found, errors = {}, []
        with opened(path) as (reader, _, _index):
            for number in order:
                try:
                    found[number] = digest(reader.frame(number))
                except VideoSourceError as error:
                    errors.append(error)
                    found[number] = error.details["reason"]
        for raised in errors:
            assert raised.details["path"] == str(path)
            assert raised.details["seconds"] == pytest.approx(raised.details["frame"] / 30, abs=0.001)
        return found

    numbers = list(range(FRAMES))
    forward = look(numbers)
    assert forward[12] == "damaged"
    assert "damaged" not in [forward[n] for n in (0, 11, 24, 29)]
    assert look(numbers[::-1]) == look(random.Random(1).sample(numbers, FRAMES)) == forward


def test_another_file_than_the_planned_one_is_an_error():
    source, index = probe_video(sample("b-frames.mp4"))
    with (
        VideoReader(cached(bar_code_video, "plain.mkv", FRAMES), source, index) as reader,
        pytest.raises(VideoReadError, match="not the file that was planned"),
    ):
        reader.frame(20)
    with pytest.raises(VideoReadError, match="cannot be read"):
        VideoReader(Path("/nowhere/a.mp4"), source, index)


def interlaced_video(path: Path) -> Path:
    """Write 12 frames. Lower fields have the grey 60 + 10n, and upper fields, half a frame later, 65 + 10n."""
    frames = []
    for n in range(12):
        picture = np.full((96, 160), 60 + 10 * n, np.uint8)
        picture[::2] += 5
        frames.append(to_frame(picture))
    options = {"preset": "veryfast", "crf": "1", "flags": "+ilme+ildct"}
    return write_video(path, frames, options=options, bframes=0)


def test_interlaced_pictures_lose_their_comb_and_none_is_added():
    path = cached(interlaced_video, "interlaced.mp4")
    with av.open(str(path)) as file:
        combed = [luma(frame).astype(int) for frame in file.decode(video=0)]
    with opened(path) as (reader, source, index):
        assert source.interlaced
        assert len(index) == len(combed) == 12
        for number, comb in enumerate(combed):
            shown = luma(reader.frame(number)).astype(int)
            assert np.array_equal(shown[3:-2:2], comb[3:-2:2]), "the earlier field stays"
            assert abs(np.diff(comb[8:-8], axis=0)).mean() > 3
            if 0 < number < 11:
                assert abs(np.diff(shown[8:-8], axis=0)).mean() < 1
        expected = [digest(reader.frame(n)) for n in range(12)]
    with opened(path) as (reader, _, _index):
        order = [7, 7, 2, 11, 0, 1, 5, 4, 10, 11, 3]
        assert [digest(reader.frame(n)) for n in order] == [expected[n] for n in order]


def test_progressive_pictures_are_not_touched():
    with opened(sample("b-frames.mp4")) as (_, source, _index):
        assert not source.interlaced
    assert read_bar_code(bar_code(9, 64, 64)) == 9
