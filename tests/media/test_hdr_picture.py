"""Composed HDR pictures: places of a video's pixels, and their mixtures with the page."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hdr_samples import SIZE, levels, patch_levels, patches, pq, yuv
from media_samples import pixels_digest, png

from hfdask.core.video_source import Ratio, TimeBase, VideoSource
from hfdask.media.hdr_colors import TOP, hdr_colors
from hfdask.media.hdr_picture import NOWHERE, HdrFrame, HdrPicture, Matte, Place, Quad, ShownHdr
from hfdask.media.picture import Converter, decode_png, frame_digest

LEVEL = TOP / 1023


def source_of(size: tuple[int, int] = SIZE, **changed) -> VideoSource:
    width, height = size
    properties = {
        "container": "mp4",
        "codec": "hevc",
        "pixel_format": "yuv420p10le",
        "stream": 0,
        "width": width,
        "height": height,
        "display_width": width,
        "display_height": height,
        "rotation": 0,
        "flip": False,
        "primaries": "bt2020",
        "transfer": "pq",
        "matrix": "bt2020-ncl",
        "full_range": False,
        "alpha": False,
        "interlaced": False,
        "time_base": TimeBase(num=1, den=10),
        "lead": Ratio.of(Fraction(0)),
        "playable": Ratio.of(Fraction(1)),
        "rate": Ratio.of(Fraction(10)),
        "variable": False,
        "sound": False,
    }
    return VideoSource(**{**properties, **changed})


def frame_of(**changed) -> HdrFrame:
    return HdrFrame(patches(0, changed.get("transfer", "pq")), source_of(**changed), "pq")


def quad_of(left: float, top: float, right: float, bottom: float) -> Quad:
    return left, top, right, top, right, bottom, left, bottom


def page(color: tuple[int, int, int], size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), color, np.uint8)


def matte(black: np.ndarray, *whites: np.ndarray) -> Matte:
    return Matte(png(black), [png(white) for white in whites], "pq")


WHOLE = ShownHdr(frame_of(), Place(quad_of(0, 0, *SIZE)))


def test_a_video_that_covers_the_page_is_encoded_with_its_own_levels():
    picture = HdrPicture(matte(page((0, 0, 0)), page((255, 255, 255))), [WHOLE], "pq")
    assert picture.frame.format.name == "rgb48le"
    found = yuv(Converter("yuv420p10le", "pq").convert(picture.frame)).astype(int)
    for place, expected in enumerate(patch_levels(0, "pq")):
        row, column = divmod(place, 4)
        patch = found[96 * row + 8 : 96 * row + 88, 80 * column + 8 : 80 * column + 72]
        assert np.abs(patch - expected).max() <= 1, place


def test_pixels_without_the_video_have_the_colors_of_the_page():
    white = page((10, 200, 90))
    white[50:100, 60:90] = 255
    black = page((10, 200, 90))
    black[50:100, 60:90] = 0
    codes = matte(black, white).compose([WHOLE])
    assert (codes[:50] == hdr_colors("pq").of_page(np.array([10, 200, 90], np.uint8))).all()
    assert (codes[50:100, 60:90] == WHOLE.frame.codes(*SIZE)[50:100, 60:90]).all()


def test_half_a_layer_is_mixed_with_the_video():
    black, white = page((128, 128, 128)), page((255, 255, 255))
    codes = matte(black, white).compose([WHOLE])
    own = WHOLE.frame.codes(*SIZE)
    expected = hdr_colors("pq").blend(black[0], [np.full((SIZE[0], 3), 127, np.int16)], [own[0]])
    assert (codes[0] == expected).all()


def test_two_videos_that_overlap_are_both_in_the_mixture():
    dark, bright = page((0, 0, 0)), page((128, 128, 128))
    codes = matte(dark, bright, page((127, 127, 127))).compose([WHOLE, WHOLE])
    assert np.abs(codes.astype(int) - WHOLE.frame.codes(*SIZE)).max() < LEVEL


def test_a_page_is_the_same_after_any_other_page():
    first, second, bright = page((10, 200, 90)), page((10, 200, 90)), page((255, 255, 255))
    first[:60], second[40:90], bright[:100] = 0, (40, 50, 60), second[:100]
    bright[20:30] = 255
    second[20:30] = 0
    earlier = Matte(png(first), [png(page((255, 255, 255)))], "pq")
    later = [Matte(png(second), [png(bright)], "pq", before) for before in (None, earlier)]
    assert (later[0].compose([WHOLE]) == later[1].compose([WHOLE])).all()


def test_a_page_without_videos_is_only_converted():
    codes = matte(page((255, 255, 255))).compose([])
    assert codes / TOP == pytest.approx(np.full(codes.shape, pq(203)), abs=1e-4)


@pytest.mark.parametrize("box", [(0, 0, 320, 192), (40, 24, 200, 120), (-40, -24, 280, 168), (10, 20, 330, 212)])
def test_a_box_on_the_grid_holds_the_whole_frame(box):
    left, top, right, bottom = box
    placed = ShownHdr(frame_of(), Place(quad_of(*box))).placed(*SIZE)
    codes = frame_of().codes(right - left, bottom - top)
    for y, x in ((30, 50), (60, 120), (100, 190)):
        assert (placed[y, x] == codes[y - top, x - left]).all()


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_a_box_between_pixels_is_interpolated(shift):
    own = frame_of().codes(*SIZE).astype(float)
    placed = ShownHdr(frame_of(), Place(quad_of(shift, 0, SIZE[0] + shift, SIZE[1]))).placed(*SIZE)
    expected = shift * own[:, :-1] + (1 - shift) * own[:, 1:]
    assert np.abs(placed[:, 1:] - expected).max() < 2 * LEVEL


def test_a_turned_box_turns_the_frame():
    # By 90° clockwise: the upper left corner of the frame is at the upper right one of the box.
    quad: Quad = (192, 0, 192, 320, 0, 320, 0, 0)
    placed = ShownHdr(frame_of(), Place(quad)).placed(192, 320)
    assert np.abs(placed.astype(int) - np.rot90(frame_of().codes(*SIZE), -1)).max() < LEVEL


def test_a_box_in_perspective_shows_each_patch_at_its_place():
    quad: Quad = (40, 20, 280, 0, 280, 192, 40, 172)
    placed = ShownHdr(frame_of(), Place(quad)).placed(*SIZE)
    own = frame_of().codes(*SIZE)
    # The point at (0.125, 0.25) of the frame, in the middle of its first patch, by similar triangles.
    depth = 152 / 192
    x, y = 0.125 * depth / (0.125 * depth + 0.875), 0.25
    left, right = np.array([40, 20 + 152 * y]), np.array([280, 192 * y])
    place = left + x * (right - left)
    assert np.abs(placed[int(place[1]), int(place[0])].astype(int) - own[48, 40]).max() < LEVEL


def test_a_rotated_source_is_shown_upright():
    frame = frame_of(rotation=90)
    assert frame.size == SIZE[::-1]
    assert (frame.codes(192, 320) == np.rot90(frame_of().codes(*SIZE), -1)).all()
    assert (frame_of(flip=True).codes(*SIZE) == frame_of().codes(*SIZE)[:, ::-1]).all()


@pytest.mark.parametrize("name", ["yuv420p10le", "yuv422p10le", "yuv444p12le"])
def test_frames_of_full_range_have_the_same_colors(name):
    bits = 12 if "12" in name else 10
    color = (0.75, 0.2, 0.4)
    luma = 0.2627 * 0.75 + 0.678 * 0.2 + 0.0593 * 0.4
    values = [luma, (0.4 - luma) / 1.8814, (0.75 - luma) / 1.4746]  # ITU-R BT.2100, table 6
    planes = [round(value * (2**bits - 1)) + (number > 0) * 2 ** (bits - 1) for number, value in enumerate(values)]
    frame = av.VideoFrame(64, 64, name)
    for plane, level in zip(frame.planes, planes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, level, "<u2").tobytes())
    codes = HdrFrame(frame, source_of((64, 64), pixel_format=name, full_range=True), "pq").codes(64, 64)
    assert codes[20, 20] / TOP * 1023 == pytest.approx(np.array(color) * 1023, abs=1.5)


def test_frames_in_rgb_have_the_same_colors():
    pixels = np.full((64, 64, 3), (1023, 512, 64), np.uint16)
    frame = av.VideoFrame.from_ndarray(pixels, format="gbrp10le")
    source = source_of((64, 64), pixel_format="gbrp10le", full_range=True, matrix="rgb")
    codes = HdrFrame(frame, source, "pq").codes(64, 64)
    assert codes[20, 20] / TOP * 1023 == pytest.approx([1023, 512, 64], abs=0.5)


def test_a_shrunk_frame_keeps_the_levels_of_its_patches():
    codes = frame_of().codes(80, 48)
    found = yuv(Converter("yuv420p10le", "pq").convert(HdrPicture(_Fixed(codes), [], "pq").frame)).astype(int)
    for place, expected in enumerate(patch_levels(0, "pq")):
        row, column = divmod(place, 4)
        assert np.abs(found[24 * row + 8 : 24 * row + 16, 20 * column + 6 : 20 * column + 14] - expected).max() <= 2


class _Fixed(Matte):
    """Pixels that a test has made."""

    def __init__(self, codes: np.ndarray) -> None:
        super().__init__(b"", [], "pq")
        self._codes = codes

    def compose(self, videos):
        return self._codes


def test_an_hlg_source_in_a_pq_video_has_the_levels_of_its_light():
    found = yuv(Converter("yuv420p10le", "pq").convert(HdrPicture(_Fixed(_hlg_frame()), [], "pq").frame)).astype(int)
    # 203 cd/m² of scene light, as a part of 1000: with the system gamma, 1000 · 0.203 ** 1.2 cd/m².
    expected = levels([pq(1000 * 0.203**1.2)] * 3)
    assert np.abs(found[30:60, 100:140] - expected).max() <= 2


def _hlg_frame() -> np.ndarray:
    return HdrFrame(patches(0, "hlg"), source_of(transfer="hlg"), "pq").codes(*SIZE)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 1, 1), (10, 10, 110, 60)),
        ((0.25, 0, 0.75, 1), (35, 10, 85, 60)),
        ((-0.5, 0, 1.5, 1), (-40, 10, 160, 60)),
        ((0, 0.001, 1, 1), None),
    ],
)
def test_a_picture_that_is_fitted_into_a_box_is_a_rectangle_if_it_is_at_whole_pixels(box, expected):
    assert Place(quad_of(10, 10, 110, 60), box).rectangle == expected


def test_what_is_not_transformed_is_at_the_nearest_pixels():
    assert Place(quad_of(10.5, 20.49, 99.51, 60), snaps=True).rectangle == (11, 20, 100, 60)
    assert Place(quad_of(10.5, 20.49, 99.51, 60)).rectangle is None
    assert Place(quad_of(110, 10, 10, 60)).rectangle is None  # mirrored
    assert NOWHERE.rectangle is None


def test_a_picture_may_be_larger_than_its_box_beyond_the_horizon():
    # Its right side would be at infinity: only the part in the box counts.
    quad: Quad = (0, 0, 160, 64, 160, 128, 0, 192)
    placed = ShownHdr(frame_of(), Place(quad, (0.0, 0.0, 1.5, 1.0))).placed(*SIZE)
    own = frame_of().codes(*SIZE)
    # The left third of the box, in perspective, shows the left part of the frame, with its patches in two rows.
    for y, row in ((40, 48), (150, 144)):
        assert np.abs(placed[y, 8].astype(int) - own[row, 5]).max() < LEVEL


def test_a_video_without_a_box_changes_nothing():
    black = page((10, 20, 30))
    codes = matte(black, black).compose([ShownHdr(frame_of(), NOWHERE)])
    assert (codes == hdr_colors("pq").of_page(black)).all()


def test_digests_cover_all_16_bits():
    codes = np.zeros((4, 4, 3), np.uint16)
    other = codes.copy()
    other[3, 3, 2] = 1
    assert pixels_digest(codes) == frame_digest(HdrPicture(_Fixed(codes), [], "pq").frame)
    assert pixels_digest(codes) != pixels_digest(other)


def test_people_see_a_picture_that_is_mapped_to_sdr():
    picture = HdrPicture(matte(page((0, 0, 0)), page((255, 255, 255))), [WHOLE], "pq")
    seen = decode_png(picture.png)
    assert (seen == picture.pixels).all()
    assert seen.dtype == np.uint8
    assert abs(int(seen[48, 40, 0]) - 255 * 0.6159) < 3  # 100 cd/m²: see tests/media/test_planes.py
    assert seen[48, 200].min() > 250  # 1000 cd/m²
