"""PNG decoding, digests and PSNR."""

from __future__ import annotations

import math
import struct

import av
import numpy as np
import pytest
from blake3 import blake3
from media_samples import picture, pixels_digest, png, solid

from hfdask.errors import MediaError
from hfdask.media.picture import decode_frame, decode_png, digest_of, frame_digest, padded, psnr


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1), (1920, 4)])
def test_decodes_exactly(size: tuple[int, int]) -> None:
    pixels = picture(0, *size) if min(size) > 12 else solid((1, 2, 3), *size)
    decoded = decode_png(png(pixels))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, pixels)


def test_alpha_is_dropped_or_kept() -> None:
    rgba = np.dstack([picture(0), np.full((48, 64), 7, np.uint8)])
    assert np.array_equal(decode_png(png(rgba)), rgba[:, :, :3])
    assert np.array_equal(decode_png(png(rgba), alpha=True), rgba)


def test_opaque_pictures_gain_alpha_and_grey_ones_colour() -> None:
    assert np.array_equal(decode_png(png(solid((9, 8, 7))), alpha=True), solid((9, 8, 7, 255)))
    for grey in range(0, 256, 15):
        assert np.array_equal(decode_png(png(solid((grey,)))), solid((grey,) * 3))


GOOD = png(picture(0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a png",
        GOOD[:200],
        GOOD[:-4],
        GOOD[:200] + GOOD[-12:],
        GOOD[:300] + bytes([GOOD[300] ^ 255]) + GOOD[301:],
        GOOD[:8] + GOOD[-12:],
    ],
    ids=["empty", "garbage", "truncated", "short", "hole", "flipped", "no pixels"],
)
def test_broken_pngs_are_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        decode_png(data)


def test_digest_is_of_pixels_not_of_the_file() -> None:
    pixels = picture(3)
    with_alpha = np.dstack([pixels, np.full((48, 64), 255, np.uint8)])
    digest = pixels_digest(pixels)
    assert len(digest) == 32
    assert digest == frame_digest(decode_frame(png(pixels))) == frame_digest(decode_frame(png(with_alpha)))


BYTES = {"rgb24": 3, "rgba": 4, "rgb48le": 6, "yuv420p": 1, "yuva420p": 1, "yuv444p10le": 2}
"""Bytes of a pixel in each plane, by format."""


@pytest.mark.parametrize("pixel_format", BYTES)
def test_digest_sees_the_last_byte_of_each_plane_but_not_what_pads_its_rows(pixel_format: str) -> None:
    frame = av.VideoFrame(33, 17, pixel_format)
    planes = [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size) for plane in frame.planes]
    ends = [plane.width * BYTES[pixel_format] for plane in frame.planes]
    for rows in planes:
        rows[:] = 7
    seen = {frame_digest(frame)}
    for rows, end in zip(planes, ends, strict=True):
        assert rows.shape[1] > end
        rows[:, end:] = 9
        assert frame_digest(frame) in seen
        rows[-1, end - 1] = 6
        seen.add(frame_digest(frame))
    assert len(seen) == 1 + len(planes)


@pytest.mark.parametrize("pixel_format", ["pal8", "bgr0", "yuyv422", "monow"])
def test_digest_refuses_formats_whose_rows_have_more_than_samples(pixel_format: str) -> None:
    with pytest.raises(MediaError, match=f"a {pixel_format} picture has no digest"):
        frame_digest(av.VideoFrame(32, 16, pixel_format))


def test_digest_sees_the_shape_and_the_format() -> None:
    pixels = picture(0)
    frames = [pixels, pixels.reshape(64, 48, 3), np.zeros((48, 64, 3), np.uint8), np.zeros((48, 48, 4), np.uint8)]
    assert len({pixels_digest(each) for each in frames}) == 4


def test_digest_is_locked() -> None:
    data = b"rgb24" + struct.pack("<x2I", 2, 1) + bytes([1, 2, 3, 1, 2, 3])
    digest = pixels_digest(solid((1, 2, 3), 2, 1))
    assert digest == blake3(data).hexdigest()[:32] == "f0c4f1502df50604edb9c176c6a1a79b"
    assert digest_of(["00", "ff"]) == blake3(b"00\nff").hexdigest()[:32]


def test_digest_of_a_list_depends_on_order_and_borders() -> None:
    lists = (["ab", "cd"], ["cd", "ab"], ["abcd"], ["ab"], [])
    assert len({digest_of(digests) for digests in lists}) == len(lists)


def test_psnr() -> None:
    black = solid((0, 0, 0))
    assert psnr(black, black) == math.inf
    assert psnr(black, solid((255, 255, 255))) == 0
    assert psnr(black, solid((5, 5, 5))) == pytest.approx(20 * math.log10(255 / 5))
    with pytest.raises(MediaError, match="shapes"):
        psnr(black, solid((0, 0, 0), 32, 32))


def test_padded() -> None:
    assert [padded(n) for n in (1, 2, 1079, 1080)] == [2, 2, 1080, 1080]
