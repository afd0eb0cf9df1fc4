"""Probing finds the properties of a source video, and refuses sources that cannot be rendered."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from media_samples import png, solid
from video_samples import (
    bar_code,
    bar_code_video,
    cached,
    encrypted_video,
    sound_file,
    spoilt,
    to_frame,
    truncated,
    write_video,
)

from hfdask.core.model import canonical_json, decode
from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.errors import (
    AssetError,
    HfdaskError,
    MediaTypeError,
    NotMediaError,
    VideoReadError,
    VideoSourceError,
)
from hfdask.media import planes
from hfdask.media.probe import probe_video

SECOND = Fraction(1)


def probed(name: str, frames: int = 12, *arguments: Any, **options: Any) -> tuple[VideoSource, FrameIndex]:
    return probe_video(cached(bar_code_video, name, frames, *arguments, **options))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.mov"])
@pytest.mark.parametrize("fps", [30, Fraction(30000, 1001), 25])
def test_rate_and_duration_come_from_the_frames(name, fps):
    source, index = probed(name, 24, fps, time_base=1 / Fraction(fps))
    assert len(index) == 24
    assert abs(source.rate.fraction / Fraction(fps) - 1) < Fraction(1, 1000)
    assert abs(source.playable.fraction - 24 / Fraction(fps)) <= Fraction(1, 1000)
    assert source.lead.fraction == 0
    assert not source.variable
    assert not source.sound


def test_what_was_probed_can_be_stored():
    for name in ("a.mp4", "a.mkv", "a.ts", "a.avi"):
        source, index = probed(name, 24)
        assert decode(canonical_json(source), VideoSource, "source") == source
        assert decode(canonical_json(index), FrameIndex, "index") == index


@pytest.mark.parametrize(
    ("codec", "name", "pix_fmt", "alpha"),
    [
        ("libx264", "h264", "yuv420p", False),
        ("libx265", "hevc", "yuv420p10le", False),
        ("libsvtav1", "av1", "yuv420p", False),
        ("libvpx-vp9", "vp9", "yuv420p", False),
        ("libvpx-vp9", "vp9", "yuva420p", True),
        ("libvpx", "vp8", "yuva420p", True),
        ("ffv1", "ffv1", "yuva444p", True),
        ("libx264rgb", "h264", "gbrp", False),
        ("ffv1", "ffv1", "gray", False),
    ],
)
def test_codec_pixels_and_alpha(codec, name, pix_fmt, alpha):
    source, _ = probed(
        "a.mkv",
        3,
        codec=codec,
        pix_fmt={"gbrp": "rgb24"}.get(pix_fmt, pix_fmt),
        color="rgb" if "rgb" in codec else "bt709",
    )
    assert (source.codec, source.pixel_format, source.alpha) == (name, pix_fmt, alpha)
    assert (source.width, source.height) == (160, 96)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
@pytest.mark.parametrize("lead", [Fraction(1, 2), Fraction(3, 2)])
def test_pictures_that_start_after_the_sound_have_a_lead(name, codec, lead):
    source, index = probed(name, 12, codec=codec, start=lead, sound=(Fraction(0), 2 * SECOND))
    assert source.sound
    assert source.lead.fraction == index.time(0) == lead
    assert abs(source.playable.fraction - lead - Fraction(12, 30)) <= Fraction(1, 1000)
    assert index.at(lead + Fraction(1, 60)) == 0
    assert index.at(Fraction(0)) == (0 if lead < 1 else None)


def test_sound_that_starts_after_the_pictures_moves_nothing():
    source, index = probed("late-sound.mkv", 12, sound=(SECOND, SECOND))
    assert source.sound
    assert source.lead.fraction == index.time(0) == 0


def test_without_a_duration_of_the_stream_long_sound_does_not_make_pictures_longer():
    source, _ = probed("long-sound.mkv", 12, sound=(Fraction(0), 2 * SECOND))
    assert abs(source.playable.fraction - Fraction(12, 30)) <= Fraction(1, 1000)


@pytest.mark.parametrize(
    ("times", "variable"),
    [
        ([0, 3, 20, 21, 90, 91, 92, 200], True),
        ([0, 2, 5, 7, 10, 12, 15, 17], True),
        ([*range(40), *range(41, 80)], False),
        (list(range(30)), False),
    ],
    ids=["irregular", "2:3", "one dropped", "regular"],
)
def test_unevenly_spaced_frames_are_variable(times, variable):
    source, _ = probed("uneven.mp4", len(times), times=[Fraction(t, 60) for t in times])
    assert source.variable is variable


def test_millisecond_clocks_are_not_variable():
    for fps in (24, 60, 120):
        assert not probed("ms.mkv", 60, fps)[0].variable


ASPECTS = [
    (Fraction(4, 3), (213, 96)),
    (Fraction(3, 4), (160, 128)),
    (Fraction(16, 15), (171, 96)),
    (Fraction(1), (160, 96)),
]


@pytest.mark.parametrize(("aspect", "size"), ASPECTS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pixels_that_are_not_square_grow_one_side_and_shrink_none(name, aspect, size):
    source, _ = probed(name, 2, pixel_aspect=aspect)
    assert (source.width, source.height) == (160, 96)
    assert (source.display_width, source.display_height) == size


MATRICES = {
    "as it is": (1, 0, 0, 1),
    "90 clockwise": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270 clockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}


def matrix_video(path: Path, a: int, b: int, c: int, d: int) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.set_display_matrix([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30])
        file.mux(stream.encode(to_frame(bar_code(1, 64, 64))))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", MATRICES)
def test_turning_and_mirroring_move_each_pixel_where_the_display_matrix_says(name):
    a, b, c, d = MATRICES[name]
    source, _ = probe_video(cached(matrix_video, "turned.mp4", a, b, c, d))
    picture = np.arange(6).reshape(2, 3)
    moved = {}
    for y, x in np.ndindex(picture.shape):
        moved[(b * x + d * y, a * x + c * y)] = picture[y, x]  # x' = ax + cy, y' = bx + dy
    rows, columns = (sorted({place[axis] for place in moved}) for axis in (0, 1))
    expected = np.array([[moved[row, column] for column in columns] for row in rows])
    shown = np.rot90(picture, -source.rotation // 90)
    assert np.array_equal(shown[:, ::-1] if source.flip else shown, expected)
    assert source.natural_size == expected.shape[::-1] if source.width != source.height else True


def test_a_page_sees_turned_pictures_with_their_sides_swapped():
    source, _ = probed("turned.mp4", 2, rotation=90, pixel_aspect=Fraction(4, 3))
    assert source.rotation == 270
    assert source.natural_size == (96, 213)


def test_slightly_turned_pictures_are_not_turned():
    assert probed("crooked.mp4", 2, rotation=30)[0].rotation == 0


COLORS = [
    ("bt709", 96, ("bt709", "bt709", "bt709")),
    ("smpte170m", 96, ("smpte170m", "smpte170m", "smpte170m")),
    ("bt2020", 96, ("bt2020", "bt709", "bt2020-ncl")),
    ("pq", 96, ("bt2020", "pq", "bt2020-ncl")),
    ("hlg", 96, ("bt2020", "hlg", "bt2020-ncl")),
    (None, 96, ("bt709", "bt709", "smpte170m")),
    (None, 718, ("bt709", "bt709", "smpte170m")),
    (None, 720, ("bt709", "bt709", "bt709")),
]


@pytest.mark.parametrize(("tag", "height", "expected"), COLORS)
def test_colors_are_those_of_the_tags_else_those_that_chromium_guesses(tag, height, expected):
    source, _ = probed("color.mp4", 1, size=(64, height), color=tag, full_range=None)
    assert (source.primaries, source.transfer, source.matrix) == expected
    assert source.hdr == (tag in ("pq", "hlg"))
    assert not source.full_range


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libsvtav1"])
def test_untagged_vp9_and_av1_are_bt601_at_any_height(codec):
    source, _ = probed("color.mp4", 1, size=(64, 720), color=None, codec=codec)
    assert source.matrix == "smpte170m"


def test_full_range_is_told_by_the_tag():
    assert probed("full.mp4", 1, full_range=True)[0].full_range
    assert probed("full.avi", 1, codec="mjpeg", pix_fmt="yuvj420p", full_range=True, color=None)[0].full_range


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_a_file_that_was_cut_promises_its_length_until_most_of_it_is_missing(share, tmp_path):
    video = cached(bar_code_video, "long.mp4", 60, mux={"movflags": "faststart"})
    source, index = probe_video(truncated(video, tmp_path / "cut.mp4", share))
    assert len(index) < 60
    expected = 2 if share > 0.6 else index.time(len(index) - 1) + Fraction(1, 30)
    assert source.playable.fraction == pytest.approx(expected, abs=0.001)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_missing_file_is_a_missing_asset(tmp_path):
    with pytest.raises(AssetError, match="does not exist") as caught:
        probe_video(tmp_path / "no.mp4")
    assert caught.value.code == "MISSING_ASSET"
    with pytest.raises(VideoReadError):
        probe_video(tmp_path)


def test_a_file_that_this_machine_cannot_read_is_not_the_file_s_fault(monkeypatch, tmp_path):
    path = written(tmp_path / "a.mp4", b"\0\0\0\x20ftypisom" + bytes(2**20))
    with pytest.raises(VideoSourceError) as caught:
        probe_video(path)
    assert not caught.value.retryable
    opening = Path.open
    calls: list[Path] = []

    def fails(self: Path, *arguments: Any, **options: Any) -> Any:
        calls.append(self)
        if len(calls) == 2:  # the second time, after FFmpeg has failed
            raise OSError(5, "Input/output error")
        return opening(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", fails)
    with pytest.raises(VideoReadError) as unread:
        probe_video(path)
    assert unread.value.retryable


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html>404",
        b"\n \t<html>",
        b"\xef\xbb\xbf<?xml version='1.0'?><Error/>",
        b'{"error": "expired"}',
        b'[{"error": 1}]',
        "\ufeff<html>".encode("utf-16-le"),
        "\ufeff<html>".encode("utf-16-be"),
    ],
)
def test_texts_behind_a_name_of_a_video_are_no_media(data, tmp_path):
    with pytest.raises(NotMediaError) as caught:
        probe_video(written(tmp_path / "a.mp4", data))
    assert caught.value.code == "NOT_MEDIA_PAYLOAD"
    assert caught.value.details["path"].endswith("a.mp4")


def test_what_does_not_move_is_of_another_type(tmp_path):
    paths = [
        sound_file(tmp_path / "sound.m4a"),
        sound_file(tmp_path / "cover.mp3", cover=True),
        written(tmp_path / "picture.mp4", png(solid((1, 2, 3)))),
        written(tmp_path / "webp.mp4", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40)),
    ]
    found = []
    for path in paths:
        with pytest.raises(MediaTypeError) as caught:
            probe_video(path)
        assert caught.value.code == "ASSET_MEDIA_TYPE_MISMATCH"
        found.append(caught.value.details["found"])
    assert found == ["sound", "a cover picture", "picture", "picture"]


def no_codec(path: Path) -> Path:
    return written(path, cached(bar_code_video, "a.mp4", 6).read_bytes().replace(b"avc1", b"zzz1"))


def too_wide(path: Path) -> Path:
    frames = [to_frame(np.full((16, 8208), 99, np.uint8))]
    return write_video(path, frames, codec="ffv1")


def ycgco(path: Path) -> Path:
    options = {"preset": "ultrafast", "x264-params": "colormatrix=YCgCo"}
    return bar_code_video(path, 2, color=None, options=options)


UNRENDERABLE = {
    "empty": lambda path: written(path, b""),
    "container": lambda path: written(path, bytes(range(256)) * 40),
    "truncated": lambda path: truncated(cached(bar_code_video, "a.mp4", 6), path, 0.3),
    "codec": no_codec,
    "encrypted": encrypted_video,
    "size": too_wide,
    "rate": lambda path: bar_code_video(path, 100, 10_000, time_base=Fraction(1, 10_000), bframes=0),
    "color": ycgco,
    "damaged": lambda path: spoilt(cached(bar_code_video, "a.mkv", 1, codec="libvpx-vp9"), path, 0),
}


@pytest.mark.parametrize("reason", UNRENDERABLE)
def test_each_kind_of_unrenderable_file_is_told_by_its_reason(reason, tmp_path):
    suffix = ".mkv" if reason == "size" else ".mp4"
    path = UNRENDERABLE[reason](tmp_path / f"source{suffix}")
    with pytest.raises(VideoSourceError) as caught:
        probe_video(path)
    assert caught.value.code == "VIDEO_SOURCE_UNRENDERABLE"
    assert caught.value.details["reason"] == reason
    assert str(path) in caught.value.message


def test_pixels_that_cannot_be_shown_are_refused_while_planning(monkeypatch):
    path = cached(bar_code_video, "a.mp4", 6)

    def refuse(name: str) -> None:
        raise VideoSourceError(f"pixels of format {name!r} cannot be shown", reason="codec")

    monkeypatch.setattr(planes, "_target", refuse)
    with pytest.raises(VideoSourceError, match="yuv420p") as caught:
        probe_video(path)
    assert caught.value.details == {"path": str(path), "reason": "codec"}


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"]
)
def test_playlists_cannot_name_other_files(text, tmp_path):
    other = cached(bar_code_video, "a.mp4", 6)
    with pytest.raises(VideoSourceError):
        probe_video(written(tmp_path / "list.mp4", text.format(other).encode()))


@pytest.mark.parametrize("seed", range(40))
def test_spoilt_files_are_a_typed_error_or_a_valid_index(seed, tmp_path):
    random = np.random.default_rng(seed)
    name: Literal["a.mp4", "a.mkv", "a.ts"] = ("a.mp4", "a.mkv", "a.ts")[seed % 3]
    data = np.frombuffer(cached(bar_code_video, name, 12).read_bytes(), np.uint8).copy()
    places = random.integers(0, len(data), 1 + seed)
    data[places] = random.integers(0, 256, len(places))
    try:
        source, index = probe_video(written(tmp_path / name, data.tobytes()))
    except HfdaskError:
        return
    assert decode(canonical_json(source), VideoSource, "source") == source
    assert decode(canonical_json(index), FrameIndex, "index") == index
