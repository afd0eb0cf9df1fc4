"""The progress of a batch on a terminal, and its results at the end."""

from __future__ import annotations

import json
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import hfdask
from hfdask.cli.output import answer, say

_LISTED = 20
"""Failed rows that are listed; the manifest has all."""


def watch_batch(batch: hfdask.Batch) -> None:
    """Show a progress bar on standard error until the batch ends, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        batch.wait(raises=False)
        return
    columns = (
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} videos"),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("batch", total=batch.progress.rows, told="")
        while not (last := batch.done()):
            now = batch.progress
            bar.update(task, completed=now.done, told=_told(now))
            time.sleep(0.1)
        bar.update(task, completed=batch.progress.done, told=_told(batch.progress) if last else "")


def _told(now: hfdask.BatchProgress) -> str:
    parts = [f"{now.rate:.2f} a second"] if now.rate else []
    parts += [f"{now.failed} failed"] if now.failed else []
    parts += [f"{now.eta:.0f} s left"] if now.eta else []
    return ", ".join(parts)


def tell_batch(batch: hfdask.Batch, as_json: bool) -> bool:
    """Print the results so far; return true if a row has failed."""
    for warning in batch.warnings:
        say(f"warning: {warning}")
    if as_json:
        rows = [row.to_row() | {"warnings": list(row.warnings)} for row in batch.results()]
        answer(json.dumps({"manifest": batch.manifest, "rows": rows}, indent=2, allow_nan=False))
        return any(row["status"] == "failed" for row in rows)
    now = batch.progress
    failed = [row for row in batch.results() if row.failed]
    if failed:
        table = Table("row", "output", "code", "message", title=f"{len(failed)} rows failed")
        for row in failed[:_LISTED]:
            table.add_row(str(row.row), *(Text(hfdask.legible(text)) for text in (row.output, row.code, row.message)))
        Console(stderr=True, width=None if sys.stderr.isatty() else 10_000).print(table)
    answer(
        f"{now.done} of {now.rows} rows: {now.rendered} rendered, {now.copied} copied, {now.reused} reused, {now.failed} failed; "
        f"{now.frames} frames, {now.seconds:.1f} s ({now.rate:.2f} videos a second); {batch.manifest}"
    )
    return bool(failed)
