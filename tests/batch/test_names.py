"""Names of a batch's outputs: what is refused, and why."""

from __future__ import annotations

from typing import Any

import pytest

from hfdask.batch.checked import checked_rows
from hfdask.batch.job import BatchJob
from hfdask.batch.names import LONGEST_NAME, Template
from hfdask.batch.sources import SourceRow
from hfdask.errors import InvalidConfigError, RowsError


def names_of(output: str, *rows: dict[str, Any]) -> list[str]:
    template = Template.of(output, None)
    checked = checked_rows((SourceRow(row, {}) for row in rows), template, {}, prefix="hfdask.", ignore=())
    names = []
    while (row := checked.take()) is not None:
        names.append(row.name)
    return names


def test_fields_are_columns_and_the_number_of_the_row(tmp_path):
    rows = {"id": 7, "kind": "a.b"}, {"id": 8.0, "kind": "é"}
    assert names_of(f"{tmp_path}/{{kind}}/{{index}}-{{id}}.mp4", *rows) == ["a.b/0-7.mp4", "é/1-8.mp4"]
    assert names_of(f"{tmp_path}/{{{{x}}}}{{index}}.mp4", {"index": "own"}) == ["{x}own.mp4"]


def test_the_folder_is_what_is_before_the_first_field():
    assert Template.of("memory://bucket/a/b-{id}/c.mp4", None).folder.url == "memory:///bucket/a"
    assert Template.of("{id}.mp4", None).folder.local
    assert Template.of("/{id}.mp4", None).folder.path in ("", "/")


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("out/video.mp4", "the same name for all rows"),
        ("out/{}.mp4", "the name of a column"),
        ("out/{id:04}.mp4", "without format"),
        ("out/{id!r}.mp4", "without format"),
        ("out/{id.mp4", "expected '}'"),
        ("out/{id}/../x.mp4", "leaves the folder"),
        ("out/{id}//x.mp4", "is empty"),
        ("out/{id}/.mp4", "hidden"),
    ],
)
def test_a_pattern_that_names_no_videos_is_refused(output, why):
    with pytest.raises(InvalidConfigError, match=why):
        Template.of(output, None)


@pytest.mark.parametrize("output", ["{id}.avi", "{id}.mp4/x", "{id}"])
def test_a_pattern_without_the_ending_of_a_format_is_refused(output, tmp_path):
    job: dict[str, Any] = {"manifest": None, "on_error": "collect", "task_frames": 30, "storage_options": None}
    with pytest.raises(InvalidConfigError, match=r"must end in \.mp4") as caught:
        BatchJob.of(tmp_path, f"{tmp_path}/{output}", {}, {}, **job)
    assert caught.value.details["field"] == "output"


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("../x", "cannot be in the name"),
        ("/etc/x", "cannot be in the name"),
        ("..\\x", "cannot be in the name"),
        ("a/b", "cannot be in the name"),
        ("C:x", "cannot be in the name"),
        ("zip::x", "cannot be in the name"),
        ("a*", "cannot be in the name"),
        ("..", "begins with a dot"),
        (".hfdask", "begins with a dot"),
        (" a", "a space"),
        ("a\0b", "cannot be seen"),
        ("a\nb", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("x" * LONGEST_NAME, "more than"),
        ("", "is empty"),
        (None, "is empty"),
        (float("nan"), "is empty"),
        ([1], "a list or an object"),
    ],
)
def test_a_cell_that_cannot_name_a_video_is_refused_with_its_row(tmp_path, cell, why):
    with pytest.raises(RowsError, match=why) as caught:
        names_of(f"{tmp_path}/{{id}}.mp4", {"id": "fine"}, {"id": cell})
    assert caught.value.details["rows"] == [1]
    assert caught.value.message.startswith("1 row cannot be rendered, so nothing was: row 1: ")


def test_a_missing_column_is_refused_with_the_columns_that_there_are(tmp_path):
    with pytest.raises(RowsError, match=r"row 1: it has no column 'id'.* it has name, size"):
        names_of(f"{tmp_path}/{{id}}.mp4", {"id": 1}, {"name": 1, "size": 2})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "A"),
        ("straße", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("\u00c9", "e\u0301"),
        ("1", 1),
        (1, 1.0),
    ],
)
def test_two_rows_with_one_name_are_refused_with_both_numbers(tmp_path, first, second):
    rows = {"id": first, "title": "A"}, {"id": "other", "title": "A"}, {"id": second, "title": "B"}
    with pytest.raises(RowsError, match=r"row 2: its name .* row 0") as caught:
        names_of(f"{tmp_path}/{{id}}.mp4", *rows)
    assert caught.value.details["rows"] == [2]


def test_the_same_row_twice_is_one_video(tmp_path):
    assert names_of(f"{tmp_path}/{{id}}.mp4", {"id": 1}, {"id": 1}) == ["1.mp4", "1.mp4"]


def test_an_error_lists_many_rows_but_not_all(tmp_path):
    with pytest.raises(RowsError, match="20 or more rows") as caught:
        names_of(f"{tmp_path}/{{id}}.mp4", *({"id": "a/b"} for _ in range(1000)))
    assert caught.value.details["rows"] == list(range(20))
