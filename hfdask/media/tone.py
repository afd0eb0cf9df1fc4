"""Map HDR pictures (PQ and HLG) to SDR with one table of colors.

The mapping is equal to FFmpeg's ``zscale=t=linear:npl=100, zscale=p=bt709, tonemap=hable:desat=0, zscale=t=bt709`` for a
peak of 1000 cd/m². It has four steps: linear light in units of 100 cd/m²; BT.709 primaries; Hable's curve on the largest
channel, with the other channels scaled by the same factor; the inverse of BT.1886. The wheel of PyAV has no zscale. So
the mapping is computed here once for a grid of colors, and FFmpeg's ``lut3d`` interpolates between them.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from hfdask.media.transfers import TO_BT709, HdrTransfer, hlg_light, pq_light

GRID = 33
"""Colors of the table along each axis."""

PEAK = 10.0
"""Brightest value that is not clipped, in units of 100 cd/m²."""

_CLOCK = Fraction(1, 25)  # pictures are mapped one by one, so any clock will do


def to_sdr(colors: NDArray[np.float64], transfer: HdrTransfer) -> NDArray[np.float64]:
    """Map colors by the formula, without the table.

    Parameters
    ----------
    colors : ndarray of float, shape (..., 3)
        R'G'B' in BT.2020 from 0 to 1.
    transfer : {"pq", "hlg"}

    Returns
    -------
    ndarray of float, shape (..., 3)
        R'G'B' in BT.709 from 0 to 1.
    """
    linear = (pq_light if transfer == "pq" else hlg_light)(colors) / 100 @ TO_BT709.T
    largest = np.maximum(linear.max(-1, keepdims=True), 1e-6)
    mapped = linear * (_hable(largest) / _hable(np.array(PEAK)) / largest)
    return np.asarray(np.clip(mapped, 0, 1) ** (1 / 2.4))


def _hable(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3)


@cache
def _table(transfer: HdrTransfer) -> str:
    """Return the table in the format of ``.cube`` files; red changes fastest."""
    steps = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colors = to_sdr(np.stack([red, green, blue], -1), transfer).reshape(-1, 3)
    return f"LUT_3D_SIZE {GRID}\n" + "\n".join(f"{r:.7f} {g:.7f} {b:.7f}" for r, g, b in colors) + "\n"


class ToneMapper:
    """Map frames of one format and size to full-range BT.709.

    Parameters
    ----------
    frame : av.VideoFrame
        A frame of that format and size.
    transfer : {"pq", "hlg"}
    matrix : str
        Name of its matrix in FFmpeg's ``scale``; ignored for RGB.
    full_range : bool
        True if its values span the full range.
    target : str
        FFmpeg's name of the pixel format to return.
    """

    def __init__(self, frame: av.VideoFrame, transfer: HdrTransfer, matrix: str, full_range: bool, target: str) -> None:
        linear = "gbrap16le" if any(part.is_alpha for part in frame.format.components) else "gbrp16le"
        exact = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
        bounds: Any = "full" if full_range else "limited"
        self._graph = Graph()
        self._graph.threads = 1
        with tempfile.NamedTemporaryFile("w", suffix=".cube") as file:
            file.write(_table(transfer))
            file.flush()
            self._graph.link_nodes(
                self._graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_CLOCK),
                self._graph.add("scale", flags=exact, in_color_matrix=matrix, in_range=bounds, out_range="full"),
                self._graph.add("format", linear),
                self._graph.add("lut3d", file=str(Path(file.name))),
                self._graph.add("scale", flags=exact, out_color_matrix="bt709", out_range="full"),
                self._graph.add("format", target),
                self._graph.add("buffersink"),
            ).configure()

    def map(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a new frame in SDR."""
        self._graph.vpush(frame)
        return self._graph.vpull()
