"""Decode frames of a plan's source videos ahead of the capture, and hand them to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from hfdask.browser.video_feed import Native, Picture, Shown, VideoFeed, VideoShape
from hfdask.core.model import Manifest, Video
from hfdask.core.video_clip import VideoClip, frames_of, source_time
from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.media.hdr_picture import HdrFrame
from hfdask.media.planes import plain_planes, planes_nbytes, planes_of
from hfdask.media.transfers import HdrTransfer
from hfdask.media.video_reader import VideoReader


@dataclass(frozen=True)
class PlannedVideo:
    """A source video of a plan: its local file, and its frames."""

    video: Video
    file: Path
    index: FrameIndex


def shapes_of(manifest: Manifest, videos: Mapping[int, PlannedVideo]) -> dict[str, VideoShape]:
    """Return the shapes of a page's videos, by render id. Only videos with a local file get room for pictures."""
    return {clip.id: _shape(clip, manifest, has_pictures=clip.video in videos) for clip in manifest.clips}


def _shape(clip: VideoClip, manifest: Manifest, *, has_pictures: bool) -> VideoShape:
    source = manifest.videos[clip.video].source
    width, height = source.natural_size
    nbytes = plain_planes(0, source).nbytes if _is_native(source, manifest) else planes_nbytes(source)
    duration = float(source.playable.fraction)
    return VideoShape(width, height, duration, nbytes if has_pictures else 0, source.hdr)


def _is_native(source: VideoSource, manifest: Manifest) -> bool:
    """Return true if the page does not show the pixels of a source, because they are composed in HDR."""
    return source.hdr and manifest.page.hdr


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
        self._players = [
            _player(clip, manifest.videos[clip.video], videos.get(clip.video), manifest) for clip in manifest.clips
        ]
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
        shown = Shown("playing", float(seconds))
        if number is None:
            return shown
        return self._showing(
            replace(shown, frame=number, frame_time=float(self._planned.index.time(number))), number, feed
        )

    def _time(self, frame: int, fps: Fraction) -> Fraction:
        time = source_time(self.clip, frame, fps, self._source.playable.fraction)
        assert time is not None  # the frame is in its window
        return time

    def _seconds(self, frame: int, fps: Fraction) -> float:
        return float(self._time(frame, fps)) if frame in frames_of(self.clip, fps) else 0.0

    def _showing(self, shown: Shown, number: int, feed: VideoFeed) -> Shown:
        if self._picture is None or self._number != number:
            self._picture = feed.put(self.clip.id, planes_of(self._decoded(number), self._source))
            self._number = number
        return replace(shown, picture=self._picture)

    def _decoded(self, number: int) -> av.VideoFrame:
        assert self._planned is not None
        if self._reader is None:
            self._reader = VideoReader(self._planned.file, self._source, self._planned.index)
        return self._reader.frame(number)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class _NativePlayer(_Player):
    """Decodes the frames that one clip shows in HDR. The page gets a black and a white picture in their place, once."""

    def __init__(self, clip: VideoClip, video: Video, planned: PlannedVideo | None, transfer: HdrTransfer) -> None:
        super().__init__(clip, video, planned)
        self._transfer = transfer
        self._plain: tuple[Picture, Picture] | None = None
        self._frame: HdrFrame | None = None

    def _showing(self, shown: Shown, number: int, feed: VideoFeed) -> Shown:
        if self._plain is None:
            # Both slots are filled before the page shows one, and never again.
            black, white = (feed.put(self.clip.id, plain_planes(level, self._source)) for level in (0, 255))
            self._plain = black, white
        if self._frame is None or self._number != number:
            self._frame = HdrFrame(self._decoded(number), self._source, self._transfer)
            self._number = number
        black, white = self._plain
        return replace(shown, picture=black, native=Native(self._frame, black, white))


def _player(clip: VideoClip, video: Video, planned: PlannedVideo | None, manifest: Manifest) -> _Player:
    transfer = manifest.encoder.transfer
    if transfer == "bt709" or not _is_native(video.source, manifest):
        return _Player(clip, video, planned)
    return _NativePlayer(clip, video, planned, transfer)
