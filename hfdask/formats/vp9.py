"""VP9 by libvpx, with and without alpha. The alpha is a second stream of pictures, beside each packet."""

from __future__ import annotations

from hfdask.formats.codec import Codec

_FASTEST = "8"
_NEVER = "9999"
"""Frames between key frames: more than a chunk has. Equal bounds forbid libvpx to place key frames itself."""


def _options(speed: str) -> dict[str, str]:
    # Hidden pictures (`auto-alt-ref`) would not be in step with the pictures of the alpha.
    structure = {"auto-alt-ref": "0", "lag-in-frames": "0", "row-mt": "0", "g": _NEVER, "keyint_min": _NEVER}
    return {"deadline": "realtime" if speed == _FASTEST else "good", "cpu-used": speed, **structure}


def _is_key(data: bytes) -> bool:
    """Return true for a key frame: VP9 bitstream specification 0.7, 6.2, show_existing_frame and frame_type of profile 0."""
    return not data[0] & 0b1100


VP9 = Codec(
    name="vp9",
    encoder="libvpx-vp9",
    container="webm",
    opaque="yuv420p",
    transparent="yuva420p",
    qualities={"draft": (_FASTEST, 42), "looks": ("4", 18), "standard": ("4", 27), "high": ("2", 18)},
    options=_options,
    max_crf=63,
    with_crf={"b": "0"},
    clock=1000,
    decoder="libvpx-vp9",
    is_key=_is_key,
)
