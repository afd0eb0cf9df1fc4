"""Compose HDR pictures of a page: its own pixels, and the native pixels of its HDR videos, with 16 bits.

A page is captured with all HDR videos black, and once more for each of them, with that video white (`hfdask.rendering.hdr`). The difference
says how much of the video each pixel shows: clips, corners, opacity and layers above it are all in it
(docs/decisions/hdr-output.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from msgspec import Struct
from numpy.typing import NDArray

from hfdask.core.video_source import VideoSource
from hfdask.media.captured import Picture
from hfdask.media.color_tags import SWSCALE
from hfdask.media.hdr_colors import Codes, hdr_colors, hlg_as_pq
from hfdask.media.picture import decode_png, encode_png
from hfdask.media.tone import ToneMapper
from hfdask.media.transfers import HdrTransfer, Values

Quad = tuple[float, float, float, float, float, float, float, float]
"""Corners of a box in a page's picture, in pixels: x and y of the upper left one, and on clockwise."""

Box = tuple[float, float, float, float]
"""Edges of a video's picture as fractions of the box that it is fitted into: left, top, right and bottom."""

MAX_GROWN = 4
"""Areas of a page's picture. A frame that is shown larger is not scaled as a whole."""

_ON_GRID = 1 / 64
"""Pixels. A corner within this distance of the grid is on it."""

_EXACT = (
    Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT
)
_SHRINK, _GROW = Interpolation.AREA | _EXACT, Interpolation.BILINEAR | _EXACT


class HdrFrame:
    """A decoded frame of an HDR video.

    Parameters
    ----------
    frame : av.VideoFrame
        The frame as it was decoded.
    source : VideoSource
        Properties of its source.
    transfer : {"pq", "hlg"}
        Transfer function of the pictures that it is shown in.
    """

    def __init__(self, frame: av.VideoFrame, source: VideoSource, transfer: HdrTransfer) -> None:
        self._frame, self._source, self._transfer = frame, source, transfer
        self._kept: tuple[tuple[int, int], Codes] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, after rotation."""
        size = (self._source.width, self._source.height)
        return size if self._source.rotation in (0, 180) else size[::-1]

    def codes(self, width: int, height: int) -> Codes:
        """Return its pixels in this size, shape (height, width, 3), turned as it is shown. Do not change them."""
        if self._kept is None or self._kept[0] != (width, height):
            self._kept = (width, height), self._scaled(width, height)
        return self._kept[1]

    def _scaled(self, width: int, height: int) -> Codes:
        source = self._source
        is_turned = source.rotation in (90, 270)
        across, down = (height, width) if is_turned else (width, height)
        own = self.size
        frame = VideoReformatter().reformat(
            self._frame,
            width=across,
            height=down,
            format="gbrp16le",  # swscale does not clip colors in packed formats of 16 bits
            src_colorspace=SWSCALE[source.matrix],
            src_color_range=ColorRange.JPEG if source.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_SHRINK if width < own[0] or height < own[1] else _GROW,
            threads=1,
        )
        codes = np.asarray(frame.to_ndarray(), dtype=np.uint16)
        if source.full_range:
            # In full range, swscale counts 1020 of 1023 as 1, and so on.
            bits = max(part.bits for part in self._frame.format.components)
            codes = (codes * np.uint32(255 << (bits - 8)) // np.uint32((1 << bits) - 1)).astype(np.uint16)
        if source.transfer == "hlg" and self._transfer == "pq":
            codes = hlg_as_pq(codes)
        codes = np.rot90(codes, -source.rotation // 90)
        return codes[:, ::-1] if source.flip else codes


class Place(Struct, frozen=True):
    """The place of a video's picture in a page's picture.

    Attributes
    ----------
    quad : tuple of eight floats
        Corners of the video's content box.
    box : tuple of four floats
        The picture in that box: it may be smaller or larger.
    snaps : bool
        True if the browser draws the picture at the nearest whole pixels, because nothing transforms it.
    """

    quad: Quad
    box: Box = (0.0, 0.0, 1.0, 1.0)
    snaps: bool = False

    @property
    def rectangle(self) -> tuple[int, int, int, int] | None:
        """The left, upper, right and lower edge of the picture in whole pixels, or None if it is not a rectangle of these."""
        left, top, right, _, _, bottom, _, _ = self.quad
        if self.quad != (left, top, right, top, right, bottom, left, bottom):
            return None
        width, height = right - left, bottom - top
        x0, y0, x1, y1 = self.box
        exact = (left + x0 * width, top + y0 * height, left + x1 * width, top + y1 * height)
        edges = (_nearest(exact[0]), _nearest(exact[1]), _nearest(exact[2]), _nearest(exact[3]))
        near = self.snaps or all(abs(edge - place) < _ON_GRID for edge, place in zip(edges, exact, strict=True))
        return edges if near and edges[0] < edges[2] and edges[1] < edges[3] else None

    @property
    def lengths(self) -> tuple[float, float]:
        """Width and height of the picture in pixels: each is the longer one of two opposite sides."""
        corners = [(self.quad[2 * corner], self.quad[2 * corner + 1]) for corner in range(4)]
        sides = [math.dist(corners[corner], corners[(corner + 1) % 4]) for corner in range(4)]
        left, top, right, bottom = self.box
        return max(sides[0], sides[2]) * (right - left), max(sides[1], sides[3]) * (bottom - top)

    def bounds(self, width: int, height: int) -> tuple[slice, slice]:
        """Return the rows and the columns of a page's picture that the content box touches, and one more on each side."""
        low, high = [min(self.quad[axis::2]) for axis in (0, 1)], [max(self.quad[axis::2]) for axis in (0, 1)]
        columns, rows = (
            slice(min(size, max(0, math.floor(low[axis]) - 1)), max(0, min(size, math.ceil(high[axis]) + 1)))
            for axis, size in ((0, width), (1, height))
        )
        return rows, columns

    def within(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Return points of the page's picture as fractions of the video's picture, across and down."""
        m = _from_page(self.quad)
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        depth = np.where(depth == 0, 1, depth)
        across = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / depth
        down = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / depth
        left, top, right, bottom = self.box
        return (across - left) / (right - left), (down - top) / (bottom - top)


NOWHERE = Place((0.0,) * 8)
"""The place of a video that has no box."""


class ShownHdr(Struct, frozen=True):
    """A frame of an HDR video, and its place in the page's picture."""

    frame: HdrFrame
    place: Place

    def placed(self, width: int, height: int) -> Codes:
        """Return the frame at its place in a picture of this size, shape (height, width, 3). Pixels elsewhere have any value."""
        box = self.place.rectangle
        if box is None or (box[2] - box[0]) * (box[3] - box[1]) > MAX_GROWN * width * height:
            return self._sampled(width, height)
        return self._pasted(box, width, height)

    def _pasted(self, box: tuple[int, int, int, int], width: int, height: int) -> Codes:
        left, top, right, bottom = box
        codes = self.frame.codes(right - left, bottom - top)
        if box == (0, 0, width, height):
            return codes
        placed = np.zeros((height, width, 3), np.uint16)
        rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        if rows.start < rows.stop and columns.start < columns.stop:
            placed[rows, columns] = codes[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        return placed

    def _sampled(self, width: int, height: int) -> Codes:
        """Interpolate between the four nearest pixels, of a frame that is first shrunk to the size at which it is shown."""
        sizes = zip(self.frame.size, self.place.lengths, strict=True)
        across, down = (max(1, min(side, math.ceil(length))) for side, length in sizes)
        placed = np.zeros((height, width, 3), np.uint16)
        rows, columns = self.place.bounds(width, height)
        x, y = np.meshgrid(np.arange(columns.start, columns.stop) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
        if x.size:
            u, v = self.place.within(x, y)
            placed[rows, columns] = _interpolated(self.frame.codes(across, down), u * across - 0.5, v * down - 0.5)
        return placed


def _nearest(place: float) -> int:
    return math.floor(place + 0.5)


def _interpolated(codes: Codes, u: Values, v: Values) -> Codes:
    """Return colors between pixels, with weights of 8 bits. Beyond an edge the nearest pixel counts."""
    height, width, _ = codes.shape
    column, weight_x = _cell(u, width)
    row, weight_y = _cell(v, height)
    after_x, after_y = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    upper = codes[row, column] * (256 - weight_x) + codes[row, after_x] * weight_x
    lower = codes[after_y, column] * (256 - weight_x) + codes[after_y, after_x] * weight_x
    upper >>= 4  # the sums of both lines would not fit into 32 bits
    lower >>= 4
    blended: Codes = ((upper * (256 - weight_y) + lower * weight_y + (1 << 11)) >> 12).astype(np.uint16)
    return blended


def _cell(place: Values, length: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    fixed = np.floor(np.clip(place, 0, length - 1) * 256 + 0.5).astype(np.int64)
    return fixed >> 8, (fixed & 255).astype(np.uint32)[..., None]


_Map = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


def _to_page(quad: Quad) -> _Map:
    """Return the projective map from the unit square to a quadrilateral (Heckbert, Fundamentals of Texture Mapping, 1989, 2.2.3)."""
    x0, y0, x1, y1, x2, y2, x3, y3 = quad
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    size = dx1 * dy2 - dx2 * dy1 or 1.0
    g, h = (sx * dy2 - dx2 * sy) / size, (dx1 * sy - sx * dy1) / size
    a, b, c = x1 - x0 + g * x1, x3 - x0 + h * x3, x0
    d, e, f = y1 - y0 + g * y1, y3 - y0 + h * y3, y0
    return (a, b, c), (d, e, f), (g, h, 1.0)


def _from_page(quad: Quad) -> Values:
    """Return the projective map from a quadrilateral to the unit square: the adjugate, because only the proportions count."""
    (a, b, c), (d, e, f), (g, h, _) = _to_page(quad)
    return np.array(
        [
            [e - f * h, c * h - b, b * f - c * e],
            [f * g - d, a - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ]
    )


_Words = NDArray[np.uint32]
"""Pixels of a PNG, each in one number."""

_BLACK, _WHITE = (np.frombuffer(bytes([level] * 3 + [255]), np.uint32)[0] for level in (0, 255))


def _words(png: bytes) -> _Words:
    return decode_png(png, alpha=True).view(np.uint32)[..., 0]


def _channels(words: _Words) -> NDArray[np.uint8]:
    """Return red, green and blue of some pixels, shape (n, 3)."""
    return np.ascontiguousarray(words).view(np.uint8).reshape(-1, 4)[:, :3]


class Matte:
    """A page around its HDR videos, and how much of each video its pixels show. Consecutive frames share one while the page stays.

    Parameters
    ----------
    black : bytes
        PNG of the page with all HDR videos black.
    whites : sequence of bytes
        By video: PNG of the page with that video white and the others black.
    transfer : {"pq", "hlg"}
        Transfer function of the composed pictures.
    before : Matte, optional
        The page in an earlier frame. Only pixels that differ from it are converted.

    Raises
    ------
    MediaError
        From `compose`, if a PNG is broken.
    """

    def __init__(
        self, black: bytes, whites: Sequence[bytes], transfer: HdrTransfer, before: Matte | None = None
    ) -> None:
        self._black, self._whites, self._transfer = black, tuple(whites), transfer
        self._before = before
        self.received = len(black) + sum(map(len, whites))

    @cached_property
    def _parts(self) -> _Parts:
        page, *lit = (_words(data) for data in (self._black, *self._whites))
        shown = [white != page for white in lit]
        total = np.add.reduce(shown, dtype=np.uint8) if shown else np.zeros(page.shape, np.uint8)
        whole = [(white == _WHITE) & (page == _BLACK) & (total == 1) for white in lit]
        mixed = total > 0
        for each in whole:
            mixed &= ~each
        black = _channels(page[mixed])
        shares = tuple(np.subtract(_channels(white[mixed]), black, dtype=np.int16) for white in lit)
        alone = total == 0
        return _Parts(page, alone, self._page_colors(page, alone), tuple(whole), mixed, black, shares)

    def _page_colors(self, page: _Words, alone: NDArray[np.bool_]) -> Codes:
        codes, new = np.zeros((*page.shape, 3), np.uint16), alone
        if self._before is not None:
            known = self._before._parts
            codes, new = known.base.copy(), alone & ~(known.alone & (known.page == page))
            self._before = None
        codes[new] = hdr_colors(self._transfer).of_page(_channels(page[new]))
        return codes

    def compose(self, videos: Sequence[ShownHdr]) -> Codes:
        """Return the picture with these frames of the videos, shape (height, width, 3)."""
        parts = self._parts
        height, width, _ = parts.base.shape
        codes = parts.base.copy()
        placed = [video.placed(width, height) for video in videos]
        for each, whole in zip(placed, parts.whole, strict=True):
            np.copyto(codes, each, where=whole[..., None])
        if len(parts.black):
            mixed = [each[parts.mixed] for each in placed]
            codes[parts.mixed] = hdr_colors(self._transfer).blend(parts.black, parts.shares, mixed)
        return codes


class _Parts(Struct, frozen=True):
    """Pixels of a page by what they show.

    ``page`` has all pixels with black videos, and ``alone`` is a mask of the pixels that show no video. ``base`` has the colors of these in HDR, shape
    (height, width, 3), and any color elsewhere. ``whole`` has a mask for each video of the pixels that show only it, and ``mixed`` is a mask of
    the pixels that show a part of a video. ``black`` and ``shares`` are of these.
    """

    page: _Words
    alone: NDArray[np.bool_]
    base: Codes
    whole: tuple[NDArray[np.bool_], ...]
    mixed: NDArray[np.bool_]
    black: NDArray[np.uint8]
    shares: tuple[NDArray[np.int16], ...]


class HdrPicture(Picture):
    """A picture of a page in HDR. It is composed when it is first read.

    Parameters
    ----------
    matte : Matte
        The page.
    videos : sequence of ShownHdr
        What its HDR videos show, in the order of the matte.
    transfer : {"pq", "hlg"}
    """

    def __init__(self, matte: Matte, videos: Sequence[ShownHdr], transfer: HdrTransfer) -> None:
        self._matte, self._videos, self._transfer = matte, tuple(videos), transfer
        self.received = matte.received

    @cached_property
    def frame(self) -> av.VideoFrame:
        """The pixels of format ``rgb48le``, see `hfdask.media.hdr_colors.TOP`."""
        codes = np.ascontiguousarray(self._matte.compose(self._videos))
        return av.VideoFrame.from_ndarray(codes, format="rgb48le")

    @property
    def shown(self) -> av.VideoFrame:
        """The picture mapped to SDR, as HDR sources are in SDR videos."""
        return ToneMapper(self.frame, self._transfer, "bt709", True, "rgb24").map(self.frame)

    @cached_property
    def png(self) -> bytes:
        """The picture mapped to SDR, as a PNG file."""
        return encode_png(self.shown)
