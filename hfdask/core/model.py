"""Frozen values that are stored or sent to another process, and their JSON.

Everything in a plan is a typed, immutable struct with one canonical encoding: keys sorted, no whitespace, UTF-8. A
plan's hash is the hash of that encoding, so two machines that plan the same project get the same bytes. Unknown fields
and wrong types in a stored document are an error, never a silent default. The field types (`hfdask.core.fields`) and
the checks after decoding apply to every caller.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from hfdask.core.fields import (
    MAX_CHUNKS,
    MAX_FILES,
    MAX_FRAMES,
    MAX_RECORD_FRAMES,
    MAX_TEXTS,
    ChunkIndex,
    Count,
    Digest,
    EncoderName,
    FontName,
    Frame,
    FrameDigest,
    HeaderName,
    HeaderValue,
    Line,
    Loop,
    Method,
    Moment,
    Path,
    RatePart,
    Seconds,
    Side,
    Size,
    Status,
    Text,
    Timeout,
    Url,
    WebUrl,
    misfit,
)
from hfdask.core.sizes import MAX_SCALE, MIN_SCALE, UNSCALED, Scale
from hfdask.core.sound import PlannedSound, SoundReport, SoundSource
from hfdask.core.tables import chunk_row
from hfdask.core.values import Value, built
from hfdask.core.video_clip import VideoClip, frames_of
from hfdask.core.video_source import VideoSource
from hfdask.errors import ChunkIndexError, PlanCorruptError, ProjectError

if TYPE_CHECKING:
    from hfdask.views.perf import Perf

PROTOCOL = 11
"""Version of the plan's layout and meaning. A worker accepts only plans of its own version."""

CaptureMode = Literal["beginframe", "canvas", "screenshot"]
VideoTransfer = Literal["bt709", "pq", "hlg"]
"""Transfer function of a video: BT.709 for SDR, or PQ or HLG for HDR."""

Json = Any

_T = TypeVar("_T")


class Rate(Value, frozen=True):
    """A frame rate as an exact fraction of frames a second."""

    num: RatePart
    den: RatePart

    @classmethod
    def of(cls, rate: Fraction) -> Rate:
        return cls(num=rate.numerator, den=rate.denominator)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.num, self.den)

    def __str__(self) -> str:
        return str(self.fraction)


class ChunkRange(Value, frozen=True):
    """The frames of a chunk, from ``start`` up to but without ``end``.

    Attributes
    ----------
    index : int
        Number of the chunk, from 0.
    start, end : int
        Frames of the whole video.
    key : str
        Digest of everything that can affect these frames (`hfdask.planning.content_keys`).
    cost : int
        Expected work, in works of a frame in which nothing changes (`hfdask.core.costs`); 0 if it is not known.
    container : str
        Container of the chunk's file, and the ending of its name.
    frames : int
        Number of frames.
    """

    index: ChunkIndex
    start: Frame
    end: Frame
    key: Digest = ""
    cost: Count = 0
    container: EncoderName = "mp4"

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def file(self) -> str:
        """File name of the chunk."""
        return f"{self.start:06d}-{self.key[:16]}.{self.container}"


class Artifact(Value, frozen=True):
    """A file of the project in a plan.

    Attributes
    ----------
    path : str
        Its name for the page, relative to the project.
    sha256 : str
        Digest of its content, and its name in the store.
    size : int
        Bytes.
    """

    of_project: ClassVar[bool] = True
    shared: ClassVar[bool] = True

    path: Path
    sha256: Digest
    size: Size


class Resource(Value, frozen=True):
    """A recorded response from another origin.

    Attributes
    ----------
    key : str
        Digest of the request's method, URL and body: a URL may hold secrets.
    method : str
        Method of the request.
    url : str
        The URL for people, without user and query.
    status : int
        Status of the response.
    headers : dict of str to str
        Headers that a page can notice; never cookies.
    sha256 : str
        Digest of the body, and its name in the store.
    size : int
        Bytes of the body.
    """

    of_project: ClassVar[bool] = False
    shared: ClassVar[bool] = True

    key: Digest
    method: Method
    url: WebUrl
    status: Status
    headers: dict[HeaderName, HeaderValue]
    sha256: Digest
    size: Size

    @property
    def path(self) -> str:
        return self.url


class Sweep(Value, frozen=True):
    """Observations of planning along the timeline (``sweep.json``). Times differ from run to run.

    The lists have an entry for each of ``frames``: if the page moved anything since the entry before, if the compositor
    had anything new to draw (None if it was not asked; in screenshot mode it never is), the bytes of its PNG (None if no
    picture was taken; if one was, ``damage`` says if it differs from the last one), and the wall seconds.
    """

    LIMIT: ClassVar[int] = 2**31

    plan_hash: Digest
    frames: Annotated[tuple[Frame, ...], Meta(max_length=MAX_FRAMES)]
    moved: tuple[bool, ...]
    damage: tuple[bool | None, ...]
    pictures: tuple[Size | None, ...]
    seconds: tuple[Seconds, ...]

    def __post_init__(self) -> None:
        if {*map(len, (self.moved, self.damage, self.pictures, self.seconds))} != {len(self.frames)}:
            raise ValueError("its lists do not have one entry for each frame")


class EncoderSettings(Value, frozen=True):
    """All settings that affect the encoder's bytes. A worker uses these and derives nothing.

    ``codec`` is FFmpeg's encoder, and ``options`` go to it unchanged: `hfdask.formats` knows all of them. ``threads``
    is fixed because an encoder's output may depend on it. ``timescale`` is the denominator of the time base of the chunks
    and of the assembled track. ``container`` is the chunks'. ``transfer`` is the transfer function of the pictures.
    """

    codec: EncoderName
    pixel_format: EncoderName
    options: dict[EncoderName, Line]
    threads: Annotated[int, Meta(ge=1, le=16)]
    timescale: Annotated[int, Meta(ge=1, lt=2**31)]
    container: EncoderName
    transfer: VideoTransfer = "bt709"

    @property
    def alpha(self) -> bool:
        """True if the video keeps the alpha of its pictures."""
        return self.pixel_format.startswith(("yuva", "rgba"))


class PageSettings(Value, frozen=True):
    """All settings that affect a page's pixels, besides its files.

    ``width`` and ``height`` are the composition's, at which the page is laid out. It is drawn ``scale`` times as large.
    ``gives_up`` lists what planning stopped waiting for while the page loaded. Chunks stop waiting for exactly these.
    It is None during planning. ``durations`` has the seconds that the sources of videos last, by render id. If a
    page has no background, it is white, or ``transparent``. With ``hdr``, its HDR videos get their pixels when its pictures are
    composed. With ``strips``, pictures from a canvas are drawn in strips.
    """

    width: Side
    height: Side
    capture_mode: CaptureMode
    fragment: bool
    variables: dict[str, Json]
    page_errors: Literal["raise", "warn"]
    load_timeout: Timeout
    frame_timeout: Timeout
    gives_up: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)] | None = None
    durations: Annotated[dict[Text, Seconds], Meta(max_length=MAX_FILES)] = msgspec.field(default_factory=dict)
    scale: Scale = UNSCALED
    transparent: bool = False
    hdr: bool = False
    strips: bool = False

    def __post_init__(self) -> None:
        scale = self.scale.fraction
        if not MIN_SCALE <= scale <= MAX_SCALE or any(
            (scale * side).denominator > 1 for side in (self.width, self.height)
        ):
            raise ValueError(f"a scale of {scale} does not fit a page of {self.width}x{self.height} pixels")
        if why := misfit(self.variables):
            raise ValueError(f"its variables cannot be used: {why}")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the page's pictures."""
        scale = self.scale.fraction
        return int(scale * self.width), int(scale * self.height)


class Environment(Value, frozen=True):
    """Versions that must be equal on the planner and on every worker, or pixels and bytes may differ.

    Attributes
    ----------
    platform : str
        System and architecture, such as ``Linux x86_64``.
    browser : str
        Version of Chromium.
    pyav, ffmpeg : str
        Versions of PyAV and of the FFmpeg libraries in it.
    runtime : str
        Digest of the page runtime's sources.
    """

    platform: Line
    browser: Line
    pyav: Line
    ffmpeg: Line
    runtime: Line


class Clip(Value, frozen=True):
    """A timed element as the page resolved it; times in seconds, ``end`` is None if it has no end."""

    id: Text
    tag: Text
    start: float
    end: float | None
    track: Annotated[int, Meta(ge=-(2**53), le=2**53)]


class Timeline(Value, frozen=True):
    """Duration in seconds, its source, and the clips, as the probe found them."""

    composition_id: Text
    duration: Seconds
    duration_source: Text
    clips: Annotated[tuple[Clip, ...], Meta(max_length=MAX_FILES)]
    timelines: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]
    adapters: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]


class Font(Value, frozen=True):
    """A font file that the plan carries besides the project's own.

    Attributes
    ----------
    name : str
        File name, as fontconfig knows it.
    sha256 : str
        Digest of its content, and its name in the store.
    size : int
        Bytes.
    family, style : str
        Names that the font declares.
    canonical : bool
        True for a family of `hfdask.fonts.families`, false for a font that was copied from the planning machine.
    """

    of_project: ClassVar[bool] = False
    shared: ClassVar[bool] = True

    name: FontName
    sha256: Digest
    size: Size
    family: Line
    style: Line
    canonical: bool

    @property
    def path(self) -> str:
        return self.name


class FontSet(Value, frozen=True):
    """The fonts for text without a font of the project, and the families that names stand for."""

    files: Annotated[tuple[Font, ...], Meta(max_length=MAX_TEXTS)]
    stand_ins: Annotated[dict[Line, Line], Meta(max_length=MAX_TEXTS)]

    def __post_init__(self) -> None:
        if len({font.name for font in self.files}) != len(self.files):
            raise ValueError("two fonts have the same name")


class VideoIndex(Value, frozen=True):
    """The stored `FrameIndex` of a source video: digest and bytes of its canonical JSON."""

    of_project: ClassVar[bool] = False
    shared: ClassVar[bool] = False

    sha256: Digest
    size: Size

    @property
    def path(self) -> str:
        return f"frame index {self.sha256[:16]}"


class Video(Value, frozen=True):
    """A source video of a plan: a file of the project, or a recorded response.

    Attributes
    ----------
    name : str
        Its path in the project, or its URL without user and query.
    sha256 : str
        Digest of its content, and its name in the store.
    size : int
        Bytes.
    index : VideoIndex
        The object with the index of its frames.
    source : VideoSource
        Its properties.
    asked : bool
        True if the page also asks for the file itself, so that every chunk needs it.
    """

    of_project: ClassVar[bool] = True
    shared: ClassVar[bool] = False

    name: Text
    sha256: Digest
    size: Size
    index: VideoIndex
    source: VideoSource
    asked: bool

    @property
    def path(self) -> str:
        return self.name


class Manifest(Value, frozen=True):
    """The content of ``plan.json``: everything that decides a render.

    Attributes
    ----------
    protocol : int
        Version of the plan's layout and meaning. A worker accepts only plans of its own version.
    plan_hash : str
        sha256 of all other fields.
    entry : str
        The entry document.
    fps : Rate
        Frames a second, as the fraction ``num / den``.
    width, height : int
        Size of the video in pixels. The page may be laid out at another size, see `PageSettings`.
    frames : int
        Number of frames.
    chunks : tuple of ChunkRange
        Ranges of the frames.
    format : str
        Format of the output, see `hfdask.formats`.
    loop : int
        Times that an animation is shown, 0 without end.
    encoder : EncoderSettings
        All settings that affect the encoder's bytes.
    page : PageSettings
        All settings that affect the page's pixels, besides its files.
    environment : Environment
        Versions of the browser and the libraries.
    timeline : Timeline
        Duration, clips and adapters that planning found.
    artifacts : tuple of Artifact
        Files of the project.
    resources : tuple of Resource
        Recorded responses of other sites.
    fonts : FontSet
        Fonts besides the project's own, and the families that names stand for.
    videos : tuple of Video
        Source videos.
    clips : tuple of VideoClip
        The ``<video>`` elements, and what they play.
    only_heard : tuple of SoundSource
        Files that only sound: no page asks for them, and no chunk needs them.
    sound : PlannedSound or None
        The mix of all sounds; None if the composition makes no sound.
    sound_codec : str or None
        Codec of the sound in the output; None for the format's default.
    warnings : tuple of str
        Warnings of planning.
    objects : tuple
        All files that the plan carries.
    """

    LIMIT: ClassVar[int] = 2**26

    protocol: Annotated[int, Meta(ge=PROTOCOL, le=PROTOCOL)]
    plan_hash: Digest
    entry: Path
    fps: Rate
    width: Side
    height: Side
    frames: Frame
    chunks: Annotated[tuple[ChunkRange, ...], Meta(max_length=MAX_CHUNKS)]
    format: EncoderName
    encoder: EncoderSettings
    page: PageSettings
    environment: Environment
    timeline: Timeline
    artifacts: Annotated[tuple[Artifact, ...], Meta(max_length=MAX_FILES)]
    resources: Annotated[tuple[Resource, ...], Meta(max_length=MAX_FILES)]
    fonts: FontSet
    videos: Annotated[tuple[Video, ...], Meta(max_length=MAX_FILES)]
    clips: Annotated[tuple[VideoClip, ...], Meta(max_length=MAX_FILES)]
    only_heard: Annotated[tuple[SoundSource, ...], Meta(max_length=MAX_FILES)]
    sound: PlannedSound | None
    warnings: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]
    loop: Loop = 0
    sound_codec: EncoderName | None = None

    def chunk(self, index: int) -> ChunkRange:
        """Return the chunk of this number, from 0.

        Raises
        ------
        ChunkIndexError
        """
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.chunks):
            raise ChunkIndexError(
                f"the plan has chunks 0 to {len(self.chunks) - 1}, not {index!r}",
                index=repr(index),
                chunks=len(self.chunks),
            )
        return self.chunks[index]

    @property
    def only_decoded(self) -> frozenset[str]:
        """Digests of the source videos and sounds that pages never ask for. Only chunks that show them need them."""
        unasked = (video.sha256 for video in self.videos if not video.asked)
        return frozenset((*unasked, *(source.sha256 for source in self.only_heard)))

    @property
    def shared_objects(self) -> tuple[Artifact | Resource | Font, ...]:
        """The files that every chunk needs."""
        decoded = self.only_decoded
        artifacts = (each for each in self.artifacts if each.sha256 not in decoded)
        resources = (each for each in self.resources if each.sha256 not in decoded)
        return (*artifacts, *resources, *self.fonts.files)

    @property
    def objects(self) -> tuple[Artifact | Resource | Font | Video | VideoIndex | SoundSource | PlannedSound, ...]:
        """All files that the plan carries."""
        indexes = (video.index for video in self.videos)
        mix = () if self.sound is None else (self.sound,)
        return (*self.shared_objects, *self.videos, *indexes, *self.only_heard, *mix)

    def shown_videos(self, frames: Collection[int]) -> tuple[int, ...]:
        """Return the numbers of the source videos that some of these frames show."""
        fps = self.fps.fraction
        shown = {clip.video for clip in self.clips if not _apart(frames_of(clip, fps), frames)}
        return tuple(sorted(shown))

    def objects_for(self, frames: Collection[int]) -> tuple[Artifact | Resource | Font | Video | VideoIndex, ...]:
        """Return the files that a page needs to show these frames."""
        videos = [self.videos[number] for number in self.shown_videos(frames)]
        return (*self.shared_objects, *videos, *(video.index for video in videos))

    def sealed(self) -> Manifest:
        """Return the manifest as it will be read back, with the ``plan_hash`` of its content.

        Raises
        ------
        ProjectError
            If the composition does not fit into a plan.
        """
        # A whole number in a float field reads back as a float, and would hash differently.
        unsealed = msgspec.structs.replace(self, plan_hash="0" * 64)
        try:
            stored = decode(canonical_json(unsealed), Manifest, "the plan")
        except (PlanCorruptError, ValueError, OverflowError) as error:
            said = error.message if isinstance(error, PlanCorruptError) else str(error)
            raise ProjectError(f"this composition does not fit into a plan: {said}") from error
        return msgspec.structs.replace(stored, plan_hash=stored.content_hash())

    def content_hash(self) -> str:
        """Return the sha256 (hex) of the canonical JSON of all fields but ``plan_hash``."""
        document = msgspec.to_builtins(self)
        del document["plan_hash"]
        return hashlib.sha256(b"hfdask-plan\0" + canonical_json(document)).hexdigest()


def _apart(window: range, frames: Collection[int]) -> bool:
    if isinstance(frames, range) and frames.step == 1:
        return max(window.start, frames.start) >= min(window.stop, frames.stop)
    return not any(frame in window for frame in frames)


class FrameRecord(Value, frozen=True):
    """The lists of a chunk with one entry per frame, from ``start`` on. They are stored in a file beside it.

    Attributes
    ----------
    key : str
        Key of the chunk's `ChunkRange`.
    start : int
        The first frame.
    digests : tuple of str
        BLAKE3 (128 bits, hex) of the frames' RGB(A) pixels.
    damage : tuple of bool
        True if the compositor drew anything new. The other frames are static.
    seconds : tuple of float
        Wall seconds to capture the frames. The next two lists are parts of it, and the rest is for the picture.
    decode : tuple of float
        Wall seconds of waiting for decoded frames of source videos. They are decoded ahead.
    seek : tuple of float
        Wall seconds in which the page went to the frames.
    encode : tuple of float
        Wall seconds in which pictures were decoded, digested and encoded, while later ones were captured. The encoder
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


Window = tuple[float, float | None]


class TimedPart(Value, frozen=True):
    """A part of the entry document, as written, that shows only in its windows; ``place`` is its position."""

    text: str
    place: str
    windows: tuple[Window, ...]


class PageParts(Value, frozen=True):
    """The entry document, split by the page into parts (``runtime/sight.js``).

    ``rest`` affects every frame. ``files`` has the windows of mounted files, ``texts`` the texts of some of them without
    what changes the sound alone, ``everywhere`` the files whose rules act
    on the whole page, ``variables`` the page's values, ``sounds_read`` the times of sounds that scripts have read, and
    ``served`` the files that it asked for. Windows are ``(start, end)`` in seconds; ``end`` is None if there is none.
    """

    rest: str
    units: tuple[TimedPart, ...]
    files: dict[str, tuple[Window, ...]]
    texts: dict[str, str]
    everywhere: tuple[str, ...]
    variables: dict[str, Any]
    sounds_read: tuple[str, ...] = ()
    served: tuple[str, ...] = ()


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


def canonical_json(value: Any) -> bytes:
    """Encode a value as canonical JSON: sorted keys, no whitespace, UTF-8, no newlines.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON cannot hold.
    """
    builtins = msgspec.to_builtins(value)
    _require_finite(builtins)
    return msgspec.json.encode(builtins, order="sorted")


def pretty_json(value: Any) -> bytes:
    """Encode a value as JSON for people: as `canonical_json`, but indented, with a final newline."""
    return msgspec.json.format(canonical_json(value), indent=2) + b"\n"


def decode(data: bytes, kind: type[_T], what: str) -> _T:
    """Read a stored document strictly.

    Raises
    ------
    PlanCorruptError
        If the bytes are not JSON of this kind, are too many or nested too deeply. The message names ``what`` and the
        field.
    """
    limit = getattr(kind, "LIMIT", Manifest.LIMIT)
    if len(data) > limit:
        raise PlanCorruptError(f"{what} has {len(data)} bytes, more than the {limit} of its kind", document=what)
    try:
        return msgspec.json.decode(data, type=built(kind))
    except RecursionError:
        problem = "it is nested too deeply"
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: invalid UTF-8
        problem = str(error)[:500]  # it may quote the document
    raise PlanCorruptError(f"{what} is not valid: {problem}", document=what)


def _require_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored as JSON")
    if isinstance(value, dict):
        for item in value.values():
            _require_finite(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_finite(item)
