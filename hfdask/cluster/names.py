"""Names that workers, drivers and the dashboard share: of tasks, events and messages.

This module imports nothing of hfdask, because a scheduler that shows the dashboard needs no browser and no encoder.
"""

from __future__ import annotations

import re
from typing import Any

CHUNK_PREFIX = "render_chunk"
"""Name of chunk tasks on every page of the dashboard."""

TOPIC = "hfdask-progress"
"""Events of all chunks of all renders: the scheduler keeps the last thousand, and every driver hears all of them."""

SUMMARY = "hfdask"
"""Name of a chunk's summary in the metadata of its task."""

PICTURE = "hfdask_picture"
"""Message by which a worker is asked for its newest picture."""

VIDEO_PREFIX = "render_video"
"""Name of tasks that render whole short videos, as chunk tasks of one render do its chunks: a number for each."""

_NAME = re.compile(rf"(?:{CHUNK_PREFIX}|{VIDEO_PREFIX})-(\w+?)(?:-r(\d+))?")


def layer_name(prefix: str, token: str, attempt: int = 0) -> str:
    """Return the first part of the keys of tasks; dask's dashboard groups by the text before the first dash."""
    return f"{prefix}-{token}" + (f"-r{attempt}" if attempt else "")


def chunk_name(token: str, attempt: int = 0) -> str:
    """Return the first part of the keys of a render's chunks."""
    return layer_name(CHUNK_PREFIX, token, attempt)


def chunk_of(key: Any) -> tuple[str, int, int] | None:
    """Return the render's token, the number of the chunk and the number of the attempt; None if the key has another name."""
    if type(key) is not tuple or len(key) != 2 or type(key[0]) is not str or type(key[1]) is not int:
        return None
    found = _NAME.fullmatch(key[0])
    return (found[1], key[1], int(found[2] or 0)) if found else None
