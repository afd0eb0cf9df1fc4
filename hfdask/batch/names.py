"""Names of a batch's outputs: ``s3://bucket/{id}.mp4``, with a row's cells in place of the braces.

A cell is text of a stranger, and becomes a part of a path. So it may neither leave the folder nor mean another file on some other
file system: of two names that a Mac or Windows takes for one, one video would replace the other.
"""

from __future__ import annotations

import hashlib
import os
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from hfdask.batch.values import MISSING
from hfdask.errors import InvalidConfigError
from hfdask.store import StorageOptions, Store
from hfdask.store.location import without_slash
from hfdask.store.store import plain_url

LONGEST_NAME = 200
"""Bytes of a file's name in UTF-8. Most file systems take 255, of which temporary files need some."""

INDEX = "index"
"""A field for the number of the row, from 0, unless a column has this name."""

# Separators of paths, of drives and of chained URLs, wildcards, and what Windows does not take.
_SPECIAL = frozenset('/\\:*?"<>|[]')
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Template(Struct, frozen=True):
    """A pattern for names: a folder, and literal texts with the column that follows each.

    Attributes
    ----------
    folder : Store
        The part before the first field, up to its last slash.
    parts : tuple of (str, str or None)
        What is below the folder.
    """

    folder: Store
    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def of(cls, output: str | os.PathLike[str], storage_options: StorageOptions | None) -> Template:
        """Read a pattern.

        Raises
        ------
        InvalidConfigError
            If it is not a pattern, has no field, or leaves its folder.
        """
        text = without_slash(os.fspath(output))
        parts = _parsed(text)
        if not any(column is not None for _, column in parts):
            raise InvalidConfigError(
                f"{text!r} is the same name for all rows; put a column in braces, such as 'out/{{id}}.mp4', or {{index}}",
                field="output",
            )
        above, slash, first = parts[0][0].rpartition("/")
        parts = ((first, parts[0][1]), *parts[1:])
        template = cls(Store(plain_url(above + slash or "."), storage_options), parts)
        template._require_inside(text)
        return template

    @property
    def sample(self) -> str:
        """A name, with a letter in place of each field."""
        return "".join(literal + ("x" if column is not None else "") for literal, column in self.parts)

    def _require_inside(self, text: str) -> None:
        """Check the literal parts."""
        if problem := _problem_of(self.sample):
            raise InvalidConfigError(f"{text!r}: {problem}", field="output")

    def name(self, number: int, cells: Mapping[str, Any], texts: Mapping[str, str]) -> str:
        """Return the name of a row's video, relative to the folder.

        Raises
        ------
        ValueError
            If it cannot be a name. The message says why.
        """
        name = "".join(
            literal + ("" if column is None else _cell(column, number, cells, texts)) for literal, column in self.parts
        )
        if problem := _problem_of(name):
            raise ValueError(f"the name {name[:200]!r}: {problem}")
        return name


def _parsed(text: str) -> tuple[tuple[str, str | None], ...]:
    try:
        found = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InvalidConfigError(
            f"{text!r}: {error}; double a brace that belongs to the name", field="output"
        ) from error
    for _, column, spec, conversion in found:
        if column is not None and (not column or spec or conversion):
            raise InvalidConfigError(
                f"{text!r}: write the name of a column in braces, without format or conversion", field="output"
            )
    return tuple((literal, column) for literal, column, _, _ in found) or (("", None),)


def _cell(column: str, number: int, cells: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    if column == INDEX and column not in cells:
        return str(number)
    if column not in cells:
        raise ValueError(f"it has no column {column!r}, which the output's name needs; it has {listed(cells)}")
    text = texts.get(column) or _text(cells[column])
    if not text:
        raise ValueError(f"its column {column!r} is empty, so its video would have no name")
    if special := sorted(_SPECIAL.intersection(text)):
        raise ValueError(
            f"its column {column!r} is {text[:100]!r}, but {' '.join(special)} cannot be in the name of a file everywhere; make a "
            "column for names"
        )
    return text


def _text(value: Any) -> str:
    """Return a cell as people write it: without ``.0``, which a table adds to whole numbers if one is missing."""
    if value is MISSING:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a list or an object cannot be the name of a file")


def _problem_of(name: str) -> str:
    """Return why a relative path cannot name a video; empty if it can."""
    for segment in name.split("/"):
        for problem, found in _PROBLEMS.items():
            if found(segment):
                return f"a part of it {problem}"
    return ""


_PROBLEMS: dict[str, Callable[[str], object]] = {
    "is empty": lambda part: not part,
    "begins with a dot, so it is hidden, or leaves the folder": lambda part: part.startswith("."),
    "begins or ends with a space, or ends with a dot, which some file systems drop": lambda part: (
        part != part.strip() or part.endswith(".")
    ),
    "has characters that cannot be in the name of a file everywhere": _SPECIAL.intersection,
    "has characters that cannot be seen": lambda part: any(unicodedata.category(each) in _UNSEEN for each in part),
    f"has more than {LONGEST_NAME} bytes": lambda part: len(part.encode("utf-8", "replace")) > LONGEST_NAME,
}


def listed(columns: Iterable[str]) -> str:
    """Return the first columns as a text."""
    names = list(columns)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") if names else "none"


class Names(Struct):
    """The names of a batch so far, as digests of what is the same name somewhere."""

    _taken: dict[bytes, tuple[int, str, bytes]] = field(default_factory=dict)

    def problem_of(self, number: int, name: str, content: bytes) -> str:
        """Note the name of a row; return the problem if an earlier row has this name, or nearly this one.

        Rows with the same ``content`` may have the same name.
        """
        first = self._taken.setdefault(_folded(name), (number, name, content))
        if first == (number, name, content) or first[1:] == (name, content):
            return ""
        if first[1] == name:
            return f"its name {name!r} is already the name of row {first[0]}, which has other values"
        return f"its name {name!r} is the same as {first[1]!r} of row {first[0]} on some file systems"


def _folded(name: str) -> bytes:
    """Return what is equal for names that differ by case, or by the composition of letters."""
    same = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return hashlib.blake2b(same.encode(), digest_size=16).digest()
