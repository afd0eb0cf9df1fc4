"""Capture pictures while planning goes through the timeline, so that the page of a short video or a still is loaded once.

A chunk loads a fresh page and brings it through its frames in order. Planning does the same. So if planning takes the
picture of each frame before it asks anything about it, these are the chunk's pictures, also of a page that keeps
state from frame to frame. What planning asks in between changes nothing that is drawn.

A chunk has more than planning at its beginning: the answers of other sites, the pictures of videos, the lengths of
sounds, and a list of things to give up waiting for. Pages that could show any of these are not filmed. A chunk has
fewer fonts, but draws the same (docs/decisions/fonts.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from fractions import Fraction
from typing import Protocol

from hfdask.browser.answers import ToldMedium
from hfdask.browser.capture import Frame, capture
from hfdask.browser.loading import Loaded
from hfdask.browser.session import PageSession
from hfdask.config import RenderConfig
from hfdask.core.model import PageSettings, Sweep
from hfdask.network.messages import Limits
from hfdask.network.record import Recorder
from hfdask.planning.font_usage import Typefaces

PATIENCE = Limits().seconds + 5
"""Seconds to wait for files that a page asks for late."""


class Film(Protocol):
    """Takes the pictures of a page. It is used on the browser thread."""

    @property
    def damage_test(self) -> bool:
        """True to capture only frames that change."""
        ...

    @property
    def fetches(self) -> bool:
        """True to film also pages that ask other sites: their answers are fetched, and not replayed as for a chunk."""
        ...

    def wants(self, options: RenderConfig, fps: Fraction, frames: int) -> bool:
        """Return true if it takes all pictures of a page with this number of frames."""
        ...

    async def begin(self, page: PageSettings, options: RenderConfig, fps: Fraction, frames: int) -> range:
        """Return the frames to take of a page with this number of frames. It may be called again, for a new page."""
        ...

    async def take(self, frame: Frame) -> None:
        """Take the next frame."""
        ...

    async def end(self, session: PageSession, *, warm: bool) -> None:
        """Note that the pictures are complete, and a chunk would have the same ones; ``warm`` is true for a warm browser."""
        ...


def can_be_filmed(
    session: PageSession, loaded: Loaded, media: Iterable[ToldMedium], recorder: Recorder, film: Film
) -> bool:
    """Return true if a chunk's page would begin like this one, which has been loaded.

    A chunk knows the length of a sound from the beginning. That makes a difference only to scripts that read it.
    """
    asked = recorder.used and not film.fetches
    ready = not (asked or loaded.gives_up or session.videos is not None or session.in_flight)
    return ready and all(each.tag == "audio" and not (each.auto or each.sound.is_read) for each in media)


async def film_page(
    session: PageSession,
    frames: range,
    loaded: Loaded,
    typefaces: Typefaces,
    film: Film,
    whole: set[int],
    look: Callable[[int], Awaitable[None]],
    see: Callable[[Frame], None] | None,
) -> tuple[Sweep, bool]:
    """Film these frames; return a record of them, and false if the page loaded something after a frame was captured.

    All text is read for its fonts at the frames of ``whole``, and if it may have changed. ``look`` is called at frames that
    change, to look at more than their text, and ``see`` with each frame before it is taken.
    """
    await typefaces.look()
    drawn: list[bool] = []
    pictures: list[int | None] = []
    seconds: list[float] = []
    alone = True

    async def visit(frame: int) -> None:
        nonlocal alone
        await typefaces.look(always=frame in whole)
        await look(frame)
        if session.in_flight:
            alone = False
            await session.drain(PATIENCE)

    shots = capture(session, frames.start, frames.stop, damage_test=film.damage_test, visit=visit, at=whole)
    async with aclosing(shots):
        async for shot in shots:
            if see is not None:
                see(shot)
            await film.take(shot)
            drawn.append(shot.picture is not None)
            pictures.append(None if shot.picture is None else shot.picture.received)
            seconds.append(round(shot.seconds, 5))
            if session.in_flight:
                alone = False
                await session.drain(PATIENCE)
    await session.drain(PATIENCE, loaded.abandoned)
    sweep = Sweep(
        plan_hash="",
        frames=tuple(frames),
        moved=tuple(drawn),
        damage=tuple(drawn),
        pictures=tuple(pictures),
        seconds=tuple(seconds),
    )
    return sweep, alone
