"""The notebooks run, and are committed with the outputs of a run and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode
from samples import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SAID = {
    "batch": "7 rendered, 1 copied, 0 failed",
    "chunk_sizes": "6 renders of 84 frames",
    "cluster": "some chunks were finished before: True\nthe same frames: True",
    "timing": "120 frames in 4 chunks",
}
MAX_BYTES = 300_000
PLACE = re.compile(r"(?<![\w.])/(?:tmp|home|root|var|work|mnt|Users)\b|\w+://|\b\d+\.\d+\.\d+\.\d+\b")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def tool(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import execute_notebooks

    return execute_notebooks


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: NotebookNode) -> set[str]:
    """Return the outputs of a code cell, without parts that differ from run to run."""
    return {kind for output in cell.outputs for kind in output.get("data", [output.get("name", "error")])}


def texts(notebook: NotebookNode) -> str:
    """All text of the outputs."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    shown = [text for output in outputs for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join([*shown, *(output.get("text", "") for output in outputs)])


def test_there_is_one_for_each_thing_to_show():
    assert [path.stem for path in NOTEBOOKS] == sorted(SAID)


@each
def test_a_committed_notebook_was_run_once_from_its_first_cell_to_its_last(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.source for cell in cells if not cell.outputs] == [cells[0].source]
    assert cells[0].metadata.tags == ["parameters"]


@each
def test_a_committed_notebook_has_no_error_and_no_warning(path):
    shown = set().union(*map(kinds, code_cells(nbformat.read(path, as_version=4))))
    assert "image/png" in shown
    assert {"error", "stderr"} & shown == set()


@each
def test_a_committed_notebook_is_small_and_says_nothing_of_the_machine(path, tool):
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < MAX_BYTES
    assert PLACE.findall(texts(notebook)) == []
    assert notebook.metadata == tool.METADATA
    assert {name for cell in notebook.cells for name in cell.metadata} == {"tags"}


def test_addresses_and_temporary_folders_are_replaced_in_outputs(tool):
    folder = f"{tool.tempfile.gettempdir()}/tmpabc"
    text = f"<b>file://{folder}/a.mp4</b> tcp://127.0.0.1:4711 {folder}/b inproc://1.2.3.4/5/6, tcp://127.0.0.1:4711"
    assert tool.anonymous(text) == "<b>a.mp4</b> (address 0) b (address 1) (address 0)"


@each
def test_files_that_a_notebook_links_to_are_there(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not (path.parent / link).exists()] == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
@each
def test_a_notebook_runs_and_shows_what_the_committed_one_shows(path, tool, tmp_path: Path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = tool.executed(path)
    # On a busy machine Dask warns of workers that end slowly.
    shown = [kinds(cell) - {"stderr"} for cell in code_cells(notebook)]
    assert shown == list(map(kinds, code_cells(nbformat.read(path, as_version=4))))
    assert SAID[path.stem] in texts(notebook)
