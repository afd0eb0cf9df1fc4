"""Join chunk files to an output by copying packets and computing every timestamp.

If files were joined by their own durations, times would drift, because containers round durations. Here a packet's time
comes from its absolute frame number alone. So no chunk length and no frame rate can shift a frame. Players assume that
many properties of a video are constant. These are compared before a chunk's packets are copied, and the error names the
chunk that differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream
from blake3 import blake3
from msgspec import Struct, field

from hfdask.core.model import EncoderSettings
from hfdask.errors import ChunkMismatchError, ChunkMissingError, OutputNotWritableError
from hfdask.formats.codec import Codec
from hfdask.formats.decoding import ALPHA
from hfdask.media.sound_file import SoundCopy, SoundFile

Going = Callable[[], None]
"""Called at each frame of long work; what it raises ends the work."""

ALPHA_MODE = "alpha_mode"
"""Tag of a Matroska stream. Without it, browsers do not look for the alpha beside the packets."""


class ChunkSource(Struct, frozen=True):
    """A chunk's file, and the frames ``[start, start + frames)`` of the video that it holds."""

    path: Path
    start: int
    frames: int


class JoinReport(Struct, frozen=True):
    """The file of a `Join`: ``size`` in bytes, ``duration`` in seconds, ``keyframes`` as frame numbers.

    ``digest`` is BLAKE3 (hex) of all packets' bytes, and ``shown`` of the pictures that were encoded from them, if any.
    ``beside`` has the files that belong to the output, by their names relative to its folder. They exist until the
    `Join` is left.
    """

    frames: int
    chunks: int
    keyframes: tuple[int, ...]
    duration: Fraction
    size: int
    digest: str
    shown: str = ""
    beside: Mapping[str, Path] = field(default_factory=dict)


class _Layout(Struct, frozen=True):
    """Properties that must be equal in all chunks of a video. ``header`` has the decoder's parameter sets."""

    codec: str
    pixel_format: str
    width: int
    height: int
    colour: tuple[int, int, int, int]
    header: bytes


class Join(ABC):
    """Write an output from chunks that are appended in order; no picture is encoded again.

    The same chunks and metadata always give the same bytes. Close it by `finish`, or by leaving its block, which removes
    an unfinished output. Each chunk is read, compared and copied before the next one is read, so only one chunk's packets are
    in memory. It is not decoded: its encoder did that (`hfdask.formats.decoding`).

    Parameters
    ----------
    output : Path
        What to write.
    fps : Fraction
        Frames a second. Frame ``i`` is shown at exactly ``i / fps`` seconds, or at the nearest tick of a container with a
        fixed clock.
    codec : Codec
        The codec of the chunks.
    settings : EncoderSettings
        The settings of the chunks.

    Raises
    ------
    ChunkMismatchError
        If a frame at this rate is not a whole number of ticks.
    OutputNotWritableError
        If the output cannot be written.
    """

    def __init__(self, output: Path, fps: Fraction, codec: Codec, settings: EncoderSettings) -> None:
        if codec.clock is None and (settings.timescale / fps).denominator != 1:
            raise ChunkMismatchError(f"a frame at {fps} fps is not a whole number of 1/{settings.timescale} s", chunk=0)
        self.output, self.fps, self.codec, self.settings = output, fps, codec, settings
        self._first: _Layout | None = None
        self._starts: list[int] = []
        self._frames = 0
        self._digest = blake3()
        self._finished = False
        self.going: Going = proceed
        self.shown = ""
        self.beside: Mapping[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            self._abandon()

    def append(self, chunk: ChunkSource, going: Going | None = None) -> None:
        """Check the next chunk, and copy its packets.

        Parameters
        ----------
        chunk : ChunkSource
            The chunk that begins at the end of the one before.
        going : callable, optional
            Called at each frame; what it raises ends the work.

        Raises
        ------
        ChunkMissingError
            If the chunk's file does not exist.
        ChunkMismatchError
            If it does not match the plan or the first chunk in number of frames, timestamps, keyframes, codec, size,
            pixel format or colour. ``details["chunk"]`` is its index.
        OutputNotWritableError
        """
        self.going = going or proceed
        index = len(self._starts)
        if not chunk.path.is_file():
            raise ChunkMissingError(f"chunk {index} is not at {chunk.path}", chunk=index, path=str(chunk.path))
        if chunk.start != self._frames or chunk.frames < 1:
            raise _mismatch(
                index, chunk, f"covers {chunk.frames} frames from {chunk.start} on; expected {self._frames}"
            )
        try:
            packets = self._read(index, chunk)
        except (av.FFmpegError, IndexError) as error:
            raise _mismatch(index, chunk, f"cannot be read: {error}") from error
        for packet in packets:
            self.going()
            add_packet(self._digest, packet)
        with self.writing():
            self._write(packets, chunk)
        self._starts.append(chunk.start)
        self._frames += chunk.frames

    def finish(self, going: Going | None = None) -> JoinReport:
        """Close the output.

        Parameters
        ----------
        going : callable, optional
            As for `append`.

        Raises
        ------
        ChunkMissingError
            If there is no chunk.
        OutputNotWritableError
        """
        self.going = going or proceed
        if not self._starts:
            raise ChunkMissingError("there is no chunk to join")
        with self.writing():
            size = self._close()
        self._finished = True
        return JoinReport(
            frames=self._frames,
            chunks=len(self._starts),
            keyframes=self.codec.keyframes(self._starts, self._frames),
            duration=self._frames / self.fps,
            size=size,
            digest=self._digest.hexdigest(),
            shown=self.shown,
            beside=self.beside,
        )

    @abstractmethod
    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        """Write the packets of a chunk, one for each frame, from the frame ``chunk.start`` on."""

    @abstractmethod
    def _close(self) -> int:
        """Close the output, and return its bytes."""

    @abstractmethod
    def _abandon(self) -> None:
        """Remove the unfinished output."""

    def _read(self, index: int, chunk: ChunkSource) -> list[Packet[VideoStream]]:
        """Read and check a chunk's packets."""
        with av.open(str(chunk.path)) as source:
            video = source.streams.video[0]
            # The demuxer ends with an empty packet that asks decoders to flush.
            *packets, _ = source.demux(video)
            layout = _layout(video)
            _check_layout(index, chunk, layout, self._first, self.settings)
            self._check_packets(index, chunk, packets)
            self._check_pixels(index, chunk, layout, packets)
            self._first = self._first or layout
            return packets

    def _check_pixels(
        self, index: int, chunk: ChunkSource, layout: _Layout, packets: Sequence[Packet[VideoStream]]
    ) -> None:
        wanted = self.codec.decoded_format(self.settings)
        for packet in packets:
            pixels = self.codec.transparent if packet.has_sidedata(ALPHA) else layout.pixel_format
            if pixels != wanted:
                raise _mismatch(index, chunk, f"has {pixels} pixels instead of {wanted}")

    def _check_packets(self, index: int, chunk: ChunkSource, packets: Sequence[Packet[VideoStream]]) -> None:
        if len(packets) != chunk.frames:
            raise _mismatch(index, chunk, f"holds {len(packets)} frames instead of {chunk.frames}")
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        if fault := self.codec.fault_of_keyframes(keys, chunk.frames):
            raise _mismatch(index, chunk, fault)
        for number, packet in enumerate(packets):
            time = Fraction(self.tick(number), self.settings.timescale)
            if packet.pts is None or packet.pts != packet.dts or packet.pts * packet.time_base != time:
                raise _mismatch(index, chunk, f"does not show its frame {number} at {time} s")

    def tick(self, number: int) -> int:
        """Return the tick at which a frame is shown."""
        return frame_tick(number, self.fps, self.settings.timescale)

    def timed(
        self, packet: Packet[VideoStream], stream: VideoStream, number: int, lead: int = 0
    ) -> Packet[VideoStream]:
        """Give a packet the time of a frame in a stream of the output, moved by ``lead`` ticks."""
        packet.stream = stream
        packet.time_base = Fraction(1, self.settings.timescale)
        packet.pts = packet.dts = self.tick(number) + lead
        packet.duration = self.tick(number + 1) - self.tick(number)
        return packet

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn the errors of writing into `OutputNotWritableError`."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise OutputNotWritableError(f"cannot write {self.output}: {error}", path=str(self.output)) from error


class FileJoin(Join):
    """Write one file of a muxer of FFmpeg.

    Parameters
    ----------
    output, fps, codec, settings
        As in `Join`.
    metadata : mapping of str to str
        Tags of the file.
    sound : callable, optional
        Returns the video's sound, which is copied between the pictures. It is called once, before the first packet is
        written, and may wait until the sound is encoded.
    muxer : str
        FFmpeg's name of the muxer.
    options : mapping of str to str
        The muxer's options.
    """

    def __init__(
        self,
        output: Path,
        fps: Fraction,
        codec: Codec,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None,
        muxer: str,
        options: Mapping[str, str],
    ) -> None:
        super().__init__(output, fps, codec, settings)
        with self.writing():
            self._container = av.open(str(output), "w", format=muxer, options=dict(options))
        self._container.metadata.update(metadata)
        self._stream: VideoStream | None = None
        self._sound = sound
        self._sound_copy: SoundCopy | None = None

    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        stream = self._streams(chunk)
        for number, packet in enumerate(packets, start=chunk.start):
            # In the order of times, whatever the chunks are, so that every division gives the same bytes.
            if self._sound_copy is not None:
                self._sound_copy.write(until=number / self.fps)
            self._container.mux(self.timed(packet, stream, number))

    def _close(self) -> int:
        if self._sound_copy is not None:
            self._sound_copy.write()
        self._container.close()
        return self.output.stat().st_size

    def _abandon(self) -> None:
        # Closing writes the index and moves all data to make room for it; a file without a name avoids that.
        self.output.unlink(missing_ok=True)
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        self.output.unlink(missing_ok=True)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._sound_copy is not None:
            self._sound_copy.close()

    def _streams(self, chunk: ChunkSource) -> VideoStream:
        """Return the output's stream, which copies the first chunk's. The sound's stream follows it."""
        if self._stream is None:
            sound = self._sound() if self._sound is not None else None
            with av.open(str(chunk.path)) as source:
                # Without `opaque`, PyAV would look for an encoder of the decoder's name, which not all decoders have.
                video = source.streams.video[0]
                self._stream = self._container.add_stream_from_template(video, opaque=True)
                self._stream.time_base = Fraction(1, self.settings.timescale)
                if self.codec.tag:
                    self._stream.codec_context.codec_tag = self.codec.tag
                if ALPHA_MODE in video.metadata:
                    self._stream.metadata[ALPHA_MODE] = video.metadata[ALPHA_MODE]
                if sound is not None:
                    self._sound_copy = SoundCopy(sound, self._container)
        return self._stream


def proceed() -> None:
    """Let work go on, whatever happens."""


def frame_tick(number: int, fps: Fraction, timescale: int) -> int:
    """Return the tick at which a frame is shown: the nearest one, and of two the later one."""
    return (2 * number * timescale * fps.denominator + fps.numerator) // (2 * fps.numerator)


def add_packet(digest: blake3, packet: Packet[Any]) -> None:
    """Digest all bytes of a packet, also what belongs to its alpha."""
    digest.update(memoryview(packet))
    if packet.has_sidedata(ALPHA):
        digest.update(bytes(packet.get_sidedata(ALPHA)))


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
    if first is None:
        return
    if layout.pixel_format != first.pixel_format:
        raise _mismatch(index, chunk, f"has {layout.pixel_format} pixels, the first chunk {first.pixel_format}")
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


def _mismatch(index: int, chunk: ChunkSource, what: str) -> ChunkMismatchError:
    return ChunkMismatchError(f"chunk {index} ({chunk.path.name}) {what}", chunk=index, path=str(chunk.path))
