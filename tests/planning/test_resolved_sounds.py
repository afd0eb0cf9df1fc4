"""Tracks of a mix from what a page reports, without a page (docs/compositions.md, 10)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import msgspec
import pytest

from hfdask.browser.answers import ToldGroup, ToldMedium, ToldSound, ToldSounds
from hfdask.core.sound import MAX_GAIN, MAX_TRACKS
from hfdask.errors import ScriptError, UnsupportedFeatureError
from hfdask.planning.sounds import Sounding, resolve_sounds
from hfdask.planning.sources import FoundSound, Sources
from hfdask.sound.probe import SoundFacts

FACTS = SoundFacts(
    channels=2, rate=48_000, codec="flac", lead=Fraction(0), seconds=Fraction(4), missing=Fraction(0), damaged=0
)
MEDIUM = ToldMedium(
    id="a",
    element='<audio "a">',
    url="http://composition.localhost/a.flac",
    file="a.flac",
    start=1.0,
    end=3.0,
    origin=1.0,
    pace=1.0,
    slot=2.0,
    media_start=0.0,
    rate=1.0,
    ramp=(),
    problem="",
    loop=False,
    muted=False,
    declares_sound=True,
    auto=False,
    tag="audio",
)
GROUPS = tuple(ToldGroup(id=f"g{n}", element="", volume=n / 4, chain=None, automation=None) for n in range(3))


class Known:
    """Sources that are all the same."""

    def sound(self, medium: ToldMedium) -> FoundSound:
        return FoundSound("a.flac", "a.flac", None, FACTS)

    require_sound = sound


def medium(sound: dict[str, Any] | None = None, **changes: Any) -> ToldMedium:
    return msgspec.structs.replace(MEDIUM, sound=ToldSound(**(sound or {})), **changes)


def resolved(*media: ToldMedium, volumes: Any = None) -> Sounding:
    told = ToldSounds(sounds=(), groups=GROUPS, master=None)
    sounding, _ = resolve_sounds(media, told, {}, volumes or {}, cast(Sources, Known()), Fraction(30))
    assert sounding is not None
    return sounding


def test_only_groups_with_members_are_mixed_and_a_file_is_listed_once() -> None:
    found = resolved(*(medium({"group": group}, id=f"m{n}") for n, group in enumerate((2, None, 0, 2, 9))))
    assert [group.id for group in found.groups] == ["g2", "g0"]
    assert [track.group for track in found.tracks] == [0, None, 1, 0, None]  # there is no group 9
    assert [(heard.file.name, heard.element) for heard in found.files] == [("a.flac", '<audio "a">')]


def test_volumes_are_clamped_and_count_from_the_beginning_of_the_clip() -> None:
    volumes = {"a": [(1.0, 9.0), (1.5, -0.5), (2.0, 0.5)]}
    [track] = resolved(medium(pace=2.0), volumes=volumes).tracks
    assert track.treatment.keys == ((0, MAX_GAIN), (1, 0), (2, 0.5))
    [track] = resolved(medium(pace=0.5, origin=0.5), volumes=volumes).tracks
    assert [time for time, _ in track.treatment.keys] == [0.25, 0.5, 0.75]


def test_a_clip_that_starts_between_two_frames_begins_with_the_volume_between_them() -> None:
    volumes = {"a": [(0.75, 0.5), (1.25, 0.25), (1.5, 1.0)]}
    [track] = resolved(medium(), volumes=volumes).tracks
    assert track.treatment.keys == ((0, 0.375), (0.25, 0.25), (0.5, 1))
    [track] = resolved(medium(), volumes={"a": [(0.75, 0.5)]}).tracks
    assert track.treatment.keys == ((0, 0.5),)


def test_media_that_cannot_be_heard_are_left_out() -> None:
    silent = (medium(muted=True), medium({"hidden": True}), medium(start=3.0), medium(media_start=4.0))
    assert [track.id for track in resolved(*silent, medium(id="heard")).tracks] == ["heard"]


def test_too_many_sounds_are_refused() -> None:
    media = [medium(id=f"m{n}") for n in range(MAX_TRACKS + 1)]
    assert len(resolved(*media[1:]).tracks) == MAX_TRACKS
    with pytest.raises(UnsupportedFeatureError, match=f"{MAX_TRACKS + 1} elements sound"):
        resolved(*media)


def test_a_window_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ScriptError, match=r'the window of <audio "a"> is not in seconds'):
        resolved(medium(end=None))
