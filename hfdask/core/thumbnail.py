"""The limits of a thumbnail, and the check that bytes of another process keep them."""

from __future__ import annotations

from hfdask.errors import MediaError

SIDE = 320
"""Pixels of a thumbnail's longer side, at most."""

BYTES = 20_000
"""Size of a thumbnail, at most."""

_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"
_FRAME_HEADER = 0xC0


def require_thumbnail(data: bytes) -> None:
    """Require bytes to be a JPEG within the limits. Its pixels are not decoded.

    Raises
    ------
    MediaError
        If they are not.
    """
    width, height = _size_of(data) if len(data) <= BYTES else (0, 0)
    if not (0 < width <= SIDE and 0 < height <= SIDE):
        raise MediaError(
            f"{len(data)} bytes are not a JPEG of at most {BYTES} bytes and {SIDE} pixels a side", size=len(data)
        )


def _size_of(data: bytes) -> tuple[int, int]:
    """Return width and height from the header of a baseline JPEG (ITU-T T.81, B.2.2); zeros if there is none."""
    if not (data.startswith(_BEGIN) and data.endswith(_END)):
        return 0, 0
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == _FRAME_HEADER:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0
