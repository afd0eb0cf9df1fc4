"""Parts of large tests that `make test` leaves to `make test-all`, or even that to `make test-corpus`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], one_of: int = 3) -> list[Any]:
    """Return cases for `parametrize`: the first of each ``one_of`` always runs, the others are slow."""
    return [case if number % one_of == 0 else _slow(case) for number, case in enumerate(cases)]


def marks_in_corpus(number: int, one_of: int) -> list[pytest.MarkDecorator]:
    """Return the marks of a case of a corpus: the first of each ``one_of`` is only slow."""
    return [pytest.mark.slow] if number % one_of == 0 else [pytest.mark.slow, pytest.mark.corpus]


def _slow(case: Any) -> Any:
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, id=case.id, marks=pytest.mark.slow)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
