"""Feed the videos of a page with numbers, as bar codes that can be read back from a picture of the page."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from page_samples import Page, open_html

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.video_feed import Picture, Shown, VideoFeed, VideoShape
from hfdask.core.planes import ColorSpace, Planes
from hfdask.media import captured
from hfdask.media.picture import Pixels, decode_png

FULL = ColorSpace("bt709", "bt709", "bt709", True)
BITS = 8
BLANK = -1
"""`read` returns this if there is no bar code."""


def planes_of(number: int, width: int = 64, height: int = 32, **options: Any) -> Planes:
    """Return the grey bar code of a number: light columns for bits, and a light row at the bottom."""
    luma = np.full((height, width), 16, np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            luma[:, bit * width // BITS : (bit + 1) * width // BITS] = 235
    luma[height * 3 // 4 :] = 235
    chroma = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    return Planes("I420", width, height, (luma, chroma, chroma), FULL, width, height, **options)


def shape_of(planes: Planes, duration: float = 8.0) -> VideoShape:
    width, height = planes.display_width, planes.display_height
    if planes.rotation in (90, 270):
        width, height = height, width
    return VideoShape(width, height, duration, planes.nbytes)


SHAPE = shape_of(planes_of(0))


def read(pixels: Pixels, left: int = 0, top: int = 0, width: int = 64, height: int = 32) -> int:
    """Return the number that is shown in a box, or `BLANK`."""
    if pixels[top + height * 7 // 8, left + width // 2].mean() < 200:
        return BLANK
    row = pixels[top + height // 3, left + width // (2 * BITS) : left + width : width // BITS].mean(axis=-1)
    return sum(1 << bit for bit in range(BITS) if row[bit] > 128)


class Fed:
    """An open page and the pictures of its videos."""

    def __init__(self, page: Page) -> None:
        self.page = page
        assert page.session.videos is not None
        self.feed: VideoFeed = page.session.videos
        self.last: dict[str, tuple[int, Picture]] = {}

    def state(self, name: str, number: int | None, phase: Literal["before", "playing", "after"] = "playing") -> Shown:
        """Return the state in which a video shows the picture of a number."""
        if number is None:
            return Shown(phase)
        if self.last.get(name, (None,))[0] != number:
            self.last[name] = number, self.feed.put(name, planes_of(number))
        return Shown(phase, number / 30, number, number / 30, self.last[name][1])

    def seek(self, frame: int, numbers: Mapping[str, int | None]) -> bool:
        states = {name: self.state(name, number) for name, number in numbers.items()}
        return browser_thread().run(self.page.session.seek(frame, videos=states), 20)

    def frames(
        self, start: int, end: int, numbers: Callable[[int], Mapping[str, int | None]], *, damage_test: bool = True
    ) -> list[Pixels | None]:
        """Return the pictures of the frames [start, end) as a chunk takes them; None if nothing changed."""

        async def states(frame: int) -> Mapping[str, Shown]:
            return {name: self.state(name, number) for name, number in numbers(frame).items()}

        async def shoot() -> list[captured.Picture | None]:
            shots = capture(self.page.session, start, end, damage_test=damage_test, videos=states)
            return [shot.picture and shot.picture.keep() async for shot in shots]

        pictures = browser_thread().run(shoot(), 120)
        return [None if picture is None else picture.pixels for picture in pictures]

    def picture(self, frame: int, numbers: Mapping[str, int | None]) -> Pixels:
        """Return the picture of a frame, taken right after its seek."""
        (picture,) = self.frames(frame, frame + 1, lambda _: numbers)
        assert picture is not None
        return picture

    def shot(self, frame: int, shown: Mapping[str, Shown]) -> Pixels:
        """Return the picture of a frame with these states."""

        async def states(_: int) -> Mapping[str, Shown]:
            return shown

        async def shoot() -> list[captured.Picture | None]:
            shots = capture(self.page.session, frame, frame + 1, videos=states)
            return [shot.picture and shot.picture.keep() async for shot in shots]

        [picture] = browser_thread().run(shoot(), 20)
        assert picture is not None
        return picture.pixels

    def now(self) -> Pixels:
        """Return a picture of the page in its current state."""

        async def shoot() -> bytes:
            answer: dict[str, Any] = {}
            while "screenshotData" not in answer:
                answer = await self.page.session.begin_frame(screenshot=True)
            return base64.b64decode(answer["screenshotData"])

        return decode_png(browser_thread().run(shoot(), 20))

    def value(self, expression: str) -> Any:
        return self.page.value(expression)


@contextlib.contextmanager
def open_fed(
    folder: Path, html: str, names: Mapping[str, VideoShape] | list[str], *, profile: bool = True, **options: Any
) -> Iterator[Fed]:
    shapes = names if isinstance(names, Mapping) else dict.fromkeys(names, SHAPE)
    with open_html(folder, html, profile=profile, videos=shapes, **options) as page:
        yield Fed(page)
