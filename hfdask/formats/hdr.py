"""Light that HDR videos state: the display they were made on, and the brightest pixel and picture (CTA-861.3, SMPTE ST 2086)."""

from __future__ import annotations

import struct
from typing import Any

import av
from av.sidedata.sidedata import Type

RED, GREEN, BLUE, WHITE = (34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450)
"""Chromaticities of P3-D65, x and y in units of 0.00002."""

BRIGHTEST, DARKEST = 10_000_000, 1
"""Light of the display in units of 0.0001 cd/m²."""

MAX_CLL, MAX_FALL = 1000, 400
"""Light of the brightest pixel, and of the brightest picture on average, in cd/m²."""


def light_options() -> list[str]:
    """Return the options of x265 that state this light."""
    points = "".join(f"{name}({x},{y})" for name, (x, y) in (("G", GREEN), ("B", BLUE), ("R", RED), ("WP", WHITE)))
    return [f"master-display={points}L({BRIGHTEST},{DARKEST})", f"max-cll={MAX_CLL},{MAX_FALL}"]


def light_fault(frame: av.VideoFrame) -> str:
    """Say what a decoded frame states instead of this light; empty if it states this light."""
    items: Any = frame.side_data
    stated = {item.type: bytes(item) for item in items}
    if not {Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL} <= stated.keys():
        return "it does not state its light"
    # AVMasteringDisplayMetadata: ten fractions, then two flags.
    numbers = struct.unpack_from("<22i", stated[Type.MASTERING_DISPLAY_METADATA])
    fractions = [numbers[place] / numbers[place + 1] for place in range(0, 20, 2)]
    wanted = [part / 50_000 for point in (RED, GREEN, BLUE, WHITE) for part in point]
    wanted += [DARKEST / 10_000, BRIGHTEST / 10_000]
    if numbers[20:] != (1, 1) or any(abs(found - want) > 1e-6 for found, want in zip(fractions, wanted, strict=True)):
        return f"its display is {fractions} instead of {wanted}"
    levels = struct.unpack_from("<2I", stated[Type.CONTENT_LIGHT_LEVEL])
    return "" if levels == (MAX_CLL, MAX_FALL) else f"its light is {levels} instead of {(MAX_CLL, MAX_FALL)}"
