"""The host of a composition whose pictures are taken from a canvas, and the memory through which they come.

The host (`hfdask/page/host.js`) has the composition in a frame inside of a canvas. A worker draws what the frame shows
and writes the pixels to a slot of a file. Another worker writes notes about frames to the file. This process maps it, so
pictures reach it without a message, and while the worker draws one, the page is brought to the next frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from playwright.async_api import CDPSession

from hfdask.browser.answers import understood
from hfdask.browser.slots import HEADER, Slots
from hfdask.errors import CaptureError
from hfdask.media.captured import BEHIND, PixelPicture
from hfdask.page import host_script, note_worker, picture_worker
from hfdask.text import legible

SLOTS = 4
"""Pictures in memory: the picture that is drawn, the picture that is encoded, and two between them."""

STRIP_BYTES = 900_000
"""Size of a strip of a picture. The browser keeps memory of up to 983,040 bytes for the next use (docs/decisions/strips.md)."""

_NUMBERS = 64
"""Offset of the numbers of the pictures in the slots, behind the token."""

_NOTES = 128
"""Offset of the notes about the frames of a walk, a word of 32 bits for each."""

_KEPT = 64
"""Frames whose notes are kept. The host is ahead by at most half as many."""

_CODE_BITS = 4
"""Bits of a note for the code and a flag; the others have the frame and the walk, so that no other note is taken for it."""

_WALKS = 16
"""Walks that notes distinguish."""

_ALIGNMENT = mmap.PAGESIZE


class Armed(Struct, frozen=True, kw_only=True):
    """The host's answer to a seek: the page's own answer, and what became of the picture.

    Attributes
    ----------
    answer : object
        The answer of ``__hfdask.frame``.
    unpainted : bool
        True if nothing was sought, because the picture of the frame before was not taken yet.
    armed : bool
        False if the page is not ready for its picture: call `Host.arm` when it is.
    needed : bool
        True if a picture comes for certain.
    plain : bool
        True if it comes, and the browser need not display the page for it.
    """

    answer: Any = None
    unpainted: bool = False
    armed: bool = False
    needed: bool = False
    plain: bool = False


class Host:
    """The host of one page. Everything but the release of pictures is for the browser thread. ``nbytes`` is the size of a picture.

    Parameters
    ----------
    size : tuple of int
        Width and height at which the composition is laid out.
    pixels : tuple of int
        Width and height of its pictures.

    Attributes
    ----------
    walks : bool
        True while the host goes from frame to frame by itself (`hfdask.browser.walk`).
    held : bool
        True if it takes no pictures meanwhile.
    ready : bool
        True if the page was ready for its picture after the last seek, without a word from this side.
    """

    def __init__(self, cdp: CDPSession, size: tuple[int, int], pixels: tuple[int, int]) -> None:
        self._cdp = cdp
        self._layout = size
        width, height = pixels
        self._shape = (height, width, 4)
        self.nbytes = width * height * 4
        self._step = -(-(self.nbytes + BEHIND) // _ALIGNMENT) * _ALIGNMENT
        self._slots = Slots(self._step * SLOTS)
        self._taken = 0
        self._walk = 0
        self.walks = False
        self.held = False
        self.ready = True
        self._object = ""
        self._free = [asyncio.Event() for _ in range(SLOTS)]
        self._loop = asyncio.get_running_loop()

    async def open(self, entry: str, folder: Path, *, strips: bool) -> None:
        """Make the host in the page's empty document; ``folder`` is the browser's profile. The composition is not loaded yet.

        With ``strips``, pictures are drawn in strips.

        Raises
        ------
        CaptureError
            If the browser cannot take pictures from a canvas, or there is no room for them.
        """
        height, width, _ = self._shape
        page = dict(zip(("width", "height"), self._layout, strict=True))
        setup = self._slots.setup()
        places = {"numbers": _NUMBERS, "first": HEADER, "step": self._step, "count": SLOTS}
        slots = {name: setup[name] for name in ("token", "size", "bucket")} | places
        options = {
            "entry": entry,
            "page": page,
            "width": width,
            "height": height,
            "rows": strip_rows(width, height) if strips else height,
            "workers": {"pictures": picture_worker(), "notes": note_worker()},
            "slots": slots,
            "notes": {"notes": _NOTES, "kept": _KEPT},
        }
        made = await self._cdp.send("Runtime.evaluate", {"expression": host_script(options)})
        if "exceptionDetails" in made:
            raise _failed(made["exceptionDetails"].get("exception", {}).get("description", ""))
        self._object = made["result"]["objectId"]
        if failure := await self.call("open"):
            raise _failed(failure)
        if not await asyncio.to_thread(self._slots.map_file, folder):
            raise CaptureError(
                f"there is no room for {self._slots.size >> 20} MiB of pictures in {folder.parent}; free some, or use "
                "capture='beginframe'"
            )
        for slot in range(SLOTS):
            self.free(slot)

    async def call(self, name: str, *arguments: object) -> Any:
        """Call a function of the host."""
        asked = {
            "objectId": self._object,
            "functionDeclaration": f"function () {{ return this.{name}(...arguments) }}",
            "arguments": [{"value": each} for each in arguments],
            "awaitPromise": True,
            "returnByValue": True,
        }
        answer = await self._cdp.send("Runtime.callFunctionOn", asked)
        if "exceptionDetails" in answer:
            raise _failed(answer["exceptionDetails"].get("exception", {}).get("description", ""))
        return answer["result"].get("value")

    async def draw_in_strips(self) -> None:
        """Draw the next pictures in strips."""
        height, width, _ = self._shape
        await self.call("drawBy", strip_rows(width, height))

    async def shot(self) -> Shot:
        """Return the place of the next picture. If its slot is in use, wait until the picture there is kept or released."""
        await self._free[self._taken % SLOTS].wait()
        return Shot(self, self._taken + 1)

    def took(self, number: int) -> None:
        """Note that the picture of this number is in its slot, or will be."""
        self._taken = number
        self._free[(number - 1) % SLOTS].clear()

    async def walk(self, asked: dict[str, object]) -> bool:
        """Let the host walk through frames (`host.js`). Return false, and do nothing, if a picture is still to be taken."""
        self._walk = (self._walk + 1) % _WALKS
        self._slots.view[_NOTES : _NOTES + 4 * _KEPT] = bytes(4 * _KEPT)
        taken = await self.call("walk", {"id": self._walk, **asked})
        if taken is None:
            return False
        self._taken = understood(taken, int, "the number of its pictures")
        self.walks, self.held = True, False
        return True

    async def hold(self) -> None:
        """Take no pictures until `go_on`, so that frames of the compositor can be requested for something else."""
        if self.walks and not self.held:
            self.held = True
            await self.call("hold")

    async def go_on(self) -> None:
        """Continue the walk.

        Raises
        ------
        CaptureError
            If the host has failed.
        """
        self.held = False
        if failure := await self.call("goOn"):
            raise _failed(failure)

    async def leave(self, *, asks: bool) -> Any:
        """End the walk at a frame that the host left to this side; return the page's answer. With ``asks`` no walk begins at the next one."""
        self.walks = self.held = False
        self.ready = not asks
        answer = await self.call("leave")
        if answer is None:
            await self.require_working()
        return answer

    async def last_note(self) -> tuple[int, int]:
        """Return the last frame about which the host has noted something, and the code, which may not be in the file yet."""
        last = understood(await self.call("noted"), int, "the frame that it is at")
        return last // 8, last % 8

    async def require_working(self) -> None:
        """Raise `CaptureError` if the host or its worker failed."""
        if failure := await self.call("failure"):
            raise _failed(failure)

    def note(self, index: int) -> int:
        """Return what the host has noted about a frame of the walk, a code and a flag, or zero."""
        word = int(np.frombuffer(self._slots.view, np.uint32, _KEPT, _NOTES)[index % _KEPT])
        same_frame = word >> _CODE_BITS == (index * _WALKS + self._walk) % 2 ** (32 - _CODE_BITS)
        return word % 2**_CODE_BITS if same_frame else 0

    def written(self, number: int, slot: int) -> bool:
        """Return true if the picture of this number is in its slot."""
        numbers = np.frombuffer(self._slots.view, np.uint32, SLOTS, _NUMBERS)
        return bool(numbers[slot] == number)

    def picture(self, slot: int) -> PixelPicture:
        """Return the picture in a slot, which is free again when the picture is kept or released."""
        start = HEADER + slot * self._step
        pixels = np.frombuffer(self._slots.view, np.uint8)[start : start + self.nbytes].reshape(self._shape)
        return PixelPicture(pixels, self._releasing(slot))

    def _releasing(self, slot: int) -> Callable[[], object]:
        def release() -> None:
            with contextlib.suppress(RuntimeError):  # the thread was closed, and nothing waits there
                self._loop.call_soon_threadsafe(self.free, slot)

        return release

    def free(self, slot: int) -> None:
        """Let a slot be used again."""
        self._free[slot].set()

    def close(self) -> None:
        """Release the memory. It is unmapped when its last picture was read."""
        self._slots.close()


def strip_rows(width: int, height: int) -> int:
    """Return the rows of a strip: a multiple of eight, in which patterns of dither repeat, or the picture's if it is smaller."""
    return min(height, max(8, STRIP_BYTES // (4 * width) // 8 * 8))


class Shot:
    """A picture to be taken: its number, and the slot for it. It is there if the host takes a picture next."""

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self._number = number
        self._slot = (number - 1) % SLOTS

    async def seek(self, asked: object, must: bool) -> Armed:
        """Bring the page to a frame, and ask for its picture if the page is ready for it.

        Parameters
        ----------
        asked : object
            The argument of ``__hfdask.frame``.
        must : bool
            True to have a picture even if nothing changed.
        """
        answer = await self.host.call("seek", asked, self._number, must)
        armed = understood(answer, Armed, "its picture", exactly=True)
        self.host.ready = armed.armed
        self.host.walks = self.host.held = False
        return armed

    async def arm(self, must: bool) -> bool:
        """Ask for the picture of the page as it is; return true if it comes for certain."""
        return bool(await self.host.call("arm", self._number, must))

    async def is_painted(self) -> bool:
        """Return true if the page was drawn for this picture. If it need not be, it is not any more."""
        return bool(await self.host.call("isPainted", self._number))

    @property
    def nbytes(self) -> int:
        """Bytes of the picture."""
        return self.host.nbytes

    @property
    def written(self) -> bool:
        """True if the picture is in its slot."""
        return self.host.written(self._number, self._slot)

    def taken(self) -> None:
        """Note that the host takes this picture."""
        self.host.took(self._number)

    def picture(self) -> PixelPicture:
        """Return the picture that was written."""
        return self.host.picture(self._slot)

    def drop(self) -> None:
        """Give the slot back without reading the picture."""
        self.host.free(self._slot)


def _failed(text: object) -> CaptureError:
    return CaptureError(f"the page cannot be drawn into a canvas: {legible(str(text))[:600]}; use capture='beginframe'")
