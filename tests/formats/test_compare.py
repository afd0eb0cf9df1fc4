"""PSNR and SSIM of videos and pictures."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from format_samples import Variant, chunks_of, joined
from media_samples import encode, picture, png, solid

from hfdask.errors import InvalidConfigError, MediaError, MissingArtifactError
from hfdask.formats.compare import compare
from hfdask.formats.table import FORMATS
from hfdask.media.picture import Pixels, psnr
from hfdask.store import Store


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


def with_alpha(number: int, opacity: int = 128, hidden: int = 0) -> Pixels:
    """A picture of 64x48 whose upper half is visible by ``opacity`` of 255, and whose lower half has an invisible colour."""
    pixels = np.concatenate([picture(number), np.full((48, 64, 1), opacity, np.uint8)], axis=2)
    pixels[24:] = (hidden, hidden, hidden, 0)
    return pixels


def variant(format: str, codec: str | None = None) -> Variant:
    known = FORMATS[format]
    chosen = known.codec_named(codec)
    return Variant(known, chosen, chosen.transparent is not None)


def output(folder: Path, format: str, pictures: list[Pixels], fps: int = 25) -> Path:
    folder.mkdir(exist_ok=True)
    kind = variant(format)
    chunks = chunks_of(kind, folder, (len(pictures),), Fraction(fps), lambda number: pictures[number])
    height, width = pictures[0].shape[:2]
    return joined(kind, chunks, kind.output(folder), Fraction(fps), (width, height))


def test_colours_of_invisible_pixels_do_not_count_and_alpha_does(tmp_path: Path) -> None:
    a = write(tmp_path / "a.png", with_alpha(0))
    hidden = compare(a, write(tmp_path / "b.png", with_alpha(0, hidden=255)))
    assert hidden.identical
    assert hidden.alpha_psnr == (math.inf,)
    other = compare(a, write(tmp_path / "c.png", with_alpha(0, opacity=178)))
    assert not other.identical
    assert other.min_alpha_psnr == pytest.approx(-10 * math.log10((50 / 255) ** 2 / 2), abs=1e-4)
    # Black shows through: the colours of the visible half differ by the share that they lose.
    shown = [np.rint(with_alpha(0)[:24, :, :3].astype(np.float64) * opacity / 255) for opacity in (128, 178)]
    noise = np.square(shown[0] - shown[1]).mean() / 2
    assert other.min_psnr == pytest.approx(10 * math.log10(255**2 / noise), abs=0.05)


def test_opaque_pictures_with_an_alpha_channel_are_measured_like_pictures_without(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [picture(0)], crf=20)
    plain = compare(write(tmp_path / "a.png", picture(0)), tmp_path / "a.mp4")
    opaque = np.concatenate([picture(0), np.full((48, 64, 1), 255, np.uint8)], axis=2)
    assert compare(write(tmp_path / "b.png", opaque), tmp_path / "a.mp4") == plain
    assert plain.alpha_psnr == ()
    assert plain.mean_alpha_psnr == plain.min_alpha_psnr == math.inf


@pytest.mark.parametrize(("format", "planes"), [("mov", "yuv444p12le"), ("webm", "yuv420p"), ("gif", "gbrp")])
def test_pictures_are_compared_in_the_planes_of_the_video(format: str, planes: str, tmp_path: Path) -> None:
    pictures = [with_alpha(number, opacity=255)[:24] for number in range(2)]
    made = output(tmp_path / "a", format, pictures)
    assert compare(output(tmp_path / "source", "png", pictures), made).pixel_format == planes


def test_a_gif_has_the_colours_of_a_video(tmp_path: Path) -> None:
    pictures = [np.full((48, 64, 4), (200, 30, 90, 255), np.uint8)] * 2
    gif = output(tmp_path / "a", "gif", pictures)
    assert compare(gif, output(tmp_path / "b", "mp4", [each[..., :3] for each in pictures])).min_psnr > 45


@pytest.mark.parametrize("format", ["webm", "mov", "png"])
def test_alpha_of_each_format_is_compared_with_the_pictures(format: str, tmp_path: Path) -> None:
    pictures = [with_alpha(number) for number in range(4)]
    made = output(tmp_path / format, format, pictures)
    source = output(tmp_path / "source", "png", pictures)
    near = compare(source, made)
    assert (near.frames, near.equal_length) == (4, True)
    assert min(near.min_psnr, near.min_alpha_psnr) > 38
    thin = output(tmp_path / "thin", "png", [with_alpha(number, opacity=100) for number in range(4)])
    assert compare(thin, made).mean_alpha_psnr < 25
    whole = output(tmp_path / "whole", "mov", [with_alpha(number, opacity=255) for number in range(4)])
    assert compare(whole, made).mean_alpha_psnr < 10


def test_an_opaque_video_differs_in_alpha_from_a_transparent_one(tmp_path: Path) -> None:
    clear = output(tmp_path / "clear", "webm", [with_alpha(number) for number in range(3)])
    encode(tmp_path / "a.mp4", [picture(number) for number in range(3)])
    assert compare(clear, tmp_path / "a.mp4").mean_alpha_psnr < 4


@pytest.mark.parametrize("other", ["mp4", "mov", "gif", "webp", "png"])
def test_a_webp_is_compared_frame_by_frame_although_it_has_repeated_pictures_once(other: str, tmp_path: Path) -> None:
    pictures = [np.ascontiguousarray(picture(number // 3)) for number in range(9)]
    if other in ("mov", "webp", "gif", "png"):
        pictures = [np.concatenate([each, np.full((48, 64, 1), 255, np.uint8)], axis=2) for each in pictures]
    clear = [np.dstack([each[..., :3], np.full((48, 64), 255, np.uint8)]) for each in pictures]
    webp = output(tmp_path / "a", "webp", clear, 30)
    against = output(tmp_path / "b", other, pictures, 30)
    for first, second in ((webp, against), (against, webp)):
        result = compare(first, second, fps=30 if other == "png" else None)
        assert result.frames == (3 if other == "webp" else 9)
        assert result.equal_length
        assert result.min_psnr > (20 if other == "gif" else 28)
    longer = output(tmp_path / "c", "mp4", [each[..., :3] for each in [*pictures, *pictures[:3]]], 30)
    counts = compare(webp, longer)
    assert (counts.frames_a, counts.frames_b, counts.frames) == (9, 12, 9)
    shorter = output(tmp_path / "d", "mp4", [each[..., :3] for each in pictures[:6]], 30)
    counts = compare(shorter, webp)
    assert (counts.frames_a, counts.frames_b, counts.frames) == (6, 9, 6)


def test_a_shifted_webp_is_not_alike(tmp_path: Path) -> None:
    pictures = [with_alpha(number, opacity=255) for number in range(6)]
    webp = output(tmp_path / "a", "webp", pictures)
    right = compare(webp, output(tmp_path / "b", "mov", pictures))
    wrong = compare(webp, output(tmp_path / "c", "mov", [*pictures[1:], pictures[0]]))
    assert right.min_psnr > wrong.mean_psnr + 5


def test_pictures_without_times_need_a_rate_to_be_compared_with_a_webp(tmp_path: Path) -> None:
    pictures = [with_alpha(number) for number in range(3)]
    webp, source = (output(tmp_path / format, format, pictures) for format in ("webp", "png"))
    with pytest.raises(MediaError, match="give fps"):
        compare(webp, source)
    with pytest.raises(InvalidConfigError, match="fps"):
        compare(webp, source, fps="fast")
    (tmp_path / "bad.webp").write_bytes(b"bad")
    with pytest.raises(MediaError, match=r"bad\.webp cannot be read"):
        compare(tmp_path / "bad.webp", webp)


def test_outputs_at_urls_are_compared(tmp_path: Path) -> None:
    pictures = [with_alpha(number) for number in range(3)]
    made = {format: output(tmp_path / format, format, pictures) for format in ("webm", "webp")}
    for path in made.values():
        Store("memory://to-compare").put(path.name, path)
        assert compare(f"memory://to-compare/{path.name}", path).identical
    with pytest.raises(MissingArtifactError, match=r"none\.webm does not exist"):
        compare("memory://to-compare/none.webm", made["webm"])
