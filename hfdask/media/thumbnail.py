"""Make a small JPEG of a frame, for people who watch a render."""

from __future__ import annotations

from fractions import Fraction

import av
from av.codec.context import ThreadType
from av.video.reformatter import Interpolation, VideoReformatter

from hfdask.core.thumbnail import BYTES, SIDE
from hfdask.errors import MediaError

# MPEG quantisers from good to coarse. The last one brings noise of the full size to 12 kB.
_QUANTISERS = (4, 8, 16, 31)


def thumbnail(frame: av.VideoFrame) -> bytes:
    """Return a JPEG of at most 20,000 bytes, whose sides are at most 320 pixels.

    Parameters
    ----------
    frame : av.VideoFrame
        A picture. An alpha channel is dropped.

    Raises
    ------
    MediaError
        If no JPEG of it is small enough.
    """
    scale = min(1.0, SIDE / max(frame.width, frame.height))
    small = VideoReformatter().reformat(
        frame,
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        threads=1,
    )
    small.pts = 0
    for quantiser in _QUANTISERS:
        jpeg = encoded_jpeg(small, quantiser)
        if len(jpeg) <= BYTES:
            return jpeg
    raise MediaError(f"the smallest thumbnail has {len(jpeg)} bytes instead of {BYTES}", size=len(jpeg))


def encoded_jpeg(frame: av.VideoFrame, quantiser: int) -> bytes:
    """Encode a frame in ``yuvj420p`` as JPEG; a lower quantiser, from 1 to 31, is better and larger."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = frame.format.name
    encoder.time_base = Fraction(1, 25)  # a codec without a time base does not open
    encoder.qmin = encoder.qmax = quantiser
    encoder.thread_type, encoder.thread_count = ThreadType.NONE, 1
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
