"""A wall clock that a test can put forward and back, in this process and in workers; nothing else of a process's time changes."""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin

YEAR = 365 * 86400.0


class Offset:
    """Seconds that all processes share, in a file."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(8))
        self.path = path

    def set(self, seconds: float) -> None:
        with self.path.open("r+b") as file:
            file.write(struct.pack("d", seconds))


class Clock:
    """Takes the place of `time.time`; a pickled one is the clock of wherever it gets to."""

    __name__ = "time"

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        self.shared = mmap.mmap(descriptor, 8, prot=mmap.PROT_READ)
        os.close(descriptor)
        self.real = time.time

    def __call__(self) -> float:
        return self.real() + float(struct.unpack("d", self.shared[:])[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _clock_here, ()


def _clock_here() -> Callable[[], float]:
    return time.time


def put_clock(path: Path) -> list[tuple[object, object]]:
    """Make this process's wall clock differ by what is in a file; gives what was replaced, and what it was."""
    now, real = Clock(path), time.time
    replaced = [time, *(module for module in list(sys.modules.values()) if vars(module).get("time") is real)]
    for module in replaced:
        module.time = now  # type: ignore[attr-defined]
    return [(module, real) for module in replaced]


def wall_clock() -> float:
    return time.time()


@contextmanager
def jumping(path: Path) -> Iterator[Offset]:
    """For the length of a block; workers get it by `ClockPlugin`."""
    offset = Offset(path)
    replaced = put_clock(path)
    try:
        yield offset
    finally:
        for module, real in replaced:
            module.time = real  # type: ignore[attr-defined]


class ClockPlugin(WorkerPlugin):
    def __init__(self, offset: Offset) -> None:
        self.path = offset.path

    def setup(self, worker: Worker) -> None:
        put_clock(self.path)
