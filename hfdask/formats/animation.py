"""Animated pictures: one file for image viewers and pages, encoded from the chunks' pictures when they are joined.

Their encoders look at a whole animation: one palette serves all pictures of a GIF, and a picture of either format has only
what differs from the one before. So chunks hold PNG files, which lose nothing, and the same chunks serve every animation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from hfdask.core.model import EncoderSettings
from hfdask.formats.codec import Codec
from hfdask.formats.format import Format
from hfdask.formats.join import Join, frame_tick
from hfdask.media.sound_file import SoundFile


@dataclass(frozen=True, kw_only=True)
class Animation(Format):
    """A format whose outputs are shown ``loop`` times, or without end if it is 0; ``animator`` writes them."""

    animator: ClassVar[type[Animator]]
    loop: int = 0

    @property
    def loops(self) -> bool:
        return True

    def looping(self, loop: int) -> Self:
        return replace(self, loop=loop)

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> Join:
        return self.animator(output, fps, self.codec_of(settings), settings, self.loop)


class Animator(Join):
    """Encode the pictures of chunks, with one clock for the whole animation.

    Parameters
    ----------
    output, fps, codec, settings
        As in `hfdask.formats.join.Join`.
    loop : int
        Times to show it, 0 without end.

    Attributes
    ----------
    muxer, encoder, pixel_format : str
        FFmpeg's names.
    clock : int
        Ticks a second of the format. A frame begins at the nearest one.
    options : mapping of str to str
        The encoder's. They can be set until the first picture is encoded.
    """

    muxer: ClassVar[str]
    encoder: ClassVar[str]
    pixel_format: ClassVar[str]
    clock: ClassVar[int]

    def __init__(self, output: Path, fps: Fraction, codec: Codec, settings: EncoderSettings, loop: int) -> None:
        super().__init__(output, fps, codec, settings)
        self.options: Mapping[str, str] = {}
        with self.writing():
            self._container = av.open(
                str(output), "w", format=self.muxer, options={"loop": str(loop), "fflags": "+bitexact"}
            )
        self._stream: VideoStream | None = None
        self._shown = 0

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode the next picture, which has the animation's pixel format."""
        stream = self._stream or self._open(frame.width, frame.height)
        begin, end = (frame_tick(number, self.fps, self.clock) for number in (self._shown, self._shown + 1))
        frame.time_base = Fraction(1, self.clock)
        frame.pts, frame.duration = begin, end - begin
        self._mux(stream.encode(frame), end - begin)
        self._shown += 1

    def _open(self, width: int, height: int) -> VideoStream:
        stream = self._container.add_stream(self.encoder, rate=self.fps, options=dict(self.options))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self.pixel_format
        stream.time_base = context.time_base = Fraction(1, self.clock)
        context.thread_count = 1
        self._stream = stream
        return stream

    def _mux(self, packets: Sequence[Packet[Any]], duration: int = 0) -> None:
        for encoded in packets:
            packet = self.packed(encoded)
            if duration:
                packet.duration = duration
            self._container.mux(packet)

    def packed(self, packet: Packet[Any]) -> Packet[Any]:
        """Return the encoder's packet as it goes into the file."""
        return packet

    def _close(self) -> int:
        assert self._stream is not None  # a video has a frame
        self._mux(self._stream.encode(None))
        self._container.close()
        return self.output.stat().st_size

    def _abandon(self) -> None:
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
        self.output.unlink(missing_ok=True)
