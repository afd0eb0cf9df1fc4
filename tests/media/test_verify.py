"""Every single thing that a finished video can have wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from blake3 import blake3
from media_samples import HEIGHT, NTSC, WIDTH, join, make_chunks, picture, verify

from hfdask.errors import OutputInvalidError
from hfdask.formats.table import encoder_settings

PLAN: dict[str, Any] = {
    "frames": 7,
    "fps": NTSC,
    "width": WIDTH,
    "height": HEIGHT,
    "keyframes": [0, 4],
    "codec": "h264",
    "pixel_format": "yuv420p",
    "digest": "compared last",
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    output = tmp_path / "out.mp4"
    join(make_chunks(tmp_path, (4, 3)), output, NTSC, encoder_settings("draft", None, None, NTSC), {})
    return output


def refused(path: Path, check: str, **changes: Any) -> str:
    with pytest.raises(OutputInvalidError) as caught:
        verify(path, **{**PLAN, **changes})
    assert caught.value.details["check"] == check
    return str(caught.value)


def digest_of_packets(path: Path) -> str:
    with av.open(str(path)) as container:
        return blake3(b"".join(map(bytes, container.demux(video=0)))).hexdigest()


def test_accepts_the_planned_video(video: Path) -> None:
    digest = digest_of_packets(video)
    verify(video, **{**PLAN, "digest": digest})
    verify(video, **{**PLAN, "digest": digest, "codec": "libx264", "width": WIDTH - 1})


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("duration", {"frames": 8}),
        ("rate", {"fps": Fraction(30)}),
        ("rate", {"fps": Fraction(2997, 100)}),
        ("size", {"width": WIDTH + 2}),
        ("size", {"height": HEIGHT + 1}),
        ("keyframes", {"keyframes": [0]}),
        ("keyframes", {"keyframes": [0, 3]}),
        ("keyframes", {"keyframes": [0, 4, 5]}),
        ("codec", {"codec": "hevc"}),
        ("pixel_format", {"pixel_format": "yuv444p"}),
    ],
)
def test_refuses_another_plan(video: Path, check: str, change: dict[str, Any]) -> None:
    refused(video, check, **change)


def remux(
    source: Path,
    target: Path,
    *,
    shift: int = 0,
    late: int | None = None,
    drop: int | None = None,
    faststart: bool = True,
) -> Path:
    """Copy a video with one fault: all frames later, one frame late, or one frame left out, in ticks."""
    options = {"video_track_timescale": "90000"} | ({"movflags": "+faststart"} if faststart else {})
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            if number == drop:
                continue
            moved = packet.pts + shift + (900 if number == late else 0)
            packet.pts = packet.dts = moved
            packet.stream = stream
            new.mux(packet)
    return target


def test_refuses_a_late_start(video: Path) -> None:
    refused(remux(video, video.with_name("late.mp4"), shift=3003), "start")


def test_refuses_a_late_frame(video: Path) -> None:
    assert refused(remux(video, video.with_name("late.mp4"), late=5), "rate")


def test_refuses_a_missing_frame(video: Path) -> None:
    refused(remux(video, video.with_name("hole.mp4"), drop=5), "rate")
    refused(remux(video, video.with_name("short.mp4"), drop=6), "duration")


def test_refuses_an_index_at_the_end(video: Path) -> None:
    assert "moov" in refused(remux(video, video.with_name("slow.mp4"), faststart=False), "boxes")


def test_refuses_untagged_colours(tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=NTSC)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))
        container.mux(stream.encode(None))
    assert "color" in refused(path, "colour", frames=1, keyframes=[0])


def test_refuses_a_changed_packet(video: Path) -> None:
    digest = digest_of_packets(video)
    data = bytearray(video.read_bytes())
    data[-1] ^= 1
    video.write_bytes(data)
    refused(video, "packets", digest=digest)


@pytest.mark.parametrize("keep", [0, 10, 700, -20])
def test_refuses_a_truncated_file(video: Path, keep: int) -> None:
    video.write_bytes(video.read_bytes()[:keep])
    refused(video, "boxes")


def test_refuses_a_missing_or_foreign_file(video: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none.mp4", "file")
    video.write_bytes(b"\0\0\0\x08moov\0\0\0\x08mdat")
    refused(video, "streams")


def test_refuses_a_second_video_track(video: Path) -> None:
    target = video.with_name("two.mp4")
    with (
        av.open(str(video)) as old,
        av.open(str(target), "w", options={"movflags": "+faststart"}) as new,
    ):
        streams = [new.add_stream_from_template(old.streams.video[0]) for _ in range(2)]
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for stream in streams:
            for packet in packets[:1]:
                packet.stream = stream
                new.mux(packet)
    refused(target, "streams")
