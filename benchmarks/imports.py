"""Seconds that imports take, each in a fresh process, as medians: `python benchmarks/imports.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STATEMENTS = [
    "pass",
    "import hfdask",
    "from hfdask import assemble",
    "from hfdask import plan",
    "from hfdask import render",
]
ROUNDS = 7


def main() -> None:
    """Take each statement in turn, so that a busy machine hits all alike."""
    seconds: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for _ in range(ROUNDS):
        for statement in STATEMENTS:
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            seconds[statement].append(time.perf_counter() - began)
    bare = statistics.median(seconds["pass"])
    for statement, all_seconds in seconds.items():
        middle = statistics.median(all_seconds)
        print(f"{statement:30} {middle:6.2f} s, {middle - bare:6.2f} s more than nothing")


if __name__ == "__main__":
    main()
