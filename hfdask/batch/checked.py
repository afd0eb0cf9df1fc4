"""Check all rows of a batch before anything runs, and keep them in a file.

The source is read once, here. So a source that would give other rows the next time, such as an iterator or a table that others
write to, does no harm, and the rows are not in this process's memory while they are rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import msgspec

from hfdask.batch.names import Names, Template, listed
from hfdask.batch.sources import SourceRow
from hfdask.batch.values import MISSING, json_value
from hfdask.config import WITH_GRAMMARS, PlanOptions, RenderConfig, require_variables
from hfdask.core.scratch import nameless_file
from hfdask.core.values import Value, built
from hfdask.errors import InvalidConfigError, RowsError
from hfdask.precedence import merged

SHOWN = 20
"""Problems that an error lists."""

# A row is data, perhaps of strangers: it cannot open private hosts to the page, and all rows have one project.
_OF_ALL_ROWS = frozenset({"variables", "workers", "entry", "allow_hosts", "replace_urls"})
_KINDS = {name: kind for name, kind in get_type_hints(PlanOptions).items() if name not in _OF_ALL_ROWS}


class Row(Value, frozen=True):
    """A row that can be rendered.

    Attributes
    ----------
    index : int
        Its number, from 0.
    name : str
        Of its video, below the folder of all.
    key : str
        Digest of variables and options.
    variables, options : dict
        The row's own values, which win over the batch's.
    first : int
        Number of the first row with the same key; -1 if it is this one.
    """

    index: int
    name: str
    key: str
    variables: dict[str, Any]
    options: dict[str, Any]
    first: int


class CheckedRows:
    """The rows of a batch, in a file without a name. Read it from one thread."""

    def __init__(self) -> None:
        self.count = 0
        self._file = nameless_file(self)

    def add(self, row: Row) -> None:
        """Add the next row."""
        self._file.write(msgspec.json.encode(row) + b"\n")
        self.count += 1

    def rewind(self) -> None:
        """Begin to read."""
        self._file.seek(0)

    def take(self) -> Row | None:
        """Read the next row; None if there is no other one."""
        line = self._file.readline()
        return msgspec.json.decode(line, type=built(Row)) if line else None


def checked_rows(
    rows: Iterable[SourceRow], template: Template, options: Mapping[str, Any], *, prefix: str, ignore: Collection[str]
) -> CheckedRows:
    """Check rows and return them.

    Parameters
    ----------
    template : Template
        Of the outputs' names.
    options : mapping
        Options of all rows.
    prefix : str
        Columns that begin with it are options.
    ignore : collection of str
        Columns that are not variables.

    Raises
    ------
    RowsError
        If a row cannot be rendered; ``details["problems"]`` lists the first problems.
    """
    return _Check(template, options, prefix, frozenset(ignore)).of(rows)


@dataclass
class _Check:
    template: Template
    options: Mapping[str, Any]
    prefix: str
    ignore: frozenset[str]
    problems: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = Names()
        self._first: dict[bytes, int] = {}
        self._configs: dict[bytes, RenderConfig] = {}
        self._seen: set[str] = set()

    def of(self, rows: Iterable[SourceRow]) -> CheckedRows:
        checked = CheckedRows()
        for number, row in enumerate(rows):
            try:
                checked.add(self._row(number, row))
            except ValueError as error:
                self._note(number, str(error))
                if len(self.problems) >= SHOWN:
                    break
        self._require_columns()
        if self.problems:
            more = " or more" if len(self.problems) >= SHOWN else ""
            counted = f"{len(self.problems)}{more} row{'s' if len(self.problems) > 1 else ''}"
            raise RowsError(
                f"{counted} cannot be rendered, so nothing was: " + "; ".join(self.problems),
                problems=self.problems,
                rows=self.numbers,
            )
        checked.rewind()
        return checked

    def _note(self, number: int, problem: str) -> None:
        self.problems.append(f"row {number}: {problem}")
        self.numbers.append(number)

    def _require_columns(self) -> None:
        if self._seen and (unknown := sorted(self.ignore - self._seen)):
            raise RowsError(
                f"no row has the column {unknown[0]!r}, which is to be ignored; they have {listed(sorted(self._seen))}",
                columns=unknown,
            )

    def _row(self, number: int, row: SourceRow) -> Row:
        cells = {name: self._cell(name, cell) for name, cell in row.cells.items()}
        self._seen.update(cells)
        name = self.template.name(number, cells, row.texts)
        own, variables = self._parted(cells)
        options = self._options(own)
        base = {each: value for each, value in self.options.items() if each != "variables"}
        key = self._key(name, {**self.options.get("variables", {}), **variables}, merged(base, options))
        if problem := self._names.problem_of(number, name, key):
            raise ValueError(problem)
        first = self._first.setdefault(key, number)
        return Row(
            index=number,
            name=name,
            key=key.hex(),
            variables=variables,
            options=options,
            first=-1 if first == number else first,
        )

    def _parted(self, cells: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a row's options by their names, and its variables."""
        options, variables = dict[str, Any](), dict[str, Any]()
        for column, cell in cells.items():
            if cell is MISSING or column in self.ignore:
                continue
            if self.prefix and column.startswith(self.prefix):
                options[column.removeprefix(self.prefix)] = cell
            else:
                variables[column] = cell
        return options, variables

    @staticmethod
    def _cell(name: str, cell: Any) -> Any:
        try:
            return json_value(cell)
        except ValueError as error:
            raise ValueError(f"its column {name!r} {error}") from error

    def _options(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a row, of which text is read by their types."""
        options = {}
        for name, cell in own.items():
            if name not in _KINDS:
                known = ", ".join(sorted(_KINDS))
                raise ValueError(f"its column {self.prefix + name!r} is not an option of a row; options are {known}")
            options[name] = cell if name in WITH_GRAMMARS else _read(cell, _KINDS[name], self.prefix + name)
        return options

    def _key(self, name: str, variables: dict[str, Any], options: dict[str, Any]) -> bytes:
        """Check variables, options and the name for their format; return the digest of variables and options.

        Options that another row has had are not checked again.
        """
        try:
            require_variables(variables)
            if (digest := _digest(options)) not in self._configs:
                self._configs[digest] = RenderConfig.of(options)
            if (config := self._configs[digest]).format is not None:
                config.require_output(name)
        except InvalidConfigError as error:
            raise ValueError(error.message) from error
        return _digest({"variables": variables, "options": options})


def _read(cell: Any, kind: Any, column: str) -> Any:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # a table adds .0 to whole numbers if one is missing
    try:
        return msgspec.convert(cell, kind, strict=not isinstance(cell, str))
    except msgspec.ValidationError as error:
        raise ValueError(f"its column {column!r}: {error}") from error


def _digest(value: Any) -> bytes:
    """Return a digest of options; values that are not JSON, such as fractions, count by their text."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted", enc_hook=str)).digest()[:16]
