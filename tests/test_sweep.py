"""Sweeps over chunk sizes, their results, and comparisons with earlier ones."""

from __future__ import annotations

import json
import os
import sys

import pytest
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st
from samples import BOX

import hfdask
from hfdask.cli import main as command
from hfdask.cluster.chunk_run import ChunkRun
from hfdask.diagnostics.benchmark import Benchmark, Trial
from hfdask.diagnostics.cost_model import CostModel, TrialChunk
from hfdask.errors import InvalidConfigError, MissingExtraError, PlanCorruptError

pytestmark = pytest.mark.usefixtures("fake_browser")

# Each frame takes a while, and a chunk costs little besides.
SEEK_MS = 32
SLOW = BOX.replace("data-no-timeline", f'data-no-timeline data-seek-ms="{SEEK_MS}"')


@pytest.fixture(name="page")
def _page(project):
    return project(SLOW)


def trial(size, wall, turn=1, workers=2, chunks=4, cold=False, quality="looks"):
    each = TrialChunk(frames=10, changed=10, seconds=wall / chunks * workers, cold=cold)
    return Trial(
        chunk_size=size,
        workers=workers,
        quality=quality,
        turn=turn,
        wall_seconds=wall,
        cpu_seconds=1.0,
        bytes_moved=10,
        chunks=(each,) * chunks,
    )


def benchmark(*trials, frames=40):
    return Benchmark.of("project", frames, {}, trials)


@pytest.mark.slow
def test_a_sweep_measures_each_combination_cold_and_warm(page):
    found = hfdask.sweep(page, chunk_sizes=(10, 30, None), workers=(1, 2), repeats=1, check="off")
    assert found.frames == 30
    assert [(each.turn, each.workers, each.chunk_size) for each in found.trials] == [
        (turn, workers, size) for turn in range(2) for workers in (1, 2) for size in (10, 30, None)
    ]
    assert all(each.cold for each in found.trials if each.turn == 0)
    assert not any(each.cold for each in found.trials if each.turn and each.workers == 1)
    assert {len(each.chunks) for each in found.trials if each.chunk_size == 10} == {3}
    assert {sum(chunk.frames for chunk in each.chunks) for each in found.trials} == {30}
    assert {(model.workers, model.quality) for model in found.models} == {(1, "looks"), (2, "looks")}
    assert all(model.frame + model.changed_frame > 0.75 * SEEK_MS / 1000 for model in found.models)
    assert {each.workers for each in found.recommendations} == {1, 2}


def test_a_sweep_leaves_nothing_behind(page, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    hfdask.sweep(page, chunk_sizes=(30,), workers=1, repeats=1, folder=folder)
    assert os.listdir(folder) == []


def test_an_interrupted_sweep_leaves_nothing_behind(page, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    taken = []

    def interrupted(*arguments):
        taken.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("hfdask.diagnostics.sweep._measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hfdask.sweep(page, chunk_sizes=(30,), workers=1, repeats=1, folder=folder)
    assert taken
    assert os.listdir(folder) == []


@pytest.mark.slow
def test_a_sweep_of_a_client_uses_as_many_workers_as_it_measures(page):
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        seen = []
        original = ChunkRun

        def watched(*arguments, **options):
            seen.append(options["only"])
            return original(*arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hfdask.diagnostics.sweep.ChunkRun", watched)
            found = hfdask.sweep(page, chunk_sizes=(10,), workers=(1, 3), repeats=1, client=client, check="off")
        assert [len(only) for only in seen] == [1, 0, 1, 0]
        assert [each.workers for each in found.trials] == [1, 3, 1, 3]
        with pytest.raises(InvalidConfigError, match="workers=4") as caught:
            hfdask.sweep(page, chunk_sizes=(10,), workers=4, repeats=1, client=client)
        assert caught.value.details["field"] == "workers"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"repeats": 0}, "repeats"),
        ({"chunk_sizes": ()}, "chunk_sizes"),
        ({"chunk_sizes": (0,)}, "chunk_size"),
        ({"workers": ()}, "workers"),
        ({"workers": 0}, "workers"),
        ({"quality": "best"}, "quality"),
        ({"max_chunks": 3}, "max_chunks"),
        ({"fps": 0}, "fps"),
    ],
)
def test_combinations_that_cannot_be_measured_are_refused(options, field, page):
    with pytest.raises(InvalidConfigError) as caught:
        hfdask.sweep(page, **{"repeats": 1, "chunk_sizes": (30,), **options})
    assert caught.value.details["field"] == field


positive = st.floats(0, 2)


@given(positive, st.floats(0.01, 1), st.floats(0, 0.1), st.floats(0.001, 0.1))
def test_a_model_finds_the_costs_of_chunks_that_follow_it(startup, chunk, frame, changed):
    done = [
        TrialChunk(frames=n, changed=m, seconds=chunk + frame * n + changed * m + startup * cold, cold=cold)
        for n, m in ((10, 10), (40, 5), (60, 60), (90, 0), (15, 8))
        for cold in (False, True)
    ]
    model = CostModel.fit(2, "standard", done)
    found = (model.startup, model.chunk, model.frame, model.changed_frame)
    assert found == pytest.approx((startup, chunk, frame, changed), abs=2e-4)
    assert model.error < 0.01
    assert all(
        model.seconds(each.frames, each.changed, cold=each.cold) == pytest.approx(each.seconds, rel=0.02)
        for each in done
    )


def test_chunks_that_are_held_up_do_not_make_a_model_too_quick():
    held_up = (1.0, 1.0, 1.0, 3.0)
    done = [
        TrialChunk(frames=n, changed=n, seconds=late * (0.2 + 0.01 * n), cold=False)
        for n in (10, 40, 90)
        for late in held_up
    ]
    model = CostModel.fit(2, "standard", done)
    assert sum(model.seconds(each.frames, each.changed) for each in done) == pytest.approx(
        sum(each.seconds for each in done), rel=0.02
    )


def test_the_fastest_size_is_recommended_and_the_reason_given():
    [advice] = benchmark(trial(10, 8.0), trial(20, 4.0), trial(20, 5.0), trial(40, 6.0)).recommendations
    assert advice.chunk_size == 20
    assert "chunk_size=20 took 4.50 s, chunk_size=10 8.00 s" in advice.reason


def test_among_equally_fast_sizes_our_own_choice_wins():
    [advice] = benchmark(trial(20, 4.0), trial(None, 4.1), trial(40, 6.0)).recommendations
    assert advice.chunk_size is None
    assert "chunk_size=20 took nearly as long, but hfdask's own size needs no option" in advice.reason


def test_among_equally_fast_sizes_the_cheapest_wins():
    cheap = trial(40, 4.1, chunks=2)
    [advice] = benchmark(trial(20, 4.0, chunks=8), cheap).recommendations
    assert advice.chunk_size == (40 if cheap.worker_seconds < 8.0 else 20)


def test_cold_renders_do_not_count_for_a_recommendation():
    [advice] = benchmark(trial(10, 1.0, cold=True, turn=0), trial(10, 9.0), trial(20, 5.0)).recommendations
    assert advice.chunk_size == 20


def test_a_benchmark_is_the_same_from_json():
    made = benchmark(trial(10, 8.0), trial(None, 4.0))
    assert Benchmark.from_json(made.to_json()) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "hfdask-benchmark-2"}'])
def test_other_documents_are_no_benchmarks(text):
    with pytest.raises(PlanCorruptError, match="benchmark"):
        Benchmark.from_json(text)


@pytest.mark.parametrize(("now", "slower"), [(4.7, False), (4.9, True), (2.0, False)])
def test_a_combination_that_became_slower_is_found(now, slower):
    [found] = benchmark(trial(20, now), trial(30, 1.0)).against(benchmark(trial(20, 4.0)), 0.2)
    assert (found.slower, found.before, found.now) == (slower, 4.0, now)


@pytest.mark.parametrize("earlier", [benchmark(trial(10, 4.0)), benchmark(trial(20, 4.0), frames=41)])
def test_benchmarks_of_other_things_cannot_be_compared(earlier):
    with pytest.raises(InvalidConfigError):
        benchmark(trial(20, 4.0)).against(earlier)


def test_a_table_has_a_row_for_each_trial(monkeypatch):
    made = benchmark(trial(10, 8.0), trial(None, 4.0))
    pandas = pytest.importorskip("pandas")
    assert isinstance(made.table, pandas.DataFrame)
    assert list(made.table["wall_seconds"]) == [8.0, 4.0]
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert [row["wall_seconds"] for row in made.table] == [8.0, 4.0]


def test_a_plot_has_the_sizes_and_the_chunks(monkeypatch):
    pytest.importorskip("matplotlib")
    made = benchmark(trial(10, 8.0), trial(20, 4.0), trial(None, 4.0))
    sizes, chunks = made.plot().axes
    assert sizes.get_ylabel() == "wall seconds"
    assert len(chunks.lines[0].get_xdata()) == 12
    assert made.plot()._repr_png_().startswith(b"\x89PNG")  # a notebook shows it
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError) as caught:
        made.plot()
    assert caught.value.details["extra"] == "analysis"


@pytest.mark.slow
def test_the_command_compares_with_an_earlier_result(page, tmp_path, capsys):
    file = tmp_path / "old.json"
    base = ["bench", str(page), "--chunk-sizes", "30", "--at-a-time", "1", "--repeats", "1", "--check", "off"]
    with pytest.raises(SystemExit) as first:
        command([*base, "-o", str(file)])
    assert first.value.code in (0, None)
    assert "a chunk takes" in capsys.readouterr().out
    document = json.loads(file.read_text())
    for each in document["trials"]:
        each["wall_seconds"] /= 1000
    file.write_text(json.dumps(document))
    with pytest.raises(SystemExit) as second:
        command([*base, "--against", str(file)])
    assert second.value.code == 6
    assert "slower: looks, 1 at a time, chunk_size=30" in capsys.readouterr().out
