"""Read the records of finished chunks, from stores that others may write to."""

from __future__ import annotations

import msgspec

from hfdask.core.forks import worked
from hfdask.core.model import decode
from hfdask.core.results import ChunkResult, FrameRecord
from hfdask.errors import MissingArtifactError
from hfdask.store import StorageOptions, Store, split_url

_FRAMES = ".frames.json"
"""Ending of the names of frame records. Names of the chunks' own records end in ``.json``, too."""


def read_record(store: Store, name: str) -> ChunkResult:
    """Read the record of the chunk file of this name. Its ``url`` is the place where it was found, not the stored one.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    where = store.url_of(name + ".json")
    record = store.read_as(name + ".json", lambda data: decode(data, ChunkResult, where), limit=ChunkResult.LIMIT)
    return msgspec.structs.replace(record, url=store.url_of(name))


def has_records(store: Store) -> bool:
    """Return true if a folder has records of finished chunks.

    Raises
    ------
    StoreError, StoreRefusedError
    """
    return any(name.endswith(".json") and not name.endswith(_FRAMES) for name in store.names())


def read_frames(store: Store, name: str) -> FrameRecord:
    """Read the frame record of the chunk file of this name.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    name += _FRAMES
    where = store.url_of(name)
    return store.read_as(name, lambda data: decode(data, FrameRecord, where), limit=FrameRecord.LIMIT)


@worked
def frame_record(chunk: ChunkResult, *, storage_options: StorageOptions | None = None) -> FrameRecord:
    """Read which frames of a finished chunk changed, how long each took to capture, and what their pixels were.

    A render keeps its chunks only if it has a ``plan_dir``.

    Parameters
    ----------
    chunk : ChunkResult
        One of `RenderResult.chunks`, or the result of `render_chunk`.
    storage_options : mapping, optional
        Arguments of the file system of the chunk's URL.

    Raises
    ------
    MissingArtifactError
        If the chunk's files are gone.
    PlanCorruptError, StoreError, StoreRefusedError
    """
    store, name = split_url(chunk.url, storage_options)
    try:
        return read_frames(store, name)
    except MissingArtifactError as error:
        raise MissingArtifactError(
            f"{chunk.frames_url} is not there: render with a plan_dir to keep the chunks", url=chunk.frames_url
        ) from error
