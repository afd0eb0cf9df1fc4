"""What commands cost besides their frames: wall and CPU seconds of whole commands, each in a fresh process.

    python benchmarks/startup.py                             # this tree
    python benchmarks/startup.py --tree old=/path/to/another/tree --repeat 7

Trees take turns. The table has the least of all runs, because whatever else the machine does only adds to it. CPU is of
all processes, also of browsers that had to be waited for. "to the first chunk" goes from the start of the process to the begin of the first
chunk's task, "after the last frame" from the end of the last chunk's encoding to the video at its place.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from process_tree import measure

ROOT = Path(__file__).parents[1]
TIMEOUT = 300.0


def main() -> int:
    """Run all commands in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT / "examples" / "title")
    parser.add_argument("--tree", action="append", default=[], metavar="NAME=FOLDER", help="another tree of hfdask")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only these commands")
    arguments = parser.parse_args()
    trees = {"here": str(ROOT), **dict(each.split("=", 1) for each in arguments.tree)}
    seen: defaultdict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in trees})
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeat):
            for name, command in commands(arguments.project.resolve(), Path(folder)).items():
                if arguments.only and name not in arguments.only:
                    continue
                for tree, path in trees.items():
                    for what, seconds in run(command, Path(folder), path).items():
                        seen[f"{name}, {what}"][tree].append(seconds)
    print(f"{'least seconds':44}" + "".join(f"{tree:>10}" for tree in trees))
    for what, by_tree in seen.items():
        print(f"{what:44}" + "".join(f"{min(seconds):10.2f}" for seconds in by_tree.values()))
    return 0


def commands(project: Path, folder: Path) -> dict[str, list[str]]:
    """Return the commands to measure, by name."""
    video = ["-o", str(folder / "out.mp4"), "--json"]
    return {
        "version": ["--version"],
        "help": ["--help"],
        "check": ["check", str(project)],
        "still": ["still", str(project), "-t", "1", "-o", str(folder / "out.png")],
        "render": ["render", str(project), *video],
    }


def run(command: list[str], folder: Path, tree: str) -> dict[str, float]:
    """Run a command, and return its seconds by kind."""
    os.environ["PYTHONPATH"] = tree
    began = time.time()
    usage = measure([sys.executable, "-P", "-m", "hfdask", *command], timeout=TIMEOUT)
    if usage.status:
        raise SystemExit(f"{command} failed:\n{usage.err}")
    seconds = {"wall": usage.wall, "CPU": usage.cpu}
    if command[0] == "render":
        placed = (folder / "out.mp4").stat().st_ctime
        seconds |= chunk_seconds(json.loads(usage.out)["chunks"], began, placed)
    return seconds


def chunk_seconds(chunks: list[dict[str, Any]], began: float, placed: float) -> dict[str, float]:
    """Return the seconds before the first and after the last chunk of a render."""
    encoded = [chunk["began"] + chunk["seconds"] - chunk["stages"].get("upload", 0) for chunk in chunks]
    return {
        "to the first chunk": min(chunk["began"] for chunk in chunks) - began,
        "after the last frame": placed - max(encoded),
    }


if __name__ == "__main__":
    sys.exit(main())
