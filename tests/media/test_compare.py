"""PSNR and SSIM of videos and pictures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from media_samples import encode, picture, png, solid

from hfdask.errors import MediaError
from hfdask.media.compare import compare
from hfdask.media.picture import psnr


def write(path: Path, pixels: np.ndarray) -> Path:
    path.write_bytes(png(pixels))
    return path


def test_identical_videos(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(i) for i in range(5)])
    result = compare(tmp_path / "a.mp4", tmp_path / "a.mp4")
    assert result.identical
    assert result.psnr == (math.inf,) * 5
    assert result.ssim == (1.0,) * 5
    assert (result.mean_psnr, result.min_psnr, result.mean_ssim, result.min_ssim) == (
        math.inf,
        math.inf,
        1,
        1,
    )
    assert (result.frames, result.equal_length, result.pixel_format) == (5, True, "yuv420p")


def test_worst_frame_and_mean(tmp_path: Path) -> None:
    pictures = [picture(i) for i in range(5)]
    encode(tmp_path / "a.mp4", pictures, crf=1)
    pictures[3] = 255 - pictures[3]
    encode(tmp_path / "b.mp4", pictures, crf=1)
    result = compare(str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"))
    assert not result.identical
    assert result.worst_frame == 3
    assert result.min_psnr == result.psnr[3] < 15
    assert result.min_ssim == result.ssim[3] < 0.5
    noise = sum(10 ** (-value / 10) for value in result.psnr) / 5
    assert result.mean_psnr == pytest.approx(-10 * math.log10(noise))
    assert result.min_psnr < result.mean_psnr < min(result.psnr[:3])


def test_different_lengths_compare_what_is_common(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(i) for i in range(5)])
    encode(tmp_path / "b.mp4", [picture(i) for i in range(3)])
    for first, second, counts in (("a", "b", (5, 3)), ("b", "a", (3, 5))):
        result = compare(tmp_path / f"{first}.mp4", tmp_path / f"{second}.mp4")
        assert (result.frames_a, result.frames_b) == counts
        assert result.frames == 3
        assert not result.equal_length
        assert not result.identical


def test_pictures_are_compared_in_rgb(tmp_path: Path) -> None:
    pixels = picture(0)
    changed = pixels.copy()
    changed[10, 10, 2] ^= 1
    a, b = write(tmp_path / "a.png", pixels), write(tmp_path / "b.PNG", changed)
    assert compare(a, a).identical
    result = compare(a, b)
    assert result.pixel_format == "gbrp"
    assert not result.identical
    assert result.min_psnr == pytest.approx(psnr(pixels, changed), abs=1e-4)


def test_picture_against_video_measures_the_codec_only(tmp_path: Path) -> None:
    pixels = picture(0, 33, 31)
    encode(tmp_path / "a.mp4", [pixels], crf=0)
    result = compare(write(tmp_path / "a.png", pixels), tmp_path / "a.mp4")
    assert result.pixel_format == "yuv420p"
    assert result.min_psnr == math.inf


def test_more_loss_is_less_alike(tmp_path: Path) -> None:
    a = write(tmp_path / "a.png", picture(0))
    results = []
    for crf in (5, 25, 45):
        encode(tmp_path / "b.mp4", [picture(0)], crf=crf)
        results.append(compare(a, tmp_path / "b.mp4"))
    assert results[0].min_psnr > results[1].min_psnr > results[2].min_psnr
    assert results[0].min_ssim > results[1].min_ssim > results[2].min_ssim


def test_ssim_falls_as_pictures_differ_more(tmp_path: Path) -> None:
    first = write(tmp_path / "a.png", picture(0))
    same, next_one, negative = (
        compare(first, write(tmp_path / "b.png", pixels)).min_ssim
        for pixels in (picture(0), picture(1), 255 - picture(0))
    )
    assert negative < 0.3 < next_one < same == 1


def test_refusals(tmp_path: Path) -> None:
    a = write(tmp_path / "a.png", picture(0))
    with pytest.raises(MediaError, match="64x48 and 32x32"):
        compare(a, write(tmp_path / "b.png", picture(0, 32, 32)))
    small = write(tmp_path / "c.png", solid((0, 0, 0), 15, 40))
    with pytest.raises(MediaError, match="too few"):
        compare(small, small)
    with pytest.raises(MediaError, match="cannot be read"):
        compare(a, tmp_path / "none.png")
    with pytest.raises(MediaError, match="cannot be read"):
        compare(tmp_path / "none.mp4", a)
    (tmp_path / "bad.mp4").write_bytes(b"bad")
    with pytest.raises(MediaError, match="cannot be read"):
        compare(tmp_path / "bad.mp4", a)
