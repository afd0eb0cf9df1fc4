"""Certificates: records of a video's plan, workers and frames, against which it can be verified.

A certificate is a JSON file next to its video. All of it can be checked: the video by its digest, and every frame by
rendering it again from the plan, on any machine that has the plan's environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

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
from hfdask.core.model import (
    CaptureMode,
    ChunkResult,
    Environment,
    FrameRecord,
    Manifest,
    Rate,
    Seam,
    pretty_json,
)
from hfdask.core.values import Value
from hfdask.media.picture import digest_of
from hfdask.store import file_digest

SUFFIX = ".certificate.json"
SAMPLE = 10


class CertifiedChunk(Value, frozen=True):
    """A chunk's worker, attempt (from 0) and digests."""

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
    """A finished video's record.

    ``frame_digests`` are the digests of `hfdask.core.model.FrameRecord`, ``sha256`` is the file's, and ``sound`` is the
    ``key`` of the plan's mix, or None.
    """

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
    sound: Digest | None = None


class Verification(Value, frozen=True):
    """Result of `verify`: all frames that it rendered again were equal.

    Attributes
    ----------
    video : str
        The video.
    plan_hash : str
        The plan that it was rendered from.
    frames : int
        Number of frames.
    checked : tuple of int
        The frames that were rendered again.
    """

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
    """Return the certificate of a video that was just assembled at ``path``, as JSON."""
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
        sound=manifest.sound.key if manifest.sound else None,
    )
    return pretty_json(document)
