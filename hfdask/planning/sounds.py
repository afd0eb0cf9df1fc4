"""Find what a page's sounds play while planning, and describe it as tracks and groups of a mix (docs/compositions.md, 10)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from msgspec import Struct

from hfdask.browser.answers import ToldGroup, ToldMedium, ToldSounds
from hfdask.browser.session import PageSession
from hfdask.core.frames import frame_time
from hfdask.core.sound import MAX_GAIN, MAX_TRACKS, Chain, Lanes, SoundGroup, SoundTrack, Treatment
from hfdask.core.video_clip import exact, natural_length, on_grid
from hfdask.errors import SoundMarkupError, UnsupportedFeatureError
from hfdask.planning.sources import FoundFile, Sources
from hfdask.planning.videos import HELD, times_of, within_scene
from hfdask.sound.markup import chain_from_json, idle_targets, lanes_from_json

STEPS_A_SECOND = 60
"""Most frames a second at which volumes are read."""

STEP = 1e-4
"""Smallest change of a volume that counts."""

_BATCH = 10  # frames to visit in one call, which has one time limit
_DIGITS = 6

Volumes = Mapping[str, Sequence[tuple[float, float]]]
"""Volumes over time by render id: seconds of the composition, and gain."""


class Heard(Struct, frozen=True):
    """A file that sounds, and the first element that plays it."""

    file: FoundFile
    element: str


class Sounding(Struct, frozen=True):
    """The sounds of a page. ``tracks`` have the numbers of ``files`` and ``groups``."""

    files: tuple[Heard, ...]
    tracks: tuple[SoundTrack, ...]
    groups: tuple[SoundGroup, ...]
    master: Treatment


def audible(media: Iterable[ToldMedium], sources: Sources) -> list[ToldMedium]:
    """Return the media whose sound is wanted, and whose source has sound or is not known to have none."""
    return [
        medium
        for medium in media
        if medium.sounds and (medium.tag == "audio" or ((found := sources.video(medium)) and found.source.sound))
    ]


async def read_volumes(
    session: PageSession,
    media: Sequence[ToldMedium],
    windows: Mapping[str, range],
    frames: int,
    fps: Fraction,
    visited: Sequence[int],
) -> dict[str, list[tuple[float, float]]]:
    """Read the volumes that tweens and scripts change, frame by frame.

    A script does not say what it will do. So all frames in the windows of media whose volume has changed are visited. Nothing is drawn.
    If no frame was visited before, the frames ``visited`` are visited first, to learn which volumes change.
    """
    for batch in _batches(visited):
        await session.volumes_at(batch, [])
    changed = await session.changed_volumes()
    spans = {}
    for medium in media:
        told = within_scene(medium, windows, fps)
        if medium.id in changed and told is not None and told.shows:
            spans[medium.id] = _frames_around(told, frames, fps)
    names = sorted(spans)
    step = math.ceil(fps / STEPS_A_SECOND)
    wanted = sorted({frame for span in spans.values() for frame in (*span[::step], span[-1])})
    volumes: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for batch in _batches(wanted):
        for frame, row in zip(batch, await session.volumes_at(batch, names), strict=True):
            for name, volume in zip(names, row, strict=True):
                if volume is not None and frame in spans[name]:
                    volumes[name].append((frame_time(frame, fps), volume))
    return volumes


def _batches(frames: Sequence[int]) -> list[Sequence[int]]:
    return [frames[start : start + _BATCH] for start in range(0, len(frames), _BATCH)]


def _frames_around(medium: ToldMedium, frames: int, fps: Fraction) -> range:
    """Return the frames of a window, and the nearest frames at or before its start, and at or after its end."""
    times = times_of(medium)
    first, last = math.floor(on_grid(times["start"], fps)), math.ceil(on_grid(times["end"], fps))
    return range(min(first, frames - 1), min(last + 1, frames))


def key_points(volumes: Sequence[tuple[float, float]], base: float) -> list[tuple[float, float]]:
    """Return the volumes that differ from the one before, each with the one just before it, so that levels stay level."""
    kept: list[tuple[float, float]] = []
    level, before = base, None
    for time, volume in volumes:
        point = (time, round(volume, _DIGITS))
        if abs(point[1] - level) > STEP:
            if before is not None and (not kept or kept[-1] != before):
                kept.append(before)
            kept.append(point)
            level = point[1]
        before = point
    return kept


def resolve_sounds(
    media: Sequence[ToldMedium],
    told: ToldSounds,
    windows: Mapping[str, range],
    volumes: Volumes,
    sources: Sources,
    fps: Fraction,
) -> tuple[Sounding | None, list[str]]:
    """Return what sounds, or None if nothing does, and warnings.

    Raises
    ------
    SoundMarkupError, ScriptError, AssetError, UnsupportedFeatureError
    """
    files: dict[FoundFile, int] = {}
    heard: list[Heard] = []
    groups: dict[int, int] = {}  # numbers of the page, and of the mix
    tracks: list[SoundTrack] = []
    warnings: list[str] = []
    for medium in media:
        if not medium.sounds:
            continue
        warnings += _length_warnings(medium, sources)
        within = within_scene(medium, windows, fps)
        if within is None or not within.shows:
            continue
        file = _source(within, sources)
        if file is None:
            continue
        if file not in files:
            files[file] = len(heard)
            heard.append(Heard(file, medium.element))
            warnings += _fault(within, sources)
        group = medium.sound.group
        if group is not None and group < len(told.groups):
            groups.setdefault(group, len(groups))
        number = None if group is None else groups.get(group)
        track = _track(within, files[file], number, volumes.get(medium.id, ()))
        tracks.append(track)
        warnings += _idle_warnings(medium.element, track.treatment.chain, medium.sound.automation)
    if not tracks:
        return None, warnings
    if len(tracks) > MAX_TRACKS:
        raise UnsupportedFeatureError(
            f"{len(tracks)} elements sound, more than {MAX_TRACKS}; join sounds into one file", features=["tracks"]
        )
    used = [told.groups[number] for number in groups]
    buses = [*used, *([told.master] if told.master else [])]
    treatments = [_treatment(bus) for bus in buses]
    for bus, treatment in zip(buses, treatments, strict=True):
        warnings += _idle_warnings(bus.element, treatment.chain, bus.automation)
    master = treatments.pop() if told.master else Treatment()
    mixed = tuple(SoundGroup(id=bus.id, treatment=each) for bus, each in zip(used, treatments, strict=True))
    return Sounding(tuple(heard), tuple(tracks), mixed, master), warnings


def _source(medium: ToldMedium, sources: Sources) -> FoundFile | None:
    """Return the file of a medium that sounds, or None if it is a video without sound, or nothing is left of it."""
    if medium.tag == "video":
        video = sources.require_video(medium)
        return _bare(video) if video.source.sound else None
    sound = sources.require_sound(medium)
    return _bare(sound) if exact(medium.media_start) < sound.facts.seconds else None


def _fault(medium: ToldMedium, sources: Sources) -> list[str]:
    """Return a warning about a file that is damaged."""
    sound = sources.sound(medium)
    return [f"{sound.name}: {sound.facts.warning}"] if sound and sound.facts.warning else []


def _bare(found: FoundFile) -> FoundFile:
    return FoundFile(found.name, found.file, found.key)


def _track(medium: ToldMedium, source: int, group: int | None, volumes: Sequence[tuple[float, float]]) -> SoundTrack:
    times: dict[str, Any] = times_of(medium)
    sound = medium.sound
    chain, lanes = _markup(medium.element, sound.chain, sound.automation)
    if medium.problem:
        raise SoundMarkupError(f"{medium.element}: {medium.problem}", element=medium.element)
    points = key_points(volumes, sound.volume)
    treatment = Treatment(
        chain=chain,
        lanes=lanes,
        volume=_gain(sound.volume),
        keys=_keys(points, times["origin"], times["pace"]),
    )
    return SoundTrack(
        id=medium.id if medium.tag == "audio" else f"{medium.id}-audio",
        source=source,
        **times,
        fade_in=sound.fade_in,
        fade_out=sound.fade_out,
        group=group,
        treatment=treatment,
    )


def _keys(points: Iterable[tuple[float, float]], origin: float, pace: float) -> tuple[tuple[float, float], ...]:
    """Return volumes over the seconds of a clip, whose start may be between two frames."""
    keys = [((time - origin) * pace, volume) for time, volume in points]
    inside = [key for key in keys if key[0] > 0]
    before = keys[: len(keys) - len(inside)]
    if before:
        (time, volume), (later, then) = before[-1], inside[0] if inside else (1.0, before[-1][1])
        inside.insert(0, (0.0, volume + (then - volume) * -time / (later - time)))
    return tuple((round(time, _DIGITS), _gain(volume)) for time, volume in inside)


def _treatment(told: ToldGroup) -> Treatment:
    chain, lanes = _markup(told.element, told.chain, told.automation)
    return Treatment(chain=chain, lanes=lanes, volume=_gain(told.volume))


def _markup(element: str, chain: str | None, automation: str | None) -> tuple[Chain, Lanes]:
    try:
        effects = chain_from_json(chain) if chain and chain.strip() else ()
        return effects, lanes_from_json(automation, effects) if automation and automation.strip() else ()
    except SoundMarkupError as error:
        raise SoundMarkupError(f"{element}: {error.message}", **error.details, element=element) from error


def _idle_warnings(element: str, chain: Chain, automation: str | None) -> list[str]:
    targets = idle_targets(automation, chain) if automation and automation.strip() else ()
    return [f"{element}: the lane {target!r} of data-automation changes nothing" for target in targets]


def _gain(volume: float) -> float:
    return min(MAX_GAIN, max(0.0, volume))


def _length_warnings(medium: ToldMedium, sources: Sources) -> list[str]:
    """Return warnings about a medium that is meant to sound for longer than its source."""
    if medium.tag == "video":
        video = sources.video(medium)
        if video is None or not video.source.sound or not medium.loop:
            return []
        name, seconds = video.name, video.source.playable.fraction
    else:
        sound = sources.sound(medium)
        if sound is None:
            return []
        name, seconds = sound.name, sound.facts.seconds
        if exact(medium.media_start) >= seconds:
            return [
                f"{medium.element} begins at {medium.media_start:g} s of {name}, which ends at {float(seconds):g} s, so nothing of "
                "it is heard; set an earlier data-media-start"
            ]
    times = times_of(medium)
    natural = natural_length(medium.media_start, medium.rate, times["ramp"], 1.0, seconds)
    wanted = math.inf if medium.loop else medium.slot or 0.0
    is_cut_before = (times["end"] - times["origin"]) * times["pace"] < float(natural - HELD)
    if wanted <= natural + HELD or is_cut_before:
        return []
    what = "has loop, but a sound plays once" if medium.loop else f"is declared to last {wanted:g} s"
    return [f"{medium.element} {what}; the sound of {name} ends {float(natural):g} s after its in-point"]
