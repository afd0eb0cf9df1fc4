"""Assembly: chunks become one video, without re-encoding, and only a verified one gets the output's name.

Nothing is taken on trust. A chunk must be the one that its record says, of this plan, by this mode of capture; each
seam is proven by the frame before it, which both neighbours rendered; and the result is opened again and measured
before it is moved into place.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from hfdask._version import __version__
from hfdask.certificate import SUFFIX, certificate_of
from hfdask.errors import ChunkMismatchError, ChunkMissingError, MissingArtifactError, SeamError
from hfdask.media.mux import ChunkSource, join
from hfdask.media.picture import decode_png, digest_of, psnr
from hfdask.media.verify import verify
from hfdask.model import ChunkResult, FrameRecord, Manifest, RenderResult, Seam, decode
from hfdask.plan import read_manifest, require_sealed
from hfdask.scratch import scratch_subfolder
from hfdask.stages import Observer, StageClock
from hfdask.store import (
    LARGE_THREADS,
    StorageOptions,
    Store,
    concurrently,
    disk_full_at,
    file_digest,
    split_url,
)


def assemble(
    plan_url: str | os.PathLike[str],
    chunks: Sequence[ChunkResult | str],
    output_url: str | os.PathLike[str],
    *,
    storage_options: StorageOptions | None = None,
    strict: bool = False,
    certificate: bool = False,
    observer: Observer | None = None,
) -> RenderResult:
    """Join a plan's chunks to its video.

    Parameters
    ----------
    plan_url : str or path
        The plan's folder.
    chunks : sequence of ChunkResult or str
        Every chunk of the plan in any order, as results or as URLs of chunk files.
    output_url : str or path
        File to write: any fsspec URL. It appears only once it is verified.
    storage_options : mapping, optional
        Arguments of the file systems of all URLs.
    strict : bool
        Whether a seam whose two renderings differ is an error instead of a warning.
    certificate : bool
        Whether to write a certificate next to the video; see `hfdask.certificate`.

    Raises
    ------
    ChunkMissingError, ChunkMismatchError
        Where a chunk is not there, or not what its record or the plan says.
    SeamError
        With ``strict`` only.
    OutputInvalidError
        Where the joined file is not the planned video.
    """
    clock = StageClock(observer or Observer())
    with clock("assemble"):
        store = Store(plan_url, storage_options)
        manifest = read_manifest(store)
        require_sealed(manifest, store.url)
        results = _in_order(chunks, manifest, storage_options)
        frames = concurrently(partial(_frames_of, options=storage_options), results)
        seams = concurrently(lambda pair: _seam(*pair, storage_options), pairwise(results))
        warnings = [*manifest.warnings, *_chunk_messages(frames), *_seam_warnings(seams, strict)]
        output, name = split_url(output_url, storage_options)
        with scratch_subfolder("assemble") as folder, _beside(output, name, folder) as path:
            sources = concurrently(partial(_source, options=storage_options, folder=folder), results, LARGE_THREADS)
            with disk_full_at(path):
                _write_video(path, sources, manifest)
            size = path.stat().st_size
            if certificate:
                output.put(name + SUFFIX, certificate_of(name, path, store.url, manifest, results, frames, seams))
            output.put(name, path) if not output.local else os.replace(path, output.path + "/" + name)
    return RenderResult(
        output=output.url_of(name).removeprefix("file://"),
        plan_url=store.url,
        plan_hash=manifest.plan_hash,
        frames=manifest.frames,
        fps=manifest.fps,
        width=manifest.width,
        height=manifest.height,
        duration=float(manifest.frames / manifest.fps.fraction),
        size=size,
        digest=digest_of([digest for record in frames for digest in record.digests]),
        static_frames=sum(result.static_frames for result in results),
        stages=_sum_stages(results) | clock.rounded(),
        chunks=tuple(results),
        seams=tuple(seams),
        warnings=tuple(dict.fromkeys(warnings)),
        certificate=output.url_of(name + SUFFIX).removeprefix("file://") if certificate else None,
    )


def _in_order(
    chunks: Sequence[ChunkResult | str], manifest: Manifest, options: StorageOptions | None
) -> list[ChunkResult]:
    results = concurrently(
        lambda chunk: chunk if isinstance(chunk, ChunkResult) else _record_of(chunk, options), chunks
    )
    by_start = {result.start: result for result in results}
    missing = [chunk.index for chunk in manifest.chunks if chunk.start not in by_start]
    if missing:
        raise ChunkMissingError(
            f"chunks {missing} of {len(manifest.chunks)} are missing; render them first", missing=missing
        )
    if len(results) != len(manifest.chunks):
        raise ChunkMismatchError(f"{len(results)} chunks were given for a plan of {len(manifest.chunks)}")
    ordered = [by_start[chunk.start] for chunk in manifest.chunks]
    for result, chunk in zip(ordered, manifest.chunks, strict=True):
        planned = {
            "plan_hash": manifest.plan_hash,
            "key": chunk.key,
            "index": chunk.index,
            "end": chunk.end,
            "codec": manifest.encoder.codec,
            "capture_mode": manifest.page.capture_mode,
            "browser": manifest.environment.browser,
        }
        for name, value in planned.items():
            if getattr(result, name) != value:
                raise ChunkMismatchError(
                    f"chunk {chunk.index} at {result.url} has {name} {getattr(result, name)!r} instead of {value!r}; "
                    "render it again",
                    chunk=chunk.index,
                    field=name,
                )
    return ordered


def _record_of(url: str, options: StorageOptions | None) -> ChunkResult:
    store, name = split_url(url, options)
    try:
        return decode(store.read(name + ".json"), ChunkResult, store.url_of(name + ".json"))
    except MissingArtifactError as error:
        raise ChunkMissingError(
            f"{store.url_of(name)} has no record; it is not a finished chunk", url=store.url_of(name)
        ) from error


def _frames_of(result: ChunkResult, options: StorageOptions | None) -> FrameRecord:
    store, name = split_url(result.frames_url, options)
    try:
        record = decode(store.read(name), FrameRecord, result.frames_url)
    except MissingArtifactError as error:
        raise ChunkMissingError(
            f"{result.frames_url} is missing; render chunk {result.index} again", chunk=result.index
        ) from error
    fits = (record.key, record.start) == (result.key, result.start) and len(record.digests) == result.frames
    if not fits or digest_of(record.digests) != result.digest:
        raise ChunkMismatchError(
            f"{result.frames_url} does not belong to the record of chunk {result.index}; render it again",
            chunk=result.index,
        )
    return record


def _source(result: ChunkResult, options: StorageOptions | None, folder: Path) -> ChunkSource:
    store, name = split_url(result.url, options)
    try:
        path = store.fetch(name, folder / f"{result.index}.mp4", result.size)
    except MissingArtifactError as error:
        raise ChunkMissingError(
            f"{result.url} is missing; render chunk {result.index} again", chunk=result.index
        ) from error
    if path.stat().st_size != result.size or file_digest(path) != result.sha256:
        raise ChunkMismatchError(
            f"{result.url} does not have the content of its record; render chunk {result.index} again",
            chunk=result.index,
        )
    return ChunkSource(path, result.start, result.frames)


def _seam(before: ChunkResult, after: ChunkResult, options: StorageOptions | None) -> Seam:
    """Compare the last frame of a chunk with the same frame as the next chunk rendered it."""
    frame = before.end - 1
    if before.last_digest == after.before_digest:
        return Seam(frame=frame, equal=True)
    pictures = []
    for url in (before.url + ".last.png", after.url + ".before.png"):
        store, name = split_url(url, options)
        pictures.append(decode_png(store.read(name)))
    return Seam(frame=frame, equal=False, psnr=round(psnr(pictures[0], pictures[1]), 2))


def _seam_warnings(seams: Sequence[Seam], strict: bool) -> list[str]:
    unequal = [seam for seam in seams if not seam.equal]
    texts = [
        f"frame {seam.frame} was rendered differently by the two chunks that share it (PSNR {seam.psnr} dB): the page keeps "
        "state from frame to frame, or the workers differ"
        for seam in unequal
    ]
    if texts and strict:
        raise SeamError("; ".join(texts), frames=[seam.frame for seam in unequal])
    return texts


def _chunk_messages(frames: Sequence[FrameRecord]) -> list[str]:
    return [message for record in frames for message in record.messages]


def _sum_stages(results: Sequence[ChunkResult]) -> dict[str, float]:
    total: dict[str, float] = {}
    for result in results:
        for stage, seconds in result.stages.items():
            total[stage] = round(total.get(stage, 0.0) + seconds, 4)
    return total


@contextmanager
def _beside(output: Store, name: str, scratch: Path) -> Iterator[Path]:
    """A file that can be moved to the output in one step, and is gone afterwards."""
    folder = Path(output.path) if output.local else scratch
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write_video(path: Path, sources: Sequence[ChunkSource], manifest: Manifest) -> None:
    fps = manifest.fps.fraction
    metadata = {"encoder": f"hfdask {__version__}", "comment": f"hfdask plan {manifest.plan_hash}"}
    join(sources, path, fps, manifest.encoder, metadata)
    verify(
        path,
        frames=manifest.frames,
        fps=fps,
        width=manifest.width,
        height=manifest.height,
        keyframes=[chunk.start for chunk in manifest.chunks],
        codec=manifest.encoder.codec,
        pixel_format=manifest.encoder.pixel_format,
    )
