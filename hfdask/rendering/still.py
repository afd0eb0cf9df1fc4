"""Write one frame of a composition as a picture, for its authors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from numbers import Real
from typing import Any, TypeVar, Unpack

from msgspec.structs import replace

from hfdask.browser import browser_thread
from hfdask.browser.capture import Frame
from hfdask.browser.session import PageSession
from hfdask.config import PlanOptions, RenderConfig, explicit
from hfdask.core.forks import worked
from hfdask.core.frames import frame_at
from hfdask.core.model import PageSettings
from hfdask.errors import InvalidConfigError
from hfdask.fonts.configuration import machine_fonts
from hfdask.manifest.plan import Plan
from hfdask.media.captured import Picture
from hfdask.network.record import Recorder
from hfdask.planning.film import Film
from hfdask.planning.planning import plan_with
from hfdask.project.files import local_project
from hfdask.project.settings import with_project_file
from hfdask.rendering.plan_page import PlanPage
from hfdask.store import StorageOptions, split_output

T = TypeVar("T")


@worked
def still(
    project: str | os.PathLike[str],
    time: float,
    output: str | os.PathLike[str],
    *,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[PlanOptions],
) -> int:
    """Write the frame that a video of this project shows at a time, as a PNG.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    time : float
        Seconds from the start of the composition.
    output : str or path
        The picture, any fsspec URL.
    storage_options : mapping, optional
        Arguments of the file systems of both URLs.
    config : RenderConfig, optional
        As for `hfdask.plan`; ``check`` is off by default, and ``sweep`` has no effect.
    **options
        Fields of `hfdask.RenderConfig`.

    Returns
    -------
    int
        Index of the frame.

    Raises
    ------
    InvalidConfigError
        If the time is outside of the composition, or the output's name does not end in ``.png``.
    HfdaskError
        As for `plan`.
    """
    folder, name = split_output(output, storage_options)
    if not name.lower().endswith(".png"):
        raise InvalidConfigError(f"a still is a PNG, so its name must end in .png, not {name!r}", field="output")
    if isinstance(time, bool) or not isinstance(time, Real):
        raise InvalidConfigError(f"time must be a number of seconds, not {time!r}", field="time")
    folder.require_writable()
    film = _StillFilm(time)
    with planned_for_pictures(project, explicit(config, options), storage_options, film=film) as (frozen, merged):
        manifest = frozen.manifest
        inside = 0 <= time <= manifest.timeline.duration
        frame = frame_at(time, manifest.fps.fraction) if inside else manifest.frames
        if frame >= manifest.frames:
            raise InvalidConfigError(
                f"{time:g} s is outside of the composition, which ends at {manifest.timeline.duration:g} s",
                field="time",
            )
        if not film.png:
            [film.png] = browser_thread().run(pictures_of(frozen, (frame,), merged, lambda picture: picture.png))
        folder.put(name, film.png)
    return frame


@contextmanager
def planned_for_pictures(
    project: str | os.PathLike[str],
    given: Mapping[str, Any],
    storage_options: StorageOptions | None,
    *,
    film: Film | None = None,
    **fixed: Any,
) -> Iterator[tuple[Plan, RenderConfig]]:
    """Plan a project for pictures of some of its frames; yield the plan, which is removed at the end of the block, and the options.

    The timeline is not swept. What loads late is fetched at the frames that are shown. ``fixed`` are options that the caller sets.
    """
    with (
        local_project(project, storage_options) as source,
        tempfile.TemporaryDirectory(prefix="hfdask-still-") as scratch,
    ):
        options = {"check": "off", **given, "sweep": 0, **fixed}
        yield (
            plan_with(source, scratch, options, listen=False, film=film),
            RenderConfig.of(with_project_file(source, given)),
        )


class _StillFilm:
    """Takes the picture while the page is planned. ``png`` stays empty if a chunk could have another one."""

    damage_test = True
    fetches = True

    def __init__(self, time: float) -> None:
        self.png = b""
        self._time = time
        self._taken = b""

    def wants(self, options: RenderConfig, fps: Fraction, frames: int) -> bool:
        """Return false: one frame is not worth a comparison."""
        return False

    async def begin(self, page: PageSettings, options: RenderConfig, fps: Fraction, frames: int) -> range:
        """Return the frame of the time, if there is one."""
        self.png = b""
        if not 0 <= self._time < frames / fps:
            return range(0)
        frame = frame_at(self._time, fps)
        return range(frame, min(frame + 1, frames))

    async def take(self, frame: Frame) -> None:
        """Take the picture."""
        assert frame.picture is not None  # the first frame of a capture always has a picture
        self._taken = frame.picture.keep().png

    async def end(self, session: PageSession, *, warm: bool) -> None:
        """Keep the picture."""
        self.png = self._taken


async def pictures_of(
    frozen: Plan, frames: Sequence[int], options: RenderConfig, see: Callable[[Picture], T]
) -> list[T]:
    """Bring one page through some frames, and return what ``see`` makes of the picture of each. On the browser thread only.

    The plan may lack files that the page loads late: they are fetched now.
    """
    # Planning has not read the text of these frames, so the browser gets all fonts that a plan could have.
    seen = []
    with PlanPage.of(frozen.location.store(), frozen.manifest, frames) as plan_page:
        async with (
            Recorder(options.allow_hosts, options.replace_urls) as recorder,
            replace(plan_page, network=recorder, fonts=machine_fonts()).page() as (session, _),
            plan_page.video_states(session, frames) as states,
        ):
            for frame in frames:
                async for shot in plan_page.capture(session, frame, frame + 1, states):
                    assert shot.picture is not None  # the first frame of a capture always has a picture
                    seen.append(see(shot.picture.keep()))
            await session.finish()
    return seen
