"""Records and results of a render: what workers return to the driver, and what the driver returns.

Like the plan's values (`hfdask.core.model`) they are typed, immutable structs with one canonical encoding.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from hfdask.core.fields import (
    MAX_RECORD_FRAMES,
    MAX_TEXTS,
    ChunkIndex,
    Count,
    Digest,
    Frame,
    FrameDigest,
    Line,
    Moment,
    Seconds,
    Size,
    Text,
    Url,
)
from hfdask.core.model import CaptureMode, Rate
from hfdask.core.sound import SoundReport
from hfdask.core.tables import chunk_row
from hfdask.core.values import Value

if TYPE_CHECKING:
    from hfdask.views.perf import Perf


class FrameRecord(Value, frozen=True):
    """The lists of a chunk with one entry per frame, from ``start`` on. They are stored in a file beside it.

    Attributes
    ----------
    key : str
        Key of the chunk's `ChunkRange`.
    start : int
        The first frame.
    digests : tuple of str
        Digests of what the encoder got for the frames: BLAKE3 (128 bits, hex) of the pixels in the video's pixel format.
    damage : tuple of bool
        True if the compositor drew anything new. The other frames are static.
    seconds : tuple of float
        Wall seconds to capture the frames. The next two lists are parts of it, and the rest is for the picture.
    decode : tuple of float
        Wall seconds of waiting for decoded frames of source videos. They are decoded ahead.
    seek : tuple of float
        Wall seconds in which the page went to the frames.
    encode : tuple of float
        Wall seconds in which pictures were decoded, converted, digested and encoded, while later ones were captured. The encoder
        looks ahead, so a part of a frame's encoding may be counted for a later frame.
    taken : tuple of bool
        True if a picture was taken. It may have turned out to be equal to the one before: then ``damage`` is false.
    sizes : tuple of int
        Bytes of the frames' packets, as the encoder gave them.
    messages : tuple of str
        What the page said.

    Notes
    -----
    ``decode``, ``seek``, ``encode``, ``taken`` and ``sizes`` are empty in records of chunks that were rendered before
    these lists existed.
    """

    LIMIT: ClassVar[int] = 2**28

    key: Digest
    start: Frame
    digests: Annotated[tuple[FrameDigest, ...], Meta(min_length=1, max_length=MAX_RECORD_FRAMES)]
    damage: Annotated[tuple[bool, ...], Meta(max_length=MAX_RECORD_FRAMES)]
    seconds: Annotated[tuple[Seconds, ...], Meta(max_length=MAX_RECORD_FRAMES)]
    messages: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]
    decode: Annotated[tuple[Seconds, ...], Meta(max_length=MAX_RECORD_FRAMES)] = ()
    seek: Annotated[tuple[Seconds, ...], Meta(max_length=MAX_RECORD_FRAMES)] = ()
    encode: Annotated[tuple[Seconds, ...], Meta(max_length=MAX_RECORD_FRAMES)] = ()
    taken: Annotated[tuple[bool, ...], Meta(max_length=MAX_RECORD_FRAMES)] = ()
    sizes: Annotated[tuple[Size, ...], Meta(max_length=MAX_RECORD_FRAMES)] = ()

    def __post_init__(self) -> None:
        frames = len(self.digests)
        later = {len(each) for each in (self.decode, self.seek, self.encode, self.taken, self.sizes)}
        if not frames == len(self.damage) == len(self.seconds) or later not in ({0}, {frames}):
            raise ValueError("its lists do not have one entry for each frame")


class ChunkResult(Value, frozen=True):
    """The record of a finished chunk. Its stored copy commits the chunk.

    Attributes
    ----------
    plan_hash : str
        The plan that it was rendered for, or the last plan that found it unchanged.
    key : str
        Key of its `ChunkRange`.
    index, start, end : int
        Number and frames of the chunk.
    url : str
        Its video file.
    sha256, size : str, int
        Digest and bytes of that file.
    codec, capture_mode : str
        Codec, and method of capture.
    digest : str
        Digest of all frame digests.
    before_digest : str or None
        Digest of the frame before ``start``, which is captured here too, to prove the seam.
    last_digest : str
        Digest of the last frame.
    static_frames : int
        Frames that were equal to the frame before, and cost no picture.
    stages : dict of str to float
        Wall seconds by stage: materialise, boot, capture, encode, upload. Capture and encode run at the same time.
    began : float
        Time at which the worker began, in seconds since 1970 by its own clock; 0 if it was not recorded.
    seconds : float
        Wall seconds of the whole chunk, until its files were uploaded; 0 if they were not recorded.
    warm : bool
        True if its browser was running before.
    worker, browser : str
        Name of the worker, and version of its Chromium.
    messages : int
        Number of messages of the page; their texts are in the frame record.
    attempt : int
        Tries before this one.
    reused : bool
        True if the chunk existed already.
    checked : int
        Frames that were captured again and compared, before this chunk of another plan was reused.
    browser_bytes : int
        Peak memory of its browser, as measured, in bytes.
    cpu_seconds : float
        CPU seconds of its browser's processes (from their start, if it was started for this chunk) and of the threads that
        encoded it. Playwright's driver, and threads that decode source videos, are left out.
    uploaded : int
        Bytes of its files: video, frame record and pictures at the seams.
    transparent : bool
        True if a pixel of its pictures is not opaque; false if its format has no alpha.
    frames : int
        Number of frames.
    """

    plan_hash: Digest
    key: Digest
    index: ChunkIndex
    start: Frame
    end: Frame
    url: Url
    sha256: Digest
    size: Size
    codec: Line
    capture_mode: CaptureMode
    digest: FrameDigest
    before_digest: FrameDigest | None
    last_digest: FrameDigest
    static_frames: Frame
    stages: Annotated[dict[Line, Seconds], Meta(max_length=50)]
    warm: bool
    worker: Line
    browser: Line
    messages: Count
    attempt: Count = 0
    reused: bool = False
    checked: Frame = 0
    browser_bytes: Count = 0
    began: Moment = 0.0
    seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0
    uploaded: Size = 0
    transparent: bool = False

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"it ends at frame {self.end}, not after {self.start}")
        if max(self.static_frames, self.checked) > self.frames:
            raise ValueError(f"it counts more frames than its {self.frames}")

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def frames_url(self) -> str:
        """URL of the chunk's `FrameRecord`."""
        return self.url + ".frames.json"


class Seam(Value, frozen=True):
    """The frame before a chunk, rendered by both neighbours.

    Attributes
    ----------
    frame : int
        Number of the frame.
    equal : bool
        True if both rendered the same pixels.
    psnr : float or None
        PSNR between both in dB, if they differ.
    """

    frame: Frame
    equal: bool
    psnr: float | None = None


class Finding(Value, frozen=True):
    """A finding of a check.

    Attributes
    ----------
    code : str
        Stable name of the rule.
    severity : {"error", "warning"}
    file, line : str, int or None
        Its place; lines count from 1.
    element : str or None
        An opening tag, or a line of a script.
    message, remedy : str
        What is wrong, and what to do.
    place : str
        ``file:line`` for people.
    """

    code: str
    severity: Literal["error", "warning"]
    file: str
    line: int | None
    element: str | None
    message: str
    remedy: str

    @property
    def place(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @staticmethod
    def summary(findings: Iterable[Finding]) -> list[str]:
        """Return one line for each code, errors first, with the count and the first place."""
        findings = list(findings)
        counts = Counter(finding.code for finding in findings)
        first = {finding.code: finding for finding in reversed(findings)}
        ordered = sorted(first.values(), key=lambda finding: (finding.severity, finding.code))
        return [
            f"{finding.severity}: {finding.code}{f' x {counts[finding.code]}' if counts[finding.code] > 1 else ''} "
            f"({finding.place}): {finding.message}"
            for finding in ordered
        ]


class Cost(Value, frozen=True):
    """The work of a render's chunks.

    Planning and assembly are left out, because they run beside the chunks, mostly on the driver. So are workers
    without work.

    Attributes
    ----------
    worker_seconds : float
        Wall seconds that workers give to chunks.
    cpu_seconds : float
        CPU seconds of chunks, as in `ChunkResult.cpu_seconds`.
    bytes_moved : int
        Bytes that are written to stores and read from them: files of chunks, their videos again for assembly, and the
        finished video. The project's files, which each machine fetches once, are left out.
    """

    worker_seconds: Seconds
    cpu_seconds: Seconds
    bytes_moved: Count

    def money(self, price: float) -> float:
        """Return the price of the worker seconds, in the unit of ``price``, which is for one worker and an hour."""
        return self.worker_seconds / 3600 * price

    def __str__(self) -> str:
        seconds = f"{self.worker_seconds:.1f} worker seconds, {self.cpu_seconds:.1f} CPU seconds"
        return f"{seconds}, {self.bytes_moved / 1e6:.1f} MB moved"


class RenderResult(Value, frozen=True):
    """A finished, verified video.

    Attributes
    ----------
    output : str
        The video.
    plan_url, plan_hash : str
        The plan that it was rendered from.
    frames, fps, width, height, duration : int, Rate, int, int, float
        Properties of the video; the duration is in seconds.
    size : int
        Bytes of the file.
    digest : str
        Digest of all frame digests.
    static_frames : int
        Frames that were equal to the frame before.
    stages : dict of str to float
        Wall seconds by stage, summed over the chunks. ``total`` is the whole call.
    chunks : tuple of ChunkResult
        Records of the chunks.
    seams : tuple of Seam
        Comparisons at the seams between chunks.
    sound : SoundReport or None
        The video's sound; None if it has no sound.
    warnings : tuple of str
        Warnings of planning, pages and workers.
    findings : tuple of Finding
        Findings of the check of the project.
    certificate : str or None
        URL of the certificate, if one was requested.
    planned_on, assembled_on : str
        Addresses of the workers that planned and assembled; empty if the driver did.
    cost : Cost
        The work of the chunks that this call rendered, without reused chunks.
    frame_rows : bytes
        The numbers of all frames, for ``perf.frames``; empty if there are more than 500,000 frames.
    """

    output: str
    plan_url: str
    plan_hash: str
    frames: int
    fps: Rate
    width: int
    height: int
    duration: float
    size: int
    digest: str
    static_frames: int
    stages: dict[str, float]
    chunks: tuple[ChunkResult, ...]
    seams: tuple[Seam, ...]
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    sound: SoundReport | None = None
    certificate: str | None = None
    planned_on: str = ""
    assembled_on: str = ""
    frame_rows: bytes = b""

    @property
    def perf(self) -> Perf:
        """Timings of the chunks and the frames, as data frames and as plots."""
        from hfdask.views.perf import Perf

        return Perf(self)

    def report(self, url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> str:
        """Write one HTML file that shows this render: pictures, stages, chunks, slow frames, warnings. It works offline.

        Parameters
        ----------
        url : str or path
            The file: any fsspec URL.
        storage_options : mapping, optional
            Arguments of the file systems of this URL and of the video's.

        Returns
        -------
        str
            The file's place.

        Raises
        ------
        MissingExtraError
            If pandas or matplotlib are not installed.
        OutputNotWritableError, StoreError, StoreRefusedError
        """
        from hfdask.views.report import write_report

        return write_report(self, url, storage_options)

    @property
    def cost(self) -> Cost:
        rendered = [chunk for chunk in self.chunks if not chunk.reused]
        read = sum(chunk.size for chunk in self.chunks)
        return Cost(
            worker_seconds=sum(chunk.seconds for chunk in rendered),
            cpu_seconds=sum(chunk.cpu_seconds for chunk in rendered),
            bytes_moved=sum(chunk.uploaded for chunk in rendered) + read + self.size,
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each chunk, as for ``pandas.DataFrame(result.to_rows())``.

        The columns are chunk, start, end, frames, static_frames, worker, warm, attempt, reused, size and
        browser_bytes, as in `ChunkResult`, and the seconds of each stage: materialise, boot, capture, encode, upload.
        """
        return [chunk_row(chunk) for chunk in self.chunks]

    def __repr__(self) -> str:
        return (
            f"<RenderResult {self.output}: {self.frames} frames of {self.width}x{self.height} at {self.fps} fps "
            f"in {len(self.chunks)} chunks, {self.size / 1e6:.2f} MB>"
        )

    def _repr_html_(self) -> str:
        from hfdask.views.result import result_html

        return result_html(self)
