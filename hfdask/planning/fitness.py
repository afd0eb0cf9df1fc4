"""Find out if the pictures of a page may be taken from a canvas, which is cheaper, and draws some content wrong.

Known content of that kind is found by a look at the page (`hfdask/page/runtime/unfit.js`). Then some frames are captured in
both ways and compared, which finds the rest: pictures may differ at edges only. Whatever goes wrong on the way is a
reason against the canvas, and never an error of planning.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from hfdask.browser import browser_thread
from hfdask.browser.capture import Frame, States, capture
from hfdask.browser.chromium import Chromium
from hfdask.browser.page_opening import open_page
from hfdask.browser.page_videos import PageVideos
from hfdask.browser.session import PageSession
from hfdask.core.frames import evenly_spaced
from hfdask.core.model import CaptureMode, PageSettings, Sweep
from hfdask.errors import HfdaskError
from hfdask.media.alike import beyond_edges
from hfdask.media.captured import Picture
from hfdask.network.messages import Source
from hfdask.planning.costs import changing_frames

LEAST = 155_000_000
"""Pixels of a video from which on a capture from a canvas may be chosen: 44 frames of 1920x1080, 90 of 640x360. Each frame counts `PER_FRAME` more."""

LEAST_CHANGING = 40_000_000
"""The same for the frames that change. Such a video is captured again in the other way at little cost."""

PER_FRAME = 1_500_000
"""Pixels that a canvas takes as long to spare as it spares of a frame of any size."""

COMPARED = 5
"""Number of frames that are compared."""

LOOKED_AT = 50
"""Most frames of a part whose decoding is estimated, to choose the frame of the part that is compared."""


Compared = Literal["no", "now", "yes"]
"""Whether a page was compared in both ways of capture: it is, if it is worth it; it is now, in any case; or it was, and looks the same."""


def is_worth_it(sweep: Sweep, frames: int, pixels: int, playing: NDArray[np.int64] | None = None) -> bool:
    """Return true if enough of the frames of a video change.

    Parameters
    ----------
    sweep : Sweep
        What planning saw on its way through the timeline.
    frames, pixels : int
        Frames of the video, and pixels of one.
    playing : ndarray of int, shape (frames,), optional
        The number of source videos that each frame shows, which a sweep does not see.
    """
    changing = changing_frames(sweep, frames)
    if playing is not None:
        changing |= playing > 0
    return may_be_worth_it(frames, pixels) and _weight(int(changing.sum()), pixels) >= LEAST_CHANGING


def may_be_worth_it(frames: int, pixels: int, compared: Compared = "no") -> bool:
    """Return true if a video of this length and size is worth a capture from a canvas if enough of its frames change."""
    least = {"no": LEAST, "now": 0, "yes": LEAST_CHANGING}
    return _weight(frames, pixels) >= least[compared]


def _weight(frames: int, pixels: int) -> int:
    return frames * (pixels + PER_FRAME)


class Samples:
    """Pictures to compare, taken on the way through a timeline: one in each of `COMPARED` equal parts of a video.

    It prefers pictures of frames that changed, and then pictures that are near to the middle of their part.
    """

    def __init__(self, frames: int) -> None:
        self._middles = evenly_spaced(frames, COMPARED)
        self.frames = frames
        self._kept: dict[int, tuple[tuple[bool, int], int, Picture]] = {}

    def offer(self, frame: int, picture: Picture, *, changed: bool) -> None:
        """Keep a picture if it suits better than the kept one."""
        part = frame * len(self._middles) // self.frames
        unsuited = (not changed, abs(frame - self._middles[part]))
        if part not in self._kept or unsuited < self._kept[part][0]:
            self._kept[part] = unsuited, frame, picture

    @property
    def pictures(self) -> dict[int, Picture]:
        """The kept pictures by frame, in order."""
        return {frame: picture for _, (_, frame, picture) in sorted(self._kept.items())}

    def frames_with(self, playing: NDArray[np.int64], distance: Callable[[int], int]) -> list[int]:
        """Return a frame of each part with a picture: it shows most videos, and of the nearer half of such frames it is decoded soonest.

        Parameters
        ----------
        playing : ndarray of int, shape (frames,)
            The number of source videos that each frame shows.
        distance : callable
            Returns how many frames of sources are decoded before a frame can be shown. If several frames are equal, the
            nearest one to the part's picture is chosen.
        """
        chosen = []
        for part, (_, frame, _) in sorted(self._kept.items()):
            first, end = (-(-edge * self.frames // len(self._middles)) for edge in (part, part + 1))
            most = first + np.flatnonzero(playing[first:end] == playing[first:end].max())
            nearer = most[np.abs(most - frame).argsort(kind="stable")[: -(-len(most) // 2)]]
            some = np.sort(nearer)[[*evenly_spaced(len(nearer), LOOKED_AT)]]
            looked_at = map(int, {nearer[0], *some})
            chosen.append(min(looked_at, key=lambda each: (distance(each), abs(each - frame), each)))
        return chosen


class ForCanvas(Struct, frozen=True):
    """What decides about a capture from a canvas: pictures to compare, content that it would draw wrong, and if it draws in strips."""

    samples: Samples
    strips: bool = False
    unfit: set[str] = field(default_factory=set)

    @property
    def unlike(self) -> str:
        """Say why the content is unfit; empty if it is not."""
        return f"a canvas would draw {min(self.unfit)} wrong" if self.unfit else ""


Opening = Callable[[CaptureMode], AbstractAsyncContextManager[PageSession]]
"""Opens the page for a way of capture, in a leased browser."""


def opening(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    source: Source,
    videos: PageVideos | None = None,
) -> Opening:
    """Return what opens a page, prepares it for its videos, and loads it."""

    @asynccontextmanager
    async def opened(mode: CaptureMode) -> AsyncIterator[PageSession]:
        settings = msgspec.structs.replace(page, capture_mode=mode)

        def enter(chromium: Chromium) -> AbstractAsyncContextManager[PageSession]:
            return open_page(chromium, files, settings, fps, source)

        async with browser_thread().pool.opened(mode, None, enter, scale=page.scale) as (session, _):
            if videos is not None and videos.clips:
                session.prepare_videos(videos.shapes())
            await session.load(entry)
            yield session

    return opened


def opening_beside(session: PageSession, entry: str, page: PageSettings) -> Opening:
    """Return what opens the page of a session once more, in the same browser, and loads it."""

    @asynccontextmanager
    async def opened(mode: CaptureMode) -> AsyncIterator[PageSession]:
        settings = msgspec.structs.replace(page, capture_mode=mode)
        files = session.site.files
        async with open_page(session.chromium, files, settings, session.fps, beside=session) as second:
            await second.load(entry)
            yield second

    return opened


async def why_not_canvas(opened: Opening, composed: Mapping[int, Picture]) -> str:
    """Return why pictures must not be taken from a canvas; empty if they may. On the browser thread only.

    Parameters
    ----------
    opened : callable
        Opens the page.
    composed : mapping of int to Picture
        Pictures of some frames that were captured by BeginFrame.
    """
    if not composed:
        return "no picture was taken for a comparison"
    try:
        drawn = await _pictures(opened, "canvas", _each(composed))
    except HfdaskError as error:
        return error.message
    return await _difference(drawn, composed)


async def why_not_canvas_with_videos(opened: Opening, samples: Samples, videos: PageVideos) -> str:
    """Return why pictures of a page with videos must not be taken from a canvas; empty if they may.

    Pictures that planning took on its way have no videos, so some frames are captured in both ways.
    """
    frames = samples.frames_with(videos.shown(samples.frames), videos.distance)
    if not frames:
        return "no picture was taken for a comparison"
    states = partial(videos.states, frames=frames)
    modes: tuple[CaptureMode, ...] = ("canvas", "beginframe")
    takes = [asyncio.create_task(_pictures(opened, mode, _each(frames), states)) for mode in modes]
    try:
        drawn, composed = await asyncio.gather(*takes)
    except HfdaskError as error:
        return error.message
    finally:
        await _stop(*takes)
    return await _difference(drawn, composed)


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _each(frames: Iterable[int]) -> AsyncIterator[int]:
    for frame in frames:
        yield frame


_Videos = Callable[[PageSession], AbstractAsyncContextManager[States | None]]


async def _pictures(
    opened: Opening, mode: CaptureMode, frames: AsyncIterator[int], videos: _Videos = lambda _: nullcontext()
) -> dict[int, Picture]:
    taken = {}
    async with opened(mode) as session, videos(session) as states:
        async for frame in frames:
            async for shot in capture(session, frame, frame + 1, videos=states):
                assert shot.picture is not None  # the first frame of a capture always has a picture
                taken[frame] = shot.picture.keep()
        await session.finish()
    return taken


async def _difference(drawn: Mapping[int, Picture], composed: Mapping[int, Picture]) -> str:
    for frame, picture in composed.items():
        if wrong := await asyncio.to_thread(beyond_edges, picture.pixels, drawn[frame].pixels):
            return f"frame {frame} differs in {wrong} pixels that are not at edges"
    return ""


class FilmTrial:
    """Compare a film from a canvas with the browser's own pictures, which are taken of a second page meanwhile.

    Use it as a context manager, on the browser thread. The second page is opened as soon as the film is worth it.

    Parameters
    ----------
    opened : callable
        Opens the second page.
    frames, pixels : int
        Frames of the film, and pixels of one.
    """

    def __init__(self, opened: Opening, frames: int, pixels: int) -> None:
        self._opened = opened
        self._enough = math.ceil(LEAST_CHANGING / _weight(1, pixels))
        self._due = deque(evenly_spaced(frames, COMPARED))
        self._changes = 0
        self._drawn: dict[int, Picture] = {}
        self._asked: asyncio.Queue[int | None] = asyncio.Queue()
        self._composed: asyncio.Task[dict[int, Picture]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._composed is not None:
            await _stop(self._composed)

    @property
    def worth_it(self) -> bool:
        """True if enough frames have changed."""
        return self._changes >= self._enough

    def see(self, frame: Frame) -> None:
        """Note the next frame of the film, before anything else reads its picture."""
        if frame.picture is None:
            return
        self._changes += 1
        if self._due and frame.index >= self._due[0]:
            self._drawn[frame.index] = frame.picture.keep()
            self._asked.put_nowait(frame.index)
            while self._due and frame.index >= self._due[0]:
                self._due.popleft()
        if self.worth_it and self._composed is None:
            self._composed = asyncio.create_task(_pictures(self._opened, "beginframe", self._frames()))

    async def why_not(self) -> str:
        """Return why the film must not be used, after its last frame; empty if it may."""
        if self._composed is None:
            return "too little of it changes"
        self._asked.put_nowait(None)
        try:
            return await _difference(self._drawn, await self._composed)
        except HfdaskError as error:
            return error.message

    async def _frames(self) -> AsyncIterator[int]:
        while (frame := await self._asked.get()) is not None:
            yield frame
