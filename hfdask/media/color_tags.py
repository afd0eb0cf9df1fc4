"""Translate color tags of FFmpeg (ITU-T H.273) to the words of WebCodecs, and guess missing ones as Chromium does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import av
from av.video.reformatter import ColorRange, Colorspace
from msgspec import Struct

from hfdask.core.video_source import Matrix, Primaries, Transfer

UNSAID = 2
"""Number of H.273 for an unspecified property."""

HD_HEIGHT = 720
"""If a source has no color tags, pictures of at least this height count as BT.709, lower ones as BT.601."""

_PRIMARIES: Mapping[int, Primaries] = {
    1: "bt709",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte170m",
    9: "bt2020",
    11: "smpte432",
    12: "smpte432",
}
_TRANSFERS: Mapping[int, Transfer] = {
    6: "smpte170m",
    8: "linear",
    13: "iec61966-2-1",
    16: "pq",
    18: "hlg",
}
_MATRICES: Mapping[int, Matrix] = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020-ncl"}

SWSCALE: Mapping[str, Colorspace] = {
    "rgb": Colorspace.ITU709,
    "bt709": Colorspace.ITU709,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.SMPTE170M,
    "bt2020-ncl": Colorspace.BT2020,
}
"""swscale's names of the matrices. Pages get RGB pictures in BT.709."""


class ColorTags(Struct, frozen=True):
    """Colors of a stream in the words of WebCodecs; ``matrix`` is None if WebCodecs has no word for it."""

    primaries: Primaries
    transfer: Transfer
    matrix: Matrix | None
    full_range: bool


def color_tags(frame: av.VideoFrame, context: Any, codec: str) -> ColorTags:
    """Return the colors of a stream: from its first frame, else from its header, else as Chromium guesses them.

    Chromium treats untagged pictures of at least 720 lines as BT.709. It treats lower pictures, and all untagged pictures
    of VP9 and AV1, as BT.601.

    Parameters
    ----------
    frame : av.VideoFrame
        The first frame.
    context : VideoCodecContext
        Codec context of the stream. It has the tags of the header.
    codec : str
        FFmpeg's name of the codec.
    """
    primaries = _said(frame.color_primaries, context.color_primaries)
    transfer: Transfer = _TRANSFERS.get(_said(frame.color_trc, context.color_trc), "bt709")
    hdr = transfer in ("pq", "hlg")
    full_range = (frame.color_range or context.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    number = _said(frame.colorspace, context.colorspace)
    matrix: Matrix | None
    if frame.format.is_rgb or frame.format.has_palette:
        matrix, full_range = "rgb", True
    elif number not in (0, UNSAID):
        matrix = _MATRICES.get(number)
    elif hdr:
        matrix = "bt2020-ncl"
    else:
        matrix = "bt709" if frame.height >= HD_HEIGHT and codec not in ("vp9", "av1") else "smpte170m"
    return ColorTags(_PRIMARIES.get(primaries, "bt2020" if hdr else "bt709"), transfer, matrix, full_range)


def _said(frame: int, header: int) -> int:
    return frame if frame not in (0, UNSAID) else header
