"""A source video as a plan stores it: its properties, and an index of its frames.

Planning demuxes the file once to get both (`hfdask.media.probe`). With them, a worker finds the frame that is shown at
a time, and the key frame from which it is decoded, without searching the file. All times are fractions. So every worker
finds the same frame, even if the container rounds times.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from hfdask.core.fields import Line
from hfdask.core.planes import ColorSpace
from hfdask.core.values import Value

MAX_SOURCE_SIDE = 8192
"""Most pixels of a source's longer side: 8K of digital cinema."""

MAX_SOURCE_PIXELS = 8192 * 4320
"""Most pixels of a frame of a source."""

MAX_SOURCE_FRAMES = 1_000_000
"""Most frames of a source: more than four hours at 60 frames a second."""

MAX_SOURCE_RATE = 1000
"""Highest average rate of a source, in frames a second."""

HALF_TICK = Fraction(1, 1000)
"""Seconds. A frame may be shown half a tick early, if half a tick is at most this."""

EARLY = 1 - Fraction(1, 10**6)
"""Seconds. The first frame is shown early by less than this. Before that, nothing is shown."""

Primaries = Literal["bt709", "bt470bg", "smpte170m", "bt2020", "smpte432"]
Transfer = Literal["bt709", "smpte170m", "iec61966-2-1", "linear", "pq", "hlg"]
Matrix = Literal["rgb", "bt709", "bt470bg", "smpte170m", "bt2020-ncl"]

Tick = Annotated[int, Meta(ge=-(2**62), le=2**62)]
ClockPart = Annotated[int, Meta(ge=1, lt=2**31)]
SourceSide = Annotated[int, Meta(ge=1, le=MAX_SOURCE_SIDE)]
DisplaySide = Annotated[int, Meta(ge=1, le=2**20)]
SourceFrame = Annotated[int, Meta(ge=0, lt=MAX_SOURCE_FRAMES)]


class Ratio(Value, frozen=True):
    """An exact number of seconds, or of frames a second."""

    num: Tick
    den: Annotated[int, Meta(ge=1, le=2**62)]

    @classmethod
    def of(cls, number: Fraction) -> Ratio:
        return cls(num=number.numerator, den=number.denominator)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.num, self.den)


class TimeBase(Value, frozen=True):
    """Seconds of one tick of a stream's clock."""

    num: ClockPart
    den: ClockPart

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.num, self.den)


class VideoSource(Value, frozen=True):
    """Properties of a source video.

    Attributes
    ----------
    container, codec, pixel_format : str
        FFmpeg's names. ``pixel_format`` is the format of decoded frames.
    stream : int
        Number of the video stream in the file.
    width, height : int
        Pixels as decoded.
    display_width, display_height : int
        Size with square pixels, before rotation.
    rotation : int
        Degrees to turn the picture clockwise for display.
    flip : bool
        True if the picture is mirrored left to right after the rotation.
    primaries, transfer, matrix, full_range : str, str, str, bool
        Colors, in the words of WebCodecs. If the file lacks one, it has the value that Chromium assumes.
    alpha : bool
        True if the pictures have transparency.
    interlaced : bool
        True if pictures consist of two fields.
    time_base : TimeBase
        Tick of the stream.
    lead : Ratio
        Seconds from the start of the earliest stream of the file to the first frame.
    playable : Ratio
        Media time in seconds at which the pictures end; never less than ``lead``.
    rate : Ratio
        Average frames a second; 0 if there is only one frame, of unknown duration.
    variable : bool
        True if frames are at uneven distances.
    sound : bool
        True if the file also has a sound track.
    """

    container: Line
    codec: Line
    pixel_format: Line
    stream: Annotated[int, Meta(ge=0, le=1000)]
    width: SourceSide
    height: SourceSide
    display_width: DisplaySide
    display_height: DisplaySide
    rotation: Literal[0, 90, 180, 270]
    flip: bool
    primaries: Primaries
    transfer: Transfer
    matrix: Matrix
    full_range: bool
    alpha: bool
    interlaced: bool
    time_base: TimeBase
    lead: Ratio
    playable: Ratio
    rate: Ratio
    variable: bool
    sound: bool

    def __post_init__(self) -> None:
        if not 0 <= self.lead.fraction <= self.playable.fraction:
            raise ValueError("its pictures end before they start")
        if self.rate.num < 0:
            raise ValueError("its frame rate is negative")

    @property
    def natural_size(self) -> tuple[int, int]:
        """Width and height in a page: with square pixels, after rotation."""
        size = (self.display_width, self.display_height)
        return size if self.rotation in (0, 180) else size[::-1]

    @property
    def hdr(self) -> bool:
        """True if the transfer is PQ or HLG; wide primaries alone are not HDR."""
        return self.transfer in ("pq", "hlg")

    @property
    def color(self) -> ColorSpace:
        """Colors of the decoded planes."""
        return ColorSpace(self.primaries, self.transfer, self.matrix, self.full_range)


class KeyFrame(Value, frozen=True, array_like=True):
    """A packet from which decoding can start.

    Attributes
    ----------
    frame : int
        First frame, in display order, that is decoded from this packet. So are all later ones before the next key frame.
    pts, dts : int
        Presentation and decoding time stamps of the packet, in ticks of the file. An edit list may hide the packet's
        own picture.
    """

    frame: SourceFrame
    pts: Tick
    dts: Tick


class FrameIndex(Value, frozen=True):
    """Times of all frames of a source video, in display order.

    Attributes
    ----------
    time_base : TimeBase
        Seconds of a tick.
    start : Ratio
        Start of the earliest stream, in seconds of the file's clock. Media time counts from this start.
    origin : int
        Time stamp of the file that is 0 in the index: ``start`` in whole ticks, rounded down.
    pts : tuple of int
        Ticks from ``origin`` to each frame, in rising order.
    keys : tuple of KeyFrame
        Key frames in rising order. The first one is for frame 0.
    counted : bool
        True if packets have no usable presentation times, as in some AVI and MPEG files. Then the frames are decoded
        and counted from the beginning.
    """

    LIMIT: ClassVar[int] = 2**27

    time_base: TimeBase
    start: Ratio
    origin: Tick
    pts: Annotated[tuple[Tick, ...], Meta(min_length=1, max_length=MAX_SOURCE_FRAMES)]
    keys: Annotated[tuple[KeyFrame, ...], Meta(min_length=1, max_length=MAX_SOURCE_FRAMES)]
    counted: bool = False

    def __post_init__(self) -> None:
        if any(later <= earlier for earlier, later in pairwise(self.pts)):
            raise ValueError("its frames are not in rising order")
        if self.keys[0].frame != 0 or any(later.frame <= earlier.frame for earlier, later in pairwise(self.keys)):
            raise ValueError("its key frames are not in rising order from frame 0")
        if self.keys[-1].frame >= len(self.pts):
            raise ValueError("it has a key frame after its last frame")

    def __len__(self) -> int:
        return len(self.pts)

    def time(self, frame: int) -> Fraction:
        """Return the media time in seconds from which a frame is shown."""
        return (self.origin + self.pts[frame]) * self.time_base.fraction - self.start.fraction

    def group(self, frame: int) -> int:
        """Return the number of the key frame from which a frame is decoded."""
        return bisect_right(self.keys, frame, key=attrgetter("frame")) - 1

    def distance(self, frame: int) -> int:
        """Return the number of frames that are decoded before a frame if a reader begins with it."""
        return frame - self.keys[self.group(frame)].frame

    @property
    def key_interval(self) -> Fraction:
        """Longest time in seconds from a key frame to the last frame that is decoded from it."""
        ends = [*(key.frame for key in self.keys[1:]), len(self.pts)]
        ticks = max(self.pts[end - 1] - self.pts[key.frame] for key, end in zip(self.keys, ends, strict=True))
        return ticks * self.time_base.fraction

    def at(self, seconds: Fraction) -> int | None:
        """Return the frame that is shown at a media time, or None if no frame is shown yet.

        This is the last frame whose time is not later than ``seconds`` plus half a tick. So a frame is also found if
        the container has rounded its time up. Half a tick of more than 1 ms is not added: such files do not round
        times.

        Parameters
        ----------
        seconds : Fraction
            Media time: seconds from the start of the earliest stream of the file.

        Returns
        -------
        int or None
            Number of the frame in display order. After the last frame, the last frame stays. The first frame is shown
            up to a second early, as in Chromium. Before that, nothing is shown.
        """
        tick = self.time_base.fraction
        slack = tick / 2 if tick / 2 <= HALF_TICK else Fraction(0)
        latest = (seconds + slack + self.start.fraction) // tick - self.origin
        frame = bisect_right(self.pts, latest) - 1
        if frame >= 0:
            return frame
        return 0 if self.time(0) - seconds < EARLY else None
