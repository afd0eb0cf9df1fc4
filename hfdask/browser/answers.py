"""What a page may answer, and nothing else.

The page's own scripts share a world with the runtime, and can change much of what that builds on. So what comes back is
read as a stranger's document: into these types, with bounds, or with an error that says what was wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from hfdask.core.model import Clip
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


class Status(Struct, frozen=True, rename="camel"):
    """How far a page is: whether it has a root, and what is still to wait for, missing or wrong.

    ``pending`` is what the page has started and may end with the timelines that are missing, if it ends at all in time.
    """

    root: bool
    prepared: bool
    offenders: Names
    waiting: Names
    missing: Names
    pending: Names
    may_end: bool
    problems: Sentences


class Sought(Struct, frozen=True):
    """What a seek says where there is more to say than whether anything moved.

    ``observed`` where observers of the page may want to be called before it is drawn.
    """

    problems: Sentences
    changed: bool
    observed: bool


class ToldClip(Struct, frozen=True):
    """A timed element as the page resolved it; without times that can be used, they are None."""

    id: Name
    tag: Name
    start: float | None
    end: float | None
    track: int


class Report(Struct, frozen=True, rename="camel"):
    """The resolved timeline. ``fps`` is as it was written; of a page without a root, sides may be None."""

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

    @property
    def duration(self) -> float:
        """Seconds; infinite where the page has no number for it."""
        return float("inf") if self.told_duration is None else self.told_duration

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips.

        Raises
        ------
        ScriptError
            Where one has no start.
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
    """An element with text, the families that its style asks for, and letters that were not yet seen in these families."""

    element: Name
    families: Name
    clusters: Names


class Lacking(Struct, frozen=True):
    """A letter that was seen as a box, and the element that it is in."""

    element: Name
    cluster: Name


class PlatformFont(Struct, frozen=True, rename="camel"):
    """A font that draws text of an element, as the browser says."""

    family_name: Name
    is_custom_font: bool
    post_script_name: Name = ""


class BrokenFace(Struct, frozen=True):
    """A family of the page that could not be loaded, the files of one of its faces, and whether any text asks for it."""

    family: Name
    urls: Names
    used: bool


BrokenFaces = Annotated[tuple[BrokenFace, ...], Meta(max_length=MAX_SENTENCES)]
Elements = Annotated[dict[Name, Name], Meta(max_length=10_000)]
Abouts = Annotated[tuple[About, ...], Meta(max_length=MAX_CLIPS)]
Lackings = Annotated[tuple[Lacking, ...], Meta(max_length=MAX_CLIPS)]
PlatformFonts = Annotated[tuple[PlatformFont, ...], Meta(max_length=1000)]


def understood(answer: Any, kind: type[T], what: str, *, exactly: bool = False) -> T:
    """An answer of the page as a value of its type.

    Parameters
    ----------
    what : str
        What was asked for, in words.
    exactly : bool
        Whether texts stay as they are, because more than people read them.

    Raises
    ------
    ScriptError
        Where it is something else.
    """
    if type(answer) is dict and type(answer.get("failed")) is str:
        raise ScriptError(f"the page did not report {what}: {legible(answer['failed'])[:2000]}")
    try:
        return msgspec.convert((all_well_formed if exactly else all_legible)(answer), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ScriptError(
            f"the page's report of {what} is invalid: {error}; one of its scripts has replaced a built-in of the browser",
        ) from error
