"""Compute the values of automation, sample by sample (docs/compositions.md, 10).

A value depends on the number of its sample alone, so blocks of any size have the same values.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from hfdask.core.shapes import shaped
from hfdask.core.sound import SAMPLE_RATE, Lane, LanePoint, Treatment

VOLUME = "volume"
"""The target of the lane that is a track's or a group's volume."""

BENDS_A_SECOND = 30
"""A bent part of a volume lane is straight between this many of its values a second."""

Values = NDArray[np.float64]


def lane_values(lane: Lane, begin: int, count: int, *, log: bool, rate: int = SAMPLE_RATE) -> Values:
    """Return the values of a lane at consecutive samples. Before its first point and after its last one, it stays.

    Parameters
    ----------
    lane : Lane
    begin : int
        Number of the first sample on the clock of the lane. It may be negative.
    count : int
        Number of samples.
    log : bool
        True to interpolate the logarithm of the values, if both are positive.
    rate : int
        Samples a second.
    """
    times = np.arange(begin, begin + count) / rate
    points = lane.points
    # The number of points at or before each sample. It rises, so each segment is a slice of the block.
    edges = np.searchsorted(times, [point.t for point in points])
    values = np.empty(count)
    values[: edges[0]] = points[0].v
    values[edges[-1] :] = points[-1].v
    for (point, following), (start, stop) in zip(itertools.pairwise(points), itertools.pairwise(edges), strict=True):
        if start < stop:
            values[start:stop] = _between(point, following, times[start:stop], log)
    return values


class Volume:
    """The gain of a track or a group over time.

    The lane ``volume`` counts if there is one, else ``keys``, else ``volume``.
    """

    def __init__(self, treatment: Treatment) -> None:
        lane = next((each for each in treatment.lanes if each.target == VOLUME), None)
        self._before = treatment.volume
        self._keys: tuple[Values, Values] | None = None
        if lane is not None:
            self._keys = baked(lane)
            self._before = lane.points[0].v
        elif treatment.keys:
            self._keys = np.array([t for t, _ in treatment.keys]), np.array([gain for _, gain in treatment.keys])

    def values(self, begin: int, count: int, *, rate: int = SAMPLE_RATE) -> Values | float:
        """Return the gains at consecutive samples from ``begin`` on, or one gain if it never changes."""
        if self._keys is None:
            return self._before
        return np.interp(np.arange(begin, begin + count) / rate, *self._keys, left=self._before)


def baked(lane: Lane) -> tuple[Values, Values]:
    """Return times and values of a volume lane that is straight between them.

    A straight part has its ends. A bent part has equal steps of at most 1/30 of a second.
    """
    times, values = [lane.points[0].t], [lane.points[0].v]
    for point, following in itertools.pairwise(lane.points):
        if point.curve or point.via:
            steps = math.ceil((following.t - point.t) * BENDS_A_SECOND)
            inside = point.t + (following.t - point.t) * np.arange(1, steps) / steps
            times += inside.tolist()
            values += _between(point, following, inside, log=False).tolist()
        times.append(following.t)
        values.append(following.v)
    return np.array(times), np.array(values)


def _between(point: LanePoint, following: LanePoint, times: Values, log: bool) -> Values:
    x = (times - point.t) / (following.t - point.t)
    progress = np.asarray(shaped(x, point.curve, point.via, float))
    if log and point.v > 0 and following.v > 0:
        return point.v * np.exp(math.log(following.v / point.v) * progress)
    return point.v + (following.v - point.v) * progress
