"""The manifest of a batch: on a disk, in a store that cannot append, and after a kill."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import fsspec
import pytest

from hfdask.batch import manifest as module
from hfdask.batch.manifest import Manifest
from hfdask.batch.results import COLUMNS, ResultLog, RowResult, data_frame
from hfdask.errors import DiskFullError, InvalidConfigError, StoreRefusedError
from hfdask.store import Location


def result(row: int, output: str = "", **facts) -> RowResult:
    return RowResult(row=row, output=output or f"file:///out/{row}.mp4", status="rendered", **facts)


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "batch.jsonl") if request.param == "disk" else f"memory://{tmp_path.name}/batch.jsonl"


def at(url: str) -> Manifest:
    folder, _, name = url.rpartition("/")
    return Manifest(Location.of(folder).child(name))


def test_the_last_result_of_an_output_is_found_by_the_next_run(place):
    with at(place) as manifest:
        assert len(manifest) == 0
        assert manifest.find("file:///out/1.mp4") is None
        manifest.append([result(1, frames=1), result(2)])
        manifest.append([result(1, frames=2)])
    with at(place) as manifest:
        assert len(manifest) == 2
        assert manifest.find("file:///out/1.mp4") == result(1, frames=2)
        assert manifest.find("file:///out/2.mp4") == result(2)
    with fsspec.open(place, "rt") as file:
        assert len(list(file)) == 3
    assert fsspec.url_to_fs(place)[0].glob(f"{place}.parts/*") == []


def test_what_was_written_is_found_after_a_kill(place, monkeypatch):
    monkeypatch.setattr(module, "PART_SECONDS", 0)
    killed = at(place).__enter__()
    killed.append([result(1)])
    killed.append([result(2)])
    with at(place) as manifest:
        assert manifest.find("file:///out/2.mp4") == result(2)
        manifest.append([result(3)])
    with at(place) as manifest:
        assert [manifest.find(f"file:///out/{row}.mp4") for row in (1, 2, 3)] == [result(1), result(2), result(3)]
    killed._path.unlink()


def test_a_run_that_ends_with_an_error_keeps_its_results(place):
    def fail() -> None:
        with at(place) as manifest:
            manifest.append([result(1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with at(place) as manifest:
        assert manifest.find("file:///out/1.mp4") == result(1)


def test_half_a_line_costs_only_its_row(tmp_path):
    place = tmp_path / "batch.jsonl"
    with at(str(place)) as manifest:
        manifest.append([result(1), result(2)])
    place.write_bytes(place.read_bytes()[:-20])
    for row in (3, 4):
        with at(str(place)) as manifest:
            assert manifest.find("file:///out/1.mp4") == result(1)
            assert manifest.find("file:///out/2.mp4") is None
            manifest.append([result(row)])
    with at(str(place)) as manifest:
        assert manifest.find("file:///out/3.mp4") == result(3)


@pytest.mark.parametrize("left", [3, 40])
def test_half_a_first_line_costs_only_its_row(tmp_path, left: int):
    place = tmp_path / "batch.jsonl"
    with at(str(place)) as manifest:
        manifest.append([result(1)])
    place.write_bytes(place.read_bytes()[:left])
    for row in (2, 3):
        with at(str(place)) as manifest:
            manifest.append([result(row)])
    with at(str(place)) as manifest:
        assert [manifest.find(f"file:///out/{row}.mp4") for row in (1, 2, 3)] == [None, result(2), result(3)]


@pytest.mark.parametrize(
    "content", ["id,title\n1,Ada\n", '{"id": 1}\n', '{"row": 1}\n', "\n", "[1, 2]", '{"row":1}', "Ada", "\0\0"]
)
def test_another_file_is_refused_and_stays_as_it_is(tmp_path, content):
    place = tmp_path / "rows.csv"
    place.write_text(content)
    with pytest.raises(InvalidConfigError, match="is not the manifest of a batch"), at(str(place)):
        pass
    assert place.read_text() == content


def test_a_disk_that_fails_is_a_typed_error(tmp_path, monkeypatch):
    (tmp_path / "batch.jsonl").mkdir()
    with pytest.raises(StoreRefusedError, match=r"batch\.jsonl"), at(str(tmp_path / "batch.jsonl")):
        pass
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(DiskFullError, match=r"second\.jsonl"), at(str(tmp_path / "second.jsonl")) as manifest:
        manifest.append([result(1)])


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_gives_results_in_the_order_of_rows_and_of_time():
    log = ResultLog(3)
    for row in (2, 0):
        log.append(result(row, frames=row))
    assert [each.row for each in log.in_order()] == [0, 2]
    first, place = log.after(0)
    second, place = log.after(place)
    assert first is not None
    assert second is not None
    assert (first.row, second.row) == (2, 0)
    assert log.after(place) == (None, place)
    log.append(result(1))
    assert log.after(place)[0] == result(1)
    assert (len(log), log.frames, log.of(0)) == (3, 2, result(0))


def test_a_table_has_the_columns_even_without_rows(monkeypatch):
    assert tuple(data_frame([]).columns) == COLUMNS
    frame = data_frame([result(0, warnings=("a", "b"))])
    assert frame.loc[0, "warnings"] == 2
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(InvalidConfigError, match=r"pip install 'hfdask\[batch\]'"):
        data_frame([])


def test_a_log_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("hfdask.core.scratch.scratch_folder", lambda: tmp_path)
    log = ResultLog(1)
    log.append(result(0))
    assert list(Path(tmp_path).iterdir()) == []
