"""The same text animation by hfdask and by the plainest pipeline there is, in turn: what does exactness cost?

The plain pipeline seeks, takes a BeginFrame picture, decodes, converts and encodes it, one browser and one encoder for
each half of the video, and nothing else: no virtual clock, no fresh drawing, no digests, no verification, x264's own defaults at
the same preset and rate factor. On the machine whose figures set the goal of 3.5 s, its parts took 49 ms of CPU a frame, 2.94 s for
120 frames on two cores. So the goal, free of the machine, is 1.19 times the plain pipeline's capture and encode.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import av
import click
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from measure import Case, busy_seconds, run_ours
from playwright.async_api import async_playwright
from projects import FPS, TEXT_FRAMES, text_animation

from hfdask.browser.chromium import _BEGIN_FRAME_FLAGS
from hfdask.browser.discovery import find_browser

GOAL = 1.19
WORKERS = 2
_SEEK = "for (const a of document.getAnimations()) {{ a.pause(); a.currentTime = {ms} }} 0"
_FLAGS = ("--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb", "--font-render-hinting=none")


async def _render(project: Path, output: Path, start: int, end: int) -> float:
    """Seconds from the first seek to the last packet."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=str(find_browser().path), args=[*_FLAGS, *_BEGIN_FRAME_FLAGS]
        )
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto((project / "index.html").as_uri(), wait_until="commit")
        cdp = await page.context.new_cdp_session(page)
        tick = 0

        async def draw(**options: object) -> dict[str, str]:
            nonlocal tick
            tick += 1
            return await cdp.send("HeadlessExperimental.beginFrame", {"frameTimeTicks": tick / 100, **options})

        for _ in range(10):
            await draw()
            await asyncio.sleep(0.03)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(8)
        began = time.perf_counter()
        encoding = asyncio.create_task(_encode(queue, output, end - start))
        for frame in range(start, end):
            await cdp.send("Runtime.evaluate", {"expression": _SEEK.format(ms=1000 * frame / FPS)})
            answer = await draw(screenshot={"format": "png", "optimizeForSpeed": True})
            await queue.put(base64.b64decode(answer["screenshotData"]))
        await queue.put(None)
        await encoding
        seconds = time.perf_counter() - began
        await browser.close()
        return seconds


async def _encode(queue: asyncio.Queue[bytes | None], output: Path, frames: int) -> None:
    scaler = VideoReformatter()
    with av.open(str(output), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "medium", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, frames

        def encode(png: bytes) -> None:
            decoder = av.CodecContext.create("png", "r")
            picture = [*decoder.decode(av.Packet(png)), *decoder.decode(None)][0]
            picture = scaler.reformat(
                picture, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            picture.pts, picture.pict_type = None, PictureType.NONE
            container.mux(stream.encode(picture))

        while (png := await queue.get()) is not None:
            await asyncio.to_thread(encode, png)
        container.mux(await asyncio.to_thread(stream.encode, None))


def _plain(project: Path, folder: Path) -> float:
    """Seconds of the slower half, both running at the same time."""
    half = TEXT_FRAMES // WORKERS
    halves = [(k * half, (k + 1) * half) for k in range(WORKERS)]
    commands = [
        [sys.executable, __file__, "--half", str(project), str(folder / f"{a}.mp4"), str(a), str(b)] for a, b in halves
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    return max(json.loads(process.communicate(timeout=300)[0]) for process in running)


@click.command()
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
def main(repeat: int) -> None:
    """Time both, in turn, and print the ratio of each round."""
    ratios = []
    with tempfile.TemporaryDirectory(prefix="hfdask-plain-") as scratch:
        folder = Path(scratch)
        project = text_animation(folder)
        for turn in range(repeat):
            plain = _plain(project, folder)
            run = run_ours(Case(project, WORKERS, None), folder / "ours.mp4", turn, 300)
            if run.error:
                raise click.ClickException(run.error)
            ours = busy_seconds(run.chunks)
            ratios.append(ours / plain)
            click.echo(f"plain {plain:.2f} s, hfdask {ours:.2f} s, ratio {ratios[-1]:.2f}")
    verdict = "met" if median(ratios) <= GOAL else "not met"
    click.echo(
        f"{TEXT_FRAMES} frames of text, capture and encode: {median(ratios):.2f} of the plain pipeline's, "
        f"goal {GOAL} ({verdict})"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--half"]:
        arguments = sys.argv[2:]
        spent = _render(Path(arguments[0]), Path(arguments[1]), int(arguments[2]), int(arguments[3]))
        print(json.dumps(asyncio.run(spent)))
    else:
        main()
