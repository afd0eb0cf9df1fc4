"""A finished video in a notebook: the video, a strip of its frames, its facts and the seconds of its stages."""

from __future__ import annotations

import os
from pathlib import Path

from hfdask.core.results import RenderResult
from hfdask.core.tables import facts
from hfdask.errors import HfdaskError
from hfdask.media.thumbnails import thumbnails
from hfdask.views.html import data_uri, escaped, link, side_by_side, stage_bars, strip, table

INLINE_BYTES = 2_000_000
"""Size of the largest video that a notebook shows in the cell. It takes a third more in the notebook's file."""

WIDEST = 640
"""Pixels of the video in the cell."""

_PLAYED = {".mp4": "video/mp4", ".webm": "video/webm"}
"""Types of the videos that browsers play."""


_IMAGES = {".gif": "image/gif", ".webp": "image/webp"}
_ONLY_LINKED = (".m3u8",)  # few browsers play them by themselves


def result_html(result: RenderResult) -> str:
    """Return the HTML of a finished video. A video that is not on this machine is only linked: reading it may take long."""
    stages = stage_bars(result.stages) if result.stages else ""
    return (
        f"<div class='hfdask-result'><div>{link(result.output)}</div>{_pictures(result)}"
        f"{side_by_side(table(facts(result)), stages)}</div>"
    )


def _pictures(result: RenderResult) -> str:
    """Return the video itself if it is small, and a strip of frames."""
    path = Path(result.output)
    if not os.path.isabs(result.output) or path.suffix.lower() in _ONLY_LINKED:
        return ""
    if kind := _IMAGES.get(path.suffix.lower()):
        return _image(path, kind, min(WIDEST, result.width))
    keys = [chunk.start for chunk in result.chunks]
    try:
        shown = strip(thumbnails(path, keys, result.frames, result.fps.fraction))
        if path.stat().st_size > INLINE_BYTES:
            return shown
        kind = _PLAYED.get(path.suffix.lower())
        if kind is None:
            return shown
        source = data_uri(path.read_bytes(), kind)
    except (HfdaskError, OSError) as error:
        return f"<div>the video cannot be shown: {escaped(error)}</div>"
    width = min(WIDEST, result.width)
    return f"<video controls loop muted playsinline width='{width}' src='{source}'></video>{shown}"


def _image(path: Path, kind: str, width: int) -> str:
    """Return an animation that browsers show as a picture, if it is small."""
    try:
        if path.stat().st_size > INLINE_BYTES:
            return ""
        return f"<img width='{width}' src='{data_uri(path.read_bytes(), kind)}'>"
    except OSError as error:
        return f"<div>the animation cannot be shown: {escaped(error)}</div>"
