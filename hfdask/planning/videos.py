"""Find the source videos of a page while planning, probe each once, and resolve the clips that play them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import msgspec
import numpy as np

from hfdask.browser.answers import ToldMedium, UnknownMedium
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import VideoShape
from hfdask.core.frames import frame_time
from hfdask.core.video_clip import RatePoint, VideoClip, exact, natural_length
from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.errors import AssetError, HfdaskError, MediaStartError, ScriptError, UnsupportedFeatureError, VideoClipError
from hfdask.media.probe import probe_video
from hfdask.media.video_reader import VideoReader
from hfdask.network.messages import Request, redact
from hfdask.network.record import Recorder

PROBES = 4
"""Source videos that are probed at a time."""

LOOKS_A_SECOND = 10
"""Frames a second to visit, to find when the scene of a video without a start can be seen."""

HELD = Fraction(1, 20)
"""Seconds. If the last frame stays for at most this, there is no warning."""

SPARSE = 2
"""Seconds. With a longer time between key frames, a source is slow to render."""

_REDIRECTS = 5
_OFTEN_OPAQUE = ("vp8", "vp9", "prores")
_SAMPLED = 3  # frames to decode of a source that is marked as transparent


@dataclass(frozen=True)
class FoundVideo:
    """A source video: its path in the project, or the key of its recorded response, and its properties and frames."""

    name: str
    file: str | None
    key: str | None
    source: VideoSource
    index: FrameIndex
    opaque: bool


class Sources:
    """The source videos of one planning. Each is probed once, even if the page is loaded several times.

    Parameters
    ----------
    files : mapping of str to Path
        Files of the project.
    recorder : Recorder
        Fetches source videos of other sites, within its limits.
    folder : Path
        An empty folder for the fetched videos.
    """

    def __init__(self, files: Mapping[str, Path], recorder: Recorder, folder: Path) -> None:
        self._files = files
        self._recorder = recorder
        self._folder = folder
        self._found: dict[str, FoundVideo | HfdaskError] = {}
        self._at_a_time = asyncio.Semaphore(PROBES)

    async def look_into(self, videos: Iterable[ToldMedium | UnknownMedium]) -> None:
        """Probe the sources of these videos. An error is kept until a video that shows needs the source."""
        new = {_place(video): video for video in videos if _place(video) not in self._found}
        found = await asyncio.gather(*map(self._look, new.values()))
        self._found.update(zip(new, found, strict=True))

    async def shapes(self, videos: Sequence[UnknownMedium]) -> dict[str, VideoShape | None]:
        """Return the shapes of the videos of a page that loads, by render id; None if a source cannot be used."""
        await self.look_into(videos)
        return {video.id: _shape(self.known(video)) for video in videos}

    def known(self, video: ToldMedium | UnknownMedium) -> FoundVideo | None:
        """Return the source of a video, or None if it cannot be used."""
        found = self._found.get(_place(video))
        return found if isinstance(found, FoundVideo) else None

    def require(self, video: ToldMedium) -> FoundVideo:
        """Return the source of a video that shows.

        Raises
        ------
        AssetError, VideoReadError, UnsupportedFeatureError
            If it cannot be used.
        """
        found = self._found[_place(video)]
        if isinstance(found, FoundVideo):
            return found
        raise type(found)(f"{video.element}: {found.message}", **found.details)

    async def _look(self, video: ToldMedium | UnknownMedium) -> FoundVideo | HfdaskError:
        async with self._at_a_time:
            try:
                name, path, key = await self._get(video)
                return await asyncio.to_thread(_read, name, path, video.file if key is None else None, key)
            except HfdaskError as error:
                return error

    async def _get(self, video: ToldMedium | UnknownMedium) -> tuple[str, Path, str | None]:
        """Return the name of a source, its local file, and the key of its response if it was fetched."""
        if video.file is not None:
            if video.file not in self._files:
                raise AssetError(
                    f"its source {video.file} is not in the project; add the file, or correct the path", path=video.file
                )
            return video.file, self._files[video.file], None
        if not video.url.startswith(("http://", "https://")):
            scheme = video.url.partition(":")[0]
            raise UnsupportedFeatureError(
                f"a source with a {scheme}: URL cannot be rendered; put the video into a file of the project",
                features=[f"{scheme}: video"],
            )
        return await self._fetch(urldefrag(video.url).url)

    async def _fetch(self, url: str) -> tuple[str, Path, str]:
        name = redact(url)
        for _ in range(_REDIRECTS):
            request = Request("GET", url, "media")
            try:
                answer = await self._recorder.answer(request)
            except AssetError as error:
                raise type(error)(f"its source {name} could not be fetched: {error.message}", url=name) from error
            if answer.status not in (303, 307):
                break
            url = urljoin(url, answer.headers["location"])
        if not 200 <= answer.status < 300:
            raise AssetError(f"its source {name} could not be fetched: the server answered {answer.status}", url=name)
        path = self._folder / request.key
        path.write_bytes(answer.body)
        return name, path, request.key


def _shape(found: FoundVideo | None) -> VideoShape | None:
    if found is None:
        return None
    width, height = found.source.natural_size
    return VideoShape(width, height, float(found.source.playable.fraction), 0)


def _place(video: ToldMedium | UnknownMedium) -> str:
    return video.url if video.file is None else video.file


def _read(name: str, path: Path, file: str | None, key: str | None) -> FoundVideo:
    try:
        source, index = probe_video(path)
        opaque = source.alpha and source.codec in _OFTEN_OPAQUE and _is_opaque(path, source, index)
    except HfdaskError as error:  # its message has the path of the local file, which authors do not know
        details = {**error.details, "path": name}
        raise type(error)(error.message.replace(str(path), name), **details) from error
    return FoundVideo(name, file, key, source, index, opaque)


def _is_opaque(path: Path, source: VideoSource, index: FrameIndex) -> bool:
    with VideoReader(path, source, index) as reader:
        return all(
            bool(np.all(reader.frame(number).to_ndarray(format="rgba")[..., 3] == 255))
            for number in range(min(_SAMPLED, len(index)))
        )


async def resolve_durations(session: PageSession, videos: Sequence[ToldMedium], sources: Sources) -> dict[str, float]:
    """Probe the sources of a page, and pass it their durations, because times of other clips may depend on them."""
    await sources.look_into(videos)
    known = {video.id: found for video in videos if (found := sources.known(video))}
    durations = {name: float(found.source.playable.fraction) for name, found in known.items()}
    if durations:
        await session.know_durations(durations)
    return durations


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


def changed_videos(before: Sequence[ToldMedium], after: Sequence[ToldMedium]) -> tuple[list[ToldMedium], list[str]]:
    """Return the videos that scripts added while frames were visited, and warnings about videos that were changed."""
    known = {video.id: video for video in before}
    new = [video for video in after if video.id not in known]
    warnings = [
        f"a script changes what {video.element} plays, or when, after the page was ready; the change has no effect"
        for video in after
        if video.id in known and video != known[video.id]
    ]
    return new, warnings


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
        told = _within_scene(video, windows, fps)
        if told is None or not told.shows:
            continue
        source = sources.require(told)
        if source.name not in numbers:
            numbers[source.name] = len(found)
            found.append(source)
        clip = _clip(told, numbers[source.name])
        clips.append(clip)
        warnings += _clip_warnings(told, clip, source)
    return tuple(found), tuple(clips), [*warnings, *(text for each in found for text in _source_warnings(each))]


def _within_scene(video: ToldMedium, windows: Mapping[str, range], fps: Fraction) -> ToldMedium | None:
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
    if video.start is None or video.end is None or video.origin is None or video.pace is None:
        raise ScriptError(f"the window of {video.element} is not in seconds; correct its data-start and data-duration")
    return VideoClip(
        id=video.id,
        video=number,
        start=video.start,
        end=video.end,
        origin=video.origin,
        pace=video.pace,
        media_start=video.media_start,
        rate=video.rate,
        ramp=tuple(RatePoint(t=point.t, v=point.v, curve=point.curve, via=point.via) for point in video.ramp),
        loop=video.loop,
        muted=video.muted,
    )


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
    if found.source.sound and not video.muted and video.declares_sound:
        warnings.append(f"{video.element}: the sound of {found.name} is left out, because videos have no sound yet")
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
