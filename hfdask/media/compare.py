"""Compare videos or pictures frame by frame, in numbers that other tools can check.

FFmpeg's ``psnr`` and ``ssim`` filters measure, in this process, so the numbers equal FFmpeg's command line. Two
videos are compared in their stored YUV planes, and two PNGs in RGB. To compare a PNG with a video, the PNG first goes
through the encoder's conversion, so that only the codec's loss is measured.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

import av
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from hfdask.core.forks import worked
from hfdask.errors import MediaError
from hfdask.media.picture import BITEXACT, Converter, decode_frame
from hfdask.media.sequence import is_frame, is_sequence, open_sequence

Source: TypeAlias = str | os.PathLike[str]

MIN_SIDE = 16
"""Minimum side in pixels: SSIM uses 8x8 windows, of chroma planes too."""

_RGB = "gbrp"
_CLOCK = Fraction(1, 25)  # both videos' frames are paired by number, so any common clock will do


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measured differences between two videos.

    Attributes
    ----------
    psnr : tuple of float
        PSNR of each common frame in dB, over all planes; infinite for equal frames.
    ssim : tuple of float
        SSIM of each common frame, weighted over all planes by size; 1 for equal frames.
    mean_psnr, min_psnr : float
        The mean comes from the mean squared error of all frames, as in FFmpeg's summary, because infinities have no
        mean.
    mean_ssim, min_ssim : float
        Mean and minimum SSIM.
    worst_frame : int
        The frame with the lowest PSNR; of equal ones, that with the lowest SSIM.
    frames_a, frames_b : int
        Frames of each video.
    pixel_format : str
        The planes that were measured; ``gbrp`` is RGB.
    """

    psnr: tuple[float, ...]
    ssim: tuple[float, ...]
    mean_psnr: float
    min_psnr: float
    mean_ssim: float
    min_ssim: float
    worst_frame: int
    frames_a: int
    frames_b: int
    pixel_format: str

    @property
    def frames(self) -> int:
        """Number of frames that were compared."""
        return len(self.psnr)

    @property
    def equal_length(self) -> bool:
        """True if both have the same number of frames."""
        return self.frames_a == self.frames_b

    @property
    def identical(self) -> bool:
        """True if all frames of both are equal, pixel by pixel."""
        return self.equal_length and self.min_psnr == math.inf


@worked
def compare(a: Source, b: Source) -> Comparison:
    """Compare two videos or PNG pictures frame by frame, by frame number.

    Parameters
    ----------
    a, b : path
        Files that FFmpeg reads, or sequences of PNG pictures in folders or ZIP files. A name that ends in ``.png`` is a single picture. Alpha is
        ignored.

    Returns
    -------
    Comparison
        Numbers for the frames that both have, and both counts of frames.

    Raises
    ------
    MediaError
        If a file cannot be read, has no frames, is less than 16 pixels wide or high, or the sizes differ.
    """
    meter: _Meter | None = None
    count_a = count_b = 0
    with ExitStack() as stack:
        for frame_a, frame_b in zip_longest(_frames(Path(a), stack), _frames(Path(b), stack)):
            count_a += frame_a is not None
            count_b += frame_b is not None
            if frame_a is not None and frame_b is not None:
                meter = meter or _Meter(frame_a, frame_b)
                meter.push(frame_a, frame_b)
    if meter is None:
        raise MediaError(f"{b if count_a else a} has no frames")
    return meter.finish(count_a, count_b)


class _Meter:
    """A filter graph for both videos; the numbers come back as tags of the first one's frames."""

    def __init__(self, a: av.VideoFrame, b: av.VideoFrame) -> None:
        formats = {_planes(a), _planes(b)}
        self.pixel_format = formats.pop() if len(formats) == 1 else "yuv420p"
        self._scaler, self._converter = VideoReformatter(), Converter()
        first, second = self._convert(a), self._convert(b)
        self._size = (first.width, first.height)
        if self._size != (second.width, second.height):
            raise MediaError(f"{a.width}x{a.height} and {b.width}x{b.height} pixels cannot be compared")
        if min(self._size) < MIN_SIDE:
            raise MediaError(f"{a.width}x{a.height} pixels are too few to compare; at least 16x16 are needed")
        self._psnr: list[float] = []
        self._ssim: list[float] = []
        self._graph = self._build()

    def push(self, a: av.VideoFrame, b: av.VideoFrame) -> None:
        """Measure the next pair."""
        try:
            for port, frame in enumerate((a, b)):
                picture = self._convert(frame)
                if (picture.width, picture.height) != self._size:
                    raise MediaError(f"the size changes at frame {len(self._psnr)}", frame=len(self._psnr))
                picture.pts, picture.time_base = len(self._psnr), _CLOCK
                self._graph.vpush(picture, port)
            tags = self._graph.vpull().metadata
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"frame {len(self._psnr)} cannot be compared: {error}") from error
        self._psnr.append(float(tags["lavfi.psnr.psnr_avg"]))
        self._ssim.append(float(tags["lavfi.ssim.All"]))

    def finish(self, frames_a: int, frames_b: int) -> Comparison:
        """Return the numbers of all pairs so far."""
        noise = math.fsum(10 ** (-value / 10) for value in self._psnr) / len(self._psnr)
        return Comparison(
            psnr=tuple(self._psnr),
            ssim=tuple(self._ssim),
            mean_psnr=-10 * math.log10(noise) if noise else math.inf,
            min_psnr=min(self._psnr),
            mean_ssim=math.fsum(self._ssim) / len(self._ssim),
            min_ssim=min(self._ssim),
            worst_frame=min(range(len(self._psnr)), key=lambda i: (self._psnr[i], self._ssim[i])),
            frames_a=frames_a,
            frames_b=frames_b,
            pixel_format=self.pixel_format,
        )

    def _convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.format.name == self.pixel_format:
            return frame
        if frame.format.name == "rgb24" and self.pixel_format != _RGB:
            return self._converter.convert(frame)
        return self._scaler.reformat(
            frame,
            format=self.pixel_format,
            interpolation=BITEXACT,
            threads=1,
        )

    def _build(self) -> Graph:
        width, height = self._size
        graph = Graph()
        graph.threads = 1
        planes = av.VideoFormat(self.pixel_format, width, height)
        a, b = (
            graph.add_buffer(width=width, height=height, format=planes, time_base=_CLOCK, name=name)
            for name in ("a", "b")
        )
        split, psnr, ssim_, sink = (graph.add(name) for name in ("split", "psnr", "ssim", "buffersink"))
        a.link_to(psnr, 0, 0)
        b.link_to(split, 0, 0)
        split.link_to(psnr, 0, 1)
        psnr.link_to(ssim_, 0, 0)
        split.link_to(ssim_, 1, 1)
        ssim_.link_to(sink, 0, 0)
        graph.configure()
        return graph


def _planes(frame: av.VideoFrame) -> str:
    """Return the pixel format to measure a frame in: without alpha, because SSIM has none."""
    return _RGB if frame.format.is_rgb else frame.format.name.replace("yuva", "yuv")


def _frames(path: Path, stack: ExitStack) -> Iterator[av.VideoFrame]:
    try:
        if path.suffix.lower() == ".png":
            yield decode_frame(path.read_bytes())
            return
        if is_sequence(path):
            with open_sequence(path) as (names, read):
                for name in filter(is_frame, names):
                    yield decode_frame(read(name))
            return
        container = stack.enter_context(av.open(str(path)))
        if not container.streams.video:
            raise MediaError(f"{path} has no video track", path=str(path))
        container.streams.video[0].thread_type = "AUTO"
        yield from container.decode(video=0)
    except (av.FFmpegError, OSError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path} cannot be read: {error}", path=str(path)) from error
