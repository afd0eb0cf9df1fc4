"""Bring a page through its timeline while it is planned, so that it asks for all that its chunks will ask for."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from hfdask.browser.capture import is_damaged, picture
from hfdask.browser.loading import Loaded
from hfdask.browser.session import PageSession
from hfdask.core.model import Sweep
from hfdask.media.captured import PngPicture
from hfdask.planning.film import PATIENCE
from hfdask.planning.fitness import COMPARED, ForCanvas
from hfdask.planning.font_usage import Typefaces

MAX_SWEPT = 90
"""Number of frames that a sweep visits by default; in longer videos, evenly spread, and also the first of each clip."""
MAX_DRAWN = 15
"""Number of frames of a sweep that are also drawn."""
PICTURED = 30
"""Frames for each picture that is taken of videos of more than `MAX_SWEPT` frames."""


def frames_to_sweep(frames: int, step: int | None, starts: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the frames that a sweep visits: every ``step``-th, the first, the last, and if it skips any, ``starts``.

    With ``step`` 0 there is no sweep. With None it visits at most `MAX_SWEPT` frames, besides ``starts``.
    """
    if step == 0 or frames < 1:
        return ()
    step = step or max(1, math.ceil(frames / MAX_SWEPT))
    chosen = {*range(0, frames, step), frames - 1}
    if step > 1:
        chosen.update(frame for frame in starts if 0 <= frame < frames)
    return tuple(sorted(chosen))


def drawn_frames(frames: tuple[int, ...]) -> set[int]:
    """Return the frames of a sweep that are also drawn."""
    every = math.ceil(len(frames) / MAX_DRAWN) or 1
    return {*frames[::every], *frames[-1:]}


async def sweep_page(
    session: PageSession,
    frames: tuple[int, ...],
    loaded: Loaded,
    typefaces: Typefaces,
    whole: set[int],
    on: dict[int, frozenset[str]] | None,
    canvas: ForCanvas | None,
    unlike_hdr: set[str],
) -> Sweep:
    """Bring the page to each frame like a capture, so that it asks for everything that a chunk will ask for.

    Layout makes a page load what it shows, in a third of the time of drawing, so only some frames are drawn. All text
    is read for its fonts at the drawn frames, at first frames of clips (``whole``), and if it may have changed. ``on`` gets the
    videos whose scene can be seen at each frame, and ``canvas`` what decides about a capture from a canvas, unless they are
    None. ``unlike_hdr`` gets what looks different in HDR, if the page is rendered in HDR.

    The cost of frames follows from the sizes of pictures (`hfdask.planning.costs`). A picture takes 10 to 35 ms more than a
    drawing, and a short video gains nothing from that.
    """
    await typefaces.look()
    moved: list[bool] = []
    damage: list[bool | None] = []
    pictures: list[int | None] = []
    seconds: list[float] = []
    spread = drawn_frames(frames)
    draws = session.chromium.draws_on_request
    pictured = set(_pictured(sorted(spread), least=0 if canvas is None else COMPARED)) if draws else set[int]()
    last = b""
    # Changes of the page, and their number when it was last looked at as a whole, drawn, and taken a picture of.
    changes, looked_at, drawn_at, pictured_at = 0, -1, -1, -1
    for frame in frames:
        began = time.perf_counter()
        async with session.deadline_for_frame(frame):
            reached = await session.seek_through(range(frame, frame + 1), layout=True)
            moved.append(reached.moved)
            changes += not reached.still
            if frame in pictured:
                before, last = last, last if pictured_at == changes else await picture(session)
                drawn_at = pictured_at = changes
                damage.append(last != before)
                pictures.append(len(last))
                if canvas is not None:
                    canvas.samples.offer(frame, PngPicture(last), changed=reached.moved or last != before)
            elif draws and frame in spread:
                damage.append(drawn_at != changes and await is_damaged(session))
                drawn_at = changes
                pictures.append(None)
            else:
                damage.append(None)
                pictures.append(None)
        seconds.append(round(time.perf_counter() - began, 5))
        if on is not None:
            on[frame] = await session.scenes_on()
        whole_now = frame in whole and looked_at != changes
        await typefaces.look(always=whole_now)
        if whole_now:
            looked_at = changes
            if canvas is not None:
                canvas.unfit.update(await session.unfit())
            if session.settings.hdr:
                unlike_hdr.update(await session.unlike_hdr())
        if session.in_flight:
            await session.drain(PATIENCE)
    if canvas is not None and not frames:
        canvas.unfit.update(await session.unfit())
    if frames:
        await session.drain(PATIENCE, loaded.abandoned)
    return Sweep(
        plan_hash="",
        frames=frames,
        moved=tuple(moved),
        damage=tuple(damage),
        pictures=tuple(pictures),
        seconds=tuple(seconds),
    )


def _pictured(drawn: list[int], *, least: int) -> list[int]:
    """Return the drawn frames whose pictures are taken, at least ``least`` of them if possible."""
    if not drawn or (drawn[-1] < MAX_SWEPT and not least):
        return []
    step = math.ceil(MAX_DRAWN * PICTURED / (drawn[-1] + 1))
    return sorted({*drawn[:: max(1, min(step, len(drawn) // least if least else step))], drawn[-1]})
