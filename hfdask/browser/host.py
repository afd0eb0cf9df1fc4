"""The host of a composition whose pictures are taken from a canvas, and the memory through which they come.

The host (`hfdask/page/host.js`) has the composition in a frame inside of a canvas. Its worker draws what the frame shows
and writes the pixels to a slot of a file. This process maps the file, so pictures reach it without a message, and
while the worker draws one, the page is brought to the next frame.
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
from hfdask.page import host_script, picture_worker
from hfdask.text import legible

SLOTS = 4
"""Pictures in memory: the picture that is drawn, the picture that is encoded, and two between them."""

STRIP_BYTES = 900_000
"""Size of a strip of a picture. The browser keeps memory of up to 983,040 bytes for the next use (docs/decisions/strips.md)."""

_NUMBERS = 64
"""Offset of the numbers of the pictures in the slots, behind the token."""

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
    """

    def __init__(self, cdp: CDPSession, size: tuple[int, int], pixels: tuple[int, int]) -> None:
        self._cdp = cdp
        self._layout = size
        width, height = pixels
        self._shape = (height, width, 4)
        self.nbytes = width * height * 4
        self._step = -(-(self.nbytes + BEHIND) // _ALIGNMENT) * _ALIGNMENT
        self._slots = Slots(self._step * SLOTS)
        self._number = 0
        self._object = ""
        self._free: asyncio.Queue[int] = asyncio.Queue()
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
        places = {"numbers": _NUMBERS, "first": HEADER, "step": self._step}
        slots = {name: setup[name] for name in ("token", "size", "bucket")} | places
        options = {
            "entry": entry,
            "page": page,
            "width": width,
            "height": height,
            "rows": strip_rows(width, height) if strips else height,
            "worker": picture_worker(),
            "slots": slots,
        }
        made = await self._cdp.send("Runtime.evaluate", {"expression": host_script(options)})
        if "exceptionDetails" in made:
            raise _failed(made["exceptionDetails"].get("exception", {}).get("description", ""))
        self._object = made["result"]["objectId"]
        if failure := await self.call("opened"):
            raise _failed(failure)
        if not await asyncio.to_thread(self._slots.map_file, folder):
            raise CaptureError(
                f"there is no room for {self._slots.size >> 20} MiB of pictures in {folder.parent}; free some, or use "
                "capture='beginframe'"
            )
        for slot in range(SLOTS):
            self._free.put_nowait(slot)

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

    async def slot(self) -> Shot:
        """Return a free slot for the next picture. If all are in use, wait until one was read."""
        slot = await self._free.get()
        self._number += 1
        return Shot(self, self._number, slot)

    def written(self, number: int, slot: int) -> bool:
        """Return true if the picture of this number is in its slot."""
        numbers = np.frombuffer(self._slots.view, np.uint32, SLOTS, _NUMBERS)
        return bool(numbers[slot] == number)

    def picture(self, slot: int) -> PixelPicture:
        """Return the picture in a slot, which is free again when it was read."""
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
        self._free.put_nowait(slot)

    def close(self) -> None:
        """Release the memory. It is unmapped when its last picture was read."""
        self._slots.close()


def strip_rows(width: int, height: int) -> int:
    """Return the rows of a strip: a multiple of eight, in which patterns of dither repeat, or the picture's if it is smaller."""
    return min(height, max(8, STRIP_BYTES // (4 * width) // 8 * 8))


class Shot:
    """A picture to be taken: its number, and the slot for it."""

    def __init__(self, host: Host, number: int, slot: int) -> None:
        self._host = host
        self._number = number
        self._slot = slot

    async def seek(self, asked: object, must: bool) -> Armed:
        """Bring the page to a frame, and ask for its picture if the page is ready for it.

        Parameters
        ----------
        asked : object
            The argument of ``__hfdask.frame``.
        must : bool
            True to have a picture even if nothing changed.
        """
        answer = await self._host.call("seek", asked, self._number, self._slot, must)
        return understood(answer, Armed, "its picture", exactly=True)

    async def arm(self, must: bool) -> bool:
        """Ask for the picture of the page as it is; return true if it comes for certain."""
        return bool(await self._host.call("arm", self._number, self._slot, must))

    async def is_painted(self) -> bool:
        """Return true if the page was drawn for this picture. If it need not be, it is not any more."""
        return bool(await self._host.call("isPainted", self._number))

    @property
    def nbytes(self) -> int:
        """Bytes of the picture."""
        return self._host.nbytes

    @property
    def written(self) -> bool:
        """True if the picture is in its slot."""
        return self._host.written(self._number, self._slot)

    def picture(self) -> PixelPicture:
        """Return the picture that was written."""
        return self._host.picture(self._slot)

    def drop(self) -> None:
        """Give the slot back, without a picture."""
        self._host.free(self._slot)

    async def require_working(self) -> None:
        """Raise `CaptureError` if the host or its worker failed."""
        if failure := await self._host.call("failure"):
            raise _failed(failure)


def _failed(text: object) -> CaptureError:
    return CaptureError(f"the page cannot be drawn into a canvas: {legible(str(text))[:600]}; use capture='beginframe'")
