"""The scheduler's plugin: how it comes to a scheduler, what it adds, and what it records of renders."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from cluster_processes import in_this_process
from distributed import Client, LocalCluster, Scheduler
from samples import paced
from tornado.httpclient import AsyncHTTPClient

import hfdask
from hfdask.cluster.local import client_for
from hfdask.cluster.names import TOPIC
from hfdask.cluster.pictures import newest_of
from hfdask.core.thumbnail import require_thumbnail
from hfdask.dashboard.board import Board, State
from hfdask.dashboard.plugin import NAME
from hfdask.errors import DashboardError

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def client() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


def board(client: Client) -> Board:
    return client.cluster.scheduler.plugins[NAME].board  # type: ignore[union-attr]


def text(url: str) -> str:
    with urlopen(url, timeout=20) as answer:
        return answer.read().decode()


@pytest.mark.slow
def test_the_page_is_on_a_dashboard_that_runs_already(client):
    status = client.dashboard_link
    with pytest.raises(HTTPError):
        text(status.replace("status", "hfdask"))
    assert 'href="hfdask"' not in text(status)
    page = hfdask.show_dashboard(client)
    assert page == status.replace("status", "hfdask")
    assert hfdask.show_dashboard(client) == page
    for each in (page, status):
        assert text(each).count('href="hfdask"') == 1
        assert text(each).count('href="individual-hfdask-chunks"') == 1
    plots = json.loads(text(status.replace("status", "individual-plots.json")))
    ours = [path for path in plots.values() if "hfdask" in path]
    assert len(ours) == 6
    for path in ours:
        assert "Bokeh" in text(status.replace("/status", path))


def test_the_page_outlives_the_plugin_and_shows_the_next_one(client):
    page = hfdask.show_dashboard(client)
    client.unregister_scheduler_plugin(NAME)
    assert "Bokeh" in text(page)
    assert hfdask.show_dashboard(client) == page
    assert text(page).count('href="hfdask"') == 1


def test_a_render_is_recorded_with_names_attempts_and_summaries(client, project, tmp_path):
    hfdask.show_dashboard(client)
    video = hfdask.render(project(), tmp_path / "title.mp4", client=client, chunk_size=10)
    [shown] = board(client).videos.values()
    assert (shown.name, shown.ended) == ("title", True)
    assert {index: (chunk.state, chunk.done) for index, chunk in shown.chunks.items()} == dict.fromkeys(
        range(3), (State.DONE, 10)
    )
    summaries = {each.chunk: each.summary for each in board(client).recent}
    for chunk in video.chunks:
        summary = summaries[chunk.index]
        assert (summary.frames, summary.static_frames) == (chunk.frames, chunk.static_frames)
        assert summary.stages == chunk.stages
        assert {chunk.start <= frame < chunk.end for frame, _ in summary.slow} == {True}
    [line] = board(client).workers.values()
    assert sum(frames for _, frames in line.reports) == video.frames


def test_rows_of_a_batch_are_cells_of_one_block_with_summaries_and_pictures(client, project, tmp_path):
    hfdask.show_dashboard(client)
    rows = [{"id": number, "title": f"Video {number}"} for number in range(3)]
    hfdask.render_batch(project(), rows, tmp_path / "{id}.mp4", client=client, ignore=["id"]).wait()
    [shown] = board(client).videos.values()
    assert shown.ended
    assert {index: chunk.state for index, chunk in shown.chunks.items()} == dict.fromkeys(range(3), State.DONE)
    summaries = {each.chunk: each.summary for each in board(client).recent}
    assert {index: summary.frames for index, summary in summaries.items()} == dict.fromkeys(range(3), 30)
    [picture] = hfdask.newest_pictures(client).values()
    require_thumbnail(picture)


def test_a_page_that_fails_is_recorded_as_failed(client, project, tmp_path, monkeypatch):
    hfdask.show_dashboard(client)

    def fail(*_: Any, **__: Any) -> None:
        raise hfdask.errors.EncodeError("no")

    monkeypatch.setattr("hfdask.cluster.tasks.render_chunk", fail)
    with pytest.raises(hfdask.errors.EncodeError):
        hfdask.render(project(), tmp_path / "title.mp4", client=client, chunk_size=30)
    [shown] = board(client).videos.values()
    assert shown.chunks[0].state is State.FAILED


def test_a_render_that_is_under_way_is_recorded_from_then_on(client, project, tmp_path):
    handle = hfdask.submit(project(paced(20)), tmp_path / "late.mp4", client=client, chunk_size=5)
    while handle.progress.done == 0:
        assert not handle.done()
    hfdask.show_dashboard(client)
    [shown] = board(client).videos.values()
    assert shown.name == "late"
    assert {State.RUNNING, State.WAITING} & {chunk.state for chunk in shown.chunks.values()}
    handle.result(30)
    assert shown.ended


def test_messages_of_strangers_are_logged_and_change_nothing(client, caplog):
    hfdask.show_dashboard(client)
    good = {"render": "a", "chunk": 0, "attempt": 0, "done": 1, "worker": "tcp://nowhere:1"}
    strange = [good, {**good, "chunk": -1}, {**good, "render": "a\x1b[2J"}, {**good, "done": "x"}, "text", None]
    with caplog.at_level(logging.WARNING, logger="distributed.hfdask"):
        for message in strange:
            client.log_event(TOPIC, message)
        assert len(client.get_events(TOPIC)) == len(strange)
    assert len(board(client).videos) == 0
    assert sum("cannot read a progress event" in each.message for each in caplog.records) == len(strange) - 1


def test_the_newest_pictures_need_no_page(client, project, tmp_path):
    assert hfdask.newest_pictures(client) == {}
    hfdask.render(project(), tmp_path / "title.mp4", client=client)
    [(worker, jpeg)] = hfdask.newest_pictures(client).items()
    assert worker in client.nthreads()
    require_thumbnail(jpeg)


def test_a_scheduler_without_a_dashboard_is_an_error_that_names_the_extra():
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None, silence_logs=logging.CRITICAL) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(DashboardError, match=r"hfdask\[dashboard\]"),
    ):
        hfdask.show_dashboard(client)


def test_a_scheduler_without_bokeh_starts_and_says_what_is_missing(monkeypatch, caplog):
    for name in ("bokeh", "bokeh.server.tornado", "distributed.dashboard.scheduler"):
        monkeypatch.setitem(sys.modules, name, None)

    async def start() -> None:
        async with Scheduler(port=0, dashboard_address="127.0.0.1:0", preload="hfdask.dashboard") as scheduler:
            assert scheduler.status.name == "running"
            assert NAME not in scheduler.plugins

    with caplog.at_level(logging.ERROR, logger="distributed.hfdask"):
        asyncio.run(start())
    [said] = [each.message for each in caplog.records if each.name == "distributed.hfdask"]
    assert "DASHBOARD_UNAVAILABLE" in said
    assert "pip install 'hfdask[dashboard]'" in said


def test_a_preload_serves_the_page_behind_a_prefix():
    async def start() -> dict[str, int]:
        async with Scheduler(
            port=0, dashboard_address="127.0.0.1:0", http_prefix="/proxy/7", preload="hfdask.dashboard"
        ) as scheduler:
            port, fetch = scheduler.http_server.port, AsyncHTTPClient().fetch
            found = {}
            for path in ("proxy/7/hfdask", "proxy/7/individual-hfdask-pictures", "hfdask"):
                answer = await fetch(f"http://127.0.0.1:{port}/{path}", raise_error=False)
                found[path] = answer.code
            return found

    assert asyncio.run(start()) == {"proxy/7/hfdask": 200, "proxy/7/individual-hfdask-pictures": 200, "hfdask": 404}


def test_the_embedded_cluster_has_the_page():
    with client_for(None, 1, dashboard=True) as client:
        assert 'href="hfdask"' in text(client.dashboard_link.replace("status", "hfdask"))


def test_a_worker_knows_the_question_from_its_first_chunk_on(client):
    [worker] = client.cluster.workers.values()
    newest = newest_of(worker)
    assert newest_of(worker) is newest
    assert worker.handlers["hfdask_picture"] == newest.answer


def test_the_scheduler_needs_no_encoder_and_no_browser():
    code = """
import sys, hfdask.dashboard.page
loaded = {"av", "playwright", "tree_sitter", "hfdask.media", "hfdask.browser"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
