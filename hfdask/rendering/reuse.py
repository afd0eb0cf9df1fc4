"""Chunks that are in the store already: finished ones of this plan, and ones of another plan that see the same.

A chunk of another plan is named by what it can see (`hfdask.planning.content_keys`). It is used if some of its frames still
come out as they did.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hfdask.core.model import ChunkRange, ChunkResult, FrameRecord, pretty_json
from hfdask.core.observer import Observer, StageClock
from hfdask.errors import MissingArtifactError, PlanCorruptError
from hfdask.manifest.records import read_frames, read_record
from hfdask.media.picture import decode_frame, digest_of, frame_digest
from hfdask.rendering.pipeline import ChunkWork
from hfdask.rendering.record import worker_name
from hfdask.store import Store, file_digest

SPOTS = 3
"""Moving frames of another plan's chunk that are captured again before it is used, besides its first and last."""


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


def take_over(
    work: ChunkWork, known: ChunkResult, output: Store, name: str, clock: StageClock, observer: Observer
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
            worker=worker_name(observer),
            attempt=observer.attempt,
            checked=len(spots),
        )
        output.put(name + ".json", pretty_json(taken))
    return msgspec.structs.replace(taken, reused=True)
