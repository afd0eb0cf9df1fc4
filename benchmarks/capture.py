"""Milliseconds a frame of the capture alone, in several modes, with Chromium flags added or taken away, and with the
damage test on or off.

Facts about capturing (which flag costs what, what the damage test saves) belong to a version of Chromium and have to
be measured again for the next. Encoding shares the cores and would hide the difference, so it is left out unless it is
asked for. The browser as it is and the changed one take turns, round by round, on the same frames, and so do the modes;
the digest of all pixels shows if a change was of speed alone. CPU is of this process and all of its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import msgspec
import psutil
from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.browser import browser_thread, chromium
from hfdask.browser.capture import capture
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.samples import Samples
from hfdask.media.captured import Picture
from hfdask.media.picture import digest_of
from hfdask.rendering.plan_page import PlanPage

# There is no public way to change the flags, since they decide pixels.
_FLAG_GROUPS = ("_FLAGS", "_BEGIN_FRAME_FLAGS")


@dataclass(frozen=True)
class Browser:
    """A variant of the browser: flags more and flags less than hfdask's, and a way of capture."""

    name: str
    mode: str
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shot:
    """One capture of the range: seconds a frame in order, ``pictures`` of them taken anew, and a digest of all pixels."""

    browser: str
    damage_test: bool
    turn: int
    boot: float
    seconds: tuple[float, ...]
    cpu: float
    pictures: int
    digest: str

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds)


def _cpu_seconds() -> float:
    """CPU time of this process and its living descendants so far."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@dataclass
class _Take:
    """What one capture of a range took; pictures are None if nothing changed. With an encoder there are digests instead."""

    boot: float = 0.0
    cpu: float = 0.0
    taken: int = 0
    seconds: list[float] = field(default_factory=list)
    pictures: list[Picture | None] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)


async def _shoot(plan: hfdask.Plan, first: int, end: int, damage_test: bool, encoder: ChunkEncoder | None) -> _Take:
    thread = browser_thread()
    began = thread.loop.time()
    take = _Take()
    frames = range(first, end)
    with PlanPage.of(plan.location.store(), plan.manifest, frames) as plan_page:
        async with plan_page.page() as (session, _), plan_page.video_states(session, frames) as states:
            take.boot, cpu = thread.loop.time() - began, _cpu_seconds()
            async for frame in capture(session, first, end, damage_test=damage_test, videos=states):
                take.seconds.append(frame.seconds)
                if encoder is None:
                    take.pictures.append(frame.picture and frame.picture.keep())
                elif frame.picture is None:
                    take.digests.append(await asyncio.to_thread(encoder.repeat))
                else:
                    take.taken += 1
                    take.digests.append(await asyncio.to_thread(encoder.encode, frame.picture))
                    frame.picture.release()
            take.cpu = _cpu_seconds() - cpu
            await session.finish()
    return take


def shoot(plan: hfdask.Plan, first: int, end: int, browser: str, damage_test: bool, turn: int, *, encode: bool) -> Shot:
    """Capture frames ``[first, end)`` on a fresh page."""
    manifest = plan.manifest
    with tempfile.TemporaryDirectory(prefix="hfdask-capture-") as scratch, contextlib.ExitStack() as stack:
        encoder = None
        if encode:
            path, fps = Path(scratch) / "chunk.mp4", manifest.fps.fraction
            encoder = ChunkEncoder(path, manifest.encoder, fps, manifest.width, manifest.height, end - first)
            stack.enter_context(encoder)
        take = browser_thread().run(_shoot(plan, first, end, damage_test, encoder))
    samples = Samples(manifest.encoder)
    for picture in take.pictures:
        take.taken += picture is not None
        take.digests.append(samples.digest(picture) if picture else take.digests[-1])
    digest = digest_of(take.digests)
    return Shot(browser, damage_test, turn, take.boot, tuple(take.seconds), take.cpu, take.taken, digest)


def start(browser: Browser, defaults: dict[str, tuple[str, ...]]) -> None:
    """Close what runs, and let the next browser start with this variant's flags."""
    hfdask.close_browsers()
    for group in _FLAG_GROUPS:
        kept = tuple(flag for flag in defaults[group] if flag.partition("=")[0] not in browser.less)
        setattr(chromium, group, kept + (browser.more if group == "_FLAGS" else ()))


def measure(
    project: Path, browsers: Sequence[Browser], tests: Sequence[bool], repeat: int, where: tuple[int, int], encode: bool
) -> list[Shot]:
    """Every variant with every setting of the damage test, in turns."""
    defaults = {group: getattr(chromium, group) for group in _FLAG_GROUPS}
    shots = []
    try:
        with tempfile.TemporaryDirectory(prefix="hfdask-capture-") as scratch:
            modes = dict.fromkeys(browser.mode for browser in browsers)
            plans = {mode: hfdask.plan(project, Path(scratch) / mode, capture=mode) for mode in modes}
            frames = plans[browsers[0].mode].manifest.frames
            first, end = where[0], min(sum(where), frames)
            if first >= end:
                raise click.UsageError(f"the project has {frames} frames only")
            for turn in range(repeat):
                for browser in browsers:
                    start(browser, defaults)
                    plan, name = plans[browser.mode], browser.name
                    # A browser's first page is slower (code caches, fonts), and is not what chunks see.
                    shoot(plan, first, min(first + 3, end), name, False, turn, encode=False)
                    shots += [shoot(plan, first, end, name, test, turn, encode=encode) for test in tests]
    finally:
        start(Browser("default", "auto"), defaults)
    return shots


def show(shots: Sequence[Shot]) -> None:
    """Medians over the rounds, and how the mean compares with the first row's in the same round."""
    table = Table(title="Capture alone, milliseconds a frame (median of rounds, min-max)")
    for name in (
        "browser",
        "damage test",
        "mean",
        "median frame",
        "slowest",
        "CPU",
        "pictures",
        "boot s",
        "x first row",
        "CPU x",
        "pixels",
    ):
        table.add_column(name, justify="left" if name == "browser" else "right")
    groups: dict[tuple[str, bool], list[Shot]] = {}
    for shot in shots:
        groups.setdefault((shot.browser, shot.damage_test), []).append(shot)
    base = next(iter(groups.values()))
    for (browser, test), group in groups.items():
        means = [1000 * shot.mean for shot in group]
        ratio = median(shot.mean / first.mean for shot, first in zip(group, base, strict=True))
        same = all(shot.digest == base[0].digest for shot in group)
        table.add_row(
            browser,
            "on" if test else "off",
            f"{median(means):.1f} ({min(means):.1f}-{max(means):.1f})",
            f"{1000 * median(median(shot.seconds) for shot in group):.1f}",
            f"{1000 * max(max(shot.seconds) for shot in group):.0f}",
            f"{1000 * median(shot.cpu / len(shot.seconds) for shot in group):.1f}",
            f"{group[0].pictures} of {len(group[0].seconds)}",
            f"{median(shot.boot for shot in group):.2f}",
            f"{ratio:.2f}",
            f"{median(shot.cpu / first.cpu for shot, first in zip(group, base, strict=True)):.2f}",
            "same" if same else "DIFFER",
        )
    Console(width=None if Console().is_terminal else 150).print(table)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("project", type=click.Path(exists=True, path_type=Path))
@click.option("--flag", "more", multiple=True, metavar="FLAG", help="Start Chromium with this flag too; many.")
@click.option("--without", "less", multiple=True, metavar="FLAG", help="Start Chromium without this flag; many.")
@click.option("--damage-test", type=click.Choice(["on", "off", "both"]), default="both", show_default=True)
@click.option("--start", "first", type=click.IntRange(0), default=0, show_default=True, help="First frame.")
@click.option("--frames", type=click.IntRange(1), default=60, show_default=True, help="Frames to capture.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@click.option(
    "--capture",
    "modes",
    type=click.Choice(["auto", "beginframe", "canvas", "screenshot"]),
    multiple=True,
    default=["auto"],
    show_default=True,
    help="Way of capture; many.",
)
@click.option("--encode", is_flag=True, help="Also digest, convert and encode each picture.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every frame there.")
def main(
    project: Path,
    more: tuple[str, ...],
    less: tuple[str, ...],
    damage_test: str,
    first: int,
    frames: int,
    repeat: int,
    modes: tuple[str, ...],
    encode: bool,
    json_file: Path | None,
) -> None:
    """Time the capture of PROJECT's frames, with the browser as it is and, given flags, changed."""
    browsers = [Browser(mode if len(modes) > 1 else "as it is", mode) for mode in modes]
    if more or less:
        name = ", ".join([*(f"with {flag}" for flag in more), *(f"without {flag}" for flag in less)])
        browsers += [Browser(f"{mode} {name}" if len(modes) > 1 else name, mode, more, less) for mode in modes]
    tests = {"on": [True], "off": [False], "both": [True, False]}[damage_test]
    shots = measure(project, browsers, tests, repeat, (first, frames), encode)
    show(shots)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(shots), indent=1))


if __name__ == "__main__":
    main()
