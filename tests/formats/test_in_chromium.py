"""With a real Chromium: a transparent page is captured with its alpha, and finished videos play to their last frame."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from format_samples import VARIANTS, Variant, chunks_of, joined
from playwright.sync_api import Page as PlainPage
from playwright.sync_api import sync_playwright
from slow import sampled

import hfdask
from hfdask.browser.discovery import find_browser, sandbox_possible
from hfdask.core.model import CaptureMode
from hfdask.media.picture import decode_png

pytestmark = pytest.mark.browser

HALF = """<div id="r" data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline>
<style>html, body { background: %s }
.box { position: absolute; left: 8px; top: 8px; width: 24px; height: 24px; background: rgb(255 0 0 / 50%%) }
.disc { position: absolute; left: 36px; top: 36px; width: 20px; height: 20px; border-radius: 10px; background: #0f0;
  animation: go 1s linear both }
@keyframes go { to { transform: translateX(4px) } }</style>
<div class="box"></div><div class="disc"></div></div>"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["beginframe", "screenshot"])
def test_a_transparent_page_is_captured_with_the_colours_of_its_pixels_and_their_alpha(
    mode: CaptureMode, project: Any, tmp_path: Any
) -> None:
    source = project(HALF % "none")
    for number, picture in enumerate(_frames(source, tmp_path / "a.zip", mode)):
        assert picture[20, 20].tolist() == [255, 0, 0, 128]  # not multiplied with its alpha
        assert picture[2, 2].tolist() == [0, 0, 0, 0]
        assert picture[46, 47].tolist() == [0, 255, 0, 255], number
        edge = (picture[..., 3] > 0) & (np.arange(64) > 33)
        assert (np.abs(picture[edge][:, :3].astype(int) - (0, 255, 0)) * picture[edge][:, 3:] <= 2 * 255).all()
    [white] = {picture[20, 20].tobytes() for picture in _frames(source, tmp_path / "b.zip", mode, alpha=False)}
    assert np.abs(np.frombuffer(white, np.uint8).astype(int)[:3] - (255, 127, 127)).max() <= 1


def _frames(source: Any, output: Any, mode: CaptureMode, **options: Any) -> Iterator[np.ndarray]:
    import zipfile

    result = hfdask.render(source, output, capture=mode, fps=4, chunk_size=2, **options)
    assert all(seam.equal for seam in result.seams)
    with zipfile.ZipFile(output) as archive:
        for name in archive.namelist():
            yield decode_png(archive.read(name), alpha=True)


PLAYER = """async ([data, type, times]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const video = document.createElement("video");
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([bytes], { type }));
    document.body.append(video);
    const event = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
    });
    await event("loadeddata");
    const ended = event("ended");
    await video.play();
    await ended;
    const end = video.currentTime;
    const pen = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
    const seen = [];
    for (const time of times) {
        const sought = event("seeked");
        const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
        video.currentTime = time;
        await sought;
        await shown; // until then, the picture of the last time may be drawn
        pen.clearRect(0, 0, video.videoWidth, video.videoHeight);
        pen.drawImage(video, 0, 0);
        seen.push([[8, 8], [24, 8], [8, 40]].map(([x, y]) => [...pen.getImageData(x, y, 1, 1).data]));
    }
    return { end, seen };
}"""

FPS, LENGTHS = Fraction(30000, 1001), (7, 13, 16)
# Only a script can play a playlist: `tests/formats/test_hls.py`.
PLAYED = [each for each in VARIANTS if each.codec.name in ("h264", "av1", "vp9") and each.format.name != "hls"]


@pytest.fixture(scope="module")
def player() -> Iterator[PlainPage]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_browser().path),
            chromium_sandbox=sandbox_possible(),
            args=["--disable-gpu", "--disable-audio-output"],
        )
        page = browser.new_page()
        page.goto("data:text/html,<body>")
        yield page
        browser.close()


def shades(number: int, *, alpha: bool) -> np.ndarray:
    """A picture with a separate grey; with alpha, its right half is half transparent, and its lower half invisible."""
    pixels = np.full((64, 64, 4 if alpha else 3), 255, np.uint8)
    pixels[..., :3] = 40 + 5 * number
    if alpha:
        pixels[:, 16:, 3] = 128
        pixels[32:, :, 3] = 0
    return pixels


@pytest.mark.sample("mp4-h264")
@pytest.mark.parametrize("variant", sampled(PLAYED), ids=str)
def test_a_joined_video_plays_to_its_end_and_shows_the_right_frame_at_every_seam(
    variant: Variant, player: PlainPage, tmp_path: Any
) -> None:
    chunks = chunks_of(variant, tmp_path, LENGTHS, FPS, lambda number: shades(number, alpha=variant.alpha))
    output = joined(variant, chunks, variant.output(tmp_path), FPS, (64, 64))
    frames = sum(LENGTHS)
    numbers = [0, 6, 7, 19, 20, frames - 1]
    times = [float((number + Fraction(1, 2)) / FPS) for number in numbers]
    data = base64.b64encode(output.read_bytes()).decode()
    answer = player.evaluate(PLAYER, [data, f"video/{variant.format.name}", times])
    assert abs(answer["end"] - frames / FPS) <= 0.002
    for number, (solid, half, nothing) in zip(numbers, answer["seen"], strict=True):
        assert all(abs(value - (40 + 5 * number)) <= 2 for value in solid[:3]), (number, solid)
        assert solid[3] == 255
        if variant.alpha:
            assert abs(half[3] - 128) <= 2
            assert nothing[3] <= 1
