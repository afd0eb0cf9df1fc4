"""Decode frames of a plan's source videos ahead of the capture, and hand them to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from hfdask.browser.video_feed import Picture, Shown, VideoFeed, VideoShape
from hfdask.core.model import Manifest, Video
from hfdask.core.video_clip import VideoClip, frames_of, source_time
from hfdask.core.video_source import FrameIndex
from hfdask.media.planes import planes_nbytes, planes_of
from hfdask.media.video_reader import VideoReader


@dataclass(frozen=True)
class PlannedVideo:
    """A source video of a plan: its local file, and its frames."""

    video: Video
    file: Path
    index: FrameIndex


def shapes_of(manifest: Manifest, videos: Mapping[int, PlannedVideo]) -> dict[str, VideoShape]:
    """Return the shapes of a page's videos, by render id. Only videos with a local file get room for pictures."""
    return {clip.id: _shape(manifest.videos[clip.video], has_pictures=clip.video in videos) for clip in manifest.clips}


def _shape(video: Video, *, has_pictures: bool) -> VideoShape:
    width, height = video.source.natural_size
    duration = float(video.source.playable.fraction)
    return VideoShape(width, height, duration, planes_nbytes(video.source) if has_pictures else 0)


class VideoFrames:
    """The states of a page's videos at some frames, in the order in which they will be captured.

    While a frame is captured, a thread decodes and hands over the pictures of the next frame. Use an instance as a
    context manager on the browser thread, within the context of the page.

    Parameters
    ----------
    manifest : Manifest
        The plan.
    videos : mapping of int to PlannedVideo
        The source videos that the frames show, by their number in the plan.
    feed : VideoFeed
        The feed that takes the pictures.
    frames : sequence of int
        The frames.
    """

    def __init__(
        self, manifest: Manifest, videos: Mapping[int, PlannedVideo], feed: VideoFeed, frames: Sequence[int]
    ) -> None:
        self._fps = manifest.fps.fraction
        self._players = [_Player(clip, manifest.videos[clip.video], videos.get(clip.video)) for clip in manifest.clips]
        self._feed = feed
        self._frames = frames
        self._next = 0
        self._ahead: Future[dict[str, Shown]] | None = None
        self._thread = ThreadPoolExecutor(1, "hfdask-decode")

    async def __aenter__(self) -> VideoFrames:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.close()  # the thread may be waiting for a free slot
        self._thread.submit(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    async def states(self, frame: int) -> Mapping[str, Shown]:
        """Return the states at the next frame, by render id.

        Raises
        ------
        VideoSourceError, VideoReadError, UnsupportedFeatureError
            If a frame of a source cannot be decoded.
        """
        assert frame == self._frames[self._next]
        states = await asyncio.wrap_future(self._ahead or self._thread.submit(self._decode, frame))
        self._next += 1
        following = self._frames[self._next : self._next + 1]
        self._ahead = self._thread.submit(self._decode, following[0]) if following else None
        return states

    def _decode(self, frame: int) -> dict[str, Shown]:
        return {player.clip.id: player.state(frame, self._fps, self._feed) for player in self._players}

    def _close(self) -> None:
        for player in self._players:
            player.close()


class _Player:
    """Decodes the frames that one clip shows."""

    def __init__(self, clip: VideoClip, video: Video, planned: PlannedVideo | None) -> None:
        self.clip = clip
        self._source = video.source
        self._planned = planned
        self._reader: VideoReader | None = None
        self._number: int | None = None
        self._picture: Picture | None = None

    def state(self, frame: int, fps: Fraction, feed: VideoFeed) -> Shown:
        window = frames_of(self.clip, fps)
        if frame < window.start:
            return Shown("before")
        if frame >= window.stop:
            self.close()
            return Shown("after", self._seconds(window.stop - 1, fps))
        seconds = self._time(frame, fps)
        assert self._planned is not None  # a worker fetches the sources that its frames show
        number = self._planned.index.at(seconds)
        if number is None:
            return Shown("playing", float(seconds))
        return Shown(
            "playing", float(seconds), number, float(self._planned.index.time(number)), self._take(number, feed)
        )

    def _time(self, frame: int, fps: Fraction) -> Fraction:
        time = source_time(self.clip, frame, fps, self._source.playable.fraction)
        assert time is not None  # the frame is in its window
        return time

    def _seconds(self, frame: int, fps: Fraction) -> float:
        return float(self._time(frame, fps)) if frame in frames_of(self.clip, fps) else 0.0

    def _take(self, number: int, feed: VideoFeed) -> Picture:
        if self._picture is None or self._number != number:
            assert self._planned is not None
            if self._reader is None:
                self._reader = VideoReader(self._planned.file, self._source, self._planned.index)
            self._picture = feed.put(self.clip.id, planes_of(self._reader.frame(number), self._source))
            self._number = number
        return self._picture

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
