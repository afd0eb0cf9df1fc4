"""Encode captured pictures to an MP4 file with one closed group of pictures, with the same bytes every time.

Chunks are rendered on different machines and joined by copying their packets. So all of them must have the same
settings, start with their only keyframe, and refer to nothing outside. x264's output depends on the number of threads
and, by default, on the CPU's instruction sets; both are fixed here. A frame takes a whole number of the file's ticks,
so no timestamp is ever rounded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from hfdask.core.model import EncoderSettings
from hfdask.errors import EncodeError, InvalidConfigError
from hfdask.media.captured import Picture
from hfdask.media.h264_skip import SkipWriter
from hfdask.media.picture import YuvConverter, padded, tag_bt709

PRESETS = {"draft": ("ultrafast", 28), "standard": ("medium", 18), "high": ("slow", 15)}
"""x264 preset and constant rate factor by quality."""

MIN_TIMESCALE = 90_000
MAX_SIDE = 16_384

_BITRATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([kM]?)")
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


def h264_settings(quality: str, crf: int | None, bitrate: str | None, fps: Fraction) -> EncoderSettings:
    """Return complete settings of an H.264 video in MP4: a worker adds only the length of its chunk.

    Parameters
    ----------
    quality : {"draft", "standard", "high"}
        Names an x264 preset and a constant rate factor.
    crf : int, optional
        Constant rate factor, 0 (lossless) to 51, instead of the quality's.
    bitrate : str, optional
        Average bits a second, such as ``"8M"`` or ``"500k"``, instead of a rate factor.
    fps : Fraction
        Frames a second; decides the time base.

    Raises
    ------
    InvalidConfigError
        For values out of range, or both ``crf`` and ``bitrate``; ``details["field"]`` names the option.
    """
    if quality not in PRESETS:
        raise InvalidConfigError(f"quality must be one of {', '.join(PRESETS)}, not {quality!r}", field="quality")
    preset, default_crf = PRESETS[quality]
    options = {"preset": preset, "x264-params": _x264_params(preset)}
    if bitrate is not None:
        if crf is not None:
            raise InvalidConfigError("crf and bitrate exclude each other; give one", field="bitrate")
        options["b"] = str(_bits(bitrate))
    else:
        options["crf"] = str(_rate_factor(default_crf if crf is None else crf))
    return EncoderSettings(
        codec="libx264",
        pixel_format="yuv420p",
        options=options,
        threads=1,
        timescale=timescale(fps),
        container="mp4",
    )


def known_settings(settings: EncoderSettings, fps: Fraction) -> bool:
    """Return true if `h264_settings` could have made these settings.

    An untrusted plan must not use other options of x264, some of which name files to write.
    """
    options = settings.options
    preset = options.get("preset")
    quality = next((name for name, (known, _) in PRESETS.items() if known == preset), None)
    if quality is None or options.keys() not in ({"preset", "x264-params", "crf"}, {"preset", "x264-params", "b"}):
        return False
    try:
        crf = int(options["crf"]) if "crf" in options else None
        return settings == h264_settings(quality, crf, options.get("b"), fps)
    except (InvalidConfigError, ValueError):
        return False


def timescale(fps: Fraction) -> int:
    """Return ticks per second such that a frame takes a whole number of them: the least such number from 90 000 on."""
    return fps.numerator * -(-MIN_TIMESCALE // fps.numerator)


def muxer_options(settings: EncoderSettings) -> dict[str, str]:
    """Return options for a file whose track and movie clocks count in the settings' ticks.

    With its default clock of milliseconds, the container would round the movie's duration. The bit-exact flag
    leaves out library versions.
    """
    return {
        "video_track_timescale": str(settings.timescale),
        "movie_timescale": str(settings.timescale),
        "fflags": "+bitexact",
    }


class ChunkEncoder:
    """Encode exactly ``frames`` pictures to a file that starts with its only keyframe.

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
        Size of the pictures in pixels. Odd sides are padded by one pixel.
    frames : int
        Length of the chunk.

    Attributes
    ----------
    sizes : list of int
        Bytes of the packets that are in the file so far, in the order of the frames.

    Raises
    ------
    EncodeError
        If the file or the encoder cannot be opened.
    """

    def __init__(
        self, path: Path, settings: EncoderSettings, fps: Fraction, width: int, height: int, frames: int
    ) -> None:
        if frames < 1 or not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise EncodeError(f"cannot encode {frames} frames of {width}x{height}", path=str(path))
        self.path = path
        self.width, self.height, self.frames = width, height, frames
        self._time_base = 1 / fps
        self._converter = YuvConverter()
        self._sent = 0
        self._last: str | None = None
        # Pictures that are sent but not yet in the file, in order: True for a repeated one.
        self._repeated: deque[bool] = deque()
        self._written = 0
        self._encoded = 0
        self.sizes: list[int] = []
        self._done = False
        self._container = av.open(str(path), "w", format=settings.container, options=muxer_options(settings))
        try:
            self._stream = self._open_stream(settings, fps)
            self._skips = SkipWriter.of(bytes(self._stream.codec_context.extradata or b""))
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
        context.width, context.height = padded(self.width), padded(self.height)
        context.pix_fmt = settings.pixel_format
        context.time_base = self._time_base
        context.thread_count = settings.threads
        # With one frame between keyframes x264 writes another sequence header, and the chunk could not be
        # joined.
        context.gop_size = max(2, self.frames)
        context.max_b_frames = 0
        tag_bt709(context)
        context.open()
        return stream

    def encode(self, picture: Picture) -> str:
        """Encode the next picture, or repeat the previous one if it has the same pixels.

        Parameters
        ----------
        picture : Picture
            A picture of the planned size.

        Returns
        -------
        str
            The picture's digest, see `hfdask.media.picture.frame_digest`.

        Raises
        ------
        MediaError
            If the picture is a PNG that is broken.
        EncodeError
            If its size is not the planned one, all frames were sent already, or the encoder fails.
        """
        frame = picture.frame
        if (frame.width, frame.height) != (self.width, self.height):
            raise EncodeError(
                f"frame {self._sent} of {self.path.name} has {frame.width}x{frame.height} pixels "
                f"instead of {self.width}x{self.height}",
                path=str(self.path),
                frame=self._sent,
            )
        digest = picture.digest
        if digest == self._last:
            return self.repeat()
        try:
            converted = self._converter.convert(frame)
        except (av.FFmpegError, ValueError) as error:
            raise self._failed("converted", error) from error
        tag_bt709(converted)
        self._send(converted)
        self._last = digest
        return digest

    def repeat(self) -> str:
        """Write the previous picture once more and return its digest; nothing is decoded, converted or encoded.

        The decoded frame is the previous decoded frame, see `hfdask.media.h264_skip`.

        Raises
        ------
        EncodeError
            If there is no previous picture, all frames were sent already, or the encoder fails.
        """
        if self._last is None:
            raise EncodeError(f"{self.path.name} has no frame to repeat yet", path=str(self.path))
        self._count()
        self._repeated.append(True)
        self._write_repeated()
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
            self._repeated.popleft()
            # The encoder counts only its own pictures; after a repeated one its numbers are behind.
            behind = self._written > self._encoded
            self._mux(Packet(self._skips.numbered(bytes(packet), self._written)) if behind else packet)
            self._encoded += 1
            self._write_repeated()

    def _write_repeated(self) -> None:
        while self._repeated and self._repeated[0]:
            self._repeated.popleft()
            self._mux(Packet(self._skips.picture(self._written)))

    def _mux(self, packet: Packet[Any]) -> None:
        packet.stream = self._stream
        packet.time_base = self._time_base
        packet.pts = packet.dts = self._written
        packet.duration = 1
        packet.is_keyframe = self._written == 0
        self.sizes.append(packet.size)
        self._container.mux(packet)
        self._written += 1

    def _failed(self, what: str, error: Exception) -> EncodeError:
        return EncodeError(
            f"frame {self._sent} of {self.path.name} could not be {what}: {error}",
            path=str(self.path),
            frame=self._sent,
        )


def _x264_params(preset: str) -> str:
    quantiser = ["aq-mode=3"]
    if preset != "ultrafast":  # ultrafast leaves both features off, and these would switch them on
        quantiser += ["aq-strength=0.8", "deblock=1,1"]
    colour = ["colorprim=bt709", "transfer=bt709", "colormatrix=bt709"]
    structure = [
        "scenecut=0",
        "open-gop=0",
        "bframes=0",
        "ref=1",
        "rc-lookahead=10",
        "repeat-headers=1",
        "cpu-independent=1",
    ]
    return ":".join(quantiser + colour + structure)


def _rate_factor(crf: int) -> int:
    if not isinstance(crf, int) or isinstance(crf, bool) or not 0 <= crf <= 51:
        raise InvalidConfigError(f"crf must be a whole number from 0 to 51, not {crf!r}", field="crf")
    return crf


def _bits(bitrate: str) -> int:
    match = _BITRATE.fullmatch(str(bitrate).strip())
    bits = Fraction(match[1]) * _UNITS[match[2]] if match else Fraction(0)
    if not 1_000 <= bits <= 2_000_000_000:
        raise InvalidConfigError(
            f"bitrate must be bits a second between 1k and 2000M, such as 8M or 500k, not {bitrate!r}",
            field="bitrate",
        )
    return int(bits)
