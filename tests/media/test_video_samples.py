"""The videos that tests make can be read back."""

from __future__ import annotations

import av
import numpy as np
import pytest
from video_samples import alpha_ramp, bar_code, bar_code_video, cached, luma, read_bar_code, to_frame


@pytest.mark.parametrize("size", [(64, 64), (63, 33), (320, 180)])
def test_bar_codes_are_read_from_grey_and_from_color(size):
    for number in (0, 1, 2, 300, 65535):
        picture = bar_code(number, *size)
        assert read_bar_code(picture) == number
        assert read_bar_code(np.dstack([picture] * 3)) == number
        assert read_bar_code(luma(to_frame(picture, "yuv420p10le"))) == number


@pytest.mark.parametrize(
    "picture",
    [
        np.full((64, 64), 128, np.uint8),
        bar_code(5, 64, 64) // 2 + bar_code(6, 64, 64) // 2,
        np.rot90(bar_code(5, 64, 64)),
        alpha_ramp()[..., 3],
    ],
    ids=["blank", "mixed", "turned", "ramp"],
)
def test_other_pictures_are_no_bar_codes(picture):
    with pytest.raises(ValueError, match="no bar code"):
        read_bar_code(picture)


def test_a_video_shows_its_frames_numbers_and_is_made_once():
    path = cached(bar_code_video, "seven.mp4", 9, first=7)
    with av.open(str(path)) as file:
        assert [read_bar_code(luma(frame)) for frame in file.decode(video=0)] == list(range(7, 16))
    assert cached(bar_code_video, "seven.mp4", 9, first=7) == path
    assert cached(bar_code_video, "seven.mp4", 9, first=8) != path
