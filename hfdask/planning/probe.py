"""Probe a composition in a browser, once, during planning."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import msgspec

from hfdask.browser import browser_thread
from hfdask.browser.answers import Lacking, Report, ToldMedium, ToldSounds
from hfdask.browser.chromium import Chromium
from hfdask.browser.page_videos import PageVideos
from hfdask.browser.session import Loaded, PageSession, open_page
from hfdask.config import RenderConfig
from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.frames import first_frame, frame_count, parse_fps
from hfdask.core.model import CaptureMode, FontSet, PageParts, PageSettings, Resource, Sweep, Timeline
from hfdask.core.observer import StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.sizes import Scale
from hfdask.core.video_clip import VideoClip
from hfdask.errors import (
    BrowserCrashError,
    BrowserError,
    CaptureError,
    InvalidConfigError,
    PageTimeoutError,
    ProjectError,
    TimelineError,
    UnsupportedFeatureError,
    VariableError,
)
from hfdask.fonts.configuration import FontSetup, plan_font_set
from hfdask.network.record import Recorder
from hfdask.planning.canvas import DEFAULT_FPS, DEFAULT_SIZE, SIDES
from hfdask.planning.film import PATIENCE, Film, can_be_filmed, film_page
from hfdask.planning.fitness import (
    Compared,
    FilmTrial,
    ForCanvas,
    Opening,
    Samples,
    is_worth_it,
    may_be_worth_it,
    opening,
    opening_beside,
    why_not_canvas,
    why_not_canvas_with_videos,
)
from hfdask.planning.font_usage import Typefaces, Use, faces_of, missing_canonical, require_own, spare_face
from hfdask.planning.glyphs import glyph_warnings, require_glyphs
from hfdask.planning.hdr import hdr_warnings
from hfdask.planning.sounds import Sounding, Volumes, audible, read_volumes, resolve_sounds
from hfdask.planning.sources import FoundVideo, Sources, resolve_durations
from hfdask.planning.sweep import drawn_frames, frames_to_sweep, sweep_page
from hfdask.planning.videos import changed_media, page_videos, resolve_clips, scene_windows


@dataclass(frozen=True)
class Probe:
    """Results of probing the page; ``bodies`` are the contents of ``resources`` by sha256, ``asked`` their requests' keys."""

    page: PageSettings
    fps: Fraction
    frames: int
    timeline: Timeline
    resources: tuple[Resource, ...]
    bodies: dict[str, bytes]
    asked: frozenset[str]
    videos: tuple[FoundVideo, ...]
    clips: tuple[VideoClip, ...]
    sounding: Sounding | None
    sweep: Sweep
    sight: PageParts
    fonts: FontSet
    font_files: dict[str, Path]
    warnings: tuple[str, ...]
    messages: tuple[str, ...]
    filmed: bool


@dataclass(frozen=True)
class _Look:
    """Results of one load.

    ``fits`` is true if the page had been loaded with its size and rate, ``filmed`` if the film was taken and can be used,
    and ``unlike`` says why a film from a canvas cannot.
    """

    report: Report
    loaded: Loaded
    sweep: Sweep
    sight: PageParts
    uses: tuple[Use, ...]
    lacking: tuple[Lacking, ...]
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


async def probe(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    options: RenderConfig,
    clock: StageClock,
    *,
    seconds: float = 0.0,
    has_video: bool = False,
    listen: bool = True,
    film: Film | None = None,
    compared: Compared = "no",
) -> Probe:
    """Load the page, and again if its size or rate is not the assumed one, since layout depends on both.

    ``page``, ``fps``, the duration in ``seconds`` and ``has_video`` have what is assumed. Without ``listen``, its sound does not matter. ``compared`` says
    if it is known already that the page looks the same from a canvas.

    Then go through its timeline in the same page. A ``film`` gets all pictures, if a chunk would have the same ones; its
    ``end`` is called then. A browser that dies is replaced once, because nothing else retries planning. If a filmed page
    does not answer, it is planned without the film.
    """
    fps, _ = options.capped(fps if options.fps is None else parse_fps(options.fps))
    # A page with videos cannot be filmed.
    hosted = film is not None and not has_video and _may_film_canvas(page, fps, seconds, options, film, compared)
    with scratch_subfolder("videos") as folder:
        async with Recorder(options.allow_hosts, options.replace_urls) as recorder:
            sources = Sources(files, recorder, folder)
            looks = partial(
                _looks, files, entry, page, fps, options, clock, recorder, sources, listen=listen, compared=compared
            )
            try:
                seen, page, fps, unlike = await looks(film=film, hosted=hosted)
            except PageTimeoutError:
                if film is None:
                    raise
                # A film has no debugger. With one, the error names the script that still runs.
                seen, page, fps, unlike = await looks(film=None, hosted=False)
            page = msgspec.structs.replace(
                page, gives_up=seen.loaded.gives_up, durations=seen.durations, strips=seen.canvas.strips
            )
            videos, clips, video_warnings = resolve_clips(
                [medium for medium in seen.media if medium.tag == "video"], seen.scenes, sources, fps
            )
            there = page_videos(videos, clips, sources, fps)
            opened = opening(files, entry, page, fps, recorder, there)
            mode, told = await _way(opened, page, options, seen, there, unlike, compared)
    report, loaded, world = seen.report, seen.loaded, seen.world
    faces = faces_of(seen.uses, world)
    if options.fonts == "reject":
        require_own(faces, world)
    if options.fonts == "reject" or options.check in ("strict", "strict-all"):
        require_glyphs(seen.lacking, world)
    fonts, font_files = plan_font_set(world, faces or spare_face(seen.uses, world))
    # A plan's hash covers its warnings, so these must be the same each time. Console messages and times are not.
    warnings = [
        *report.warnings,
        *_variable_warnings(report, options),
        *_rate(report.fps, options)[1],
        *_timeline_warnings(loaded, report),
        *missing_canonical(faces, world),
        *glyph_warnings(seen.lacking, world),
    ]
    frames = frame_count(report.duration, fps)
    warnings += [*seen.late, *video_warnings, *hdr_warnings(options, videos, seen.unlike_hdr)]
    if options.capture == "canvas":
        warnings += [
            f"captured from a canvas, {what} may be drawn wrong: use capture='beginframe'"
            for what in sorted(seen.canvas.unfit)
        ]
    sounding = None
    if listen:
        sounding, faults = resolve_sounds(seen.media, seen.sounds, seen.scenes, seen.volumes, sources, fps)
        warnings += faults
    messages = [
        *seen.messages,
        *(f"gave up waiting for {what}" for what in loaded.abandoned),
        *told,
    ]
    return Probe(
        page=msgspec.structs.replace(page, capture_mode=mode, strips=page.strips and mode == "canvas"),
        fps=fps,
        frames=frames,
        timeline=_timeline(report),
        resources=recorder.resources,
        bodies=recorder.bodies,
        asked=frozenset(recorder.asked),
        videos=videos,
        clips=clips,
        sounding=sounding,
        sweep=seen.sweep,
        sight=seen.sight,
        fonts=fonts,
        font_files=font_files,
        warnings=_once(warnings),
        messages=_once(messages),
        filmed=seen.filmed,
    )


def _may_film_canvas(
    page: PageSettings, fps: Fraction, seconds: float, options: RenderConfig, film: Film, compared: Compared
) -> bool:
    """Return true to load the page in a host at first, because a film from its canvas is wanted, or will probably do."""
    frames = frame_count(seconds, fps) if 0 < seconds < math.inf else 0
    possible = page.capture_mode == "beginframe" and not page.transparent
    likely = possible and may_be_worth_it(frames, math.prod(page.pixels), compared)
    return options.capture == "canvas" or (options.capture == "auto" and likely and film.wants(options, fps, frames))


async def _way(
    opened: Opening,
    page: PageSettings,
    options: RenderConfig,
    seen: _Look,
    videos: PageVideos,
    unlike: str,
    compared: Compared,
) -> tuple[CaptureMode, list[str]]:
    """Return the plan's way of capture, and the reason if it was chosen for this page; ``unlike`` is known already."""
    if options.capture == "canvas":
        return "canvas", []
    if not options.may_choose_canvas or not (unlike or _may_choose(page, seen, videos, compared)):
        return page.capture_mode, []
    if unlike:
        why = unlike
    elif page.transparent:
        why = "it gives no alpha"
    elif seen.canvas.unfit:
        why = seen.canvas.unlike
    elif compared == "yes" or page.capture_mode == "canvas":  # its film was compared
        why = ""
    elif videos.clips:
        why = await why_not_canvas_with_videos(opened, seen.canvas.samples, videos)
    else:
        why = await why_not_canvas(opened, seen.canvas.samples.pictures)
    if why:
        return page.capture_mode, [f"not captured from a canvas: {why}"]
    return "canvas", ["captured from a canvas: some frames look as in the browser's own pictures"]


def _may_choose(page: PageSettings, seen: _Look, videos: PageVideos, compared: Compared) -> bool:
    if page.capture_mode != "beginframe" or not seen.sweep.frames:
        return page.capture_mode == "canvas"
    frames = frame_count(seen.report.duration, videos.fps)
    if compared != "no":
        return may_be_worth_it(frames, math.prod(page.pixels), compared)
    return is_worth_it(seen.sweep, frames, math.prod(page.pixels), videos.shown(frames))


async def _looks(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    options: RenderConfig,
    clock: StageClock,
    recorder: Recorder,
    sources: Sources,
    *,
    listen: bool,
    film: Film | None,
    hosted: bool,
    compared: Compared,
) -> tuple[_Look, PageSettings, Fraction, str]:
    """Load the page until it has the size and the rate that it was loaded with.

    With ``hosted`` it is filmed from a canvas, if it can be. If it cannot, it is loaded once more, in the top window. The last
    result says why, if the plan chooses.
    """
    unlike = ""
    for attempt in range(2):
        look = partial(
            _look,
            files,
            entry,
            options=options,
            clock=clock,
            recorder=recorder,
            sources=sources,
            last=bool(attempt),
            listen=listen,
            compared=compared,
        )
        drawn: _Look | None = None
        if hosted and film is not None:
            drawn, unlike = await _filmed_from_canvas(look, page, fps, film, chooses=options.capture == "auto")
            hosted = drawn is not None
        seen = drawn or await _in_top_window(partial(look, page, fps, film=film, chosen=bool(unlike)))
        page, fps = _canvas(seen.report, page, options), _rate(seen.report.fps, options)[0]
        if seen.fits:
            break
    if seen.filmed and hosted:
        page = msgspec.structs.replace(page, capture_mode="canvas")
    return seen, page, fps, unlike


async def _filmed_from_canvas(
    look: Callable[..., Awaitable[_Look | None]], page: PageSettings, fps: Fraction, film: Film, *, chooses: bool
) -> tuple[_Look | None, str]:
    """Load the page in a host; return None if it cannot be filmed there, and why if the plan chooses the way of capture."""
    try:
        seen = await _twice(partial(look, msgspec.structs.replace(page, capture_mode="canvas"), fps, film=film))
    except (ProjectError, BrowserError) as error:
        if not chooses or isinstance(error, PageTimeoutError):
            raise
        return None, error.message
    return (None, seen.unlike) if seen is not None and seen.unlike else (seen, "")


async def _in_top_window(look: Callable[[], Awaitable[_Look | None]]) -> _Look:
    seen = await _twice(look)
    assert seen is not None  # only a hosted page can fail to be filmed
    return seen


async def _twice(look: Callable[[], Awaitable[_Look | None]]) -> _Look | None:
    try:
        return await look()
    except (BrowserCrashError, CaptureError):
        return await look()


async def _look(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    *,
    options: RenderConfig,
    clock: StageClock,
    recorder: Recorder,
    sources: Sources,
    last: bool,
    listen: bool,
    film: Film | None,
    compared: Compared,
    chosen: bool = False,
) -> _Look | None:
    """Load the page and go through its timeline; return None if it is hosted, has its size and rate, and cannot be filmed.

    ``chosen`` is true if the plan captures in the mode of ``page``.

    Raises
    ------
    UnsupportedFeatureError
        If the plan chooses the mode, and the page is hosted and has content that a canvas draws wrong.
    """

    def enter(chromium: Chromium) -> AbstractAsyncContextManager[PageSession]:
        return open_page(chromium, files, page, fps, recorder, reads_text=True)

    async with browser_thread().pool.opened(page.capture_mode, None, enter, scale=page.scale) as (session, warm):
        if film is None:
            await session.debug()
        typefaces = Typefaces(session)
        session.look_into_videos(sources.shapes)
        session.look_into_sounds(sources.durations)
        loaded = await session.load(entry)
        report = await session.report()
        media, sounds = await _told_media(session)
        durations = await resolve_durations(session, media, sources)
        if durations:
            report = await session.report()
            media, sounds = await _told_media(session)
        rate, _ = _rate(report.fps, options)
        fits = (*_size(report, options), rate) == (page.width, page.height, fps)
        visits = _visits(report, rate, options) if fits or last else ()
        began = time.perf_counter()
        on: dict[int, frozenset[str]] | None = {} if any(medium.auto for medium in media) else None
        may = not chosen and _may_be_canvas(report, page, rate, visits, options, compared)
        canvas = await _for_canvas(session, visits, options) if may else None
        # A film is captured as the page was planned, so not if the plan may say otherwise.
        usable = fits and (canvas is None or session.hosted) and _has_frames(report)
        taken, unlike_hdr = range(0), set[str]()
        if film is not None and usable and can_be_filmed(session, loaded, media, recorder, film):
            taken = await film.begin(session.settings, options, rate, frame_count(report.duration, rate))
        if not taken:
            if session.hosted and (fits or last):
                return None
            film = None
        trial = None
        if film is not None and session.hosted and options.capture == "auto" and compared != "yes":
            known = msgspec.structs.replace(page, gives_up=loaded.gives_up, durations=durations)
            trial = FilmTrial(opening_beside(session, entry, known), len(taken), math.prod(page.pixels))
        swept, filmed, unlike = await _walk(
            session, report, visits, rate, loaded, typefaces, on, canvas, unlike_hdr, film, taken, trial
        )
        media, sounds, late = await _media_at_end(session, media, sounds, sources, durations)
        scenes: dict[str, range] = {}
        volumes: Volumes = {}
        if (fits or last) and 0 < report.duration < math.inf:
            heard = audible(media, sources) if listen else ()
            scenes, volumes = await _scenes_and_volumes(session, report, rate, media, heard, on or {}, bool(visits))
            if scenes or volumes:
                await session.drain(PATIENCE, loaded.abandoned)
        clock.move("probe", "capture" if filmed else "sweep", time.perf_counter() - began)
        await session.finish()
        sight = await session.sight()
        filmed &= film is not None and not (late or (recorder.used and not film.fetches) or unlike)
        if film is not None and filmed:
            await film.end(session, warm=warm)
        uses = await typefaces.finish() if fits or last else ()
        return _Look(
            report=report,
            loaded=loaded,
            sweep=swept,
            sight=sight,
            uses=uses,
            lacking=typefaces.lacking,
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
            unlike=unlike,
        )


async def _for_canvas(session: PageSession, visits: tuple[int, ...], options: RenderConfig) -> ForCanvas:
    canvas = ForCanvas(Samples(visits[-1] + 1 if visits else 1), strips=await session.is_simple())
    if not session.hosted:
        return canvas
    if options.capture == "auto":
        canvas.unfit.update(await session.unfit())
        if canvas.unfit:
            raise UnsupportedFeatureError(canvas.unlike, features=sorted(canvas.unfit))
    if canvas.strips:
        await session.draw_in_strips()
    return canvas


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


def _may_be_canvas(
    report: Report,
    page: PageSettings,
    fps: Fraction,
    visits: tuple[int, ...],
    options: RenderConfig,
    compared: Compared,
) -> bool:
    """Return true if the plan may choose a capture from a canvas, so that the page has to be looked at."""
    frames = frame_count(report.duration, fps) if visits else 0
    chooses = options.may_choose_canvas and not page.transparent
    return options.capture == "canvas" or (chooses and may_be_worth_it(frames, math.prod(page.pixels), compared))


async def _told_media(session: PageSession) -> tuple[tuple[ToldMedium, ...], ToldSounds]:
    """Return the videos and sounds of the page, and what is said of all sounds together."""
    sounds = await session.told_sounds()
    return (*await session.told_videos(), *sounds.sounds), sounds


def _visits(report: Report, fps: Fraction, options: RenderConfig) -> tuple[int, ...]:
    """Return the frames that a sweep visits of a page that a video can be made of.

    Raises
    ------
    InvalidConfigError
        If the format cannot have such a video.
    """
    if not _has_frames(report):
        return ()
    frames = frame_count(report.duration, fps)
    width, height = (int(side) for side in _size(report, options))
    if min(width, height) >= MIN_SIDE:  # else an error that is raised when the page is closed
        scale = options.scale_for(width, height)
        options.require_video(frames, int(scale * width), int(scale * height))
    return frames_to_sweep(frames, options.sweep, _starts(report, fps))


def _has_frames(report: Report) -> bool:
    """Return false for pages of which an error is raised when they are closed."""
    return not report.unsupported and report.duration > 0


def _starts(report: Report, fps: Fraction) -> set[int]:
    """Return the first frames of clips."""
    return {first_frame(clip.start, fps) for clip in report.clips}


async def _walk(
    session: PageSession,
    report: Report,
    visits: tuple[int, ...],
    fps: Fraction,
    loaded: Loaded,
    typefaces: Typefaces,
    on: dict[int, frozenset[str]] | None,
    canvas: ForCanvas | None,
    unlike_hdr: set[str],
    film: Film | None,
    taken: range,
    trial: FilmTrial | None,
) -> tuple[Sweep, bool, str]:
    """Go through the timeline; return a record of it, true if the pictures were taken, and why they are not as planned."""
    whole = {*drawn_frames(visits), *_starts(report, fps)}
    if film is None:
        return await sweep_page(session, visits, loaded, typefaces, whole, on, canvas, unlike_hdr), False, ""

    async def look(frame: int) -> None:
        if canvas is not None and frame in whole:
            canvas.unfit.update(await session.unfit())

    async with contextlib.nullcontext() if trial is None else trial:
        see = None if trial is None else trial.see
        swept, alone = await film_page(session, taken, loaded, typefaces, film, whole, look, see)
        unlike = ""
        if trial is not None and alone:
            unlike = (canvas.unlike if canvas else "") or await trial.why_not()
    return swept, alone, unlike


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _variable_warnings(report: Report, options: RenderConfig) -> list[str]:
    problems = list(report.variable_problems)
    if problems and options.strict_variables:
        raise VariableError("; ".join(problems), problems=problems)
    return problems


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
            raise InvalidConfigError(f"{what} is {value}; it must be from {MIN_SIDE} to {MAX_SIDE} pixels", field=field)
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


def _rate(declared: str | None, options: RenderConfig) -> tuple[Fraction, list[str]]:
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


def _timeline(report: Report) -> Timeline:
    return Timeline(
        composition_id=report.composition_id,
        duration=report.duration,
        duration_source=report.source,
        clips=report.clips,
        timelines=tuple(sorted(report.timelines)),
        adapters=report.adapters,
    )


def _timeline_warnings(loaded: Loaded, report: Report) -> list[str]:
    if not loaded.missing:
        return []
    names = ", ".join(loaded.missing)
    what = f"no script registered a timeline for {names}"
    if loaded.pending:
        what += f" while the page was waited for, with {', '.join(loaded.pending)} still pending"
    sooner = "register it sooner, or raise load_timeout; " if loaded.pending else ""
    if report.duration <= 0:
        raise TimelineError(
            f"{what}, and without data-duration on the root the length of the video depends on it: {sooner}"
            f"register window.__timelines[{loaded.missing[0]!r}], or declare data-duration and data-no-timeline",
            missing=loaded.missing,
        )
    return [f"{what}; {sooner}add data-no-timeline if no timeline is intended"]
