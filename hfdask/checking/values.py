"""Compare the values of a render with the variables that its entry document declares.

Only this part of a check depends on the values. A batch checks its project once, and the values of each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hfdask.checking.rules import finding_of
from hfdask.core.results import Finding

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "color": (str,),
    "number": (int, float),
    "boolean": (bool,),
}


def check_values(entry: str, declared: Iterable[Mapping[str, Any]], variables: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings about values, given the declarations of the entry document: ``id``, ``type`` and ``values``."""
    known = {item["id"]: item for item in declared}
    for name, value in variables.items():
        if name not in known:
            yield finding_of("undeclared_variable", entry, id=name)
        elif wanted := _wanted(known[name], value):
            yield finding_of("variable_type_mismatch", entry, id=name, wanted=wanted)


def _wanted(item: Mapping[str, Any], value: object) -> str:
    """Say what a variable takes if it does not take a value; else return an empty text."""
    kind = item["type"]
    if isinstance(kind, str) and kind in _KINDS:
        fits = isinstance(value, _KINDS[kind]) and isinstance(value, bool) == (kind == "boolean")
        return "" if fits else f"a {kind}"
    if kind == "enum" and item["values"] is not None and not any(_same(value, each) for each in item["values"]):
        return "one of its options"
    return ""


def _same(one: object, other: object) -> bool:
    """Compare as JavaScript's ``===`` does: numbers are of one kind, and no two objects are the same."""
    if isinstance(one, dict | list | tuple):
        return False
    return isinstance(one, bool) == isinstance(other, bool) and one == other
