"""Compute the shape of a ramp between two of its points (docs/compositions.md, 9.5).

The formulas are the same for exact decimals, which speed ramps use, and for arrays of floats, which the automation of sound
uses. For via points at the corners, floats are within 1e-6 of the exact progress.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_EDGE = "0.999"


def shaped(x: Any, curve: float, via: tuple[float, float] | None, number: Callable[[str], Any]) -> Any:
    """Return the progress in value, from 0 to 1, at the progress ``x`` in time.

    Parameters
    ----------
    x : Decimal or numpy.ndarray
        From 0 to 1.
    curve : float
        Bend from -1 (early) to 1 (late).
    via : tuple of two floats, or None
        A point that the ramp passes through instead of bending by ``curve``.
    number : callable
        Reads a decimal as a number that ``x`` can be multiplied with: `decimal.Decimal`, or `float` for arrays.
    """
    if via is not None:
        return _through(x, number(repr(via[0])), number(repr(via[1])), number)
    return x ** (number("2") ** number(repr(2 * curve))) if curve else x


def _through(x: Any, via_x: Any, via_y: Any, number: Callable[[str], Any]) -> Any:
    """Return the height at ``x`` of the conic from (0, 0) to (1, 1) whose middle is the via point.

    The conic is a rational quadratic Bézier curve. Its control point is ``via + (via - middle) / w``, with a weight
    ``w`` and the middle (0.5, 0.5). ``w`` is the smallest weight of at least 1 that keeps the control point between
    0.001 and 0.999, so that the curve never turns back.
    """
    middle, one = number("0.5"), number("1")
    needed = [abs(each - middle) / max(number(_EDGE) - max(each, 1 - each), number("1e-9")) for each in (via_x, via_y)]
    weight = min(max(one, *needed), number("1e6"))
    control_x, control_y = (each + (each - middle) / weight for each in (via_x, via_y))
    # x(s) = x is a quadratic equation in the parameter s: both coordinates have the denominator
    # (1 - s)² + 2 w s (1 - s) + s². It is positive at s = 0 and not positive at s = 1. This form of its first positive root
    # never divides by zero. Only rounding makes what is under the root less than 0.
    spread = 2 - 2 * weight
    a = x * spread - 1 + 2 * weight * control_x
    b = -x * spread - 2 * weight * control_x
    s = 2 * x / (abs(b * b - 4 * a * x) ** middle - b)
    return (2 * weight * control_y * s * (1 - s) + s * s) / ((1 - s) ** 2 + 2 * weight * s * (1 - s) + s * s)
