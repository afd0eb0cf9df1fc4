"""Convert decoded frames to planes in a pixel format that a page can use.

Most formats are handed over as decoded, without a copy. Other formats are converted to the nearest format that browsers
know. The result keeps the chroma resolution and the transparency of the source, and has at most 10 bits. Limited
range is widened to full range first, because Chromium converts full range more exactly
(docs/decisions/video-colors.md). The arithmetic is in integers, so the result is the same on every CPU. The only
exception is the mapping of HDR (`hfdask.media.tone`).
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from msgspec.structs import replace
from numpy.typing import NDArray

from hfdask.core.planes import ColorSpace, PlaneFormat, Planes, nbytes_of
from hfdask.core.video_source import VideoSource
from hfdask.errors import VideoSourceError
from hfdask.media.color_tags import SWSCALE
from hfdask.media.picture import rows_of
from hfdask.media.tone import ToneMapper

SDR = ColorSpace("bt709", "bt709", "bt709", full_range=True)
"""Colors of planes that were converted from RGB or HDR."""

_EXACT_ENOUGH = ("smpte170m", "bt470bg")
"""Matrices that Chromium applies to 8 bits of limited range with less error than widening them has."""

_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_SCALE_NAMES = {"bt709": "bt709", "bt470bg": "bt601", "smpte170m": "bt601", "bt2020-ncl": "bt2020", "rgb": "bt709"}


class _Target(NamedTuple):
    """A format of pages, FFmpeg's name for it, and whether it is grey: the frame then has no planes for colors."""

    format: PlaneFormat
    name: str
    grey: bool


class _Kept(threading.local):
    """Conversion tables that a thread keeps from frame to frame."""

    def __init__(self) -> None:
        self.scaler = VideoReformatter()
        self.mapper: tuple[Any, ToneMapper] | None = None


_kept = _Kept()


def planes_of(frame: av.VideoFrame, source: VideoSource, *, widen: bool = True) -> Planes:
    """Return a frame's planes.

    Parameters
    ----------
    frame : av.VideoFrame
        A frame of the source; it is not changed. If its size differs from the size of the source, it is scaled.
    source : VideoSource
        Properties of the source.
    widen : bool
        False to hand over limited range unchanged, as Chromium's own player does.

    Returns
    -------
    Planes
        They may share the frame's memory.

    Raises
    ------
    VideoSourceError
        If the pixel format is unknown.
    """
    target = _target(frame.format.name)
    color = source.color
    if source.hdr:
        target = _target_of_sdr(target)
        frame, color = _mapped(_sized(frame, source), source, target), SDR
    elif color.matrix == "rgb":
        frame, color = _converted(frame, source, target.name, to_yuv=True), SDR
    elif frame.format.name.replace("yuvj", "yuv") != target.name or _size(frame) != _size(source):
        frame = _converted(frame, source, target.name, to_yuv=False)
    ten = "P10" in target.format
    tables: list[NDArray[np.uint16] | None] = [None] * 4
    if widen and not color.full_range and (ten or color.matrix not in _EXACT_ENOUGH):
        luma, chroma = _widening(10 if ten else 8)
        tables, color = [luma, chroma, chroma, None], replace(color, full_range=True)
    width = 2 if ten else 1
    planes = [_rows(plane, width, table) for plane, table in zip(frame.planes, tables, strict=False)]
    if target.grey:
        planes += [_no_color(source, width)] * 2
    return Planes(
        format=target.format,
        width=source.width,
        height=source.height,
        planes=tuple(planes),
        color=color,
        display_width=source.display_width,
        display_height=source.display_height,
        rotation=source.rotation,
        flip=source.flip,
    )


def plain_planes(level: int, source: VideoSource) -> Planes:
    """Return a grey picture of four pixels that a page shows in the size of a source; ``level`` is from 0 to 255."""
    width, height = source.natural_size
    luma, chroma = np.full((2, 2), level, np.uint8), np.full((1, 1), 128, np.uint8)
    return Planes("I420", 2, 2, (luma, chroma, chroma), SDR, width, height)


def planes_nbytes(source: VideoSource) -> int:
    """Return the bytes of a buffer for the planes of a source's frames.

    Raises
    ------
    VideoSourceError
        If the pixel format is unknown.
    """
    target = _target(source.pixel_format)
    return nbytes_of((_target_of_sdr(target) if source.hdr else target).format, source.width, source.height)


@cache
def _target(name: str) -> _Target:
    """Return the format of pages that loses least of a pixel format of FFmpeg."""
    pixels = av.VideoFormat(name, 64, 64)
    parts = pixels.components
    if pixels.is_bayer or not parts:
        raise VideoSourceError(
            f"pixels of format {name!r} cannot be shown; encode the video as H.264, VP9 or ProRes", reason="codec"
        )
    alpha = any(part.is_alpha for part in parts) or pixels.has_palette
    ten = max(part.bits for part in parts) > 8
    grey = not pixels.is_rgb and not pixels.has_palette and len(parts) - alpha == 1
    if grey and not alpha:
        return _Target("I420P10", "gray10le", True) if ten else _Target("I420", "gray", True)
    wide = not grey and (pixels.is_rgb or pixels.has_palette or pixels.chroma_width(64) == 64)
    tall = wide or (not grey and pixels.chroma_height(64) == 64)
    sampling = "444" if wide else "422" if tall else "420"
    word: Any = f"I{sampling}{'A' if alpha else ''}{'P10' if ten else ''}"
    return _Target(word, f"yuv{'a' if alpha else ''}{sampling}p{'10le' if ten else ''}", False)


def _target_of_sdr(target: _Target) -> _Target:
    """Return the format of a mapped picture. 8 bits are enough for SDR, and grey pictures get planes for colors."""
    word: Any = target.format.replace("P10", "")
    if target.grey:
        return _Target("I420", "yuv420p", False)
    return _Target(word, target.name.removesuffix("10le"), False)


def _mapped(frame: av.VideoFrame, source: VideoSource, target: _Target) -> av.VideoFrame:
    transfer: Any = source.transfer
    key = (frame.format.name, _size(frame), transfer, source.matrix, source.full_range, target.name)
    if _kept.mapper is None or _kept.mapper[0] != key:
        _kept.mapper = (
            key,
            ToneMapper(frame, transfer, _SCALE_NAMES[source.matrix], source.full_range, target.name),
        )
    return _kept.mapper[1].map(frame)


def _sized(frame: av.VideoFrame, source: VideoSource) -> av.VideoFrame:
    return frame if _size(frame) == _size(source) else _converted(frame, source, frame.format.name, to_yuv=False)


def _converted(frame: av.VideoFrame, source: VideoSource, name: str, *, to_yuv: bool) -> av.VideoFrame:
    matrix = SWSCALE[source.matrix]
    bounds = ColorRange.JPEG if source.full_range else ColorRange.MPEG
    return _kept.scaler.reformat(
        frame,
        width=source.width,
        height=source.height,
        format=name,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=bounds,
        dst_color_range=ColorRange.JPEG if to_yuv else bounds,
        interpolation=_SCALING,
        threads=1,
    )


@cache
def _widening(bits: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return tables from limited to full range, for luma and for colors. They are looked up by words: two samples of 8 bits, or one of 10."""
    levels, step, top = np.arange(2**bits), 2 ** (bits - 8), 2**bits - 1
    luma = (levels - 16 * step) * top / (219 * step)
    color = (levels - 128 * step) * top / (224 * step) + 128 * step
    return _table(luma, bits), _table(color, bits)


def _table(levels: NDArray[np.float64], bits: int) -> NDArray[np.uint16]:
    rounded = np.clip(np.floor(levels + 0.5), 0, 2**bits - 1).astype("<u2")
    return np.add.outer(rounded << 8, rounded).ravel() if bits == 8 else rounded


def _rows(plane: VideoPlane, sample: int, table: NDArray[np.uint16] | None) -> NDArray[np.uint8]:
    """Return a plane without padding, with each sample looked up in a table."""
    data = None
    if table is not None:
        data = table.take(np.frombuffer(memoryview(plane), "<u2"), mode="clip").view(
            np.uint8
        )  # padding bits are none of a level
    return rows_of(plane, plane.width * sample, data)


def _no_color(source: VideoSource, sample: int) -> NDArray[np.uint8]:
    """Return a chroma plane of the middle value, which is grey."""
    size = ((source.height + 1) // 2, (source.width + 1) // 2)
    return np.full(size, 128, np.uint8) if sample == 1 else np.full(size, 512, "<u2").view(np.uint8)


def _size(picture: av.VideoFrame | VideoSource) -> tuple[int, int]:
    return picture.width, picture.height
