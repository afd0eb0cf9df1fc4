"""Every error is registered, drawn in the tree, and survives a journey."""

from __future__ import annotations

import pickle

import pytest
from distributed.utils import truncate_exception

from hfdask import errors


def all_errors() -> list[type[errors.HfdaskError]]:
    found = [errors.HfdaskError]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_errors_pickle_with_their_details(kind):
    error = kind("what is wrong", field="x", frames=[1, 2])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.code, again.message, again.details) == (kind.code, "what is wrong", {"field": "x", "frames": [1, 2]})
    assert str(again) == f"[{kind.code}] what is wrong"


def test_codes_are_unique_and_drawn():
    leaves = [kind for kind in all_errors() if not kind.__subclasses__()]
    assert len({kind.code for kind in leaves}) == len(leaves)
    for kind in leaves:
        line = next(line for line in errors.__doc__.splitlines() if f" {kind.__name__} " in line)
        assert kind.code in line
        assert ("retryable" in line) == kind.retryable


def test_notes_cross_processes():
    error = errors.ScriptError("bad", line=1)
    error.add_note("check says")
    there = pickle.loads(pickle.dumps(error))
    assert there.__notes__ == ["check says"]
    assert not hasattr(pickle.loads(pickle.dumps(errors.ScriptError("bad"))), "__notes__")


def test_long_messages_are_short_enough_for_dask():
    error = errors.AssetError("x" * 20_000)
    assert truncate_exception(error) is error
    assert str(error).endswith("x…")
