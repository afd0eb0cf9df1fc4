"""Joining: chunk files in, one video out, by copying packets and writing every timestamp anew.

Joining by each file's own duration drifts, because containers round durations. Here a packet's time comes
from its absolute frame number alone, in ticks of which a frame takes a whole number, so no chunk length and
no frame rate can shift a frame. A join is only as good as its chunks are alike, so everything that players
assume to be constant is compared before a chunk's packets are copied, and the chunk that differs is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from hfdask.errors import ChunkMismatchError, ChunkMissingError, OutputNotWritableError
from hfdask.media.encode import muxer_options
from hfdask.model import EncoderSettings


@dataclass(frozen=True, slots=True)
class ChunkSource:
    """A chunk's file, and the frames ``[start, start + frames)`` of the video that it holds."""

    path: Path
    start: int
    frames: int


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What `join` wrote: ``size`` in bytes, ``duration`` in seconds, ``keyframes`` as frame numbers."""

    frames: int
    chunks: int
    keyframes: tuple[int, ...]
    duration: Fraction
    size: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """What must be equal in all chunks of a video. ``header`` holds the decoder's parameter sets."""

    codec: str
    pixel_format: str
    width: int
    height: int
    colour: tuple[int, int, int, int]
    header: bytes


def join(
    chunks: Sequence[ChunkSource],
    output: Path,
    fps: Fraction,
    settings: EncoderSettings,
    metadata: Mapping[str, str],
) -> JoinReport:
    """Join chunks to one mp4 file whose index precedes its data, without encoding anything again.

    Parameters
    ----------
    chunks : sequence of ChunkSource
        In order, without a gap, from frame 0 on.
    output : Path
        File to write. The same chunks and metadata always give the same bytes.
    fps : Fraction
        Frames a second. Frame ``i`` is shown at exactly ``i / fps`` seconds.
    settings : EncoderSettings
        Those that the chunks were encoded with.
    metadata : mapping of str to str
        Tags of the file.

    Raises
    ------
    ChunkMissingError
        Where a chunk's file is not there, or there is no chunk at all.
    ChunkMismatchError
        Where a chunk is not what the plan or the first chunk says, in number of frames, timestamps,
        keyframes, codec, size, pixel format or colour; ``details["chunk"]`` is its index.
    OutputNotWritableError
        Where the output cannot be written. A partial output is removed after any error.
    """
    if not chunks:
        raise ChunkMissingError("there is no chunk to join")
    ticks = settings.timescale / fps
    if ticks.denominator != 1:
        raise ChunkMismatchError(f"a frame at {fps} fps is no whole number of 1/{settings.timescale} s", chunk=0)
    _check_order(chunks)
    options = {**muxer_options(settings), "movflags": "+faststart+use_metadata_tags"}
    try:
        with av.open(str(output), "w", format=settings.container, options=options) as container:
            container.metadata.update(metadata)
            _copy_all(chunks, container, settings, int(ticks))
        size = output.stat().st_size
    except BaseException as error:
        output.unlink(missing_ok=True)
        if isinstance(error, av.FFmpegError | OSError):
            raise OutputNotWritableError(f"cannot write {output}: {error}", path=str(output)) from error
        raise
    frames = sum(chunk.frames for chunk in chunks)
    return JoinReport(
        frames=frames,
        chunks=len(chunks),
        keyframes=tuple(chunk.start for chunk in chunks),
        duration=frames / fps,
        size=size,
    )


def _copy_all(chunks: Sequence[ChunkSource], container: OutputContainer, settings: EncoderSettings, ticks: int) -> None:
    stream: VideoStream | None = None
    first: _Layout | None = None
    for index, chunk in enumerate(chunks):
        try:
            packets, layout, stream = _read(chunk, container, stream, settings)
        except (av.FFmpegError, IndexError) as error:
            raise _mismatch(index, chunk, f"cannot be read: {error}") from error
        _check_layout(index, chunk, layout, first, settings)
        _check_packets(index, chunk, packets, Fraction(ticks, settings.timescale))
        first = first or layout
        for number, packet in enumerate(packets, start=chunk.start):
            packet.stream = stream
            packet.time_base = Fraction(1, settings.timescale)
            packet.pts = packet.dts = number * ticks
            packet.duration = ticks
            container.mux(packet)


def _read(
    chunk: ChunkSource, container: OutputContainer, stream: VideoStream | None, settings: EncoderSettings
) -> tuple[list[Packet[VideoStream]], _Layout, VideoStream]:
    """Read a chunk's compressed packets; the first chunk's stream becomes the output's template."""
    with av.open(str(chunk.path)) as source:
        video = source.streams.video[0]
        if stream is None:
            stream = container.add_stream_from_template(video)
            stream.time_base = Fraction(1, settings.timescale)
        # The demuxer ends with an empty packet that asks decoders to flush.
        packets = [packet for packet in source.demux(video) if packet.size]
        return packets, _layout(video), stream


def _layout(video: VideoStream) -> _Layout:
    context = video.codec_context
    return _Layout(
        codec=context.codec.canonical_name,
        pixel_format=context.pix_fmt or "unknown",
        width=context.width,
        height=context.height,
        colour=(context.color_range, context.color_primaries, context.color_trc, context.colorspace),
        header=context.extradata or b"",
    )


def _check_order(chunks: Sequence[ChunkSource]) -> None:
    expected = 0
    for index, chunk in enumerate(chunks):
        if not chunk.path.is_file():
            raise ChunkMissingError(f"chunk {index} is not at {chunk.path}", chunk=index, path=str(chunk.path))
        if chunk.start != expected or chunk.frames < 1:
            raise _mismatch(index, chunk, f"covers {chunk.frames} frames from {chunk.start} on; expected {expected}")
        expected += chunk.frames


def _check_layout(
    index: int, chunk: ChunkSource, layout: _Layout, first: _Layout | None, settings: EncoderSettings
) -> None:
    codec = av.Codec(settings.codec, "w").canonical_name
    if layout.codec != codec:
        raise _mismatch(index, chunk, f"is {layout.codec} instead of {codec}")
    if layout.pixel_format != settings.pixel_format:
        raise _mismatch(index, chunk, f"has {layout.pixel_format} pixels instead of {settings.pixel_format}")
    if first is None:
        return
    if (layout.width, layout.height) != (first.width, first.height):
        raise _mismatch(
            index,
            chunk,
            f"has {layout.width}x{layout.height} pixels, the first chunk {first.width}x{first.height}",
        )
    if layout.colour != first.colour:
        raise _mismatch(index, chunk, f"has colour tags {layout.colour}, the first chunk {first.colour}")
    if layout.header != first.header:
        raise _mismatch(index, chunk, "was encoded with other settings than the first chunk")


def _check_packets(index: int, chunk: ChunkSource, packets: Sequence[Packet[VideoStream]], step: Fraction) -> None:
    if len(packets) != chunk.frames:
        raise _mismatch(index, chunk, f"holds {len(packets)} frames instead of {chunk.frames}")
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    if keyframes != [0]:
        raise _mismatch(index, chunk, f"has keyframes at {keyframes} instead of at its start alone")
    for number, packet in enumerate(packets):
        if packet.pts is None or packet.pts != packet.dts or packet.pts * packet.time_base != number * step:
            raise _mismatch(index, chunk, f"does not show its frame {number} at {number * step} s")


def _mismatch(index: int, chunk: ChunkSource, what: str) -> ChunkMismatchError:
    return ChunkMismatchError(f"chunk {index} ({chunk.path.name}) {what}", chunk=index, path=str(chunk.path))
