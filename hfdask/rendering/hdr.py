"""Capture a page with HDR videos: a picture with all of them black, and one for each with that video white.

Scripts run once a frame. The pictures of a frame differ only in what the videos show, and the first one is the last one of the frame
before, so a page in which only its HDR videos move is not captured again. `hfdask.media.hdr_picture` composes the rest.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping

from msgspec.structs import replace

from hfdask.browser.capture import Frame, States, is_damaged, picture
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import Native, Shown
from hfdask.media.hdr_picture import HdrPicture, Matte, Place, ShownHdr
from hfdask.media.transfers import HdrTransfer


class _Camera:
    """Take the pictures of one page in order, and remember the last ones."""

    def __init__(self, session: PageSession, damage_test: bool, videos: States | None, transfer: HdrTransfer) -> None:
        self._session, self._videos, self._transfer = session, videos, transfer
        self._tests = damage_test and session.chromium.draws_on_request
        self._settled = False
        self._names: tuple[str, ...] = ()
        self._lit: str | None = None
        self._seen: tuple[object, ...] | None = None
        self._matte: Matte | None = None
        self._places: tuple[Place, ...] = ()
        self._frames: tuple[int, ...] = ()

    async def shoot(self, frame: int) -> Frame:
        """Capture a frame. It has no picture if it equals the one before."""
        began = time.perf_counter()
        states = {} if self._videos is None else await self._videos(frame)
        decoded = time.perf_counter()
        natives = {name: shown.native for name, shown in sorted(states.items()) if shown.native is not None}
        others = tuple(natives) != self._names
        self._names = tuple(natives)
        if self._lit not in natives:
            self._lit = None
        told = None if self._videos is None else _lit(states, self._lit)
        moved = await self._session.seek(frame, videos=told)
        sought = time.perf_counter()
        taken = moved or others or not (self._tests and self._settled) or await is_damaged(self._session)
        changed = await self._look(states) if taken else False
        frames = tuple(states[name].frame for name in self._names)
        captured = self._composed(natives) if changed or frames != self._frames else None
        self._frames = frames
        return Frame(frame, captured, time.perf_counter() - began, decoded - began, sought - decoded, taken)

    def _composed(self, natives: Mapping[str, Native]) -> HdrPicture:
        assert self._matte is not None  # the first frame is always looked at
        shown = [ShownHdr(each.frame, place) for each, place in zip(natives.values(), self._places, strict=True)]
        return HdrPicture(self._matte, shown, self._transfer)

    async def _look(self, states: Mapping[str, Shown]) -> bool:
        """Capture the page in all ways, beginning with the one in which it is; return true if it changed."""
        pictures: dict[str | None, bytes] = {}
        for lit in sorted((None, *self._names), key=lambda name: name != self._lit):
            if lit != self._lit:
                await self._session.show_videos(_lit(states, lit))
                self._lit = lit
            pictures[lit] = await picture(self._session)
        self._places = tuple([await self._session.video_place(name) for name in self._names])
        whites = [pictures[name] for name in self._names]
        seen = (self._names, pictures[None], *whites, self._places)
        same, self._seen = seen == self._seen, seen
        if not same:
            self._matte = Matte(pictures[None], whites, self._transfer, self._matte)
        self._settled = same and self._tests
        if self._settled:
            await is_damaged(self._session)  # a picture always damages the frame after it
        return not same


def _lit(states: Mapping[str, Shown], name: str | None) -> dict[str, Shown]:
    """Return states in which the HDR video of this name is white, and the others are black."""
    return {
        each: shown
        if shown.native is None
        else replace(shown, picture=shown.native.white if each == name else shown.native.black)
        for each, shown in states.items()
    }


async def capture_hdr(
    session: PageSession,
    start: int,
    end: int,
    transfer: HdrTransfer,
    *,
    damage_test: bool = True,
    videos: States | None = None,
) -> AsyncGenerator[Frame]:
    """Seek and capture the frames ``[start, end)`` in order, as `hfdask.browser.capture.capture` does, with pictures in HDR."""
    camera = _Camera(session, damage_test, videos, transfer)
    for index in range(start, end):
        async with session.deadline_for_frame(index):
            frame = await camera.shoot(index)
        yield frame
