"""A decoded picture in a format that a page can use."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

PlaneFormat = Literal[
    "I420",
    "I420P10",
    "I420A",
    "I420AP10",
    "I422",
    "I422P10",
    "I422A",
    "I422AP10",
    "I444",
    "I444P10",
    "I444A",
    "I444AP10",
]
"""Names of WebCodecs (https://www.w3.org/TR/webcodecs/#pixel-format)."""


_CHROMA = {"I420": (2, 2), "I422": (2, 1), "I444": (1, 1)}  # pixels of a sample of U and V, across and down


class ColorSpace(Struct, frozen=True):
    """The colors that a picture's numbers stand for, in the words of WebCodecs' ``VideoColorSpaceInit``."""

    primaries: str
    transfer: str
    matrix: str
    full_range: bool


class Planes(Struct, frozen=True):
    """A picture as `VideoFrame` takes it.

    Attributes
    ----------
    format : str
        Layout of the planes.
    width, height : int
        Pixels, as decoded: before rotation, and with the source's own pixel shape.
    planes : tuple of ndarray of uint8, shape (rows, bytes)
        Y, U, V and perhaps A, without padding; rows may be apart in memory. Samples of 10 bits are little-endian words.
    color : ColorSpace
        Colors of the planes.
    display_width, display_height : int
        Size with square pixels, before rotation.
    rotation : int
        Degrees to turn it clockwise for display: 0, 90, 180 or 270.
    flip : bool
        True to mirror it left to right after the rotation.
    """

    format: PlaneFormat
    width: int
    height: int
    planes: tuple[NDArray[np.uint8], ...]
    color: ColorSpace
    display_width: int
    display_height: int
    rotation: Literal[0, 90, 180, 270] = 0
    flip: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of a buffer with all planes in their `layout`."""
        return nbytes_of(self.format, self.width, self.height)

    @property
    def layout(self) -> list[tuple[int, int, int]]:
        """Offset, stride and rows of each plane in one buffer."""
        return layout_of(self.format, self.width, self.height)

    def options(self) -> dict[str, Any]:
        """Return the options of `VideoFrame` for a buffer with these planes in their `layout`; without a timestamp."""
        options: dict[str, Any] = {
            "format": self.format,
            "codedWidth": _even(self.width),
            "codedHeight": _even(self.height),
            "visibleRect": {"x": 0, "y": 0, "width": self.width, "height": self.height},
            "displayWidth": self.display_width,
            "displayHeight": self.display_height,
            "layout": [{"offset": offset, "stride": stride} for offset, stride, _ in self.layout],
            "colorSpace": {
                "primaries": self.color.primaries,
                "transfer": self.color.transfer,
                "matrix": self.color.matrix,
                "fullRange": self.color.full_range,
            },
        }
        if self.rotation:
            options["rotation"] = self.rotation
        if self.flip:
            options["flip"] = True
        return options


def layout_of(format: PlaneFormat, width: int, height: int) -> list[tuple[int, int, int]]:
    """Return offset, stride and rows of each plane in one buffer: of an even size, although planes may be one less."""
    sample = 2 if format.endswith("P10") else 1
    across, down = _CHROMA[format[:4]]
    layout, offset = [], 0
    for index in range(4 if "A" in format else 3):
        is_chroma = index in (1, 2)
        stride = _even(width) // (across if is_chroma else 1) * sample
        rows = _even(height) // (down if is_chroma else 1)
        layout.append((offset, stride, rows))
        offset += stride * rows
    return layout


def nbytes_of(format: PlaneFormat, width: int, height: int) -> int:
    """Return the bytes of a buffer with all planes of a picture."""
    offset, stride, rows = layout_of(format, width, height)[-1]
    return offset + stride * rows


def _even(size: int) -> int:
    return size + size % 2
