"""Measure how much pairs of pictures differ, in numbers that other tools can check.

FFmpeg's ``psnr`` and ``ssim`` filters measure, in this process, so the numbers equal FFmpeg's command line. Two
videos are compared in their stored YUV planes, and two PNGs in RGB. To compare a PNG with a video, the PNG first goes
through the encoder's conversion to the video's planes, so that only the codec's loss is measured.

If a pixel is not opaque, colours are first multiplied with alpha, in the same planes: an invisible pixel has no colour, and
formats may store any. Alpha is measured by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.reformatter import ColorRange, VideoReformatter
from msgspec import Struct

from hfdask.errors import MediaError
from hfdask.media.fringes import without_fringes
from hfdask.media.picture import BITEXACT, Converter, Pixels, rows_of

Alpha: TypeAlias = npt.NDArray[np.float32]
"""Alpha from 0 to 1, of shape (height, width)."""

MIN_SIDE = 16
"""Minimum side in pixels: SSIM uses 8x8 windows, of chroma planes too."""

_RGB = "gbrp"
_CLOCK = Fraction(1, 25)  # both videos' frames are paired by number, so any common clock will do


class Comparison(Struct, frozen=True):
    """Measured differences between two videos.

    Attributes
    ----------
    psnr : tuple of float
        PSNR of each common frame in dB, over all planes of colour; infinite for equal frames. If a pixel of either frame is not
        opaque, colours are multiplied with alpha.
    ssim : tuple of float
        SSIM of each common frame, weighted over all planes by size; 1 for equal frames.
    mean_psnr, min_psnr : float
        The mean comes from the mean squared error of all frames, as in FFmpeg's summary, because infinities have no
        mean.
    mean_ssim, min_ssim : float
        Mean and minimum SSIM.
    worst_frame : int
        The frame with the lowest PSNR, of colours or of alpha; of equal ones, that with the lowest SSIM.
    frames_a, frames_b : int
        Frames of each video.
    pixel_format : str
        The planes of colour that were measured; ``gbrp`` is RGB.
    alpha_psnr : tuple of float
        PSNR of each common frame's alpha in dB. Empty if every pixel of both videos is opaque.
    mean_alpha_psnr, min_alpha_psnr : float
        As for colours; infinite if every pixel is opaque.
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
    alpha_psnr: tuple[float, ...] = ()
    mean_alpha_psnr: float = math.inf
    min_alpha_psnr: float = math.inf

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
        """True if all frames of both are equal, pixel by pixel. Colours of invisible pixels do not count."""
        return self.equal_length and self.min_psnr == self.min_alpha_psnr == math.inf


class Meter:
    """Measure pairs of frames, in a filter graph whose numbers come back as tags of the first one's frames.

    Parameters
    ----------
    a, b : av.VideoFrame
        The first pair, which decides the planes to measure in.

    Raises
    ------
    MediaError
        If a frame is less than 16 pixels wide or high, or the sizes differ.
    """

    def __init__(self, a: av.VideoFrame, b: av.VideoFrame) -> None:
        self.pixel_format = _common(a, b)
        self._scaler, self._converter = VideoReformatter(), Converter(self.pixel_format)
        first, second = self._convert(a), self._convert(b)
        self._size = (first.width, first.height)
        if self._size != (second.width, second.height):
            raise MediaError(f"{a.width}x{a.height} and {b.width}x{b.height} pixels cannot be compared")
        if min(self._size) < MIN_SIDE:
            raise MediaError(f"{a.width}x{a.height} pixels are too few to compare; at least 16x16 are needed")
        self._psnr: list[float] = []
        self._ssim: list[float] = []
        self._alpha_psnr: list[float] = []
        self._has_alpha = False
        self._graph = self._build()

    def push(self, a: av.VideoFrame, b: av.VideoFrame) -> None:
        """Measure the next pair."""
        try:
            pictures = [self._convert(frame) for frame in (a, b)]
            if any((picture.width, picture.height) != self._size for picture in pictures):
                raise MediaError(f"the size changes at frame {len(self._psnr)}", frame=len(self._psnr))
            alphas = [self._alpha(frame) for frame in (a, b)]
            for port, (colours, alpha) in enumerate(zip(pictures, alphas, strict=True)):
                picture = colours if alpha is None else _multiplied(colours, alpha)
                picture.pts, picture.time_base = len(self._psnr), _CLOCK
                self._graph.vpush(picture, port)
            tags = self._graph.vpull().metadata
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"frame {len(self._psnr)} cannot be compared: {error}") from error
        self._psnr.append(float(tags["lavfi.psnr.psnr_avg"]))
        self._ssim.append(float(tags["lavfi.ssim.All"]))
        self._alpha_psnr.append(_alpha_psnr(*alphas))
        self._has_alpha = self._has_alpha or any(alpha is not None for alpha in alphas)

    def finish(self, frames_a: int, frames_b: int) -> Comparison:
        """Return the numbers of all pairs so far."""
        both = [min(pair) for pair in zip(self._psnr, self._alpha_psnr, strict=True)]
        return Comparison(
            psnr=tuple(self._psnr),
            ssim=tuple(self._ssim),
            mean_psnr=_mean(self._psnr),
            min_psnr=min(self._psnr),
            mean_ssim=math.fsum(self._ssim) / len(self._ssim),
            min_ssim=min(self._ssim),
            worst_frame=min(range(len(both)), key=lambda i: (both[i], self._ssim[i])),
            frames_a=frames_a,
            frames_b=frames_b,
            pixel_format=self.pixel_format,
            alpha_psnr=tuple(self._alpha_psnr) if self._has_alpha else (),
            mean_alpha_psnr=_mean(self._alpha_psnr),
            min_alpha_psnr=min(self._alpha_psnr),
        )

    def _convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame's colours in the planes to measure in."""
        if frame.format.name == self.pixel_format:
            return frame
        if frame.format.is_rgb and self.pixel_format != _RGB:
            return self._converter.convert(_opaque(frame))
        return self._scaler.reformat(
            frame,
            format=self.pixel_format,
            interpolation=BITEXACT,
            threads=1,
        )

    def _alpha(self, frame: av.VideoFrame) -> Alpha | None:
        """Return a frame's alpha in the size to measure in, or None if every pixel is opaque."""
        alpha = _alpha_of(frame)
        if alpha is None or alpha.min() == 1:
            return None
        grown = (self._size[1] - alpha.shape[0], self._size[0] - alpha.shape[1])
        return np.pad(alpha, [(0, more) for more in grown], mode="edge")

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


def _common(a: av.VideoFrame, b: av.VideoFrame) -> str:
    """Return the pixel format to measure two frames in: the video's if the other one is in RGB."""
    formats = {_planes(a), _planes(b)}
    if len(formats) == 1:
        return formats.pop()
    video = next(frame for frame in (a, b) if not frame.format.is_rgb)
    planar = _planes(video).startswith("yuv4") and video.color_range != ColorRange.JPEG
    return _planes(video) if _RGB in formats and planar else "yuv420p"


def _planes(frame: av.VideoFrame) -> str:
    """Return the pixel format to measure a frame in: without alpha, because SSIM has none."""
    return _RGB if frame.format.is_rgb else frame.format.name.replace("yuva", "yuv")


def _opaque(frame: av.VideoFrame) -> av.VideoFrame:
    """Return the colours of a picture as encoders of video get them."""
    if not _has_alpha(frame):
        return frame.reformat(format="rgb24")
    filled = without_fringes(_rgba(frame))
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(filled[..., :3]), format="rgb24")


def _alpha_of(frame: av.VideoFrame) -> Alpha | None:
    if not _has_alpha(frame):
        return None
    if frame.format.is_rgb:
        return _rgba(frame)[..., 3].astype(np.float32) / np.float32(255)
    bits = frame.format.components[3].bits
    return _samples(frame.planes[3], bits).astype(np.float32) / np.float32(2**bits - 1)


def _has_alpha(frame: av.VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _rgba(frame: av.VideoFrame) -> Pixels:
    return np.ascontiguousarray(frame.reformat(format="rgba").to_ndarray(), dtype=np.uint8)


def _samples(plane: av.video.plane.VideoPlane, bits: int) -> npt.NDArray[np.uint8 | np.uint16]:
    """Return a view of the samples of a plane that has one component, of shape (height, width)."""
    kind = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    return rows_of(plane, plane.width * kind.itemsize).view(kind)


def _multiplied(frame: av.VideoFrame, alpha: Alpha) -> av.VideoFrame:
    """Return a frame of planes without alpha whose pixels are mixed with black by their alpha.

    Pixels that share their colour have the mean of their alphas.
    """
    mixed = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for plane, target, component in zip(frame.planes, mixed.planes, frame.format.components, strict=True):
        bits = component.bits
        values = _samples(plane, bits)
        black = 0 if frame.format.is_rgb else 2 ** (bits - 1) if component.is_chroma else 16 << (bits - 8)
        shares = [-(-whole // part) for whole, part in zip(alpha.shape, values.shape, strict=True)]
        edges = [
            (0, share * part - whole) for share, part, whole in zip(shares, values.shape, alpha.shape, strict=True)
        ]
        whole = np.pad(alpha, edges, mode="edge")
        weight = whole.reshape(values.shape[0], shares[0], values.shape[1], shares[1]).mean((1, 3))
        shown = np.rint(black + (values.astype(np.float32) - black) * weight).astype(values.dtype)
        more = target.line_size // values.itemsize - shown.shape[1]
        target.update(np.pad(shown, ((0, 0), (0, more))).tobytes())
    return mixed


def _alpha_psnr(a: Alpha | None, b: Alpha | None) -> float:
    """Return the PSNR of two alphas in dB; None is opaque."""
    if a is None and b is None:
        return math.inf
    difference = np.subtract(1 if a is None else a, 1 if b is None else b, dtype=np.float64)
    noise = float(np.square(difference).mean())
    return -10 * math.log10(noise) if noise else math.inf


def _mean(psnr: Sequence[float]) -> float:
    """Return the PSNR of the mean squared error of frames with these PSNRs, in dB."""
    noise = math.fsum(10 ** (-value / 10) for value in psnr) / len(psnr)
    return -10 * math.log10(noise) if noise else math.inf
