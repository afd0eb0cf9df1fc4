"""Cells of tables as JSON values."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid

import numpy as np
import pandas as pd
import pytest

from hfdask.batch.values import MISSING, json_value

MOMENT = datetime.datetime(2026, 11, 26, 7, 30)


@pytest.mark.parametrize("cell", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT")])
def test_a_missing_cell_has_no_value(cell):
    assert json_value(cell) is MISSING


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("a", "a"),
        (True, True),
        (np.bool_(False), False),
        (7, 7),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.str_("a"), "a"),
        (np.array([1, 2]), [1, 2]),
        (MOMENT, "2026-11-26T07:30:00"),
        (MOMENT.date(), "2026-11-26"),
        (MOMENT.time(), "07:30:00"),
        (pd.Timestamp(MOMENT), "2026-11-26T07:30:00"),
        (np.datetime64("2026-11-26T07:30:00", "ns"), "2026-11-26T07:30:00.000000000"),
        (datetime.timedelta(minutes=1), 60.0),
        (pd.Timedelta("90s"), 90.0),
        (np.timedelta64(1500, "ms"), 1.5),
        (decimal.Decimal("3"), 3),
        (decimal.Decimal("0.25"), 0.25),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [1, None, float("nan")]}, {"a": [1, None, None]}),
        ((1, (2,)), [1, [2]]),
    ],
)
def test_a_cell_becomes_a_json_value(cell, value):
    found = json_value(cell)
    assert found == value
    assert type(found) is type(value)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (b"x", "of type bytes"),
        ({1}, "of type set"),
        (object(), "of type object"),
        (1j, "of type complex"),
        (float("inf"), "infinite"),
        (np.float64("-inf"), "infinite"),
        (decimal.Decimal("Infinity"), "infinite"),
        ({1: 2}, "the key 1"),
        ([{"a": b"x"}], "of type bytes"),
    ],
)
def test_a_cell_without_a_json_value_is_an_error(cell, why):
    with pytest.raises(ValueError, match=why):
        json_value(cell)


def test_a_cell_that_contains_itself_is_an_error():
    cell: list[object] = []
    cell.append(cell)
    with pytest.raises(ValueError, match="levels deep"):
        json_value(cell)
