"""Every frame of a rendered composition shows the right frame of its source, with any chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from video_samples import bar_code_video, cached, read_bar_code

import hfdask
from hfdask.core.model import FrameRecord, decode
from hfdask.store import split_url

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 320, 180
VIDEO = "position: absolute; left: 40px; top: 20px; width: 160px; height: 96px"
Picture = NDArray[np.uint8]


def composition(videos: str, duration: float = 1, fps: str = "30") -> str:
    return (
        "<style>body { background: #036; margin: 0 }</style>"
        f'<div id="root" data-composition-id="main" data-width="{WIDTH}" data-height="{HEIGHT}" data-duration="{duration}" '
        f'data-fps="{fps}" data-no-timeline>{videos}</div>'
    )


def rendered(folder: Path, out: Path, **options: Any) -> tuple[list[str], list[Picture]]:
    """Return the digests and the decoded pictures of all frames."""
    plan = hfdask.plan(folder, out / "plan", check="off", load_timeout=15, **options)
    digests: list[str] = []
    pictures: list[Picture] = []
    for chunk in plan.manifest.chunks:
        result = hfdask.render_chunk(plan.url, chunk.index, out / f"{chunk.index}.mp4")
        store, name = split_url(result.frames_url)
        digests += decode(store.read(name), FrameRecord, name).digests
        with av.open(str(out / f"{chunk.index}.mp4")) as file:
            pictures += [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in file.decode(video=0)]
    return digests, pictures


def number(picture: Picture, left: int = 40, top: int = 20, width: int = 160, height: int = 96) -> int | None:
    """Return the number in a box, or None if the box has the color of the background."""
    box = picture[top : top + height, left : left + width]
    if int(np.ptp(box.reshape(-1, 3).astype(int), axis=0).max()) < 30:
        return None
    return read_bar_code(box)


def numbers(pictures: Sequence[Picture], **box: int) -> list[int | None]:
    return [number(picture, **box) for picture in pictures]


RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001)]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_every_frame_shows_its_source_frame_in_any_chunking(rate, project: Callable[..., Path], tmp_path):
    source = cached(bar_code_video, "clip.mp4", 60, rate)
    html = composition(
        f'<video id="v" src="clip.mp4" data-start="0.2" data-duration="0.6" data-media-start="0.3" style="{VIDEO}"></video>'
    )
    folder = project(html, **{"clip.mp4": source.read_bytes()})
    whole, pictures = rendered(folder, tmp_path / "1", chunk_size=30)
    shown = numbers(pictures)
    expected = [
        int((Fraction(3, 10) + Fraction(frame - 6, 30) + Fraction(1, 10**6)) * rate) if 6 <= frame < 24 else None
        for frame in range(30)
    ]
    assert shown == expected
    chunked, _ = rendered(folder, tmp_path / "7", chunk_size=7)
    assert chunked == whole
