"""Look at a page in the browser: load it, bring it through its timeline, and note what a plan needs of it.

A page is loaded with an assumed size and rate, and again if it has others. If it is filmed from a canvas and cannot be, it is loaded once
more in the top window.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from fractions import Fraction
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from hfdask.browser import browser_thread
from hfdask.browser.answers import Lacking, Report, ToldMedium, ToldSounds
from hfdask.browser.chromium import Chromium
from hfdask.browser.loading import Loaded
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.config import RenderConfig
from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.frames import first_frame, frame_count, parse_fps
from hfdask.core.model import PageParts, PageSettings, Sweep
from hfdask.core.observer import StageClock
from hfdask.core.sizes import Scale
from hfdask.errors import (
    BrowserCrashError,
    BrowserError,
    CaptureError,
    InvalidConfigError,
    PageTimeoutError,
    ProjectError,
    UnsupportedFeatureError,
)
from hfdask.fonts.configuration import FontSetup
from hfdask.network.record import Recorder
from hfdask.planning.canvas import DEFAULT_FPS, DEFAULT_SIZE, SIDES
from hfdask.planning.film import PATIENCE, Film, can_be_filmed, film_page
from hfdask.planning.fitness import (
    Compared,
    FilmTrial,
    ForCanvas,
    Samples,
    may_be_worth_it,
    opening_beside,
)
from hfdask.planning.font_usage import Typefaces, Use
from hfdask.planning.sounds import Volumes, audible, read_volumes
from hfdask.planning.sources import Sources, resolve_durations
from hfdask.planning.sweep import drawn_frames, frames_to_sweep, sweep_page
from hfdask.planning.videos import changed_media, scene_windows


class Look(Struct, frozen=True):
    """Facts from one load of a page.

    ``fits`` is true if the page had been loaded with its size and rate, ``filmed`` if the film was taken and can be used,
    and ``unlike`` says why a film from a canvas cannot.
    """

    report: Report
    loaded: Loaded
    sweep: Sweep
    sight: PageParts
    uses: tuple[Use, ...]
    lacking: tuple[Lacking, ...]
    declared: frozenset[str]
    media: tuple[ToldMedium, ...]
    sounds: ToldSounds
    durations: dict[str, float]
    scenes: dict[str, range]
    volumes: Volumes
    late: list[str]
    canvas: ForCanvas
    unlike_hdr: set[str]
    messages: list[str]
    world: FontSetup
    fits: bool
    filmed: bool
    unlike: str


class Walked(Struct, frozen=True):
    """A record of the way through a timeline.

    ``filmed`` is true if the pictures were taken, and ``unlike`` says why they are not as planned.
    """

    sweep: Sweep
    filmed: bool = False
    unlike: str = ""


class Looking(Struct, frozen=True, kw_only=True):
    """Look at a project's page in a browser, in the ways that its plan may need.

    Attributes
    ----------
    files : mapping of str to Path
        The project's files by their paths.
    entry : str
        Path of the document.
    options : RenderConfig
        Options of the plan.
    clock : StageClock
        Measures the stages.
    recorder : Recorder
        Answers requests to other sites.
    sources : Sources
        The sources of videos and sounds.
    listen : bool
        False if its sound does not matter.
    compared : {"no", "now", "yes"}
        Says if it is known already that the page looks the same from a canvas, or has to be found out now.
    """

    files: Mapping[str, Path]
    entry: str
    options: RenderConfig
    clock: StageClock
    recorder: Recorder
    sources: Sources
    listen: bool
    compared: Compared

    async def look(
        self, page: PageSettings, fps: Fraction, film: Film | None, *, hosted: bool
    ) -> tuple[Look, PageSettings, Fraction, str]:
        """Load the page until it has the size and the rate that it was loaded with.

        With ``hosted`` it is filmed from a canvas, if it can be. If it cannot, it is loaded once more, in the top window. The last
        result says why, if the plan chooses.
        """
        unlike = ""
        for last in (False, True):
            drawn: Look | None = None
            if hosted and film is not None:
                drawn, unlike = await self._filmed_from_canvas(page, fps, film, last=last)
                hosted = drawn is not None
            seen = drawn or await self._in_top_window(page, fps, film, last=last, chosen=bool(unlike))
            page, fps = _canvas(seen.report, page, self.options), rate_of(seen.report.fps, self.options)[0]
            if seen.fits:
                break
        if seen.filmed and hosted:
            page = msgspec.structs.replace(page, capture_mode="canvas")
        return seen, page, fps, unlike

    async def _filmed_from_canvas(
        self, page: PageSettings, fps: Fraction, film: Film, *, last: bool
    ) -> tuple[Look | None, str]:
        """Load the page in a host; return None if it cannot be filmed there, and why if the plan chooses the way of capture."""
        in_host = msgspec.structs.replace(page, capture_mode="canvas")
        try:
            seen = await _twice(partial(self._load, in_host, fps, film, last=last))
        except (ProjectError, BrowserError) as error:
            if self.options.capture != "auto" or isinstance(error, PageTimeoutError):
                raise
            return None, error.message
        return (None, seen.unlike) if seen is not None and seen.unlike else (seen, "")

    async def _in_top_window(
        self, page: PageSettings, fps: Fraction, film: Film | None, *, last: bool, chosen: bool
    ) -> Look:
        seen = await _twice(partial(self._load, page, fps, film, last=last, chosen=chosen))
        assert seen is not None  # only a hosted page can fail to be filmed
        return seen

    async def _load(
        self, page: PageSettings, fps: Fraction, film: Film | None, *, last: bool, chosen: bool = False
    ) -> Look | None:
        """Load the page and go through its timeline; return None if it is hosted, has its size and rate, and cannot be filmed.

        ``chosen`` is true if the plan captures in the mode of ``page``.

        Raises
        ------
        UnsupportedFeatureError
            If the plan chooses the mode, and the page is hosted and has content that a canvas draws wrong.
        """

        def enter(chromium: Chromium) -> AbstractAsyncContextManager[PageSession]:
            return open_page(chromium, self.files, page, fps, self.recorder, reads_text=True)

        async with browser_thread().pool.opened(page.capture_mode, None, enter, scale=page.scale) as (session, warm):
            if film is None:
                await session.debug()
            typefaces = Typefaces(session)
            session.look_into_videos(self.sources.shapes)
            session.look_into_sounds(self.sources.durations)
            loaded = await session.load(self.entry)
            report, media, sounds, durations = await self._told(session)
            rate, _ = rate_of(report.fps, self.options)
            fits = (*_size(report, self.options), rate) == (page.width, page.height, fps)
            visits = self._visits(report, rate) if fits or last else ()
            began = time.perf_counter()
            on: dict[int, frozenset[str]] | None = {} if any(medium.auto for medium in media) else None
            may = not chosen and self._may_be_canvas(report, page, rate, visits)
            canvas = await self._for_canvas(session, visits) if may else None
            # A film is captured as the page was planned, so not if the plan may say otherwise.
            usable = fits and (canvas is None or session.hosted) and _has_frames(report)
            taken, unlike_hdr = range(0), set[str]()
            if film is not None and usable and can_be_filmed(session, loaded, media, self.recorder, film):
                taken = await film.begin(session.settings, self.options, rate, frame_count(report.duration, rate))
            if not taken:
                if session.hosted and (fits or last):
                    return None
                film = None
            whole = {*drawn_frames(visits), *_starts(report, rate)}
            if film is None:
                walked = Walked(await sweep_page(session, visits, loaded, typefaces, whole, on, canvas, unlike_hdr))
            else:
                trial = self._trial(session, page, loaded, durations, len(taken))
                walked = await _film(session, taken, loaded, typefaces, film, whole, canvas, trial)
            media, sounds, late = await _media_at_end(session, media, sounds, self.sources, durations)
            scenes: dict[str, range] = {}
            volumes: Volumes = {}
            if (fits or last) and 0 < report.duration < math.inf:
                heard = audible(media, self.sources) if self.listen else ()
                scenes, volumes = await _scenes_and_volumes(session, report, rate, media, heard, on or {}, bool(visits))
                if scenes or volumes:
                    await session.drain(PATIENCE, loaded.abandoned)
            self.clock.move("probe", "capture" if walked.filmed else "sweep", time.perf_counter() - began)
            await session.finish()
            sight = await session.sight()
            spoilt = bool(late or walked.unlike)
            filmed = walked.filmed and not spoilt and film is not None and (film.fetches or not self.recorder.used)
            if film is not None and filmed:
                await film.end(session, warm=warm)
            uses = await typefaces.finish() if fits or last else ()
            return Look(
                report=report,
                loaded=loaded,
                sweep=walked.sweep,
                sight=sight,
                uses=uses,
                lacking=typefaces.lacking,
                declared=typefaces.declared,
                media=media,
                sounds=sounds,
                durations=durations,
                scenes=scenes,
                volumes=volumes,
                late=late,
                canvas=canvas or ForCanvas(Samples(1)),
                unlike_hdr=unlike_hdr,
                messages=session.log.messages,
                world=session.chromium.fonts,
                fits=fits,
                filmed=filmed,
                unlike=walked.unlike,
            )

    async def _told(self, session: PageSession) -> tuple[Report, tuple[ToldMedium, ...], ToldSounds, dict[str, float]]:
        """Return what a loaded page reports of its timeline, its media, and all sounds together, and the durations of sources."""
        report, told = await session.report(), await _told_media(session)
        durations = await resolve_durations(session, told[0], self.sources)
        if durations:
            report, told = await session.report(), await _told_media(session)
        return report, *told, durations

    def _trial(
        self, session: PageSession, page: PageSettings, loaded: Loaded, durations: Mapping[str, float], frames: int
    ) -> FilmTrial | None:
        """Return the comparison of a film with the browser's own pictures, if one is needed."""
        if not session.hosted or self.options.capture != "auto" or self.compared == "yes":
            return None
        known = msgspec.structs.replace(page, gives_up=loaded.gives_up, durations=dict(durations))
        return FilmTrial(opening_beside(session, self.entry, known), frames, math.prod(page.pixels))

    async def _for_canvas(self, session: PageSession, visits: tuple[int, ...]) -> ForCanvas:
        canvas = ForCanvas(Samples(visits[-1] + 1 if visits else 1), strips=await session.is_simple())
        if not session.hosted:
            return canvas
        if self.options.capture == "auto":
            canvas.unfit.update(await session.unfit())
            if canvas.unfit:
                raise UnsupportedFeatureError(canvas.unlike, features=sorted(canvas.unfit))
        if canvas.strips:
            await session.draw_in_strips()
        return canvas

    def _may_be_canvas(self, report: Report, page: PageSettings, fps: Fraction, visits: tuple[int, ...]) -> bool:
        """Return true if the plan may choose a capture from a canvas, so that the page has to be looked at."""
        frames = frame_count(report.duration, fps) if visits else 0
        chooses = self.options.may_choose_canvas and not page.transparent
        return self.options.capture == "canvas" or (
            chooses and may_be_worth_it(frames, math.prod(page.pixels), self.compared)
        )

    def _visits(self, report: Report, fps: Fraction) -> tuple[int, ...]:
        """Return the frames that a sweep visits of a page that a video can be made of.

        Raises
        ------
        InvalidConfigError
            If the format cannot have such a video.
        """
        if not _has_frames(report):
            return ()
        frames = frame_count(report.duration, fps)
        width, height = (int(side) for side in _size(report, self.options))
        if min(width, height) >= MIN_SIDE:  # else an error that is raised when the page is closed
            scale = self.options.scale_for(width, height)
            self.options.require_video(frames, int(scale * width), int(scale * height))
        return frames_to_sweep(frames, self.options.sweep, _starts(report, fps))


async def _twice(look: Callable[[], Awaitable[Look | None]]) -> Look | None:
    try:
        return await look()
    except (BrowserCrashError, CaptureError):
        return await look()


async def _media_at_end(
    session: PageSession,
    media: tuple[ToldMedium, ...],
    sounds: ToldSounds,
    sources: Sources,
    durations: dict[str, float],
) -> tuple[tuple[ToldMedium, ...], ToldSounds, list[str]]:
    """Add media that came while the page was brought through its timeline, and their durations; return warnings, too."""
    after, _ = await _told_media(session)
    new, late = changed_media(media, after)
    if new:
        durations |= await resolve_durations(session, new, sources)
        added = {medium.id for medium in new}
        after, sounds = await _told_media(session)
        media = (*media, *(medium for medium in after if medium.id in added))
    return media, sounds, late


async def _scenes_and_volumes(
    session: PageSession,
    report: Report,
    fps: Fraction,
    media: tuple[ToldMedium, ...],
    heard: Sequence[ToldMedium],
    on: Mapping[int, frozenset[str]],
    visited: bool,
) -> tuple[dict[str, range], Volumes]:
    """Return when the scenes of media without a start can be seen, and the volumes of the heard ones."""
    frames = frame_count(report.duration, fps)
    scenes: dict[str, range] = {}
    volumes: Volumes = {}
    if any(medium.auto for medium in media):
        scenes = await scene_windows(session, media, on, frames, fps)
    if heard:
        volumes = await read_volumes(
            session, heard, scenes, frames, fps, () if visited else frames_to_sweep(frames, None)
        )
    return scenes, volumes


async def _told_media(session: PageSession) -> tuple[tuple[ToldMedium, ...], ToldSounds]:
    """Return the videos and sounds of the page, and what is said of all sounds together."""
    told = await session.told_media()
    return (*told.videos, *told.sounds.sounds), told.sounds


def _has_frames(report: Report) -> bool:
    """Return false for pages of which an error is raised when they are closed."""
    return not report.unsupported and report.duration > 0


def _starts(report: Report, fps: Fraction) -> set[int]:
    """Return the first frames of clips."""
    return {first_frame(clip.start, fps) for clip in report.clips}


async def _film(
    session: PageSession,
    taken: range,
    loaded: Loaded,
    typefaces: Typefaces,
    film: Film,
    whole: set[int],
    canvas: ForCanvas | None,
    trial: FilmTrial | None,
) -> Walked:
    """Bring the page through its timeline and take its pictures."""

    async def look(frame: int) -> None:
        if canvas is not None and frame in whole:
            canvas.unfit.update(await session.unfit())

    async with contextlib.nullcontext() if trial is None else trial:
        see = None if trial is None else trial.see
        swept, alone = await film_page(session, taken, loaded, typefaces, film, whole, look, see)
        unlike = ""
        if trial is not None and alone:
            unlike = (canvas.unlike if canvas else "") or await trial.why_not()
    return Walked(swept, alone, unlike)


def _canvas(report: Report, page: PageSettings, options: RenderConfig) -> PageSettings:
    if report.unsupported:
        raise UnsupportedFeatureError(
            "this version does not render " + "; ".join(report.unsupported), features=list(report.unsupported)
        )
    for name, value in zip(SIDES, _size(report, options), strict=True):
        given = getattr(options, name)
        if report.has_root and given is not None:
            raise InvalidConfigError(
                f"{name} applies only to pages without a composition root; set data-{name} on the root", field=name
            )
        if not MIN_SIDE <= value <= MAX_SIDE:
            what = f"data-{name} of the composition root" if report.has_root else f"the page's {name}"
            field = f"data-{name}" if report.has_root else name
            raise InvalidConfigError(
                f"{what} is {value:g}; it must be from {MIN_SIDE} to {MAX_SIDE} pixels", field=field
            )
    width, height = _size(report, options)
    scale = Scale.of(options.scale_for(int(width), int(height)))
    return msgspec.structs.replace(page, width=int(width), height=int(height), scale=scale)


def _size(report: Report, options: RenderConfig) -> tuple[float, float]:
    """Return the unchecked size of the root; without a root, the size in the options, of the page, or the default."""
    if report.has_root:
        return report.width or 0, report.height or 0
    choices = (
        (getattr(options, name), getattr(report, name), default)
        for name, default in zip(SIDES, DEFAULT_SIZE, strict=True)
    )
    width, height = (next(side for side in sides if side is not None) for sides in choices)
    return width, height


def rate_of(declared: str | None, options: RenderConfig) -> tuple[Fraction, list[str]]:
    """Return the frame rate and warnings: the option wins over the root's ``data-fps``, and the format may have a limit."""
    warnings = []
    if options.fps is not None:
        fps = parse_fps(options.fps)
    elif declared is None:
        fps = DEFAULT_FPS
    else:
        try:
            fps = parse_fps(declared)
        except InvalidConfigError as error:
            fps, warnings = DEFAULT_FPS, [f"data-fps of the root is ignored: {error.message}"]
    allowed, told = options.capped(fps)
    return allowed, [*warnings, *told]
