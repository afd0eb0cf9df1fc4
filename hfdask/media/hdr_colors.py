"""Convert colors of a page to HDR, and blend HDR pictures with a page (docs/decisions/hdr-output.md).

Browsers blend sRGB values. A picture of the page is ``black + share * video``, and ``video`` has the sRGB values of a video's pixel.
Here the same sum is computed with a value that may be above 1 or below 0: the light of the HDR pixel, relative to the white of the
page, in BT.709, through sRGB's curve. So a layer over an HDR video looks as it does over an SDR video of the same light.

All curves are tables that are interpolated. Only sums, products and square roots are left, which are the same on every CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hfdask.media.transfers import (
    HLG_GAMMA,
    HLG_PEAK,
    LUMA_BT2020,
    PQ_PEAK,
    REFERENCE_WHITE,
    TO_BT709,
    TO_BT2020,
    HdrTransfer,
    Values,
    hlg_code,
    hlg_scene,
    pq_code,
    pq_light,
    srgb_code,
    srgb_light,
)

Codes = NDArray[np.uint16]
"""Values of R'G'B' in BT.2020 with 16 bits, of which `TOP` stands for 1. The last axis has the three channels."""

Light = NDArray[np.float32]

TOP = 255 << 8
"""The value of 1 in swscale's RGB of 16 bits. With 65535, greys would be up to 4 of 1023 levels off."""

_LEVELS = np.minimum(np.arange(1 << 16) / TOP, 1)
_CELLS = 8192
_HLG_WHITE = float(hlg_scene(np.array(0.75)))
"""Scene light of the white of graphics in HLG: 75 % of the signal (ITU-R BT.2408, 2.1)."""


class _Curve:
    """A function on ``[0, top]``, interpolated between values at distances that are even in the fourth root.

    PQ and sRGB are steep near 0, and nearly straight over the fourth root of light.
    """

    def __init__(self, values: Values, top: float) -> None:
        self._values = values.astype(np.float32)
        self._steps = np.append(np.diff(self._values), np.float32(0))
        self._top = np.float32(top)
        self._scale = np.float32(_CELLS / top**0.25)

    def __call__(self, x: Light) -> Light:
        place = np.sqrt(np.sqrt(np.clip(x, 0, self._top))) * self._scale
        cell = place.astype(np.int32)
        np.minimum(cell, _CELLS, out=cell)
        return self._values.take(cell) + (place - cell) * self._steps.take(cell)


def _nodes(top: float) -> Values:
    return top * (np.arange(_CELLS + 1) / _CELLS) ** 4


class HdrColors:
    """Colors of videos with this transfer function.

    Parameters
    ----------
    transfer : {"pq", "hlg"}
    """

    def __init__(self, transfer: HdrTransfer) -> None:
        if transfer == "pq":
            top, light = PQ_PEAK / REFERENCE_WHITE, pq_light(_LEVELS) / REFERENCE_WHITE
            codes = pq_code(_nodes(top) * REFERENCE_WHITE)
        else:
            top, light = 1 / _HLG_WHITE, hlg_scene(_LEVELS) / _HLG_WHITE
            codes = hlg_code(_nodes(top) * _HLG_WHITE)
        self._light = light.astype(np.float32)
        self._page = srgb_light(np.arange(256) / 255).astype(np.float32)
        self._code = _Curve(codes * TOP, top)
        # Saturated colors have a larger part in BT.709 than in BT.2020.
        most = top * float(np.abs(TO_BT709).sum(1).max())
        self._blended = _Curve(srgb_code(_nodes(most)), most)
        # A share of the video may be below 0, so a sum may be nearly twice as large.
        widest = 2 * float(srgb_code(np.array(most))) + 1
        self._unblended = _Curve(srgb_light(_nodes(widest)), widest)

    def of_page(self, pixels: NDArray[np.uint8]) -> Codes:
        """Return the HDR colors of a page's pixels, shape (..., 3). White has the light of the white of graphics."""
        return self._coded(_mixed(self._page.take(pixels), TO_BT2020))

    def blend(self, black: NDArray[np.uint8], shares: Sequence[NDArray[np.int16]], videos: Sequence[Codes]) -> Codes:
        """Return pixels in which videos have a part.

        Parameters
        ----------
        black : ndarray of uint8, shape (n, 3)
            The page's pixels if all videos are black.
        shares : sequence of ndarray of int16, shape (n, 3)
            By video: how much brighter they are if the video is white, from -255 to 255.
        videos : sequence of ndarray of uint16, shape (n, 3)
            By video: its own pixels at these places.
        """
        total = black.astype(np.float32)
        for share, codes in zip(shares, videos, strict=True):
            total += share * _odd(self._blended, _mixed(self._light.take(codes), TO_BT709))
        return self._coded(_mixed(_odd(self._unblended, total / np.float32(255)), TO_BT2020))

    def _coded(self, light: Light) -> Codes:
        return (self._code(light) + np.float32(0.5)).astype(np.uint16)


@cache
def hdr_colors(transfer: HdrTransfer) -> HdrColors:
    """Return the colors of videos with this transfer function; the tables are made once."""
    return HdrColors(transfer)


class _HlgToPq:
    """Show HLG on a display of 1000 cd/m², and encode its light as PQ (ITU-R BT.2408, 6)."""

    def __init__(self) -> None:
        self._scene = hlg_scene(_LEVELS).astype(np.float32)
        self._gain = _Curve(HLG_PEAK * _nodes(1) ** (HLG_GAMMA - 1), 1)
        self._code = _Curve(pq_code(_nodes(HLG_PEAK)) * TOP, HLG_PEAK)

    def __call__(self, codes: Codes) -> Codes:
        scene = self._scene.take(codes)
        red, green, blue = (np.float32(weight) for weight in LUMA_BT2020)
        luma = red * scene[..., 0] + green * scene[..., 1] + blue * scene[..., 2]
        return (self._code(scene * self._gain(luma)[..., None]) + np.float32(0.5)).astype(np.uint16)


@cache
def _hlg_to_pq() -> _HlgToPq:
    return _HlgToPq()


def hlg_as_pq(codes: Codes) -> Codes:
    """Return the PQ values of HLG pixels, as a display of 1000 cd/m² shows them."""
    return _hlg_to_pq()(codes)


def _mixed(light: Light, matrix: Values) -> Light:
    """Multiply colors by a matrix without BLAS, whose sums depend on the CPU."""
    rows = matrix.astype(np.float32)
    mixed = np.empty_like(light)
    for channel, (red, green, blue) in enumerate(rows):
        mixed[..., channel] = red * light[..., 0] + green * light[..., 1] + blue * light[..., 2]
    return mixed


def _odd(curve: _Curve, x: Light) -> Light:
    """Apply a curve to the sizes of values, and keep their signs."""
    return np.copysign(curve(np.abs(x)), x)
