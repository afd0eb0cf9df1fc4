"""Render the chunks of a plan, and split a plan into other chunks."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

import hfdask
from hfdask.core.frames import chunk_ranges
from hfdask.core.model import ChunkRange, decode, pretty_json
from hfdask.core.results import FrameRecord
from hfdask.store import split_url


def records(plan: hfdask.Plan, folder: Path, **options: Any) -> list[hfdask.ChunkResult]:
    """Render all chunks of a plan into a folder."""
    return [
        hfdask.render_chunk(plan.url, chunk.index, folder / f"{chunk.index}.mp4", **options)
        for chunk in plan.manifest.chunks
    ]


def digests(chunks: Iterable[hfdask.ChunkResult]) -> list[str]:
    """Return the digests of all frames of chunks."""
    found: list[str] = []
    for chunk in chunks:
        store, name = split_url(chunk.frames_url)
        found += decode(store.read(name), FrameRecord, name).digests
    return found


def split(plan: hfdask.Plan, folder: Path, count: int) -> hfdask.Plan:
    """Return the same plan in ``count`` chunks, or one more, without asking the page again.

    That planning repeats itself is tested elsewhere.
    """
    frames = plan.manifest.frames
    # Chunks of one size cannot split every number of frames into exactly this many; then it is one more.
    size = next(size for size in range(frames, 0, -1) if -(-frames // size) >= count)
    parts = in_chunks_of(plan, folder / f"plan-{count}", size)
    assert len(parts.manifest.chunks) in (count, count + 1)
    return parts


def in_chunks_of(plan: hfdask.Plan, place: Path, size: int) -> hfdask.Plan:
    """Return the same plan in chunks of ``size`` frames, in a new folder."""
    ranges = enumerate(chunk_ranges(plan.manifest.frames, size=size))
    chunks = tuple(ChunkRange(index=i, start=start, end=end, key=f"{i:064x}") for i, (start, end) in ranges)
    shutil.copytree(plan.url.removeprefix("file://"), place)
    (place / "plan.json").write_bytes(pretty_json(msgspec.structs.replace(plan.manifest, chunks=chunks).sealed()))
    return hfdask.Plan.open(place)
