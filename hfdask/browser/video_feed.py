"""Hand decoded pictures to the videos of a page.

Each video has two slots in memory that this process shares with the page. While the page shows one slot, a decoding
thread fills the other, so decoding and capture overlap.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from hfdask.browser.slots import HEADER, Slots
from hfdask.core.planes import Planes
from hfdask.errors import BrowserCrashError, UnsupportedFeatureError
from hfdask.media.hdr_picture import HdrFrame

SLOTS = 2
"""Pictures of a video in memory: the picture that shows, and the next picture."""

_ALIGNMENT = 64


class VideoShape(Struct, frozen=True):
    """The size and length of a video, which a page knows before it plays.

    Attributes
    ----------
    width, height : int
        Size as displayed: with square pixels, after rotation.
    duration : float
        Length of the source in seconds.
    nbytes : int
        Bytes of its largest picture; 0 if the page shows no pictures of it.
    hdr : bool
        True if its source is in HDR.
    """

    width: int
    height: int
    duration: float
    nbytes: int
    hdr: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture in a slot, from `VideoFeed.put`. It can be shown until a later picture of its video was shown."""

    number: int
    slot: int
    offset: int
    length: int
    options: Mapping[str, Any]

    @property
    def drawn_bytes(self) -> int:
        """Bytes of its pixels as they are drawn: four each."""
        return 4 * int(self.options["codedWidth"] * self.options["codedHeight"])


class Native(Struct, frozen=True):
    """A frame of an HDR video, and the pictures that a page shows in its place."""

    frame: HdrFrame
    black: Picture
    white: Picture


class Shown(Struct, frozen=True):
    """The state of a video at a frame of the composition.

    Attributes
    ----------
    phase : "before", "playing" or "after"
        Position of the frame: before, in or after the clip's window.
    time : float
        Seconds of the source at this frame: its ``currentTime``.
    frame : int
        Number of the source's frame that shows, in display order; -1 for none.
    frame_time : float
        Time of that source frame in seconds.
    picture : Picture or None
        The picture of that source frame; None to show nothing. Showing the same picture again costs nothing.
    native : Native, optional
        That source frame, if the page shows a plain picture in its place.
    """

    phase: Literal["before", "playing", "after"]
    time: float = 0.0
    frame: int = -1
    frame_time: float = 0.0
    picture: Picture | None = None
    native: Native | None = None

    def told(self) -> dict[str, Any]:
        """Return this state as the page reads it from JSON."""
        picture = self.picture
        return {
            "phase": self.phase,
            "time": self.time,
            "frame": self.frame,
            "frameTime": self.frame_time,
            "picture": picture
            and {
                "number": picture.number,
                "offset": picture.offset,
                "length": picture.length,
                "options": picture.options,
            },
        }


def told_shapes(shapes: Mapping[str, VideoShape | None]) -> dict[str, dict[str, float | bool] | None]:
    """Return shapes as the page reads them from JSON; None for a video whose source cannot be used."""
    names = ("width", "height", "duration", "hdr")
    return {
        name: None if shape is None else {each: getattr(shape, each) for each in names}
        for name, shape in shapes.items()
    }


class VideoFeed:
    """The slots of one page's videos. `put` is for decoding threads, everything else for the browser thread."""

    def __init__(self, shapes: Mapping[str, VideoShape]) -> None:
        self.shapes = dict(shapes)
        self._offsets: dict[str, list[int]] = {}
        size = 0
        for name, shape in self.shapes.items():
            step = -(-shape.nbytes // _ALIGNMENT) * _ALIGNMENT
            self._offsets[name] = [HEADER + size + step * slot for slot in range(SLOTS)]
            size += step * SLOTS
        self.slots = Slots(size)
        self._filled: dict[str, dict[int, int]] = {name: {} for name in self.shapes}  # slot → number of its picture
        self._changed = threading.Condition()
        self._number = 0
        self._closed = False

    def put(self, render_id: str, planes: Planes) -> Picture:
        """Copy a picture into a free slot of its video. If there is no free slot, wait for one.

        Raises
        ------
        UnsupportedFeatureError
            If the picture is larger than the video's shape says.
        BrowserCrashError
            If the page is closed.
        """
        if planes.nbytes > self.shapes[render_id].nbytes:
            raise UnsupportedFeatureError(
                f"a picture of the video {render_id!r} is larger than its first ones: encode the source with one size and "
                "one pixel format"
            )
        filled = self._filled[render_id]
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(filled) < SLOTS)
            if self._closed:
                raise BrowserCrashError(f"the page was closed while pictures of its video {render_id!r} were decoded")
            slot = next(each for each in range(SLOTS) if each not in filled)
            self._number += 1
            number = filled[slot] = self._number
            start = self._offsets[render_id][slot]
            memory = np.frombuffer(self.slots.view, np.uint8)[start : start + planes.nbytes]
        for plane, (offset, stride, rows) in zip(planes.planes, planes.layout, strict=True):
            height, width = plane.shape
            memory[offset : offset + stride * rows].reshape(rows, stride)[:height, :width] = plane
        return Picture(number, slot, start, planes.nbytes, planes.options())

    def release(self, shown: Mapping[str, Shown]) -> None:
        """Free the slots of all pictures that are older than the pictures that a frame has shown."""
        with self._changed:
            for name, state in shown.items():
                if state.picture is not None:
                    filled = self._filled[name]
                    for slot in [slot for slot, number in filled.items() if number < state.picture.number]:
                        del filled[slot]
            self._changed.notify_all()

    def setup(self, worker: str, *, file: bool, asks: bool) -> str:
        """Return what the page needs to open its videos, as JSON. With ``asks`` it asks for missing shapes."""
        slots = {**self.slots.setup(), "file": file}
        return json.dumps({"worker": worker, "shapes": told_shapes(self.shapes), "slots": slots, "asks": asks})

    def close(self) -> None:
        """Refuse more pictures, and release the memory."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.slots.close()
