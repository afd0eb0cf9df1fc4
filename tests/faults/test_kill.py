"""The second promise: kill anything, and nothing finished is lost and nothing is left running."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import psutil
import pytest
from aftermath import below, is_browser, running, said, until
from cluster_processes import in_processes
from samples import EXAMPLES, SLOW

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread
from hfdask.core import scratch
from hfdask.core.scratch import scratch_folder, sweep

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("nothing_left")]


def browsers_of(*pids: int) -> list[psutil.Process]:
    """Chromium and Playwright driver processes below these processes."""
    return [each for each in below(*pids) if re.search("headless|chrom|run-driver", said(each))]


@pytest.mark.slow
def test_a_killed_worker_costs_only_its_chunk(project, tmp_path):
    source = project(SLOW)
    plan = hfdask.plan(source, tmp_path / "plan", fps=10, chunk_size=40)
    quiet = hfdask.render_chunk(plan.url, 0, tmp_path / "quiet.mp4")
    with in_processes() as client:
        handle = hfdask.submit(source, tmp_path / "out.mp4", client=client, fps=10, chunk_size=10)
        assert until(lambda: 2 < handle.progress.done < 30 or handle.done(), 60)
        victim = next(pid for pid in client.run(os.getpid).values())
        children = browsers_of(victim)
        assert children
        os.kill(victim, signal.SIGKILL)
        video = handle.result(timeout=120)
        assert until(lambda: not running(children), 5)
    assert video.digest == quiet.digest


CLIENT = """
import sys, hfdask
if __name__ == "__main__":
    if sys.argv[3] == "cluster":
        from distributed import Client, LocalCluster
        client = Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0"))
    else:
        client = None
    hfdask.render(sys.argv[1], sys.argv[2], client=client, fps=10, chunk_size=10)
"""


@pytest.mark.parametrize("kind", ["embedded", pytest.param("cluster", marks=pytest.mark.slow)])
def test_a_killed_client_leaves_no_process_and_its_chunks_are_used_again(kind, project, tmp_path):
    source, output = project(SLOW), tmp_path / "out" / "video.mp4"
    script = tmp_path / "client.py"
    script.write_text(textwrap.dedent(CLIENT))
    client = subprocess.Popen([sys.executable, script, source, output, kind], start_new_session=True)
    try:
        folder = output.parent / ".hfdask" / "video.mp4" / "chunks"
        assert until(lambda: list(folder.rglob("*.mp4.json")), 60)
        tree = psutil.Process(client.pid).children(recursive=True)
        assert browsers_of(client.pid)
    finally:
        client.kill()
        client.wait()
    assert until(lambda: not running(tree), 5), running(tree)
    assert not output.exists()
    finished = len(list(folder.rglob("*.mp4.json")))
    video = hfdask.render(source, output, fps=10, chunk_size=10, workers=2)
    assert sum(chunk.reused for chunk in video.chunks) == finished
    left = [str(path.relative_to(output.parent)) for path in output.parent.rglob("*")]
    assert left == ["video.mp4"]


def test_a_browser_that_does_not_start_costs_no_other_one(monkeypatch, tmp_path):
    """The driver is shared: it is only replaced if the driver itself is dead."""
    broken = tmp_path / "chrome-headless-shell"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    thread = browser_thread()

    async def start() -> bool:
        async with thread.pool.lease("beginframe") as (chromium, _):
            monkeypatch.setenv("HFDASK_BROWSER", str(broken))
            with pytest.raises(errors.BrowserLaunchError):
                async with thread.pool.lease("screenshot"):
                    pass
            return chromium.alive and chromium.playwright.is_connected()

    thread.run(thread.pool.close())  # so that none is warm
    assert thread.run(start(), 60)


def test_a_killed_driver_takes_chromium_along(project, tmp_path):
    thread = browser_thread()

    async def start():
        async with thread.pool.lease("beginframe") as (chromium, _):
            return chromium.pid

    browser = psutil.Process(thread.run(start()))
    tree = [browser, *browser.children(recursive=True)]
    browser.parent().kill()
    assert until(lambda: not running(tree), 5)
    assert hfdask.render(project(), tmp_path / "out.mp4").frames == 30  # with a new driver


@pytest.mark.parametrize(
    ("victim", "how"),
    [
        ("browser", signal.SIGKILL),
        pytest.param("browser", signal.SIGSTOP, marks=pytest.mark.slow),
        pytest.param("renderer", signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param("driver", signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param("gpu-process", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_browser_that_dies_or_hangs_is_replaced_and_the_chunk_goes_on(few_browsers, victim, how, project, tmp_path):
    plan = hfdask.plan(project(SLOW), tmp_path / "plan", fps=10, chunk_size=40, frame_timeout=3)
    whole = hfdask.render_chunk(plan.url, 0, tmp_path / "whole.mp4")
    again = hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4", observer=Killer(victim, how))
    assert again.sha256 == whole.sha256
    # Chromium can start another GPU process so soon that no frame is missed.
    assert again.messages > whole.messages or victim == "gpu-process"
    # Only warm browsers are left: one with the fonts of plans, and one with the machine's.
    assert until(lambda: len([p for p in below() if is_browser(p)]) <= 2, 5)


@pytest.mark.slow
def test_a_browser_that_always_dies_ends_in_a_typed_error(project, tmp_path):
    plan = hfdask.plan(project(SLOW), tmp_path / "plan", fps=10, chunk_size=40)
    murderer = Murderer()
    try:
        with pytest.raises(hfdask.HfdaskError) as caught:
            hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4", observer=murderer)
    finally:
        murderer.over.set()
    assert caught.value.retryable
    assert not list(tmp_path.glob("out.mp4*"))
    assert until(lambda: not [p for p in below() if is_browser(p)], 5)


class Killer(hfdask.Observer):
    """Sends a signal to a process of the browser's, at frame 20."""

    def __init__(self, victim: str, how: signal.Signals) -> None:
        self.victim, self.how = victim, how

    def progress(self, done: int, total: int) -> None:
        if done == 20:
            for process in below():
                with contextlib.suppress(psutil.Error):  # a process that is gone already
                    if self.victim in ("browser", "driver") and is_browser(process):
                        (process if self.victim == "browser" else process.parent()).send_signal(self.how)
                    elif f"--type={self.victim}" in process.cmdline():
                        process.send_signal(self.how)


class Murderer(hfdask.Observer):
    """Kills every browser from frame 20 on."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def progress(self, done: int, total: int) -> None:
        if done == 20:
            threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        while not self.over.wait(0.02):
            for process in below():
                with contextlib.suppress(psutil.Error):
                    if is_browser(process):
                        process.kill()


def test_scratch_of_dead_processes_is_swept(tmp_path):
    mine = scratch_folder()
    (mine.parent / "run-of-the-dead").mkdir()
    assert sweep(mine.parent) >= 1
    assert mine.is_dir()
    assert not (mine.parent / "run-of-the-dead").exists()


def test_a_scratch_folder_that_is_swept_while_it_is_made_is_made_again(monkeypatch, tmp_path):
    """Processes that start at the same time sweep while others make theirs."""
    original = scratch._flock

    def another_sweeps(descriptor: int) -> None:
        monkeypatch.setattr(scratch, "_flock", original)
        base = Path(os.readlink(f"/proc/self/fd/{descriptor}")).parent
        assert sweep(base) == 1
        original(descriptor)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_folders", {})
    monkeypatch.setattr(scratch, "_flock", another_sweeps)
    mine = scratch_folder()
    assert mine.is_dir()
    assert sweep(mine.parent) == 0
    assert os.listdir(mine.parent) == [mine.name]


@pytest.mark.slow
def test_many_chunks_leave_nothing_behind(few_browsers, tmp_path):
    plan = hfdask.plan(EXAMPLES / "title", tmp_path / "plan", chunk_size=3)
    files = len(psutil.Process().open_files())
    browsers = []  # browsers of earlier tests may still be warm
    for chunk in plan.manifest.chunks:
        hfdask.render_chunk(plan.url, chunk.index, Path(plan.chunks_url.removeprefix("file://")) / f"{chunk.index}.mp4")
        browsers.append([process for process in below() if is_browser(process)])
    assert len(psutil.Process().open_files()) <= files + 2
    assert len(browsers[-1]) <= len(browsers[0])
    assert not list(scratch_folder().glob("chunk-*"))
