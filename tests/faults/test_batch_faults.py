"""Batches whose driver or workers are killed: no finished video is lost or rendered again, and nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aftermath import until
from cluster_processes import in_processes
from distributed import Client
from fake_browser import FakeBrowsers
from samples import paced

import hfdask
from hfdask.batch import row_tasks
from hfdask.cluster import liveness
from hfdask.errors import OutputBusyError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fake_browser", "nothing_left")]

ROWS = [{"id": number} for number in range(12)]

DRIVER = """
    import json, sys, hfdask
    from distributed import Client
    from fake_browser import faked
    address, project, output, options = sys.argv[1:]
    with faked(), Client(address, set_as_default=False) as client:
        rows = [{"id": number} for number in range(12)]
        hfdask.render_batch(project, rows, output, client=client, **json.loads(options)).wait()
"""


@contextmanager
def two_workers() -> Iterator[Client]:
    with in_processes() as client:
        client.register_plugin(FakeBrowsers())
        yield client


def driver(client: Client, project: Path, output: str, **options: Any) -> subprocess.Popen[bytes]:
    address = client.scheduler_info()["address"]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), address, project, output, json.dumps(options)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def noted(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("options", [{}, {"task_frames": 10, "chunk_size": 10}], ids=["tasks", "chunks"])
def test_after_a_killed_driver_the_same_call_goes_on(
    project: Callable[..., Path], tmp_path: Path, options: dict[str, Any]
) -> None:
    source, out = project(paced(15)), tmp_path / "out"
    with two_workers() as client:
        killed = driver(client, source, f"{out}/{{id}}.mp4", **options)
        assert until(lambda: len(noted(out / "batch.jsonl")) >= 3, 60)
        busy = hfdask.render_batch(source, ROWS, out / "{id}.mp4", client=client)
        with pytest.raises(OutputBusyError):
            busy.result(30)
        killed.kill()
        killed.wait()
        done = {line["row"]: line["digest"] for line in noted(out / "batch.jsonl")}
        assert 3 <= len(done) < 12
        times = {row: (out / f"{row}.mp4").stat().st_mtime_ns for row in done}
        table = hfdask.render_batch(source, ROWS, out / "{id}.mp4", client=client, **options).result(120)
    assert {row for row in range(12) if table.loc[row, "status"] == "reused"} == set(done)
    assert {row: (out / f"{row}.mp4").stat().st_mtime_ns for row in done} == times
    assert len(set(table["digest"])) == 1
    assert sorted(path.name for path in out.iterdir()) == sorted(["batch.jsonl", *(f"{row}.mp4" for row in range(12))])


def test_a_killed_worker_costs_no_row(project: Callable[..., Path], tmp_path: Path) -> None:
    source, out = project(paced(15)), tmp_path / "out"
    with two_workers() as client:
        batch = hfdask.render_batch(source, ROWS, out / "{id}.mp4", client=client)
        assert until(lambda: batch.progress.done >= 2, 60)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        table = batch.result(120)
    assert set(table["status"]) == {"rendered"}
    assert len(set(table["digest"])) == 1


def test_a_stopped_worker_holds_up_its_rows_only_for_a_while(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_tasks, "QUIET", 1.0)
    monkeypatch.setattr(row_tasks, "LOOK", 0.5)
    monkeypatch.setattr(liveness, "LOOK", 0.5)
    monkeypatch.setattr(liveness, "SILENT", 4.0)
    source, out = project(paced(15)), tmp_path / "out"
    with two_workers() as client:
        batch = hfdask.render_batch(source, ROWS, out / "{id}.mp4", client=client)
        assert until(lambda: batch.progress.done >= 2, 60)
        address, pid = next(iter(client.run(os.getpid).items()))
        os.kill(pid, signal.SIGSTOP)
        try:
            table = batch.result(120)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert set(table["status"]) == {"rendered"}
    assert list(table["worker"]).count(address) < 8
