"""Execute the notebooks anew and keep their outputs (`make notebooks`).

Everything in a notebook but text, code and outputs is removed, because it would differ from machine to machine: times
of execution, versions of Python, settings of an editor. In outputs, addresses and temporary folders are replaced.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


_ADDRESS = re.compile(r"\b(?:file|http|inproc|tcp)://[^\s<>'\"]*")
_FOLDER = re.compile(rf"{re.escape(tempfile.gettempdir())}/[^\s<>'\"/]*/?")


def anonymous(text: str) -> str:
    """Replace the addresses of this machine's processes by numbers, and leave temporary folders out."""
    text = _FOLDER.sub("", text.replace("file:///", "/"))
    found = dict.fromkeys(_ADDRESS.findall(text))
    for number, address in enumerate(found):
        text = text.replace(address, f"(address {number})")
    return text


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
        for output in cell.get("outputs", ()):
            if "text" in output:
                output.text = anonymous(output.text)
            for kind, text in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = anonymous(text)
    return notebook


def main(names: list[str]) -> None:
    """Execute the named notebooks in place, or all of them."""
    for path in map(Path, names) if names else sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(path), path)
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
