"""Values that say which sounds a composition has, and how they are mixed (docs/compositions.md, 10).

Times are in seconds as the author wrote them, and levels are linear. `Soundtrack` decides every sample of a mix: two mixes
with the same one, and the same sources, have the same samples. `PlannedSound` is the mix of a plan.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta

from hfdask.core.fields import MAX_TEXTS, Count, Digest, Line, Seconds, Size, Text
from hfdask.core.values import Value
from hfdask.core.video_clip import MAX_POINTS, PlaybackRate, RatePoint, Share

SAMPLE_RATE = 48_000
"""Samples a second of a mix. It has two channels."""

CEILING = -1.0
"""Highest true peak of the sound of a video, in dBTP."""

MAX_GAIN = 10 ** (12 / 20)
"""Largest gain of a track or a group: +12 dB."""

MAX_TRACKS = 2_000
"""Tracks of a mix, and its groups."""

MAX_EFFECTS = 64
"""Effects of a chain."""

MAX_KEYS = 1_000_000
"""Entries of a volume that a script or a tween changes."""


def sample_count(frames: int, fps: Fraction) -> int:
    """Return the length of a mix: the samples that are nearest to the length of the video."""
    return round(frames * SAMPLE_RATE / fps)


EffectType = Literal[
    "gain",
    "peaking",
    "lowshelf",
    "highshelf",
    "highpass",
    "lowpass",
    "compressor",
    "limiter",
    "truepeak",
    "gate",
    "saturate",
    "bitcrush",
    "pitchshift",
    "delay",
    "chorus",
    "phaser",
    "reverb",
]
EFFECTS: tuple[EffectType, ...] = get_args(EffectType)

Gain = Annotated[float, Meta(ge=0, le=MAX_GAIN)]
_Number = Annotated[float, Meta(ge=-1e9, le=1e9)]


class LanePoint(Value, frozen=True):
    """A point of an automation lane, and the shape of the lane up to the next point, as in `RatePoint`."""

    t: Seconds
    v: _Number
    curve: Annotated[float, Meta(ge=-1, le=1)] = 0.0
    via: tuple[Share, Share] | None = None


class Lane(Value, frozen=True):
    """Values of a parameter over time.

    Attributes
    ----------
    target : str
        ``volume``, ``fx.<effect>.<parameter>``, or ``fx.preset.<preset>``.
    points : tuple of LanePoint
        In order of time: in seconds of the clip for a track, of the composition for a group and the whole mix.
    """

    target: Text
    points: Annotated[tuple[LanePoint, ...], Meta(min_length=1, max_length=MAX_POINTS)]

    def __post_init__(self) -> None:
        if any(after.t <= before.t for before, after in itertools.pairwise(self.points)):
            raise ValueError("the points of a lane are not in order of time")


class Effect(Value, frozen=True):
    """An effect of a chain.

    Attributes
    ----------
    id : str
        Its name in the chain, for lanes.
    type : str
        One of `EFFECTS`.
    parameters : dict of str to float or str
        Its settings, within their ranges. A missing one has its default.
    preset : str or None
        The preset that it belongs to. Consecutive effects of one preset are mixed with their input as a whole.
    amount : float
        Share of the preset's output, from 0 to 1.
    """

    id: Text
    type: EffectType
    parameters: Annotated[dict[Line, _Number | Line], Meta(max_length=50)]
    preset: Text | None = None
    amount: Annotated[float, Meta(ge=0, le=1)] = 1.0


Chain = Annotated[tuple[Effect, ...], Meta(max_length=MAX_EFFECTS)]
Lanes = Annotated[tuple[Lane, ...], Meta(max_length=MAX_EFFECTS * 50)]


class Treatment(Value, frozen=True):
    """What happens to the sound of a track or a group: first its effects, then its volume.

    Attributes
    ----------
    chain : tuple of Effect
        Effects in order.
    lanes : tuple of Lane
        Automation of the volume and of effects.
    volume : float
        Its gain, if there is neither a lane ``volume`` nor ``keys``.
    keys : tuple of (float, float)
        Gains over time that a script or a tween sets: seconds on the clock of the lanes, and gain. They are interpolated
        linearly. Before the first key, ``volume`` applies; after the last key, its gain stays. A lane ``volume`` replaces
        them.
    """

    chain: Chain = ()
    lanes: Lanes = ()
    volume: Gain = 1.0
    keys: Annotated[tuple[tuple[Seconds, Gain], ...], Meta(max_length=MAX_KEYS)] = ()


class SoundTrack(Value, frozen=True):
    """An element of the page that sounds: its window, and the part of its source that it plays.

    ``start``, ``end``, ``origin``, ``pace``, ``media_start``, ``rate`` and ``ramp`` mean the same as in
    `hfdask.core.video_clip.VideoClip`.

    Attributes
    ----------
    id : str
        Its render id; for a video, with the suffix ``-audio``.
    source : int
        Number of its source in the soundtrack.
    fade_in, fade_out : float
        Seconds of linear ramps at its start and its end. As for lanes, these are seconds of the clip.
    group : int or None
        Number of its group.
    treatment : Treatment
        Its effects and its volume.
    """

    id: Text
    source: Annotated[int, Meta(ge=0, le=MAX_TRACKS)]
    start: Seconds
    end: Seconds
    origin: Annotated[float, Meta(ge=-1e9, le=1e9)]
    pace: Annotated[float, Meta(ge=1e-9, le=1e9)]
    media_start: Seconds
    rate: PlaybackRate
    ramp: Annotated[tuple[RatePoint, ...], Meta(max_length=MAX_POINTS)] = ()
    fade_in: Seconds = 0.0
    fade_out: Seconds = 0.0
    group: Annotated[int, Meta(ge=0, le=MAX_TRACKS)] | None = None
    treatment: Treatment = Treatment()

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("it ends before it starts")


class SoundGroup(Value, frozen=True):
    """An ``<hf-audio-group>``: its members are summed, then treated together, on the composition's time."""

    id: Text
    treatment: Treatment = Treatment()


class SoundSource(Value, frozen=True):
    """A file with sound: a file of the project, or a recorded response.

    Attributes
    ----------
    name : str
        Its path in the project, or its URL without user and query.
    sha256 : str
        Digest of its content.
    size : int
        Bytes.
    """

    of_project: ClassVar[bool] = True
    shared: ClassVar[bool] = False

    name: Text
    sha256: Digest
    size: Size

    @property
    def path(self) -> str:
        return self.name


class Soundtrack(Value, frozen=True):
    """All that decides the samples of a mix.

    Attributes
    ----------
    version : int
        Version of the mixer. It changes if the same soundtrack gives other samples.
    samples : int
        Length of the mix, in samples at `SAMPLE_RATE`.
    sources : tuple of SoundSource
    tracks : tuple of SoundTrack
    groups : tuple of SoundGroup
    master : Treatment
        Effects and lanes of the whole mix, from the composition's root element.
    """

    LIMIT: ClassVar[int] = 2**28

    version: Annotated[int, Meta(ge=1, le=2**31)]
    samples: Annotated[int, Meta(ge=1, le=2**40)]
    sources: Annotated[tuple[SoundSource, ...], Meta(max_length=MAX_TRACKS)]
    tracks: Annotated[tuple[SoundTrack, ...], Meta(max_length=MAX_TRACKS)]
    groups: Annotated[tuple[SoundGroup, ...], Meta(max_length=MAX_TRACKS)] = ()
    master: Treatment = Treatment()

    def __post_init__(self) -> None:
        for track in self.tracks:
            if track.source >= len(self.sources):
                raise ValueError("a track plays a source that is not listed")
            if track.group is not None and track.group >= len(self.groups):
                raise ValueError("a track is in a group that is not listed")


class PlannedSound(Value, frozen=True):
    """The mix of a plan: an object of the plan in FLAC, with 24 bits, 48 kHz and two channels.

    Attributes
    ----------
    key : str
        Digest of the `Soundtrack`: two mixes with one key have the same samples.
    sha256, size : str, int
        Digest and bytes of the FLAC file.
    samples : int
        Samples of each channel.
    gain : float
        The stored samples times this are the mix. So a mix beyond full scale is stored without clipping.
    true_peak : float
        True peak of the mix in dBTP, 4 times oversampled (ITU-R BS.1770); -200 for silence.
    loudness : float or None
        Integrated loudness of the mix in LUFS (EBU R128); None if it is too short or too quiet to measure.
    clipped : int
        Samples beyond full scale in either channel.
    tracks : tuple of str
        Ids of the tracks that are heard.
    """

    of_project: ClassVar[bool] = False
    shared: ClassVar[bool] = False

    key: Digest
    sha256: Digest
    size: Size
    samples: Annotated[int, Meta(ge=1, le=2**40)]
    gain: Annotated[float, Meta(gt=0, le=1e6)]
    true_peak: Annotated[float, Meta(ge=-200, le=200)]
    loudness: Annotated[float, Meta(ge=-200, le=200)] | None
    clipped: Count
    tracks: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]

    @property
    def path(self) -> str:
        return f"sound {self.sha256[:16]}"


class SoundReport(Value, frozen=True):
    """The sound of a finished video.

    Attributes
    ----------
    tracks : tuple of str
        Ids of the tracks that are heard.
    true_peak : float
        True peak in dBTP of the sound as it is played, 4 times oversampled (ITU-R BS.1770); -200 for silence.
    loudness : float or None
        Its integrated loudness in LUFS (EBU R128); None if it is too short or too quiet to measure.
    clipped : int
        Samples of the mix that were beyond full scale before it was lowered.
    lowered : float
        Decibels by which the mix was lowered, so that its true peak is at most -1 dBTP; 0 if it was not.
    """

    tracks: tuple[str, ...]
    true_peak: float
    loudness: float | None
    clipped: int
    lowered: float

    def __str__(self) -> str:
        tracks = "1 track" if len(self.tracks) == 1 else f"{len(self.tracks)} tracks"
        loudness = [] if self.loudness is None else [f"{self.loudness:.1f} LUFS"]
        lowered = [f"lowered by {self.lowered:.2f} dB"] if self.lowered else []
        return ", ".join([tracks, *loudness, f"true peak {self.true_peak:.1f} dBTP", *lowered])
