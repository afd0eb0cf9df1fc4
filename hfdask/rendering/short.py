"""Render a short video in one go: plan, capture, encode and join in this process, with one page load if possible.

A batch renders one frozen project with many variables. Each video is short, so what a render does around its frames
decides how long it takes. Here the plan lives in a scratch folder and is never sent anywhere, and planning takes the
pictures itself (`hfdask.planning.film`). A page that cannot be filmed is loaded once more, as for any chunk. The video has
the same bytes as one from `hfdask.render` whose plan has a single chunk.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from hfdask.assembly.assemble import Assembly
from hfdask.assembly.place import require_place
from hfdask.config import RenderConfig
from hfdask.core.forks import worked
from hfdask.core.frames import MAX_CHUNK_FRAMES
from hfdask.core.model import pretty_json
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult, RenderResult
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import InvalidConfigError, ProjectError
from hfdask.formats.table import FORMATS
from hfdask.manifest.location import CHUNKS, MANIFEST, SWEEP, PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.planning.fitness import Compared
from hfdask.planning.planning import FrozenProject, seal
from hfdask.rendering.film import ChunkFilm
from hfdask.rendering.pipeline import ChunkWork, render
from hfdask.rendering.plan_page import PlanPage
from hfdask.rendering.record import commit
from hfdask.store import Location, Place, Snapshot, StorageOptions, disk_full_at, split_output


@worked
def render_short(
    frozen: FrozenProject,
    files: Mapping[str, Path],
    output: Place,
    options: RenderConfig,
    *,
    limit: int,
    plan_url: Place,
    strict: bool = False,
    damage_test: bool = True,
    storage_options: StorageOptions | None = None,
    observer: Observer | None = None,
    compared: Compared = "no",
) -> RenderResult | Plan:
    """Render a frozen project to a video of at most ``limit`` frames, or plan a longer one.

    Parameters
    ----------
    frozen : FrozenProject
        The project, from `hfdask.planning.planning.freeze`.
    files : mapping of str to Path
        Its files by their paths: local, with the content that was frozen.
    output : str or path
        The video: any fsspec URL. It appears there only when it is complete and verified.
    options : RenderConfig
        Options of the plan. A video of at most ``limit`` frames is one chunk, whatever they say.
    limit : int
        Number of frames up to which a video is rendered here, 1 to 3600.
    plan_url : str or path
        Folder for the plan of a longer video. It has the project's files, too. It is not touched by a short video.
    strict, damage_test : bool
        As for `hfdask.JobConfig`.
    storage_options : mapping, optional
        Arguments of the file systems of ``output`` and ``plan_url``.
    observer : Observer, optional
        Follows stages and frames, and can cancel.
    compared : {"no", "yes"}
        ``yes`` if the project is known to look the same from a canvas, with other variables; see `looks_alike`.

    Returns
    -------
    RenderResult or Plan
        The video; or the plan of a longer one, from the same planning, whose chunks are still to be rendered.

    Raises
    ------
    HfdaskError
        The errors of `hfdask.plan`, `hfdask.render_chunk` and `hfdask.assemble`. Nothing is at the output's name then, and
        nothing is left on this machine.
    """
    if not 1 <= limit <= MAX_CHUNK_FRAMES:
        raise InvalidConfigError(f"limit must be 1 to {MAX_CHUNK_FRAMES} frames, not {limit}", field="limit")
    began = time.perf_counter()
    observer = observer or Observer()
    clock = StageClock(observer)
    store, name = split_output(output, storage_options, may_be_folder=True)
    require_place(FORMATS[options.output_format], store, name)
    place = Location.at(store, name)
    with scratch_subfolder("short") as folder:
        location = PlanLocation.of(folder / "plan")
        film = ChunkFilm(
            folder / "film.mp4", lambda _, frames: frames <= limit, damage_test=damage_test, observer=observer
        )
        with _snapshot(frozen, files, location) as snapshot, film:
            plan = seal(
                frozen,
                files,
                location,
                snapshot,
                options,
                clock,
                published=True,
                film=film,
                whole=limit,
                compared=compared,
            )
            if plan.manifest.frames > limit:
                return _published(plan, snapshot, PlanLocation.of(plan_url, storage_options))
            chunk = film.chunk(plan, observer)
            if chunk is None:
                chunk = _rendered(plan, snapshot, folder / "chunk.mp4", observer, damage_test=damage_test)
        with Assembly(location, place, strict=strict, observer=observer, plan_hash=plan.hash) as assembly:
            assembly.add(chunk)
            video = assembly.finish()
    stages = {**plan.stages, **video.stages, "total": round(time.perf_counter() - began, 4)}
    return msgspec.structs.replace(video, stages=stages, findings=plan.findings)


@worked
def looks_alike(
    frozen: FrozenProject, files: Mapping[str, Path], options: RenderConfig, observer: Observer | None = None
) -> bool:
    """Return true if a frozen project looks the same from a canvas, by the comparison of planning, however short it is.

    A project that cannot be planned with these options does not: with other variables it may.
    """
    with scratch_subfolder("short") as folder:
        location = PlanLocation.of(folder / "plan")
        with _snapshot(frozen, files, location) as snapshot:
            clock = StageClock(observer or Observer())
            if options.check != "off":  # what it finds in the files is remembered for the rows, and fails none here
                options = replace(options, check="report")
            try:
                plan = seal(
                    frozen, files, location, snapshot, options, clock, published=True, listen=False, compared="now"
                )
            except ProjectError:
                return False
    return plan.manifest.page.capture_mode == "canvas"


def _snapshot(frozen: FrozenProject, files: Mapping[str, Path], location: PlanLocation) -> Snapshot:
    """Return the objects of a plan in this process's scratch folder; the project's files are used in their places."""
    return Snapshot(location.store(), {each.sha256: files[each.path] for each in frozen.artifacts})


def _rendered(plan: Plan, snapshot: Snapshot, path: Path, observer: Observer, *, damage_test: bool) -> ChunkResult:
    """Render the only chunk of a plan in a second page, without a store for the project's files."""
    manifest, chunk = plan.manifest, plan.manifest.chunks[0]
    clock = StageClock(observer)
    with clock("materialise"):
        paths = {each.sha256: snapshot.file(each.sha256) for each in manifest.objects}
        plan_page = PlanPage.at(paths, manifest, range(chunk.end))
    work = ChunkWork(manifest=manifest, chunk=chunk, plan_page=plan_page, path=path, damage_test=damage_test)
    with disk_full_at(path):
        render(work, clock, observer)
    store = plan.location.child(CHUNKS).store()
    return commit(work, manifest, chunk, store, chunk.file, clock, observer)


def _published(plan: Plan, snapshot: Snapshot, location: PlanLocation) -> Plan:
    """Move a plan to a folder that workers can reach."""
    store, objects = location.store(), plan.manifest.objects
    with Snapshot(store) as target:
        target.add_all(snapshot.file(digest) for digest in {each.sha256 for each in objects})
        target.publish(objects)
        store.put(SWEEP, plan.location.store().read(SWEEP))
        store.put(MANIFEST, pretty_json(plan.manifest))
    return replace(plan, location=location)
