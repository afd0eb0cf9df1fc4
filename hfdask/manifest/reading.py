"""Read a plan's manifest from a store: decode it, and check its consistency and its hash.

All manifests are read here. Types check single fields (`hfdask.core.fields`). Conditions on several fields are checked
here, so that a worker never acts on a plan that this library could not have made.
"""

from __future__ import annotations

from functools import partial

import msgspec

from hfdask.core.frames import MAX_DURATION, parse_fps
from hfdask.core.model import PROTOCOL, Manifest, decode
from hfdask.core.sound import sample_count
from hfdask.errors import InvalidConfigError, MissingArtifactError, PlanCorruptError, PlanHashError, ProtocolError
from hfdask.fonts.families import CANONICAL
from hfdask.formats.table import known_settings, known_sound
from hfdask.manifest.location import MANIFEST
from hfdask.store import Store

_CANONICAL = frozenset(name for canonical in CANONICAL for name in canonical.files())


def read_manifest(store: Store, plan_hash: str | None = None) -> Manifest:
    """Read a plan's manifest, without checking its content against its hash.

    Parameters
    ----------
    plan_hash : str, optional
        Hash of the expected plan.

    Raises
    ------
    MissingArtifactError, ProtocolError, PlanCorruptError
    PlanHashError
        If there is another plan.
    """
    where = store.url_of(MANIFEST)
    try:
        manifest = store.read_as(MANIFEST, partial(_manifest, where=where), limit=Manifest.LIMIT)
    except MissingArtifactError as error:
        raise MissingArtifactError(f"there is no plan at {where}, or it is not complete yet", url=where) from error
    if plan_hash is not None and manifest.plan_hash != plan_hash:
        raise PlanHashError(
            f"another plan was made at {where} while this one was rendered; give each render its own plan_dir",
            url=where,
        )
    return manifest


def _manifest(data: bytes, where: str) -> Manifest:
    protocol = decode(data, dict[str, msgspec.Raw], where).get("protocol")
    if protocol is None or bytes(protocol) != b"%d" % PROTOCOL:
        has = "none" if protocol is None else bytes(protocol)[:20].decode("utf-8", "replace")
        raise ProtocolError(
            f"{where} has protocol {has}, this version of hfdask takes {PROTOCOL}; plan again", url=where
        )
    manifest = decode(data, Manifest, where)
    require_consistent(manifest, where)
    return manifest


def require_sealed(manifest: Manifest, where: str) -> None:
    """Check that a manifest is unchanged since it was planned.

    Raises
    ------
    PlanHashError
    """
    if manifest.content_hash() != manifest.plan_hash:
        raise PlanHashError(f"the manifest at {where} was changed after planning; plan again", url=where)


def require_consistent(manifest: Manifest, where: str) -> None:
    """Check the conditions that types cannot express.

    Raises
    ------
    PlanCorruptError
    """

    def require(condition: object, what: str) -> None:
        if not condition:
            raise PlanCorruptError(f"{where}: {what}; plan again", document=where)

    _require_chunks(manifest, where)
    try:
        fps = parse_fps(manifest.fps.fraction)
    except InvalidConfigError as error:
        raise PlanCorruptError(
            f"{where}: fps {manifest.fps.num}/{manifest.fps.den} is not a frame rate; plan again", document=where
        ) from error
    page = manifest.page
    require(manifest.frames <= MAX_DURATION * fps, f"{manifest.frames} frames are more than 24 hours")
    require(page.pixels == (manifest.width, manifest.height), "the size of the page's pictures is not the video's")
    require(
        known_settings(manifest.format, manifest.encoder, fps),
        f"{manifest.encoder.codec} in {manifest.format} has settings that no option makes",
    )
    require(
        page.transparent == manifest.encoder.alpha, "its page is transparent and its encoder is not, or the reverse"
    )
    require(not (page.transparent and page.capture_mode == "canvas"), "a canvas gives no alpha")
    require(
        page.hdr == (manifest.encoder.transfer != "bt709"), "its page is in HDR and its encoder is not, or the reverse"
    )
    require(not (page.hdr and page.capture_mode == "canvas"), "a canvas gives no HDR")
    containers = {chunk.container for chunk in manifest.chunks}
    require(containers == {manifest.encoder.container}, "a chunk has another container than the encoder")
    require(
        known_sound(manifest.format, manifest.sound_codec), f"{manifest.format} has no sound in {manifest.sound_codec}"
    )
    paths = {artifact.path for artifact in manifest.artifacts}
    require(len(paths) == len(manifest.artifacts), "two artifacts have the same path")
    require(manifest.entry in paths, f"the entry {manifest.entry} is not among the artifacts")
    require(
        len({each.key for each in manifest.resources}) == len(manifest.resources), "two resources have the same key"
    )
    _require_media(manifest, where)
    if manifest.sound is not None:
        samples = manifest.sound.samples
        require(samples == sample_count(manifest.frames, fps), f"{samples} samples are not as long as the video")
    sizes = {each.sha256: each.size for each in manifest.objects}
    require(all(sizes[each.sha256] == each.size for each in manifest.objects), "an object has two different sizes")
    for font in manifest.fonts.files:
        require(not font.canonical or font.name in _CANONICAL, f"{font.name} is not a font of a canonical family")


def _require_media(manifest: Manifest, where: str) -> None:
    """Check that clips play videos of the plan, and that these and its sounds are files of it."""
    files = {each.sha256 for each in manifest.artifacts} | {each.sha256 for each in manifest.resources}
    entry = next(each.sha256 for each in manifest.artifacts if each.path == manifest.entry)
    conditions = (
        (all(clip.video < len(manifest.videos) for clip in manifest.clips), "a clip plays no video of the plan"),
        (len({clip.id for clip in manifest.clips}) == len(manifest.clips), "two clips have the same id"),
        (all(video.sha256 in files for video in manifest.videos), "no file of the plan has the digest of a video"),
        (all(each.sha256 in files for each in manifest.only_heard), "no file of the plan has the digest of a sound"),
        (entry not in manifest.only_decoded, "its entry document is a video or a sound"),
    )
    for met, what in conditions:
        if not met:
            raise PlanCorruptError(f"{where}: {what}; plan again", document=where)


def _require_chunks(manifest: Manifest, where: str) -> None:
    """Check that the chunks cover the frames, each frame once and in order."""
    end = 0
    for position, chunk in enumerate(manifest.chunks):
        if not (chunk.index == position and chunk.start == end < chunk.end and chunk.key):
            raise PlanCorruptError(
                f"{where}: chunk {position} is {chunk.start} to {chunk.end} after {end}, or has no key; plan again",
                document=where,
            )
        end = chunk.end
    if not end == manifest.frames >= 1:
        raise PlanCorruptError(f"{where}: chunks end at frame {end} of {manifest.frames}; plan again", document=where)
