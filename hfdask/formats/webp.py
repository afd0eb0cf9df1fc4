"""Animated WebP, with half-transparent pixels. Equal pictures become a single picture, which is shown for longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from hfdask.core.model import EncoderSettings
from hfdask.errors import OutputInvalidError
from hfdask.formats.animation import Animation, Animator
from hfdask.formats.codec import Codec
from hfdask.formats.format import Planned, require_valid
from hfdask.formats.join import ChunkSource, Going, JoinReport, frame_tick, proceed
from hfdask.formats.png import PNG
from hfdask.media.picture import decode_frame
from hfdask.media.sound_file import SoundFile

CLOCK = 1000
"""Ticks a second of the format."""

_FLAGS, _ALPHA = 20, 1 << 4
# The chunks lose nothing, so their settings have the plan's quality as the speed of their compression.
_QUALITIES = {
    PNG.qualities[name][0]: quality for name, quality in (("draft", "60"), ("standard", "80"), ("high", "95"))
}


class _WebP(Animator):
    muxer = "webp"
    encoder = "libwebp_anim"
    pixel_format = "bgra"
    clock = CLOCK

    def __init__(self, output: Path, fps: Fraction, codec: Codec, settings: EncoderSettings, loop: int) -> None:
        super().__init__(output, fps, codec, settings, loop)
        self.options = {"quality": _QUALITIES[settings.options["compression_level"]], "compression_level": "4"}
        self._converter = VideoReformatter()
        self._clear = False

    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        for packet in packets:
            self.going()
            frame = decode_frame(bytes(packet), alpha=self.settings.alpha)
            self._clear = self._clear or _is_clear(frame)
            self.encode(self._converter.reformat(frame, format=self.pixel_format, threads=1))

    def _close(self) -> int:
        size = super()._close()
        if self._clear:
            _mark_alpha(self.output)
        return size


def _is_clear(frame: av.VideoFrame) -> bool:
    """Return true if a pixel is not opaque."""
    return frame.format.name == "rgba" and bool((frame.to_ndarray()[..., 3] < 255).any())


def _mark_alpha(path: Path) -> None:
    """Set the flag of alpha in a file with features (WebP container specification, "Extended File Format").

    libwebp's encoder cuts transparent edges off. If the rest is opaque, it leaves the flag out, and readers that obey it show black there.
    """
    with path.open("r+b") as file:
        head = bytearray(file.read(_FLAGS + 1))
        if head[12:16] == b"VP8X":
            file.seek(_FLAGS)
            file.write(bytes([head[_FLAGS] | _ALPHA]))


@dataclass(frozen=True, kw_only=True)
class WebP(Animation):
    """Files of libwebp's encoder for animations. Its last frame is shown for as long as the one before it."""

    animator = _WebP

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        from PIL import Image  # the help of a command needs no pictures

        require = partial(require_valid, path=path, kind="animation")
        starts = {frame_tick(number, planned.fps, CLOCK) for number in range(planned.frames)}
        length = Fraction(planned.frames) / planned.fps
        try:
            with Image.open(path) as picture:  # FFmpeg cannot decode an animation
                size, end = picture.size, 0
                for number in range(getattr(picture, "n_frames", 1)):
                    going()
                    picture.seek(number)
                    picture.load()
                    begin = picture.info.get("timestamp", 0)
                    require(begin in starts and begin >= end, "timestamps", f"a frame is shown from {begin} ms on")
                    end = begin + picture.info.get("duration", 0)
        except (OSError, EOFError) as error:
            raise OutputInvalidError(f"{path.name} cannot be read: {error}", check="file", path=str(path)) from error
        require(size == (planned.width, planned.height), "size", f"it has {size[0]}x{size[1]} pixels")
        late = abs(Fraction(end, CLOCK) - length)
        require(planned.frames == 1 or late <= Fraction(2, CLOCK), "duration", f"it lasts {end} ms")


WEBP = WebP(name="webp", suffixes=(".webp",), codecs=(PNG,), sound=None)
