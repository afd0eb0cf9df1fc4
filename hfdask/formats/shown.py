"""Read the pictures of outputs, and of other videos, with their alpha and their times."""

from __future__ import annotations

import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from msgspec import Struct

from hfdask.errors import MediaError
from hfdask.formats.decoding import decoder_of
from hfdask.formats.join import ALPHA_MODE
from hfdask.formats.vp9 import VP9
from hfdask.formats.webp import CLOCK, WEBP
from hfdask.media.picture import decode_frame
from hfdask.media.sequence import is_frame, is_sequence, open_sequence

if TYPE_CHECKING:
    from PIL.WebPImagePlugin import WebPImageFile

_READ_ERRORS = (av.FFmpegError, OSError, EOFError, zipfile.BadZipFile)


class Shown(Struct, frozen=True):
    """A frame. ``middle`` is half of a frame's length after its beginning, in seconds; None if it has only a number."""

    frame: av.VideoFrame
    middle: Fraction | None


class Held:
    """An animated WebP, whose pictures are shown for one frame or for many.

    Parameters
    ----------
    path : Path
    stack : ExitStack
        Closes the file.

    Attributes
    ----------
    begins : sequence of Fraction
        Seconds at which the pictures begin.
    end : Fraction
        Seconds at which the last one ends; 0 for a still picture.
    """

    def __init__(self, path: Path, stack: ExitStack) -> None:
        from PIL import Image  # the help of a command needs no pictures

        self._path = path
        try:
            self._file: WebPImageFile = stack.enter_context(Image.open(path, formats=["WEBP"]))  # type: ignore[assignment]
            times = [self._at(number) for number in range(getattr(self._file, "n_frames", 1))]
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
        self.begins: Sequence[Fraction] = [begin for begin, _ in times]
        self.end = times[-1][1]
        self._number = -1
        self._frame: av.VideoFrame | None = None

    def at(self, seconds: Fraction) -> av.VideoFrame | None:
        """Return the picture that is shown at a time, or None after the end. Ask in the order of times."""
        if self.end and seconds >= self.end:
            return None
        number = max(0, bisect_right(self.begins, seconds) - 1)
        if self._frame is None or number != self._number:
            try:
                self._at(number)
                pixels = np.ascontiguousarray(self._file.convert("RGBA"), dtype=np.uint8)
            except _READ_ERRORS as error:
                raise _unreadable(self._path, error) from error
            self._number, self._frame = number, av.VideoFrame.from_ndarray(pixels, format="rgba")
        return self._frame

    def _at(self, number: int) -> tuple[Fraction, Fraction]:
        """Go to a picture, and return when it begins and ends."""
        self._file.seek(number)
        self._file.load()
        begin, length = (self._file.info.get(name, 0) for name in ("timestamp", "duration"))
        return Fraction(begin, CLOCK), Fraction(begin + length, CLOCK)


def is_held(path: Path) -> bool:
    """Return true if a file is read by `Held`, else by `frames_of`."""
    return path.suffix.lower() in WEBP.suffixes


def frames_of(path: Path, stack: ExitStack) -> Iterator[Shown]:
    """Yield the frames of a file that FFmpeg reads, or of a sequence of PNG files in a folder or ZIP file.

    Raises
    ------
    MediaError
        If it cannot be read, or has no pictures.
    """
    try:
        if path.suffix.lower() == ".png":
            yield Shown(decode_frame(path.read_bytes(), alpha=True), None)
        elif is_sequence(path):
            with open_sequence(path) as (names, read):
                for name in filter(is_frame, names):
                    yield Shown(decode_frame(read(name), alpha=True), None)
        else:
            yield from _decoded(path, stack)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def _decoded(path: Path, stack: ExitStack) -> Iterator[Shown]:
    container = stack.enter_context(av.open(str(path)))
    if not container.streams.video:
        raise MediaError(f"{path} has no video track", path=str(path))
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    half = Fraction(1, 2) / (stream.average_rate or stream.guessed_rate or 25)
    has_alpha = {name.lower(): value for name, value in stream.metadata.items()}.get(ALPHA_MODE) == "1"
    decoder = decoder_of(stream.codec_context, VP9) if has_alpha else stream.codec_context
    first: Fraction | None = None
    for packet in container.demux(stream):
        for frame in decoder.decode(packet if packet.size else None):
            begin = Fraction(frame.pts or 0) * (stream.time_base or Fraction(1))
            first = begin if first is None else first
            yield Shown(frame, begin - first + half)


def _unreadable(path: Path, error: Exception) -> MediaError:
    return MediaError(f"{path} cannot be read: {error}", path=str(path))
