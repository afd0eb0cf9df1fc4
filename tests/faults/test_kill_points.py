"""Processes killed at exact points of a render, clocks that jump, and plans that are replaced: nothing finished is lost."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest
from aftermath import until
from cluster_processes import Processes, in_processes
from distributed import Client, Worker, WorkerPlugin
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from fake_browser import FakeBrowsers
from jumping_clock import YEAR, ClockPlugin, jumping, wall_clock
from samples import SLOW

import hfdask
from hfdask import errors
from hfdask.cluster import chunk_run as chunks
from hfdask.cluster import scheduler as asking
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.local import client_for
from hfdask.store import Cache

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")

MARGIN = 20.0  # seconds on a crowded machine

PACED = SLOW.replace('"4"', '"3"').replace("4s", "3s")


@contextmanager
def two_workers(*plugins: WorkerPlugin) -> Iterator[Client]:
    with in_processes() as client:
        for plugin in (FakeBrowsers(), *plugins):
            client.register_plugin(plugin)
        yield client


class KillOnce(WorkerPlugin):
    """Kills the first worker that gets to a point of sending chunk files, and no other."""

    name = "kill-once"

    def __init__(self, point: str, note: Path) -> None:
        self.point, self.note = point, note

    def setup(self, worker: Worker) -> None:
        from hfdask import store
        from hfdask.store import store as files

        put, copy = store.Store.put, shutil.copyfile

        def killing_put(this: store.Store, name: str, source: bytes | Path) -> None:
            if self.point == "before" and name.endswith(".mp4"):
                self.kill()
            put(this, name, source)
            if self.point == "after" and name.endswith(".mp4.json"):
                self.kill()

        def killing_copy(source: Path, target: Path) -> None:
            if self.point == "during" and source.suffix == ".mp4":
                target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
                self.kill()
            copy(source, target)

        store.Store.put = killing_put  # type: ignore[method-assign]
        files.shutil = type("Shutil", (), {"copyfile": staticmethod(killing_copy)})  # type: ignore[attr-defined]

    def kill(self) -> None:
        try:
            os.close(os.open(self.note, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "point", [pytest.param("before", marks=pytest.mark.slow), "during", pytest.param("after", marks=pytest.mark.slow)]
)
def test_a_worker_killed_at_the_upload_of_a_chunk(point, project, tmp_path):
    quiet = hfdask.render(project(), tmp_path / "quiet.mp4", chunk_size=8, workers=2)
    note = tmp_path / "note"
    with two_workers(KillOnce(point, note)) as client:
        video = hfdask.render(
            project(), tmp_path / "out.mp4", client=client, chunk_size=8, plan_dir=str(tmp_path / "plan")
        )
    assert note.exists()
    assert video.digest == quiet.digest
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "quiet.mp4").read_bytes()
    # A chunk that was committed before its worker died is not rendered a second time.
    assert sum(chunk.reused for chunk in video.chunks) == (point == "after")


@pytest.mark.slow
def test_two_clients_with_different_plans_in_one_folder(project, tmp_path):
    """One of them gets its video; the other gets its own or an error that says what happened, never the first one's."""
    plan = str(tmp_path / "plan")
    with two_workers() as client, Client(client.scheduler.address, set_as_default=False) as other:
        quiet = {
            fps: hfdask.render(project(PACED), tmp_path / f"quiet{fps}.mp4", client=client, fps=fps, chunk_size=10)
            for fps in (10, 12)
        }
        handles = {
            fps: hfdask.submit(
                project(PACED), tmp_path / f"{fps}.mp4", client=each, fps=fps, chunk_size=10, plan_dir=plan
            )
            for fps, each in ((10, client), (12, other))
        }
        outcomes = {fps: outcome_of(handle) for fps, handle in handles.items()}
        for fps, outcome in outcomes.items():
            output = tmp_path / f"{fps}.mp4"
            if isinstance(outcome, hfdask.HfdaskError):
                assert isinstance(outcome, errors.PlanHashError)
                assert "plan_dir" in outcome.message
                assert not output.exists()
            else:
                assert outcome.digest == quiet[fps].digest
                assert output.read_bytes() == (tmp_path / f"quiet{fps}.mp4").read_bytes()
        assert not all(isinstance(outcome, hfdask.HfdaskError) for outcome in outcomes.values())
        # One after the other they share the folder, each with its own chunks.
        for fps, first in quiet.items():
            video = hfdask.render(
                project(PACED), tmp_path / "again.mp4", client=client, fps=fps, chunk_size=10, plan_dir=plan
            )
            assert video.digest == first.digest


def outcome_of(handle: hfdask.Render) -> hfdask.RenderResult | hfdask.HfdaskError:
    try:
        return handle.result(120)
    except hfdask.HfdaskError as error:
        return error


def test_a_plan_that_took_a_plan_s_place_is_refused(project, tmp_path):
    ours = hfdask.plan(project(), tmp_path / "plan", chunk_size=15)
    chunks = [hfdask.render_chunk(ours.url, index, tmp_path / f"{index}.mp4") for index in (0, 1)]
    hfdask.plan(project(), tmp_path / "plan", chunk_size=15, fps=60)
    with pytest.raises(errors.PlanHashError):
        hfdask.render_chunk(ours.url, 0, tmp_path / "0.mp4", plan_hash=ours.hash)
    with pytest.raises(errors.PlanHashError):
        hfdask.assemble(ours.url, chunks, tmp_path / "out.mp4", plan_hash=ours.hash)
    assert not (tmp_path / "out.mp4").exists()


def records(plan: Path) -> dict[str, int]:
    """When each finished chunk of a plan was committed."""
    return {path.name: path.stat().st_mtime_ns for path in plan.glob("chunks/*.mp4.json")}


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("victim", ["scheduler", "client", "everything"])
def test_what_was_killed_and_started_again_does_only_what_is_missing(victim, cluster_processes, project, tmp_path):
    cluster: Processes = cluster_processes
    source, plan = project(PACED), tmp_path / "plan"
    options = {"chunk_size": 10, "workers": 1, "plan_dir": str(plan)}
    scheduler, worker = cluster.scheduler(), cluster.worker()
    client = cluster.render(source, tmp_path / "out.mp4", **options)
    assert until(lambda: len(records(plan)) >= 2 or client.poll() is not None, 90)
    killed = {"everything": [client, scheduler, worker], "client": [client], "scheduler": [scheduler]}[victim]
    cluster.kill(*killed)
    if victim == "scheduler":
        answer = cluster.answer(client, 60)
        assert answer["code"] == "SCHEDULER_LOST", answer
        worker.wait(60)  # its scheduler is gone
    known = records(plan)
    assert 2 <= len(known) < 9
    assert not (tmp_path / "out.mp4").exists()
    if victim != "client":
        cluster.scheduler()
        cluster.worker()
    answer = cluster.answer(cluster.render(source, tmp_path / "out.mp4", **options))
    assert len(known) <= answer["reused"] < 9
    assert {name: records(plan)[name] for name in known} == known
    quiet = hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=10, workers=1)
    assert answer["digest"] == quiet.digest
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "quiet.mp4").read_bytes()


@pytest.mark.browser
@pytest.mark.slow
def test_a_worker_that_its_nanny_starts_again_goes_on(cluster_processes, project, tmp_path):
    cluster: Processes = cluster_processes
    source, plan = project(PACED), tmp_path / "plan"
    cluster.scheduler()
    nanny = cluster.worker()
    client = cluster.render(source, tmp_path / "out.mp4", chunk_size=10, workers=1, plan_dir=str(plan))
    assert until(lambda: len(records(plan)) >= 2 or client.poll() is not None, 90)
    cluster.below_nanny(nanny).kill()
    known = records(plan)
    answer = cluster.answer(client)
    assert {name: records(plan)[name] for name in known} == known
    assert answer["digest"] == hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=10, workers=1).digest


@pytest.mark.browser
@pytest.mark.slow
def test_a_scheduler_that_hangs_ends_in_a_typed_error_in_bounded_time(
    cluster_processes, project, tmp_path, monkeypatch
):
    monkeypatch.setattr(asking, "SILENCE", 2.0)
    monkeypatch.setattr(asking, "ANSWER", 2.0)
    cluster: Processes = cluster_processes
    scheduler = cluster.scheduler()
    cluster.worker()
    options = {"chunk_size": 10, "workers": 1, "plan_dir": str(tmp_path / "plan")}
    with Client(cluster.address, set_as_default=False, timeout=20) as client:
        client.wait_for_workers(1, timeout=60)
        handle = hfdask.submit(project(PACED), tmp_path / "out.mp4", client=client, **options)
        assert until(lambda: handle.progress.chunks_done >= 1 or handle.done(), 60)
        scheduler.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(errors.SchedulerLostError):
            handle.result(60)
        assert time.monotonic() - began < 2 * (2.0 + 2.0) + MARGIN
        scheduler.send_signal(signal.SIGCONT)
        video = hfdask.render(project(PACED), tmp_path / "out.mp4", client=client, **options)
    assert any(chunk.reused for chunk in video.chunks)
    assert video.digest == hfdask.render(project(PACED), tmp_path / "quiet.mp4", chunk_size=10, workers=1).digest


class FailOnce(WorkerPlugin):
    """Lets the first try of a chunk fail with an error that heals."""

    name = "fail-once"

    def __init__(self, index: int) -> None:
        self.index = index

    def setup(self, worker: Worker) -> None:
        from hfdask.cluster import tasks as task

        original = task.render_chunk

        def render_chunk(plan_url, index, *args, **kwargs):
            if index == self.index and kwargs["observer"].attempt == 0:
                raise errors.StoreError("once")
            return original(plan_url, index, *args, **kwargs)

        task.render_chunk = render_chunk


@pytest.mark.slow
def test_nothing_notices_a_wall_clock_that_jumps(project, tmp_path):
    source = project(PACED)
    quiet = hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=10, workers=2, fps=15)
    with jumping(tmp_path / "clock") as clock, two_workers(ClockPlugin(clock), FailOnce(3)) as client:
        began = time.monotonic()
        before = time.time()
        handle = hfdask.submit(source, tmp_path / "out.mp4", client=client, chunk_size=10, fps=15)
        assert until(lambda: handle.progress.chunks_done >= 1 or handle.done(), 90)
        clock.set(YEAR)
        assert all(now > before + YEAR for now in (time.time(), *client.run(wall_clock).values()))
        assert until(lambda: handle.progress.chunks_done >= 3 or handle.done(), 90)
        clock.set(-YEAR)
        video = handle.result(120)
        took = time.monotonic() - began
    assert video.digest == quiet.digest
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "quiet.mp4").read_bytes()
    assert max(video.stages.values()) < 2 * took
    assert min(video.stages.values()) >= 0
    assert [chunk.attempt for chunk in video.chunks] == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    "error", [CancelledError(), ClosedClientError(), CommClosedError(), RuntimeError("IOLoop is closed")]
)
def test_however_a_lost_scheduler_shows_it_is_a_typed_error(error, project, tmp_path):
    plan = hfdask.plan(project(), tmp_path / "plan")
    with client_for(None) as client:
        run = chunks.ChunkRun(client, plan, plan.chunks_url, name="lost", retries=0)
        if isinstance(error, RuntimeError):
            assert not isinstance(run._cause(error, 0), errors.SchedulerLostError)
            client.close()
        assert isinstance(run._cause(error, 0), errors.SchedulerLostError)


def test_the_order_of_renders_is_not_the_wall_clock_s(tmp_path):
    with jumping(tmp_path / "clock") as clock, client_for(None) as client:
        connection = connection_of(client)
        first = connection.scheduler_time(time.monotonic())
        clock.set(-YEAR)
        second = connection.scheduler_time(time.monotonic())
    assert first <= second < first + 60


def test_a_cache_whose_files_are_of_another_year_keeps_what_is_used(tmp_path):
    cache = Cache(tmp_path / "cache")
    digests = [f"{number:064x}" for number in range(4)]
    for digest, age in zip(digests, (YEAR, -YEAR, 2 * YEAR, 0.0), strict=True):
        with cache.exclusive(digest) as path:
            path.write_bytes(bytes(100))
            os.utime(cache.commit(path, digest), (time.time() - age,) * 2)
    with cache.lease() as keep:
        keep(digests[2:3])
        assert cache.evict(200) == 200
        assert cache.path(digests[2]).exists()
    assert cache.evict(0) == 0
