"""Joins of any chunk lengths at any rate, and every chunk that must be refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_samples import HEIGHT, NTSC, WIDTH, encode, join, make_chunks, picture, pixels_digest, to_rgb, verify
from msgspec.structs import replace

from hfdask.core.frames import parse_fps
from hfdask.errors import ChunkMismatchError, ChunkMissingError, OutputNotWritableError
from hfdask.formats.join import ChunkSource, JoinReport
from hfdask.formats.mp4 import MP4
from hfdask.formats.table import encoder_settings

RATES = ["1", "24", "25", "30", "60", "240", "24000/1001", "30000/1001", "60000/1001", "7/3"]


def join_draft(chunks: list[ChunkSource], output: Path, fps: Fraction = NTSC, **metadata: str) -> JoinReport:
    return join(chunks, output, fps, encoder_settings("draft", None, None, fps), metadata)


def pictures_of(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [pixels_digest(to_rgb(frame)) for frame in container.decode(video=0)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lengths", [(13, 7, 16), (1, 1, 3), (5,), (1,)])
def test_every_join_is_exact(tmp_path: Path, rate: str, lengths: tuple[int, ...]) -> None:
    fps, output, total = parse_fps(rate), tmp_path / "out.mp4", sum(lengths)
    chunks = make_chunks(tmp_path, lengths, fps, (32, 32))
    report = join_draft(chunks, output, fps)
    starts = tuple(chunk.start for chunk in chunks)
    assert report == JoinReport(total, len(lengths), starts, total / fps, output.stat().st_size, report.digest)
    with av.open(str(output)) as container:
        video = container.streams.video[0]
        assert video.average_rate == video.base_rate == video.guessed_rate == fps
        assert video.start_time == 0
        assert video.duration * video.time_base == total / fps
        assert video.frames == total
        packets = [packet for packet in container.demux(video) if packet.size]
    assert [packet.pts * packet.time_base for packet in packets] == [i / fps for i in range(total)]
    assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == list(starts)
    verify(
        output,
        frames=total,
        fps=fps,
        width=32,
        height=32,
        keyframes=starts,
        codec="libx264",
        pixel_format="yuv420p",
        digest=report.digest,
    )


def test_pictures_are_those_of_the_chunks(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3, 1))
    join_draft(chunks, tmp_path / "out.mp4")
    assert pictures_of(tmp_path / "out.mp4") == [d for chunk in chunks for d in pictures_of(chunk.path)]


def test_same_chunks_same_bytes(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    for name in ("a.mp4", "b.mp4"):
        join_draft(chunks, tmp_path / name, title="Ünïcode", renderer="hfdask")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["title"] == "Ünïcode"
        assert container.metadata["renderer"] == "hfdask"


def test_index_comes_first(tmp_path: Path) -> None:
    join_draft(make_chunks(tmp_path, (4, 3)), tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def refused(chunks: list[ChunkSource], output: Path, match: str, chunk: int = 1) -> None:
    with pytest.raises(ChunkMismatchError, match=match) as caught:
        join_draft(chunks, output)
    assert caught.value.details["chunk"] == chunk
    assert f"chunk {chunk} (chunk_{chunk}.mp4)" in str(caught.value)
    assert not output.exists()


def test_wrong_number_of_frames(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    refused([chunks[0], replace(chunks[1], frames=5)], tmp_path / "out.mp4", "holds 3 frames instead of 5")


@pytest.mark.parametrize("start", [3, 5, 0])
def test_gap_or_overlap(tmp_path: Path, start: int) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    refused([chunks[0], replace(chunks[1], start=start)], tmp_path / "out.mp4", "expected 4")


def test_swapped_chunks(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    with pytest.raises(ChunkMismatchError, match="expected 0"):
        join_draft(chunks[::-1], tmp_path / "out.mp4")


def test_a_refused_first_chunk_leaves_no_trace(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    join_draft(chunks, tmp_path / "whole.mp4")
    encode(tmp_path / "other.mp4", [picture(i, 32, 32) for i in range(3)])
    with MP4.join(tmp_path / "out.mp4", NTSC, encoder_settings("draft", None, None, NTSC), {}) as joined:
        with pytest.raises(ChunkMismatchError, match="holds 3 frames instead of 4"):
            joined.append(ChunkSource(tmp_path / "other.mp4", 0, 4))
        for chunk in chunks:
            joined.append(chunk)
        joined.finish()
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_other_size(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    encode(chunks[1].path, [picture(i, 32, 32) for i in range(3)])
    refused(chunks, tmp_path / "out.mp4", f"32x32 pixels, the first chunk {WIDTH}x{HEIGHT}")


def test_other_rate(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    encode(chunks[1].path, [picture(i) for i in range(3)], Fraction(25))
    refused(chunks, tmp_path / "out.mp4", "other settings|does not show")


def test_other_settings(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    encode(chunks[1].path, [picture(i) for i in range(3)], quality="high")
    refused(chunks, tmp_path / "out.mp4", "other settings")


def write_video(path: Path, codec: str, pixel_format: str, *, gop: int = 12, colour: int = 1) -> None:
    with av.open(str(path), "w", options={"video_track_timescale": "90000"}) as container:
        stream = container.add_stream(codec, rate=NTSC)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, pixel_format
        context.gop_size, context.max_b_frames, context.thread_count = gop, 0, 1
        context.color_range = context.color_primaries = context.color_trc = context.colorspace = colour
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = i, 1 / NTSC
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("codec", "pixel_format", "colour", "match"),
    [
        ("mpeg4", "yuv420p", 1, "is mpeg4 instead of h264"),
        ("libx264", "yuv444p", 1, "yuv444p pixels, the first chunk yuv420p"),
        ("libx264", "yuv420p", 5, "colour tags"),
    ],
)
def test_other_streams(tmp_path: Path, codec: str, pixel_format: str, colour: int, match: str) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    write_video(chunks[1].path, codec, pixel_format, colour=colour)
    refused(chunks, tmp_path / "out.mp4", match)


def test_more_keyframes(tmp_path: Path) -> None:
    path = tmp_path / "chunk_0.mp4"
    write_video(path, "libx264", "yuv420p", gop=1)
    refused([ChunkSource(path, 0, 3)], tmp_path / "out.mp4", "keyframes at", chunk=0)


def test_packets_are_written_while_later_chunks_are_missing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 240, 320, 3), np.uint8)
    chunks = [ChunkSource(tmp_path / f"chunk_{i}.mp4", start, 20) for i, start in enumerate((0, 20))]
    for chunk in chunks:
        encode(chunk.path, noise[chunk.start : chunk.start + 20])
    output = tmp_path / "out.mp4"
    with MP4.join(output, NTSC, encoder_settings("draft", None, None, NTSC), {}) as joined:
        joined.append(chunks[0])
        assert output.stat().st_size > 0.5 * chunks[0].path.stat().st_size  # FFmpeg keeps 256 KiB back
        joined.append(chunks[1])
        joined.finish()
    assert pictures_of(output) == [d for chunk in chunks for d in pictures_of(chunk.path)]


def test_an_unfinished_file_is_removed(tmp_path: Path) -> None:
    chunks, output = make_chunks(tmp_path, (4, 3)), tmp_path / "out.mp4"

    def cancelled() -> None:
        assert output.exists()
        raise KeyboardInterrupt

    with MP4.join(output, NTSC, encoder_settings("draft", None, None, NTSC), {}) as joined:
        joined.append(chunks[0])
        with pytest.raises(KeyboardInterrupt):
            joined.append(chunks[1], cancelled)
    assert not output.exists()


def test_unreadable_chunk(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    chunks[1].path.write_bytes(b"not a video")
    refused(chunks, tmp_path / "out.mp4", "cannot be read")


def test_missing_chunk(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4, 3))
    chunks[1].path.unlink()
    with pytest.raises(ChunkMissingError, match="chunk 1 is not at"):
        join_draft(chunks, tmp_path / "out.mp4")
    with pytest.raises(ChunkMissingError, match="no chunk"):
        join_draft([], tmp_path / "out.mp4")


def test_timescale_of_another_rate(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4,))
    with pytest.raises(ChunkMismatchError, match="not a whole number"):
        join(chunks, tmp_path / "out.mp4", Fraction(7 * 11, 3), encoder_settings("draft", None, None, NTSC), {})


def test_output_not_writable(tmp_path: Path) -> None:
    chunks = make_chunks(tmp_path, (4,))
    with pytest.raises(OutputNotWritableError, match="cannot write"):
        join_draft(chunks, tmp_path / "no" / "out.mp4")
