"""Assemble chunks to a video without re-encoding; only a verified video gets the output's name.

Everything is checked. A chunk must match its record, this plan and its capture mode. Each seam is proven by the frame
before it, which both neighbours rendered. The result is opened again and verified before it is moved into place. All
but the last step runs while later chunks are still being rendered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypedDict, Unpack

import msgspec

from hfdask._version import __version__
from hfdask.assembly.certificate import SUFFIX, certificate_of, certified
from hfdask.assembly.place import hidden_output, require_place
from hfdask.assembly.publishing import publish
from hfdask.assembly.sound import SoundThread, sound_warnings
from hfdask.core.forks import require_threads, worked
from hfdask.core.frame_table import packed
from hfdask.core.model import Manifest
from hfdask.core.observer import Observer, StageClock
from hfdask.core.results import ChunkResult, FrameRecord, RenderResult, Seam
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import (
    ArtifactDigestError,
    ChunkMismatchError,
    ChunkMissingError,
    HfdaskError,
    MediaError,
    MissingArtifactError,
    PlanCorruptError,
    RenderCancelledError,
    SeamError,
)
from hfdask.formats.format import Planned
from hfdask.formats.join import ChunkSource, JoinReport
from hfdask.formats.table import FORMATS
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.manifest.records import read_frames, read_record
from hfdask.media.picture import Pixels, decode_png, digest_of, psnr
from hfdask.media.sound_file import SoundFile
from hfdask.store import Place, StorageOptions, concurrently, disk_full_at, split_output, split_url

AHEAD = 8
"""Chunks that are fetched ahead."""

PNG_BYTES_A_PIXEL = 5
"""Bytes per pixel of a picture that does not compress at all; a pixel has four."""

_PNG_OVERHEAD = 2**16
_POLL = 0.1


class AssembleOptions(TypedDict, total=False):
    """The options of `assemble` and `Assembly` as keywords.

    Attributes
    ----------
    strict : bool
        True to raise an error instead of a warning if the two renderings of a seam differ. Default: false.
    certificate : bool
        True to write a certificate next to the video. Default: false.
    plan_hash : str, optional
        Hash of the expected plan.
    """

    strict: bool
    certificate: bool
    plan_hash: str | None


@worked
def assemble(
    plan_url: Place,
    chunks: Sequence[ChunkResult | str],
    output_url: Place,
    *,
    storage_options: StorageOptions | None = None,
    observer: Observer | None = None,
    **options: Unpack[AssembleOptions],
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
    observer : Observer, optional
        Follows the stage, and can cancel.
    **options
        Fields of `hfdask.AssembleOptions` (strict, certificate, plan_hash).

    Raises
    ------
    ChunkMissingError, ChunkMismatchError
        If a chunk is missing, or does not match its record or the plan. ``details`` has its number (``chunk``), or its
        ``url`` if only that is known.
    SeamError
        With ``strict`` only.
    OutputInvalidError
        If the joined file is not the planned video.
    """
    assembly = Assembly(plan_url, output_url, storage_options=storage_options, observer=observer, **options)
    results = concurrently(
        lambda chunk: (
            chunk if isinstance(chunk, ChunkResult) else _record_of(chunk, assembly.manifest, assembly.location)
        ),
        chunks,
    )
    ordered = _in_order(results, assembly.manifest)  # before anything is fetched or written
    with assembly:
        assembly.add(*ordered)
        return assembly.finish()


class Assembly:
    """Join chunks to a video as they are finished, in any order. Their packets are written in order.

    Use it as a context manager, from one thread at a time. If its block ends without `finish`, nothing is at the
    output. It holds one chunk's packets, and fetches at most eight files ahead from a store that is not on this
    machine. The plan's sound is encoded in a separate thread from the beginning of the block on.

    Parameters
    ----------
    plan_url, output_url, storage_options, observer, strict, certificate, plan_hash
        As in `assemble` and `hfdask.AssembleOptions`.

    Attributes
    ----------
    manifest : Manifest
        The plan's.

    Raises
    ------
    PlanError, StoreError, OutputNotWritableError
    """

    def __init__(
        self,
        plan_url: Place,
        output_url: Place,
        *,
        storage_options: StorageOptions | None = None,
        observer: Observer | None = None,
        strict: bool = False,
        certificate: bool = False,
        plan_hash: str | None = None,
    ) -> None:
        require_threads()
        self.location = PlanLocation.of(plan_url, storage_options)
        self._strict, self._certificate = strict, certificate
        self._observer = observer or Observer()
        self._clock = StageClock(self._observer)
        options = self.location.options_for(output_url)
        self._output, self._name = split_output(output_url, options, may_be_folder=True)
        self._results: dict[int, ChunkResult] = {}
        self._seams: dict[int, Seam] = {}
        self._frames: list[FrameRecord] = []
        self._fetched: dict[int, Future[tuple[FrameRecord, ChunkSource]]] = {}
        self._sound: SoundThread | None = None
        with self._clock("assemble"):
            self._store = self.location.store()
            self.manifest = read_manifest(self._store, plan_hash)
            require_sealed(self.manifest, self._store.url)
        self._format = FORMATS[self.manifest.format].looping(self.manifest.loop).named(self._name)
        self._format.require_name(self._name)
        require_place(self._format, self._output, self._name)

    def __enter__(self) -> Assembly:
        manifest = self.manifest
        metadata = {"encoder": f"hfdask {__version__}", "comment": f"hfdask plan {manifest.plan_hash}"}
        with ExitStack() as held:
            self._scratch = held.enter_context(scratch_subfolder("assemble"))
            hidden = hidden_output(self._format, self._output, self._name, self._scratch)
            self._path = held.enter_context(hidden)
            encoding = self._format.sound_named(manifest.sound_codec) if manifest.sound else None
            sound = self._sound_file if encoding else None
            self._join = held.enter_context(
                self._format.join(self._path, manifest.fps.fraction, manifest.encoder, metadata, sound)
            )
            self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="hfdask-store")
            held.callback(self._pool.shutdown, wait=True, cancel_futures=True)
            if manifest.sound and encoding:
                thread = SoundThread(self._store, manifest, manifest.sound, self._scratch, encoding)
                self._sound = held.enter_context(thread)
            self._held = held.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.__exit__(*error)

    def __contains__(self, index: int) -> bool:
        """Return true if the chunk of this number was added."""
        return index in self._results

    def add(self, *chunks: ChunkResult) -> None:
        """Add some chunks, and write all that are next in order.

        Raises
        ------
        ChunkMissingError, ChunkMismatchError, SeamError
            As soon as they are found. For the first two, ``details["chunk"]`` is the number of the chunk: `drop` it,
            and add the chunks that are still missing.
        PlanError, EncodeError
            If the plan's sound cannot be encoded.
        RenderCancelledError
            If the observer cancels.
        """
        with self._clock("assemble"):
            if self._sound is not None:
                self._sound.require()
            for chunk in chunks:
                _require_planned(chunk, self.manifest)
                if chunk.index in self._results:
                    raise ChunkMismatchError(f"chunk {chunk.index} was given twice", chunk=chunk.index)
                self._results[chunk.index] = chunk
            self._prove_seams()
            while (position := len(self._frames)) in self._results:
                self._append(position)

    def drop(self, index: int) -> None:
        """Forget a wrong chunk that is not written yet, so that another one can take its place."""
        self._results.pop(index, None)
        for seam in (index, index + 1):
            self._seams.pop(seam, None)
        fetched = self._fetched.pop(index, None)
        if fetched is not None:
            wait([fetched])
            (self._scratch / f"{index}.chunk").unlink(missing_ok=True)

    def finish(self) -> RenderResult:
        """Close, verify and publish the video.

        Raises
        ------
        ChunkMissingError
            If a chunk was never added.
        OutputInvalidError, OutputNotWritableError, DiskFullError, StoreError
        """
        output, name, manifest = self._output, self._name, self.manifest
        with self._clock("assemble"):
            results = _in_order(self._results.values(), manifest)
            seams = [self._seams[after.index] for after in results[1:]]
            with disk_full_at(self._path):
                joined = self._join.finish(self._require_going)
                self._verify(joined)
            size = joined.size
            self._require_going()
            if self._certificate:
                written = certified(self._path, joined.beside)
                record = certificate_of(name, written, self._store.url, manifest, results, self._frames, seams)
                output.put(name + SUFFIX, record)
            try:
                publish(output, name, self._path, joined.beside, self._format)
            except BaseException:
                if self._certificate:
                    with suppress(HfdaskError):  # of a failing store: the first error says more
                        output.delete(name + SUFFIX)
                raise
        sound = self._sound.report() if self._sound is not None else None
        warnings = [
            *manifest.warnings,
            *_chunk_messages(self._frames),
            *_seam_warnings(seams, self._strict),
            *sound_warnings(sound),
            *_opaque_warning(results, manifest),
        ]
        return RenderResult(
            output=output.shown(name),
            plan_url=self._store.url,
            plan_hash=manifest.plan_hash,
            frames=manifest.frames,
            fps=manifest.fps,
            width=manifest.width,
            height=manifest.height,
            duration=float(manifest.frames / manifest.fps.fraction),
            size=size,
            digest=digest_of([digest for record in self._frames for digest in record.digests]),
            static_frames=sum(result.static_frames for result in results),
            stages=_sum_stages(results) | self._clock.rounded(),
            chunks=tuple(results),
            seams=tuple(seams),
            sound=sound,
            warnings=tuple(dict.fromkeys(warnings)),
            certificate=output.shown(name + SUFFIX) if self._certificate else None,
            frame_rows=packed(self._frames),
        )

    def _prove_seams(self) -> None:
        """Compare every seam of which both sides have been added."""
        known = self._results
        pairs = [(known[i - 1], known[i]) for i in sorted(known) if i - 1 in known and i not in self._seams]
        seams = concurrently(lambda pair: _seam(*pair, self.manifest, self.location), pairs)
        self._seams.update({after.index: seam for (_, after), seam in zip(pairs, seams, strict=True)})
        _seam_warnings(seams, self._strict)

    def _append(self, position: int) -> None:
        """Copy the next chunk, while later ones are fetched."""
        for index in range(position, position + 1 + AHEAD):
            if index in self._results and index not in self._fetched:
                self._fetched[index] = self._pool.submit(self._fetch, self._results[index])
        fetched = self._fetched[position]
        while not fetched.done():
            self._require_going()
            wait([fetched], timeout=_POLL)
        record, source = fetched.result()
        with disk_full_at(self._path):
            self._join.append(source, self._require_going)
        self._frames.append(record)
        del self._fetched[position]
        if source.path.parent == self._scratch:
            source.path.unlink()

    def _sound_file(self) -> SoundFile:
        assert self._sound is not None
        return self._sound.result(self._require_going).file

    def _fetch(self, result: ChunkResult) -> tuple[FrameRecord, ChunkSource]:
        return _frames_of(result, self.location), _source(result, self.location, self._scratch)

    def _require_going(self) -> None:
        if self._observer.cancelled():
            raise RenderCancelledError(f"the assembly of {self._name} was cancelled; finished chunks are kept")

    def _verify(self, joined: JoinReport) -> None:
        manifest = self.manifest
        planned = Planned(
            frames=manifest.frames,
            fps=manifest.fps.fraction,
            width=manifest.width,
            height=manifest.height,
            starts=tuple(chunk.start for chunk in manifest.chunks),
            settings=manifest.encoder,
        )
        sound = self._sound_file() if self._sound is not None else None
        self._format.verify(self._path, planned, joined, sound, self._require_going)


def _in_order(results: Collection[ChunkResult], manifest: Manifest) -> list[ChunkResult]:
    """Return all chunks of a plan in order, each once."""
    by_index = {result.index: result for result in results}
    missing = [chunk.index for chunk in manifest.chunks if chunk.index not in by_index]
    if missing:
        raise ChunkMissingError(
            f"chunks {missing} of {len(manifest.chunks)} are missing; render them first", missing=missing
        )
    if len(results) != len(manifest.chunks):
        raise ChunkMismatchError(f"{len(results)} chunks were given for a plan of {len(manifest.chunks)}")
    return [by_index[chunk.index] for chunk in manifest.chunks]


def _require_planned(result: ChunkResult, manifest: Manifest) -> None:
    """Check that a record is of a chunk of this plan."""
    if not 0 <= result.index < len(manifest.chunks):
        raise ChunkMismatchError(
            f"{result.url} is chunk {result.index} of a plan of {len(manifest.chunks)}", chunk=result.index
        )
    chunk = manifest.chunks[result.index]
    planned = {
        "plan_hash": manifest.plan_hash,
        "key": chunk.key,
        "start": chunk.start,
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


def _record_of(url: str, manifest: Manifest, location: PlanLocation) -> ChunkResult:
    store, name = split_url(url, location.options_for(url))
    where = store.url_of(name)
    try:
        record = read_record(store, name)
    except MissingArtifactError as error:
        raise ChunkMissingError(f"{where} has no record; it is not a finished chunk", url=url) from error
    except PlanCorruptError as error:
        raise ChunkMismatchError(f"{error.message}; render the chunk again", url=url) from error
    # It may have had another number in the plan that it was made for.
    index = next((chunk.index for chunk in manifest.chunks if chunk.start == record.start), record.index)
    return msgspec.structs.replace(record, index=index)


def _frames_of(result: ChunkResult, location: PlanLocation) -> FrameRecord:
    store, name = split_url(result.url, location.options_for(result.url))
    try:
        record = read_frames(store, name)
    except MissingArtifactError as error:
        raise ChunkMissingError(
            f"{result.frames_url} is missing; render chunk {result.index} again", chunk=result.index
        ) from error
    except PlanCorruptError as error:
        raise ChunkMismatchError(f"{error.message}; render chunk {result.index} again", chunk=result.index) from error
    fits = (record.key, record.start) == (result.key, result.start) and len(record.digests) == result.frames
    if not fits or digest_of(record.digests) != result.digest:
        raise ChunkMismatchError(
            f"{result.frames_url} does not belong to the record of chunk {result.index}; render it again",
            chunk=result.index,
        )
    return record


def _source(result: ChunkResult, location: PlanLocation, folder: Path) -> ChunkSource:
    store, name = split_url(result.url, location.options_for(result.url))
    try:
        path = store.fetch(name, folder / f"{result.index}.chunk", result.size, result.sha256)
    except MissingArtifactError as error:
        raise ChunkMissingError(
            f"{result.url} is missing; render chunk {result.index} again", chunk=result.index
        ) from error
    except ArtifactDigestError as error:
        raise ChunkMismatchError(
            f"{result.url} does not have the content of its record; render chunk {result.index} again",
            chunk=result.index,
        ) from error
    return ChunkSource(path, result.start, result.frames)


def _seam(before: ChunkResult, after: ChunkResult, manifest: Manifest, location: PlanLocation) -> Seam:
    """Compare the last frame of a chunk with the same frame as the next chunk rendered it."""
    frame = before.end - 1
    if before.last_digest == after.before_digest:
        return Seam(frame=frame, equal=True)
    one = _seam_picture(before, ".last.png", manifest, location)
    other = _seam_picture(after, ".before.png", manifest, location)
    return Seam(frame=frame, equal=False, psnr=round(psnr(one, other), 2))


def _seam_picture(result: ChunkResult, suffix: str, manifest: Manifest, location: PlanLocation) -> Pixels:
    """Read a picture at the edge of a chunk. A picture of another size than the video's is not decoded."""
    store, name = split_url(result.url + suffix, location.options_for(result.url))
    size = (manifest.width, manifest.height)
    try:
        data = store.read(name, limit=_PNG_OVERHEAD + PNG_BYTES_A_PIXEL * size[0] * size[1])
        return decode_png(data, alpha=manifest.page.transparent, size=size)
    except (MissingArtifactError, PlanCorruptError, MediaError) as error:
        raise ChunkMismatchError(
            f"{store.url_of(name)} is not the picture at the seam of chunk {result.index}: {error.message}; render it again",
            chunk=result.index,
        ) from error


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


def _opaque_warning(results: Sequence[ChunkResult], manifest: Manifest) -> list[str]:
    """Return a warning if a video with alpha has no transparent pixel."""
    if not manifest.encoder.alpha or any(result.transparent for result in results):
        return []
    return [
        "every pixel is opaque, so the video needs no alpha: give the page a transparent background, or render with alpha=False, "
        "which is smaller and faster"
    ]


def _chunk_messages(frames: Sequence[FrameRecord]) -> list[str]:
    return [message for record in frames for message in record.messages]


def _sum_stages(results: Sequence[ChunkResult]) -> dict[str, float]:
    total: dict[str, float] = {}
    for result in results:
        for stage, seconds in result.stages.items():
            total[stage] = round(total.get(stage, 0.0) + seconds, 4)
    return total
