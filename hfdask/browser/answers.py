"""Types for the answers of a page.

The page's scripts share a world with the runtime, and can change much of what it uses. So answers are not trusted: they
are read into these types, with bounds, or end in an error that says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from hfdask.core.model import Clip
from hfdask.core.values import built
from hfdask.core.video_clip import MAX_POINTS
from hfdask.errors import ScriptError
from hfdask.text import all_legible, all_well_formed, legible

T = TypeVar("T")

MAX_SENTENCES = 1000
MAX_NAMES = 10_000
MAX_CLIPS = 100_000

Sentence = Annotated[str, Meta(max_length=5000)]
Sentences = Annotated[tuple[Sentence, ...], Meta(max_length=MAX_SENTENCES)]
Name = Annotated[str, Meta(max_length=10_000)]
Names = Annotated[tuple[Name, ...], Meta(max_length=MAX_NAMES)]
Markup = str
"""Text of an attribute. An answer of the page is at most 32 million characters long."""
Tag = Literal["video", "audio"]


class UnknownMedium(Struct, frozen=True):
    """A ``<video>`` or ``<audio>`` whose source the page does not know yet; ``file`` is its path in the project."""

    id: Name
    element: Name
    url: str
    file: Name | None
    tag: Tag = "video"


class Status(Struct, frozen=True, rename="camel"):
    """Progress of loading: if there is a root, and what is still awaited, missing or wrong.

    ``pending`` lists work of the page that may still bring missing timelines; ``may_end`` is true if some of it may end
    in time. While planning, ``videos`` lists the videos for which the page asks for shapes. ``sounds`` lists the sounds
    whose duration the page does not know.
    """

    root: bool
    prepared: bool
    offenders: Names
    waiting: Names
    missing: Names
    videos: tuple[UnknownMedium, ...]
    sounds: tuple[UnknownMedium, ...]
    pending: Names
    may_end: bool
    problems: Sentences


class Sought(Struct, frozen=True):
    """The answer to a seek, if there is more to report than if anything moved.

    ``observed`` is true if observers of the page may have to be called before it is drawn. ``late`` is true if the next
    picture may show an old frame of a video, so that the page must be drawn once before it. ``text`` is true if, while
    planning, there may be text in a new font.
    """

    problems: Sentences
    changed: bool
    observed: bool
    late: bool = False
    text: bool = False


class Passed(Struct, frozen=True):
    """The last frame of a seek through several; ``still`` is true if its picture cannot differ from the one before."""

    number: int
    still: bool
    answer: Any


class PictureBox(Struct, frozen=True):
    """Edges of a video's picture as fractions of its content box; None if it has no box. ``snaps`` is true if they are at whole pixels."""

    edges: tuple[float, float, float, float] | None
    snaps: bool


class OpenedSlots(Struct, frozen=True):
    """The answer to opening the slots of videos. ``file`` is true if the slots are in a file."""

    file: bool


class ToldClip(Struct, frozen=True):
    """A timed element as the page resolved it; unusable times are None."""

    id: Name
    tag: Name
    start: float | None
    end: float | None
    track: int


class ToldPoint(Struct, frozen=True):
    """A point of a speed ramp."""

    t: float
    v: float
    curve: float
    via: tuple[float, float] | None


class ToldSound(Struct, frozen=True, rename="camel"):
    """What happens to the sound of a medium.

    ``volume`` is its gain while the page is ready. ``group`` is the number of its group. ``hidden`` is true if the medium,
    something around it, or its group has ``data-hidden``. ``chain`` and ``automation`` are the texts of attributes.
    ``is_read`` is true if a script has read its duration or its time.
    """

    volume: float = 1.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    group: Annotated[int, Meta(ge=0, lt=MAX_CLIPS)] | None = None
    hidden: bool = False
    chain: Markup | None = None
    automation: Markup | None = None
    is_read: bool = False


class ToldMedium(Struct, frozen=True, rename="camel"):
    """A ``<video>`` or ``<audio>`` with a source, as the page resolved it. Times that are not numbers are None.

    ``file`` is the path of a source in the project. ``slot`` is the declared length. ``problem`` says what
    is wrong with its speed ramp. ``auto`` is true for a video without a start.
    """

    id: Name
    element: Name
    url: Name
    file: Name | None
    start: float | None
    end: float | None
    origin: float | None
    pace: float | None
    slot: float | None
    media_start: float
    rate: float
    ramp: Annotated[tuple[ToldPoint, ...], Meta(max_length=MAX_POINTS)]
    problem: Name
    loop: bool
    muted: bool
    declares_sound: bool
    auto: bool
    tag: Tag = "video"
    sound: ToldSound = ToldSound()

    @property
    def shows(self) -> bool:
        """False if it is in no frame."""
        return self.start is None or self.end is None or self.start < self.end

    @property
    def sounds(self) -> bool:
        """False if its sound is not wanted."""
        return not (self.muted or self.sound.hidden) and (self.tag == "audio" or self.declares_sound)


ToldMedia = Annotated[tuple[ToldMedium, ...], Meta(max_length=MAX_CLIPS)]


class ToldGroup(Struct, frozen=True):
    """An ``<hf-audio-group>``, or the root, with its volume and the texts of its attributes."""

    id: Name
    element: Name
    volume: float
    chain: Markup | None
    automation: Markup | None


class ToldSounds(Struct, frozen=True):
    """The ``<audio>`` elements of a page, its groups, and the root, which has the effects of the whole mix."""

    sounds: ToldMedia
    groups: Annotated[tuple[ToldGroup, ...], Meta(max_length=MAX_CLIPS)]
    master: ToldGroup | None


class AllMedia(Struct, frozen=True):
    """The videos and sounds of a page."""

    videos: ToldMedia
    sounds: ToldSounds


class Volumes(Struct, frozen=True):
    """Volumes of some media at some frames: a row for each frame, with None if a medium is not in the page."""

    rows: Annotated[tuple[tuple[float | None, ...], ...], Meta(max_length=MAX_CLIPS)]
    problems: Sentences


class Report(Struct, frozen=True, rename="camel"):
    """The resolved timeline. ``fps`` is as written. Of a page without a root, width and height may be None."""

    width: float | None
    height: float | None
    has_root: bool
    composition_id: Name
    fps: Name | None
    told_duration: float | None = field(name="duration")
    source: Name
    told_clips: Annotated[tuple[ToldClip, ...], Meta(max_length=MAX_CLIPS)] = field(name="clips")
    timelines: Names
    adapters: Names
    unsupported: Names
    variable_problems: Names
    warnings: Sentences
    problems: Sentences

    @property
    def duration(self) -> float:
        """Seconds; infinite if the page has no number for it."""
        return float("inf") if self.told_duration is None else self.told_duration

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips.

        Raises
        ------
        ScriptError
            If one has no start.
        """
        for clip in self.told_clips:
            if clip.start is None:
                raise ScriptError(
                    f"the start of <{clip.tag} id={clip.id!r}> is not a number of seconds; correct its data-start"
                )
        return tuple(
            Clip(id=clip.id, tag=clip.tag, start=clip.start, end=clip.end, track=clip.track)
            for clip in self.told_clips
            if clip.start is not None
        )


class About(Struct, frozen=True):
    """An element with text, the families of its style, and letters that are new in these families."""

    element: Name
    families: Name
    clusters: Names


class Lacking(Struct, frozen=True):
    """A letter without a glyph, and its element."""

    element: Name
    cluster: Name


class PlatformFont(Struct, frozen=True, rename="camel"):
    """A font that draws text of an element, as the browser reports it."""

    family_name: Name
    is_custom_font: bool
    post_script_name: Name = ""


class BrokenFace(Struct, frozen=True):
    """A family of the page that could not be loaded, and the files of one of its faces.

    ``used`` is true if text asks for it.
    """

    family: Name
    urls: Names
    used: bool


BrokenFaces = Annotated[tuple[BrokenFace, ...], Meta(max_length=MAX_SENTENCES)]
MediaIds = Annotated[tuple[str, ...], Meta(max_length=MAX_CLIPS)]
Elements = Annotated[dict[Name, Name], Meta(max_length=10_000)]
Abouts = Annotated[tuple[About, ...], Meta(max_length=MAX_CLIPS)]
Lackings = Annotated[tuple[Lacking, ...], Meta(max_length=MAX_CLIPS)]
PlatformFonts = Annotated[tuple[PlatformFont, ...], Meta(max_length=1000)]


def understood(answer: Any, kind: type[T], what: str, *, exactly: bool = False) -> T:
    """Convert an answer of the page to its type.

    Parameters
    ----------
    what : str
        What was asked for, in words, for the message.
    exactly : bool
        True to keep texts unchanged, because not only people read them.

    Raises
    ------
    ScriptError
        If it does not have this type.
    """
    if type(answer) is dict and type(answer.get("failed")) is str:
        raise ScriptError(f"the page did not report {what}: {legible(answer['failed'])[:2000]}")
    try:
        return msgspec.convert((all_well_formed if exactly else all_legible)(answer), built(kind))
    except (msgspec.ValidationError, RecursionError) as error:
        raise ScriptError(
            f"the page's report of {what} is invalid: {error}; one of its scripts has replaced a built-in of the browser",
        ) from error
