"""Find when the source videos of a page show while planning, and resolve the clips that play them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec

from hfdask.browser.answers import ToldMedium
from hfdask.browser.page_videos import LocalVideo, PageVideos
from hfdask.browser.session import PageSession
from hfdask.core.frames import frame_time
from hfdask.core.video_clip import RatePoint, VideoClip, exact, natural_length
from hfdask.errors import MediaStartError, ScriptError, VideoClipError
from hfdask.planning.sources import FoundVideo, Sources

LOOKS_A_SECOND = 10
"""Frames a second to visit, to find when the scene of a video without a start can be seen."""

HELD = Fraction(1, 20)
"""Seconds. If a source is shorter than its clip by at most this, there is no warning."""

SPARSE = 2
"""Seconds. With a longer time between key frames, a source is slow to render."""


async def scene_windows(
    session: PageSession, videos: Sequence[ToldMedium], seen: Mapping[int, Collection[str]], frames: int, fps: Fraction
) -> dict[str, range]:
    """Find the frames in which the scene of each video without a start can be seen (docs/compositions.md, 9.2).

    ``seen`` has, for each frame that was visited before, the videos whose scene could be seen. If a scene could not be
    seen in some of these frames, the timeline is visited in steps of a tenth of a second. Then frames between two steps
    are visited, until the first and last frame of each scene are found.
    """
    wanted = {video.id for video in videos if video.auto}
    looks = {frame: set(ids) for frame, ids in seen.items()}

    async def look(frame: int) -> set[str]:
        if frame not in looks:
            async with session.deadline_for_frame(frame):
                await session.seek(frame)
            looks[frame] = set(await session.scenes_on())
        return looks[frame]

    async def edge(name: str, off: int, on: int) -> int:
        """Return the frame nearest to ``off`` in which the video's scene can be seen, searching from ``on``."""
        while abs(on - off) > 1:
            middle = (on + off) // 2
            on, off = (middle, off) if name in await look(middle) else (on, middle)
        return on

    if wanted and not ({0, frames - 1} <= looks.keys() and all(wanted <= ids for ids in looks.values())):
        for frame in {*range(0, frames, max(1, math.floor(fps / LOOKS_A_SECOND))), frames - 1}:
            await look(frame)
    windows = {}
    visited = sorted(looks)
    for name in sorted(wanted):
        on = [frame for frame in visited if name in looks[frame]]
        if on:
            before = max((frame for frame in visited if frame < on[0]), default=on[0] - 1)
            after = min((frame for frame in visited if frame > on[-1]), default=on[-1] + 1)
            windows[name] = range(await edge(name, before, on[0]), await edge(name, after, on[-1]) + 1)
    return windows


def changed_media(before: Sequence[ToldMedium], after: Sequence[ToldMedium]) -> tuple[list[ToldMedium], list[str]]:
    """Return the media that scripts added while frames were visited, and warnings about media that were changed."""
    known = {medium.id: _as_declared(medium) for medium in before}
    new = [medium for medium in after if medium.id not in known]
    warnings = [
        f"a script changes what {medium.element} plays, or when, after the page was ready; the change has no effect"
        for medium in after
        if medium.id in known and _as_declared(medium) != known[medium.id]
    ]
    return new, warnings


def _as_declared(medium: ToldMedium) -> ToldMedium:
    return msgspec.structs.replace(medium, sound=msgspec.structs.replace(medium.sound, is_read=False))


def resolve_clips(
    videos: Sequence[ToldMedium], windows: Mapping[str, range], sources: Sources, fps: Fraction
) -> tuple[tuple[FoundVideo, ...], tuple[VideoClip, ...], list[str]]:
    """Return the source videos that show, their clips, and warnings.

    Raises
    ------
    VideoClipError, MediaStartError, ScriptError, AssetError, UnsupportedFeatureError
    """
    numbers: dict[str, int] = {}
    found: list[FoundVideo] = []
    clips: list[VideoClip] = []
    warnings: list[str] = []
    for video in videos:
        told = within_scene(video, windows, fps)
        if told is None or not told.shows:
            continue
        source = sources.require_video(told)
        if source.name not in numbers:
            numbers[source.name] = len(found)
            found.append(source)
        clip = _clip(told, numbers[source.name])
        clips.append(clip)
        warnings += _clip_warnings(told, clip, source)
    return tuple(found), tuple(clips), [*warnings, *(text for each in found for text in _source_warnings(each))]


def page_videos(
    found: Sequence[FoundVideo], clips: tuple[VideoClip, ...], sources: Sources, fps: Fraction
) -> PageVideos:
    """Return the videos of a page with the pictures of all its frames."""
    local = {number: LocalVideo(sources.path(each), each.index) for number, each in enumerate(found)}
    return PageVideos(fps, clips, tuple(each.source for each in found), local)


def within_scene(video: ToldMedium, windows: Mapping[str, range], fps: Fraction) -> ToldMedium | None:
    """Let a video without a start begin and end with its scene. Return None if the scene never shows."""
    if not video.auto:
        return video
    if video.id not in windows:
        return None
    start, end = (frame_time(frame, fps) for frame in (windows[video.id].start, windows[video.id].stop))
    return msgspec.structs.replace(video, start=start, end=end, origin=start)


def _clip(video: ToldMedium, number: int) -> VideoClip:
    if video.problem:
        raise VideoClipError(f"{video.element}: {video.problem}", element=video.element)
    return VideoClip(id=video.id, video=number, **times_of(video), loop=video.loop, muted=video.muted)


def times_of(medium: ToldMedium) -> dict[str, Any]:
    """Return the fields that say when a medium plays which part of its source.

    Raises
    ------
    ScriptError
    """
    if medium.start is None or medium.end is None or medium.origin is None or medium.pace is None:
        raise ScriptError(f"the window of {medium.element} is not in seconds; correct its data-start and data-duration")
    return {
        "start": medium.start,
        "end": medium.end,
        "origin": medium.origin,
        "pace": medium.pace,
        "media_start": medium.media_start,
        "rate": medium.rate,
        "ramp": tuple(RatePoint(t=point.t, v=point.v, curve=point.curve, via=point.via) for point in medium.ramp),
    }


def _clip_warnings(video: ToldMedium, clip: VideoClip, found: FoundVideo) -> list[str]:
    warnings = []
    playable = found.source.playable.fraction
    natural = natural_length(clip.media_start, clip.rate, clip.ramp, 1.0, playable)
    if exact(clip.media_start) >= playable:
        what = f"{video.element} begins at {clip.media_start:g} s of {found.name}, which ends at {float(playable):g} s"
        if clip.loop or video.slot is None:
            raise MediaStartError(
                f"{what}; set an earlier data-media-start, or a data-duration to show its last frame",
                element=video.element,
                media_start=clip.media_start,
                duration=float(playable),
            )
        warnings.append(f"{what}; its last frame is shown")
    elif not clip.loop and video.slot is not None and exact(shown := _shown(clip, video.slot)) > natural + HELD:
        warnings.append(
            f"{video.element} is shown for {shown:g} s, but {found.name} lasts only {float(natural):g} s from its in-point; "
            "its last frame stays"
        )
    return warnings


def _shown(clip: VideoClip, slot: float) -> float:
    """Return how many of its own seconds a clip is shown. Its window may end before its declared length."""
    return min(slot, (clip.end - clip.origin) * clip.pace)


def _source_warnings(found: FoundVideo) -> list[str]:
    source, index = found.source, found.index
    warnings = []
    if source.variable:
        warnings.append(f"{found.name} has frames at uneven distances; each is shown from its own time on")
    keys = [index.time(key.frame) for key in index.keys]
    gap = max(later - earlier for earlier, later in pairwise([*keys, max(keys[-1], source.playable.fraction)]))
    if gap > SPARSE and len(index) > 1:
        warnings.append(
            f"{found.name} has up to {float(gap):.3g} s between key frames, so a chunk may decode many frames before its first "
            "one; encode the video with one key frame a second"
        )
    if found.opaque:
        warnings.append(f"{found.name} is marked as transparent, but its first frames are opaque")
    return warnings
