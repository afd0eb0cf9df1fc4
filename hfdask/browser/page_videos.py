"""The source videos of a page: decode their frames ahead of the capture, and hand them to the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from hfdask.browser.capture import States
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import Native, Picture, Shown, VideoFeed, VideoShape
from hfdask.core.model import VideoTransfer
from hfdask.core.video_clip import VideoClip, frames_of, source_time
from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.media.hdr_picture import HdrFrame
from hfdask.media.planes import plain_planes, planes_nbytes, planes_of
from hfdask.media.transfers import HdrTransfer
from hfdask.media.video_reader import VideoReader


class LocalVideo(Struct, frozen=True):
    """A source video on this machine: its file, and its frames."""

    file: Path
    index: FrameIndex


class PageVideos(Struct, frozen=True):
    """The source videos of a page, and the clips that play them.

    Attributes
    ----------
    fps : Fraction
        Frames a second of the composition.
    clips : tuple of VideoClip
        The clips.
    sources : tuple of VideoSource
        The source videos, by the numbers that clips have of them.
    local : mapping of int to LocalVideo
        The source videos that are needed here, by the same numbers. The others are not shown.
    transfer : {"bt709", "pq", "hlg"}
        Transfer function of the page's pictures. In HDR, the page does not show the pixels of HDR videos.
    """

    fps: Fraction
    clips: tuple[VideoClip, ...]
    sources: tuple[VideoSource, ...]
    local: Mapping[int, LocalVideo]
    transfer: VideoTransfer = "bt709"

    def shapes(self) -> dict[str, VideoShape]:
        """Return the shapes of the videos, by render id. Only videos with a local file get room for pictures."""
        return {
            clip.id: _shape(self.sources[clip.video], self.transfer, has_pictures=clip.video in self.local)
            for clip in self.clips
        }

    def shown(self, frames: int) -> NDArray[np.int64]:
        """Return for each of a composition's frames how many clips show."""
        count = np.zeros(frames, np.int64)
        for clip in self.clips:
            window = frames_of(clip, self.fps)
            count[max(0, window.start) : max(0, window.stop)] += 1
        return count

    def distance(self, frame: int) -> int:
        """Return the number of frames of sources that are decoded before a frame can be shown, if a reader begins with it."""
        distance = 0
        for clip in self.clips:
            local = self.local.get(clip.video)
            time = source_time(clip, frame, self.fps, self.sources[clip.video].playable.fraction)
            if local is None or time is None:
                continue
            number = local.index.at(time)
            distance += 0 if number is None else local.index.distance(number)
        return distance

    @asynccontextmanager
    async def states(self, session: PageSession, frames: Sequence[int]) -> AsyncIterator[States | None]:
        """Yield what `capture` asks for the videos of these frames, in this order; None if the page has no videos."""
        if session.videos is None:
            yield None
        else:
            async with VideoFrames(self, session.videos, frames) as videos:
                yield videos.states


def _shape(source: VideoSource, transfer: VideoTransfer, *, has_pictures: bool) -> VideoShape:
    width, height = source.natural_size
    nbytes = plain_planes(0, source).nbytes if _native(source, transfer) else planes_nbytes(source)
    return VideoShape(width, height, float(source.playable.fraction), nbytes if has_pictures else 0, source.hdr)


def _native(source: VideoSource, transfer: VideoTransfer) -> HdrTransfer | None:
    """Return the transfer function in which a source's pixels are composed; None if the page shows them itself."""
    return transfer if source.hdr and transfer != "bt709" else None


class VideoFrames:
    """The states of a page's videos at some frames, in the order in which they will be captured.

    While a frame is captured, a thread decodes and hands over the pictures of the next frame. Use an instance as a
    context manager on the browser thread, within the context of the page.

    Parameters
    ----------
    videos : PageVideos
        The videos.
    feed : VideoFeed
        The feed that takes the pictures.
    frames : sequence of int
        The frames.
    """

    def __init__(self, videos: PageVideos, feed: VideoFeed, frames: Sequence[int]) -> None:
        self._fps = videos.fps
        self._players = [
            _player(clip, videos.sources[clip.video], videos.local.get(clip.video), videos.transfer)
            for clip in videos.clips
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

    def __init__(self, clip: VideoClip, source: VideoSource, local: LocalVideo | None) -> None:
        self.clip = clip
        self._source = source
        self._local = local
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
        assert self._local is not None  # a worker fetches the sources that its frames show
        number = self._local.index.at(seconds)
        shown = Shown("playing", float(seconds))
        if number is None:
            return shown
        return self._showing(
            replace(shown, frame=number, frame_time=float(self._local.index.time(number))), number, feed
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
        assert self._local is not None
        if self._reader is None:
            self._reader = VideoReader(self._local.file, self._source, self._local.index)
        return self._reader.frame(number)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class _NativePlayer(_Player):
    """Decodes the frames that one clip shows in HDR. The page gets a black and a white picture in their place, once."""

    def __init__(self, clip: VideoClip, source: VideoSource, local: LocalVideo | None, transfer: HdrTransfer) -> None:
        super().__init__(clip, source, local)
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


def _player(clip: VideoClip, source: VideoSource, local: LocalVideo | None, transfer: VideoTransfer) -> _Player:
    native = _native(source, transfer)
    return _Player(clip, source, local) if native is None else _NativePlayer(clip, source, local, native)
