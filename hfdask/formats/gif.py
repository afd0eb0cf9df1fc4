"""GIF: 256 colours for the whole animation, and pixels that are transparent or not.

All pictures are looked at before the palette is made, so the file has one, and does not depend on the chunks. FFmpeg's
filters make the palette and map the pictures to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.packet import Packet
from av.video.stream import VideoStream
from blake3 import blake3

from hfdask.core.abandoned import abandonable
from hfdask.core.model import EncoderSettings
from hfdask.errors import EncodeError, OutputInvalidError
from hfdask.formats.animation import Animation, Animator
from hfdask.formats.codec import Codec
from hfdask.formats.format import Planned, require_valid
from hfdask.formats.join import ChunkSource, Going, JoinReport, frame_tick, proceed
from hfdask.formats.png import PNG
from hfdask.media.picture import Pixels, decode_frame
from hfdask.media.sound_file import SoundFile

CLOCK = 100
"""Ticks a second of the format."""

OPAQUE_FROM = 128
"""Smallest alpha of a pixel that is shown. Others are transparent."""

_THREAD = "hfdask-palette"
_DITHER = "sierra2_4a"
_TRANSPARENT = 255  # the place of the transparent colour in a palette of FFmpeg's filter


class _Gif(Animator):
    """Keep the chunks' pictures in a file while the palette learns their colours, and encode them at the end."""

    muxer = encoder = "gif"
    pixel_format = "pal8"
    clock = CLOCK

    def __init__(self, output: Path, fps: Fraction, codec: Codec, settings: EncoderSettings, loop: int) -> None:
        super().__init__(output, fps, codec, settings, loop)
        from hfdask.core.scratch import nameless_file  # large, and the help of a command names formats

        self._kept = nameless_file(self)
        self._sizes: list[int] = []
        self._palette: _Palette | None = None
        self._has_holes = False

    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        for packet in packets:
            self.going()
            data = bytes(packet)
            self._kept.write(data)
            self._sizes.append(len(data))
            frame = self._decoded(data)
            self._palette = self._palette or _Palette(frame, self.settings.alpha)
            self._palette.learn(frame)
            self._has_holes = self._has_holes or _has_holes(frame)

    def _close(self) -> int:
        assert self._palette is not None  # a video has a frame
        if self._has_holes:
            # Each picture is whole, and is removed before the next one. The encoder removes only those with holes.
            self.options = {"gifflags": "-offsetting-transdiff"}
        digest = blake3()
        for frame in self._palette.mapped(self._pictures(), self.going):
            self.going()
            digest.update(_seen(frame).data)
            self.encode(frame)
        self.shown = digest.hexdigest()
        return super()._close()

    def packed(self, packet: Packet[Any]) -> Packet[Any]:
        return _removed_after(packet) if self._has_holes else packet

    def _pictures(self) -> Iterator[av.VideoFrame]:
        self._kept.seek(0)
        for size in self._sizes:
            yield self._decoded(self._kept.read(size))

    def _decoded(self, data: bytes) -> av.VideoFrame:
        return decode_frame(data, alpha=self.settings.alpha)


def _removed_after(packet: Packet[Any]) -> Packet[Any]:
    """Have a picture removed before the next one, by "restore to background colour" (GIF89a, 18 and 23).

    Viewers take the background from the file or from the picture, so both name the transparent colour.
    """
    data = bytearray(packet)
    control = 0  # of the graphic control extension; in the first packet it is behind the header and the palette
    if data.startswith(b"GIF89a"):
        data[11] = _TRANSPARENT
        control = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    if data[control : control + 3] != b"\x21\xf9\x04":
        raise EncodeError("FFmpeg's encoder wrote a GIF whose pictures cannot be removed")
    data[control + 3], data[control + 6] = data[control + 3] & ~0b11100 | 2 << 2 | 1, _TRANSPARENT
    changed = Packet(bytes(data))
    changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
    changed.stream, changed.is_keyframe = packet.stream, packet.is_keyframe
    return changed


class _Palette:
    """The colours of an animation: learn them from all pictures, then map these.

    Parameters
    ----------
    like : av.VideoFrame
        A frame of the size and format of the pictures.
    alpha : bool
        True to keep one colour for transparent pixels.
    """

    def __init__(self, like: av.VideoFrame, alpha: bool) -> None:
        self._like = like
        self._graph = Graph()
        self._source = _buffer(self._graph, like)
        self._sink = self._graph.add("buffersink")
        learner = self._graph.add("palettegen", stats_mode="full", reserve_transparent=str(int(alpha)))
        self._source.link_to(learner)
        learner.link_to(self._sink)
        self._graph.configure()
        self._learned = 0

    def learn(self, frame: av.VideoFrame) -> None:
        self._source.push(_timed(frame, self._learned))
        self._learned += 1

    def _made(self) -> av.VideoFrame:
        """Return the palette of all pictures so far."""
        self._source.push(None)
        return _pulled(self._sink)

    def mapped(self, frames: Iterator[av.VideoFrame], going: Going) -> Iterator[av.VideoFrame]:
        """Yield the pictures in the palette's colours, as ``pal8``.

        Millions of colours take seconds, for the palette and for each picture, in which the filters cannot be stopped.
        """
        palette = abandonable(self._made, going, _THREAD)
        graph = Graph()
        source, colours = _buffer(graph, self._like), _buffer(graph, palette)
        mapper = graph.add("paletteuse", dither=_DITHER, alpha_threshold=str(OPAQUE_FROM))
        sink = graph.add("buffersink")
        source.link_to(mapper, 0, 0)
        colours.link_to(mapper, 0, 1)
        mapper.link_to(sink)
        graph.configure()
        colours.push(_timed(palette, 0))
        colours.push(None)
        for number, frame in enumerate(frames):
            yield from abandonable(partial(_passed, graph, source, sink, _timed(frame, number)), going, _THREAD)
        yield from abandonable(partial(_passed, graph, source, sink, None), going, _THREAD)


def _buffer(graph: Graph, like: av.VideoFrame) -> FilterContext:
    return graph.add(
        "buffer",
        video_size=f"{like.width}x{like.height}",
        pix_fmt=like.format.name,
        time_base="1",
        pixel_aspect="1",
    )


def _timed(frame: av.VideoFrame, number: int) -> av.VideoFrame:
    frame.pts, frame.time_base = number, Fraction(1)
    return frame


def _pulled(sink: FilterContext) -> av.VideoFrame:
    frame = sink.pull()
    assert isinstance(frame, av.VideoFrame)
    return frame


def _passed(
    graph: Graph, source: FilterContext, sink: FilterContext, frame: av.VideoFrame | None
) -> list[av.VideoFrame]:
    """Return the frames that come out of a filter if one goes in, or none is left.

    The filter does not keep its graph, which must not go while it works.
    """
    source.push(frame)
    ready = []
    while True:
        try:
            ready.append(_pulled(sink))
        except (av.BlockingIOError, av.EOFError):
            return ready


def _has_holes(frame: av.VideoFrame) -> bool:
    return frame.format.name == "rgba" and bool((frame.to_ndarray()[..., 3] < OPAQUE_FROM).any())


def _seen(frame: av.VideoFrame) -> Pixels:
    """Return the pixels of a frame as they are seen, of shape (height, width, 4): transparent ones have no colour."""
    pixels = np.ascontiguousarray(frame.reformat(format="rgba").to_ndarray(), dtype=np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


@dataclass(frozen=True, kw_only=True)
class Gif(Animation):
    """GIF files of at most 30 frames a second: its clock has only 100 ticks, and browsers slow down files with short ones."""

    animator = _Gif

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        require = partial(require_valid, path=path, kind="animation")
        digest, times = blake3(), []
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                context = stream.codec_context
                size = (context.width, context.height)
                for frame in container.decode(stream):
                    going()
                    digest.update(_seen(frame).data)
                    times.append((frame.pts or 0) * (frame.time_base or 0))
        except (av.FFmpegError, IndexError) as error:
            raise OutputInvalidError(f"{path.name} cannot be read: {error}", check="file", path=str(path)) from error
        require(size == (planned.width, planned.height), "size", f"it has {size[0]}x{size[1]} pixels")
        require(len(times) == planned.frames, "frames", f"it has {len(times)} frames instead of {planned.frames}")
        right = [Fraction(frame_tick(number, planned.fps, CLOCK), CLOCK) for number in range(planned.frames)]
        require(times == right, "timestamps", "a frame is not at its time")
        require(digest.hexdigest() == joined.shown, "pictures", "its pictures differ from the encoded pictures")


GIF = Gif(name="gif", suffixes=(".gif",), codecs=(PNG,), sound=None, max_fps=30)
