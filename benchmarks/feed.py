"""Measure the CPU of feeding a page's videos, above the CPU of the same page with a filled canvas instead of videos.

Each frame has a new picture of each video, 1920 x 1080. It is drawn by BeginFrame without a screenshot, because the CPU of
compressing one would hide everything else. The ways alternate, round by round. The CPU is the sum of this process and all
processes below it.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import click
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.browser import browser_thread
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import Shown, VideoShape
from hfdask.core.model import PageSettings
from hfdask.core.planes import ColorSpace, Planes

WIDTH, HEIGHT = 1920, 1080
SETTINGS = PageSettings(
    width=WIDTH,
    height=HEIGHT,
    capture_mode="beginframe",
    fragment=False,
    variables={},
    page_errors="raise",
    load_timeout=30.0,
    frame_timeout=30.0,
)
MOVING = """<b id=m style="position:absolute;width:99px;height:99px;background:#c33"></b>
<script>addEventListener("hf-seek", ({ detail: { time } }) => { m.style.left = `${time * 30}px` })</script>"""
FILLED = "<canvas id=c width=1920 height=1080></canvas>"
FILL = """const context = c.getContext("2d", { alpha: false });
addEventListener("hf-seek", ({ detail: { time } }) => {
  context.fillStyle = Math.round(time * 30) % 2 ? "#123456" : "#654321"; context.fillRect(0, 0, 1920, 1080) })"""
PAGE = """<!doctype html><body style="margin:0"><style>canvas,video{{position:absolute;left:0;top:0;width:1920px;height:1080px}}</style>
<div data-composition-id="c" data-width="1920" data-height="1080" data-duration="99" data-no-timeline>{body}</div><script>{script}</script>"""


def _pictures() -> list[Planes]:
    random = np.random.default_rng(0)
    luma = random.integers(16, 235, (4, HEIGHT, WIDTH), dtype=np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    color = ColorSpace("bt709", "bt709", "bt709", True)
    return [Planes("I420", WIDTH, HEIGHT, (each, chroma, chroma), color, WIDTH, HEIGHT) for each in luma]


def _cpu() -> float:
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


async def _run(session: PageSession, first: int, frames: int, videos: int, pictures: list[Planes]) -> None:
    feed = session.videos
    for frame in range(first, first + frames):
        states = None
        if feed is not None:
            states = {
                f"v{k}": Shown(
                    "playing", frame / 30, frame, frame / 30, feed.put(f"v{k}", pictures[frame % len(pictures)])
                )
                for k in range(videos)
            }
        await session.seek(frame, videos=states)
        await session.begin_frame(screenshot=False)


async def _measure(
    folder: Path, videos: int, profile: bool, moving: bool, frames: int, pictures: list[Planes]
) -> tuple[float, float]:
    """Return milliseconds of wall time and of CPU a frame."""
    body = "".join(f'<video id="v{k}" src="v{k}.mp4"></video>' for k in range(videos)) or FILLED
    body += MOVING if moving else ""
    (folder / "index.html").write_text(PAGE.format(body=body, script="" if videos else FILL))
    async with (
        browser_thread().pool.lease("beginframe", profile=True) as (browser, _),
        open_page(browser, {"index.html": folder / "index.html"}, SETTINGS, Fraction(30), profile=profile) as session,
    ):
        if videos:
            shape = VideoShape(WIDTH, HEIGHT, 99.0, pictures[0].nbytes)
            session.prepare_videos({f"v{k}": shape for k in range(videos)})
        await session.load("index.html")
        await _run(session, 0, 10, videos, pictures)
        cpu, wall = _cpu(), time.perf_counter()
        await _run(session, 10, frames, videos, pictures)
        return (time.perf_counter() - wall) / frames * 1e3, (_cpu() - cpu) / frames * 1e3


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--frames", type=click.IntRange(1), default=60, show_default=True, help="Frames of each round.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
def main(frames: int, repeat: int) -> None:
    """Time how pictures reach the videos of a page."""
    ways = {
        "a canvas is filled": (0, True, False),
        "1 video, by file": (1, True, False),
        "1 video, by server": (1, False, False),
        "4 videos, by file": (4, True, False),
        "a canvas is filled, a box moves": (0, True, True),
        "1 video, by file, a box moves": (1, True, True),
    }
    pictures = _pictures()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="hfdask-videos-") as folder:
        for _ in range(repeat):
            for name, (videos, profile, moving) in ways.items():
                measured = _measure(Path(folder), videos, profile, moving, frames, pictures)
                found[name].append(browser_thread().run(measured))
    hfdask.close_browsers()
    table = Table(title=f"Milliseconds a frame of {WIDTH}x{HEIGHT}, median of {repeat} rounds")
    for column in ("way", "wall", "CPU", "CPU above a canvas"):
        table.add_column(column, justify="left" if column == "way" else "right")
    base: list[tuple[float, float]] = []
    for name, rounds in found.items():
        base = rounds if name.startswith("a canvas") else base
        above = median(cpu - first for (_, cpu), (_, first) in zip(rounds, base, strict=True))
        table.add_row(name, *(f"{median(each):.1f}" for each in zip(*rounds, strict=True)), f"{above:+.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
