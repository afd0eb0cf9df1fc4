"""The files of a finished chunk: everything but its record first, because the record commits it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from hfdask.core.fields import clipped
from hfdask.core.model import ChunkRange, Manifest, canonical_json, pretty_json
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult, FrameRecord
from hfdask.media.picture import digest_of
from hfdask.rendering.recording import Recording
from hfdask.store import Store, concurrently, file_digest


def commit(
    work: Recording,
    manifest: Manifest,
    chunk: ChunkRange,
    output: Store,
    name: str,
    clock: StageClock,
    observer: Observer,
) -> ChunkResult:
    """Upload the files of a chunk that was just rendered, then its record; return that."""
    with clock("upload"):
        _upload(work, chunk, output, name)
    result = _result_of(work, manifest, chunk, clock, observer, output.url_of(name))
    with clock("upload"):
        output.put(name + ".json", pretty_json(result))
    return result


def _upload(work: Recording, chunk: ChunkRange, output: Store, name: str) -> None:
    """Upload everything except the record, which commits the chunk."""
    output.delete(name + ".json")  # of a chunk that is replaced: no record may exist before its files
    record = FrameRecord(
        key=chunk.key,
        start=chunk.start,
        digests=tuple(work.digests),
        damage=tuple(work.damage),
        seconds=tuple(work.seconds),
        taken=tuple(work.taken),
        decode=tuple(work.decode),
        seek=tuple(work.seek),
        encode=tuple(work.encode_seconds),
        sizes=tuple(work.sizes),
        messages=clipped(work.messages),
    )
    files: dict[str, bytes | Path] = {name: work.path, name + ".frames.json": canonical_json(record)}
    if work.before is not None:
        files[name + ".before.png"] = work.before.png
    assert work.last is not None  # a chunk has a frame
    files[name + ".last.png"] = work.last.png
    work.uploaded = sum(len(item) if isinstance(item, bytes) else item.stat().st_size for item in files.values())
    concurrently(lambda item: output.put(*item), files.items())


def _result_of(
    work: Recording, manifest: Manifest, chunk: ChunkRange, clock: StageClock, observer: Observer, url: str
) -> ChunkResult:
    """Make the record of a chunk that was just rendered."""
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
        before_digest=work.before_digest,
        last_digest=work.digests[-1],
        static_frames=work.damage.count(False),
        stages=clock.rounded(),
        began=round(clock.began, 3),
        seconds=round(clock.elapsed, 4),
        warm=work.warm,
        worker=worker_name(observer),
        browser=manifest.environment.browser,
        messages=len(work.messages),
        attempt=observer.attempt,
        browser_bytes=work.browser_bytes,
        cpu_seconds=round(work.cpu_seconds, 4),
        uploaded=work.uploaded,
        transparent=work.transparent,
    )


def worker_name(observer: Observer) -> str:
    """Name this process for records."""
    return observer.worker or f"{socket.gethostname()}:{os.getpid()}"
