"""HDR videos of known patches, and the levels that a player decodes.

ITU-R BT.2100 and BT.2020 have the formulas. They are written out once more, to check the formulas of hfdask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray
from video_samples import write_video

COLUMNS, ROWS = 4, 2
SIZE = (320, 192)
"""Width and height of the sample, in which each patch has 80x96 pixels."""

Color = tuple[float, float, float]

PATCHES: tuple[Color, ...] = (
    (100, 100, 100),
    (203, 203, 203),
    (1000, 1000, 1000),
    (0, 0, 0),
    (300, 0, 0),
    (0, 300, 0),
    (0, 0, 300),
)
"""Light in cd/m² of linear BT.2020, row by row. The last place has a grey that grows with the number of the frame."""

LOSSLESS = {"x265-params": "lossless=1:log-level=none:pools=none:frame-threads=1"}


def pq(nits: float) -> float:
    """Return the PQ value of light in cd/m²."""
    y = (nits / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def hlg(scene: float) -> float:
    """Return the HLG value of scene light from 0 to 1."""
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def value(nits: float, transfer: str) -> float:
    """Return the value of a channel. In HLG, 1000 cd/m² stand for the whole scene light, and no system gamma is applied."""
    return pq(nits) if transfer == "pq" else hlg(nits / 1000)


def levels(color: Sequence[float]) -> tuple[int, int, int]:
    """Return Y'CbCr of 10 bits in limited range for R'G'B' values from 0 to 1."""
    red, green, blue = color
    luma = 0.2627 * red + 0.678 * green + 0.0593 * blue
    return (
        round(64 + 876 * luma),
        round(512 + 896 * (blue - luma) / 1.8814),
        round(512 + 896 * (red - luma) / 1.4746),
    )


def patch_levels(frame: int, transfer: str) -> list[tuple[int, int, int]]:
    """Return the levels of all patches of a frame of the sample."""
    greys = [value(nits, transfer) for nits in (20.0 + 15 * frame,) * 3]
    return [*(levels([value(nits, transfer) for nits in color]) for color in PATCHES), levels(greys)]


def patches(frame: int, transfer: str, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    """Return a frame of the sample."""
    width, height = size
    planes = np.empty((3, height, width), np.uint16)
    for place, yuv in enumerate(patch_levels(frame, transfer)):
        row, column = divmod(place, COLUMNS)
        box = (
            slice(row * height // ROWS, (row + 1) * height // ROWS),
            slice(column * width // COLUMNS, (column + 1) * width // COLUMNS),
        )
        for plane, level in zip(planes, yuv, strict=True):
            plane[box] = level
    luma, blue, red = planes[0], planes[1, ::2, ::2], planes[2, ::2, ::2]
    flat = np.concatenate([luma.ravel(), blue.ravel(), red.ravel()]).reshape(-1, width)
    return av.VideoFrame.from_ndarray(flat, format="yuv420p10le")


def hdr_video(
    path: Path, frames: int, fps: int = 10, *, transfer: Literal["pq", "hlg"] = "pq", size: tuple[int, int] = SIZE
) -> Path:
    """Write a video of patches without loss."""
    pictures = [patches(frame, transfer, size) for frame in range(frames)]
    return write_video(path, pictures, Fraction(fps), codec="libx265", bframes=0, color=transfer, options=LOSSLESS)


def decoded(path: Path) -> list[NDArray[np.uint16]]:
    """Return Y'CbCr of all frames of a video with 10 bits, shape (height, width, 3), with repeated chroma."""
    with av.open(str(path)) as file:
        return [yuv(frame) for frame in file.decode(video=0)]


def yuv(frame: av.VideoFrame) -> NDArray[np.uint16]:
    assert frame.format.name == "yuv420p10le"
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), "<u2").reshape(plane.height, plane.line_size // 2)
        planes.append(rows[:, : plane.width])
    chroma = [plane.repeat(2, 0).repeat(2, 1) for plane in planes[1:]]
    return np.stack([planes[0], *chroma], -1).astype(np.uint16)


def patch_of(picture: NDArray[np.uint16], place: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint16]:
    """Return the inner half of a patch."""
    row, column = divmod(place, COLUMNS)
    width, height = size[0] // COLUMNS, size[1] // ROWS
    left, top = column * width + width // 4, row * height + height // 4
    return picture[top : top + height // 2, left : left + width // 2]
