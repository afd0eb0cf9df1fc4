"""The state of all chunks of a cluster, as the dashboard shows it. It is made from messages, and knows nothing of Dask.

Its size is bounded: the oldest videos are forgotten, and ended ones before others.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice

from msgspec import Struct, field

from hfdask.cluster.summary import ChunkSummary
from hfdask.text import legible

MOST_VIDEOS = 1_000
"""Videos that are remembered."""

MOST_CHUNKS = 20_000
"""Chunks that are remembered, of all videos together, and of a single video. A batch of short videos counts as one."""

MOST_RECENT = 200
"""Finished chunks of which the summary is remembered."""

WINDOW = 10.0
"""Seconds over which frames a second are counted."""

_MOST_REPORTS = 200  # of a worker within the window: twice a second, for ten threads
_MOST_NAME = 80


class State(StrEnum):
    """State of a chunk."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"

    @property
    def ended(self) -> bool:
        """True if nothing more happens to the chunk unless there is another attempt."""
        return self in (State.DONE, State.FAILED, State.WITHDRAWN)


class Chunk(Struct):
    """A chunk, with the state of its newest attempt; or it is done, if any attempt was."""

    attempt: int = 0
    state: State = State.WAITING
    done: int = 0
    frames: int = 0
    worker: str = ""


class Video(Struct):
    """A render, by the token of its tasks."""

    name: str
    chunks: dict[int, Chunk] = field(default_factory=dict)

    def count(self, state: State) -> int:
        """Return the number of chunks in a state."""
        return sum(chunk.state is state for chunk in self.chunks.values())

    @property
    def ended(self) -> bool:
        """True if all its chunks have ended."""
        return all(chunk.state.ended for chunk in self.chunks.values())


class Finished(Struct, frozen=True):
    """A chunk that was finished."""

    video: str
    chunk: int
    worker: str
    summary: ChunkSummary


class WorkerLine(Struct):
    """Reports of a worker: moments and numbers of frames, and the memory of its newest chunk's browser."""

    reports: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MOST_REPORTS))
    browser_bytes: int = 0

    def frames_a_second(self, now: float) -> float:
        """Return the frames a second of the last seconds."""
        return sum(frames for moment, frames in self.reports if now - moment <= WINDOW) / WINDOW


class Board:
    """Videos with their chunks, the newest finished chunks, and workers.

    Attributes
    ----------
    videos : OrderedDict of str to Video
        By the tokens of their tasks, oldest first.
    recent : deque of Finished
        The newest finished chunks, oldest first.
    workers : dict of str to WorkerLine
        By address: all workers that have reported frames.
    """

    def __init__(self) -> None:
        self.videos: OrderedDict[str, Video] = OrderedDict()
        self.recent: deque[Finished] = deque(maxlen=MOST_RECENT)
        self.workers: dict[str, WorkerLine] = {}
        self._chunks = 0

    def task(self, token: str, index: int, attempt: int, state: State, *, name: str = "", worker: str = "") -> None:
        """Record the state of a task for a chunk.

        Parameters
        ----------
        token : str
            Of the render.
        index, attempt : int
            Of the chunk, and of the attempt. Later attempts have higher numbers.
        name : str
            Of the video. It may have been made from text of strangers.
        worker : str
            Address of the worker that has the task.
        """
        chunk = self._chunk(token, index, name)
        if attempt < chunk.attempt and state is not State.DONE:
            return
        if state is State.WITHDRAWN and chunk.state.ended:
            return  # a result that was fetched, or a copy that lost
        if attempt > chunk.attempt or state is State.WAITING:
            if chunk.state is State.DONE and attempt > chunk.attempt:
                return  # a copy that comes too late
            chunk.done = 0
        chunk.attempt, chunk.state = max(attempt, chunk.attempt), state
        chunk.worker = worker or chunk.worker

    def progress(self, token: str, index: int, attempt: int, done: int, frames: int, worker: str, now: float) -> None:
        """Record the number of finished frames of an attempt at a moment, in seconds of a monotonic clock."""
        chunk = self._chunk(token, index)
        if attempt < chunk.attempt or chunk.state is State.DONE or (attempt == chunk.attempt and chunk.state.ended):
            return  # a withdrawn task goes on for a moment
        if attempt > chunk.attempt or done < chunk.done or worker != chunk.worker:
            chunk.done = 0
        self._report(worker, done - chunk.done, now)
        chunk.attempt, chunk.state, chunk.worker = attempt, State.RUNNING, worker
        chunk.done, chunk.frames = done, frames or chunk.frames

    def finished(self, token: str, index: int, summary: ChunkSummary, worker: str, now: float) -> None:
        """Record the summary of a chunk that is done."""
        chunk = self._chunk(token, index)
        if not summary.reused:
            self._report(worker, max(0, summary.frames - chunk.done), now)
        if summary.browser_bytes:
            self.workers.setdefault(worker, WorkerLine()).browser_bytes = summary.browser_bytes
        chunk.done = chunk.frames = summary.frames
        self.recent.append(Finished(self.videos[token].name, index, worker, summary))

    def forget_worker(self, worker: str) -> None:
        """Forget a worker that has left."""
        self.workers.pop(worker, None)

    def slow_frames(self, count: int) -> list[tuple[str, int, int, float]]:
        """Return the slowest frames of the newest finished chunks: video, chunk, frame and seconds, slowest first."""
        frames = (
            (each.video, each.chunk, frame, seconds)
            for each in self.recent
            if not each.summary.reused
            for frame, seconds in each.summary.slow
        )
        return heapq.nlargest(count, frames, key=lambda each: each[-1])

    def unchanged_share(self) -> float | None:
        """Return the share of unchanged frames in the newest finished chunks; None if there are none."""
        frames = sum(each.summary.frames for each in self.recent)
        return sum(each.summary.static_frames for each in self.recent) / frames if frames else None

    def newest_videos(self) -> Iterator[Video]:
        """Yield the videos that are under way, then the others, each newest first."""
        newest = list(reversed(self.videos.values()))
        ended = [video.ended for video in newest]
        yield from (video for video, over in zip(newest, ended, strict=True) if not over)
        yield from (video for video, over in zip(newest, ended, strict=True) if over)

    def _chunk(self, token: str, index: int, name: str = "") -> Chunk:
        video = self.videos.get(token)
        if video is None:
            video = self.videos[token] = Video(legible(name)[:_MOST_NAME] or token[:8])
        chunk = video.chunks.get(index)
        if chunk is None:
            chunk = video.chunks[index] = Chunk()
            self._chunks += 1
            self._forget_videos(token)
        return chunk

    def _forget_videos(self, newest: str) -> None:
        while (len(self.videos) > MOST_VIDEOS or self._chunks > MOST_CHUNKS) and len(self.videos) > 1:
            others = (token for token in self.videos if token != newest and self.videos[token].ended)
            oldest = next(others, None) or next(token for token in self.videos if token != newest)
            self._chunks -= len(self.videos.pop(oldest).chunks)
        if self._chunks > MOST_CHUNKS:
            chunks = self.videos[newest].chunks
            for index in list(islice(chunks, MOST_CHUNKS // 10)):
                del chunks[index]
            self._chunks = len(chunks)

    def _report(self, worker: str, frames: int, now: float) -> None:
        self.workers.setdefault(worker, WorkerLine()).reports.append((now, frames))


def combined(states: Iterable[State]) -> State:
    """Return the state that stands for several chunks, which is the most urgent one."""
    found = set(states)
    order = (State.FAILED, State.RUNNING, State.WAITING, State.WITHDRAWN, State.DONE)
    return next(state for state in order if state in found)
