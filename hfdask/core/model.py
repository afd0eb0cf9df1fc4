"""The frozen values that cross a process or a disk, and their JSON.

A plan is data, so everything in it is a typed, immutable struct with one canonical encoding: keys sorted, no
whitespace, UTF-8. The hash of a plan is the hash of that encoding, so two machines that plan the same project get
the same bytes. Unknown fields and wrong types in a stored document are an error, never a silent default; the fields'
types (`hfdask.core.fields`) and the checks after decoding hold for every caller, because nothing decodes around them.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, TypeVar

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
    EncoderOption,
    FontName,
    Frame,
    FrameDigest,
    HeaderName,
    HeaderValue,
    Line,
    Method,
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
from hfdask.errors import ChunkIndexError, PlanCorruptError, ProjectError

PROTOCOL = 4
"""Version of the plan's layout and meaning. A worker takes plans of exactly its own version."""

CaptureMode = Literal["beginframe", "screenshot"]
Json = Any

_T = TypeVar("_T")


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all stored structs: immutable, keyword-only, strict about unknown fields.

    ``LIMIT`` are the bytes of the longest document of a kind.
    """

    LIMIT: ClassVar[int] = 2**20


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
    """The frames of a chunk: ``start`` is the first, ``end`` is the one after the last.

    Attributes
    ----------
    index : int
        Number of the chunk, from 0.
    start, end : int
        Frames of the whole video.
    key : str
        Digest of everything that these frames can see (`hfdask.planning.content_keys`).
    frames : int
        Number of frames.
    """

    index: ChunkIndex
    start: Frame
    end: Frame
    key: Digest = ""

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def file(self) -> str:
        """Name of its file in a folder of chunks."""
        return f"{self.start:06d}-{self.key[:16]}.mp4"


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
        Headers that a page can tell apart; never cookies.
    sha256 : str
        Digest of the body, and its name in the store.
    size : int
        Bytes of the body.
    """

    of_project: ClassVar[bool] = False

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
    """What planning saw on its way through the timeline (``sweep.json``): times differ from run to run.

    One entry for each of ``frames``: whether the page moved anything since the one before, whether the compositor had
    anything new to draw (None where it was not asked, as never in screenshot mode), and the wall seconds it took.
    """

    LIMIT: ClassVar[int] = 2**31

    plan_hash: Digest
    frames: Annotated[tuple[Frame, ...], Meta(max_length=MAX_FRAMES)]
    moved: tuple[bool, ...]
    damage: tuple[bool | None, ...]
    seconds: tuple[Seconds, ...]

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.moved) == len(self.damage) == len(self.seconds):
            raise ValueError("it has not one entry of each kind for each frame")


class EncoderSettings(Value, frozen=True):
    """Everything that decides an encoder's bytes; a worker reads these and derives nothing.

    ``options`` go to the codec as they are. ``threads`` is locked because x264's output depends on it. ``timescale``
    is the time base's denominator of the chunk and of the assembled track.
    """

    codec: Literal["libx264"]
    pixel_format: Literal["yuv420p"]
    options: dict[EncoderOption, Line]
    threads: Annotated[int, Meta(ge=1, le=1)]
    timescale: Annotated[int, Meta(ge=1, lt=2**31)]
    container: Literal["mp4"]


class PageSettings(Value, frozen=True):
    """Everything that decides a page's pixels besides its files.

    ``gives_up`` is what planning waited for in vain while the page loaded; chunks wait for nothing else in vain, however
    slow they are. It is None while planning.
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

    def __post_init__(self) -> None:
        if why := misfit(self.variables):
            raise ValueError(f"its variables cannot be used: {why}")


class Environment(Value, frozen=True):
    """What must be equal on the planner and on every worker, or pixels and bytes may differ.

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
    """A timed element as the page resolved it; times in seconds, ``end`` absent when unbounded."""

    id: Text
    tag: Text
    start: float
    end: float | None
    track: Annotated[int, Meta(ge=-(2**53), le=2**53)]


class Timeline(Value, frozen=True):
    """What the probe learned: the duration in seconds, where it came from, and the clips."""

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
        What the font calls itself.
    canonical : bool
        True for a family of `hfdask.fonts.families`, false for a font that was copied from the planning machine.
    """

    of_project: ClassVar[bool] = False

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
    """All fonts that text without a font of the project's own is drawn in, and which family a name stands for."""

    files: Annotated[tuple[Font, ...], Meta(max_length=MAX_TEXTS)]
    stand_ins: Annotated[dict[Line, Line], Meta(max_length=MAX_TEXTS)]

    def __post_init__(self) -> None:
        if len({font.name for font in self.files}) != len(self.files):
            raise ValueError("two fonts have one name")


class Manifest(Value, frozen=True):
    """The content of ``plan.json``: a whole render, frozen.

    Attributes
    ----------
    protocol : int
        Version of the plan's layout and meaning. A worker takes plans of its own version only.
    plan_hash : str
        sha256 of all other fields.
    entry : str
        The entry document.
    fps : Rate
        Frames a second, as the fraction ``num / den``.
    width, height : int
        Size in pixels.
    frames : int
        Number of frames.
    chunks : tuple of ChunkRange
        How the video is split.
    encoder : EncoderSettings
        Everything that decides the encoder's bytes.
    page : PageSettings
        Everything that decides the page's pixels besides its files.
    environment : Environment
        Browser and libraries that render it.
    timeline : Timeline
        Duration, clips and adapters that planning found.
    artifacts : tuple of Artifact
        Files of the project.
    resources : tuple of Resource
        Recorded responses of other sites.
    fonts : FontSet
        Fonts besides the project's own, and which family each name stands for.
    warnings : tuple of str
        What planning warns of.
    objects : tuple
        Artifacts, resources and fonts together.
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
    encoder: EncoderSettings
    page: PageSettings
    environment: Environment
    timeline: Timeline
    artifacts: Annotated[tuple[Artifact, ...], Meta(max_length=MAX_FILES)]
    resources: Annotated[tuple[Resource, ...], Meta(max_length=MAX_FILES)]
    fonts: FontSet
    warnings: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]

    def chunk(self, index: int) -> ChunkRange:
        """The chunk of this number, from 0.

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
    def objects(self) -> tuple[Artifact | Resource | Font, ...]:
        """Every file that the plan carries."""
        return (*self.artifacts, *self.resources, *self.fonts.files)

    def sealed(self) -> Manifest:
        """The manifest as it will be read back, with the ``plan_hash`` of its content.

        Raises
        ------
        ProjectError
            If the composition has something that no plan can hold.
        """
        # A whole number in a float field reads back as a float, and would hash differently.
        unsealed = msgspec.structs.replace(self, plan_hash="0" * 64)
        try:
            stored = decode(canonical_json(unsealed), Manifest, "the plan")
        except (PlanCorruptError, ValueError, OverflowError) as error:
            said = error.message if isinstance(error, PlanCorruptError) else str(error)
            raise ProjectError(f"no plan can hold what this composition has: {said}") from error
        return msgspec.structs.replace(stored, plan_hash=stored.content_hash())

    def content_hash(self) -> str:
        """sha256 (hex) of the canonical JSON of all fields but ``plan_hash``."""
        document = msgspec.to_builtins(self)
        del document["plan_hash"]
        return hashlib.sha256(b"hfdask-plan\0" + canonical_json(document)).hexdigest()


class FrameRecord(Value, frozen=True):
    """The long lists of a chunk, one entry a frame from ``start`` on, kept in a side file.

    ``digests`` are BLAKE3 (128 bits, hex) of the frame's RGB(A) pixels, ``damage`` tells whether the compositor drew
    anything new, and ``seconds`` is the wall time that the frame took to capture.
    """

    LIMIT: ClassVar[int] = 2**28

    key: Digest
    start: Frame
    digests: Annotated[tuple[FrameDigest, ...], Meta(min_length=1, max_length=MAX_RECORD_FRAMES)]
    damage: Annotated[tuple[bool, ...], Meta(max_length=MAX_RECORD_FRAMES)]
    seconds: Annotated[tuple[Seconds, ...], Meta(max_length=MAX_RECORD_FRAMES)]
    messages: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]

    def __post_init__(self) -> None:
        if not len(self.digests) == len(self.damage) == len(self.seconds):
            raise ValueError("it has not one entry of each kind for each frame")


Window = tuple[float, float | None]


class TimedPart(Value, frozen=True):
    """A part of the entry document, as written, that is seen in its windows only; ``place`` is where it stands.

    Sound has no windows.
    """

    text: str
    place: str
    windows: tuple[Window, ...]


class PageParts(Value, frozen=True):
    """The entry document taken apart by the page (``runtime/sight.js``).

    ``rest`` is what every frame sees, ``files`` are the windows of mounted files, ``everywhere`` those whose rules act on the
    whole page, ``variables`` the values of the page, and ``served`` the files that it asked for. Windows are
    ``(start, end)`` in seconds, without an end where there is none.
    """

    rest: str
    units: tuple[TimedPart, ...]
    files: dict[str, tuple[Window, ...]]
    everywhere: tuple[str, ...]
    variables: dict[str, Any]
    served: tuple[str, ...] = ()


class ChunkResult(Value, frozen=True):
    """The record of a finished chunk. Its stored copy commits the chunk.

    Attributes
    ----------
    plan_hash : str
        The plan that it was rendered for, or the last one that found it unchanged.
    key : str
        Key of its `ChunkRange`.
    index, start, end : int
        Number and frames of the chunk.
    url : str
        Its video file.
    sha256, size : str, int
        Digest and bytes of that file.
    codec, capture_mode : str
        How it was encoded and captured.
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
    warm : bool
        Whether its browser was running before.
    worker, browser : str
        Who rendered it, with which Chromium.
    messages : int
        Number of messages of the page; their texts are in the frame record.
    attempt : int
        Tries before this one.
    reused : bool
        Whether it was there already.
    checked : int
        Frames that were captured again before a chunk of another plan was used.
    browser_bytes : int
        The most memory that its browser was seen to take.
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
        """Where the chunk's `FrameRecord` is stored."""
        return self.url + ".frames.json"


class Seam(Value, frozen=True):
    """The frame before a chunk, rendered by both neighbours.

    Attributes
    ----------
    frame : int
        Number of the frame.
    equal : bool
        Whether both rendered the same pixels.
    psnr : float or None
        How near they are in dB, if they differ.
    """

    frame: Frame
    equal: bool
    psnr: float | None = None


class Finding(Value, frozen=True):
    """Something that a check found.

    Attributes
    ----------
    code : str
        Stable name of the rule.
    severity : {"error", "warning"}
    file, line : str, int or None
        Where it is; lines count from 1.
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


class RenderResult(Value, frozen=True):
    """A finished, verified video.

    Attributes
    ----------
    output : str
        The video.
    plan_url, plan_hash : str
        The plan that it was rendered from.
    frames, fps, width, height, duration : int, Rate, int, int, float
        What the video has; the duration is in seconds.
    size : int
        Bytes of the file.
    digest : str
        Digest of all frame digests.
    static_frames : int
        Frames that were equal to the frame before.
    stages : dict of str to float
        Wall seconds by stage; those of chunks are summed. ``total`` is the whole call.
    chunks : tuple of ChunkResult
        Records of the chunks.
    seams : tuple of Seam
        How the chunks meet.
    warnings : tuple of str
        What planning, pages and workers warn of.
    findings : tuple of Finding
        What the check of the project found.
    certificate : str or None
        Where the certificate is, if one was asked for.
    planned_on, assembled_on : str
        Addresses of the workers that did it; empty if the driver did.
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
    certificate: str | None = None
    planned_on: str = ""
    assembled_on: str = ""


def canonical_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no whitespace, UTF-8, a newline at no place.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON cannot hold.
    """
    builtins = msgspec.to_builtins(value)
    _require_finite(builtins)
    return msgspec.json.encode(builtins, order="sorted")


def pretty_json(value: Any) -> bytes:
    """The same document for people: indented, with a final newline."""
    return msgspec.json.format(canonical_json(value), indent=2) + b"\n"


def decode(data: bytes, kind: type[_T], what: str) -> _T:
    """Read a stored document strictly.

    Raises
    ------
    PlanCorruptError
        Where the bytes are not JSON of this kind, too many or nested too deeply; the message names ``what`` and the field.
    """
    limit = getattr(kind, "LIMIT", Manifest.LIMIT)
    if len(data) > limit:
        raise PlanCorruptError(f"{what} has {len(data)} bytes, more than the {limit} of its kind", document=what)
    try:
        return msgspec.json.decode(data, type=kind)
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
