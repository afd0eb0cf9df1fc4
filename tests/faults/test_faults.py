"""Renders while workers, the scheduler or the environment fail."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dask
import distributed
import pytest
import yaml
from click.testing import CliRunner
from cluster_processes import in_processes
from distributed import Client
from fake_browser import FakeBrowsers
from hypothesis import given
from hypothesis import strategies as st
from sabotage import Sabotage

import hfdask
import hfdask.cluster.copies
import hfdask.cluster.placement
from hfdask import errors
from hfdask.cli import main
from hfdask.diagnostics.fleet import RECOMMENDED, recommended, survey

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")


@contextmanager
def processes(workers: int, threads: int = 1) -> Iterator[Client]:
    with in_processes(workers, threads) as client:
        client.register_plugin(FakeBrowsers())
        yield client


@pytest.fixture
def quiet(project, tmp_path) -> hfdask.RenderResult:
    return hfdask.render(project(), tmp_path / "quiet.mp4", chunk_size=5)


@contextmanager
def one_of_two_differs() -> Iterator[tuple[Client, str, str]]:
    """Yield a client, the address of a worker with another browser, and the address of a fit worker."""
    with processes(2) as client:
        odd, good = client.nthreads()
        client.register_plugin(Sabotage("other browser", [odd]))
        yield client, odd, good


@pytest.mark.slow
def test_a_worker_with_another_browser_gets_no_chunk(quiet, project, tmp_path):
    with one_of_two_differs() as (client, odd, good):
        video = hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5)
    assert video.digest == quiet.digest
    assert {chunk.worker for chunk in video.chunks} == {good}
    assert any(odd in warning and "1.2.3.4" in warning for warning in video.warnings)


@pytest.mark.slow
def test_a_worker_that_turns_out_to_differ_is_passed_over(quiet, project, tmp_path, monkeypatch):
    """As a worker that joined late, after all were asked."""
    monkeypatch.setattr(hfdask.cluster.placement.Workers, "ask", lambda self: None)
    with one_of_two_differs() as (client, _, good):
        video = hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5)
    assert video.digest == quiet.digest
    assert {chunk.worker for chunk in video.chunks} == {good}


def test_a_chunk_that_failed_on_a_worker_is_tried_on_another(quiet, project, tmp_path):
    with processes(2) as client:
        odd, good = client.nthreads()
        client.register_plugin(Sabotage("fail", [odd]))
        # One new attempt is enough, though the failing worker is the first to be free every time.
        video = hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5, retries=1)
    assert video.digest == quiet.digest
    assert {chunk.worker for chunk in video.chunks} == {good}
    assert {chunk.attempt for chunk in video.chunks} == {0, 1}


@pytest.mark.slow
def test_chunks_that_only_one_worker_may_take_survive_it(project, tmp_path):
    slow = project(
        """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="2" data-no-timeline></div>
<script>addEventListener('hf-seek', e => e.detail.waitUntil(new Promise(done => setTimeout(done, 30))))</script>"""
    )
    with one_of_two_differs() as (client, odd, good):
        pid = client.run(os.getpid)[good]
        handle = hfdask.submit(slow, tmp_path / "out.mp4", client=client, chunk_size=20)
        deadline = time.monotonic() + 60
        while handle.progress.done < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)  # its nanny starts it again, at another address
        video = handle.result(timeout=90)
    assert video.frames == 60
    assert odd not in {chunk.worker for chunk in video.chunks}
    assert {chunk.worker for chunk in video.chunks} != {good}


@given(
    present=st.sets(st.sampled_from("abcde"), min_size=1),
    unfit=st.sets(st.sampled_from("abcde")),
    had=st.lists(st.sampled_from("abcde")),
)
def test_a_chunk_goes_where_it_has_not_been(present, unfit, had):
    client = SimpleNamespace(nthreads=lambda callback_timeout: dict.fromkeys(present, 1))
    workers = hfdask.cluster.placement.Workers(client, None)
    workers._unfit = {key: {} for key in unfit}
    for worker in had:
        workers.record_attempt(0, worker)
    bound = workers.allowed([0, 1])
    fit = present - unfit
    assert bound[1] == (fit if unfit else set())  # no worker has had this chunk
    may = bound[0] or present
    assert not bound[0] & unfit
    if fit - set(had):
        assert may == fit - set(had)
    elif fit:  # all have had it: the worker that has waited longest
        assert may == {min(fit, key=lambda worker: len(had) - had[::-1].index(worker))}


@pytest.mark.slow
def test_where_no_worker_fits_the_render_fails_at_once_with_all_differences(project, tmp_path):
    with processes(2) as client:
        workers = list(client.nthreads())
        client.register_plugin(Sabotage("other browser"))
        with pytest.raises(errors.EnvironmentMismatchError) as caught:
            hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5)
    assert all(worker in caught.value.message for worker in workers)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_a_chunk_that_always_kills_its_worker_ends_in_a_typed_error(project, tmp_path):
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), processes(1) as client:
        client.register_plugin(Sabotage("die", index=2))
        with pytest.raises(errors.WorkerLostError) as caught:
            hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5, plan_dir=str(tmp_path / "plan"))
    assert caught.value.details["chunk"] in (1, 2, 3)  # or a chunk that waited beside it
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_a_straggler_gets_a_copy_and_is_stopped(quiet, project, tmp_path, monkeypatch):
    monkeypatch.setattr(
        hfdask.cluster.copies,
        "needs_backup",
        lambda running, finished, total: sorted(running) if len(finished) == total - 1 else [],
    )
    note = tmp_path / "note"
    plugin = Sabotage("stall", index=1)
    plugin.note = str(note)
    with processes(2, threads=2) as client:
        client.register_plugin(plugin)
        video = hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=5)
        deadline = time.monotonic() + 10
        while not note.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert video.digest == quiet.digest
    assert note.read_text()
    assert note.read_text() != video.chunks[1].worker  # the copy ran elsewhere


@pytest.mark.slow
def test_two_clients_render_the_same_plan_at_once(quiet, project, tmp_path):
    with processes(2) as client, Client(client.scheduler.address, set_as_default=False) as other:
        plan = str(tmp_path / "plan")
        source = project()
        one = hfdask.submit(source, tmp_path / "one.mp4", client=client, chunk_size=5, plan_dir=plan)
        two = hfdask.submit(source, tmp_path / "two.mp4", client=other, chunk_size=5, plan_dir=plan)
        assert one.result(120).digest == two.result(120).digest == quiet.digest
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.slow
def test_the_recommended_configuration_is_known_to_dask_and_leaves_no_advice(project, tmp_path):
    known = yaml.safe_load((Path(distributed.__file__).parent / "distributed.yaml").read_text())
    open_ended = ("distributed.nanny.pre-spawn-environ.", "distributed.scheduler.default-task-durations.")
    settings = dict(recommended())
    assert len(settings) >= 8
    for name in settings:
        kept = name.rpartition(".")[0] if name.startswith(open_ended) else name
        assert dask.config.get(kept, config=known, default=None) is not None, name
    with dask.config.set(dask.config.merge(dask.config.config, *dask.config.collect_yaml([str(RECOMMENDED)]))):
        assert dask.config.get("distributed.scheduler.default-task-durations")["render_chunk"] == "30s"
        assert dask.config.get("distributed.scheduler.worker-saturation") == 1.0
        with processes(1) as client:
            assert survey(client).advice == []
            assert hfdask.render(project(), tmp_path / "out.mp4", client=client).frames == 30


@pytest.mark.slow
def test_the_doctor_shows_all_workers_side_by_side_and_marks_what_differs():
    with processes(2) as client:
        address = client.scheduler.address
        well = CliRunner().invoke(main, ["doctor", "--scheduler", address, "--json"])
        assert well.exit_code == 0, well.output
        said = json.loads(well.stdout)
        assert said["differing"] == []
        assert any(
            "worker-saturation is 1.1 on the scheduler; recommended is 1.0" in advice for advice in said["advice"]
        )
        assert {"memory", "disk", "cache", "cores"} <= set(next(iter(said["workers"].values()))["facts"])
        odd, good = sorted(client.nthreads())
        client.register_plugin(Sabotage("other browser", [odd]))
        ill = CliRunner().invoke(main, ["doctor", "--scheduler", address])
    assert ill.exit_code == 4
    assert odd in ill.stdout
    assert good in ill.stdout
    assert "\u2260 browser version" in ill.stdout
    assert "workers differ in browser version" in ill.stderr
