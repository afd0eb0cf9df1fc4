"""Find out if the pictures of a page may be taken from a canvas, which is cheaper, and draws some content wrong.

Known content of that kind is found by a look at the page (`hfdask/page/runtime/unfit.js`). Then some frames are captured in
both ways and compared, which finds the rest: pictures may differ at edges only. Whatever goes wrong on the way is a
reason against the canvas, and never an error of planning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from fractions import Fraction
from pathlib import Path

import msgspec

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.chromium import Chromium
from hfdask.browser.session import PageSession, open_page
from hfdask.core.model import CaptureMode, PageSettings, Sweep
from hfdask.errors import HfdaskError
from hfdask.media.alike import beyond_edges
from hfdask.media.captured import Picture
from hfdask.network.messages import Source

LEAST_MOVING = 200
"""Number of moving frames from which on the comparison costs less than it spares."""

COMPARED = 5
"""Number of frames that are compared."""


def is_worth_it(sweep: Sweep, frames: int) -> bool:
    """Return true if enough of the frames of a video move, as far as a sweep shows."""
    return bool(sweep.moved) and frames * sum(sweep.moved) >= LEAST_MOVING * len(sweep.moved)


def frames_to_compare(sweep: Sweep) -> tuple[int, ...]:
    """Choose some of the frames in which something moved, evenly spread."""
    moving = [frame for frame, moved in zip(sweep.frames, sweep.moved, strict=True) if moved]
    return tuple(sorted({moving[(2 * k + 1) * len(moving) // (2 * COMPARED)] for k in range(COMPARED)}))


async def why_not_canvas(
    files: Mapping[str, Path], entry: str, page: PageSettings, fps: Fraction, source: Source, frames: Sequence[int]
) -> str:
    """Capture frames in both ways, and return why the pictures must not be taken from a canvas; empty if they may.

    On the browser thread only.
    """

    async def pictures(mode: CaptureMode) -> list[Picture]:
        settings, taken = msgspec.structs.replace(page, capture_mode=mode), []

        def enter(chromium: Chromium) -> AbstractAsyncContextManager[PageSession]:
            return open_page(chromium, files, settings, fps, source)

        async with browser_thread().pool.opened(mode, None, enter, scale=page.scale) as (session, _):
            await session.load(entry)
            for frame in frames:
                async for shot in capture(session, frame, frame + 1):
                    assert shot.picture is not None  # the first frame of a capture always has a picture
                    taken.append(shot.picture.keep())
            await session.finish()
        return taken

    try:
        drawn, composed = await pictures("canvas"), await pictures("beginframe")
    except HfdaskError as error:
        return error.message
    for frame, a, b in zip(frames, composed, drawn, strict=True):
        if wrong := await asyncio.to_thread(beyond_edges, a.pixels, b.pixels):
            return f"frame {frame} differs in {wrong} pixels that are not at edges"
    return ""
