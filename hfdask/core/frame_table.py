"""The numbers of all frames of a video in one block of bytes, so that a result can carry them.

A render without a ``plan_dir`` removes its chunks and their frame records at the end. In JSON a frame takes some 80
bytes, as Python objects some 270; here it takes 41.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hfdask.core.results import FrameRecord

STATES = ("captured", "unchanged", "static")
"""States of a frame: its picture changed; a picture was taken, and it was the same; nothing moved, and none was taken."""

MAX_CARRIED = 500_000
"""Frames of the longest video whose numbers a result carries (4.6 hours at 30 frames a second, 21 MB)."""

UNKNOWN = -1
"""The size of a frame whose record does not have it."""

_ROW = np.dtype(
    [
        ("digest", "u1", 16),
        ("state", "u1"),
        *((name, "<f4") for name in ("seconds", "decode", "seek", "encode")),
        ("size", "<i8"),
    ]
)


def rows_of(records: Sequence[FrameRecord]) -> NDArray[Any]:
    """Return one row for each frame, in order: digest, state (index in `STATES`), seconds, and bytes.

    Seconds that a record does not have are NaN.
    """
    rows = np.zeros(sum(len(record.digests) for record in records), _ROW)
    first = 0
    for record in records:
        part = rows[first : first + len(record.digests)]
        first += len(part)
        part["digest"] = np.frombuffer(bytes.fromhex("".join(record.digests)), np.uint8).reshape(-1, 16)
        damage = np.array(record.damage)
        part["state"] = np.where(damage, 0, np.where(record.taken, 1, 2) if record.taken else 2)
        for name in ("seconds", "decode", "seek", "encode"):
            part[name] = getattr(record, name) or np.nan
        part["size"] = record.sizes or UNKNOWN
    return rows


def packed(records: Sequence[FrameRecord]) -> bytes:
    """Return the rows of all frames as bytes; nothing if there are more than `MAX_CARRIED`."""
    if sum(len(record.digests) for record in records) > MAX_CARRIED:
        return b""
    return rows_of(records).tobytes()


def unpacked(data: bytes) -> NDArray[Any]:
    """Return the rows of `packed`.

    Raises
    ------
    ValueError
        If the bytes are not whole rows.
    """
    return np.frombuffer(data, _ROW)
