"""Rows of a batch: every kind of source, and what becomes of the cells."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from cluster_processes import in_this_process
from dask.delayed import delayed
from distributed import Client

from hfdask.batch import sources
from hfdask.batch.checked import Row, checked_rows
from hfdask.batch.names import Template
from hfdask.batch.sources import SourceRow, opened_rows
from hfdask.errors import InvalidConfigError, MissingArtifactError, RowsError

ROWS = [{"id": 1, "title": "Ada", "price": 0.5}, {"id": 2, "title": "Grüße", "price": 2.0}]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


def read(rows: Any, client: Client) -> list[dict[str, Any]]:
    with opened_rows(rows, client, None) as found:
        return [dict(row.cells) for row in found]


def test_tables_in_memory_are_read_row_by_row(client):
    frame = pd.DataFrame(ROWS)
    for rows in (ROWS, iter(ROWS), frame, pa.Table.from_pylist(ROWS), pa.RecordBatch.from_pylist(ROWS)):
        assert read(rows, client) == ROWS, type(rows)


def test_dask_collections_are_computed_one_partition_after_the_other(client, tmp_path):
    import dask.bag
    import dask.dataframe  # takes a second

    def part(number: int) -> pd.DataFrame:
        (tmp_path / str(number)).touch()
        return pd.DataFrame([{"id": number}])

    parts = [delayed(part)(number) for number in range(4)]
    frame = dask.dataframe.from_delayed(parts, meta=pd.DataFrame({"id": [0]}))
    with opened_rows(frame, client, None) as found:
        assert next(found).cells == {"id": 0}
        assert [path.name for path in tmp_path.iterdir()] == ["0"]
        assert [row.cells["id"] for row in found] == [1, 2, 3]
    assert read(dask.bag.from_sequence(ROWS, npartitions=2), client) == ROWS


def test_a_partition_that_fails_is_an_error_of_the_rows(client):
    import dask.bag

    bag = dask.bag.from_sequence([1, 0], npartitions=2).map(lambda number: {"id": 1 // number})
    with pytest.raises(RowsError, match="ZeroDivisionError"):
        read(bag, client)


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_files_are_read_from_any_url(client, tmp_path, place):
    folder = str(tmp_path) if place == "disk" else "memory://rows"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    table = "id,title,price\n1,Ada,0.5\n2,Grüße,2.0\n"
    contents = {
        "rows.jsonl": lines.encode(),
        "rows.ndjson.gz": gzip.compress(lines.encode()),
        "rows.csv": b"\xef\xbb\xbf" + table.encode(),
        "rows.csv.gz": gzip.compress(table.encode()),
    }
    for name, content in contents.items():
        with fsspec.open(f"{folder}/{name}", "wb") as file:
            file.write(content)
        assert read(f"{folder}/{name}", client) == ROWS, name
    with fsspec.open(f"{folder}/rows.parquet", "wb") as file:
        pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), file)
    assert read(f"{folder}/rows.parquet", client) == ROWS


def test_a_folder_of_parquet_files_is_read_in_the_order_of_their_numbers(client, tmp_path):
    import dask.dataframe  # takes a second

    frame = dask.dataframe.from_pandas(pd.DataFrame({"id": range(12)}), npartitions=12)
    frame.to_parquet(tmp_path / "rows.parquet", write_index=False)
    assert [row["id"] for row in read(tmp_path / "rows.parquet", client)] == list(range(12))


def test_a_column_of_csv_is_of_numbers_only_if_all_its_cells_are(client, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("code,year,title,on,n\n007,2024,2024,true,1\n8,1e3,Ada,false,\n")
    with opened_rows(file, client, None) as found:
        first, second = found
    assert first.cells == {"code": "007", "year": 2024, "title": "2024", "on": True, "n": 1}
    assert second.cells == {"code": "8", "year": 1000.0, "title": "Ada", "on": False, "n": None}
    assert first.texts["code"] == "007"
    assert second.texts["year"] == "1e3"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("rows.jsonl", b'{"id": 1}\n{"id": \n', "line 2 is not JSON"),
        ("rows.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("rows.jsonl", b"[" * 10**5, "line 1 is not JSON"),
        ("rows.jsonl", b'{"id": "\xff"}\n', "cannot be read"),
        ("rows.jsonl.gz", b"no gzip", "cannot be read"),
        ("rows.csv", b"id,id\n1,2\n", "more than one column 'id'"),
        ("rows.csv", b"id,title\n1,a\n2\n", "row 1 has 1 cells, but there are 2 columns"),
        ("rows.csv", "id\näh\n".encode("latin-1"), "cannot be read: save it in UTF-8; .* invalid continuation byte"),
        ("rows.csv.gz", b"no gzip", "cannot be read at row 0"),
        ("rows.parquet", b"no parquet", "cannot be read as Parquet"),
        ("rows.xlsx", b"", "files that end in .jsonl"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_with_its_place(client, tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RowsError, match=why) as caught:
        read(tmp_path / name, client)
    assert name in caught.value.message


def test_a_line_without_end_is_refused(client, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_LINE", 100)
    (tmp_path / "rows.jsonl").write_text('{"a": "' + "x" * 200)
    with pytest.raises(RowsError, match="more than 100 characters"):
        read(tmp_path / "rows.jsonl", client)


def test_what_is_no_table_is_refused(client, tmp_path):
    for rows in (7, {"id": 1}, b"x"):
        with pytest.raises(RowsError, match="rows cannot be read from"):
            read(rows, client)
    with pytest.raises(RowsError, match="row 1 is str, not a mapping"):
        read([{"id": 1}, "x"], client)
    arrays = [pa.array([1]), pa.array([2])]
    for table in (pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.Table.from_arrays(arrays, names=["a", "a"])):
        with pytest.raises(RowsError, match="more than one column 'a'"):
            read(table, client)
    for name in ("none.jsonl", "none.parquet"):
        with pytest.raises(MissingArtifactError, match=f"{name} does not exist"):
            read(tmp_path / name, client)


def test_without_pyarrow_the_error_names_the_extra(client, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InvalidConfigError, match=r"pip install 'hfdask\[batch\]'"):
        read(tmp_path / "rows.parquet", client)


def check(*rows: dict[str, Any], options: dict[str, Any] | None = None, **given: Any) -> list[Row]:
    template = Template.of("/tmp/{index}.mp4", None)
    arguments = {"prefix": "hfdask.", "ignore": (), **given}
    checked = checked_rows((SourceRow(row, {}) for row in rows), template, options or {}, **arguments)
    found = []
    while (row := checked.take()) is not None:
        found.append(row)
    return found


def test_columns_are_variables_and_with_the_prefix_options():
    [row] = check(
        {"title": "A", "id": 1, "hfdask.fps": "25", "hfdask.crf": 20.0, "hfdask.strict_variables": "true"},
        ignore=["id"],
    )
    assert row.variables == {"title": "A"}
    assert row.options == {"fps": "25", "crf": 20, "strict_variables": True}
    [row] = check({"title": "A", "o_fps": 25}, prefix="o_")
    assert row.options == {"fps": 25}
    [row] = check({"hfdask.fps": 25}, prefix="")
    assert row.variables == {"hfdask.fps": 25}


def test_a_missing_cell_is_neither_variable_nor_option():
    [row] = check({"title": None, "size": float("nan"), "hfdask.crf": None})
    assert (row.variables, row.options) == ({}, {})


def test_rows_with_equal_values_are_known_as_such():
    rows = check({"id": 1, "t": "A"}, {"id": 2, "t": "B"}, {"id": 3, "t": "A"}, {"t": "A", "id": 4}, ignore=["id"])
    assert [row.first for row in rows] == [-1, -1, 0, 0]
    assert rows[0].key == rows[2].key != rows[1].key
    [first, other] = check({"t": "A"}, {"t": "A", "hfdask.fps": 10})
    assert first.key != other.key
    assert check({"t": "A"}, options={"crf": 30})[0].key != check({"t": "A"})[0].key
    assert check({"t": "A"}, options={"variables": {"u": 1}})[0].key == check({"t": "A", "u": 1})[0].key


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"x": b"1"}, "its column 'x' is of type bytes"),
        ({"x": float("inf")}, "its column 'x' is infinite"),
        ({"x": 2**70}, "too large"),
        ({"x": "\ud800"}, "half of a character"),
        ({"hfdask.fps": 1000}, "fps"),
        ({"hfdask.crf": "abc"}, "its column 'hfdask.crf'"),
        ({"hfdask.crf": 99}, "crf"),
        ({"hfdask.nothing": 1}, "is not an option of a row"),
        ({"hfdask.allow_hosts": ["localhost"]}, "is not an option of a row"),
        ({"hfdask.entry": "../secret.html"}, "is not an option of a row"),
    ],
)
def test_a_row_that_cannot_be_rendered_is_refused_with_row_and_column(row, why):
    with pytest.raises(RowsError, match=f"row 1: .*{why}"):
        check({"title": "fine"}, row)


def test_an_ignored_column_that_no_row_has_is_refused():
    with pytest.raises(RowsError, match=r"no row has the column 'ID', .*; they have id"):
        check({"id": 1}, ignore=["ID"])
