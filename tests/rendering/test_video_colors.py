"""Colors, shape and transparency of rendered videos, against the truth that was encoded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_samples import cached, to_frame, write_video

import hfdask
from hfdask.media.picture import Pixels, decode_png

pytestmark = pytest.mark.browser

PRIMARIES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40)]  # fmt: skip
STRIPE = 16
WIDTH, HEIGHT = len(PRIMARIES) * STRIPE, 64
"""Stripes of one color each, and of both primaries of colors that meet."""


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
