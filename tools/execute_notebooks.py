"""Execute the notebooks anew and keep their outputs (`make notebooks`).

Everything in a notebook but text, code and outputs is removed, because it would differ from machine to machine: times
of execution, versions of Python, settings of an editor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(path: Path, seconds: float = 300) -> NotebookNode:
    """Run a notebook in its own folder, and return it with new outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises an error.
    nbclient.exceptions.CellTimeoutError
        If a cell takes longer than this.
    """
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources=where, record_timing=False).execute()
    notebook.metadata = NotebookNode(METADATA)
    for cell in notebook.cells:
        cell.metadata = NotebookNode({name: value for name, value in cell.metadata.items() if name == "tags"})
    return notebook


def main(names: list[str]) -> None:
    """Execute the named notebooks in place, or all of them."""
    for path in map(Path, names) if names else sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(path), path)
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
