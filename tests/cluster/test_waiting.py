"""Waiting for a render: with or without an event loop, until it ends or the wait is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aftermath import until
from cluster_processes import in_this_process
from distributed import get_client, worker_client
from samples import SLOW, paced

import hfdask
from hfdask.errors import EntryNotFoundError, RenderCancelledError

pytestmark = pytest.mark.usefixtures("fake_browser")

LONG = SLOW.replace('data-seek-ms="30"', 'data-seek-ms="100"')


def require_cancelled(render: hfdask.Render) -> None:
    assert render.done()
    with pytest.raises(RenderCancelledError):
        render.result()


def test_many_renders_are_awaited_together(project, tmp_path):
    source = project()

    async def all_of_them(client) -> list[hfdask.RenderResult]:
        return await asyncio.gather(
            *(hfdask.submit(source, tmp_path / f"{n}.mp4", client=client, sweep=0) for n in range(3))
        )

    with in_this_process() as client:
        videos = asyncio.run(all_of_them(client))
    assert [Path(video.output).name for video in videos] == ["0.mp4", "1.mp4", "2.mp4"]
    assert len({video.digest for video in videos}) == 1


def test_an_awaited_render_raises_its_error(project, tmp_path):
    async def waited(render: hfdask.Render) -> None:
        await render

    with in_this_process() as client:
        render = hfdask.submit(tmp_path / "nothing", tmp_path / "out.mp4", client=client)
        with pytest.raises(EntryNotFoundError):
            asyncio.run(waited(render))


@pytest.mark.usefixtures("nothing_left")
def test_a_render_whose_waiting_task_is_cancelled_is_cancelled(project, tmp_path):
    async def for_a_moment(render: hfdask.Render) -> None:
        await asyncio.wait_for(render, 1)

    with in_this_process() as client:
        render = hfdask.submit(project(LONG), tmp_path / "out.mp4", client=client, sweep=0)
        with pytest.raises(TimeoutError):
            asyncio.run(for_a_moment(render))
        require_cancelled(render)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt. A shell ignores it for what it starts in the background."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("nothing_left", "interruptible")
def test_an_interrupted_wait_cancels_the_render(project, tmp_path):
    with in_this_process() as client:
        render = hfdask.submit(project(LONG), tmp_path / "out.mp4", client=client, sweep=0)
        assert until(lambda: render.progress.done, 60)
        threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            render.result()
        require_cancelled(render)


def test_a_wait_that_is_over_before_the_render_changes_nothing(project, tmp_path):
    with in_this_process() as client:
        render = hfdask.submit(project(paced(20)), tmp_path / "out.mp4", client=client)
        with pytest.raises(TimeoutError, match="is not finished after 0 s"):
            render.result(0)
        assert render.result(60).frames == 30


def rendered(source: Path, folder: Path, *, progress: bool) -> int:
    return hfdask.render(source, folder / "render.mp4", client=get_client(), progress=progress).frames


def waited_for(source: Path, folder: Path) -> int:
    with worker_client() as client:  # has left the pool already
        return hfdask.submit(source, folder / "submit.mp4", client=client).result().frames


@pytest.mark.parametrize("task", [partial(rendered, progress=False), partial(rendered, progress=True), waited_for])
def test_a_task_may_render_on_the_only_thread_of_its_own_cluster(task, project, tmp_path):
    with in_this_process(threads=1) as client:
        assert client.submit(task, project(), tmp_path, pure=False).result(timeout=60) == 30


def test_a_task_may_wait_for_a_batch_on_the_only_thread_of_its_own_cluster(project, tmp_path):
    def done(source: Path) -> int:
        batch = hfdask.render_batch(source, [{"id": 1}], tmp_path / "{id}.mp4", client=get_client(), ignore=["id"])
        batch.wait()
        return batch.progress.rendered

    with in_this_process(threads=1) as client:
        assert client.submit(done, project()).result(timeout=60) == 1
