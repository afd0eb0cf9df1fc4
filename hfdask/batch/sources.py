"""Read the rows of a batch, one after the other, from whatever holds them.

A table is read in parts: a Dask collection by partition, an Arrow stream and a Parquet file by batch, text by line. So a batch needs
no more memory for a million rows than for a thousand.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, TypeAlias

import fsspec
import msgspec
from dask.base import is_dask_collection
from distributed import Client
from msgspec import Struct

from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import HfdaskError, InvalidConfigError, MissingArtifactError, RowsError, StoreError
from hfdask.store import StorageOptions, Store, shown, split_url
from hfdask.store.redaction import scrubbed

Rows: TypeAlias = Any
"""A pandas or Dask DataFrame, an Arrow table, mappings, or the URL of a JSONL, CSV or Parquet file."""

LONGEST_LINE = 2**24
"""Bytes of a line of JSONL, and characters of a cell of CSV."""

_BATCH = 1024
_JSONL, _CSV, _PARQUET = (".jsonl", ".ndjson"), (".csv",), (".parquet", ".pq")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,2})?")


class SourceRow(Struct, frozen=True):
    """A row as its source has it.

    Attributes
    ----------
    cells : mapping of str to Any
        Cells by column.
    texts : mapping of str to str
        Cells that the source has as text, for names of files: ``007`` stays ``007``.
    """

    cells: Mapping[str, Any]
    texts: Mapping[str, str]


@contextmanager
def opened_rows(rows: Rows, client: Client, storage_options: StorageOptions | None) -> Iterator[Iterator[SourceRow]]:
    """Yield the rows in their order.

    Raises
    ------
    RowsError
        If the source, or a row of it, cannot be read.
    InvalidConfigError
        If a library for this kind of source is not installed.
    """
    if isinstance(rows, str | os.PathLike):
        with _of_url(rows, storage_options) as found:
            yield found
    else:
        yield _of_object(rows, client)


def _of_object(rows: Any, client: Client) -> Iterator[SourceRow]:
    if is_dask_collection(rows):
        return _of_partitions(rows, client)
    if _is_pandas(rows):
        return _of_pandas(rows)
    if hasattr(rows, "__arrow_c_stream__"):  # Arrow, polars, DuckDB and others
        return _of_arrow(_pyarrow("an Arrow table").RecordBatchReader.from_stream(rows))
    if isinstance(rows, Iterable) and not isinstance(rows, Mapping | bytes):
        return _of_mappings(rows)
    raise RowsError(
        f"rows cannot be read from {type(rows).__name__}; give a DataFrame, an Arrow table, mappings, or the URL of a file"
    )


def _is_pandas(rows: Any) -> bool:
    return type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "itertuples")


def _of_mappings(rows: Iterable[Any]) -> Iterator[SourceRow]:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RowsError(f"row {number} is {type(row).__name__}, not a mapping of columns to values", rows=[number])
        yield SourceRow({str(name): cell for name, cell in row.items()}, {})


def _of_pandas(frame: Any) -> Iterator[SourceRow]:
    names = [str(name) for name in frame.columns]
    _require_different(names)
    for cells in frame.itertuples(index=False, name=None):
        yield SourceRow(dict(zip(names, cells, strict=True)), {})


def _require_different(names: Collection[str]) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise RowsError(f"there is more than one column {twice[0]!r}; rename one", columns=twice)


def _of_partitions(rows: Any, client: Client) -> Iterator[SourceRow]:
    """Compute one partition after the other, so that only one is in this process at a time."""
    if not hasattr(rows, "to_delayed"):
        raise RowsError(f"rows cannot be read from {type(rows).__name__}; give a Dask DataFrame or Bag")
    for partition in rows.to_delayed():
        future = client.compute(partition)
        try:
            part = future.result()
        except HfdaskError:
            raise
        except Exception as error:
            raise RowsError(f"a partition of the rows cannot be computed: {type(error).__name__}: {error}") from error
        finally:
            future.release()
        yield from _of_object(part, client)


def _of_arrow(batches: Iterable[Any]) -> Iterator[SourceRow]:
    for batch in batches:
        _require_different(batch.schema.names)
        for first in range(0, batch.num_rows, _BATCH):
            for row in batch.slice(first, _BATCH).to_pylist():
                yield SourceRow(row, {})


@contextmanager
def _of_url(url: str | os.PathLike[str], storage_options: StorageOptions | None) -> Iterator[Iterator[SourceRow]]:
    path = PurePosixPath(os.fspath(url).rstrip("/"))
    compressed = path.suffix if path.suffix in _COMPRESSED else ""
    kind = path.with_suffix("").suffix.lower() if compressed else path.suffix.lower()
    if kind in _PARQUET and not compressed:
        yield _of_parquet(url, storage_options)
        return
    if kind not in _JSONL + _CSV:
        raise RowsError(
            f"{shown(url)}: rows are read from files that end in {', '.join(_JSONL + _CSV + _PARQUET)}; the first two kinds may be "
            f"compressed ({', '.join(_COMPRESSED)})"
        )
    store, name = split_url(url, storage_options)
    with scratch_subfolder("rows") as folder:
        file = store.fetch(name, folder / f"rows{compressed}")
        text = fsspec.open(str(file), "rt", encoding="utf-8-sig", newline="", compression="infer")
        yield _readable(shown(url), _of_jsonl(text) if kind in _JSONL else _of_csv(text))


def _readable(where: str, rows: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Say of which file an error of reading is."""
    number = 0
    try:
        for row in rows:
            yield row
            number += 1
    except RowsError as error:
        raise RowsError(f"{where}: {error.message}", **error.details) from None
    except UnicodeDecodeError as error:
        raise RowsError(f"{where} cannot be read: save it in UTF-8; {error}", rows=[number]) from error
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise RowsError(f"{where} cannot be read at row {number}: {scrubbed(str(error))}", rows=[number]) from error


def _of_jsonl(text: Any) -> Iterator[SourceRow]:
    with text as file:
        for line_number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise RowsError(f"line {line_number} is not JSON: {error}", line=line_number) from error
            if not isinstance(row, dict):
                raise RowsError(f"line {line_number} is not a JSON object", line=line_number)
            yield SourceRow(row, {})


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise RowsError(f"a line has more than {LONGEST_LINE} characters")
        yield line


def _of_csv(text: Any) -> Iterator[SourceRow]:
    """Read a CSV file twice: a column is of numbers if each of its cells is a number of JSON, of truth values if each is one."""
    csv.field_size_limit(LONGEST_LINE)
    with text as file:
        kinds = _kinds(csv.reader(file))
    with text as file:
        reader = csv.reader(file)
        names = next(reader, [])
        for cells in reader:
            if cells:
                texts = dict(zip(names, cells, strict=True))
                yield SourceRow({name: _parsed(cell, kinds[name]) for name, cell in texts.items()}, texts)


def _kinds(reader: Iterator[list[str]]) -> dict[str, str]:
    names = next(reader, [])
    _require_different(names)
    possible = {name: {"number", "truth"} for name in names}
    number = 0
    for cells in reader:
        if not cells:
            continue  # an empty line
        if len(cells) != len(names):
            raise RowsError(f"row {number} has {len(cells)} cells, but there are {len(names)} columns", rows=[number])
        number += 1
        for name, cell in zip(names, cells, strict=True):
            if possible[name] and cell:
                possible[name] &= {_kind(cell)}
    return {name: min(kinds) if len(kinds) == 1 else "text" for name, kinds in possible.items()}


def _kind(cell: str) -> str:
    if cell in ("true", "false"):
        return "truth"
    return "number" if _NUMBER.fullmatch(cell) else "text"


def _parsed(cell: str, kind: str) -> Any:
    if not cell:
        return None
    return cell if kind == "text" else msgspec.json.decode(cell)


def _of_parquet(url: str | os.PathLike[str], storage_options: StorageOptions | None) -> Iterator[SourceRow]:
    """Read a file, or all files of a folder in the order of their numbers, as Dask writes them."""
    _pyarrow("a Parquet file")
    from pyarrow import ArrowException
    from pyarrow.dataset import dataset

    store = Store(url, storage_options)
    try:
        fragments = dataset(store.path, filesystem=store.fs, format="parquet").get_fragments()
        for fragment in sorted(fragments, key=lambda each: _natural(each.path)):
            yield from _of_arrow(fragment.to_batches())
    except FileNotFoundError as error:
        raise MissingArtifactError(f"{shown(url)} does not exist", url=shown(url)) from error
    except (ArrowException, OSError) as error:
        problem = f"{shown(url)} cannot be read as Parquet: {scrubbed(str(error), storage_options)}"
        raise (RowsError if isinstance(error, ArrowException) else StoreError)(problem) from None


def _natural(path: str) -> list[tuple[int, str]]:
    """Return a key by which ``part.10`` comes after ``part.9``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise InvalidConfigError(f"reading {what} needs pyarrow: pip install 'hfdask[batch]'", field="rows") from error
    return pyarrow
