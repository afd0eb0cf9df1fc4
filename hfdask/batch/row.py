"""Render a short video in the calling process: plan, one chunk, and the video, without a plan that stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hfdask.assembly.assemble import assemble
from hfdask.config import RenderConfig
from hfdask.core.model import RenderResult
from hfdask.core.observer import Observer, StageClock
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import RenderCancelledError
from hfdask.manifest.location import PlanLocation
from hfdask.planning.planning import FrozenProject, seal
from hfdask.rendering.chunk import render_chunk
from hfdask.store import Location, Snapshot, file_digest, split_output


def render_row(
    frozen: FrozenProject,
    files: Mapping[str, Path],
    output: Location,
    options: RenderConfig,
    *,
    limit: int,
    strict: bool,
    damage_test: bool,
    observer: Observer,
) -> tuple[RenderResult, str] | int:
    """Render a video of at most ``limit`` frames; return its result and the digest of its file.

    If it has more frames, return their number, and write nothing.

    Parameters
    ----------
    files : mapping of str to Path
        The project's files by their paths.

    Raises
    ------
    HfdaskError
        The errors of planning, of a chunk and of assembly. Nothing is at the output then.
    """
    with scratch_subfolder("row") as folder:
        location = PlanLocation.of(folder / "plan")
        one_chunk = replace(options, chunk_size=limit, target_chunk_frames=None, max_chunks=None, workers=None)
        with Snapshot(location.store()) as snapshot:
            snapshot.add_all(files.values())
            plan = seal(frozen, files, location, snapshot, one_chunk, StageClock(observer), published=True)
        if plan.manifest.frames > limit:
            return plan.manifest.frames
        chunk = render_chunk(
            location, 0, folder / "chunk.mp4", damage_test=damage_test, plan_hash=plan.hash, observer=observer
        )
        video = folder / "video.mp4"
        result = assemble(location, [chunk], video, strict=strict, plan_hash=plan.hash, observer=observer)
        if observer.cancelled():
            raise RenderCancelledError("the row was cancelled before its video was written")
        store, name = split_output(output)
        store.put(name, video)
        return result, file_digest(video)
