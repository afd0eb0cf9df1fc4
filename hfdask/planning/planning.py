"""Freeze a project into a self-contained plan.

Planning is the only step that reads the project. Everything that can change a byte of the output is decided and stored
here. The manifest is written last, so a folder with a `plan.json` is a complete plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar, Unpack

import msgspec
from msgspec import Meta

from hfdask.browser import browser_thread
from hfdask.browser.capabilities import capture_mode, planning_mode
from hfdask.browser.environment import current_environment
from hfdask.checking.check import check_frozen
from hfdask.config import PlanOptions, RenderConfig, explicit
from hfdask.core.fields import MAX_FILES, Path, clipped
from hfdask.core.forks import worked
from hfdask.core.model import (
    PROTOCOL,
    Artifact,
    Manifest,
    PageSettings,
    Rate,
    Resource,
    Video,
    VideoIndex,
    canonical_json,
    pretty_json,
)
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import Finding
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.core.sound import PlannedSound, SoundSource, sample_count
from hfdask.core.values import Value
from hfdask.errors import InvalidConfigError, ProjectError
from hfdask.manifest.location import MANIFEST, SWEEP, PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.manifest.reading import require_consistent
from hfdask.planning.canvas import declared_canvas, declared_duration, declares_video
from hfdask.planning.content_keys import chunk_keys
from hfdask.planning.costs import costs_in
from hfdask.planning.film import Film
from hfdask.planning.fitness import Compared
from hfdask.planning.mixing import Mixer, soundtrack_of
from hfdask.planning.probe import Probe, probe
from hfdask.planning.sources import FoundFile, FoundVideo
from hfdask.planning.splitting import split
from hfdask.project.files import Project, freeze_files, local_project
from hfdask.project.settings import with_project_file
from hfdask.store import Place, Snapshot, StorageOptions


@worked
def plan(
    project: str | os.PathLike[str],
    plan_url: Place,
    *,
    storage_options: StorageOptions | None = None,
    observer: Observer | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[PlanOptions],
) -> Plan:
    """Freeze a project into a plan.

    Chunks have equal length or equal expected cost, whichever is expected to end sooner (docs/plan-format.md, "Chunks").
    If there is a plan at the URL and some of its chunks can be reused, the new plan keeps its ranges of frames, unless
    the configuration asks for others. The number of workers does not matter then.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself: a local path or any fsspec URL.
    plan_url : str or path
        Folder for the plan: any fsspec URL. Existing objects are reused.
    storage_options : mapping, optional
        Arguments of the file systems of both URLs. They are not stored.
    observer : Observer, optional
        Follows the stages.
    config : RenderConfig, optional
        Options of the plan.
    **options
        Fields of `hfdask.RenderConfig`; they win over ``config``, and both over the project's ``hfdask.toml``.

    Raises
    ------
    InvalidConfigError, ProjectError, BrowserError, StoreError
        Before any chunk is rendered. The plan's folder has no manifest of this plan then.
    """
    return plan_with(project, plan_url, explicit(config, options), storage_options=storage_options, observer=observer)


def plan_with(
    project: str | os.PathLike[str],
    plan_url: Place,
    options: Mapping[str, Any],
    *,
    slots: int = 0,
    storage_options: StorageOptions | None = None,
    observer: Observer | None = None,
    listen: bool = True,
    film: Film | None = None,
) -> Plan:
    """Plan with the options that a caller gave.

    ``slots`` is the default of ``workers``, 0 for none. Without ``listen``, the plan has no sound. A ``film`` gets the
    pictures of a page that can be filmed (`hfdask.planning.film`).
    """
    clock = StageClock(observer or Observer())
    location = PlanLocation.of(plan_url, storage_options)
    current_environment()  # report a missing browser before anything is hashed
    with Snapshot(location.store()) as snapshot, local_project(project, storage_options) as folder:
        config = RenderConfig.of(options_of(folder, options, slots))
        with clock("compile"):
            frozen = freeze(folder, config, snapshot)
        files = {each.path: snapshot.file(each.sha256) for each in frozen.artifacts}
        return seal(frozen, files, location, snapshot, config, clock, listen=listen, film=film)


class FrozenProject(Value, frozen=True):
    """A project as it was when it was taken into a plan's store: the page has not been looked at yet.

    Attributes
    ----------
    folder : str
        What it is called in messages.
    entry : str
        The entry document.
    artifacts : tuple of Artifact
        All files.
    """

    LIMIT: ClassVar[int] = Manifest.LIMIT

    folder: str
    entry: Path
    artifacts: Annotated[tuple[Artifact, ...], Meta(max_length=MAX_FILES)]


def options_of(folder: FilePath, options: Mapping[str, Any], slots: int) -> dict[str, Any]:
    """Merge a caller's options, the options in the project's file, and the default of ``workers``."""
    given = with_project_file(folder, options)
    return given if not slots else {"workers": slots, **given}


def freeze(folder: FilePath, options: RenderConfig, snapshot: Snapshot) -> FrozenProject:
    """Take a project's files into a plan's content. Nothing reads the project after that.

    Raises
    ------
    EntryNotFoundError, ProjectError
    """
    found = Project.find(folder, options.entry)
    return FrozenProject(folder=str(found.folder), entry=found.entry, artifacts=freeze_files(found, snapshot))


def seal(
    frozen: FrozenProject,
    files: Mapping[str, FilePath],
    location: PlanLocation,
    snapshot: Snapshot,
    options: RenderConfig,
    clock: StageClock,
    *,
    published: bool = False,
    listen: bool = True,
    film: Film | None = None,
    whole: int = 0,
    compared: Compared = "no",
) -> Plan:
    """Check and probe a frozen project in a browser, and write its plan.

    Parameters
    ----------
    files : mapping of str to Path
        The project's files by their paths, as they were frozen.
    published : bool
        True if they are already in the plan's store.
    listen : bool
        False for a plan without sound.
    film : Film, optional
        Gets the pictures of a page that can be filmed.
    whole : int
        A video of at most this number of frames is one chunk, whatever the options are.
    compared : {"no", "now", "yes"}
        Whether the page is known to look the same from a canvas; ``now`` to compare it however short it is.
    """
    store, artifacts = location.store(), frozen.artifacts
    found = Project(FilePath(frozen.folder), frozen.entry, files)
    with clock("check"):
        environment = current_environment()
        findings = _check(frozen, found, options, environment.browser)
    with clock("probe"):
        mode = planning_mode(capture_mode(options.capture))
        markup = files[found.entry].read_text("utf-8", errors="replace")
        width, height, fps = declared_canvas(markup)
        page = PageSettings(
            width=width,
            height=height,
            capture_mode=mode,
            fragment=found.is_fragment,
            variables=options.variables,
            page_errors=options.page_errors,
            load_timeout=float(options.load_timeout),
            frame_timeout=float(options.frame_timeout),
            scale=_assumed_scale(options, width, height),
            transparent=options.encoder(fps).alpha,
            hdr=options.hdr,
        )
        try:
            probed = browser_thread().run(
                probe(
                    files,
                    found.entry,
                    page,
                    fps,
                    options,
                    clock,
                    seconds=declared_duration(markup),
                    has_video=declares_video(markup),
                    listen=listen,
                    film=None if options.hdr else film,
                    compared=compared,
                )
            )
        except ProjectError as error:
            for line in Finding.summary(findings):  # may well say why
                error.add_note(f"check: {line}")
            raise
    mixer = Mixer(store, snapshot, environment)
    with clock("freeze"):
        snapshot.add_all([*probed.bodies.values(), *probed.font_files.values()])
        videos = tuple(_video(each, artifacts, probed, snapshot) for each in probed.videos)
    heard = _heard(artifacts, probed)
    sound = _mixed(probed, heard, mixer, clock) if options.has_sound else None
    silent = probed.sounding is not None and not options.has_sound
    left_out = [f"{options.output_format} has no sound, so the composition's sound is left out"] if silent else []
    with clock("freeze"):
        manifest = Manifest(
            protocol=PROTOCOL,
            plan_hash="",
            entry=found.entry,
            fps=Rate.of(probed.fps),
            width=probed.page.pixels[0],
            height=probed.page.pixels[1],
            frames=probed.frames,
            chunks=(),
            format=options.output_format,
            loop=options.loop,
            encoder=options.encoder(probed.fps, [each.source for each in probed.videos]),
            page=probed.page,
            environment=environment,
            timeline=probed.timeline,
            artifacts=artifacts,
            resources=probed.resources,
            fonts=probed.fonts,
            videos=videos,
            clips=probed.clips,
            only_heard=_only_heard(heard, videos, artifacts, probed),
            sound=sound,
            sound_codec=options.sound_codec,
            warnings=clipped([*probed.warnings, *left_out, *options.padding(*probed.page.pixels)]),
        )
        costs = costs_in(manifest, probed.sweep)
        key = chunk_keys(manifest, probed.sight, files)
        whole = probed.frames if probed.filmed else whole
        sized = options.in_segments(probed.fps)
        chunks, why = split(location, sized, probed.frames, costs, key, manifest.encoder.container, whole=whole)
        manifest = msgspec.structs.replace(manifest, chunks=chunks).sealed()
        require_consistent(manifest, store.url)
        sweep = msgspec.structs.replace(probed.sweep, plan_hash=manifest.plan_hash)
        snapshot.publish(manifest.objects, artifacts if published else ())
        if sound is not None:
            mixer.keep(sound)
        store.put(SWEEP, canonical_json(sweep))
        store.put(MANIFEST, pretty_json(manifest))
    return Plan(location, manifest, clock.rounded(), probed.messages, findings, why)


def _assumed_scale(options: RenderConfig, width: int, height: int) -> Scale:
    """Return the scale if the page has the size that its markup declares. If that does not fit, the loaded page decides."""
    try:
        return Scale.of(options.scale_for(width, height))
    except InvalidConfigError:
        return UNSCALED


def _video(found: FoundVideo, artifacts: Iterable[Artifact], probed: Probe, snapshot: Snapshot) -> Video:
    """Store the frame index of a source video, and return its entry in the plan."""
    content = _content(found, artifacts, probed)
    digest, size = snapshot.add(canonical_json(found.index))
    return Video(
        name=found.name,
        sha256=content.sha256,
        size=content.size,
        index=VideoIndex(sha256=digest, size=size),
        source=found.source,
        asked=content.sha256 in _asked(artifacts, probed),
    )


def _mixed(probed: Probe, heard: Iterable[SoundSource], mixer: Mixer, clock: StageClock) -> PlannedSound | None:
    """Return the mix of all sounds, or None if nothing sounds."""
    if probed.sounding is None:
        return None
    with clock("mix"):
        soundtrack = soundtrack_of(probed.sounding, tuple(heard), sample_count(probed.frames, probed.fps))
        return mixer.mix(soundtrack, [each.element for each in probed.sounding.files])


def _heard(artifacts: Iterable[Artifact], probed: Probe) -> tuple[SoundSource, ...]:
    """Return the files that sound, in the order of `Sounding.files`."""
    files = probed.sounding.files if probed.sounding else ()
    contents = ((each.file.name, _content(each.file, artifacts, probed)) for each in files)
    return tuple(SoundSource(name=name, sha256=content.sha256, size=content.size) for name, content in contents)


def _only_heard(
    heard: Iterable[SoundSource], videos: Iterable[Video], artifacts: Iterable[Artifact], probed: Probe
) -> tuple[SoundSource, ...]:
    """Return the files that sound, without files that pages ask for, and without source videos."""
    needed = _asked(artifacts, probed) | {video.sha256 for video in videos}
    return tuple({each.sha256: each for each in heard if each.sha256 not in needed}.values())


def _content(found: FoundFile, artifacts: Iterable[Artifact], probed: Probe) -> Artifact | Resource:
    if found.key is None:
        return next(each for each in artifacts if each.path == found.file)
    return next(each for each in probed.resources if each.key == found.key)


def _asked(artifacts: Iterable[Artifact], probed: Probe) -> set[str]:
    """Return the digests of the files that the page itself asks for."""
    own = {each.sha256 for each in artifacts if each.path in probed.sight.served}
    return own | {each.sha256 for each in probed.resources if each.key in probed.asked}


def _check(frozen: FrozenProject, found: Project, options: RenderConfig, browser: str) -> tuple[Finding, ...]:
    if options.check == "off":
        return ()
    mode = planning_mode(capture_mode(options.capture))
    report = check_frozen((frozen.entry, frozen.artifacts), found, mode, browser, options)
    report.require(options.check)
    return report.findings
