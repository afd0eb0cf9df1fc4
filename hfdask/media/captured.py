"""Captured pictures: what a camera hands to the encoder, whatever form the browser gave it.

BeginFrame and screenshots give PNGs. The capture from a canvas gives pixels in memory that this process shares with
the page, in a place that the page needs again. So these are read once, into a frame of the same format as a decoded
PNG, and everything after that is the same for both: digest, seams, stills. Only the conversion for the encoder reads the
place itself, because swscale converts four bytes a pixel faster than three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from hfdask.media.picture import Pixels, decode_frame, encode_png, frame_digest

BEHIND = 64
"""Bytes behind the pixels of a `PixelPicture` that must be readable: swscale reads whole vectors, also behind the last pixel."""


class Picture(ABC):
    """A picture of a frame. Read it in one thread at a time.

    ``received`` is the number of bytes of the file that the browser gave; None if it gave pixels.
    """

    received: int | None = None

    @property
    @abstractmethod
    def frame(self) -> av.VideoFrame:
        """The pixels, of format ``rgb24``, ``rgba`` if the picture has alpha, or ``rgb48le`` if it is HDR."""

    @property
    def shown(self) -> av.VideoFrame:
        """The pixels for people, of format ``rgb24`` or ``rgba``: HDR is mapped to SDR."""
        return self.frame

    @property
    @abstractmethod
    def png(self) -> bytes:
        """The picture as a PNG file."""

    @cached_property
    def digest(self) -> str:
        """The digest of the pixels, see `hfdask.media.picture.frame_digest`."""
        return frame_digest(self.frame)

    @property
    def pixels(self) -> Pixels:
        """The pixels for people as an array of uint8, shape (height, width, 3), or (height, width, 4) with alpha."""
        return np.asarray(self.shown.to_ndarray(), dtype=np.uint8)

    @property
    def transparent(self) -> bool:
        """True if a pixel is not opaque."""
        return self.frame.format.name == "rgba" and bool((self.pixels[..., 3] < 255).any())

    def keep(self) -> Picture:
        """Return this picture, independent of the page that it was taken of."""
        return self

    @contextmanager
    def converted_from(self) -> Iterator[av.VideoFrame]:
        """Give the frame of the same colours that is the cheapest to convert to YUV; use it within the block."""
        yield self.frame


class PngPicture(Picture):
    """A picture that the browser gave as a PNG.

    Parameters
    ----------
    png : bytes
        The file.
    alpha : bool
        True to keep its alpha. Colours are not multiplied with it.

    Raises
    ------
    MediaError
        From ``frame`` and ``digest``, if the PNG is broken.
    """

    def __init__(self, png: bytes, *, alpha: bool = False) -> None:
        self._png = png
        self.received = len(png)
        self._alpha = alpha

    @property
    def png(self) -> bytes:
        """The file as the browser wrote it."""
        return self._png

    @cached_property
    def frame(self) -> av.VideoFrame:
        """The decoded pixels."""
        return decode_frame(self._png, alpha=self._alpha)


class PixelPicture(Picture):
    """A picture in memory that the page uses again.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 4)
        Blue, green, red and an unused byte of each pixel, without padding. `BEHIND` bytes follow in memory.
    release : callable, optional
        Called once, as soon as the memory is no longer needed: after the first use, or by `release`.
    """

    def __init__(self, pixels: Pixels, release: Callable[[], object] = lambda: None) -> None:
        self._pixels: Pixels | None = pixels
        self._released = release

    @cached_property
    def frame(self) -> av.VideoFrame:
        """The pixels, copied."""
        assert self._pixels is not None  # it was not released before its first use
        try:
            return _rgb(self._pixels)
        finally:
            self.release()

    @cached_property
    def png(self) -> bytes:
        """The pixels as a PNG file."""
        return encode_png(self.frame)

    def keep(self) -> Picture:
        """Copy the pixels now, so that their memory can be used again."""
        _ = self.frame
        return self

    @contextmanager
    def converted_from(self) -> Iterator[av.VideoFrame]:
        """Give the pixels in their place, which is given back after the block, or the copy if there is one already."""
        pixels = self._pixels
        if pixels is None:
            yield self.frame
            return
        try:
            self.__dict__["frame"] = _rgb(pixels)  # reading it would give the place back at once
            yield _in_place(pixels)
        finally:
            self.release()

    def release(self) -> None:
        """Give the memory back. A picture that was not read before cannot be read after this."""
        if self._pixels is not None:
            self._pixels = None
            self._released()


def _in_place(pixels: Pixels) -> av.VideoFrame:
    return av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="bgra")


def _rgb(pixels: Pixels) -> av.VideoFrame:
    # Only bytes change places: one of swscale's vectorised paths, a quarter of the time of the conversion to YUV.
    return VideoReformatter().reformat(
        _in_place(pixels), format="rgb24", interpolation=Interpolation.POINT | Interpolation.BITEXACT, threads=1
    )
