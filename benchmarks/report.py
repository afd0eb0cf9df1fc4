"""Summaries of runs: medians with their range, fixed costs, goals; as tables and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from measure import Chunk, Run, busy_seconds, intercept
from rich.console import Console
from rich.table import Table

STAGES = ("start", "plan", "boot", "capture", "encode", "assemble")

STATIC_GOAL = 8.0
"""Milliseconds of a frame, in total, of a page on which nothing changes."""
TEXT_GOAL = 3.5
"""Seconds of capture and encode of the 120-frame text animation on 2 cores."""
FIXED_GOAL = 0.5
"""Seconds that a warm chunk takes besides its frames."""


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some values."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        known = list(values)
        return cls(median(known), min(known), max(known)) if known else None

    def show(self, pattern: str = "{:.2f}", factor: float = 1.0) -> str:
        middle, low, high = (pattern.format(value * factor) for value in (self.median, self.min, self.max))
        return middle if low == high else f"{middle} ({low}-{high})"


@dataclass(frozen=True)
class Goal:
    """A number to reach; ``met`` is None if it was not measured."""

    name: str
    unit: str
    limit: float
    value: float | None

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """The runs of one case as spreads; failed runs are only counted."""
    good = [run for run in runs if not run.error]
    cpu_per_frame = [run.usage.cpu / run.frames for run in good if run.frames]
    return {
        "label": runs[0].label,
        "runs": len(runs),
        "failed": len(runs) - len(good),
        "wall": Spread.of(run.usage.wall for run in good),
        "fps": Spread.of(run.frames / run.usage.wall for run in good if run.frames),
        "cpu": Spread.of(run.usage.cpu for run in good),
        "cpu_per_frame": Spread.of(cpu_per_frame),
        "memory": Spread.of(run.usage.memory for run in good),
        "memory_kind": "rss" if any(run.usage.memory_kind == "rss" for run in good) else "pss",
        "size": Spread.of(run.size for run in good),
        "static_frames": Spread.of(run.static_frames for run in good if run.frames),
        "stages": {name: Spread.of(run.stages[name] for run in good if name in run.stages) for name in STAGES},
        "left_behind": sum(run.usage.left_behind for run in good),
    }


def fixed_costs(runs: Sequence[Run]) -> dict[str, Any]:
    """The fixed cost of warm chunks of one project and number of workers, both ways."""
    warm = [chunk for run in runs for chunk in run.chunks if chunk.warm]
    line = intercept(warm)
    return {
        "warm_chunks": len(warm),
        "cold_chunks": sum(len(run.chunks) for run in runs) - len(warm),
        "records": Spread.of(chunk.fixed for chunk in warm),
        "outside_stages": Spread.of(_outside(chunk) for chunk in warm),
        "further": _further_chunk(runs),
        "intercept": line[0] if line else None,
        "seconds_per_frame": line[1] if line else None,
        "frames": sorted({chunk.frames for chunk in warm}),
    }


def _further_chunk(runs: Sequence[Run]) -> dict[str, float] | None:
    """Return the cost of each further chunk for the same frames, in wall and CPU seconds; None for one count only."""
    good = [run for run in runs if not run.error]
    counts = [len(run.chunks) for run in good]
    if len(set(counts)) < 2:
        return None
    return {
        "wall": float(np.polyfit(counts, [run.usage.wall for run in good], 1)[0]),
        "cpu": float(np.polyfit(counts, [run.usage.cpu for run in good], 1)[0]),
    }


def _outside(chunk: Chunk) -> float:
    """Seconds of a chunk that no stage accounts for, at most: capture and encode overlap, so the longer one counts."""
    return chunk.wall - chunk.fixed - max(chunk.stages.get("capture", 0.0), chunk.stages.get("encode", 0.0))


def static_goal(runs: Sequence[Run]) -> Goal:
    spread = Spread.of(1000 * run.usage.wall / run.frames for run in runs if not run.error)
    return Goal("static page, whole render", "ms/frame", STATIC_GOAL, spread.median if spread else None)


def text_goal(name: str, runs: Sequence[Run]) -> Goal:
    spread = Spread.of(busy_seconds(run.chunks) for run in runs if not run.error)
    return Goal(f"{name}, capture and encode", "s", TEXT_GOAL, spread.median if spread else None)


def fixed_goal(label: str, costs: dict[str, Any]) -> list[Goal]:
    records: Spread | None = costs["records"]
    further: dict[str, float] | None = costs["further"]
    return [
        Goal(f"warm chunk, records: {label}", "s", FIXED_GOAL, records.median if records else None),
        Goal(f"further chunk, whole render: {label}", "s", FIXED_GOAL, further and further["wall"]),
        Goal(f"warm chunk, intercept: {label}", "s", FIXED_GOAL, costs["intercept"]),
    ]


def show_cases(console: Console, cases: Sequence[dict[str, Any]]) -> None:
    table = Table(title="Whole renders: median (min-max)")
    for name in ("", "wall s", "frames/s", "CPU s", "CPU ms/frame", "peak MB", "output MB", "static"):
        table.add_column(name, justify="right" if name else "left")
    stages = Table(title="Seconds by stage (boot, capture and encode are sums over chunks)")
    for name in ("", *STAGES):
        stages.add_column(name, justify="right" if name else "left")
    for case in cases:
        flag = " RSS" if case["memory_kind"] == "rss" else ""
        failed = f" [{case['failed']} of {case['runs']} failed]" if case["failed"] else ""
        row = [
            _cell(case["wall"]),
            _cell(case["fps"], "{:.1f}"),
            _cell(case["cpu"]),
            _cell(case["cpu_per_frame"], "{:.1f}", 1e3),
        ]
        row += [
            _cell(case["memory"], "{:.0f}", 1e-6) + flag,
            _cell(case["size"], "{:.2f}", 1e-6),
            _cell(case["static_frames"], "{:.0f}"),
        ]
        table.add_row(case["label"] + failed, *row)
        if any(case["stages"].values()):
            stages.add_row(case["label"], *(_cell(case["stages"][name]) for name in STAGES))
    console.print(table, stages)


def show_fixed(console: Console, costs: dict[str, dict[str, Any]]) -> None:
    table = Table(title="Fixed cost of a warm chunk, seconds")
    for name in (
        "",
        "warm/cold",
        "records",
        "outside stages",
        "intercept",
        "ms/frame",
        "chunk frames",
        "further: wall",
        "CPU",
    ):
        table.add_column(name, justify="right" if name else "left")
    for label, cost in costs.items():
        line = ["-", "-"]
        if cost["intercept"] is not None:
            line = [f"{cost['intercept']:.2f}", f"{1000 * cost['seconds_per_frame']:.1f}"]
        frames = ", ".join(map(str, cost["frames"]))
        counts = f"{cost['warm_chunks']}/{cost['cold_chunks']}"
        further = [f"{cost['further'][name]:.2f}" if cost["further"] else "-" for name in ("wall", "cpu")]
        table.add_row(label, counts, _cell(cost["records"]), _cell(cost["outside_stages"]), *line, frames, *further)
    console.print(table)


def show_goals(console: Console, goals: Sequence[Goal]) -> None:
    table = Table(title="Goals")
    for name in ("", "measured", "goal", ""):
        table.add_column(name)
    for goal in goals:
        verdict = {True: "[green]met[/]", False: "[red]not met[/]", None: "not measured"}[goal.met]
        value = "-" if goal.value is None else f"{goal.value:.2f} {goal.unit}"
        table.add_row(goal.name, value, f"<= {goal.limit:g} {goal.unit}", verdict)
    console.print(table)


def _cell(spread: Spread | None, pattern: str = "{:.2f}", factor: float = 1.0) -> str:
    return spread.show(pattern, factor) if spread else "-"
