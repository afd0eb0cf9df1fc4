"""Capture frames of an open page, only if the picture changed.

A hosted page (`hfdask.browser.host`) reports if it was drawn anew.

Pictures of other pages are PNGs. After each seek the page reports if anything moved. If so, a picture is taken. If not, and no code
of the page ran either, the page goes on to the next frames by itself. Otherwise a script may have changed the picture, for example on a canvas. Then the
compositor draws a frame without a picture and reports if anything was damaged, which costs a tenth of a
picture. A picture always damages the frame after it. So the first such frame after a movement gets a picture too,
which is then found equal, and the tests begin after that.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing

from msgspec import Struct

from hfdask.browser.host import Shot
from hfdask.browser.session import PageSession, Reached
from hfdask.browser.video_feed import Shown
from hfdask.browser.walk import Walk
from hfdask.errors import CaptureError
from hfdask.media.captured import Picture, PngPicture

# Seconds between attempts at a picture.
_PAUSES = (0.01, 0.1, 0.5, 1.0)
# Seconds between looks for a picture in its slot, and between frames of the compositor if it does not come.
_POLL = 0.001
_PUMP = 0.1
# Most frames that a page goes through by itself, so that a browser that dies, or a render that is cancelled, is noticed soon.
_MOST_PASSED = 32
# Bytes of pictures between garbage collections in a hosted page.
_GARBAGE = 2**28
# Bytes of decoded pictures of videos that the browser may keep for a hosted page.
_DECODED = 2**27


States = Callable[[int], Awaitable[Mapping[str, Shown]]]
"""Gives the states of a page's videos at a frame, by render id."""

Visit = Callable[[int], Awaitable[None]]
"""Called with a captured frame's number while the page is at that frame, and if its picture is taken. It must change nothing."""


class Frame(Struct, frozen=True):
    """A captured frame.

    Attributes
    ----------
    index : int
        Number of the frame.
    picture : Picture or None
        None if nothing changed since the frame before. A picture of a hosted page may still be equal to that.
    seconds : float
        Wall seconds of the frame, which include the next two. The rest is the test for damage and the picture. Frames of
        hosted pages overlap, so there it is the time since the frame before was captured, if that is longer.
    decode, seek : float
        Wall seconds of waiting for the pictures of source videos, and of the seek.
    taken : bool
        True if a picture was taken, even if it equals the one before.
    """

    index: int
    picture: Picture | None
    seconds: float
    decode: float
    seek: float
    taken: bool


class _Camera:
    """Take the pictures of one page in order, and remember the last one."""

    def __init__(self, session: PageSession, damage_test: bool, videos: States | None) -> None:
        self._session = session
        self._videos = videos
        self._tests = damage_test and session.chromium.draws_on_request
        self._last: bytes | None = None
        self._settled = False

    @property
    def _passes(self) -> bool:
        """True if frames in which nothing can change may be passed without a look at them."""
        return self._tests and self._videos is None and self._last is not None

    def reach(self, frame: int, end: int) -> range:
        """Return the frames before ``end`` that the next call of `shoot` may pass."""
        return range(frame, min(frame + _MOST_PASSED, end) if self._passes else frame + 1)

    async def shoot(self, frames: range) -> list[Frame]:
        """Capture frames up to the first that may have changed. A frame has no picture if its picture equals the one before."""
        began = time.perf_counter()
        states = None if self._videos is None else await self._videos(frames.start)
        decoded = time.perf_counter()
        if states is None:
            reached = await self._session.seek_through(frames)
        else:
            reached = Reached(frames.start, await self._session.seek(frames.start, videos=states), still=False)
        sought = time.perf_counter()
        still = reached.still and self._passes
        seek = (sought - decoded) / (reached.frame + 1 - frames.start)
        passed = range(frames.start, reached.frame + still)
        shots = [Frame(index, None, seek, 0.0, seek, taken=False) for index in passed]
        if not still:
            taken = reached.moved or not (self._tests and self._settled) or await is_damaged(self._session)
            png = await self._changed_picture() if taken else None
            captured = None if png is None else PngPicture(png, alpha=self._session.settings.transparent)
            seconds = decoded - began + seek + time.perf_counter() - sought
            shots.append(Frame(reached.frame, captured, seconds, decoded - began, seek, taken))
        return shots

    async def _changed_picture(self) -> bytes | None:
        png = await picture(self._session)
        same, self._last = png == self._last, png
        if same and self._tests:
            await is_damaged(self._session)
            self._settled = True
        else:
            self._settled = False
        return None if same else png


async def is_damaged(session: PageSession) -> bool:
    """Draw a frame without a picture; return true if the compositor saw a change since the last call or picture.

    A seek that takes long has had frames of the compositor already, and the change may be in one of them.
    """
    await session.begin_frame(screenshot=False)
    return session.take_damage()


async def picture(session: PageSession) -> bytes:
    """Return the PNG of the page as it is.

    Raises
    ------
    CaptureError
        If the compositor gives no picture.
    """
    if not session.chromium.draws_on_request:
        return base64.b64decode(await session.screenshot())
    for pause in _PAUSES:
        answer = await session.begin_frame(screenshot=True)
        if "screenshotData" in answer:
            session.take_damage()
            return base64.b64decode(answer["screenshotData"])
        await asyncio.sleep(pause)  # on a busy machine the picture may come later
    raise CaptureError("the compositor gave no picture for a frame")


async def _from_canvas(
    session: PageSession,
    start: int,
    end: int,
    damage_test: bool,
    videos: States | None,
    visit: Visit,
    looks: Collection[int],
) -> AsyncGenerator[Frame]:
    """Seek each frame while the worker of the host draws the one before."""
    host = session.host
    assert host is not None
    walk = Walk(session, host, start, end, always=not damage_test, looks=looks) if videos is None else None
    kept = _Kept(session)
    drawing: tuple[int, Shot, float, float] | None = None
    done = time.perf_counter()

    def frame(index: int, picture: Picture | None, decode: float, seek: float) -> Frame:
        nonlocal done
        before, done = done, time.perf_counter()
        return Frame(index, picture, max(done - before, decode + seek), decode, seek, taken=picture is not None)

    async def finished(index: int, shot: Shot, decode: float, seek: float) -> Frame:
        async with session.deadline_for_frame(index):
            await _written(session, shot)
            await kept.free(shot)
        return frame(index, shot.picture(), decode, seek)

    try:
        for index in range(start, end):
            if walk is not None and not walk.goes_on:
                async with session.deadline_for_frame(index):
                    await walk.begin(index)
            shot = await host.shot()
            began = time.perf_counter()
            async with session.deadline_for_frame(index):
                states = None if videos is None else await videos(index)
                decoded = time.perf_counter()
                kept.decode(states or {})
                must = index == start or not damage_test
                changed = await (
                    walk.seek(shot, index) if walk else session.seek_for(shot, index, must=must, videos=states)
                )
            times = decoded - began, time.perf_counter() - decoded
            if changed:
                shot.taken()
                if walk is None or not walk.has_looked:
                    await visit(index)
            if walk is not None and session.in_flight and index + 1 < end:
                async with session.deadline_for_frame(index + 1):
                    await walk.arrive(index + 1)
            before, drawing = drawing, (index, shot, *times) if changed else None
            if before:
                yield await finished(*before)
            if not changed:
                yield frame(index, None, *times)
        if drawing:
            yield await finished(*drawing)
            drawing = None
    finally:
        if drawing:  # its reader stopped
            drawing[1].drop()


class _Kept:
    """Memory that the browser keeps for a hosted page until it gets a command to free it."""

    def __init__(self, session: PageSession) -> None:
        self._session = session
        self._garbage = 0
        self._decoded = 0
        self._shown: dict[str, int] = {}  # number of the last picture of each video

    def decode(self, states: Mapping[str, Shown]) -> None:
        """Count the pictures of videos that the browser decodes at a frame."""
        for name, state in states.items():
            if state.picture is not None and self._shown.get(name) != state.picture.number:
                self._shown[name] = state.picture.number
                self._decoded += state.picture.drawn_bytes

    async def free(self, shot: Shot) -> None:
        """Count a picture that was drawn, and free what is no longer needed if it is much."""
        self._garbage += shot.nbytes
        if self._garbage >= _GARBAGE:
            self._garbage = 0
            await self._session.collect_garbage()
        if self._decoded >= _DECODED:
            self._decoded = 0
            await self._session.drop_decoded()


async def _written(session: PageSession, shot: Shot) -> None:
    """Wait until a picture is in its slot. If that takes long, the page may need another frame of the compositor."""
    loop = asyncio.get_running_loop()
    pump_at = loop.time() + _PUMP
    while not shot.written:
        await asyncio.sleep(_POLL)
        if loop.time() > pump_at:
            await shot.host.require_working()
            if not await shot.is_painted():
                await session.pump(1)
            pump_at = loop.time() + _PUMP


async def capture(
    session: PageSession,
    start: int,
    end: int,
    *,
    damage_test: bool = True,
    videos: States | None = None,
    visit: Visit | None = None,
    at: Collection[int] = (),
) -> AsyncGenerator[Frame]:
    """Seek and capture the frames ``[start, end)`` in order; the first one always has a picture.

    With ``damage_test`` off every frame's picture is taken, and equal ones are found by comparison. ``videos`` is asked
    for each frame before its seek. ``visit`` is called at the frames ``at``, and if the page may have new text; not if a hosted page
    that reads its text has nothing new there. A hosted page has few places for pictures, so read each soon.
    """

    async def visit_if_due(index: int) -> None:
        if visit is not None and (index in at or session.may_have_new_text):
            await visit(index)

    if session.hosted:
        frames = _from_canvas(session, start, end, damage_test, videos, visit_if_due, at)
    else:
        frames = _by_compositor(session, start, end, damage_test, videos, visit_if_due)
    async with aclosing(frames):
        async for frame in frames:
            yield frame


async def _by_compositor(
    session: PageSession, start: int, end: int, damage_test: bool, videos: States | None, visit: Visit
) -> AsyncGenerator[Frame]:
    camera = _Camera(session, damage_test, videos)
    index = start
    while index < end:
        reach = camera.reach(index, end)
        async with session.deadline_for_frame(index, reach[-1]):
            shots = await camera.shoot(reach)
        for frame in shots:
            if frame.taken:
                await visit(frame.index)
            yield frame
        index = shots[-1].index + 1
