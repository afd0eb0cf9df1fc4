"""Thumbnails of frames: small JPEGs, and the check of thumbnails that come from elsewhere."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from hfdask.core.thumbnail import BYTES, SIDE, require_thumbnail
from hfdask.errors import MediaError
from hfdask.media.picture import encode_png
from hfdask.media.thumbnail import thumbnail


def decoded(jpeg: bytes) -> np.ndarray:
    with av.open(io.BytesIO(jpeg), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def of(pixels: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def noise(width: int, height: int) -> av.VideoFrame:
    return of(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("size", "small"),
    [((1920, 1080), (320, 180)), ((320, 320), (320, 320)), ((160, 90), (160, 90)), ((1000, 16), (320, 5)), ((16, 7680), (1, 320))],
)  # fmt: skip
def test_a_thumbnail_of_any_picture_keeps_the_limits(size, small):
    jpeg = thumbnail(noise(*size))
    assert len(jpeg) <= BYTES
    require_thumbnail(jpeg)
    height, width, _ = decoded(jpeg).shape
    assert (width, height) == small


def test_a_thumbnail_shows_the_picture():
    pixels = np.zeros((360, 640, 3), np.uint8)
    pixels[:, :320], pixels[:, 320:] = (200, 40, 40), (40, 60, 200)
    shown = decoded(thumbnail(of(pixels))).astype(int)
    assert abs(shown[:, 20:140] - (200, 40, 40)).max() < 12
    assert abs(shown[:, 180:300] - (40, 60, 200)).max() < 12


def wide() -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = SIDE + 2, 16, "yuvj420p"
    encoder.time_base = Fraction(1)
    return b"".join(bytes(each) for each in encoder.encode(av.VideoFrame(SIDE + 2, 16, "yuvj420p")))


GOOD = thumbnail(noise(64, 48))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<script>alert(1)</script>",
        encode_png(noise(16, 16)),
        GOOD[:-2],
        GOOD[:2],
        GOOD[:2] + GOOD[-2:],
        GOOD[:-2] + b"\0" * BYTES + GOOD[-2:],
        b"\xff\xd8\xff\xe0" + b"\0" * 40 + b"\xff\xd9",
        wide(),
    ],
)
def test_other_bytes_are_refused(data):
    require_thumbnail(GOOD)
    with pytest.raises(MediaError, match="not a JPEG"):
        require_thumbnail(data)
