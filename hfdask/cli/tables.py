"""Tables on a terminal. Commands import this module when they need it, because most print none."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.cli.output import answer


def show_findings(report: hfdask.CheckReport) -> None:
    """Print what a check found."""
    _console(10_000).print(report)  # do not wrap lines in a log


def show_survey(report: hfdask.FleetReport) -> None:
    """Print the facts of all workers, and mark facts that differ."""
    table = Table("", *report.workers)
    for name in dict.fromkeys(name for found in report.workers.values() for name in found.facts):
        style = "bold red" if name in report.differing else None
        mark = "\u2260 " if name in report.differing else "  "
        table.add_row(mark + name, *(found.facts.get(name, "-") for found in report.workers.values()), style=style)
    _console(40 + 40 * len(report.workers)).print(table)


def show_benchmark(result: hfdask.Benchmark) -> None:
    """Print a benchmark."""
    rows = result.summary()
    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        cells = (f"{value:.2f}" if isinstance(value, float) else value for value in row.values())
        table.add_row(*("-" if cell is None else str(cell) for cell in cells))
    _console(120).print(table)
    answer(str(result))


def show_explanation(plan: hfdask.Plan, workers: int | None) -> None:
    """Print the chunks of a plan, and what they are expected to cost."""
    explanation = hfdask.explain(plan)
    answer(f"{len(plan.manifest.chunks)} chunks of {explanation.split}")
    table = Table("chunk", "frames", "", "cost", "share", "begins", "seconds, about")
    for each in explanation.chunks:
        chunk, seconds = each.chunk, "-" if each.seconds is None else f"{each.seconds:.1f}"
        place = f"{chunk.start}-{chunk.end - 1}"
        row = (str(chunk.index), place, str(chunk.frames), str(chunk.cost), f"{each.share:.0%}")
        table.add_row(*row, str(each.turn), seconds)
    if explanation.chunks:
        _console(100).print(table)
    if workers and (wall := explanation.seconds(workers)):
        answer(f"about {wall:.1f} s on {workers} workers, without planning")


def _console(width: int) -> Console:
    """Return standard output, with this width if it is not a terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else width)
