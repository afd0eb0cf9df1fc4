"""How many renders of a batch are under way at a time: one pure rule."""

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
