"""The command line uses public names and its own modules only."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from pathlib import Path

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


def test_a_program_imports_without_the_garbage_collector_and_never_collects_what_it_imported(monkeypatch):
    collecting = []
    monkeypatch.setattr(hfdask, "start_browser", lambda: collecting.append(gc.isenabled()))
    monkeypatch.setattr(commands.main, "is_program", True)
    commands._begin("still")
    try:
        assert collecting == [False]
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


def test_a_call_in_another_program_leaves_its_garbage_collector_alone(monkeypatch):
    monkeypatch.setattr(hfdask, "start_browser", lambda: pytest.fail("the caller decides that"))
    with pytest.raises(SystemExit):
        cli.main(["still", "/nowhere", "-t", "0", "-o", "/nowhere/still.png"])
    assert gc.get_freeze_count() == 0
