"""A decoded picture in the form that a page takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
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


@dataclass(frozen=True)
class ColorSpace:
    """How a picture's numbers stand for colors, in the words of WebCodecs' ``VideoColorSpaceInit``."""

    primaries: str
    transfer: str
    matrix: str
    full_range: bool


@dataclass(frozen=True)
class Planes:
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
        Whether to mirror it left to right after it was turned.
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
        """Bytes of all planes."""
        return sum(plane.shape[0] * plane.shape[1] for plane in self.planes)

    def options(self) -> dict[str, Any]:
        """Return the options of `VideoFrame` for these planes, one after another in one buffer; without a timestamp."""
        options: dict[str, Any] = {
            "format": self.format,
            "codedWidth": self.width + self.width % 2,
            "codedHeight": self.height + self.height % 2,
            "visibleRect": {"x": 0, "y": 0, "width": self.width, "height": self.height},
            "displayWidth": self.display_width,
            "displayHeight": self.display_height,
            "layout": _layout(self.planes),
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


def _layout(planes: tuple[NDArray[np.uint8], ...]) -> list[dict[str, int]]:
    layout, offset = [], 0
    for plane in planes:
        rows, stride = plane.shape
        layout.append({"offset": offset, "stride": stride})
        offset += rows * stride
    return layout
