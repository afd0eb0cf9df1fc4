"""Encode the pictures that planning takes of a short video, and keep them as the plan's only chunk."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Self

from hfdask.browser.capture import Frame
from hfdask.browser.session import PageSession
from hfdask.config import RenderConfig
from hfdask.core.model import PageSettings
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult
from hfdask.errors import RenderCancelledError
from hfdask.formats.encode import ChunkEncoder
from hfdask.manifest.location import CHUNKS
from hfdask.manifest.plan import Plan
from hfdask.rendering.record import commit
from hfdask.rendering.recording import Recording
from hfdask.store import disk_full_at

MAX_FILMED = 300
"""Most frames of a video that planning films: if it is interrupted, it begins anew."""

_REPEATED = 16
"""Most frames without a new picture that are encoded at a time. To hand one over takes longer than to encode it."""

_START = 45
_SPEED_UP = 1.9
"""Frames that a film takes in the seconds until chunks begin, and its time in chunks of one slot (docs/decisions/short-videos.md)."""


def is_short(options: RenderConfig, frames: int) -> bool:
    """Return true if a film of a video ends sooner than its chunks would. A film uses one browser, chunks use all slots."""
    if options.sizes_chunks:
        return frames <= MAX_FILMED and len(options.ranges(frames)) == 1
    in_chunks = _SPEED_UP / (options.workers or 1)
    return frames <= (MAX_FILMED if in_chunks >= 1 else min(MAX_FILMED, _START / (1 - in_chunks)))


class ChunkFilm:
    """The film of a plan that is being made (`hfdask.planning.film`). Use it as a context manager.

    Parameters
    ----------
    path : Path
        File for the encoded pictures.
    wanted : callable
        Called with the plan's options and the number of frames; returns true to film the page.
    damage_test : bool
        True to capture only frames that change.
    observer : Observer, optional
        Follows the frames, and can cancel. It is called from the browser thread.
    """

    def __init__(
        self,
        path: Path,
        wanted: Callable[[RenderConfig, int], bool],
        *,
        damage_test: bool = True,
        observer: Observer | None = None,
    ) -> None:
        self.damage_test = damage_test
        self.fetches = False
        self._path, self._wanted = path, wanted
        self._observer = observer or Observer()
        self._clock = StageClock(Observer())  # other threads do the work, and only the caller's time is metered
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hfdask-encode")
        self._recording = Recording(path=path)
        self._encoder: ChunkEncoder | None = None
        self._encoding: deque[Future[None]] = deque()
        self._taken: list[Frame] = []
        self._frames = 0
        self._complete = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown()
        self._abort()

    def wants(self, options: RenderConfig, fps: Fraction, frames: int) -> bool:
        """Return true if it takes all pictures of a page with this number of frames."""
        return options.sweep in (None, 1) and self._wanted(options.in_segments(fps), frames)

    async def begin(self, page: PageSettings, options: RenderConfig, fps: Fraction, frames: int) -> range:
        """Start anew, with the frames of a page that was just loaded."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._abort)  # behind a frame of an earlier page
        self._encoding.clear()
        self._taken = []
        if not self.wants(options, fps, frames):
            return range(0)
        self._frames = frames
        self._recording = Recording(path=self._path)
        with disk_full_at(self._path):
            self._encoder = ChunkEncoder(self._path, options.encoder(fps), fps, *page.pixels, frames)
        return range(frames)

    async def take(self, frame: Frame) -> None:
        """Encode a frame while the next one is captured.

        Raises
        ------
        RenderCancelledError, EncodeError, DiskFullError
        """
        if self._observer.cancelled():
            raise RenderCancelledError("the video was cancelled while it was rendered")
        self._observer.frame(frame.index, frame.picture, frame.seconds)
        self._observer.progress(frame.index + 1, self._frames)
        self._taken.append(frame)
        is_last = frame.index + 1 == self._frames
        if frame.picture is None and not is_last and len(self._taken) < _REPEATED:
            return
        await self._encoded(1)
        self._encoding.append(self._thread.submit(self._encode, self._taken))
        self._taken = []
        if is_last:  # while planning goes on
            self._encoding.append(self._thread.submit(self._close))

    async def end(self, session: PageSession, *, warm: bool) -> None:
        """Finish the file."""
        await self._encoded()
        recording = self._recording
        recording.messages += session.log.messages
        memory = session.chromium.memory
        memory.measure()
        recording.warm, recording.browser_bytes = warm, memory.peak
        recording.cpu_seconds += session.chromium.processes.cpu_seconds()
        self._clock.add("capture", sum(recording.seconds))
        self._complete = True

    def chunk(self, plan: Plan, observer: Observer) -> ChunkResult | None:
        """Store the film as the only chunk of a plan; return None if it is not complete, or the plan has more chunks."""
        manifest = plan.manifest
        frames = len(self._recording.digests)
        if not self._complete or [(chunk.start, chunk.end) for chunk in manifest.chunks] != [(0, frames)]:
            return None
        store = plan.location.child(CHUNKS).store()
        return commit(
            self._recording, manifest, manifest.chunks[0], store, manifest.chunks[0].file, self._clock, observer
        )

    async def _encoded(self, left: int = 0) -> None:
        """Wait until at most ``left`` frames have yet to be encoded."""
        while len(self._encoding) > left:
            await asyncio.wrap_future(self._encoding.popleft())

    def _encode(self, frames: Iterable[Frame]) -> None:
        assert self._encoder is not None
        began = time.thread_time()
        with self._clock("encode"), disk_full_at(self._path):
            for frame in frames:
                self._recording.encode(frame, self._encoder)
        self._recording.cpu_seconds += time.thread_time() - began

    def _close(self) -> None:
        assert self._encoder is not None
        with self._clock("encode"), disk_full_at(self._path):
            self._encoder.close()
        self._recording.finish(self._encoder)

    def _abort(self) -> None:
        self._complete = False
        if self._encoder is not None:
            self._encoder.abort()
            self._encoder = None
