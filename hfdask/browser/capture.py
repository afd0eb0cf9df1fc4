"""Frames of an open page, as PNGs, and only where the picture changed.

Under BeginFrame the compositor is asked twice: first for a frame without a picture, which tells whether anything was
damaged, then, only if so, for the picture. A picture always damages the frame after it, so a plain frame follows each
one. Frames without damage are the picture before, pixel for pixel, and cost next to nothing. The order of calls is the
same whether or not the test's answer is used, so that the test cannot change what is drawn.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hfdask.browser.session import PageSession
from hfdask.errors import CaptureError


@dataclass(frozen=True)
class Frame:
    """A captured frame: ``png`` is None where nothing changed since the frame before; ``seconds`` is its wall time."""

    index: int
    png: bytes | None
    seconds: float


async def capture(session: PageSession, start: int, end: int, *, damage_test: bool = True) -> AsyncIterator[Frame]:
    """Seek and capture the frames ``[start, end)`` in order; the first one always has a picture."""
    shoot = _begin_frame_picture if session.chromium.mode == "beginframe" else _screenshot_picture
    previous: bytes | None = None
    for index in range(start, end):
        began = time.perf_counter()
        async with session.deadline_for_frame(index):
            await session.seek(index)
            png = await shoot(session, must=previous is None or not damage_test)
        same = png is None or (damage_test and png == previous)
        if not same:
            previous = png
        yield Frame(index, None if same else png, time.perf_counter() - began)


async def _begin_frame_picture(session: PageSession, *, must: bool) -> bytes | None:
    damaged = (await session.begin_frame(screenshot=False))["hasDamage"]
    if not (damaged or must):
        return None
    answer = await session.begin_frame(screenshot=True)
    if "screenshotData" not in answer:
        raise CaptureError("the compositor gave no picture for a frame")
    await session.begin_frame(screenshot=False)
    return base64.b64decode(answer["screenshotData"])


async def _screenshot_picture(session: PageSession, *, must: bool) -> bytes:
    return base64.b64decode(await session.screenshot())
