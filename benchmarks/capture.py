"""Milliseconds a frame of the capture alone, with Chromium flags added or taken away and the damage test on or off.

Facts about capturing (which flag costs what, what the damage test saves) belong to a version of Chromium and have to
be measured again for the next. Encoding is left out because it shares the cores and would hide the difference. The
browser as it is and the changed one take turns, round by round, on the same frames; the digest of all pixels shows
if a change was of speed alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import msgspec
from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.browser import browser_thread, chromium
from hfdask.browser.capture import capture
from hfdask.browser.session import open_page
from hfdask.media.captured import Picture
from hfdask.media.picture import digest_of
from hfdask.store import Store, materialiser

# There is no public way to change the flags, since they decide pixels.
_FLAG_GROUPS = ("_FLAGS", "_BEGIN_FRAME_FLAGS")


@dataclass(frozen=True)
class Browser:
    """A variant of the browser: flags more and flags less than hfdask's."""

    name: str
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
    pictures: int
    png_bytes: int
    digest: str

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds)


async def _shoot(
    plan: hfdask.Plan, first: int, end: int, damage_test: bool
) -> tuple[float, list[float], list[Picture | None]]:
    manifest = plan.manifest
    files = materialiser.files(Store(plan.url), manifest.artifacts)
    thread = browser_thread()
    began = thread.loop.time()
    seconds, pictures = [], []
    async with (
        thread.pool.lease(manifest.page.capture_mode) as (browser, _),
        open_page(browser, files, manifest.page, manifest.fps.fraction) as session,
    ):
        await session.load(manifest.entry)
        boot = thread.loop.time() - began
        async for frame in capture(session, first, end, damage_test=damage_test):
            seconds.append(frame.seconds)
            pictures.append(frame.picture and frame.picture.keep())
        await session.finish()
    return boot, seconds, pictures


def shoot(plan: hfdask.Plan, first: int, end: int, browser: str, damage_test: bool, turn: int) -> Shot:
    """Capture frames ``[first, end)`` on a fresh page."""
    boot, seconds, pictures = browser_thread().run(_shoot(plan, first, end, damage_test))
    digests: list[str] = []
    for picture in pictures:
        digests.append(picture.digest if picture else digests[-1])
    taken = [picture for picture in pictures if picture]
    size = sum(len(picture.png) for picture in taken)
    return Shot(browser, damage_test, turn, boot, tuple(seconds), len(taken), size, digest_of(digests))


def start(browser: Browser, defaults: dict[str, tuple[str, ...]]) -> None:
    """Close what runs, and let the next browser start with this variant's flags."""
    hfdask.close_browsers()
    for group in _FLAG_GROUPS:
        kept = tuple(flag for flag in defaults[group] if flag.partition("=")[0] not in browser.less)
        setattr(chromium, group, kept + (browser.more if group == "_FLAGS" else ()))


def measure(
    project: Path, browsers: Sequence[Browser], tests: Sequence[bool], repeat: int, where: tuple[int, int], mode: str
) -> list[Shot]:
    """Every variant with every setting of the damage test, in turns."""
    defaults = {group: getattr(chromium, group) for group in _FLAG_GROUPS}
    shots = []
    try:
        with tempfile.TemporaryDirectory(prefix="hfdask-capture-") as scratch:
            plan = hfdask.plan(project, Path(scratch) / "plan", capture=mode)
            first, end = where[0], min(sum(where), plan.manifest.frames)
            if first >= end:
                raise click.UsageError(f"the project has {plan.manifest.frames} frames only")
            for turn in range(repeat):
                for browser in browsers:
                    start(browser, defaults)
                    # A browser's first page is slower (code caches, fonts), and is not what chunks see.
                    shoot(plan, first, min(first + 3, end), browser.name, False, turn)
                    shots += [shoot(plan, first, end, browser.name, test, turn) for test in tests]
    finally:
        start(Browser("default"), defaults)
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
        "pictures",
        "kB/picture",
        "boot s",
        "x first row",
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
            f"{group[0].pictures} of {len(group[0].seconds)}",
            f"{group[0].png_bytes / group[0].pictures / 1000:.0f}",
            f"{median(shot.boot for shot in group):.2f}",
            f"{ratio:.2f}",
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
@click.option("--capture", "mode", type=click.Choice(["auto", "beginframe", "screenshot"]), default="auto")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every frame there.")
def main(
    project: Path,
    more: tuple[str, ...],
    less: tuple[str, ...],
    damage_test: str,
    first: int,
    frames: int,
    repeat: int,
    mode: str,
    json_file: Path | None,
) -> None:
    """Time the capture of PROJECT's frames, with the browser as it is and, given flags, changed."""
    browsers = [Browser("as it is")]
    if more or less:
        name = ", ".join([*(f"with {flag}" for flag in more), *(f"without {flag}" for flag in less)])
        browsers.append(Browser(name, more, less))
    tests = {"on": [True], "off": [False], "both": [True, False]}[damage_test]
    shots = measure(project, browsers, tests, repeat, (first, frames), mode)
    show(shots)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(shots), indent=1))


if __name__ == "__main__":
    main()
