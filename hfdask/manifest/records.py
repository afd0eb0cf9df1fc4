"""Read the records of finished chunks, from stores that others may write to."""

from __future__ import annotations

import msgspec

from hfdask.core.model import ChunkResult, FrameRecord, decode
from hfdask.store import Store


def read_record(store: Store, name: str) -> ChunkResult:
    """Read the record of the chunk file of this name. Its ``url`` is the place where it was found, not the stored one.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    where = store.url_of(name + ".json")
    record = store.read_as(name + ".json", lambda data: decode(data, ChunkResult, where), limit=ChunkResult.LIMIT)
    return msgspec.structs.replace(record, url=store.url_of(name))


def read_frames(store: Store, name: str) -> FrameRecord:
    """Read the frame record of the chunk file of this name.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    name += ".frames.json"
    where = store.url_of(name)
    return store.read_as(name, lambda data: decode(data, FrameRecord, where), limit=FrameRecord.LIMIT)
