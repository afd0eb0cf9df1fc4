"""How many rows of a batch are under way at a time: pure rules.

Two submitters share a cluster in proportion to their windows, because a task goes before all that was submitted later. So
a window is as small as it can be while all slots are busy.
"""

from __future__ import annotations

import math

FEWEST = 4


def window(slots: int, chunks: int) -> int:
    """Return the number of renders to have under way, if ``slots`` chunks run at a time and a render has ``chunks`` chunks.

    Three times as many chunks as slots: of one third the render waits for its last chunks, one runs, and one is there
    for the time that planning takes, up to as long as a chunk. No more, for three reasons. A second submitter waits for all
    that the first has submitted, and so two submitters with windows share evenly. Each render that is under way has a
    thread, a plan, and its waiting chunks on the scheduler. And of a batch that is interrupted, few videos are half done.
    """
    return max(FEWEST, math.ceil(3 * slots / chunks))


def task_window(slots: int) -> int:
    """Return the number of videos of one task each to have under way.

    For each slot one video that runs, and for every second slot another that waits, so that a free worker does not wait for the
    driver. Measured: docs/decisions/batches.md.
    """
    return max(FEWEST, math.ceil(1.5 * slots))
