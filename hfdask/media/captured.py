"""Captured pictures: what a camera hands to the encoder, whatever form the browser gave it.

BeginFrame and screenshots give PNGs. The capture from a canvas gives pixels in memory that this process shares with
the page, in a place that the page needs again. The encoder reads them there, and most pictures are never read otherwise. Who
needs one later, for a seam or a comparison, keeps it: that copies it into a frame of the same format as a decoded PNG.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from hfdask.media.picture import Pixels, decode_frame, encode_png

BEHIND = 64
"""Bytes behind the pixels of a `PixelPicture` that must be readable: swscale reads whole vectors, also behind the last pixel."""


class Picture(ABC):
    """A picture of a frame.

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

    @property
    def pixels(self) -> Pixels:
        """The pixels for people as an array of uint8, shape (height, width, 3), or (height, width, 4) with alpha."""
        return np.asarray(self.shown.to_ndarray(), dtype=np.uint8)

    @property
    def transparent(self) -> bool:
        """True if a pixel is not opaque."""
        return self.frame.format.name == "rgba" and bool((self.pixels[..., 3] < 255).any())

    @property
    def source(self) -> av.VideoFrame:
        """The frame of the same colours that is the cheapest to convert to YUV. Use it before `release`."""
        return self.frame

    def keep(self) -> Picture:
        """Return this picture, independent of the page that it was taken of."""
        return self

    def release(self) -> None:  # noqa: B027 - most pictures hold nothing of a page
        """Give back what the page needs again. Call this or `keep` for each picture. If it was read before, it can be read again."""


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
        From ``frame``, if the PNG is broken.
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
        Called once, when the picture is kept or released.

    Raises
    ------
    BufferError
        From ``frame``, if the picture was released and not read before.
    """

    def __init__(self, pixels: Pixels, release: Callable[[], object] = lambda: None) -> None:
        self._pixels: Pixels | None = pixels
        self._copy: av.VideoFrame | None = None
        self._released = release
        self._lock = threading.Lock()  # a thumbnail is made of it while the next one is encoded

    @property
    def frame(self) -> av.VideoFrame:
        """The pixels, copied."""
        with self._lock:
            if self._copy is None:
                if self._pixels is None:
                    raise BufferError("the picture was released before it was read")
                self._copy = _rgb(self._pixels)
            return self._copy

    @cached_property
    def png(self) -> bytes:
        """The pixels as a PNG file."""
        return encode_png(self.frame)

    @property
    def source(self) -> av.VideoFrame:
        """The pixels in their place, because swscale converts four bytes a pixel faster than three; else the copy."""
        pixels = self._pixels
        return self.frame if pixels is None else _in_place(pixels)

    def keep(self) -> Picture:
        """Copy the pixels now, so that their memory can be used again."""
        _ = self.frame
        self.release()
        return self

    def release(self) -> None:
        """Give the memory back. A picture that was not read before cannot be read after this."""
        with self._lock:
            held, self._pixels = self._pixels is not None, None
        if held:
            self._released()


def _in_place(pixels: Pixels) -> av.VideoFrame:
    return av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="bgra")


def _rgb(pixels: Pixels) -> av.VideoFrame:
    return VideoReformatter().reformat(
        _in_place(pixels), format="rgb24", interpolation=Interpolation.POINT | Interpolation.BITEXACT, threads=1
    )
