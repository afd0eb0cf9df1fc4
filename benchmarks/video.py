"""Measure the cost of a page's videos for a chunk: CPU and wall a frame, and memory.

Each frame shows new pictures of a 1080p film of 6 Mbit/s, decoded, handed over and drawn as in a chunk, but without
compressing a picture, which would hide everything else. The pages take turns, round by round, and numbers are compared
within a round. CPU and memory count this process and all processes below it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import click
import psutil
from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.browser import browser_thread
from hfdask.rendering.plan_page import PlanPage

FILM = Path(__file__).resolve().parent.parent / "examples" / "film" / "media" / "mountains.mp4"
FILM_SECONDS = 6
WARM_UP = 10  # frames
TITLE = '<h1 class="title">The title moves</h1>'
PAGE = """<!doctype html><style>
body {{ background: #213 }} video {{ position: absolute; object-fit: cover }}
.title {{ position: absolute; top: 400px; color: #fff; font: 120px Inter; animation: move {seconds}s linear both }}
@keyframes move {{ to {{ transform: translateX(900px) }} }}
</style>
<div id="c" data-composition-id="c" data-width="1920" data-height="1080" data-duration="{seconds}" data-no-timeline>{body}</div>"""


@dataclass(frozen=True)
class Case:
    """A page: how many videos it shows, and if a title moves over them. ``goal`` is of CPU above the page without them."""

    name: str
    videos: int
    title: bool
    goal: float | None = None

    def html(self, seconds: int) -> str:
        columns = 1 if self.videos == 1 else 2
        width, height = 1920 // columns, 1080 // columns
        body = "".join(
            f'<video id="v{k}" src="film.mp4" muted loop data-start="0" data-duration="{seconds}" data-media-start="{k * 0.5}" '
            f'style="left:{k % 2 * width}px;top:{k // 2 * height}px;width:{width}px;height:{height}px"></video>'
            for k in range(self.videos)
        )
        return PAGE.format(body=body + (TITLE if self.title else ""), seconds=seconds)


CASES = (
    Case("a title that moves", 0, title=True),
    Case("1 video", 1, title=False, goal=12),
    Case("1 video under the title", 1, title=True, goal=12),
    Case("4 videos", 4, title=False, goal=50),
    Case("4 videos under the title", 4, title=True, goal=50),
)


@dataclass(frozen=True)
class Cost:
    """Milliseconds a frame."""

    wall: float
    cpu: float


def _tree() -> list[psutil.Process]:
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


def _cpu() -> float:
    total = 0.0
    for process in _tree():
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _memory() -> int:
    total = 0
    for process in _tree():
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


@contextlib.contextmanager
def _page(case: Case, seconds: int, frames: Sequence[int]):
    with tempfile.TemporaryDirectory(prefix="hfdask-video-") as folder:
        project = Path(folder) / "project"
        project.mkdir()
        (project / "index.html").write_text(case.html(seconds))
        shutil.copy(FILM, project / "film.mp4")
        plan = hfdask.plan(project, Path(folder) / "plan", sweep=0, check="off")
        with PlanPage.of(plan.location.store(), plan.manifest, frames) as page:
            yield page


def measure(case: Case, frames: int) -> Cost:
    """Show frames on a new page."""
    shown = range(WARM_UP + frames)

    async def run(page: PlanPage) -> Cost:
        cpu = wall = 0.0
        async with page.page() as (session, _), page.video_states(session, shown) as states:
            for frame in shown:
                if frame == WARM_UP:
                    cpu, wall = _cpu(), time.perf_counter()
                await session.seek(frame, videos=await states(frame) if states else None)
                await session.begin_frame(screenshot=False)
            return Cost((time.perf_counter() - wall) / frames * 1e3, (_cpu() - cpu) / frames * 1e3)

    with _page(case, FILM_SECONDS, shown) as page:
        return browser_thread().run(run(page))


def watch(case: Case, seconds: int) -> list[int]:
    """Show a long composition, and return the memory at each of its seconds."""
    shown = range(seconds * 30)

    async def run(page: PlanPage) -> list[int]:
        memory = []
        async with page.page() as (session, _), page.video_states(session, shown) as states:
            assert states is not None
            for frame in shown:
                await session.seek(frame, videos=await states(frame))
                await session.begin_frame(screenshot=frame % 10 == 0)
                if frame % 30 == 29:
                    memory.append(await asyncio.to_thread(_memory))
        return memory

    with _page(case, seconds, shown) as page:
        return browser_thread().run(run(page))


def show(found: dict[Case, list[Cost]]) -> None:
    table = Table(title="Milliseconds a frame, median of rounds")
    for column in ("page", "wall", "CPU", "CPU above the first", "goal"):
        table.add_column(column, justify="left" if column == "page" else "right")
    [base, *_] = found.values()
    for case, costs in found.items():
        above = median(cost.cpu - first.cpu for cost, first in zip(costs, base, strict=True))
        wall, cpu = (f"{median(values):.1f}" for values in zip(*((c.wall, c.cpu) for c in costs), strict=True))
        table.add_row(case.name, wall, cpu, f"{above:+.1f}", f"{case.goal:.0f}" if case.goal else "")
    Console().print(table)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--frames", type=click.IntRange(1), default=90, show_default=True, help="Frames of each round.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@click.option("--memory", type=click.IntRange(8), metavar="SECONDS", help="Instead: memory over so long a composition.")
def main(frames: int, repeat: int, memory: int | None) -> None:
    """Measure what the videos of a page cost."""
    if not FILM.exists():
        raise click.ClickException(f"{FILM} is missing: run `make setup`")
    try:
        if memory is not None:
            sizes = [size / 2**20 for size in watch(CASES[-1], memory)]
            quarter = len(sizes) // 4
            parts = [f"{mean(sizes[k * quarter : (k + 1) * quarter]):.0f}" for k in range(4)]
            Console().print(
                f"4 videos, {memory} s: peak {max(sizes):.0f} MiB; quarters {', '.join(parts)} MiB; goal 1536 MiB"
            )
            return
        found: dict[Case, list[Cost]] = {case: [] for case in CASES}
        for _ in range(repeat):
            for case, costs in found.items():
                costs.append(measure(case, frames))
        show(found)
    finally:
        hfdask.close_browsers()


if __name__ == "__main__":
    main()
