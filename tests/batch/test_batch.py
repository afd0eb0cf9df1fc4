"""A project and a table in, a video for each row out: with fake browsers, and with rows that sleep."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pandas as pd
import pytest
from aftermath import until
from batches import sleeping_row
from cluster_processes import in_processes, in_this_process, over_tcp
from distributed import Client, get_worker
from samples import BOX, paced

import hfdask
import hfdask.batch.tasks
from hfdask.batch.results import COLUMNS, RowResult
from hfdask.batch.window import FEWEST, task_window
from hfdask.errors import (
    BrowserCrashError,
    EnvironmentMismatchError,
    InvalidConfigError,
    OutputBusyError,
    RenderCancelledError,
    RowsError,
    SchedulerLostError,
    ScriptError,
)

pytestmark = pytest.mark.usefixtures("fake_browser")

FRAMES = 30


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


def rows_of(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": number, "title": f"title {number}", **more} for number in range(count)]


Begun = list[Any]


@pytest.fixture
def asleep(monkeypatch) -> Callable[..., Begun]:
    """Let rows sleep instead of rendering; return the list of the rows' ids as they begin."""

    def replace(seconds: float = 0.01, began: Callable[[Any], None] = lambda number: None) -> Begun:
        begun: Begun = []

        def note(variables):
            begun.append(variables["id"])
            began(variables["id"])

        monkeypatch.setattr(hfdask.batch.tasks, "render_short", sleeping_row(lambda variables: seconds, note))
        return begun

    return replace


def test_each_row_becomes_its_video(project, client, tmp_path, nothing_left):
    source = project()
    alone = hfdask.render(source, tmp_path / "alone.mp4", client=client, chunk_size=FRAMES, variables=rows_of(1)[0])
    batch = hfdask.render_batch(source, pd.DataFrame(rows_of(3)), tmp_path / "out" / "{id}.mp4", client=client)
    table = batch.result(60)
    assert tuple(table.columns) == COLUMNS
    assert list(table["row"]) == [0, 1, 2]
    assert set(table["status"]) == {"rendered"}
    assert set(table["frames"]) == {FRAMES}
    assert set(table["digest"]) == {alone.digest}
    assert (table["seconds"] > 0).all()
    assert (table["worker_seconds"] > 0).all()
    assert (tmp_path / "out" / "0.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    for row in range(3):
        video = tmp_path / "out" / f"{row}.mp4"
        assert table.loc[row, "bytes"] == video.stat().st_size
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.mp4", "1.mp4", "2.mp4", "batch.jsonl"]
    assert "done: 3/3 rows" in repr(batch)
    assert "done, 3 of 3 rows, 3 rendered" in batch._repr_html_()


def test_a_long_video_is_rendered_in_chunks_with_the_same_pixels(project, client, tmp_path, nothing_left):
    source = project()
    rows = rows_of(3)
    short = hfdask.render_batch(source, rows, tmp_path / "short" / "{id}.mp4", client=client).result(60)
    long = hfdask.render_batch(
        source, rows, tmp_path / "long" / "{id}.mp4", client=client, task_frames=FRAMES - 1, chunk_size=10
    ).result(60)
    assert list(long["status"]) == ["rendered"] * 3
    assert list(long["digest"]) == list(short["digest"])
    assert (long["worker_seconds"] > 0).all()
    again = hfdask.render_batch(
        source, rows, tmp_path / "long" / "{id}.mp4", client=client, task_frames=FRAMES - 1, chunk_size=10
    )
    assert set(again.result(60)["status"]) == {"reused"}


def test_rows_have_their_own_options(project, client, tmp_path):
    rows = [{"id": 1, "hfdask.fps": 10}, {"id": 2, "hfdask.fps": "30000/1001"}, {"id": 3}]
    table = hfdask.render_batch(project(), rows, tmp_path / "{id}.mp4", client=client, fps=15).result(60)
    assert list(table["frames"]) == [10, 30, 15]


def test_equal_rows_are_rendered_once_and_copied(project, client, tmp_path, asleep):
    begun = asleep()
    rows = [{"name": name, "id": value} for name, value in zip("abcde", [1, 2, 1, 1, 2], strict=True)]
    out = tmp_path / "{name}.mp4"
    table = hfdask.render_batch(project(), rows, out, client=client, ignore=["name"]).result(60)
    assert sorted(begun) == [1, 2]
    assert list(table["status"]) == ["rendered", "rendered", "copied", "copied", "copied"]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes() == (tmp_path / "d.mp4").read_bytes()
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "e.mp4").read_bytes() != (tmp_path / "a.mp4").read_bytes()


def test_a_second_run_renders_only_what_is_new_or_has_changed(project, client, tmp_path, asleep):
    begun = asleep()
    source, rows = project(), rows_of(5)

    def run(**options: Any) -> list[str]:
        begun.clear()
        batch = hfdask.render_batch(source, rows, tmp_path / "{id}.mp4", client=client, **options)
        return list(batch.result(60)["status"])

    assert run() == ["rendered"] * 5
    assert run() == ["reused"] * 5
    assert begun == []
    (tmp_path / "1.mp4").unlink()
    (tmp_path / "2.mp4").write_bytes((tmp_path / "2.mp4").read_bytes()[::-1])  # of the same size
    rows[3]["title"] = "another"
    rows.append({"id": 5, "title": "new"})
    assert run() == ["reused", "rendered", "rendered", "rendered", "reused", "rendered"]
    assert sorted(begun) == [1, 2, 3, 5]
    assert run(crf=30) == ["rendered"] * 6
    project(BOX, **{"more.txt": "x"})
    assert run(crf=30) == ["rendered"] * 6


def test_the_project_is_read_once(project, client, tmp_path):
    source = project()
    fast_before = hfdask.render(source, tmp_path / "before.mp4", client=client, fps=60)
    rows = [{"id": number, "hfdask.fps": 30 if number < 3 else 60} for number in range(5)]  # the last two are in chunks
    batch = hfdask.render_batch(source, rows, tmp_path / "{id}.mp4", client=client, task_frames=30)
    assert until(lambda: batch.progress.done, 30)
    project(BOX.replace("#c33", "#3c3"))
    digests = list(batch.result(60)["digest"])
    assert len({*digests[:3]}) == len({*digests[3:]}) == 1
    assert len({*digests, fast_before.digest}) == 2
    anew = hfdask.render_batch(source, rows[:1], tmp_path / "new{id}.mp4", client=client).result(60)
    assert anew.loc[0, "digest"] not in digests


def test_errors_are_collected_with_their_codes(project, client, tmp_path, asleep):
    def fail(number):
        if number % 2:
            raise ScriptError(f"row {number} has thrown")

    begun = asleep(began=fail)
    batch = hfdask.render_batch(project(), rows_of(5), tmp_path / "{id}.mp4", client=client)
    table = batch.result(60)
    assert list(table["status"]) == ["rendered", "failed", "rendered", "failed", "rendered"]
    assert list(table["code"]) == ["", "PAGE_SCRIPT_ERROR", "", "PAGE_SCRIPT_ERROR", ""]
    assert table.loc[1, "message"] == "row 1 has thrown"
    assert Counter(begun) == dict.fromkeys(range(5), 1)  # such an error does not heal
    assert (batch.progress.failed, batch.progress.done) == (2, 5)
    assert not (tmp_path / "1.mp4").exists()
    asleep()
    again = hfdask.render_batch(project(), rows_of(5), tmp_path / "{id}.mp4", client=client).result(60)
    assert list(again["status"]) == ["reused", "rendered", "reused", "rendered", "reused"]


def test_a_copy_of_a_row_that_failed_has_its_error(project, client, tmp_path, asleep):
    def fail(number):
        raise ScriptError("thrown")

    asleep(began=fail)
    rows = [{"name": "a", "id": 1}, {"name": "b", "id": 1}]
    table = hfdask.render_batch(project(), rows, tmp_path / "{name}.mp4", client=client, ignore=["name"]).result(60)
    assert list(table["code"]) == ["PAGE_SCRIPT_ERROR"] * 2
    assert table.loc[1, "message"] == "as row 0, which has the same values: thrown"


def test_an_error_ends_the_batch_if_asked(project, client, tmp_path, asleep):
    def fail(number):
        if number == 2:
            raise ScriptError("thrown")

    begun = asleep(0.05, fail)
    batch = hfdask.render_batch(project(), rows_of(50), tmp_path / "{id}.mp4", client=client, on_error="raise")
    with pytest.raises(ScriptError, match="thrown") as caught:
        batch.result(60)
    assert "row 2" in caught.value.__notes__[0]
    assert len(begun) < 12
    assert {each.row for each in batch.results()} <= set(range(12))
    assert "ended early" in repr(batch)
    assert "thrown" in batch._repr_html_()


def test_transient_errors_are_tried_again(project, client, tmp_path, asleep, monkeypatch):
    monkeypatch.setattr("hfdask.cluster.retries.BACK_OFF", 0.01)
    tries = Counter[int]()

    def fail(number):
        tries[number] += 1
        if tries[number] <= number:
            raise BrowserCrashError("crashed")

    asleep(began=fail)
    table = hfdask.render_batch(project(), rows_of(4), tmp_path / "{id}.mp4", client=client, retries=2).result(60)
    assert list(table["status"]) == ["rendered", "rendered", "rendered", "failed"]
    assert table.loc[3, "code"] == "BROWSER_CRASHED"
    assert tries == {0: 1, 1: 2, 2: 3, 3: 3}


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_cancelling_leaves_nothing_and_the_same_call_goes_on(project, client, tmp_path, nothing_left, long):
    source, rows = project(paced(20)), rows_of(6)
    options: dict[str, Any] = {"task_frames": 10, "chunk_size": 10} if long else {}
    batch = hfdask.render_batch(source, rows, tmp_path / "out" / "{id}.mp4", client=client, **options)
    assert until(lambda: batch.progress.done >= 1, 60)
    batch.cancel()
    with pytest.raises(RenderCancelledError):
        batch.result(20)
    done = {each.row for each in batch.results()}
    assert 1 <= len(done) < 6
    names = {path.name for path in (tmp_path / "out").iterdir()}
    # A finished video may not have been noted; of renders in chunks, finished chunks are kept.
    assert names <= {"batch.jsonl", *(f"{row}.mp4" for row in range(6))} | ({".hfdask"} if long else set())
    table = hfdask.render_batch(source, rows, tmp_path / "out" / "{id}.mp4", client=client, **options).result(60)
    assert {row for row in range(6) if table.loc[row, "status"] == "reused"} == done


@pytest.mark.slow
def test_a_second_batch_with_the_same_manifest_is_refused(project, client, tmp_path, asleep):
    asleep(1)
    source = project()
    first = hfdask.render_batch(source, rows_of(3), tmp_path / "{id}.mp4", client=client)
    assert until((tmp_path / ".hfdask" / "batch.jsonl.claim").exists, 30)
    second = hfdask.render_batch(source, rows_of(3), tmp_path / "x{id}.mp4", client=client)
    with pytest.raises(OutputBusyError):
        second.result(30)
    assert set(first.result(30)["status"]) == {"rendered"}
    third = hfdask.render_batch(
        source, rows_of(3), tmp_path / "x{id}.mp4", client=client, manifest=tmp_path / "other.jsonl"
    )
    assert set(third.result(30)["status"]) == {"rendered"}
    assert third.manifest.endswith("/other.jsonl")


def test_results_come_as_rows_end(project, client, tmp_path, asleep):
    asleep(0.05)

    async def follow() -> tuple[list[RowResult], Any]:
        batch = hfdask.render_batch(project(), rows_of(8), tmp_path / "{id}.mp4", client=client)
        seen, early = [], 0
        async for row in batch:
            seen.append(row)
            early += not batch.done()
        assert early > 1
        return seen, await batch

    seen, table = asyncio.run(follow())
    assert sorted(row.row for row in seen) == list(range(8))
    assert len(table) == 8


def test_an_iteration_ends_with_the_error_of_the_batch(project, client, tmp_path, asleep):
    def fail(number):
        if number == 1:
            raise ScriptError("thrown")

    asleep(began=fail)

    async def follow() -> None:
        batch = hfdask.render_batch(project(), rows_of(3), tmp_path / "{id}.mp4", client=client, on_error="raise")
        async for _ in batch:
            pass

    with pytest.raises(ScriptError):
        asyncio.run(follow())


def test_the_window_is_small_and_every_row_has_its_turn(project, client, tmp_path, asleep):
    most = 0

    def look(number):
        nonlocal most
        [worker] = client.cluster.workers.values()
        # Other threads change both while they are read. Finished tasks are forgotten by a message that may come after the next task.
        held, known = list(worker.state.tasks.values()), list(client.cluster.scheduler.tasks.values())
        most = max(most, sum(task.prefix == "render_video" and task.state != "memory" for task in held))
        most = max(most, sum(task.prefix.name == "render_video" and task.state != "memory" for task in known))

    begun = asleep(0.005, look)
    table = hfdask.render_batch(project(), rows_of(60), tmp_path / "{id}.mp4", client=client).result(60)
    assert sorted(begun) == list(range(60))
    assert 2 < most <= task_window(2) == FEWEST
    assert set(table["status"]) == {"rendered"}
    assert all(abs(place - number) <= FEWEST for place, number in enumerate(begun))


def test_two_submitters_share_the_workers(project, client, tmp_path, asleep):
    begun = asleep(0.05)
    source = project()
    first = hfdask.render_batch(
        source, [{"id": f"a{number}"} for number in range(60)], tmp_path / "a" / "{id}.mp4", client=client
    )
    assert until(lambda: len(begun) >= 10, 30)
    second = hfdask.render_batch(
        source, [{"id": f"b{number}"} for number in range(16)], tmp_path / "b" / "{id}.mp4", client=client
    )
    second.result(60)
    together = begun[begun.index("b0") : begun.index("b15") + 1]
    share = sum(name.startswith("b") for name in together) / len(together)
    assert 0.35 < share < 0.75
    assert len(together) < 50  # the second does not wait for all of the first
    first.cancel()
    with pytest.raises(RenderCancelledError):
        first.result(30)


def test_a_worker_with_other_software_gets_no_rows(project, tmp_path, asleep):
    with over_tcp() as cluster, Client(cluster, set_as_default=False) as client:
        fit, other = (worker.address for worker in cluster.workers.values())
        ran = Counter[str]()

        def differ(number):
            ran[get_worker().address] += 1
            if get_worker().address == other:
                raise EnvironmentMismatchError(
                    "other", worker=other, differences={"browser": {"planned": 1, "here": 2}}
                )

        asleep(0.05, differ)
        batch = hfdask.render_batch(project(), rows_of(8), tmp_path / "{id}.mp4", client=client)
        table = batch.result(60)
        assert set(table["worker"]) == {fit}
        assert ran[other] <= FEWEST
        assert f"worker {other} gets no" in batch.warnings[0]


@pytest.mark.parametrize("workers", [None, 1])
def test_without_a_cluster_one_runs_in_this_process(workers, project, tmp_path, asleep):
    asleep(0.2)
    batch = hfdask.render_batch(project(), rows_of(3), tmp_path / "{id}.mp4", workers=workers)
    assert sum(batch._client.nthreads().values()) == (workers or 2 * len(os.sched_getaffinity(0)))
    assert set(batch.result(60)["status"]) == {"rendered"}
    assert until(lambda: batch._client.status == "closed", 5)


def test_a_store_that_cannot_append_has_the_same_results(project, client, asleep):
    begun = asleep()
    source = project()
    out = f"memory://batch-{time.time_ns()}/{{id}}.mp4"
    assert set(hfdask.render_batch(source, rows_of(4), out, client=client).result(60)["status"]) == {"rendered"}
    assert set(hfdask.render_batch(source, rows_of(4), out, client=client).result(60)["status"]) == {"reused"}
    assert len(begun) == 4


@pytest.mark.slow
def test_the_memory_of_this_process_is_refused_for_other_processes(project):
    with in_processes(1) as client:
        batch = hfdask.render_batch(project(), rows_of(1), "memory://far/{id}.mp4", client=client)
        with pytest.raises(InvalidConfigError, match="not shared with the workers"):
            batch.result(30)


def test_a_lost_scheduler_ends_the_batch(project, tmp_path, asleep):
    asleep(0.1)
    with in_this_process() as client:
        batch = hfdask.render_batch(project(), rows_of(40), tmp_path / "{id}.mp4", client=client)
        assert until(lambda: batch.progress.done, 30)
    with pytest.raises(SchedulerLostError):
        batch.result(40)
    assert 0 < len(list(batch.results())) < 40


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"plan_dir": "plans"}, "a batch has no option plan_dir"),
        ({"certificate": True}, "a batch has no option certificate"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"task_frames": 0}, "task_frames must be"),
        ({"fps": 1000}, "fps"),
        ({"nothing": 1}, "unknown option 'nothing'"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(project, client, tmp_path, options, why):
    with pytest.raises(InvalidConfigError, match=why):
        hfdask.render_batch(project(), rows_of(1), tmp_path / "{id}.mp4", client=client, **options)


def test_rows_that_cannot_be_rendered_are_refused_before_anything_runs(project, client, tmp_path, asleep):
    begun = asleep()
    with pytest.raises(RowsError, match=r"row 3: its name '1\.mp4' is already the name of row 1"):
        hfdask.render_batch(project(), [*rows_of(3), {"id": 1}], tmp_path / "out" / "{id}.mp4", client=client)
    assert begun == []
    assert list((tmp_path / "out").iterdir()) == []


def test_no_rows_are_an_empty_table(project, client, tmp_path):
    table = hfdask.render_batch(project(), [], tmp_path / "{id}.mp4", client=client).result(30)
    assert len(table) == 0
    assert tuple(table.columns) == COLUMNS


def test_the_manifest_is_a_table_of_its_own(project, client, tmp_path, asleep):
    asleep()
    hfdask.render_batch(project(), rows_of(3), tmp_path / "{id}.mp4", client=client).result(30)
    lines = [json.loads(line) for line in (tmp_path / "batch.jsonl").read_text().splitlines()]
    assert {line["output"] for line in lines} == {str(tmp_path / f"{row}.mp4") for row in range(3)}
    assert set(lines[0]) <= set(RowResult.__struct_fields__)
    assert msgspec.convert(lines[0], RowResult).status == "rendered"


def test_tasks_show_no_secrets(project, client, tmp_path, asleep):
    asleep()
    seen: list[str] = []
    original = client.compute

    def compute(graph, **options):
        seen.extend(repr(each.dask.to_dict()) for each in graph)
        return original(graph, **options)

    client.compute = compute
    try:
        hfdask.render_batch(
            project(), rows_of(2), tmp_path / "{id}.mp4", client=client, storage_options={"auto_mkdir": "hunter2"}
        ).result(30)
    finally:
        del client.compute
    assert seen
    assert "hunter2" not in "".join(seen)


@pytest.mark.browser
def test_a_video_of_a_batch_is_the_one_of_a_render(project, tmp_path):
    html = BOX.replace(
        "data-no-timeline",
        """data-no-timeline data-composition-variables='[{"id": "color", "type": "color", "default": "#000"}]'""",
    )
    source = project(html.replace("#c33", "var(--color)"))
    rows = [{"id": name, "color": color} for name, color in (("red", "#f00"), ("blue", "#00f"))]
    table = hfdask.render_batch(source, rows, tmp_path / "{id}.mp4", ignore=["id"], fps=10).result(120)
    for row, values in enumerate(rows):
        alone = tmp_path / "alone.mp4"
        video = hfdask.render(source, alone, variables={"color": values["color"]}, fps=10, chunk_size=10)
        assert table.loc[row, "digest"] == video.digest
        assert (tmp_path / f"{values['id']}.mp4").read_bytes() == alone.read_bytes()
    assert table.loc[0, "digest"] != table.loc[1, "digest"]
    assert table["warnings"].sum() == 0
