"""Small pictures of a finished video, at even distances."""

from __future__ import annotations

import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace
from msgspec import Struct

from hfdask.core.frames import evenly_spaced
from hfdask.errors import MediaError, VideoReadError
from hfdask.media.picture import decode_frame
from hfdask.media.sequence import frame_name, is_sequence, open_sequence
from hfdask.media.thumbnail import encoded_jpeg
from hfdask.media.video_file import open_media

_QUANTISER = 4

AHEAD = 240
"""Frames to decode for a picture at most. In a chunk that is longer, the picture may be of an earlier frame."""


class Thumbnail(Struct, frozen=True):
    """The number of a frame, and its picture as JPEG."""

    frame: int
    jpeg: bytes


def thumbnails(
    path: Path, keys: Sequence[int], frames: int, fps: Fraction, *, count: int = 8, height: int = 56
) -> list[Thumbnail]:
    """Decode some frames of a video, in order.

    Parameters
    ----------
    path : Path
        A video or a sequence of pictures that hfdask has made.
    keys : sequence of int
        Its key frames in order: the first frames of its chunks.
    frames : int
        Number of its frames.
    fps : Fraction
        Frames a second.
    count : int
        Number of pictures; a shorter video gives one for each frame.
    height : int
        Height of the pictures in pixels.

    Raises
    ------
    VideoReadError
        If the file is gone, or is not this video.
    """
    wanted = evenly_spaced(frames, count)
    try:
        if is_sequence(path):
            with open_sequence(path) as (_, read):
                pictures = ((number, decode_frame(read(frame_name(number)))) for number in wanted)
                return [Thumbnail(number, jpeg(picture, height)) for number, picture in pictures]
        with open_media(path) as file:
            return [Thumbnail(number, jpeg(picture, height)) for number, picture in _near(file, wanted, keys, fps)]
    except (av.FFmpegError, IndexError, KeyError, OSError, MediaError, zipfile.BadZipFile) as error:
        raise VideoReadError(f"no pictures can be read from {path}: {error}", path=str(path)) from error


def _near(
    file: InputContainer, wanted: Sequence[int], keys: Sequence[int], fps: Fraction
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield these frames, or an earlier one if too many would have to be decoded."""
    stream = file.streams.video[0]
    stream.thread_type = "AUTO"
    assert stream.time_base is not None
    pictures = file.decode(stream)
    position = -1
    for frame in wanted:
        key = keys[bisect_right(keys, frame) - 1]
        if key > position + 1:
            file.seek(round(key / fps / stream.time_base), stream=stream)
            pictures = file.decode(stream)
            position = key - 1
        last = min(frame, position + AHEAD)
        for picture in pictures:
            assert picture.pts is not None
            position = round(picture.pts * stream.time_base * fps)
            if position >= last:
                yield position, picture
                break


def jpeg(picture: av.VideoFrame, height: int) -> bytes:
    """Encode a decoded frame as a JPEG of this height, in the colours of JPEG: BT.601, full range."""
    width = max(16, round(picture.width * height / picture.height))
    small = picture.reformat(
        width,
        height,
        "yuvj420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
    )
    small.pts = 0
    return encoded_jpeg(small, _QUANTISER)
