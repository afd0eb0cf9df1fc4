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
    """A captured frame.

    Attributes
    ----------
    index : int
        Number of the frame.
    png : bytes or None
        The picture; None if nothing changed since the frame before.
    seconds : float
        Wall seconds of the frame, which include the next two. The rest is the test for damage and the picture.
    decode, seek : float
        Wall seconds of waiting for the pictures of source videos, and of the seek.
    taken : bool
        True if a picture was taken, even if it equals the one before.
    """

    index: int
    png: bytes | None
    seconds: float
    decode: float
    seek: float
    taken: bool


class _Camera:
    """Take the pictures of one page in order, and remember the last one."""

    def __init__(self, session: PageSession, damage_test: bool, videos: States | None) -> None:
        self._session = session
        self._videos = videos
        self._tests = damage_test and session.chromium.mode == "beginframe"
        self._last: bytes | None = None
        self._settled = False

    async def shoot(self, frame: int) -> Frame:
        """Capture a frame. It has no picture if its picture equals the one before."""
        began = time.perf_counter()
        states = None if self._videos is None else await self._videos(frame)
        decoded = time.perf_counter()
        moved = await self._session.seek(frame, videos=states)
        sought = time.perf_counter()
        taken = moved or not (self._tests and self._settled) or await self._damaged()
        png = await self._changed_picture() if taken else None
        return Frame(frame, png, time.perf_counter() - began, decoded - began, sought - decoded, taken)

    async def _changed_picture(self) -> bytes | None:
        png = await picture(self._session)
        same, self._last = png == self._last, png
        if same and self._tests:
            await self._damaged()
            self._settled = True
        else:
            self._settled = False
        return None if same else png

    async def _damaged(self) -> bool:
        return bool((await self._session.begin_frame(screenshot=False))["hasDamage"])


async def picture(session: PageSession) -> bytes:
    """Return the PNG of the page as it is.

    Raises
    ------
    CaptureError
        If the compositor gives no picture.
    """
    if session.chromium.mode == "screenshot":
        return base64.b64decode(await session.screenshot())
    for pause in _PAUSES:
        answer = await session.begin_frame(screenshot=True)
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
        async with session.deadline_for_frame(index):
            frame = await camera.shoot(index)
        yield frame
