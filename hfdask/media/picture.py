"""Single pictures: decode PNGs, and compute digests and differences of pixels.

A frame's digest is computed from its pixels, never from its PNG: two browsers, or two capture modes, may compress the
same pixels differently. All of this runs once per frame, on cores that Chromium needs too. So a picture stays in the
buffer of the decoder or the page, which the colour conversion reads. The conversion uses only integer, bit-exact paths,
because a chunk may be encoded again on another kind of CPU, with the same result.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)
from blake3 import blake3

from hfdask.core.model import VideoTransfer
from hfdask.errors import MediaError

_RGB = 0  # AVCOL_SPC_RGB, which PyAV does not name

Pixels: TypeAlias = npt.NDArray[np.uint8]

DIGEST_BYTES = 16
"""Length of a digest: 128 bits make an accidental collision implausible, however long a video is."""

PNG_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
PNG_END = b"IEND\xaeB`\x82"

# Each sample is the nearest to the average of its pixels. Without FULL_CHR_H_INP and with ACCURATE_RND, which these formats do not
# need, parts of swscale have no vector code (docs/decisions/conversion.md).
BITEXACT = Interpolation.AREA | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT


def decode_frame(data: bytes, *, alpha: bool = False, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """Decode a PNG into a frame that owns its pixels.

    Parameters
    ----------
    data : bytes
        One complete PNG file.
    alpha : bool
        True to keep an alpha channel; otherwise it is dropped, not blended.
    size : (width, height), optional
        Expected size. Give it for every picture from a store: pictures of another size are not decoded, and only pixels
        are.

    Returns
    -------
    av.VideoFrame
        A frame of format ``rgb24``, or ``rgba`` with ``alpha``.

    Raises
    ------
    MediaError
        If the bytes are not one complete PNG, or it has another size.
    """
    if size is not None:
        data = _pixels_only(data, *size)
    # Without the last chunk the decoder would still return a picture, its lower part empty.
    if not data.rstrip(b"\0").endswith(PNG_END):
        raise MediaError(f"not a complete PNG: {len(data)} bytes without an end marker", size=len(data))
    # The decoder keeps the previous picture's palette and transparency, so each picture gets its own.
    decoder = av.CodecContext.create("png", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "crccheck+explode"}
    try:
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"the PNG of {len(data)} bytes cannot be decoded: {error}", size=len(data)) from error
    if len(frames) != 1:
        raise MediaError(f"the PNG holds {len(frames)} pictures instead of one", size=len(data))
    wanted = "rgba" if alpha else "rgb24"
    frame = frames[0]
    if frame.format.name == wanted:
        return frame
    return VideoReformatter().reformat(
        frame, format=wanted, interpolation=Interpolation.POINT | Interpolation.BITEXACT, threads=1
    )


def decode_png(data: bytes, *, alpha: bool = False, size: tuple[int, int] | None = None) -> Pixels:
    """Decode a PNG into an array.

    Parameters
    ----------
    data : bytes
        One complete PNG file.
    alpha : bool
        True to keep an alpha channel; otherwise it is dropped, not blended.
    size : (width, height), optional
        Expected size, for pictures from a store.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or (height, width, 4) with ``alpha``

    Raises
    ------
    MediaError
        If the bytes are not one complete PNG, or it has another size.
    """
    return np.ascontiguousarray(decode_frame(data, alpha=alpha, size=size).to_ndarray(), dtype=np.uint8)


def encode_png(frame: av.VideoFrame) -> bytes:
    """Encode a frame of format ``rgb24`` as a PNG file, with the same bytes every time."""
    coder = av.CodecContext.create("png", "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = frame.width, frame.height, "rgb24"
    coder.time_base = Fraction(1)
    coder.thread_count = 1
    coder.options = {"compression_level": "3", "pred": "up"}
    return b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])


def _pixels_only(data: bytes, width: int, height: int) -> bytes:
    """Return a PNG of this size with its pixels only: compressed texts and profiles can be far larger."""
    wrong = MediaError(f"the picture is not a PNG of {width}x{height} pixels", size=len(data))
    if len(data) > 5 * width * height + 2**20:
        raise MediaError(f"{len(data)} bytes are too many for a PNG of {width}x{height} pixels", size=len(data))
    if data[:16] != PNG_BEGIN or data[16:24] != struct.pack(">2I", width, height):
        raise wrong
    kept, position = [data[:8]], 8
    while position < len(data):
        if len(data) - position < 8:
            raise wrong
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[position:end])
        if kind == b"IEND":
            break
        position = end
    return b"".join(kept)


def frame_digest(frame: av.VideoFrame) -> str:
    """Return the digest of a frame's pixels.

    Parameters
    ----------
    frame : av.VideoFrame
        A frame of a pixel format without a palette and without unused bytes. What pads its rows does not count.

    Returns
    -------
    str
        32 hexadecimal digits: the first 128 bits of BLAKE3 over FFmpeg's name of the pixel format, a zero byte, width and
        height (little-endian, 32 bits each), and the planes in the format's order, by rows and without padding.

    Raises
    ------
    MediaError
        For other formats.
    """
    pixels = frame.format
    sizes = [
        sum((part.bits + 7) // 8 for part in pixels.components if part.plane == n) for n in range(len(frame.planes))
    ]
    if pixels.has_palette or (len(sizes) == 1 and 8 * sizes[0] != pixels.padded_bits_per_pixel):
        raise MediaError(f"a {pixels.name} picture has no digest: it has a palette, unused bytes or parts of bytes")
    hasher = blake3(pixels.name.encode() + struct.pack("<x2I", frame.width, frame.height))
    for plane, pixel in zip(frame.planes, sizes, strict=True):
        hasher.update(np.ascontiguousarray(rows_of(plane, plane.width * pixel)).data.cast("B"))
    return hasher.hexdigest(length=DIGEST_BYTES)


def rows_of(plane: VideoPlane, width: int, data: Pixels | None = None) -> Pixels:
    """Return the rows of a plane, of ``width`` bytes each, from the top. They share its memory, or ``data`` in place of its bytes."""
    data = np.frombuffer(memoryview(plane), np.uint8) if data is None else data
    rows = data.reshape(plane.height, abs(plane.line_size))[:, :width]
    return rows if plane.line_size > 0 else rows[::-1]


def digest_of(digests: Iterable[str]) -> str:
    """Return one digest (32 hexadecimal digits) of an ordered list of frame digests."""
    return blake3("\n".join(digests).encode("ascii")).hexdigest(length=DIGEST_BYTES)


def psnr(a: Pixels, b: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two pictures over all their channels.

    Parameters
    ----------
    a, b : ndarray of uint8, shape (height, width, channels)

    Returns
    -------
    float
        ``10 log10(255² / MSE)`` in dB; infinity for equal pictures.

    Raises
    ------
    MediaError
        If the shapes differ.
    """
    if a.shape != b.shape:
        raise MediaError(f"pictures of shapes {a.shape} and {b.shape} cannot be compared")
    difference = a.astype(np.int32) - b
    mean_square = float(np.square(difference).mean(dtype=np.float64))
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def padded(size: int) -> int:
    """Return the side of a video, in pixels, for ``size`` pixels: the next even number."""
    return size + size % 2


def video_side(size: int, pixel_format: str) -> int:
    """Return the side of a video in this pixel format, in pixels: if pixels share their colour, the next even number."""
    return padded(size) if "420" in pixel_format else size


class Converter:
    """Convert pictures to a video's pixel format, the same on every CPU: YUV is limited-range BT.709, RGB stays sRGB.

    HDR pictures have the primaries and the matrix of BT.2020, and their own transfer function.

    One object serves one size at a time and keeps swscale's tables between pictures. Odd sides grow by one
    pixel that repeats the last column or row: a black one would darken the edge's chroma, which two pixels
    share.

    Parameters
    ----------
    pixel_format : str
        FFmpeg's name of the format.
    transfer : {"bt709", "pq", "hlg"}
        ``bt709`` for SDR.
    """

    def __init__(self, pixel_format: str = "yuv420p", transfer: VideoTransfer = "bt709") -> None:
        self._format = pixel_format
        self._transfer = transfer
        self._scaler = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Convert a frame of format ``rgb24``, ``rgba`` or ``rgb48le``. If nothing has to be converted, it is returned itself."""
        if frame.format.name == self._format:
            return frame
        size = tuple(video_side(side, self._format) for side in (frame.width, frame.height))
        if size != (frame.width, frame.height):
            frame = _grow(frame, *size)
        return self._scaler.reformat(
            frame,
            format=self._format,
            dst_colorspace=Colorspace.ITU709 if self._transfer == "bt709" else Colorspace.BT2020,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=BITEXACT,
            threads=1,
        )

    def tag(self, target: Any) -> None:
        """Mark a frame or codec context with the colours of the pictures."""
        for name, value in tags_of(self._format, self._transfer).items():
            setattr(target, name, value)


def tags_of(pixel_format: str, transfer: VideoTransfer = "bt709") -> dict[str, int]:
    """Return the colours of a video in this pixel format: FFmpeg's numbers by the names of its fields."""
    if pixel_format.startswith("rgb"):
        return _tags(ColorRange.JPEG, ColorPrimaries.BT709, ColorTrc.IEC61966_2_1, _RGB)
    if transfer == "bt709":
        return _tags(ColorRange.MPEG, ColorPrimaries.BT709, ColorTrc.BT709, Colorspace.ITU709)
    curve = ColorTrc.SMPTE2084 if transfer == "pq" else ColorTrc.ARIB_STD_B67
    return _tags(ColorRange.MPEG, ColorPrimaries.BT2020, curve, Colorspace.BT2020)


def _tags(bounds: int, primaries: int, curve: int, matrix: int) -> dict[str, int]:
    return {
        "color_range": int(bounds),
        "color_primaries": int(primaries),
        "color_trc": int(curve),
        "colorspace": int(matrix),
    }


def _grow(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    pixels = frame.to_ndarray()
    edges = ((0, height - frame.height), (0, width - frame.width), (0, 0))
    grown = np.ascontiguousarray(np.pad(pixels, edges, mode="edge"))
    return av.VideoFrame.from_ndarray(grown, format=frame.format.name)
