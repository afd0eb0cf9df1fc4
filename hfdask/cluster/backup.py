"""Decide if a running chunk gets a second copy elsewhere, by one pure rule.

A chunk is slow if it takes a multiple of the time that finished chunks took for the same work. It is judged
only when most chunks are finished, because there is nothing to compare with before, and never within the first seconds, in
which a copy would cost more than it could save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

FACTOR = 3.0
"""Maximum ratio of a chunk's time to the finished chunks' time for the same work."""

PATIENCE = 20.0
"""Seconds that every chunk may run."""


def needs_backup(
    running: Mapping[int, tuple[int, float]], finished: Sequence[tuple[int, float]], total: int
) -> list[int]:
    """Return the chunks that should get a second copy, the slowest first.

    Parameters
    ----------
    running : mapping of int to (int, float)
        Expected work (in frames or another unit), and seconds so far, of each running chunk by its index.
    finished : sequence of (int, float)
        Work and seconds of each chunk that this render has finished.
    total : int
        Chunks that this render has to do.
    """
    if 2 * len(finished) < total or not finished:
        return []
    usual = median(seconds / work for work, seconds in finished)
    late = {
        index: seconds / work
        for index, (work, seconds) in running.items()
        if seconds > max(PATIENCE, FACTOR * usual * work)
    }
    return sorted(late, key=lambda index: -late[index])
