"""Rendering a chunk: frames from the browser on one side, packets from the encoder on the other, at the same time.

The browser's thread captures and the calling thread encodes; a bounded channel between them keeps a slow encoder from
piling up pictures. A chunk's files are written whole, its record last, so a record means a finished chunk, and a
second call of the same chunk finds it and does nothing. One that was finished for another plan, but that sees the same
(`hfdask.planning.content_keys`), is taken over if some of its frames still come out as they did.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hfdask.browser import browser_thread
from hfdask.browser.capture import Frame, capture
from hfdask.browser.environment import require_environment
from hfdask.browser.loop import BrowserThread
from hfdask.core.fields import clipped
from hfdask.core.forks import worked
from hfdask.core.model import ChunkRange, ChunkResult, FrameRecord, Manifest, canonical_json, pretty_json
from hfdask.core.observer import Observer, StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import (
    BrowserCrashError,
    BrowserMemoryError,
    CaptureError,
    MissingArtifactError,
    PageTimeoutError,
    PlanCorruptError,
    RenderCancelledError,
)
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.manifest.records import read_frames, read_record
from hfdask.media.encode import ChunkEncoder
from hfdask.media.picture import decode_frame, digest_of, frame_digest
from hfdask.rendering.plan_page import PlanPage
from hfdask.store import Place, StorageOptions, Store, concurrently, disk_full_at, file_digest, split_output

CHANNEL_FRAMES = 8
"""Pictures that may wait for the encoder."""

SPOTS = 3
"""Moving frames of another plan's chunk that are captured again before it is used, besides its first and last."""

_POLL = 0.1
_DONE = object()


@worked
def render_chunk(
    plan_url: Place,
    index: int,
    output_url: Place,
    *,
    storage_options: StorageOptions | None = None,
    damage_test: bool = True,
    redo: bool = False,
    plan_hash: str | None = None,
    observer: Observer | None = None,
) -> ChunkResult:
    """Render one chunk of a plan to a file.

    The chunk's frame record (``.frames.json``), the pictures at its seams (``.before.png``, ``.last.png``) and its record
    (``.json``) go next to the file. The record comes last and commits the chunk.

    Parameters
    ----------
    plan_url : str or path
        The plan's folder.
    index : int
        Number of the chunk, from 0.
    output_url : str or path
        File to write: any fsspec URL.
    storage_options : mapping, optional
        Arguments of the file systems of both URLs.
    damage_test : bool
        Whether to skip the picture of frames that the compositor did not touch. The frames are the same either way.
    redo : bool
        Whether to render even if the chunk is there already, of this plan or unchanged from another.
    plan_hash : str, optional
        Hash of the plan that must be there. Another plan that has taken its place is an error then.
    observer : Observer, optional
        Sees stages and progress, and can cancel.

    Returns
    -------
    ChunkResult
        ``reused`` is true if the chunk was there already.

    Raises
    ------
    PlanError
        If the plan, the index or this process's environment does not fit.
    ProjectError, BrowserError, EncodeError, StoreError, RenderCancelledError
    """
    observer = observer or Observer()
    clock = StageClock(observer)
    with ExitStack() as held:
        with clock("materialise"):
            location = PlanLocation.of(plan_url, storage_options)
            store = location.store()
            manifest = read_manifest(store, plan_hash)
            chunk = manifest.chunk(index)
            require_sealed(manifest, store.url)
            output, name = split_output(output_url, location.options_for(output_url))
            known = None if redo else finished_chunk(output, name, chunk)
            if known and known.plan_hash == manifest.plan_hash:
                return msgspec.structs.replace(known, reused=True)
            require_environment(manifest.environment)
            plan_page = held.enter_context(PlanPage.of(store, manifest))
        path = held.enter_context(scratch_subfolder("chunk")) / "chunk.mp4"
        work = _Work(manifest, chunk, plan_page, path, damage_test)
        if known and (taken := _take_over(work, known, output, name, clock, observer)):
            return taken
        with disk_full_at(path):
            _render(work, clock, observer)
        with clock("upload"):
            _upload(work, output, name)
        result = _result(work, clock, observer, output.url_of(name))
        with clock("upload"):
            output.put(name + ".json", pretty_json(result))
        return result


def finished_chunk(
    output: Store, name: str, chunk: ChunkRange, tell: Callable[[str], object] = lambda text: None
) -> ChunkResult | None:
    """The record of a chunk that is finished in the store and sees what this one does, if there is one.

    Its ``plan_hash`` may be another plan's. A file that is not what the record says counts as not finished. Its bytes are
    only read where that is cheap, in a local store; assembly checks them in any case. ``tell`` is told of a record that is
    spoilt, or whose file is.
    """
    where = output.url_of(name)
    try:
        record = read_record(output, name)
    except MissingArtifactError:
        return None
    except PlanCorruptError as error:
        tell(f"chunk {chunk.index} was spoilt, and was rendered again: {error.message}")
        return None
    try:
        whole = (
            record.key == chunk.key
            and (record.start, record.end) == (chunk.start, chunk.end)
            and output.size(name) == record.size
            and output.exists(name + ".frames.json")
            and (not output.local or file_digest(output.in_place(name)) == record.sha256)
        )
    except MissingArtifactError:
        whole = False
    if not whole:
        tell(
            f"chunk {chunk.index} was spoilt, and was rendered again: {where} and its files are not what its record says"
        )
        return None
    return record


def spot_frames(record: FrameRecord) -> tuple[int, ...]:
    """The frames that tell whether a chunk is still what it was: of a shifted movement, those that move."""
    last = len(record.digests) - 1
    moving = [number for number, moved in enumerate(record.damage) if moved]
    spread = [moving[(2 * k + 1) * len(moving) // (2 * SPOTS)] for k in range(SPOTS)] if moving else [last // 2]
    return tuple(record.start + number for number in sorted({0, last, *spread}))


def _take_over(
    work: _Work, known: ChunkResult, output: Store, name: str, clock: StageClock, observer: Observer
) -> ChunkResult | None:
    """Use another plan's chunk, if its frames come out as they did; with the frame before it as this plan shows it."""
    chunk = work.chunk
    try:
        record = read_frames(output, name)
    except (MissingArtifactError, PlanCorruptError):
        return None
    if digest_of(record.digests) != known.digest or len(record.damage) != chunk.frames:
        return None
    spots = spot_frames(record)
    before = (chunk.start - 1,) if chunk.start else ()
    with clock("capture"):
        pictures, warm = work.plan_page.pictures((*before, *spots))
        digests = [frame_digest(decode_frame(picture)) for picture in pictures]
    seen = zip(spots, digests[len(before) :], strict=True)
    different = [frame for frame, digest in seen if digest != record.digests[frame - chunk.start]]
    if different:
        work.messages.append(
            f"chunk {chunk.index} looked unchanged, but its frames {different} differ from those that were rendered before; "
            "it was rendered again"
        )
        return None
    with clock("upload"):
        if before:
            output.put(name + ".before.png", pictures[0])
        taken = msgspec.structs.replace(
            known,
            plan_hash=work.manifest.plan_hash,
            index=chunk.index,
            url=output.url_of(name),
            before_digest=digests[0] if before else None,
            stages=clock.rounded(),
            warm=warm,
            worker=_name_of(observer),
            attempt=observer.attempt,
            checked=len(spots),
        )
        output.put(name + ".json", pretty_json(taken))
    return msgspec.structs.replace(taken, reused=True)


@dataclass
class _Work:
    """A chunk under way: what it needs, and what it has found out."""

    manifest: Manifest
    chunk: ChunkRange
    plan_page: PlanPage
    path: Path
    damage_test: bool
    digests: list[str] = field(default_factory=list)
    damage: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    before: tuple[bytes, str] | None = None
    last: bytes = b""
    warm: bool = False
    opened: bool = False
    browser_bytes: int = 0


def _render(work: _Work, clock: StageClock, observer: Observer) -> None:
    thread = browser_thread()
    channel = _Channel(thread)
    future = thread.submit(_capture(work, channel, clock))
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
        thread.result(future)
    finally:
        if future.cancel():
            # Let the browser be put down before the next chunk asks for one.
            concurrent.futures.wait([future], timeout=10)


def _encode(work: _Work, encoder: ChunkEncoder, frames: Iterator[Frame], clock: StageClock, observer: Observer) -> None:
    for frame in frames:
        with clock("encode"):
            if frame.index < work.chunk.start:
                assert frame.png is not None  # the first captured frame always has a picture
                work.before = frame.png, frame_digest(decode_frame(frame.png))
                work.last = frame.png
                continue
            # A chunk whose first frame equals the frame before it still has to encode a picture.
            picture = frame.png or (None if work.digests else work.last)
            work.digests.append(encoder.repeat() if picture is None else encoder.encode(picture))
        work.last = frame.png or work.last
        work.damage.append(frame.png is not None)
        work.seconds.append(round(frame.seconds, 5))
        observer.progress(len(work.digests), work.chunk.frames)


async def _capture(work: _Work, channel: _Channel, clock: StageClock) -> None:
    """The browser's half: announce that the page is ready, then hand over frames.

    A browser that dies, hangs or takes too much memory is replaced, and the next one goes on from the frame at which it did,
    since a frame does not depend on those before. Where it fails twice at the same frame, no browser is to blame.
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
            work.messages.append(f"{error}; a new browser goes on from frame {frame}")
            failed_at = frame


async def _frames(work: _Work, first: int, announce: _Channel | None, clock: StageClock) -> AsyncGenerator[Frame]:
    """The frames from ``first`` on, in a page of their own."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with work.plan_page.page() as (session, warm):
        ready = loop.time()
        clock.add("boot", ready - began)
        if announce is not None:
            work.warm, work.opened = warm, True
            await announce.put(_DONE)
        try:
            async for frame in capture(session, first, work.chunk.end, damage_test=work.damage_test):
                yield frame
            await session.finish()
        finally:
            work.messages += session.log.messages
            memory = session.chromium.memory
            memory.measure()
            work.browser_bytes = max(work.browser_bytes, memory.peak)
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

    def take(self, producer: concurrent.futures.Future[None], observer: Observer) -> object:
        """The next item, or the producer's error, or `RenderCancelledError`; None after the last item."""
        while True:
            try:
                item = self._items.get(timeout=_POLL)
            except queue.Empty:
                if observer.cancelled():
                    raise RenderCancelledError("the chunk was cancelled while it was rendered") from None
                if producer.done() and self._items.empty():
                    self._thread.result(producer)
                    return None
                continue
            with contextlib.suppress(RuntimeError):  # the thread was closed, and nobody waits there
                self._thread.loop.call_soon_threadsafe(self._free.release)
            return item

    def frames(self, producer: concurrent.futures.Future[None], observer: Observer) -> Iterator[Frame]:
        """Frames as they come, until the producer ends; metered as the capture's share of the caller's time."""
        while True:
            with observer.meter("capture"):
                item = self.take(producer, observer)
            if item is None:
                return
            assert isinstance(item, Frame)
            yield item


def _upload(work: _Work, output: Store, name: str) -> None:
    """Everything but the record that commits it."""
    chunk = work.chunk
    output.delete(name + ".json")  # of a chunk that is replaced: no record may stand for what is not yet there
    record = FrameRecord(
        key=chunk.key,
        start=chunk.start,
        digests=tuple(work.digests),
        damage=tuple(work.damage),
        seconds=tuple(work.seconds),
        messages=clipped(work.messages),
    )
    files: dict[str, bytes | Path] = {name: work.path, name + ".frames.json": canonical_json(record)}
    if work.before:
        files[name + ".before.png"] = work.before[0]
    files[name + ".last.png"] = work.last
    concurrently(lambda item: output.put(*item), files.items())


def _result(work: _Work, clock: StageClock, observer: Observer, url: str) -> ChunkResult:
    chunk, manifest = work.chunk, work.manifest
    return ChunkResult(
        plan_hash=manifest.plan_hash,
        key=chunk.key,
        index=chunk.index,
        start=chunk.start,
        end=chunk.end,
        url=url,
        sha256=file_digest(work.path),
        size=work.path.stat().st_size,
        codec=manifest.encoder.codec,
        capture_mode=manifest.page.capture_mode,
        digest=digest_of(work.digests),
        before_digest=work.before[1] if work.before else None,
        last_digest=work.digests[-1],
        static_frames=work.damage.count(False),
        stages=clock.rounded(),
        warm=work.warm,
        worker=_name_of(observer),
        browser=manifest.environment.browser,
        messages=len(work.messages),
        attempt=observer.attempt,
        browser_bytes=work.browser_bytes,
    )


def _name_of(observer: Observer) -> str:
    return observer.worker or f"{socket.gethostname()}:{os.getpid()}"
