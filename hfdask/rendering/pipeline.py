"""Capture and encoding of a chunk at the same time.

The browser's thread captures and the calling thread encodes. A bounded channel between them keeps a slow encoder from
piling up pictures.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from hfdask.browser import browser_thread
from hfdask.browser.capture import Frame
from hfdask.browser.loop import BrowserThread
from hfdask.core.model import ChunkRange, Manifest
from hfdask.core.observer import Observer, StageClock
from hfdask.errors import BrowserCrashError, BrowserMemoryError, CaptureError, PageTimeoutError, RenderCancelledError
from hfdask.formats.encode import ChunkEncoder
from hfdask.rendering.plan_page import PlanPage
from hfdask.rendering.recording import Recording

CHANNEL_FRAMES = 8
"""Maximum number of pictures that wait for the encoder."""

_POLL = 0.1
_DONE = object()
_END = object()


@dataclass(kw_only=True)
class ChunkWork(Recording):
    """State of a chunk that is being rendered; ``opened`` is true once its page was ready."""

    manifest: Manifest
    chunk: ChunkRange
    plan_page: PlanPage
    damage_test: bool
    opened: bool = False


def render(work: ChunkWork, clock: StageClock, observer: Observer) -> None:
    """Capture and encode the chunk to ``work.path``."""
    began = time.thread_time()
    thread = browser_thread()
    channel = _Channel(thread)
    future = thread.submit(_capture(work, channel, clock))
    future.add_done_callback(channel.end)
    try:
        with observer.meter("boot"):
            channel.take(future, observer)
        chunk, manifest = work.chunk, work.manifest
        with ChunkEncoder(
            work.path, manifest.encoder, manifest.fps.fraction, manifest.width, manifest.height, chunk.frames
        ) as encoder:
            _encode(work, encoder, channel.frames(future, observer), clock, observer)
            with clock("encode"):
                encoder.close()
            work.finish(encoder)
        thread.result(future)
    finally:
        work.cpu_seconds += time.thread_time() - began
        if future.cancel():
            # Wait until the browser is returned before the next chunk leases one.
            concurrent.futures.wait([future], timeout=10)


def _encode(
    work: ChunkWork, encoder: ChunkEncoder, frames: Iterator[Frame], clock: StageClock, observer: Observer
) -> None:
    for frame in frames:
        with clock("encode"):
            if frame.index < work.chunk.start:
                assert frame.picture is not None  # the first captured frame always has a picture
                work.begin_after(frame.picture, encoder)
                continue
            work.encode(frame, encoder)
        observer.frame(frame.index, frame.picture, frame.seconds)
        observer.progress(len(work.digests), work.chunk.frames)


async def _capture(work: ChunkWork, channel: _Channel, clock: StageClock) -> None:
    """Capture on the browser's thread: report that the page is ready, then send frames.

    A browser that dies, hangs or takes too much memory is replaced, and the next one continues at the same frame, since
    frames do not depend on those before. A second failure at the same frame is raised.
    """
    frame = max(0, work.chunk.start - 1)
    failed_at = None
    while frame < work.chunk.end:
        try:
            async with aclosing(_frames(work, frame, channel if failed_at is None else None, clock)) as frames:
                async for captured in frames:
                    await channel.put(captured)
                    frame = captured.index + 1
        except (BrowserCrashError, BrowserMemoryError, PageTimeoutError, CaptureError) as error:
            if failed_at == frame or not work.opened:
                raise
            work.messages.append(f"{error}; a new browser continues at frame {frame}")
            failed_at = frame


async def _frames(work: ChunkWork, first: int, announce: _Channel | None, clock: StageClock) -> AsyncGenerator[Frame]:
    """Yield the frames from ``first`` on, from a new page."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with work.plan_page.page() as (session, warm):
        ready = loop.time()
        clock.add("boot", ready - began)
        if announce is not None:
            work.warm, work.opened = warm, True
            await announce.put(_DONE)
        try:
            frames = range(first, work.chunk.end)
            async with work.plan_page.video_states(session, frames) as states:
                shots = work.plan_page.capture(session, first, work.chunk.end, states, damage_test=work.damage_test)
                async for frame in shots:
                    yield frame
            await session.finish()
        finally:
            work.messages += session.log.messages
            memory = session.chromium.memory
            memory.measure()
            work.browser_bytes = max(work.browser_bytes, memory.peak)
            work.cpu_seconds += session.chromium.processes.cpu_seconds()
            clock.add("capture", loop.time() - ready)


class _Channel:
    """A bounded queue from the browser's loop to the calling thread."""

    def __init__(self, thread: BrowserThread) -> None:
        self._thread = thread
        self._free = asyncio.Semaphore(CHANNEL_FRAMES)
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()

    async def put(self, item: object) -> None:
        await self._free.acquire()
        self._items.put(item)

    def end(self, _: object) -> None:
        """Wake the calling thread after the last item, so that it does not wait for the end of its poll."""
        self._items.put(_END)

    def take(self, producer: concurrent.futures.Future[None], observer: Observer) -> object:
        """Return the next item, or None after the last one. Raise the producer's error, or `RenderCancelledError`."""
        while True:
            try:
                item = self._items.get(timeout=_POLL)
            except queue.Empty:
                if observer.cancelled():
                    raise RenderCancelledError("the chunk was cancelled while it was rendered") from None
                continue
            if item is _END:
                self._thread.result(producer)
                return None
            with contextlib.suppress(RuntimeError):  # the thread was closed, and nothing waits there
                self._thread.loop.call_soon_threadsafe(self._free.release)
            return item

    def frames(self, producer: concurrent.futures.Future[None], observer: Observer) -> Iterator[Frame]:
        """Yield frames until the producer ends; meter the wait as the capture's share of the caller's time."""
        while True:
            with observer.meter("capture"):
                item = self.take(producer, observer)
            if item is None:
                return
            assert isinstance(item, Frame)
            yield item
