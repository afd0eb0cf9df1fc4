"""Time whole renders, each in a fresh process, next to the goals. `peer.py` compares them with another renderer's.

Whole renders, because that is what a user waits for; fresh processes, because a warm browser or a filled cache would
flatter; the whole process tree, because most of the work is done by children. Every case has its turn in every round
(A B C A B C ...), so that a slow minute of the machine falls on all of them.

Machines are noisy: other tenants, clock rates, caches. Compare numbers of one run of this script only, and best as
ratios; numbers of two runs, of one machine even, can differ by a third without any cause in the code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import msgspec
from measure import Case, Run, run_ours
from projects import gsap_text_animation, static_page, text_animation
from report import (
    Goal,
    fixed_costs,
    fixed_goal,
    show_cases,
    show_fixed,
    show_goals,
    static_goal,
    summarise,
    text_goal,
)
from rich.console import Console

GSAP = Path(__file__).parent.parent / "examples" / "gsap" / "vendor" / "gsap.min.js"


@dataclass
class Bench:
    """All runs so far."""

    folder: Path
    console: Console
    timeout: float
    runs: list[Run] = field(default_factory=list)

    def turn(self, case: Case, number: int) -> None:
        """Render a case once."""
        run = run_ours(case, self.folder / "ours.mp4", number, self.timeout)
        self.runs.append(run)
        told = run.error or f"{run.usage.wall:.2f} s, CPU {run.usage.cpu:.2f} s"
        self.console.print(f"{number + 1}: {run.label}: {told}", markup=False, highlight=False)

    def of_case(self, case: Case) -> list[Run]:
        return [run for run in self.runs if run.label == case.label]


def _numbers(_: click.Context, parameter: click.Parameter, text: str) -> list[int | None]:
    try:
        values = [None if part.strip() == "auto" else int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of whole numbers", param=parameter) from error
    if any(value is not None and value < 1 for value in values) or (parameter.name == "workers" and None in values):
        raise click.BadParameter("numbers must be at least 1", param=parameter)
    return list(dict.fromkeys(values))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("projects", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--workers", default="1,2", callback=_numbers, show_default=True, help="Chunks at a time, a list.")
@click.option("--chunk-size", default="15,30,60,auto", callback=_numbers, show_default=True, help="Frames, a list.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@click.option("--fps", help="Frames a second.  [default: the project's]")
@click.option("--quality", type=click.Choice(["draft", "standard", "high"]), help="Preset.  [default: standard]")
@click.option("--generated/--no-generated", default=True, help="Render the generated projects that have goals.")
@click.option("--static-seconds", type=float, default=60.0, show_default=True, help="Length of the static page.")
@click.option("--timeout", type=float, default=900.0, show_default=True, help="Seconds that a run may take.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it there.")
def main(projects: Sequence[Path], json_file: Path | None, **settings: Any) -> None:
    """Time whole renders of PROJECTS, and of generated projects that have goals."""
    console = Console(stderr=True)
    environment = _environment()
    options = {name: settings[name] for name in ("fps", "quality") if settings[name] is not None}
    if len({project.resolve().name for project in projects}) < len(projects):
        raise click.UsageError("projects are told apart by the names of their folders, and two have the same")
    with tempfile.TemporaryDirectory(prefix="hfdask-bench-") as scratch:
        bench = Bench(Path(scratch), console, settings["timeout"])
        given = [
            Case(project.resolve(), workers, size, options)
            for project in projects
            for workers in settings["workers"]
            for size in settings["chunk_size"]
        ]
        generated = _generated(bench.folder, settings, options) if settings["generated"] else []
        for number in range(settings["repeat"]):
            for case in (*given, *generated):
                bench.turn(case, number)
        document = _evaluate(bench, given, generated)
    document = {"environment": environment, "settings": _plain(settings, projects), **document}
    _show(document)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1))
    sys.exit(1 if any(run.error for run in bench.runs) else 0)


def _generated(folder: Path, settings: dict[str, Any], options: dict[str, Any]) -> list[Case]:
    made = [static_page(folder, settings["static_seconds"]), text_animation(folder)]
    if GSAP.is_file():
        made.append(gsap_text_animation(folder, GSAP))
    # The goals are set for one frame rate, whatever the given projects are rendered at.
    options = {name: value for name, value in options.items() if name != "fps"}
    return [Case(project, max(settings["workers"]), None, options) for project in made]


def _evaluate(bench: Bench, given: Sequence[Case], generated: Sequence[Case]) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    for (name, workers), cases in groupby(given, lambda case: (case.name, case.workers)):
        runs = [run for case in cases for run in bench.of_case(case)]
        costs[f"{name}, {workers} workers"] = fixed_costs(runs)
    goals: list[Goal] = [goal for label, cost in costs.items() for goal in fixed_goal(label, cost)]
    for case in generated:
        runs = bench.of_case(case)
        goals.append(static_goal(runs) if case.name == "static" else text_goal(case.name, runs))
    groups: dict[str, list[Run]] = {}
    for run in bench.runs:
        groups.setdefault(run.label, []).append(run)
    return {
        "cases": [summarise(runs) for runs in groups.values()],
        "fixed_costs": costs,
        "goals": goals,
        "runs": bench.runs,
    }


def _show(document: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 180)
    show_cases(console, document["cases"])
    if document["fixed_costs"]:
        show_fixed(console, document["fixed_costs"])
    show_goals(console, document["goals"])


def _environment() -> dict[str, Any]:
    command = [sys.executable, "-m", "hfdask", "doctor", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    try:
        facts: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        facts = {"error": (answer.stdout + answer.stderr)[-500:]}
    return {**facts, "load_average": os.getloadavg()}


def _plain(settings: dict[str, Any], projects: Sequence[Path]) -> dict[str, Any]:
    return {**settings, "projects": [str(project) for project in projects]}


if __name__ == "__main__":
    main()
