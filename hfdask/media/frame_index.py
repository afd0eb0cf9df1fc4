"""Index the frames of a source video by its packets, without decoding them.

Only packets give the number of frames and the times at which they are shown. Not every container has these in its
header, and frame rates in headers are often wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

from av.container import InputContainer
from av.video.stream import VideoStream
from msgspec import Struct

from hfdask.core.video_source import MAX_SOURCE_FRAMES, FrameIndex, KeyFrame, Ratio, TimeBase
from hfdask.errors import VideoSourceError
from hfdask.media.video_file import earliest_start, packets_of


class Track(Struct, frozen=True):
    """The frames of a stream, read from its packets.

    Attributes
    ----------
    index : FrameIndex
        The frames that have packets. Some of them may not be decodable.
    end : int
        Time stamp at which the last packet's frame ends, in ticks of the file.
    """

    index: FrameIndex
    end: int


class _Stamp(Struct, frozen=True):
    """A packet: its times, its duration, and whether it starts a group, is shown, and was read completely."""

    pts: int | None
    dts: int
    duration: int
    key: bool
    shown: bool
    whole: bool


def read_track(file: InputContainer, stream: VideoStream, path: str) -> Track:
    """Read all packets of a stream, and index its frames.

    Raises
    ------
    VideoSourceError
        If it has no frames or too many, or is encrypted.
    """
    tick = Fraction(stream.time_base or 0)
    stamps = list(_stamps(file, stream, path))
    # AVI numbers packets in the order of decoding, so FFmpeg's presentation times are wrong if the codec reorders frames.
    # Program streams have few times. FFmpeg guesses the others, and sometimes gives two frames the same time.
    shown = [stamp.pts for stamp in stamps if stamp.shown and stamp.pts is not None]
    counted = (
        not shown
        or (file.format.name == "avi" and stream.codec_context.reorder_depth > 0)
        or (file.format.name == "mpeg" and len(set(shown)) < len(shown))
    )
    groups, frames = _by_time(_counted(stamps, stream) if counted else stamps)
    if not tick or not frames:
        raise VideoSourceError(
            f"{path} cannot be rendered: it has no pictures after its header, so it was cut; copy it again",
            path=path,
            reason="truncated",
        )
    times = sorted(frames)
    start = min(earliest_start(file), times[0] * tick)
    origin = math.floor(start / tick)
    return Track(
        FrameIndex(
            time_base=TimeBase(num=tick.numerator, den=tick.denominator),
            start=Ratio.of(start),
            origin=origin,
            pts=tuple(time - origin for time in times),
            keys=tuple(_keys(groups, [frames[time][0] for time in times])),
            counted=counted,
        ),
        max(frame[1] for frame in frames.values()),
    )


def _stamps(file: InputContainer, stream: VideoStream, path: str) -> Iterator[_Stamp]:
    late = file.format.name in ("mpegts", "mpeg")  # a recording may begin between key frames
    begun, shown, last = False, 0, 0
    held: _Stamp | None = None
    for packet in packets_of(file, stream):
        if packet.has_sidedata("encryption_info"):
            raise VideoSourceError(
                f"{path} cannot be rendered: it is encrypted; use a copy without protection",
                path=path,
                reason="encrypted",
            )
        if not begun and late and not packet.is_keyframe:
            continue
        last = next((time for time in (packet.dts, packet.pts) if time is not None), last)
        if held is not None:
            yield held
        held = _Stamp(
            pts=packet.pts,
            dts=last,
            duration=packet.duration or 0,
            key=packet.is_keyframe or not begun,
            shown=not packet.is_discard,
            whole=not packet.is_corrupt,
        )
        begun, shown = True, shown + held.shown
        if shown > MAX_SOURCE_FRAMES:
            raise VideoSourceError(
                f"{path} cannot be rendered: it has more than {MAX_SOURCE_FRAMES} frames; use a part of it",
                path=path,
                reason="length",
            )
    if held is not None and (held.whole or shown == 1):
        yield held  # else it is an incomplete packet at the end of a file that was cut off


def _counted(stamps: list[_Stamp], stream: VideoStream) -> Iterator[_Stamp]:
    """Yield the same frames as one group: at their decoding times, or at even distances if these times are wrong too."""
    times = [stamp.dts for stamp in stamps if stamp.shown]
    rate = Fraction(stream.guessed_rate or stream.average_rate or 25)
    gap = 1 / (rate * Fraction(stream.time_base or 1))
    if any(later <= earlier for earlier, later in pairwise(times)):
        times = [times[0] + round(number * gap) for number in range(len(times))]
    for number, time in enumerate(times):
        yield _Stamp(time, time, round(gap), key=number == 0, shown=True, whole=True)


def _by_time(stamps: Iterable[_Stamp]) -> tuple[list[_Stamp], dict[int, tuple[int, int]]]:
    """Return the packets that start groups, and a map from the time of each frame to its group and its end."""
    groups: list[_Stamp] = []
    frames: dict[int, tuple[int, int]] = {}
    for stamp in stamps:
        if not groups or stamp.key:
            groups.append(stamp)
        if not stamp.shown or stamp.pts is None:
            continue  # a packet without a time is the second field of a frame
        group = len(groups) - 1
        while group > 0 and stamp.pts < _time(groups[group]):
            group -= 1  # it is shown before the key frame, and refers to the group before
        frames[stamp.pts] = (group, stamp.pts + stamp.duration)
    return groups, frames


def _time(stamp: _Stamp) -> int:
    return stamp.dts if stamp.pts is None else stamp.pts


def _keys(groups: list[_Stamp], group_of: Iterable[int]) -> Iterator[KeyFrame]:
    last = -1
    for number, group in enumerate(group_of):
        if group > last:
            last = group
            yield KeyFrame(frame=number, pts=_time(groups[group]), dts=groups[group].dts)
