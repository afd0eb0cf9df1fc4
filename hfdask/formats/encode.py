"""Encode captured pictures to a chunk's file with one closed group of pictures, with the same bytes every time, and decode them.

Chunks are rendered on different machines and joined by copying their packets. So all of them must have the same
settings, start with a keyframe, and refer to nothing outside. The settings of an encoder (`hfdask.formats.codec`) fix
all that could differ from machine to machine.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import psutil
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from hfdask.core.model import EncoderSettings
from hfdask.errors import EncodeError
from hfdask.formats.codec import Repeater
from hfdask.formats.decoding import Decoding
from hfdask.formats.mux import muxer_options
from hfdask.formats.samples import Samples
from hfdask.formats.table import codec_of
from hfdask.media.captured import Picture
from hfdask.media.picture import frame_digest, video_side

MAX_SIDE = 16_384

_opening = threading.Lock()  # threads that begin meanwhile belong to the encoder


def _thread_seconds() -> dict[int, float]:
    """Return the CPU seconds of each thread of this process that Python did not start, by its number."""
    known = {thread.native_id for thread in threading.enumerate()}
    return {each.id: each.user_time + each.system_time for each in psutil.Process().threads() if each.id not in known}


class ChunkEncoder:
    """Encode exactly ``frames`` pictures to a file that starts with a keyframe: the only one, unless every picture stands for itself.

    Use it as a context manager: leaving normally closes the file, leaving with an exception removes it. Calls
    must come one after the other, from any thread; decoding, conversion and encoding release the GIL.

    Parameters
    ----------
    path : Path
        File to write; its folder must exist.
    settings : EncoderSettings
        Settings of the plan; nothing is derived from this machine.
    fps : Fraction
        Frames a second.
    width, height : int
        Size of the pictures in pixels. Odd sides are padded by one pixel if the pixel format needs that.
    frames : int
        Length of the chunk.

    Attributes
    ----------
    sizes : list of int
        Bytes of the packets that are in the file so far, in the order of the frames.
    transparent : bool
        True if a picture has a pixel that is not opaque, and its alpha is kept.
    cpu_seconds : float
        CPU seconds of the threads of the encoder and of the decoder that tries its packets, when the file is finished.

    Raises
    ------
    EncodeError
        If the file or the encoder cannot be opened.
    """

    def __init__(
        self, path: Path, settings: EncoderSettings, fps: Fraction, width: int, height: int, frames: int
    ) -> None:
        least = codec_of(settings).min_side
        if frames < 1 or not least <= min(width, height) <= max(width, height) <= MAX_SIDE:
            raise EncodeError(f"cannot encode {frames} frames of {width}x{height}", path=str(path))
        self.path = path
        self.width, self.height, self.frames = width, height, frames
        self._time_base = 1 / fps
        self._samples = Samples(settings)
        self._sent = 0
        self._last: str | None = None
        # Pictures that are sent but not yet in the file, in order: True for a repeated one.
        self._repeated: deque[bool] = deque()
        self._written = 0
        self._encoded = 0
        self._converted: av.VideoFrame | None = None
        self._before = b""
        self.sizes: list[int] = []
        self.transparent = False
        self.cpu_seconds = 0.0
        self._threads: set[int] = set()
        self._done = False
        self._codec, self._alpha = codec_of(settings), settings.alpha
        options = muxer_options(settings.container, settings.timescale)
        self._container = av.open(str(path), "w", format=settings.container, options=options)
        try:
            self._stream = self._open_stream(settings, fps)
            self._repeater = self._codec.repeater(self._stream.codec_context) if self._codec.repeater else None
        except (av.FFmpegError, ValueError) as error:
            self.abort()
            raise EncodeError(f"{settings.codec} refused its settings: {error}", path=str(path)) from error
        try:
            # Without this, the file would be opened only at the first packet, and errors would come late.
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            self.abort()
            raise EncodeError(f"cannot write {path}: {error}", path=str(path)) from error

    def _open_stream(self, settings: EncoderSettings, fps: Fraction) -> VideoStream:
        stream = self._container.add_stream(settings.codec, rate=fps, options=dict(settings.options))
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{settings.codec} is not a video codec")
        stream.time_base = Fraction(1, settings.timescale)
        context = stream.codec_context
        context.width = video_side(self.width, settings.pixel_format)
        context.height = video_side(self.height, settings.pixel_format)
        context.pix_fmt = settings.pixel_format
        context.time_base = self._time_base
        context.thread_count = settings.threads
        # With one frame between keyframes x264 writes another sequence header, and the chunk could not be
        # joined.
        context.gop_size = max(2, self.frames)
        context.max_b_frames = 0
        if self._codec.tag:
            context.codec_tag = self._codec.tag
        self._samples.tag(context)
        with _opening, self._codec.opening():
            before = _thread_seconds()
            context.open()
            self._decoding = Decoding(self.path, context, self._codec, settings)
            self._threads = _thread_seconds().keys() - before.keys()
        return stream

    def encode(self, picture: Picture) -> str:
        """Encode the next picture, or repeat the previous one if the video's frames of both have the same pixels.

        Parameters
        ----------
        picture : Picture
            A picture of the planned size.

        Returns
        -------
        str
            The digest of the video's frame before it is encoded, see `hfdask.media.picture.frame_digest`.

        Raises
        ------
        MediaError
            If the picture is a PNG that is broken.
        EncodeError
            If its size is not the planned one, all frames were sent already, or the encoder fails.
        """
        source = picture.source
        if (source.width, source.height) != (self.width, self.height):
            raise EncodeError(
                f"frame {self._sent} of {self.path.name} has {source.width}x{source.height} pixels "
                f"instead of {self.width}x{self.height}",
                path=str(self.path),
                frame=self._sent,
            )
        try:
            samples = self._samples.of(picture)
        except (av.FFmpegError, ValueError) as error:
            raise self._failed("converted", error) from error
        digest = frame_digest(samples)
        if digest == self._last:
            return self.repeat()
        self._send(samples)
        self._last = digest
        self.transparent = self.transparent or (self._alpha and picture.transparent)
        if self._repeater is None:
            self._converted = samples
        return digest

    def digest(self, picture: Picture) -> str:
        """Return the digest that `encode` would return for a picture, without encoding it."""
        return self._samples.digest(picture)

    def repeat(self) -> str:
        """Write the previous picture once more and return its digest; nothing is decoded or converted.

        If the codec has a way, nothing is encoded either, and the decoded frame is the previous decoded frame.

        Raises
        ------
        EncodeError
            If there is no previous picture, all frames were sent already, or the encoder fails.
        """
        if self._last is None:
            raise EncodeError(f"{self.path.name} has no frame to repeat yet", path=str(self.path))
        if self._repeater is None:
            assert self._converted is not None
            self._send(self._converted)
        else:
            self._count()
            self._repeated.append(True)
            self._write_repeated(self._repeater)
        return self._last

    def close(self) -> None:
        """Flush the encoder and finish the file. Closing again does nothing.

        Raises
        ------
        EncodeError
            If frames are missing or the file cannot be finished; the file is removed.
        """
        if self._done:
            return
        try:
            self._finish()
        except BaseException:
            self.abort()
            raise
        self._done = True
        self._last = None

    def abort(self) -> None:
        """Stop and remove the file, if it is not finished."""
        if self._done:
            return
        self._done = True
        self._last = None
        try:
            self._container.close()
        except (av.FFmpegError, ValueError):
            pass  # the file is removed anyway, and the caller already has the first error
        finally:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> ChunkEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _finish(self) -> None:
        if self._sent != self.frames:
            raise EncodeError(f"{self.path.name} got {self._sent} of its {self.frames} frames", path=str(self.path))
        try:
            self._write(self._stream.encode(None))
            self._decoding.finish()
            self.cpu_seconds = sum(spent for thread, spent in _thread_seconds().items() if thread in self._threads)
            self._container.close()
        except (av.FFmpegError, ValueError) as error:
            raise self._failed("written", error) from error

    def _send(self, picture: av.VideoFrame) -> None:
        number = self._count()
        self._repeated.append(False)
        picture.time_base = self._time_base
        picture.pts = number
        # A decoded PNG is marked as an I picture, and x264 would obey for every frame.
        picture.pict_type = PictureType.NONE
        try:
            self._write(self._stream.encode(picture))
        except (av.FFmpegError, ValueError) as error:
            raise self._failed("encoded", error) from error

    def _count(self) -> int:
        if self._done or self._sent >= self.frames:
            raise EncodeError(f"{self.path.name} has all of its {self.frames} frames already", path=str(self.path))
        self._sent += 1
        return self._sent - 1

    def _write(self, packets: Iterable[Packet[Any]]) -> None:
        """Write the encoder's packets, each followed by the repeated pictures that are due after it."""
        for packet in packets:
            self._require_single_key(packet)
            self._repeated.popleft()
            # The encoder counts only its own pictures; after a repeated one its numbers are behind.
            behind = self._written > self._encoded
            if self._repeater is None or not behind:
                self._mux(packet)
            else:
                self._mux(Packet(self._repeater.numbered(packet, self._written)))
            self._encoded += 1
            if self._repeater is not None:
                self._write_repeated(self._repeater)

    def _require_single_key(self, packet: Packet[Any]) -> None:
        if packet.is_keyframe and self._encoded and not self._codec.intra:
            raise EncodeError(
                f"{self.path.name} has a second key frame, at its frame {self._written}", path=str(self.path)
            )

    def _write_repeated(self, repeater: Repeater) -> None:
        while self._repeated and self._repeated[0]:
            self._repeated.popleft()
            self._mux(Packet(repeater.repeated(self._written, self._before)))

    def _mux(self, packet: Packet[Any]) -> None:
        packet.stream = self._stream
        packet.time_base = self._time_base
        packet.pts = packet.dts = self._written
        packet.duration = 1
        packet.is_keyframe = self._codec.intra or self._written == 0
        self._decoding.take(packet)
        self.sizes.append(packet.size)
        if self._codec.intra:
            self._before = bytes(packet)
        self._container.mux(packet)
        self._written += 1

    def _failed(self, what: str, error: Exception) -> EncodeError:
        return EncodeError(
            f"frame {self._sent} of {self.path.name} could not be {what}: {error}",
            path=str(self.path),
            frame=self._sent,
        )
