"""Probe a composition in a browser, once, during planning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import msgspec
from msgspec import Struct

from hfdask.browser.answers import Report
from hfdask.browser.loading import Loaded
from hfdask.browser.page_videos import PageVideos
from hfdask.config import RenderConfig
from hfdask.core.frames import frame_count, parse_fps
from hfdask.core.model import CaptureMode, FontSet, PageParts, PageSettings, Resource, Sweep, Timeline
from hfdask.core.observer import StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.video_clip import VideoClip
from hfdask.errors import (
    PageTimeoutError,
    TimelineError,
    VariableError,
)
from hfdask.fonts.configuration import plan_font_set
from hfdask.network.record import Recorder
from hfdask.planning.film import Film
from hfdask.planning.fitness import (
    Compared,
    Opening,
    is_worth_it,
    may_be_worth_it,
    opening,
    why_not_canvas,
    why_not_canvas_with_videos,
)
from hfdask.planning.font_usage import absent_families, faces_of, missing_canonical, require_own, spare_face
from hfdask.planning.glyphs import glyph_warnings, require_glyphs
from hfdask.planning.hdr import hdr_warnings
from hfdask.planning.look import Look, Looking, rate_of
from hfdask.planning.sounds import Sounding, resolve_sounds
from hfdask.planning.sources import FoundVideo, Sources
from hfdask.planning.videos import page_videos, resolve_clips


class Probe(Struct, frozen=True):
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
            looking = Looking(
                files=files,
                entry=entry,
                options=options,
                clock=clock,
                recorder=recorder,
                sources=sources,
                listen=listen,
                compared=compared,
            )
            try:
                seen, page, fps, unlike = await looking.look(page, fps, film, hosted=hosted)
            except PageTimeoutError:
                if film is None:
                    raise
                # A film has no debugger. With one, the error names the script that still runs.
                seen, page, fps, unlike = await looking.look(page, fps, None, hosted=False)
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
        *rate_of(report.fps, options)[1],
        *_timeline_warnings(loaded, report),
        *missing_canonical(faces, world),
        *absent_families(seen.uses, seen.declared, world),
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
    seen: Look,
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


def _may_choose(page: PageSettings, seen: Look, videos: PageVideos, compared: Compared) -> bool:
    if page.capture_mode != "beginframe" or not seen.sweep.frames:
        return page.capture_mode == "canvas"
    frames = frame_count(seen.report.duration, videos.fps)
    if compared != "no":
        return may_be_worth_it(frames, math.prod(page.pixels), compared)
    return is_worth_it(seen.sweep, frames, math.prod(page.pixels), videos.shown(frames))


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _variable_warnings(report: Report, options: RenderConfig) -> list[str]:
    problems = list(report.variable_problems)
    if problems and options.strict_variables:
        raise VariableError("; ".join(problems), problems=problems)
    return problems


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
