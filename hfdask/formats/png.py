"""PNG: pictures without any loss. A chunk has a complete PNG file in each packet."""

from __future__ import annotations

from hfdask.formats.codec import Codec, Copies


def _options(speed: str) -> dict[str, str]:
    return {"compression_level": speed, "pred": "up"}


PNG = Codec(
    name="png",
    encoder="png",
    container="mov",
    opaque="rgb24",
    transparent="rgba",
    qualities={"draft": ("1", 0), "looks": ("3", 0), "standard": ("3", 0), "high": ("9", 0)},
    options=_options,
    intra=True,
    repeater=lambda _: Copies(),
)
