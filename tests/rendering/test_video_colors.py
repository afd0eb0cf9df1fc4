"""Colors, shape and transparency of rendered videos, against the truth that was encoded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_samples import alpha_ramp, cached, to_frame, write_video

import hfdask
from hfdask.media.picture import Pixels, decode_png

pytestmark = pytest.mark.browser

PRIMARIES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40)]  # fmt: skip
STRIPE = 16
WIDTH, HEIGHT = len(PRIMARIES) * STRIPE, 64


def stripes(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    columns = np.arange(width) * len(PRIMARIES) // width
    return np.broadcast_to(np.array(PRIMARIES, np.uint8)[columns], (height, width, 3))


def striped(path: Path, pix_fmt: str, truth: str, size: tuple[int, int] = (WIDTH, HEIGHT), **options: Any) -> Path:
    """A frame of all colors, converted by a careful encoder, with or without tags."""
    full = options.get("full_range") or False
    frame = to_frame(stripes(*size), pix_fmt, color=truth, full_range=bool(full))
    frame.color_primaries, frame.color_trc, frame.colorspace = 2, 2, 2
    quality = {"options": {"preset": "ultrafast", "crf": "0" if "10" not in pix_fmt else "1"}}
    if options.get("codec"):
        quality = {}
    return write_video(path, [frame], **{"color": truth, **quality, **options})


SOURCES: dict[str, Callable[[], Path]] = {
    "bt709.mp4": lambda: cached(striped, "bt709.mp4", "yuv420p", "bt709"),
    "bt601.mp4": lambda: cached(striped, "bt601.mp4", "yuv420p", "smpte170m"),
    "full.mp4": lambda: cached(striped, "full.mp4", "yuvj420p", "bt709", full_range=True),
    "full601.mp4": lambda: cached(striped, "full601.mp4", "yuvj420p", "smpte170m", full_range=True),
    "sd.mp4": lambda: cached(striped, "sd.mp4", "yuv420p", "smpte170m", color=None, full_range=None),
    "hd.mp4": lambda: cached(striped, "hd.mp4", "yuv420p", "bt709", (1280, 720), color=None, full_range=None),
    "ten.mp4": lambda: cached(striped, "ten.mp4", "yuv420p10le", "bt709"),
    "ten601.mp4": lambda: cached(striped, "ten601.mp4", "yuv420p10le", "smpte170m"),
    "444.mp4": lambda: cached(striped, "444.mp4", "yuv444p", "bt709"),
    "rgb.mov": lambda: cached(striped, "rgb.mov", "rgb24", "rgb", codec="png"),
    "2020.mp4": lambda: cached(striped, "2020.mp4", "yuv420p", "bt2020"),
    "ten2020.mp4": lambda: cached(striped, "ten2020.mp4", "yuv420p10le", "bt2020"),
    "prores.mov": lambda: cached(striped, "prores.mov", "yuv422p10le", "bt709", codec="prores_ks"),
}


def still(folder: Path, tmp_path: Path, time: float = 0.5) -> Pixels:
    hfdask.still(folder, time, tmp_path / "still.png")
    return decode_png((tmp_path / "still.png").read_bytes())


def test_colors_are_those_that_were_encoded(project: Callable[..., Path], tmp_path):
    videos = "".join(
        f'<video muted src="{name}" data-start="0" style="position:absolute;left:0;top:{n * HEIGHT}px;width:{WIDTH}px;height:{HEIGHT}px;object-fit:fill"></video>'
        for n, name in enumerate(SOURCES)
    )
    page = f'<div data-composition-id="c" data-width="{WIDTH}" data-height="{HEIGHT * len(SOURCES)}" data-duration="1" data-no-timeline>{videos}</div>'
    picture = still(project(page, **{name: make().read_bytes() for name, make in SOURCES.items()}), tmp_path)
    off: dict[str, Any] = {}
    for n, name in enumerate(SOURCES):
        middles = picture[n * HEIGHT + HEIGHT // 2, STRIPE // 2 :: STRIPE].astype(int)
        differences = middles - np.array(PRIMARIES)
        if abs(differences).max() > 2:
            off[name] = [(PRIMARIES[k], middles[k].tolist()) for k in np.flatnonzero(abs(differences).max(axis=1) > 2)]
    assert off == {}


CORNERS = [[(220, 40, 40), (40, 200, 60)], [(50, 60, 210), (230, 220, 60)]]
SIDES = {name: (turn, hflip) for name, turn, hflip in [
    ("upright", 0, False), ("90", 90, False), ("180", 180, False), ("270", 270, False), ("mirrored", 0, True), ("upside down", 180, True),
]}  # fmt: skip
BACKGROUND = (0, 80, 160)


def corners(path: Path, size: tuple[int, int], **options: Any) -> Path:
    """A frame with a color in each corner."""
    width, height = size
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 2 // width
    picture = np.array(CORNERS, np.uint8)[rows][:, columns]
    lossless: dict[str, Any] = {} if options.get("codec") else {"options": {"preset": "ultrafast", "crf": "1"}}
    return write_video(path, [to_frame(picture, options.pop("pix_fmt", "yuv420p"))], **lossless, **options)


def color_at(picture: Pixels, x: float, y: float) -> list[int]:
    return [int(level) for level in picture[round(y), round(x)]]


def page_of(markup: str, width: int, height: int) -> str:
    return (
        f"<style>body {{ margin: 0 }} #root {{ background: rgb{BACKGROUND} }} video {{ position: absolute }}</style>"
        f'<div id="root" data-composition-id="c" data-width="{width}" data-height="{height}" data-duration="1" data-no-timeline>{markup}</div>'
    )


def test_turned_and_mirrored_videos_are_shown_as_they_should(project: Callable[..., Path], tmp_path):
    size, slot = (96, 48), 100
    files = {
        f"{n}.mp4": cached(corners, f"{n}.mp4", size, rotation=turn, hflip=hflip).read_bytes()
        for n, (turn, hflip) in enumerate(SIDES.values())
    }
    markup = "".join(
        f'<video muted src="{n}.mp4" data-start="0" style="left:{n * slot}px;top:0"></video>' for n in range(len(SIDES))
    )
    picture = still(project(page_of(markup, slot * len(SIDES), slot), **files), tmp_path)
    for n, (name, (turn, hflip)) in enumerate(SIDES.items()):
        expected = np.rot90(np.array(CORNERS), turn // 90)  # counter-clockwise, as FFmpeg counts
        expected = expected[:, ::-1] if hflip else expected
        width, height = size if turn in (0, 180) else size[::-1]
        for row, column in np.ndindex(2, 2):
            shown = color_at(picture, n * slot + width * (0.25 + column / 2), height * (0.25 + row / 2))
            assert abs(np.array(shown) - expected[row, column]).max() <= 3, (name, row, column, shown)
        outside = color_at(picture, n * slot + width + 2, height - 2), color_at(picture, n * slot + 2, height + 2)
        assert outside == (list(BACKGROUND), list(BACKGROUND)), name


def test_pixels_that_are_not_square_and_odd_sizes_fill_their_boxes(project: Callable[..., Path], tmp_path):
    files = {
        "wide.mp4": cached(corners, "wide.mp4", (96, 48), pixel_aspect=Fraction(4, 3)).read_bytes(),
        "turned.mp4": cached(corners, "turned.mp4", (96, 48), pixel_aspect=Fraction(4, 3), rotation=90).read_bytes(),
        "odd.webm": cached(corners, "odd.webm", (77, 51), codec="libvpx-vp9").read_bytes(),
        "odd444.mkv": cached(corners, "odd444.mkv", (77, 51), codec="ffv1", pix_fmt="yuv444p").read_bytes(),
    }
    sizes = [(128, 48), (48, 128), (77, 51), (77, 51)]
    markup = "".join(
        f'<video muted src="{name}" data-start="0" style="left:{n * 140}px;top:0"></video>'
        for n, name in enumerate(files)
    )
    picture = still(project(page_of(markup, 560, 140), **files), tmp_path)
    for n, (name, (width, height)) in enumerate(zip(files, sizes, strict=True)):
        expected = np.rot90(np.array(CORNERS)) if name == "turned.mp4" else np.array(CORNERS)
        for row, column in np.ndindex(2, 2):  # to the very edge
            x, y = n * 140 + column * (width - 1), row * (height - 1)
            shown = color_at(picture, x, y)
            assert abs(np.array(shown) - expected[row, column]).max() <= 8, (name, row, column, shown)
        assert color_at(picture, n * 140 + width, height // 2) == list(BACKGROUND), name
        assert color_at(picture, n * 140 + width // 2, height) == list(BACKGROUND), name


ALPHAS: dict[str, dict[str, Any]] = {
    "vp9.webm": {"pix_fmt": "yuva420p", "codec": "libvpx-vp9", "options": {"crf": "4", "b": "0", "auto-alt-ref": "0"}},
    "prores.mov": {"pix_fmt": "yuva444p10le", "codec": "prores_ks", "options": {"profile": "4", "alpha_bits": "16"}},
    "png.mov": {"pix_fmt": "rgba", "codec": "png"},
}


def ramp(path: Path, pix_fmt: str, **options: Any) -> Path:
    color = "rgb" if pix_fmt == "rgba" else "bt709"
    return write_video(path, [to_frame(alpha_ramp(128, 64), pix_fmt, color=color)], color=color, **options)


def test_transparency_of_videos_mixes_with_the_page(project: Callable[..., Path], tmp_path):
    files = {name: cached(ramp, name, **options).read_bytes() for name, options in ALPHAS.items()}
    markup = "".join(
        f'<video muted src="{name}" data-start="0" style="left:0;top:{n * 64}px"></video>'
        for n, name in enumerate(files)
    )
    picture = still(project(page_of(markup, 128, 64 * len(files)), **files), tmp_path).astype(int)
    color, alpha = np.array([200, 120, 40]), np.linspace(0, 255, 128)[:, None] / 255
    expected = color * alpha + np.array(BACKGROUND) * (1 - alpha)
    off = {name: int(np.ceil(abs(picture[n * 64 + 32] - expected).max())) for n, name in enumerate(files)}
    assert {name: levels for name, levels in off.items() if levels > 4} == {}
