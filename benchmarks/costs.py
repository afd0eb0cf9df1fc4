"""Compare chunks of equal cost with chunks of equal length, and expected costs with measured costs.

    costs.py --workers 2 --simulated 4 --repeat 3        # a film with one heavy scene
    costs.py --fit examples/title examples/film          # costs of frames of projects, in CPU and wall seconds
    costs.py --estimate examples/title examples/film     # estimates before and after a render, against it

Without projects it takes a generated film: twenty seconds of text, with three seconds in which a canvas draws 6,000
discs. Equal length and equal cost take turns. A simulated time gives the CPU seconds of a run's chunks to workers, in
the order in which the scheduler would start them. ``--fit`` compares the seconds of chunks with what their frames
do. The constants of `hfdask.planning.costs` came from that.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from projects import heavy_film
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

import hfdask
from hfdask.cluster.local import client_for
from hfdask.core.costs import expected_end
from hfdask.core.frames import chunk_ranges
from hfdask.core.model import Sweep, decode
from hfdask.core.video_clip import frames_of
from hfdask.manifest.location import SWEEP
from hfdask.planning.costs import picture_bytes

OPTIONS: dict[str, Any] = {"check": "off", "progress": False}
PLANNING = ("check", "compile", "probe", "sweep", "freeze", "mix")


def run(project: Path, workers: int, options: dict[str, int]) -> hfdask.RenderResult:
    """Render a project on workers of this process."""
    with tempfile.TemporaryDirectory(prefix="hfdask-costs-") as scratch, client_for(None, workers) as client:
        return hfdask.render(project, Path(scratch) / "out.mp4", client=client, **OPTIONS, **options)


def chunks_wall(result: hfdask.RenderResult) -> float:
    """Return the seconds of a render without planning."""
    return result.stages["total"] - sum(result.stages.get(stage, 0.0) for stage in PLANNING)


def compare(console: Console, project: Path, workers: int, simulated: int, repeat: int) -> None:
    """Print the times of both ways, which take turns."""
    with tempfile.TemporaryDirectory(prefix="hfdask-costs-") as scratch:
        frames = hfdask.plan(project, Path(scratch) / "plan", check="off").manifest.frames
    rows: dict[tuple[str, int], list[hfdask.RenderResult]] = {}
    for _ in range(repeat):
        for sized_for in dict.fromkeys((workers, simulated)):
            length = chunk_ranges(frames, workers=sized_for)[0][1]
            for way, options in (("equal length", {"chunk_size": length}), ("equal cost", {"workers": sized_for})):
                made = run(project, workers, options)
                rows.setdefault((way, sized_for), []).append(made)
                console.print(f"{way}, for {sized_for} workers: {chunks_wall(made):.1f} s")
    table = Table(title=f"{project.name}: medians of {repeat}, seconds")
    for name in (
        "chunks of",
        "for workers",
        "chunks",
        "dearest",
        f"wall on {workers}",
        "simulated",
        "worker s",
        "CPU s",
    ):
        table.add_column(name, justify="left" if name == "chunks of" else "right")
    for (way, sized_for), results in rows.items():
        seconds = [[chunk.seconds for chunk in result.chunks] for result in results]
        cpu = [[chunk.cpu_seconds for chunk in result.chunks] for result in results]
        table.add_row(
            way,
            str(sized_for),
            str(len(results[0].chunks)),
            f"{median(map(max, seconds)):.1f}",
            f"{median(map(chunks_wall, results)):.1f}" if sized_for == workers else "-",
            # CPU seconds, because wall seconds of chunks depend on what else the machine does.
            f"{median(expected_end(each, sized_for) for each in cpu):.1f}",
            f"{median(map(sum, seconds)):.1f}",
            f"{median(map(sum, cpu)):.1f}",
        )
    console.print(table)


def estimates(console: Console, projects: Sequence[Path], workers: int) -> None:
    """Print estimates that are made before and after a render, as shares of what the render took."""
    table = Table(title="Estimates / render, before and after it")
    for name in ("", "worker s", "CPU s", "bytes", "worker s of the render", "CPU s"):
        table.add_column(name, justify="right" if name else "left")
    for project in projects:
        before = hfdask.estimate(project, workers=workers, check="off").cost
        result = run(project, workers, {"workers": workers}).cost
        after = hfdask.estimate(project, workers=workers, check="off").cost
        ratios = (
            f"{getattr(before, name) / getattr(result, name):.2f}, {getattr(after, name) / getattr(result, name):.2f}"
            for name in ("worker_seconds", "cpu_seconds", "bytes_moved")
        )
        table.add_row(project.name, *ratios, f"{result.worker_seconds:.1f}", f"{result.cpu_seconds:.1f}")
        console.print(project.name)
    console.print(table)


def facts(project: Path, size: int) -> tuple[list[list[float]], list[float], list[float]]:
    """Render a project in one slot; return what the frames of each warm chunk do, and its CPU and wall seconds."""
    terms, cpu, wall = [], [], []
    with tempfile.TemporaryDirectory(prefix="hfdask-costs-") as scratch:
        folder = Path(scratch)
        with client_for(None, 1) as client:
            result = hfdask.render(
                project, folder / "a.mp4", client=client, plan_dir=folder / "plan", chunk_size=size, **OPTIONS
            )
        manifest = hfdask.Plan.open(folder / "plan").manifest
        sweep = decode((folder / "plan" / SWEEP).read_bytes(), Sweep, SWEEP)
        fullness = picture_bytes(manifest, sweep)
        megapixels = manifest.width * manifest.height / 1e6
        films = np.zeros(manifest.frames)
        for clip in manifest.clips:
            window = frames_of(clip, manifest.fps.fraction)
            films[max(0, window.start) : max(0, window.stop)] = 1
        for chunk in result.chunks:
            if chunk.warm:
                moving = np.array(hfdask.frame_record(chunk).damage)
                here = slice(chunk.start, chunk.end)
                terms.append(
                    [
                        1.0,
                        float(np.sum(~moving)),
                        megapixels * float(np.sum(moving)),
                        float(np.sum(fullness[here][moving])) / 1e6,
                        megapixels * float(np.sum(films[here][moving])),
                    ]
                )
                cpu.append(chunk.cpu_seconds)
                wall.append(chunk.seconds)
    return terms, cpu, wall


def fit(console: Console, projects: Sequence[Path], size: int) -> None:
    """Print what a chunk, a frame and its picture cost, over all warm chunks of the projects."""
    terms, cpu, wall = [], [], []
    for project in projects:
        found = facts(project, size)
        terms += found[0]
        cpu += found[1]
        wall += found[2]
        console.print(
            f"{project.name}: {len(found[1])} warm chunks, CPU {sum(found[1]):.1f} s, wall {sum(found[2]):.1f} s"
        )
    table = Table(title=f"Costs by least squares, over {len(terms)} chunks of {size} frames")
    for name in ("", "chunk, ms", "still frame, ms", "moving, ms/Mpixel", "PNG, ms/MB", "film, ms/Mpixel", "error"):
        table.add_column(name, justify="right" if name else "left")
    for name, seconds in (("CPU", cpu), ("wall", wall)):
        # Relative errors count, so that dear projects do not decide alone.
        weights = 1 / np.array(seconds)
        found = nnls(np.array(terms) * weights[:, None], np.ones(len(seconds)))[0]
        error = median(abs(np.array(terms) @ found / np.array(seconds) - 1))
        table.add_row(name, *(f"{1000 * value:.1f}" for value in found), f"{error:.0%}")
    console.print(table)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("projects", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--workers", type=int, default=2, show_default=True, help="Chunks to render at a time.")
@click.option("--simulated", type=int, default=4, show_default=True, help="Workers to simulate.")
@click.option("--repeat", type=int, default=3, show_default=True, help="Rounds.")
@click.option("--fit", "fits", is_flag=True, help="Measure the costs of frames instead.")
@click.option("--estimate", "estimated", is_flag=True, help="Compare estimates with renders instead.")
@click.option("--chunk-size", type=int, default=15, show_default=True, help="Frames of a chunk, with --fit.")
def main(
    projects: Sequence[Path], workers: int, simulated: int, repeat: int, fits: bool, estimated: bool, chunk_size: int
) -> None:
    """Compare chunks of equal cost with chunks of equal length."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    with tempfile.TemporaryDirectory(prefix="hfdask-costs-") as scratch:
        chosen = list(projects) or [heavy_film(Path(scratch))]
        try:
            if fits:
                fit(console, chosen, chunk_size)
            elif estimated:
                estimates(console, chosen, workers)
            else:
                for project in chosen:
                    compare(console, project, workers, simulated, repeat)
        finally:
            hfdask.close_browsers()


if __name__ == "__main__":
    main()
