"""Rendering on Dask: every way to run chunks, the dashboard, retries, and reuse."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import dask
import psutil
import pytest
from aftermath import until
from cluster_processes import in_this_process
from dask.utils import key_split
from distributed import Client
from distributed.worker import get_worker
from slow import sampled

import hfdask
import hfdask.cluster.chunk_run
import hfdask.cluster.graph
import hfdask.cluster.handle
import hfdask.cluster.tasks
from hfdask import errors
from hfdask.cluster.graph import chunk_token, delayed_chunks
from hfdask.cluster.local import Cluster, client_for
from hfdask.errors import (
    BrowserCrashError,
    BrowserNotFoundError,
    CaptureError,
    DiskFullError,
    RenderCancelledError,
    ScriptError,
    WorkerLostError,
)
from hfdask.store import SecretOptions

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


def frames_digest(chunks: list[hfdask.ChunkResult]) -> list[str]:
    return [chunk.digest for chunk in sorted(chunks, key=lambda chunk: chunk.index)]


def test_local_schedulers_compute_the_graph(project, tmp_path):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=10)
    results = {
        scheduler: dask.compute(*hfdask.delayed_chunks(plan, str(tmp_path / scheduler)), scheduler=scheduler)
        for scheduler in ("synchronous", "threads")
    }
    assert frames_digest(results["synchronous"]) == frames_digest(results["threads"])
    video = hfdask.assemble(plan.url, results["threads"], tmp_path / "out.mp4")
    assert video.frames == 30


def test_a_memory_store_works_end_to_end(project, cluster, tmp_path):
    source = project()
    on_disk = hfdask.render(source, tmp_path / "out.mp4", client=cluster, chunk_size=10)
    in_memory = hfdask.render(
        source, tmp_path / "other.mp4", client=cluster, chunk_size=10, plan_dir="memory://cluster/a"
    )
    assert in_memory.digest == on_disk.digest
    assert in_memory.chunks[0].url.startswith("memory://")
    plan = hfdask.Plan.open("memory://cluster/a")
    video = hfdask.assemble(plan.url, [c.url for c in in_memory.chunks], "memory://cluster/out.mp4")
    assert video.digest == on_disk.digest


def test_chunk_tasks_have_one_readable_name(project, tmp_path):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=10)
    keys = [item.key for item in hfdask.delayed_chunks(plan)]
    assert [key[1] for key in keys] == [0, 1, 2]
    assert {key_split(key) for key in keys} == {"render_chunk"}
    assert keys == [item.key for item in hfdask.delayed_chunks(hfdask.Plan.open(plan.url))]
    assert chunk_token(plan, "elsewhere") not in keys[0][0]


def test_the_graph_carries_no_secret(project, tmp_path):
    plan = hfdask.plan(project(), tmp_path / "plan", storage_options={"secret": "hunter2"})
    assert "hunter2" not in repr(hfdask.delayed_chunks(plan)[0].dask.to_dict())
    assert "hunter2" not in repr(plan)
    assert "hunter2" not in "".join(p.read_text("utf-8", "replace") for p in (tmp_path / "plan").glob("*.json"))
    options = SecretOptions({"key": "hunter2"})
    assert dict(pickle.loads(pickle.dumps(options))) == {"key": "hunter2"}
    assert dask.base.tokenize(options) == dask.base.tokenize(SecretOptions({"key": "other"}))


def test_stages_appear_as_fine_performance_metrics(project, cluster, tmp_path):
    hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)

    def stages(dask_scheduler) -> set[str]:
        found: Counter[str] = Counter()
        for span in dask_scheduler.extensions["spans"].spans.values():
            for key, seconds in span.cumulative_worker_metrics.items():
                if key[0] == "execute" and key[1] == "render_chunk" and seconds > 0:
                    found[key[2]] += 1
        return set(found)

    expected = {"hf-materialise", "hf-boot", "hf-capture", "hf-encode", "hf-upload"}
    deadline = time.monotonic() + 10
    while not expected <= (seen := cluster.run_on_scheduler(stages)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert expected <= seen


def test_a_second_submission_finds_the_first_ones_futures(project, cluster, tmp_path, monkeypatch):
    calls: list[int] = []
    original = hfdask.cluster.tasks.render_chunk

    def counted(plan_url, index, *args, **kwargs):
        calls.append(index)
        time.sleep(0.5)
        return original(plan_url, index, *args, redo=True, **kwargs)

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", counted)
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=10)
    first = cluster.compute(delayed_chunks(plan, plan.chunks_url))
    second = cluster.compute(delayed_chunks(plan, plan.chunks_url))
    assert frames_digest(cluster.gather(first)) == frames_digest(cluster.gather(second))
    assert sorted(calls) == [0, 1, 2]


def test_what_is_finished_is_not_rendered_again(project, cluster, tmp_path):
    source, keep = project(), str(tmp_path / "plan")
    first = hfdask.render(source, tmp_path / "a.mp4", client=cluster, chunk_size=5, plan_dir=keep)
    files = [Path(chunk.url.removeprefix("file://")) for chunk in first.chunks]
    Path(f"{files[1]}.json").unlink()
    Path(f"{files[2]}.frames.json").unlink()
    files[3].write_bytes(files[3].read_bytes()[:-1] + b"x")
    Path(f"{files[4]}.json").write_text("{")
    second = hfdask.render(source, tmp_path / "b.mp4", client=cluster, chunk_size=5, plan_dir=keep)
    assert [chunk.reused for chunk in first.chunks] == [False] * 6
    assert [chunk.reused for chunk in second.chunks] == [True, False, False, False, False, True]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


class Failing:
    """Stands in for the task's `render_chunk`: raises for some chunks and attempts, and counts."""

    def __init__(self, error: Exception, chunk: int, times: int) -> None:
        self.error, self.chunk, self.times = error, chunk, times
        self.calls: Counter[int] = Counter()
        self.original = hfdask.cluster.tasks.render_chunk

    def __call__(self, plan_url, index, *args, **kwargs):
        self.calls[index] += 1
        if index == self.chunk and self.calls[index] <= self.times:
            raise self.error
        return self.original(plan_url, index, *args, **kwargs)


@pytest.mark.parametrize(
    "error", sampled([BrowserCrashError("gone"), CaptureError("no picture"), WorkerLostError("lost")])
)
def test_errors_that_can_heal_are_retried(error, project, cluster, tmp_path, monkeypatch):
    failing = Failing(error, chunk=1, times=2)
    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", failing)
    video = hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)
    assert video.frames == 30
    assert failing.calls == {0: 1, 1: 3, 2: 1}


def test_retries_end(project, cluster, tmp_path, monkeypatch):
    failing = Failing(BrowserCrashError("gone"), chunk=1, times=99)
    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", failing)
    with pytest.raises(BrowserCrashError) as caught:
        hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10, retries=1)
    assert caught.value.details["chunk"] == 1
    assert failing.calls[1] == 2
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("error", [ScriptError("bad"), ZeroDivisionError("bug")])
def test_errors_that_cannot_heal_run_once(error, project, cluster, tmp_path, monkeypatch):
    failing = Failing(error, chunk=0, times=99)
    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", failing)
    with pytest.raises(hfdask.HfdaskError, match=r"bad|bug"):
        hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)
    assert failing.calls[0] == 1
    assert not (tmp_path / "out.mp4").exists()


def test_errors_keep_their_type_whatever_their_cause(project, cluster, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        try:
            raise av.error.OSError(28, "No space left on device", "0.h264")
        except OSError as error:
            raise DiskFullError("no space is left", url="0.h264") from error

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", full)
    with pytest.raises(DiskFullError) as caught:
        hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)
    assert caught.value.details["worker"].startswith("inproc:")
    assert "No space left on device: '0.h264'" in "".join(traceback.format_exception(caught.value))


LONG = """<div id="root" data-composition-id="c" data-width="320" data-height="180" data-duration="60" data-no-timeline data-seek-ms="10">
<canvas id="v" width="320" height="180"></canvas><script>
const g = v.getContext('2d');
function draw(t) { g.fillStyle = `hsl(${t / 10} 80% 50%)`; g.fillRect(0, 0, 320, 180); requestAnimationFrame(draw); }
requestAnimationFrame(draw);
</script></div>"""


def test_cancel_stops_running_chunks_and_keeps_finished_ones(project, cluster, tmp_path):
    handle = hfdask.submit(
        project(LONG), tmp_path / "out.mp4", client=cluster, chunk_size=120, plan_dir=str(tmp_path / "plan")
    )
    deadline = time.monotonic() + 60
    while handle.progress.chunks_done < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert handle.progress.frames == 1800
    assert "frames" in repr(handle)
    handle.cancel()
    with pytest.raises(RenderCancelledError):
        handle.result(timeout=10)
    deadline = time.monotonic() + 2

    def executing(dask_worker) -> int:
        return dask_worker.state.executing_count

    while sum(cluster.run(executing).values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(cluster.run(executing).values()) == 0
    assert list((tmp_path / "plan" / "chunks").rglob("*.mp4.json"))
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
@pytest.mark.parametrize("error", [BrowserNotFoundError("none"), RenderCancelledError("cancelled")])
def test_a_call_that_fails_before_its_chunks_keeps_those_of_an_earlier_call(
    error, project, cluster, tmp_path, monkeypatch
):
    source, output = project(LONG.replace('"60"', '"8"')), tmp_path / "out.mp4"

    def failing(*_, **__):
        raise error

    first = hfdask.submit(source, output, client=cluster, chunk_size=20)
    assert until(lambda: first.progress.chunks_done >= 1, 60)
    first.cancel(wait_seconds=10)
    with monkeypatch.context() as patched:
        patched.setattr(hfdask.cluster.handle, "plan_with", failing)
        with pytest.raises(type(error)):
            hfdask.render(source, output, client=cluster, chunk_size=20)
    video = hfdask.render(source, output, client=cluster, chunk_size=20)
    assert any(chunk.reused for chunk in video.chunks)
    assert [path.name for path in tmp_path.glob("out*")] == ["out.mp4"]


def test_a_call_that_fails_without_chunks_leaves_no_plan(project, cluster, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise RenderCancelledError("cancelled")

    monkeypatch.setattr(hfdask.cluster.chunk_run.ChunkRun, "results", failing)
    with pytest.raises(RenderCancelledError):
        hfdask.render(project(), tmp_path / "out" / "a.mp4", client=cluster, chunk_size=10)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_progress_rises_to_the_end(project, cluster, tmp_path):
    seen = []
    handle = hfdask.submit(project(LONG.replace('"60"', '"8"')), tmp_path / "out.mp4", client=cluster, chunk_size=60)
    while not handle.done():
        seen.append(handle.progress)
        time.sleep(0.02)
    handle.result()
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert len(set(done)) > 4  # also inside chunks
    assert handle.progress.done == handle.progress.frames == 240
    assert any(progress.eta is not None for progress in seen)


def test_the_plan_of_a_finished_video_is_removed(project, tmp_path):
    hfdask.render(project(), tmp_path / "out" / "a.mp4", chunk_size=10)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


def test_get_worker_is_not_needed():
    with pytest.raises(ValueError, match="worker"):
        get_worker()
    assert type(hfdask.cluster.tasks.task_observer(0, 0, "", None)).__name__ == "Observer"


def listening() -> set[str]:
    """Addresses at which this process listens."""
    sockets = psutil.Process().net_connections("inet")
    return {f"{each.laddr.ip}:{each.laddr.port}" for each in sockets if each.status == psutil.CONN_LISTEN}


def test_the_embedded_cluster_listens_nowhere():
    before = listening()
    with client_for(None, 2) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        assert listening() == before
        assert client.dashboard_link == ""


SHORT = """
import sys, hfdask
video = hfdask.render(sys.argv[1], sys.argv[2])
assert not {"dask", "distributed", "rich"} & set(sys.modules)
assert (video.frames, len(video.chunks)) == (30, 1)
again = hfdask.render(sys.argv[1], sys.argv[2], chunk_size=10, workers=2)
assert "distributed" in sys.modules
assert (again.digest, len(again.chunks)) == (video.digest, 3)
"""


@pytest.mark.browser
@pytest.mark.slow
def test_a_short_video_needs_no_dask(project, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SHORT, project(), tmp_path / "out.mp4"], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""  # it is not a terminal, so it shows no progress


@pytest.mark.browser
@pytest.mark.slow
def test_a_terminal_shows_progress(project, tmp_path):
    code = "import sys, hfdask; hfdask.render(sys.argv[1], sys.argv[2])"
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", code, project(), tmp_path / "out.mp4"], stderr=theirs):
        os.close(theirs)
        shown = b""
        with suppress(OSError), open(ours, "rb", buffering=0) as terminal:  # reading fails when the process has ended
            while part := terminal.read(2**16):
                shown += part
    assert b"30/30 frames" in shown


def test_a_cluster_in_this_process_starts_when_its_client_is_asked_for():
    with Cluster(slots=3) as cluster:
        assert (cluster.embedded, cluster.slots, cluster.started) == (True, 3, None)
        assert cluster.client is cluster.client is cluster.started
        assert cluster.slots == 3
    assert cluster.started.status == "closed"


def test_a_cluster_does_not_start_after_its_end():
    with Cluster() as cluster:
        pass
    with pytest.raises(errors.SchedulerLostError, match="closed"):
        _ = cluster.client


def test_the_client_of_another_cluster_stays_open():
    with client_for(None, 1) as client:
        with Cluster.of(client) as cluster:
            assert cluster.client is client
        assert client.status == "running"


def test_an_assembly_that_fails_at_once_stops_the_chunks(project, tmp_path, monkeypatch):
    rendered = []
    original = hfdask.cluster.tasks.render_chunk

    def render_chunk(*args, **kwargs):
        rendered.append(args)
        return original(*args, **kwargs)

    def fails(*_, **__):
        raise errors.OutputNotWritableError("the folder is gone")

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", render_chunk)
    monkeypatch.setattr(hfdask.cluster.handle, "Assembly", fails)
    with pytest.raises(errors.OutputNotWritableError, match="gone"):
        hfdask.render(project(), tmp_path / "out.mp4", chunk_size=3, workers=1)
    assert len(rendered) < 3  # of 10


@pytest.mark.parametrize("prepared", [False, True])
def test_tasks_stop_the_profiler_where_it_can_lock_up_their_process(prepared, project, tmp_path):
    def runs(dask_worker):
        return dask_worker.periodic_callbacks["profile"].is_running()

    with dask.config.set({"distributed.worker.profile.enabled": True}), in_this_process() as client:
        assert set(client.run(runs).values()) == {True}
        if prepared:
            client.register_plugin(hfdask.PrepareWorker())
        else:
            hfdask.render(project(), tmp_path / "out.mp4", client=client)
        safe = sys.version_info >= (3, 13)
        assert until(lambda: set(client.run(runs).values()) == {safe}, 5)


@pytest.mark.parametrize("client", [None, "tcp://127.0.0.1:8786"])
def test_submit_needs_a_client(client, project, tmp_path):
    with pytest.raises(errors.InvalidConfigError, match=type(client).__name__):
        hfdask.submit(project(), tmp_path / "out.mp4", client=client)


def test_an_asynchronous_client_is_refused_with_the_way_to_wait_in_a_coroutine(project, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(type(cluster), "asynchronous", property(lambda _: True))
    with pytest.raises(errors.InvalidConfigError, match="without asynchronous=True; a coroutine can await"):
        hfdask.submit(project(), tmp_path / "out.mp4", client=cluster)


def test_its_dashboard_is_for_this_machine_alone():
    before = listening()
    with client_for(None, 1, dashboard=True) as client:
        [place] = listening() - before
        assert place.startswith("127.0.0.1:")
        assert client.dashboard_link == f"http://{place}/status"
        with urllib.request.urlopen(client.dashboard_link) as page:
            assert page.status == 200


def test_while_a_render_runs_nothing_listens_beyond_loopback(project, tmp_path, monkeypatch):
    seen: set[str] = set()
    original = hfdask.cluster.tasks.render_chunk

    def looking(*args, **kwargs):
        result = original(*args, **kwargs)
        seen.update(listening())
        return result

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", looking)
    before = listening()
    hfdask.render(project(), tmp_path / "out.mp4", chunk_size=10)
    assert [place for place in seen - before if not place.startswith("127.")] == []
