"""Read the properties of a source video, and index its frames, by demuxing it once.

Some properties are read from the packets, because headers are often wrong about them: the number of frames, their times,
their rate, and the end of the pictures. Only the first picture and the last second are decoded. They give the pixel
format and the colors, and the real end of a file that was cut off.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from hfdask.core.video_source import (
    MAX_SOURCE_PIXELS,
    MAX_SOURCE_RATE,
    MAX_SOURCE_SIDE,
    FrameIndex,
    KeyFrame,
    Ratio,
    VideoSource,
)
from hfdask.errors import MediaTypeError, VideoReadError, VideoSourceError
from hfdask.media.color_tags import color_tags
from hfdask.media.frame_decoder import FrameDecoder
from hfdask.media.frame_index import Track, read_track
from hfdask.media.payload import check_payload, why_unopened
from hfdask.media.planes import planes_of
from hfdask.media.video_file import moving_streams, open_media, read_only

TAIL_FRAMES = 2000
"""Most frames to decode to find the last one. If the key frame is further from the end, the packets decide."""

CUT = Fraction(6, 10)
"""If the pictures last at most this share of the header's duration, the file was cut off, and its pictures decide."""

ROUNDING = Fraction(1, 1000)
"""Largest error, in seconds, of durations in containers that count in milliseconds."""

UNEVEN = Fraction(1, 10)
"""Share of the average distance by which a distance between frames may differ."""

UNEVEN_SHARE = Fraction(1, 20)
"""Share of the distances that may differ by more, for example because a frame was dropped."""

_FIELDS = range(2, 6)  # FFmpeg's numbers for the orders of fields


def probe_video(path: Path) -> tuple[VideoSource, FrameIndex]:
    """Read a source video's properties, and index its frames.

    Parameters
    ----------
    path : Path
        The file; its name does not matter.

    Returns
    -------
    VideoSource, FrameIndex

    Raises
    ------
    AssetError
        If there is no such file.
    NotMediaError
        If it holds HTML, XML or JSON.
    MediaTypeError
        If it has no moving pictures.
    VideoSourceError
        If it cannot be rendered. ``details["reason"]`` is ``empty``, ``container``, ``truncated``, ``codec``,
        ``encrypted``, ``size``, ``rate``, ``length``, ``color`` or ``damaged``.
    VideoReadError
        If this machine cannot read it.

    Notes
    -----
    The file is read once, and at most `TAIL_FRAMES` frames and one group are decoded. Memory grows by about 250 bytes for
    each frame. It does not depend on the size of the file.
    """
    try:
        if not check_payload(path, "video"):
            raise _refused(path, "empty", "it has no bytes; copy it again")
        try:
            with open_media(path) as file:
                stream = _moving_stream(file, path)
                read_only(file, stream)
                track = read_track(file, stream, str(path))
                return _describe(path, file, stream, track)
        except (av.FFmpegError, VideoReadError) as error:
            why = why_unopened(path, error, "an MP4, MOV, WebM, MKV, AVI or MPEG file")
            raise _refused(path, *why) from error
    except OSError as error:
        raise VideoReadError(f"{path} cannot be read: {error}", path=str(path)) from error


def _refused(path: Path, reason: str, why: str) -> VideoSourceError:
    return VideoSourceError(f"{path} cannot be rendered: {why}", path=str(path), reason=reason)


def _moving_stream(file: InputContainer, path: Path) -> VideoStream:
    """Return the stream to show: the first stream with moving pictures, as in browsers."""
    streams = moving_streams(file)
    if not streams:
        if not file.streams.video and not file.streams.audio:
            raise _refused(path, "truncated", "it has no tracks, so it was cut or is damaged; copy or record it again")
        found = "a cover picture" if file.streams.video else "sound"
        raise MediaTypeError(
            f"{path} has {found} only; play sound with <audio>, and show a picture with <img>",
            path=str(path),
            found=found,
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise _refused(path, "codec", "its codec is unknown; encode it as H.264, VP9 or ProRes")
    _check_size(path, stream.width, stream.height)
    return stream


def _check_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > MAX_SOURCE_SIDE or width * height > MAX_SOURCE_PIXELS:
        raise _refused(path, "size", f"its pictures have {width}x{height} pixels, more than 8192x4320; scale it down")


def _describe(path: Path, file: InputContainer, stream: VideoStream, track: Track) -> tuple[VideoSource, FrameIndex]:
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    codec = stream.codec_context.codec.canonical_name
    alpha = codec in ("vp8", "vp9") and tags.get("alpha_mode") == "1"
    frame, index = _decoded_part(path, stream, track, alpha=alpha)
    width, height = frame.width, frame.height
    _check_size(path, width, height)
    display_width, display_height = _display_size(width, height, _pixel_aspect(stream))
    if max(display_width, display_height) > 2 * MAX_SOURCE_SIDE:
        raise _refused(
            path, "size", f"its display size is {display_width}x{display_height} pixels; correct its pixel aspect ratio"
        )
    colors = color_tags(frame, stream.codec_context, codec)
    if colors.matrix is None:
        raise _refused(
            path,
            "color",
            f"no browser knows its color matrix, number {frame.colorspace} of H.273; convert it to BT.709",
        )
    rate = _rate(path, stream, index)
    rotation, flip = _orientation(frame)
    source = VideoSource(
        container=file.format.name,
        codec=codec,
        pixel_format=frame.format.name,
        stream=stream.index,
        width=width,
        height=height,
        display_width=display_width,
        display_height=display_height,
        rotation=rotation,
        flip=flip,
        primaries=colors.primaries,
        transfer=colors.transfer,
        matrix=colors.matrix,
        full_range=colors.full_range,
        alpha=any(component.is_alpha for component in frame.format.components),
        interlaced=frame.interlaced_frame or stream.codec_context.field_order in _FIELDS,
        time_base=index.time_base,
        lead=Ratio.of(index.time(0)),
        playable=Ratio.of(index.time(0) + _duration(file, stream, track, index, rate)),
        rate=Ratio.of(rate),
        variable=_is_uneven(index),
        sound=bool(file.streams.audio),
    )
    try:
        planes_of(frame, source)
    except VideoSourceError as error:
        raise _refused(path, "codec", error.message) from error
    return source, index


def _decoded_part(path: Path, stream: VideoStream, track: Track, *, alpha: bool) -> tuple[av.VideoFrame, FrameIndex]:
    """Return the first frame, and the index without frames at both ends that cannot be decoded.

    Frames at the beginning may refer to frames that were cut off. At the end, a part of the file may be missing.
    """
    index = track.index
    decoder = FrameDecoder(path, stream.index, index, alpha=alpha)
    try:
        first = next(decoder.run(0, 0), None)
        if first is None:
            raise _refused(path, "damaged", "none of its first pictures can be decoded; encode it again")
        keys = [key.frame for key in index.keys]
        second = index.time(len(index) - 1) - 1
        start = max((n for n, frame in enumerate(keys) if index.time(frame) <= second), default=0)
        last = len(index) - 1
        if index.counted or len(index) - keys[start] <= TAIL_FRAMES:
            whole = (number for number, frame in decoder.run(start, len(keys) - 1) if not frame.is_corrupt)
            last = max(whole, default=keys[start] - 1)
    finally:
        decoder.close()
    return first[1], _part(index, first[0], max(first[0], last) + 1)


def _part(index: FrameIndex, start: int, end: int) -> FrameIndex:
    """Return an index of the frames from ``start`` up to ``end``, which is left out."""
    if (start, end) == (0, len(index)):
        return index
    keys = [
        KeyFrame(frame=max(0, key.frame - start), pts=key.pts, dts=key.dts) for key in index.keys if key.frame < end
    ]
    while len(keys) > 1 and keys[1].frame == 0:
        del keys[0]
    return FrameIndex(
        time_base=index.time_base,
        start=index.start,
        origin=index.origin,
        pts=index.pts[start:end],
        keys=tuple(keys),
        counted=index.counted,
    )


def _rate(path: Path, stream: VideoStream, index: FrameIndex) -> Fraction:
    if len(index) == 1:
        return max(Fraction(0), Fraction(stream.average_rate or 0))
    rate = (len(index) - 1) / (index.time(len(index) - 1) - index.time(0))
    if rate > MAX_SOURCE_RATE:
        raise _refused(
            path, "rate", f"it has {float(rate):.0f} frames a second, more than {MAX_SOURCE_RATE}; lower its rate"
        )
    return rate


def _duration(file: InputContainer, stream: VideoStream, track: Track, index: FrameIndex, rate: Fraction) -> Fraction:
    """Return the seconds from the first frame to the end of the pictures.

    This is the duration in the stream's header, or the end of its last frame if that is later. If the stream has no
    duration, the container's duration counts, unless the pictures end much earlier. If the pictures last for much less
    time than that, the end of the last frame counts.
    """
    tick, last = index.time_base.fraction, index.time(len(index) - 1)
    end = track.end * tick - index.start.fraction if len(index) == len(track.index) else last
    there = (end if end > last else last + (1 / rate if rate else tick)) - index.time(0)
    if stream.duration:
        promised = stream.duration * tick
    elif file.duration:
        container = Fraction(file.duration, av.time_base) - index.time(0)
        promised = container if there >= container * Fraction(9, 10) else there
    else:
        promised = there
    if there <= promised * CUT or abs(promised - there) <= ROUNDING:
        return there
    return max(promised, there)


def _is_uneven(index: FrameIndex) -> bool:
    gaps = [later - earlier for earlier, later in pairwise(index.pts)]
    if not gaps:
        return False
    average = Fraction(sum(gaps), len(gaps))
    allowed = max(average * UNEVEN, Fraction(1))
    uneven = [gap for gap in gaps if abs(gap - average) > allowed]
    return len(uneven) > len(gaps) * UNEVEN_SHARE


def _pixel_aspect(stream: VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Fraction(aspect) if aspect and aspect > 0 else Fraction(1)


def _display_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size with square pixels. One side grows and the other side stays, as in Chromium."""
    if aspect >= 1:
        return math.floor(width * aspect + Fraction(1, 2)), height
    return width, math.floor(height / aspect + Fraction(1, 2))


def _orientation(frame: av.VideoFrame) -> tuple[Literal[0, 90, 180, 270], bool]:
    """Return the clockwise rotation and whether to mirror after it, from the display matrix. Other angles count as 0."""
    attached: Any = frame.side_data
    matrix = next((data for data in attached if data.type is SideDataType.DISPLAYMATRIX), None)
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack_from("<5i", bytes(matrix))
    flip = a * d - b * c < 0
    across, down = (-a if flip else a), b  # direction of the picture's right edge, before it is mirrored
    if min(abs(across), abs(down)) * 50 >= max(abs(across), abs(down)):
        return 0, False
    if abs(across) > abs(down):
        return (0 if across > 0 else 180), flip
    return (90 if down > 0 else 270), flip
