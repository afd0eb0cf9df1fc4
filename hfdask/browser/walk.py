"""Walk through the frames of a hosted page.

The host (`hfdask/page/host.js`) brings the page from frame to frame by itself, and notes the fate of each frame in the file
of its pictures. So a frame that changes takes one message, the request for a frame of the compositor. A frame that does not change takes none, unless code
of the page has run in it. Frames at which the page needs more are sought by messages (`PageSession.seek_for`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from hfdask.browser.host import Armed, Host, Shot
from hfdask.browser.session import PageSession

# The host's notes about a frame: it waits for a frame of the compositor; it is as the one before; its picture was taken; this
# side has to go on with it, because the page asks for something, or must be displayed from here on.
_READY, _SAME, _TAKEN, _ASKS, _SHOWS = 1, 2, 3, 4, 5
_CODE = 7
# The walk stays there until `Host.go_on`.
_STAYS = 8

# Seconds between looks for a note, and until the host is asked for it.
_POLL = 0.001
_PATIENCE = 0.1


class Walk:
    """Go through the frames ``[start, end)`` of a hosted page, in order.

    Parameters
    ----------
    always : bool
        True to have a picture of each frame. Otherwise only the first frame always has one.
    looks : collection of int
        The frames at which the host looks for new text and for content that a canvas draws wrong, if their pictures are
        taken. If there is any, or if the page does not read its text, it stays there until the next frame is sought. It also
        stays at any other frame with new text. Anywhere else it may be one frame further, or on its way there.

    Attributes
    ----------
    has_looked : bool
        True if there is nothing new at the frame that was sought last: the page need not be visited, and may be further.
    """

    def __init__(
        self, session: PageSession, host: Host, start: int, end: int, *, always: bool, looks: Collection[int]
    ) -> None:
        self._session = session
        self._host = host
        self._start = start
        self._end = end
        self._always = always
        self._looks = sorted(looks)
        self._begun = False
        self._is_staying = False
        self._shows = False
        self.has_looked = False

    @property
    def goes_on(self) -> bool:
        """True if the host goes through these frames by itself."""
        return self._begun and self._host.walks

    async def begin(self, index: int) -> None:
        """Let the host walk from this frame on, unless it walks, or the page needs more at each frame."""
        if self.goes_on or not self._host.ready:
            return
        asked = {
            "next": index,
            "end": self._end,
            "shows": self._shows,
            "always": self._always,
            "must": index == self._start,
            "looks": [frame for frame in self._looks if frame >= index],
        }
        while not await self._host.walk(asked):
            await self._session.step()
            await asyncio.sleep(_POLL)
        self._begun, self._is_staying = True, False

    async def seek(self, shot: Shot, index: int) -> bool:
        """Bring the page to a frame, after `begin`; return true if its picture will be in the slot of ``shot``."""
        must = self._always or index == self._start
        self.has_looked = False
        if not self.goes_on:
            return await self._session.seek_for(shot, index, must=must, videos=None)
        if self._is_staying or self._host.held:
            self._is_staying = False
            await self._host.go_on()
        noted = await self._note(index)
        if noted & _CODE in (_ASKS, _SHOWS):
            self._shows |= noted & _CODE == _SHOWS
            answer = await self._host.leave(asks=noted & _CODE == _ASKS)
            return await self._session.finish_for(shot, index, Armed(answer=answer), must=must, videos=None)
        if noted & _CODE == _READY:
            await self._session.step(shows=self._shows)
            noted = await self._note(index, ready=True)
        taken = noted & _CODE == _TAKEN
        self._is_staying = bool(noted & _STAYS)
        self.has_looked = not self._is_staying
        self._session.may_have_new_text |= taken and self._is_staying
        if index == self._end - 1:
            self._host.walks = False
        return taken

    async def arrive(self, index: int) -> None:
        """Wait until the page is at a frame, if it is on its way there."""
        if self.goes_on and not (self._is_staying or self._host.held):
            await self._note(index)

    async def _note(self, index: int, *, ready: bool = False) -> int:
        """Wait for the note about a frame; if it was ``ready``, for what became of it then, with more frames of the compositor if it takes long."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + _PATIENCE
        while (note := self._host.note(index)) & _CODE == (_READY if ready else 0):
            await asyncio.sleep(_POLL)
            if loop.time() < patience:
                continue
            await self._host.require_working()
            # On a busy machine the note may be late. Else the page waits for something that may need a frame of the compositor. By
            # one such frame the walk goes on by one picture at most, whose slot is free.
            last, code = await self._host.last_note()
            if last < index or (ready and last == index and code == _READY):
                await self._session.step(shows=self._shows)
            patience = loop.time() + _PATIENCE
        return note
