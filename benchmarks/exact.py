"""Show that frames depend on nothing: render projects in every way, and compare the digests of all frames.

    python benchmarks/exact.py examples/title examples/webgl
    python benchmarks/exact.py examples/film --modes beginframe screenshot

Each way of capture is planned once. The frames of its only chunk are the reference. Then the same plan is rendered in 2 and 7
chunks, with the damage test and without, and as one chunk whose browser, GPU process and renderer are killed one after the other.
Planning and assembly have no part in this: ``tests/test_determinism.py`` has them.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

import hfdask
from hfdask.core.model import CaptureMode
from hfdask.core.observer import Observer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from chunked import digests, records, split

MODES: tuple[CaptureMode, ...] = ("beginframe", "canvas", "screenshot")
VICTIMS = {"browser": "headless", "gpu-process": "--type=gpu-process", "renderer": "--type=renderer"}


class Killer(Observer):
    """Kill a browser's processes, one kind at each of these frames."""

    def __init__(self, frames: list[int]) -> None:
        self.killed: list[str] = []
        self._at = dict(zip(frames, VICTIMS, strict=True))

    def frame(self, index: int, *_: Any, **__: Any) -> None:
        if victim := self._at.pop(index, ""):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # a zombie of an earlier one
                    line = " ".join(process.cmdline())
                    if VICTIMS[victim] in line and ("--type=" in line) == (victim != "browser"):
                        process.kill()
                        self.killed.append(victim)


def ways(plan: hfdask.Plan, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Render a plan of one chunk in other ways; yield their names and the digests of all frames."""
    frames = plan.manifest.frames
    yield "1 chunk, no test", digests(records(plan, folder / "1", damage_test=False))
    for count in (2, 7):
        parts = split(plan, folder, count)
        yield f"{count} chunks", digests(records(parts, folder / f"{count}"))
        yield f"{count}, no test", digests(records(parts, folder / f"{count}-all", damage_test=False))
    killer = Killer([frames * share // 4 for share in (1, 2, 3)])
    yield "3 kills", digests(records(plan, folder / "killed", observer=killer))
    assert {*killer.killed} == {*VICTIMS}, killer.killed


def compared(project: Path, mode: CaptureMode) -> tuple[int, int, dict[str, list[int]]]:
    """Return the number of frames and of different pictures, and the frames that differ by the way of rendering."""
    with tempfile.TemporaryDirectory(prefix="hfdask-exact-") as scratch:
        folder = Path(scratch)
        plan = hfdask.plan(project, folder / "plan", capture=mode, chunk_size=3600, check="off")
        whole = digests(records(plan, folder / "whole"))
        differ = {
            name: [number for number, pair in enumerate(zip(whole, found, strict=True)) if pair[0] != pair[1]]
            for name, found in ways(plan, folder)
        }
        return len(whole), len(set(whole)), differ


def main() -> int:
    """Print a table, and return 1 if any frame differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", type=Path)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    options = parser.parse_args()
    titled = wrong = False
    for project in options.projects:
        for mode in options.modes:
            frames, pictures, differ = compared(project, mode)
            if not titled:
                titles = ["project", "capture", "frames", "pictures", *differ]
                print(f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}")
                titled = True
            cells = [f"{len(those)} differ, first {those[0]}" if those else "equal" for those in differ.values()]
            wrong |= any(differ.values())
            print(f"| {' | '.join([project.name, mode, str(frames), str(pictures), *cells])} |", flush=True)
    hfdask.close_browsers()
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
