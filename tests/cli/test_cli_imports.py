"""The command line uses public names and its own modules only."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from test_errors import all_errors

import hfdask
from hfdask import cli
from hfdask.cli import commands

MODULES = sorted(Path(cli.__file__).parent.glob("*.py"))


def test_the_command_line_imports_public_modules_only():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = {name for name in imported if name.partition(".")[0] == "hfdask"}
            assert {name for name in ours if not name.startswith("hfdask.cli.")} <= {"hfdask", "hfdask.errors"}, path


def test_the_command_line_uses_public_names_only():
    used = {"hfdask": set[str](), "hfdask.errors": set[str]()}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hfdask":
                used["hfdask"].add(node.attr)
            if isinstance(node, ast.ImportFrom) and node.module in used:
                used[node.module] |= {alias.name for alias in node.names}
    assert {"render", "RenderConfig"} <= used["hfdask"] <= {*hfdask.__all__}
    assert {"HfdaskError"} <= used["hfdask.errors"] <= {kind.__name__ for kind in all_errors()}


_LARGE = {"aiohttp", "dask", "distributed", "fsspec", "playwright", "rich", "tornado"}


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--version"], {*_LARGE, "av", "numpy"}),
        (["--help"], {*_LARGE, "av", "numpy"}),
        (["no-such-command"], {*_LARGE, "av", "numpy"}),
        (["render", "--help"], _LARGE),
    ],
)
def test_a_command_that_only_answers_about_itself_imports_no_large_package(arguments, spared):
    code = f"import sys\nfrom hfdask.cli import main\ntry: main({arguments})\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    imported = done.stderr.split()
    assert "click" in imported
    assert not spared & {*imported}


def prepared(command, *arguments):
    """Parse the arguments of a command as the program does."""
    return command.make_context(command.name, [*arguments], parent=click.Context(commands.main))


def test_a_program_imports_without_the_garbage_collector_and_never_collects_what_it_imported(monkeypatch):
    collecting = []
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr(hfdask, "start_browser", lambda: collecting.append(gc.isenabled()))
    monkeypatch.setattr(commands.main, "is_program", True)
    prepared(commands.still, "project", "-t", "0", "-o", "still.png")
    try:
        assert collecting == [False]
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


STARTS = """
import sys, hfdask
hfdask.start_browser = lambda: print("starts", "hfdask.config" in sys.modules, "distributed" in sys.modules)
from hfdask.cli import main
main()
"""


@pytest.mark.sample("arguments0-starts False False\\n", "arguments2-")
@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (["render", "/nowhere", "-o", "/nowhere/x.mp4"], "starts False False\n"),
        (["render", "/nowhere"], "starts False False\n"),
        (["render", "/nowhere", "--scheduler=nothing", "-o", "/nowhere/x.mp4"], ""),
        (["batch", "/nowhere", "rows.csv", "--scheduler", "nothing", "-o", "/nowhere/x.mp4"], ""),
        (["chunk", "/nowhere", "0"], ""),
    ],
)
def test_a_browser_starts_before_the_options_are_made_unless_there_is_a_scheduler(arguments, starts):
    done = subprocess.run([sys.executable, "-c", STARTS, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 or "/nowhere" in done.stderr
    assert done.stdout == starts


THREADS = """
import os, sys, hfdask
hfdask.start_browser = lambda: print(os.environ["OPENBLAS_NUM_THREADS"], "numpy" in sys.modules)
from hfdask.cli import main
try: main()
finally: print("numpy" in sys.modules)
"""


@pytest.mark.sample("given0-1")
@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_a_program_starts_no_threads_for_matrices_unless_it_is_told_to(given, threads):
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | given
    arguments = ["render", "/nowhere", "-o", "/nowhere/x.mp4"]
    done = subprocess.run(
        [sys.executable, "-c", THREADS, *arguments], capture_output=True, text=True, check=False, env=env
    )
    assert done.stdout == f"{threads} False\nTrue\n"


def test_a_usage_error_is_reported_before_the_browser_ends(monkeypatch, capsys):
    told = []
    monkeypatch.setattr(hfdask, "start_browser", lambda: None)
    monkeypatch.setattr(hfdask, "close_browsers", lambda: told.append(capsys.readouterr().err))
    monkeypatch.setattr(sys, "argv", ["hfdask", "still", "project", "--no-such-option"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 2
    assert "no-such-option" in told[0]
    assert not capsys.readouterr().err


def test_a_call_in_another_program_leaves_its_garbage_collector_alone(monkeypatch):
    monkeypatch.setattr(hfdask, "start_browser", lambda: pytest.fail("the caller decides that"))
    with pytest.raises(SystemExit):
        cli.main(["still", "/nowhere", "-t", "0", "-o", "/nowhere/still.png"])
    assert gc.get_freeze_count() == 0
