"""Capture frames of an open page as PNGs, only if the picture changed.

After each seek the page reports if anything moved. If so, a picture is taken. If not, only a canvas can have changed.
Then the compositor draws a frame without a picture and reports if anything was damaged, which costs a tenth of a
picture. A picture always damages the frame after it. So the first still frame after a movement gets a picture too,
which is then found equal, and the tests begin after that.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import Shown
from hfdask.errors import CaptureError

# Seconds between attempts at a picture.
_PAUSES = (0.01, 0.1, 0.5, 1.0)


States = Callable[[int], Awaitable[Mapping[str, Shown]]]
"""Gives the states of a page's videos at a frame, by render id."""


@dataclass(frozen=True)
class Frame:
    """A captured frame. ``png`` is None if nothing changed since the frame before; ``seconds`` is its wall time."""

    index: int
    png: bytes | None
    seconds: float


class _Camera:
    """Take the pictures of one page in order, and remember the last one."""

    def __init__(self, session: PageSession, damage_test: bool, videos: States | None) -> None:
        self._session = session
        self._videos = videos
        self._tests = damage_test and session.chromium.mode == "beginframe"
        self._last: bytes | None = None
        self._settled = False

    async def shoot(self, frame: int) -> bytes | None:
        """Return the picture of a frame, or None if it equals the one before."""
        states = None if self._videos is None else await self._videos(frame)
        moved = await self._session.seek(frame, videos=states)
        if self._tests and self._settled and not moved and not await self._damaged():
            return None
        png = await self._picture()
        same, self._last = png == self._last, png
        if same and self._tests:
            await self._damaged()
            self._settled = True
        else:
            self._settled = False
        return None if same else png

    async def _damaged(self) -> bool:
        return bool((await self._session.begin_frame(screenshot=False))["hasDamage"])

    async def _picture(self) -> bytes:
        if self._session.chromium.mode == "screenshot":
            return base64.b64decode(await self._session.screenshot())
        for pause in _PAUSES:
            answer = await self._session.begin_frame(screenshot=True)
            if "screenshotData" in answer:
                return base64.b64decode(answer["screenshotData"])
            await asyncio.sleep(pause)  # on a busy machine the picture may come later
        raise CaptureError("the compositor gave no picture for a frame")


async def capture(
    session: PageSession, start: int, end: int, *, damage_test: bool = True, videos: States | None = None
) -> AsyncGenerator[Frame]:
    """Seek and capture the frames ``[start, end)`` in order; the first one always has a picture.

    With ``damage_test`` off every frame's picture is taken, and equal ones are found by comparison. ``videos`` is asked
    for each frame before its seek.
    """
    camera = _Camera(session, damage_test, videos)
    for index in range(start, end):
        began = time.perf_counter()
        async with session.deadline_for_frame(index):
            png = await camera.shoot(index)
        yield Frame(index, png, time.perf_counter() - began)
