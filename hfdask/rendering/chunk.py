"""Render a chunk: capture frames in the browser and encode them, at the same time.

The browser's thread captures, and the calling thread encodes. The channel between them is bounded, so pictures do not
pile up if the encoder is slow. A chunk's record is written last, so a record means a finished chunk, and a second call
for the same chunk finds it and does nothing. A chunk that was finished for another plan, with the same content key
(`hfdask.planning.content_keys`), is reused if some of its frames are still rendered with the same pixels.
"""

from __future__ import annotations

from contextlib import ExitStack

import msgspec

from hfdask.browser.environment import require_environment
from hfdask.core.forks import worked
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult
from hfdask.core.scratch import scratch_subfolder
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.rendering.pipeline import ChunkWork, render
from hfdask.rendering.plan_page import PlanPage
from hfdask.rendering.record import commit
from hfdask.rendering.reuse import finished_chunk, take_over
from hfdask.store import Place, StorageOptions, disk_full_at, split_output


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

    The chunk's frame record (``.frames.json``), the pictures at its seams (``.before.png``, ``.last.png``) and its
    record (``.json``) go next to the file. The record comes last and commits the chunk.

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
        True to capture only frames that change. The pixels are the same either way.
    redo : bool
        True to render even if a finished chunk exists, of this plan or unchanged from another.
    plan_hash : str, optional
        Hash of the expected plan. Another plan in its place is an error.
    observer : Observer, optional
        Follows stages and progress, and can cancel.

    Returns
    -------
    ChunkResult
        ``reused`` is true if the chunk existed already.

    Raises
    ------
    PlanError
        If the plan or the index is not valid, or this process's environment does not match.
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
            plan_page = held.enter_context(PlanPage.of(store, manifest, range(max(0, chunk.start - 1), chunk.end)))
        path = held.enter_context(scratch_subfolder("chunk")) / "chunk.mp4"
        work = ChunkWork(manifest=manifest, chunk=chunk, plan_page=plan_page, path=path, damage_test=damage_test)
        if known and (taken := take_over(work, known, output, name, clock, observer)):
            return taken
        with disk_full_at(path):
            render(work, clock, observer)
        return commit(work, manifest, chunk, output, name, clock, observer)
