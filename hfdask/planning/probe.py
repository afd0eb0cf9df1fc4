"""Probe a composition in a browser, once, during planning."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import msgspec

from hfdask.browser import browser_thread
from hfdask.browser.answers import Lacking, Report, ToldMedium, ToldSounds
from hfdask.browser.capture import picture
from hfdask.browser.chromium import Chromium
from hfdask.browser.session import Loaded, PageSession, open_page
from hfdask.config import RenderConfig
from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.frames import MIN_AUTO_CHUNK_FRAMES, frame_count, parse_fps
from hfdask.core.model import CaptureMode, FontSet, PageParts, PageSettings, Resource, Sweep, Timeline
from hfdask.core.observer import StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.video_clip import VideoClip
from hfdask.errors import (
    BrowserCrashError,
    CaptureError,
    InvalidConfigError,
    TimelineError,
    UnsupportedFeatureError,
    VariableError,
)
from hfdask.fonts.configuration import FontSetup, plan_font_set, plan_fonts
from hfdask.fonts.fontconfig import Face
from hfdask.network.record import Recorder
from hfdask.planning.canvas import DEFAULT_FPS, DEFAULT_SIZE, SIDES
from hfdask.planning.film import PATIENCE, Film, can_be_filmed, film_page
from hfdask.planning.fitness import LEAST_MOVING, frames_to_compare, is_worth_it, why_not_canvas
from hfdask.planning.font_usage import Typefaces, Use, faces_of, missing_canonical, require_own, spare_face
from hfdask.planning.glyphs import glyph_warnings, require_glyphs
from hfdask.planning.sounds import Sounding, Volumes, audible, read_volumes, resolve_sounds
from hfdask.planning.sources import FoundVideo, Sources, resolve_durations
from hfdask.planning.videos import changed_media, resolve_clips, scene_windows

MAX_SWEPT = 90
"""Number of frames that a sweep visits by default; in longer videos, evenly spread, and also the first of each clip."""
MAX_DRAWN = 15
"""Number of frames of a sweep that are also drawn."""
PICTURED = MIN_AUTO_CHUNK_FRAMES
"""Frames for each picture that is taken of videos of more than `MAX_SWEPT` frames: the shortest chunk has about one."""


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


@dataclass(frozen=True)
class _Look:
    """Results of one load; ``fits`` is true if the page had been loaded with its size and rate."""

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
    unfit: tuple[str, ...]
    messages: list[str]
    world: FontSetup
    fits: bool


async def probe(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    options: RenderConfig,
    clock: StageClock,
    *,
    listen: bool = True,
    film: Film | None = None,
) -> Probe:
    """Load the page, and again if its size or rate is not the assumed one, since layout depends on both.

    ``page`` and ``fps`` have what is assumed. Without ``listen``, its sound does not matter.

    Then go through its timeline in the same page. A ``film`` gets all pictures, if a chunk would have the same ones; its
    ``end`` is called then. A browser that dies is replaced once, because nothing else retries planning.
    """
    fps = fps if options.fps is None else parse_fps(options.fps)
    with scratch_subfolder("videos") as folder:
        async with Recorder(options.allow_hosts, options.replace_urls) as recorder:
            sources = Sources(files, recorder, folder)
            seen, page, fps = await _looks(
                files, entry, page, fps, options, clock, recorder, sources, listen=listen, film=film
            )
            page = msgspec.structs.replace(page, gives_up=seen.loaded.gives_up, durations=seen.durations)
            mode, told = await _way(files, entry, page, fps, options, recorder, seen)
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
    videos, clips, video_warnings = resolve_clips(
        [medium for medium in seen.media if medium.tag == "video"], seen.scenes, sources, fps
    )
    warnings += [*seen.late, *video_warnings]
    if options.capture == "canvas":
        warnings += [
            f"captured from a canvas, {what} may be drawn wrong: use capture='beginframe'" for what in seen.unfit
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
        page=msgspec.structs.replace(page, capture_mode=mode),
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
    )


async def _way(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    options: RenderConfig,
    recorder: Recorder,
    seen: _Look,
) -> tuple[CaptureMode, list[str]]:
    """Return the plan's way of capture, and the reason if it was chosen for this page."""
    if options.capture == "canvas":
        return "canvas", []
    if options.capture != "auto" or not _may_choose(page, seen, fps):
        return page.capture_mode, []
    if seen.unfit:
        why = f"a canvas would draw {seen.unfit[0]} wrong"
    elif any(medium.tag == "video" for medium in seen.media):
        why = "it has videos"
    else:
        why = await why_not_canvas(files, entry, page, fps, recorder, frames_to_compare(seen.sweep))
    if why:
        return page.capture_mode, [f"not captured from a canvas: {why}"]
    return "canvas", ["captured from a canvas: some frames look as in the browser's own pictures"]


def _may_choose(page: PageSettings, seen: _Look, fps: Fraction) -> bool:
    if page.capture_mode != "beginframe" or not any(seen.sweep.moved):
        return False
    return is_worth_it(seen.sweep, frame_count(seen.report.duration, fps))


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
) -> tuple[_Look, PageSettings, Fraction]:
    for attempt in range(2):
        last = bool(attempt)
        look = partial(
            _look, files, entry, page, fps, options, clock, recorder, sources, last=last, listen=listen, film=film
        )
        try:
            seen = await look()
        except (BrowserCrashError, CaptureError):
            seen = await look()
        page, fps = _canvas(seen.report, page, options), _rate(seen.report.fps, options)[0]
        if seen.fits:
            break
    return seen, page, fps


async def _look(
    files: Mapping[str, Path],
    entry: str,
    page: PageSettings,
    fps: Fraction,
    options: RenderConfig,
    clock: StageClock,
    recorder: Recorder,
    sources: Sources,
    *,
    last: bool,
    listen: bool,
    film: Film | None,
) -> _Look:
    def enter(chromium: Chromium) -> AbstractAsyncContextManager[PageSession]:
        return open_page(chromium, files, page, fps, recorder)

    async with browser_thread().pool.opened(page.capture_mode, None, enter) as (session, warm):
        await session.debug()
        typefaces = Typefaces(session)
        await typefaces.begin()
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
        visits = _visits(report, rate, options.sweep) if fits or last else ()
        began = time.perf_counter()
        on: dict[int, frozenset[str]] | None = {} if any(medium.auto for medium in media) else None
        unfit = set[str]() if _may_be_canvas(report, rate, visits, options) else None
        # A film is captured as the page was planned, so not if the plan may say otherwise.
        filmable = fits and unfit is None and can_be_filmed(session, loaded, media, recorder)
        swept, filmed = await _walk(
            session, report, visits, rate, options, loaded, media, typefaces, on, unfit, film, filmable=filmable
        )
        after, _ = await _told_media(session)
        new, late = changed_media(media, after)
        if new:
            durations |= await resolve_durations(session, new, sources)
            added = {medium.id for medium in new}
            after, sounds = await _told_media(session)
            media = (*media, *(medium for medium in after if medium.id in added))
        scenes: dict[str, range] = {}
        volumes: Volumes = {}
        if (fits or last) and 0 < report.duration < math.inf:
            frames = frame_count(report.duration, rate)
            if any(medium.auto for medium in media):
                scenes = await scene_windows(session, media, on or {}, frames, rate)
            if listen and (heard := audible(media, sources)):
                unvisited = () if visits else frames_to_sweep(frames, None)
                volumes = await read_volumes(session, heard, scenes, frames, rate, unvisited)
            if scenes or volumes:
                await session.drain(PATIENCE, loaded.abandoned)
        clock.move("probe", "capture" if filmed else "sweep", time.perf_counter() - began)
        await session.finish()
        sight = await session.sight()
        if film is not None and filmed and not (late or recorder.used):
            await film.end(session, warm=warm)
        uses = await typefaces.finish() if fits or last else ()
        world, messages = session.chromium.fonts, session.log.messages
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
            unfit=tuple(sorted(unfit or ())),
            messages=messages,
            world=world,
            fits=fits,
        )


def _may_be_canvas(report: Report, fps: Fraction, visits: tuple[int, ...], options: RenderConfig) -> bool:
    """Return true if the plan may choose a capture from a canvas, so that the page has to be looked at."""
    long = bool(visits) and frame_count(report.duration, fps) >= LEAST_MOVING
    return options.capture == "canvas" or (options.capture == "auto" and long)


async def _told_media(session: PageSession) -> tuple[tuple[ToldMedium, ...], ToldSounds]:
    """Return the videos and sounds of the page, and what is said of all sounds together."""
    sounds = await session.told_sounds()
    return (*await session.told_videos(), *sounds.sounds), sounds


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


def _visits(report: Report, fps: Fraction, step: int | None) -> tuple[int, ...]:
    if not _has_frames(report):
        return ()
    return frames_to_sweep(frame_count(report.duration, fps), step, _starts(report, fps))


def _has_frames(report: Report) -> bool:
    """Return false for pages of which an error is raised when they are closed."""
    return not report.unsupported and report.duration > 0


def _starts(report: Report, fps: Fraction) -> set[int]:
    """Return the first frames of clips."""
    return {math.ceil(Fraction(clip.start) * fps - Fraction(1, 10**6)) for clip in report.clips}


async def _walk(
    session: PageSession,
    report: Report,
    visits: tuple[int, ...],
    fps: Fraction,
    options: RenderConfig,
    loaded: Loaded,
    media: Iterable[ToldMedium],
    typefaces: Typefaces,
    on: dict[int, frozenset[str]] | None,
    unfit: set[str] | None,
    film: Film | None,
    *,
    filmable: bool,
) -> tuple[Sweep, bool]:
    """Go through the timeline; return a record of it, and true if the pictures were taken and can be used."""
    if film is not None and filmable and _has_frames(report):
        taken = await film.begin(session.settings, options, fps, frame_count(report.duration, fps))
        if taken:
            return await film_page(session, taken, loaded, typefaces, film)
    await typefaces.look()
    world = session.chromium.fonts
    faces = faces_of(typefaces.uses, world)
    # The browsers of chunks are known by now, if text has shown its fonts, and neither a canvas nor a video needs a profile.
    if film is not None and visits and faces and unfit is None and all(medium.tag != "video" for medium in media):
        fonts = await asyncio.to_thread(_fonts_of, faces, world)
        await film.decline(session.settings, options, frame_count(report.duration, fps), fonts)
    return await _sweep(session, visits, loaded, typefaces, _starts(report, fps), on, unfit), False


def _fonts_of(faces: Iterable[Face], world: FontSetup) -> FontSetup:
    """Return the fonts of chunks if these are all faces."""
    return plan_fonts(*plan_font_set(world, faces))


async def _sweep(
    session: PageSession,
    frames: tuple[int, ...],
    loaded: Loaded,
    typefaces: Typefaces,
    starts: set[int],
    on: dict[int, frozenset[str]] | None,
    unfit: set[str] | None,
) -> Sweep:
    """Bring the page to each frame like a capture, so that it asks for everything that a chunk will ask for.

    Layout makes a page load what it shows, in a third of the time of drawing, so only some frames are drawn. All text
    is read for its fonts. If frames are skipped, this is only done at the drawn frames and at first frames of clips; at
    the others, only changed text is read. ``on`` gets the videos whose scene can be seen at each frame, and ``unfit`` what
    a capture from a canvas would draw wrong, unless they are None.

    The cost of frames follows from the sizes of pictures (`hfdask.planning.costs`). A picture takes 10 to 35 ms more than a
    drawing, and a short video gains nothing from that.
    """
    moved: list[bool] = []
    damage: list[bool | None] = []
    pictures: list[int | None] = []
    seconds: list[float] = []
    every = math.ceil(len(frames) / MAX_DRAWN) or 1
    spread = {*frames[::every], *frames[-1:]}
    every_frame = frames == tuple(range(len(frames)))
    draws = session.chromium.draws_on_request
    pictured = set(_pictured(sorted(spread))) if draws else set[int]()
    last = b""
    for frame in frames:
        began = time.perf_counter()
        async with session.deadline_for_frame(frame):
            moved.append(await session.seek(frame, layout=True))
            drawn = draws and frame in spread
            if frame in pictured:
                before, last = last, await picture(session)
                damage.append(last != before)
                pictures.append(len(last))
            else:
                damage.append((await session.begin_frame(screenshot=False))["hasDamage"] if drawn else None)
                pictures.append(None)
        seconds.append(round(time.perf_counter() - began, 5))
        if on is not None:
            on[frame] = await session.scenes_on()
        whole = frame in spread or frame in starts
        await typefaces.look(always=every_frame or whole)
        if unfit is not None and whole:
            unfit.update(await session.unfit())
        if session.in_flight:
            await session.drain(PATIENCE)
    if unfit is not None and not frames:
        unfit.update(await session.unfit())
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


def _pictured(drawn: list[int]) -> list[int]:
    """Return the drawn frames whose pictures are taken."""
    if not drawn or drawn[-1] < MAX_SWEPT:
        return []
    return sorted({*drawn[:: math.ceil(MAX_DRAWN * PICTURED / (drawn[-1] + 1))], drawn[-1]})


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
    return msgspec.structs.replace(page, width=int(width), height=int(height))


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
    """Return the frame rate and warnings: the option wins over the root's ``data-fps``."""
    if options.fps is not None:
        return parse_fps(options.fps), []
    if declared is None:
        return DEFAULT_FPS, []
    try:
        return parse_fps(declared), []
    except InvalidConfigError as error:
        return DEFAULT_FPS, [f"data-fps of the root is ignored: {error.message}"]


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
