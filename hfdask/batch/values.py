"""Turn the cells of a table into JSON values, by one rule for all kinds of tables.

==========================================================  =========================================
a cell                                                      becomes
==========================================================  =========================================
None, NaN, NaT, ``pandas.NA``                               no value: the composition's default counts
text, truth values, whole numbers, finite numbers           themselves
NumPy scalars and arrays                                    Python's numbers and lists
dates and times (Python, NumPy, pandas)                     ISO 8601 text
differences of times                                        seconds
`decimal.Decimal`                                           a number
`uuid.UUID`                                                 text
lists, tuples, and mappings with text as keys               lists and objects; a missing value is null
==========================================================  =========================================

Everything else has no JSON value and is an error.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy

from hfdask.core.fields import MAX_DEPTH

MISSING: Final = object()
"""The value of a cell that has none."""


def json_value(cell: Any, depth: int = 0) -> Any:
    """Return the JSON value of a cell, or `MISSING`.

    Raises
    ------
    ValueError
        If it has none. The message says why.
    """
    if cell is None or _is_missing(cell):
        return MISSING
    if isinstance(cell, numpy.generic | numpy.ndarray):
        return _of_numpy(cell, depth)
    if isinstance(cell, Mapping | list | tuple):
        return _inside(cell, depth)
    return _scalar(cell)


def _is_missing(cell: Any) -> bool:
    if isinstance(cell, float | numpy.floating):
        return math.isnan(cell)
    return type(cell).__name__ in ("NaTType", "NAType") or (
        isinstance(cell, numpy.datetime64 | numpy.timedelta64) and bool(numpy.isnat(cell))
    )


def _of_numpy(cell: Any, depth: int) -> Any:
    if isinstance(cell, numpy.datetime64):
        return str(numpy.datetime_as_string(cell))
    if isinstance(cell, numpy.timedelta64):
        return float(cell / numpy.timedelta64(1, "s"))
    value = cell.tolist()
    if isinstance(value, numpy.generic):  # longdouble, which Python does not have
        value = float(value)
    return json_value(value, depth)


def _inside(cell: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        raise ValueError(f"is more than {MAX_DEPTH} levels deep")
    if not isinstance(cell, Mapping):
        return [_or_null(item, depth) for item in cell]
    for name in cell:
        if not isinstance(name, str):
            raise ValueError(f"has the key {name!r}, which is not text")
    return {name: _or_null(item, depth) for name, item in cell.items()}


def _or_null(item: Any, depth: int) -> Any:
    value = json_value(item, depth + 1)
    return None if value is MISSING else value


def _scalar(cell: Any) -> Any:
    for kind, convert in _SCALARS.items():
        if isinstance(cell, kind):
            return convert(cell)
    raise ValueError(f"is of type {type(cell).__name__}, which JSON does not have")


def _of_decimal(number: decimal.Decimal) -> Any:
    if number.is_nan():
        return MISSING
    if number.is_infinite():
        return _finite(float(number))
    return int(number) if number == number.to_integral_value() else _finite(float(number))


def _finite(number: float) -> float:
    if math.isinf(number):
        raise ValueError("is infinite, which JSON does not have")
    return number


# By the first type that a cell has: a truth value is also a whole number, and a date with a time is also a date.
_SCALARS: dict[type, Callable[[Any], Any]] = {
    bool: bool,
    str: str,
    int: int,
    float: lambda number: _finite(float(number)),
    decimal.Decimal: _of_decimal,
    datetime.date: lambda moment: str(moment.isoformat()),  # also of its subclasses: with the time, if there is one
    datetime.time: lambda moment: str(moment.isoformat()),
    datetime.timedelta: lambda span: float(span.total_seconds()),
    uuid.UUID: str,
}
