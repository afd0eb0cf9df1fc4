"""`hfdask batch`: rows from a file, the results as text or JSON, and an exit status for rows that failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields

import click
import pytest
from aftermath import until
from click.testing import CliRunner
from samples import paced

from hfdask.cli import main
from hfdask.config import RenderConfig

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("id,title\n007,Ada\n008,Grace\n009,Ada\n")
    return file


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(main, ["batch", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


def test_a_file_of_rows_becomes_videos(project, rows, tmp_path):
    out = tmp_path / "out"
    said = run(project(), rows, "-o", f"{out}/{{id}}.mp4", "--ignore", "id", "--fps", 10, "--manifest", out / "m.jsonl")
    assert said.stdout.startswith("3 of 3 rows: 2 rendered, 1 copied, 0 reused, 0 failed; 30 frames")
    assert sorted(path.name for path in out.iterdir()) == ["007.mp4", "008.mp4", "009.mp4", "m.jsonl"]
    again = run(
        project(),
        rows,
        "-o",
        f"{out}/{{id}}.mp4",
        "--ignore",
        "id",
        "--fps",
        10,
        "--manifest",
        out / "m.jsonl",
        "--json",
    )
    document = json.loads(again.stdout)
    assert [row["status"] for row in document["rows"]] == ["reused"] * 3
    assert document["manifest"] == str(out / "m.jsonl")


def test_rows_that_fail_give_an_exit_status_of_their_own(project, rows, tmp_path):
    (tmp_path / "out" / "008.mp4").mkdir(parents=True)
    said = run(project(), rows, "-o", f"{tmp_path}/out/{{id}}.mp4", status=7)
    assert "1 failed" in said.stdout
    assert "OUTPUT_NOT_WRITABLE" in said.stderr
    said = run(project(), rows, "-o", f"{tmp_path}/out/{{id}}.mp4", "--on-error", "raise", status=5)
    assert "row 1, 008.mp4" in said.stderr
    assert "2 reused" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["-o", "{name}.mp4"],
            "INVALID_ROWS: 3 rows cannot be rendered, so nothing was: row 0: it has no column 'name'",
        ),
        (["-o", "video.mp4"], "INVALID_CONFIG: 'video.mp4' is the same name for all rows"),
    ],
)
def test_what_cannot_be_rendered_is_refused_before_anything_runs(project, rows, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert run(project(), rows, *arguments, status=2).stderr.startswith(said)


def test_the_command_has_the_options_of_a_plan():
    named = {each.name for each in main.commands["batch"].params if isinstance(each, click.Option)}
    assert {item.name for item in fields(RenderConfig)} | {"retries", "strict", "damage_test"} <= named
    assert named.isdisjoint({"plan_dir", "certificate"})


@pytest.mark.slow
def test_an_interrupted_batch_ends_at_once_and_the_next_one_goes_on(project, rows, tmp_path, nothing_left):
    rows.write_text("id\n" + "".join(f"{number}\n" for number in range(30)))
    code = "from fake_browser import faked\nfrom hfdask.cli import main\nwith faked():\n    main()"
    arguments = ["batch", project(paced(10)), rows, "-o", f"{tmp_path}/out/{{id}}.mp4", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    manifest = tmp_path / "out" / "batch.jsonl"
    assert until(lambda: manifest.exists() and len(manifest.read_bytes().splitlines()) >= 3, 60)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert len(json.loads(output)["rows"]) >= 3
    assert b"RENDER_CANCELLED" in errors
    again = run(project(paced(10)), rows, "-o", f"{tmp_path}/out/{{id}}.mp4", "--json")
    statuses = [row["status"] for row in json.loads(again.stdout)["rows"]]
    assert statuses.count("reused") >= 3
    assert statuses.count("reused") + statuses.count("rendered") == 30
