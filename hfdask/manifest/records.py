"""Reading what finished chunks say of themselves, from stores that others may write to."""

from __future__ import annotations

import msgspec

from hfdask.core.model import ChunkResult, FrameRecord, decode
from hfdask.store import Store


def read_record(store: Store, name: str) -> ChunkResult:
    """The record of the chunk file of this name. Its ``url`` is where it was found, whatever is written in it.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    where = store.url_of(name + ".json")
    record = store.read_as(name + ".json", lambda data: decode(data, ChunkResult, where), limit=ChunkResult.LIMIT)
    return msgspec.structs.replace(record, url=store.url_of(name))


def read_frames(store: Store, name: str) -> FrameRecord:
    """The frame record of the chunk file of this name.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    name += ".frames.json"
    where = store.url_of(name)
    return store.read_as(name, lambda data: decode(data, FrameRecord, where), limit=FrameRecord.LIMIT)
