"""Frozen values that are stored or sent to another process, and their JSON.

Everything in a plan is a typed, immutable struct with one canonical encoding: keys sorted, no whitespace, UTF-8. A
plan's hash is the hash of that encoding, so two machines that plan the same project get the same bytes. Unknown fields
and wrong types in a stored document are an error, never a silent default. The field types (`hfdask.core.fields`) and
the checks after decoding apply to every caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from hfdask.core.fields import (
    MAX_CHUNKS,
    MAX_FILES,
    MAX_FRAMES,
    MAX_TEXTS,
    ChunkIndex,
    Count,
    Digest,
    EncoderName,
    FontName,
    Frame,
    HeaderName,
    HeaderValue,
    Line,
    Loop,
    Method,
    Path,
    RatePart,
    Seconds,
    Side,
    Size,
    Status,
    Text,
    Timeout,
    WebUrl,
    misfit,
)
from hfdask.core.sizes import MAX_SCALE, MIN_SCALE, UNSCALED, Scale
from hfdask.core.sound import PlannedSound, SoundSource
from hfdask.core.values import Value, built
from hfdask.core.video_clip import VideoClip, frames_of
from hfdask.core.video_source import VideoSource
from hfdask.errors import ChunkIndexError, PlanCorruptError, ProjectError

PROTOCOL = 17
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


def canonical_json(value: Any) -> bytes:
    """Encode a value as canonical JSON: sorted keys, no whitespace, UTF-8, no newlines.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON cannot hold.
    """
    builtins = msgspec.to_builtins(value)
    try:
        json.dumps(builtins, allow_nan=False)  # msgspec would write null
    except ValueError as error:
        raise ValueError("nan or an infinite number cannot be stored as JSON") from error
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
