"""Clusters that grow and shrink while they render."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from aftermath import until
from distributed import Client, LocalCluster
from samples import SLOW

import hfdask

pytestmark = pytest.mark.browser


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=request.param, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


@pytest.mark.parametrize("cluster", [2], indirect=True)
@pytest.mark.slow
def test_workers_that_leave_lose_no_finished_chunk(cluster, project, tmp_path):
    source = project(SLOW)
    quiet = hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=20, workers=1)
    with Client(cluster, set_as_default=False) as client:
        handle = hfdask.submit(source, tmp_path / "out.mp4", client=client, chunk_size=20)
        assert until(lambda: handle.progress.chunks_done >= 2, 90)
        client.retire_workers([next(iter(client.nthreads()))])
        assert until(lambda: len(client.nthreads()) == 1, 30)
        video = handle.result(timeout=120)
        assert video.digest == quiet.digest
        assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "quiet.mp4").read_bytes()
        # No finished chunk was rendered again, and a worker that is asked to leave is not a failure.
        assert [chunk.attempt for chunk in video.chunks] == [0] * 6


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_a_cluster_that_starts_its_workers_when_there_is_work(cluster, project, tmp_path):
    source = project(SLOW)
    cluster.adapt(minimum=0, maximum=2, interval="200ms", wait_count=5)
    with Client(cluster, set_as_default=False) as client:
        assert not client.nthreads()
        video = hfdask.render(source, tmp_path / "out.mp4", client=client)
        assert video.frames == 120
        assert len(video.chunks) > 3  # not as if there were one worker for good
        assert until(lambda: not client.nthreads(), 60)
    assert video.digest == hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=120).digest
