"""The sources of a page's videos and sounds while planning: each is fetched and probed once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urldefrag, urljoin

import numpy as np

from hfdask.browser.answers import ToldMedium, UnknownMedium
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import VideoShape
from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.errors import AssetError, HfdaskError, MediaTypeError, UnsupportedFeatureError
from hfdask.media.probe import probe_video
from hfdask.media.video_reader import VideoReader
from hfdask.network.messages import Request, redact
from hfdask.network.record import Recorder
from hfdask.sound.probe import SoundFacts, probe_sound

PROBES = 4
"""Sources that are probed at a time."""

_REDIRECTS = 5
_OFTEN_OPAQUE = ("vp8", "vp9", "prores")
_SAMPLED = 3  # frames to decode of a source that is marked as transparent

Medium = ToldMedium | UnknownMedium


@dataclass(frozen=True)
class FoundFile:
    """A source: ``file`` is its path in the project, or ``key`` the key of its recorded response."""

    name: str
    file: str | None
    key: str | None


@dataclass(frozen=True)
class FoundVideo(FoundFile):
    """A source video, with its properties and frames."""

    source: VideoSource
    index: FrameIndex
    opaque: bool


@dataclass(frozen=True)
class FoundSound(FoundFile):
    """A source of an ``<audio>``, with the properties of its sound."""

    facts: SoundFacts


_Found = TypeVar("_Found", FoundVideo, FoundSound)


class Sources:
    """The sources of one planning. Each is probed once, even if the page is loaded several times.

    Parameters
    ----------
    files : mapping of str to Path
        Files of the project.
    recorder : Recorder
        Fetches sources of other sites, within its limits.
    folder : Path
        An empty folder for the fetched files.
    """

    def __init__(self, files: Mapping[str, Path], recorder: Recorder, folder: Path) -> None:
        self._files = files
        self._recorder = recorder
        self._folder = folder
        self._found: dict[tuple[str, str], FoundVideo | FoundSound | HfdaskError] = {}
        self._at_a_time = asyncio.Semaphore(PROBES)

    async def look_into(self, media: Iterable[Medium]) -> None:
        """Probe the sources of these media. An error is kept until a medium that is seen or heard needs the source."""
        new = {_place(medium): medium for medium in media if _place(medium) not in self._found}
        found = await asyncio.gather(*map(self._look, new.values()))
        self._found.update(zip(new, found, strict=True))

    async def shapes(self, videos: Sequence[UnknownMedium]) -> dict[str, VideoShape | None]:
        """Return the shapes of the videos of a page that loads, by render id; None if a source cannot be used."""
        await self.look_into(videos)
        return {video.id: _shape(self.video(video)) for video in videos}

    async def durations(self, media: Sequence[Medium]) -> dict[str, float | None]:
        """Return how many seconds the sources of media last, by render id; None if a source cannot be used."""
        await self.look_into(media)
        return {medium.id: self._duration(medium) for medium in media}

    def video(self, medium: Medium) -> FoundVideo | None:
        """Return the source of a ``<video>``, or None if it cannot be used."""
        return self._known(medium, FoundVideo)

    def sound(self, medium: Medium) -> FoundSound | None:
        """Return the source of an ``<audio>``, or None if it cannot be used."""
        return self._known(medium, FoundSound)

    def require_video(self, medium: ToldMedium) -> FoundVideo:
        """Return the source of a ``<video>`` that is seen or heard.

        Raises
        ------
        AssetError, VideoReadError, UnsupportedFeatureError
            If it cannot be used.
        """
        return self._required(medium, FoundVideo)

    def require_sound(self, medium: ToldMedium) -> FoundSound:
        """Return the source of an ``<audio>`` that is heard.

        Raises
        ------
        AssetError, SoundReadError, UnsupportedFeatureError
            If it cannot be used.
        """
        return self._required(medium, FoundSound)

    def path(self, found: FoundFile) -> Path:
        """Return the local file of a source."""
        if found.file is not None:
            return self._files[found.file]
        assert found.key is not None
        return self._folder / found.key

    def _known(self, medium: Medium, kind: type[_Found]) -> _Found | None:
        found = self._found.get(_place(medium))
        return found if isinstance(found, kind) else None

    def _required(self, medium: ToldMedium, kind: type[_Found]) -> _Found:
        found = self._found[_place(medium)]
        if isinstance(found, HfdaskError):
            raise type(found)(f"{medium.element}: {found.message}", **found.details)
        assert isinstance(found, kind)
        return found

    def _duration(self, medium: Medium) -> float | None:
        if medium.tag == "audio":
            sound = self.sound(medium)
            return None if sound is None else float(sound.facts.seconds)
        video = self.video(medium)
        return None if video is None else float(video.source.playable.fraction)

    async def _look(self, medium: Medium) -> FoundVideo | FoundSound | HfdaskError:
        read = _read_sound if medium.tag == "audio" else _read_video
        async with self._at_a_time:
            try:
                found, path = await self._get(medium)
                return await asyncio.to_thread(read, found, path)
            except HfdaskError as error:
                return error

    async def _get(self, medium: Medium) -> tuple[FoundFile, Path]:
        """Return a source and its local file."""
        if medium.file is not None:
            if medium.file not in self._files:
                raise AssetError(
                    f"its source {medium.file} is not in the project; add the file, or correct the path",
                    path=medium.file,
                )
            project_file = FoundFile(medium.file, medium.file, None)
            return project_file, self.path(project_file)
        if not medium.url.startswith(("http://", "https://")):
            scheme = medium.url.partition(":")[0]
            raise UnsupportedFeatureError(
                f"a source with a {scheme}: URL cannot be rendered; put it into a file of the project",
                features=[f"{scheme}: {medium.tag}"],
            )
        return await self._fetch(urldefrag(medium.url).url)

    async def _fetch(self, url: str) -> tuple[FoundFile, Path]:
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
        found = FoundFile(name, None, request.key)
        path = self.path(found)
        if not path.exists():  # a video and a sound may have one source
            path.write_bytes(answer.body)
        return found, path


async def resolve_durations(session: PageSession, media: Sequence[ToldMedium], sources: Sources) -> dict[str, float]:
    """Probe the sources of a page, and pass it their durations, because times of other clips may depend on them."""
    known = {name: seconds for name, seconds in (await sources.durations(media)).items() if seconds is not None}
    if known:
        await session.know_durations(known)
    return known


def named(error: HfdaskError, path: Path, name: str) -> HfdaskError:
    """Return an error about a local file, whose path authors do not know, as an error about the file of this name."""
    return type(error)(error.message.replace(str(path), name), **{**error.details, "path": name})


def _shape(found: FoundVideo | None) -> VideoShape | None:
    if found is None:
        return None
    width, height = found.source.natural_size
    return VideoShape(width, height, float(found.source.playable.fraction), 0, found.source.hdr)


def _place(medium: Medium) -> tuple[str, str]:
    return medium.tag, medium.url if medium.file is None else medium.file


def _read_video(found: FoundFile, path: Path) -> FoundVideo:
    try:
        source, index = probe_video(path)
        opaque = source.alpha and source.codec in _OFTEN_OPAQUE and _is_opaque(path, source, index)
    except HfdaskError as error:
        raise named(error, path, found.name) from error
    return FoundVideo(found.name, found.file, found.key, source, index, opaque)


def _read_sound(found: FoundFile, path: Path) -> FoundSound:
    try:
        facts = probe_sound(path)
    except HfdaskError as error:
        raise named(error, path, found.name) from error
    if facts is None:
        raise MediaTypeError(
            f"{found.name} has no sound; show a video with <video>, or take a file with sound",
            path=found.name,
            found="no sound",
        )
    return FoundSound(found.name, found.file, found.key, facts)


def _is_opaque(path: Path, source: VideoSource, index: FrameIndex) -> bool:
    with VideoReader(path, source, index) as reader:
        return all(
            bool(np.all(reader.frame(number).to_ndarray(format="rgba")[..., 3] == 255))
            for number in range(min(_SAMPLED, len(index)))
        )
