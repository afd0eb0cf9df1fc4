"""Reuse chunks in the store: finished chunks of this plan, and chunks of another plan with the same content key.

A chunk of another plan (`hfdask.planning.content_keys`) is reused if some of its frames are still rendered with the same
pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hfdask.core.model import ChunkRange, pretty_json
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult, FrameRecord
from hfdask.errors import MissingArtifactError, PlanCorruptError
from hfdask.formats.samples import Samples
from hfdask.manifest.records import read_frames, read_record
from hfdask.media.picture import digest_of
from hfdask.rendering.pipeline import ChunkWork
from hfdask.rendering.record import worker_name
from hfdask.store import Store, file_digest

SPOTS = 3
"""Number of moving frames of another plan's chunk, besides its first and last, to capture again before it is reused."""


def damaged(index: int, why: str) -> str:
    """Return the message for a chunk whose stored files cannot be used."""
    return f"chunk {index} was damaged and was rendered again: {why}"


def finished_chunk(
    output: Store, name: str, chunk: ChunkRange, tell: Callable[[str], object] = lambda text: None
) -> ChunkResult | None:
    """Return the record of a finished chunk in the store with the same content key, or None.

    Its ``plan_hash`` may be another plan's. A chunk whose file does not match the record does not count. The bytes are
    only read if that is cheap, in a local store; assembly checks them in any case. ``tell`` is called with a message if
    the record or its file is damaged.
    """
    where = output.url_of(name)
    try:
        record = read_record(output, name)
    except MissingArtifactError:
        return None
    except PlanCorruptError as error:
        tell(damaged(chunk.index, error.message))
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
        tell(damaged(chunk.index, f"the files of {where} do not match its record"))
        return None
    return record


def spot_frames(record: FrameRecord) -> tuple[int, ...]:
    """Choose the frames to capture again before a chunk is reused: the first, the last and some that move."""
    last = len(record.digests) - 1
    moving = [number for number, moved in enumerate(record.damage) if moved]
    spread = [moving[(2 * k + 1) * len(moving) // (2 * SPOTS)] for k in range(SPOTS)] if moving else [last // 2]
    return tuple(record.start + number for number in sorted({0, last, *spread}))


def take_over(
    work: ChunkWork, known: ChunkResult, output: Store, name: str, clock: StageClock, observer: Observer
) -> ChunkResult | None:
    """Reuse another plan's chunk if its frames are rendered as before. The frame before it is captured by this plan."""
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
        samples = Samples(work.manifest.encoder)
        digests = [samples.digest(picture) for picture in pictures]
    seen = zip(spots, digests[len(before) :], strict=True)
    different = [frame for frame, digest in seen if digest != record.digests[frame - chunk.start]]
    if different:
        work.messages.append(
            f"chunk {chunk.index} looked unchanged, but its frames {different} differ from the earlier plan's, "
            "so it was rendered again"
        )
        return None
    with clock("upload"):
        if before:
            output.put(name + ".before.png", pictures[0].png)
        taken = msgspec.structs.replace(
            known,
            plan_hash=work.manifest.plan_hash,
            index=chunk.index,
            url=output.url_of(name),
            before_digest=digests[0] if before else None,
            stages=clock.rounded(),
            began=round(clock.began, 3),
            seconds=round(clock.elapsed, 4),
            warm=warm,
            worker=worker_name(observer),
            attempt=observer.attempt,
            checked=len(spots),
        )
        output.put(name + ".json", pretty_json(taken))
    return msgspec.structs.replace(taken, reused=True)
