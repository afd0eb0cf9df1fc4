"""Certificates: what a video was rendered from, by whom, frame by frame, and a check that it still comes out so.

A certificate lies next to its video as JSON. Everything in it can be checked: the video by its digest, and every frame by
rendering it again from the plan, on any machine that has the plan's environment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from hfdask.browser.environment import require_environment
from hfdask.core.fields import (
    MAX_CHUNKS,
    MAX_FRAMES,
    ChunkIndex,
    Count,
    Digest,
    Frame,
    FrameDigest,
    Line,
    Side,
    Size,
    Url,
)
from hfdask.core.forks import worked
from hfdask.core.model import (
    CaptureMode,
    ChunkResult,
    Environment,
    FrameRecord,
    Manifest,
    Rate,
    Seam,
    Value,
    decode,
    pretty_json,
)
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import ArtifactDigestError, CertificateError, InvalidConfigError, MissingArtifactError
from hfdask.manifest.plan import Plan
from hfdask.media.picture import decode_frame, digest_of, frame_digest
from hfdask.rendering.plan_page import Materials
from hfdask.store import StorageOptions, Store, file_digest, split_url

SUFFIX = ".certificate.json"
SAMPLE = 10


class CertifiedChunk(Value, frozen=True):
    """Which worker rendered a chunk, at which attempt (from 0), and what came out."""

    index: ChunkIndex
    start: Frame
    end: Frame
    digest: FrameDigest
    sha256: Digest
    worker: Line
    attempt: Count
    capture_mode: CaptureMode
    static_frames: Frame


class Certificate(Value, frozen=True):
    """A finished video's record; ``frame_digests`` are as in `hfdask.core.model.FrameRecord`, ``sha256`` is the file's."""

    LIMIT: ClassVar[int] = 2**30

    video: Url
    sha256: Digest
    size: Size
    plan_url: Url
    plan_hash: Digest
    environment: Environment
    fps: Rate
    width: Side
    height: Side
    digest: FrameDigest
    frame_digests: Annotated[tuple[FrameDigest, ...], Meta(min_length=1, max_length=MAX_FRAMES)]
    chunks: Annotated[tuple[CertifiedChunk, ...], Meta(max_length=MAX_CHUNKS)]
    seams: Annotated[tuple[Seam, ...], Meta(max_length=MAX_CHUNKS)]


class Verification(Value, frozen=True):
    """What `verify` did: the frames that were rendered again, all of them equal."""

    video: str
    plan_hash: str
    frames: int
    checked: tuple[int, ...]


def certificate_of(
    video: str,
    path: Path,
    plan_url: str,
    manifest: Manifest,
    results: Sequence[ChunkResult],
    frames: Sequence[FrameRecord],
    seams: Sequence[Seam],
) -> bytes:
    """The certificate of a video that was just assembled at ``path``, as JSON."""
    digests = tuple(digest for record in frames for digest in record.digests)
    names = CertifiedChunk.__struct_fields__
    document = Certificate(
        video=video,
        sha256=file_digest(path),
        size=path.stat().st_size,
        plan_url=plan_url,
        plan_hash=manifest.plan_hash,
        environment=manifest.environment,
        fps=manifest.fps,
        width=manifest.width,
        height=manifest.height,
        digest=digest_of(digests),
        frame_digests=digests,
        chunks=tuple(CertifiedChunk(**{name: getattr(result, name) for name in names}) for result in results),
        seams=tuple(seams),
    )
    return pretty_json(document)


@worked
def verify(
    video: str | os.PathLike[str],
    certificate: str | os.PathLike[str] | None = None,
    *,
    plan_url: str | os.PathLike[str] | None = None,
    sample: int = SAMPLE,
    storage_options: StorageOptions | None = None,
) -> Verification:
    """Check a video against its certificate, and some of its frames by rendering them again.

    Parameters
    ----------
    video : str or path
        The video, any fsspec URL.
    certificate : str or path, optional
        Its certificate. Default: next to it.
    plan_url : str or path, optional
        Where the plan is, if not where it was.
    sample : int
        How many frames to render again, evenly spread; as many as there are at most.
    storage_options : mapping, optional
        Arguments of the file systems.

    Raises
    ------
    CertificateError
        Where the video is not the certified one, the plan is not its plan, or a frame comes out differently;
        ``details`` names the frames.
    MissingArtifactError
        Where the video, the certificate or the plan is not there.
    EnvironmentMismatchError
        Where this machine would not render what was planned.
    """
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise InvalidConfigError(f"sample must be a number of frames, at least 1, not {sample!r}", field="sample")
    store, name = split_url(video, storage_options)
    papers, paper = split_url(certificate, storage_options) if certificate is not None else (store, name + SUFFIX)
    known = decode(papers.read(paper, Certificate.LIMIT), Certificate, papers.url_of(paper))
    with scratch_subfolder("verify") as folder:
        try:
            store.fetch(name, folder / "video", known.size, known.sha256)
        except ArtifactDigestError as error:
            raise CertificateError(
                f"{store.url_of(name)} is not the video that {papers.url_of(paper)} is about", video=name
            ) from error
    where = plan_url or known.plan_url
    try:
        plan = Plan.open(where, storage_options)
    except MissingArtifactError as error:
        raise MissingArtifactError(
            f"the plan is not at {where} any more: keep plans with plan_dir, or say where it is", url=str(where)
        ) from error
    if plan.hash != known.plan_hash:
        raise CertificateError(f"the plan at {plan.url} is not the one that the video was rendered from", plan=plan.url)
    require_environment(plan.manifest.environment)
    total = len(known.frame_digests)
    if total != plan.manifest.frames:
        raise CertificateError(f"{papers.url_of(paper)} is about {total} frames, its plan about {plan.manifest.frames}")
    count = min(sample, total)
    chosen = tuple(round(k * (total - 1) / max(1, count - 1)) for k in range(count))
    with Materials.of(Store(plan.url, plan.storage_options), plan.manifest) as materials:
        pictures, _ = materials.pictures(chosen)
    digests = [frame_digest(decode_frame(picture)) for picture in pictures]
    different = [frame for frame, digest in zip(chosen, digests, strict=True) if digest != known.frame_digests[frame]]
    if different:
        raise CertificateError(f"frames {different} of {name} come out differently here", frames=different)
    return Verification(video=store.url_of(name), plan_hash=plan.hash, frames=total, checked=chosen)
