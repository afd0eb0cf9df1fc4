"""The frozen values that cross a process or a disk, and their JSON.

A plan is data, so everything in it is a typed, immutable struct with one canonical encoding: keys sorted, no
whitespace, UTF-8. The hash of a plan is the hash of that encoding, so two machines that plan the same project get
the same bytes. Unknown fields and wrong types in a stored document are an error, never a silent default.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Any, Literal, TypeVar

import msgspec

from hfdask.errors import ChunkIndexError, PlanCorruptError

PROTOCOL = 3
"""Version of the plan's layout and meaning. A worker takes plans of exactly its own version."""

CaptureMode = Literal["beginframe", "screenshot"]
Json = Any

_T = TypeVar("_T")


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all stored structs: immutable, keyword-only, strict about unknown fields."""


class Rate(Value, frozen=True):
    """A frame rate as an exact fraction of frames a second."""

    num: int
    den: int

    @classmethod
    def of(cls, rate: Fraction) -> Rate:
        return cls(num=rate.numerator, den=rate.denominator)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.num, self.den)

    def __str__(self) -> str:
        return str(self.fraction)


class ChunkRange(Value, frozen=True):
    """Frames ``[start, end)`` of the absolute timeline; ``key`` stands for all that they can see (`hfdask.sight`)."""

    index: int
    start: int
    end: int
    key: str = ""

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def file(self) -> str:
        """Name of its file in a folder of chunks."""
        return f"{self.start:06d}-{self.key[:16]}.mp4"


class Artifact(Value, frozen=True):
    """A file that the plan carries: ``path`` is its name for the page, ``sha256`` its name in the store."""

    path: str
    sha256: str
    size: int
    chunks: Literal["all"] | tuple[int, ...] = "all"
    assembler: bool = False


class Resource(Value, frozen=True):
    """A response from another origin that the plan carries.

    ``key`` is a digest of the request's method, URL and body, because a URL may hold secrets; ``url`` is for people,
    without user and query. ``sha256`` names the body in the store.
    """

    key: str
    method: str
    url: str
    status: int
    headers: dict[str, str]
    sha256: str
    size: int

    @property
    def path(self) -> str:
        return self.url

    @property
    def chunks(self) -> Literal["all"]:
        return "all"


class Sweep(Value, frozen=True):
    """What planning saw on its way through the timeline (``sweep.json``): times differ from run to run.

    One entry for each of ``frames``: whether the page moved anything since the one before, whether the compositor had
    anything new to draw (None where it was not asked, as never in screenshot mode), and the wall seconds it took.
    """

    plan_hash: str
    frames: tuple[int, ...]
    moved: tuple[bool, ...]
    damage: tuple[bool | None, ...]
    seconds: tuple[float, ...]


class EncoderSettings(Value, frozen=True):
    """Everything that decides an encoder's bytes; a worker reads these and derives nothing.

    ``options`` go to the codec as they are. ``threads`` is locked because x264's output depends on it. ``timescale``
    is the time base's denominator of the chunk and of the assembled track.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    threads: int
    timescale: int
    container: str


class PageSettings(Value, frozen=True):
    """Everything that decides a page's pixels besides its files.

    ``gives_up`` is what planning waited for in vain while the page loaded; chunks wait for nothing else in vain, however
    slow they are. It is None while planning.
    """

    width: int
    height: int
    capture_mode: CaptureMode
    fragment: bool
    variables: dict[str, Json]
    page_errors: Literal["raise", "warn"]
    load_timeout: float
    frame_timeout: float
    gives_up: tuple[str, ...] | None = None


class Environment(Value, frozen=True):
    """What must be equal on the planner and on every worker, or pixels and bytes may differ."""

    platform: str
    browser: str
    pyav: str
    ffmpeg: str
    runtime: str


class Clip(Value, frozen=True):
    """A timed element as the page resolved it; times in seconds, ``end`` absent when unbounded."""

    id: str
    tag: str
    start: float
    end: float | None
    track: int


class Timeline(Value, frozen=True):
    """What the probe learned: the duration in seconds, where it came from, and the clips."""

    composition_id: str
    duration: float
    duration_source: str
    clips: tuple[Clip, ...]
    timelines: tuple[str, ...]
    adapters: tuple[str, ...]


class Font(Value, frozen=True):
    """A font file that the plan carries besides the page's own; ``name`` is what it is called for fontconfig.

    ``canonical`` tells the families of `hfdask.browser.families` from fonts that were copied off the planning machine.
    """

    name: str
    sha256: str
    size: int
    family: str
    style: str
    canonical: bool

    @property
    def path(self) -> str:
        return self.name

    @property
    def chunks(self) -> Literal["all"]:
        return "all"


class FontSet(Value, frozen=True):
    """All fonts that text without a font of the project's own is drawn in, and which family a name stands for."""

    files: tuple[Font, ...]
    stand_ins: dict[str, str]


class Manifest(Value, frozen=True):
    """``plan.json``: a whole render, frozen. ``plan_hash`` covers every other field."""

    protocol: int
    plan_hash: str
    entry: str
    fps: Rate
    width: int
    height: int
    frames: int
    chunks: tuple[ChunkRange, ...]
    encoder: EncoderSettings
    page: PageSettings
    environment: Environment
    timeline: Timeline
    artifacts: tuple[Artifact, ...]
    resources: tuple[Resource, ...]
    fonts: FontSet
    warnings: tuple[str, ...]

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
        """The manifest as it will be read back, with the ``plan_hash`` of its content."""
        # A whole number in a float field reads back as a float, and would hash differently.
        stored = msgspec.json.decode(canonical_json(self), type=Manifest)
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

    key: str
    start: int
    digests: tuple[str, ...]
    damage: tuple[bool, ...]
    seconds: tuple[float, ...]
    messages: tuple[str, ...]


class ChunkResult(Value, frozen=True):
    """What a finished chunk says about itself (at most 2 kB of JSON): its stored copy is the commit record.

    ``plan_hash`` is the plan that answers for it: the one that it was rendered for, or one that has found it unchanged by
    capturing ``checked`` of its frames again. ``key`` is that of its `ChunkRange`. ``stages`` are wall seconds by stage
    name (materialise, boot, capture, encode, upload); capture and encode run at the same time. ``digest`` is the digest of
    all frame digests; ``before_digest`` that of the frame before ``start``, captured again here to prove the seam with the
    chunk before. ``browser_bytes`` is the most memory that its browser was seen to take.
    """

    plan_hash: str
    key: str
    index: int
    start: int
    end: int
    url: str
    sha256: str
    size: int
    codec: str
    capture_mode: CaptureMode
    digest: str
    before_digest: str | None
    last_digest: str
    static_frames: int
    stages: dict[str, float]
    warm: bool
    worker: str
    browser: str
    messages: int
    attempt: int = 0
    reused: bool = False
    checked: int = 0
    browser_bytes: int = 0

    @property
    def frames(self) -> int:
        return self.end - self.start

    @property
    def frames_url(self) -> str:
        """Where the chunk's `FrameRecord` is stored."""
        return self.url + ".frames.json"

    @property
    def record_url(self) -> str:
        """Where this result itself is stored: its presence is the commit."""
        return self.url + ".json"


class Seam(Value, frozen=True):
    """The frame before a chunk, rendered by both neighbours; ``psnr`` (dB) only where they differ."""

    frame: int
    equal: bool
    psnr: float | None = None


class Finding(Value, frozen=True):
    """What a check found: ``element`` is an opening tag or a line of a script, ``line`` counts from 1 in ``file``."""

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
    """A finished, verified video. ``stages`` are wall seconds; chunk stages are summed over chunks.

    ``certificate`` is where its certificate is, if one was asked for; see `hfdask.certificate`. ``planned_on`` and
    ``assembled_on`` are addresses of workers, and empty where the driver did it.
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
        Where the bytes are not JSON of this kind; the message names ``what`` and the field.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise PlanCorruptError(f"{what} is not valid: {error}", document=what) from error


def _require_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored as JSON")
    if isinstance(value, dict):
        for item in value.values():
            _require_finite(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_finite(item)
