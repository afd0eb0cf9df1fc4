"""Compare chunks of equal cost with chunks of equal length, and the costs that planning expects with those of a render.

    costs.py [PROJECT...] --workers 2 --simulated 4 --repeat 3

Without projects it takes a generated film: twenty seconds of text, with three seconds in which a canvas draws 6,000
discs. Both ways of splitting take turns. The simulated time gives the measured seconds of the chunks of a run to
workers, in the order in which the scheduler would start them. The second table fits the seconds of captured frames to
the fullness of their pictures, which is what the constants of `hfdask.planning.costs` came from.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from projects import heavy_film
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

import hfdask
from hfdask.cluster.local import client_for
from hfdask.core.costs import expected_end
from hfdask.planning.planning import EVEN


def seconds_of(chunk: hfdask.ChunkResult) -> float:
    """Return the seconds that a worker gave to a chunk."""
    return chunk.worker_seconds
