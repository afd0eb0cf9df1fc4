"""Certificates: records of a video's plan, workers and frames, against which it can be verified.

A certificate is a JSON file next to its video. All of it can be checked: the video by its digest, and every frame by
rendering it again from the plan, on any machine that has the plan's environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

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
from hfdask.core.fields import Path as FileName
from hfdask.core.model import CaptureMode, Environment, Manifest, Rate, pretty_json
from hfdask.core.results import ChunkResult, FrameRecord, Seam
from hfdask.core.values import Value
from hfdask.media.picture import digest_of
from hfdask.store import concurrently, file_digest, listing_digest

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


class CertifiedFile(Value, frozen=True):
    """A file of an output that has several. Its name is relative to a folder that is the output, else to the output's folder."""

    name: FileName
    sha256: Digest
    size: Size


class Certificate(Value, frozen=True):
    """A finished video's record.

    ``frame_digests`` are the digests of `hfdask.core.results.FrameRecord`, ``sha256`` and ``size`` are the file's, and ``sound`` is
    the ``key`` of the plan's mix, or None. ``files`` are the files that the output names, such as the segments of a playlist. If
    the output is a folder, they are all of its files, ``sha256`` is their `hfdask.store.content.listing_digest`, and ``size`` their
    sum.
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
    files: Annotated[tuple[CertifiedFile, ...], Meta(max_length=MAX_FRAMES)] = ()


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


class Certified(NamedTuple):
    """The part of a certificate about the files of an output."""

    sha256: str
    size: int
    files: tuple[CertifiedFile, ...]


def certified(path: Path, beside: Mapping[str, Path]) -> Certified:
    """Describe an output that was just written to a file or folder ``path``, and the files beside it, by name."""
    others = {each.name: each for each in path.iterdir()} if path.is_dir() else beside
    digests = dict(zip(others, concurrently(file_digest, others.values()), strict=True))
    files = tuple(
        CertifiedFile(name=name, sha256=digests[name], size=others[name].stat().st_size) for name in sorted(others)
    )
    if path.is_dir():
        return Certified(listing_digest(digests), sum(each.size for each in files), files)
    return Certified(file_digest(path), path.stat().st_size, files)


def certificate_of(
    video: str,
    output: Certified,
    plan_url: str,
    manifest: Manifest,
    results: Sequence[ChunkResult],
    frames: Sequence[FrameRecord],
    seams: Sequence[Seam],
) -> bytes:
    """Return the certificate of a video that was just assembled, as JSON."""
    digests = tuple(digest for record in frames for digest in record.digests)
    names = CertifiedChunk.__struct_fields__
    document = Certificate(
        video=video,
        sha256=output.sha256,
        size=output.size,
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
        files=output.files,
    )
    return pretty_json(document)
