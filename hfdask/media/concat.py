"""Join chunk files to a video by copying packets and computing every timestamp.

If files were joined by their own durations, times would drift, because containers round durations. Here a packet's time
comes from its absolute frame number alone, and a frame takes a whole number of ticks. So no chunk length and no frame
rate can shift a frame. Players assume that many properties of a video are constant. These are compared before a chunk's
packets are copied, and the error names the chunk that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream
from blake3 import blake3

from hfdask.core.model import EncoderSettings
from hfdask.errors import ChunkMismatchError, ChunkMissingError, OutputNotWritableError
from hfdask.media.encode import muxer_options
from hfdask.media.sound_file import SoundCopy, SoundFile, movie_timescale


@dataclass(frozen=True, slots=True)
class ChunkSource:
    """A chunk's file, and the frames ``[start, start + frames)`` of the video that it holds."""

    path: Path
    start: int
    frames: int


@dataclass(frozen=True, slots=True)
class JoinReport:
    """The file of a `Join`: ``size`` in bytes, ``duration`` in seconds, ``keyframes`` as frame numbers.

    ``digest`` is BLAKE3 (hex) of all packets' bytes.
    """

    frames: int
    chunks: int
    keyframes: tuple[int, ...]
    duration: Fraction
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Properties that must be equal in all chunks of a video. ``header`` has the decoder's parameter sets."""

    codec: str
    pixel_format: str
    width: int
    height: int
    colour: tuple[int, int, int, int]
    header: bytes


class Join:
    """Write an MP4 file from chunks that are appended in order; nothing is encoded again.

    The index precedes the data. The same chunks and metadata always give the same bytes. Close it by `finish`, or by
    leaving its block, which removes an unfinished file. Each chunk is read, compared, decoded in full and copied before
    the next one is read, so only one chunk's packets are in memory.

    Parameters
    ----------
    output : Path
        File to write.
    fps : Fraction
        Frames a second. Frame ``i`` is shown at exactly ``i / fps`` seconds.
    settings : EncoderSettings
        The settings of the chunks.
    metadata : mapping of str to str
        Tags of the file.
    sound : callable, optional
        Returns the video's sound, which is copied between the pictures. It is called once, before the first packet is
        written, and may wait until the sound is encoded.

    Raises
    ------
    ChunkMismatchError
        If a frame at this rate is not a whole number of ticks.
    OutputNotWritableError
        If the output cannot be written.
    """

    def __init__(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> None:
        ticks = settings.timescale / fps
        if ticks.denominator != 1:
            raise ChunkMismatchError(f"a frame at {fps} fps is not a whole number of 1/{settings.timescale} s", chunk=0)
        self._output, self._fps, self._settings, self._ticks = output, fps, settings, int(ticks)
        options = {**muxer_options(settings), "movflags": "+faststart+use_metadata_tags"}
        if sound is not None:
            options["movie_timescale"] = str(movie_timescale(settings.timescale))
        with self._writing():
            self._container = av.open(str(output), "w", format=settings.container, options=options)
        self._container.metadata.update(metadata)
        self._stream: VideoStream | None = None
        self._sound = sound
        self._sound_copy: SoundCopy | None = None
        self._first: _Layout | None = None
        self._starts: list[int] = []
        self._frames = 0
        self._digest = blake3()
        self._finished = False

    def __enter__(self) -> Join:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            # Closing writes the index and moves all data to make room for it; a file without a name avoids that.
            self._output.unlink(missing_ok=True)
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            self._output.unlink(missing_ok=True)
        if self._sound_copy is not None:
            self._sound_copy.close()

    def append(self, chunk: ChunkSource, going: Callable[[], None] = lambda: None) -> None:
        """Check the next chunk, and copy its packets.

        Parameters
        ----------
        chunk : ChunkSource
            The chunk that begins at the end of the one before.
        going : callable
            Called at each frame that is decoded; what it raises ends the work.

        Raises
        ------
        ChunkMissingError
            If the chunk's file does not exist.
        ChunkMismatchError
            If it does not match the plan or the first chunk in number of frames, timestamps, keyframes, codec, size,
            pixel format or colour, or does not decode. ``details["chunk"]`` is its index.
        OutputNotWritableError
        """
        index = len(self._starts)
        if not chunk.path.is_file():
            raise ChunkMissingError(f"chunk {index} is not at {chunk.path}", chunk=index, path=str(chunk.path))
        if chunk.start != self._frames or chunk.frames < 1:
            raise _mismatch(
                index, chunk, f"covers {chunk.frames} frames from {chunk.start} on; expected {self._frames}"
            )
        try:
            packets = self._read(index, chunk, going)
        except (av.FFmpegError, IndexError) as error:
            raise _mismatch(index, chunk, f"cannot be read: {error}") from error
        stream = self._streams(chunk)
        with self._writing():
            for number, packet in enumerate(packets, start=chunk.start):
                # In the order of times, whatever the chunks are, so that every division gives the same bytes.
                if self._sound_copy is not None:
                    self._sound_copy.write(until=number / self._fps)
                self._digest.update(memoryview(packet))
                packet.stream = stream
                packet.time_base = Fraction(1, self._settings.timescale)
                packet.pts = packet.dts = number * self._ticks
                packet.duration = self._ticks
                self._container.mux(packet)
        self._starts.append(chunk.start)
        self._frames += chunk.frames

    def finish(self) -> JoinReport:
        """Close the file.

        Raises
        ------
        ChunkMissingError
            If there is no chunk.
        OutputNotWritableError
        """
        if not self._starts:
            raise ChunkMissingError("there is no chunk to join")
        with self._writing():
            if self._sound_copy is not None:
                self._sound_copy.write()
            self._container.close()
            size = self._output.stat().st_size
        self._finished = True
        return JoinReport(
            frames=self._frames,
            chunks=len(self._starts),
            keyframes=tuple(self._starts),
            duration=self._frames / self._fps,
            size=size,
            digest=self._digest.hexdigest(),
        )

    def _read(self, index: int, chunk: ChunkSource, going: Callable[[], None]) -> list[Packet[VideoStream]]:
        """Read and check a chunk's packets."""
        with av.open(str(chunk.path)) as source:
            video = source.streams.video[0]
            # The demuxer ends with an empty packet that asks decoders to flush.
            *packets, flush = source.demux(video)
            layout = _layout(video)
            _check_layout(index, chunk, layout, self._first, self._settings)
            _check_packets(index, chunk, packets, Fraction(self._ticks, self._settings.timescale))
            _check_pictures(index, chunk, video, [*packets, flush], going)
            self._first = self._first or layout
            return packets

    def _streams(self, chunk: ChunkSource) -> VideoStream:
        """Return the output's stream, which copies the first chunk's. The sound's stream follows it."""
        if self._stream is None:
            sound = self._sound() if self._sound is not None else None
            with self._writing(), av.open(str(chunk.path)) as source:
                self._stream = self._container.add_stream_from_template(source.streams.video[0])
                self._stream.time_base = Fraction(1, self._settings.timescale)
                if sound is not None:
                    self._sound_copy = SoundCopy(sound, self._container)
        return self._stream

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise OutputNotWritableError(f"cannot write {self._output}: {error}", path=str(self._output)) from error


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


def _check_pictures(
    index: int,
    chunk: ChunkSource,
    video: VideoStream,
    packets: Sequence[Packet[VideoStream]],
    going: Callable[[], None],
) -> None:
    """Decode a chunk. H.264 has no checksums, so this finds damage that breaks the syntax, not every changed bit."""
    video.thread_type = "AUTO"
    # By default the decoder hides damage by inventing the missing blocks.
    video.codec_context.options = {"err_detect": "explode"}
    pictures = 0
    try:
        for packet in packets:
            going()
            pictures += sum(not frame.is_corrupt for frame in packet.decode())
    except av.FFmpegError as error:
        raise _mismatch(index, chunk, f"does not decode beyond its frame {pictures}: {error}") from error
    if pictures != chunk.frames:
        raise _mismatch(index, chunk, f"decodes to {pictures} pictures instead of {chunk.frames}")


def _mismatch(index: int, chunk: ChunkSource, what: str) -> ChunkMismatchError:
    return ChunkMismatchError(f"chunk {index} ({chunk.path.name}) {what}", chunk=index, path=str(chunk.path))
