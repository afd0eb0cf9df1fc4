"""Results as tables: rows for a data frame, and HTML for a notebook.

Neither needs pandas: a list of flat dictionaries is what `pandas.DataFrame` and every other table takes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hfdask.text import legible

if TYPE_CHECKING:
    from hfdask.core.results import ChunkResult, RenderResult

CHUNK_STAGES = ("materialise", "boot", "capture", "encode", "upload")
"""Stages of a chunk in their order. Capture and encode run at the same time."""


def html_table(rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return rows of text as a plain HTML table, escaped."""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption>{body}</table>"


def chunk_row(chunk: ChunkResult) -> dict[str, Any]:
    """Return a chunk's record as one flat row, with a column for each stage (0 if the chunk did without it)."""
    return {
        "chunk": chunk.index,
        "start": chunk.start,
        "end": chunk.end,
        "frames": chunk.frames,
        "static_frames": chunk.static_frames,
        "worker": chunk.worker,
        "warm": chunk.warm,
        "attempt": chunk.attempt,
        "reused": chunk.reused,
        "size": chunk.size,
        "browser_bytes": chunk.browser_bytes,
        **{stage: chunk.stages.get(stage, 0.0) for stage in CHUNK_STAGES},
    }


def facts(result: RenderResult) -> Iterator[tuple[str, str]]:
    """Yield what people want to know of a video first, as names and texts."""
    yield "video", f"{result.width} x {result.height}, {result.duration:.2f} s, {result.size / 1e6:.2f} MB"
    yield "frames", f"{result.frames} at {result.fps} a second, {result.static_frames} of them static"
    if result.sound is not None:
        yield "sound", str(result.sound)
    yield "chunks", f"{len(result.chunks)}, {sum(chunk.reused for chunk in result.chunks)} of them reused"
    yield "workers", str(len({chunk.worker for chunk in result.chunks}))
    different = [str(seam.frame) for seam in result.seams if not seam.equal]
    where = f": frames {', '.join(different)}" if different else ""
    yield "seams", f"{len(result.seams)}, {len(different)} of them different{where}"
    if result.findings:
        yield "findings", str(len(result.findings))
    for warning in result.warnings:
        yield "warning", warning


def _cell(text: str) -> str:
    return f"<td style='text-align:left'>{_escaped(text)}</td>"


def _escaped(text: str) -> str:
    return html.escape(legible(text))
