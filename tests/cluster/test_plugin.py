"""The worker plugin: it prepares workers, and closes workers that cannot render."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from aftermath import running, until
from cluster_processes import in_processes, workers_of
from distributed import Client, LocalCluster
from sabotage import Sabotage

import hfdask
from hfdask.browser.environment import current_environment
from hfdask.browser.loop import browser_usage
from hfdask.cluster.plugin import TOPIC

pytestmark = pytest.mark.browser

TEXT = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<p style="font-family: monospace">words</p></div>"""


@contextmanager
def cluster_of(workers: int) -> Iterator[tuple[LocalCluster, Client]]:
    with in_processes(workers) as client:
        assert isinstance(client.cluster, LocalCluster)
        yield client.cluster, client


def metrics(client: Client, name: str) -> list[int | None]:
    return [worker["metrics"].get(name) for worker in workers_of(client).values()]


@pytest.mark.slow
def test_a_prepared_worker_has_a_warm_browser_and_tells_its_memory(project, tmp_path):
    plan = hfdask.plan(project(TEXT), tmp_path / "plan", chunk_size=30)
    with cluster_of(1) as (cluster, client):
        client.register_plugin(hfdask.PrepareWorker(plan, warm=True))
        assert until(lambda: metrics(client, "hfdask_browsers") == [1])
        [chunk] = client.gather(client.compute(hfdask.delayed_chunks(plan)))
        assert chunk.warm
        assert until(lambda: all(taken and taken > 50e6 for taken in metrics(client, "hfdask_browser_bytes")))

        client.register_plugin(hfdask.PrepareWorker())  # once is enough: nothing is done again
        assert metrics(client, "hfdask_browsers") == [1]

        cluster.scale(2)
        client.wait_for_workers(2, timeout=60)
        assert until(lambda: metrics(client, "hfdask_browsers") == [1, 1])

        client.unregister_worker_plugin("hfdask")
        assert until(lambda: metrics(client, "hfdask_browsers") == [None, None])
        assert set(client.run(browser_usage).values()) == {(0, 0)}


@pytest.mark.slow
def test_a_worker_that_differs_leaves_with_its_nanny(project, tmp_path):
    with cluster_of(2) as (_, client):
        odd, good = client.nthreads()
        process = psutil.Process(client.run(os.getpid)[odd])
        client.register_plugin(Sabotage("other browser", [odd]))
        client.register_plugin(hfdask.PrepareWorker(environment=current_environment()))
        assert until(lambda: client.nthreads().keys() == {good})
        assert until(lambda: not process.is_running())
        time.sleep(3)
        assert client.nthreads().keys() == {good}  # its nanny did not start another one
        [(_, event)] = client.get_events(TOPIC)
        assert event["worker"] == odd
        assert event["code"] == "ENVIRONMENT_MISMATCH"
        assert "1.2.3.4" in event["reason"]
        video = hfdask.render(project(), tmp_path / "out.mp4", client=client, chunk_size=10)
        assert {chunk.worker for chunk in video.chunks} == {good}


@pytest.mark.slow
def test_a_late_worker_without_a_browser_leaves(monkeypatch):
    with cluster_of(1) as (cluster, client):
        client.register_plugin(hfdask.PrepareWorker())
        [first] = client.nthreads()
        monkeypatch.setenv("HFDASK_BROWSER", "/nowhere/chrome-headless-shell")
        cluster.scale(2)
        assert until(lambda: client.get_events(TOPIC))
        assert client.get_events(TOPIC)[0][1]["code"] == "CHROME_BINARY_UNAVAILABLE"
        assert until(lambda: client.nthreads().keys() == {first})
        assert until(lambda: len(living_children()) == 1)
        time.sleep(3)
        assert client.nthreads().keys() == {first}
        assert len(living_children()) == 1


def living_children() -> list[psutil.Process]:
    """Worker processes of this one."""
    found = []
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # or a zombie
            if "multiprocessing.spawn" in " ".join(each.cmdline()):
                found.append(each)
    return found


SLOW = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="2" data-no-timeline>
<script>addEventListener('hf-seek', e => e.detail.waitUntil(new Promise(done => setTimeout(done, 50))))</script></div>"""


@pytest.mark.slow
def test_a_chunk_that_runs_keeps_its_browser_when_the_plugin_goes(project, tmp_path):
    with cluster_of(1) as (_, client):
        client.register_plugin(hfdask.PrepareWorker())
        handle = hfdask.submit(project(SLOW), tmp_path / "out.mp4", client=client, chunk_size=60)
        assert until(lambda: handle.progress.done > 5)
        client.unregister_worker_plugin("hfdask")
        [chunk] = handle.result(60).chunks
        assert (chunk.attempt, chunk.messages) == (0, 0)


@pytest.mark.slow
def test_a_prepared_cluster_closes_at_once_while_chunks_run(project, tmp_path):
    with cluster_of(2) as (cluster, client):
        client.register_plugin(hfdask.PrepareWorker())
        long = SLOW.replace('"2"', '"60"')
        handle = hfdask.submit(project(long), tmp_path / "out.mp4", client=client, chunk_size=900)
        assert until(lambda: handle.progress.done > 5)
        roots = [psutil.Process(pid) for pid in client.run(os.getpid).values()]
        tree = [each for root in roots for each in (root, *root.children(recursive=True))]
        assert len(tree) > 10
        began = time.monotonic()
        handle.cancel()
        cluster.close()
        assert time.monotonic() - began < 15
        with pytest.raises(hfdask.HfdaskError):
            handle.result(30)
    assert until(lambda: not running(tree), 10)
