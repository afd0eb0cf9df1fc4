"""All hostile cases, by kind."""

from __future__ import annotations

import bombs
import documents
import lies
import loops
import mischief
import words
from case import Case


def cases(seed: int = 0) -> list[Case]:
    """Every case; the seed chooses among lies and hostile texts."""
    kinds = (lies, mischief, loops, bombs, words, documents)
    return [case for kind in kinds for case in kind.cases(seed)]
