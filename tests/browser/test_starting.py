"""A browser that starts before it is needed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from aftermath import below, is_browser, running
from samples import BOX

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread, capabilities
from hfdask.browser.pool import BrowserPool
from hfdask.core import scratch
from hfdask.core.model import FontSet
from hfdask.fonts.configuration import machine_fonts, plan_fonts
from hfdask.planning import planning, probe
from hfdask.planning.content_keys import chunk_keys
from hfdask.planning.font_usage import Use

pytestmark = pytest.mark.usefixtures("fake_browser")

LONG = BOX.replace('data-duration="1"', 'data-duration="5"', 1)
"""Too long to be filmed in one chunk, and too short for a canvas."""


@pytest.fixture
def launched(monkeypatch):
    """The modes of the browsers that are launched from now on; none is running or known."""
    hfdask.close_browsers()
    modes, launch = [], BrowserPool._launch

    async def counted(self, mode, *options, **named):
        modes.append(mode)
        return await launch(self, mode, *options, **named)

    monkeypatch.setattr(BrowserPool, "_launch", counted)
    monkeypatch.setattr(capabilities, "_trials", {})
    return modes


@pytest.fixture
def one_font(monkeypatch):
    """All text is drawn in one font of this machine; a fake browser does not say in which."""

    def found(uses, world):
        face = world.faces[0]
        return {face: Use("p", "serif", face.families[0], face.postscript, custom=False)}

    monkeypatch.setattr(probe, "faces_of", found)


def test_the_next_call_takes_the_browser_that_was_started(launched, project, tmp_path):
    hfdask.start_browser()
    assert hfdask.still(project(), 0.5, tmp_path / "still.png") == 15
    assert launched == ["beginframe"]


def test_a_browser_is_tried_once_if_several_threads_ask(launched):
    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(capabilities.capture_mode, ["auto"] * 4)} == {"beginframe"}
    assert launched == ["beginframe"]


def test_a_trial_that_was_interrupted_is_made_again(launched):
    hfdask.start_browser()
    hfdask.close_browsers()
    assert capabilities.capture_mode("auto") == "beginframe"


def test_a_missing_browser_is_an_error_of_the_call_that_needs_it(monkeypatch, project, tmp_path):
    monkeypatch.setenv("HFDASK_BROWSER", "/nowhere/chrome-headless-shell")
    hfdask.start_browser()
    with pytest.raises(errors.BrowserNotFoundError, match="nowhere"):
        hfdask.still(project(), 0, tmp_path / "still.png")


def test_the_driver_keeps_its_compiled_code_in_this_user_s_folder(launched):
    folder = scratch.shared_folder() / "driver"
    shutil.rmtree(folder, ignore_errors=True)
    thread = browser_thread()
    thread.run(thread.pool.driver())
    hfdask.close_browsers()
    assert any(file.is_file() for file in folder.rglob("*"))


@pytest.mark.browser
def test_a_browser_that_still_starts_ends_with_the_others(launched):
    before = below()
    hfdask.start_browser()
    hfdask.close_browsers()
    assert not [process for process in running(below()) if process not in before]


_KILLED = """
import os, signal, time, hfdask
hfdask.start_browser()
time.sleep({pause})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("pause", [0, 0.1, 0.2, 0.3, 0.5, 1])
def test_a_browser_that_starts_ends_with_a_process_that_is_killed(pause, nothing_left):
    done = subprocess.run([sys.executable, "-c", _KILLED.format(pause=pause)], check=False)
    assert done.returncode == -signal.SIGKILL
    time.sleep(0.5)  # this process adopts the others one by one


@pytest.mark.browser
@pytest.mark.slow
def test_a_command_that_fails_at_once_leaves_no_browser(nothing_left, tmp_path):
    command = [
        sys.executable,
        "-m",
        "hfdask",
        "still",
        str(tmp_path / "none"),
        "-t",
        "0",
        "-o",
        str(tmp_path / "a.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert not any(map(is_browser, running(below())))


def test_browsers_of_chunks_start_while_planning_goes_on(launched, one_font, project, tmp_path, monkeypatch):
    source, during = project(LONG), []

    def noted(*given):
        during.extend(launched)
        return chunk_keys(*given)

    monkeypatch.setattr(planning, "chunk_keys", noted)
    video = hfdask.render(source, tmp_path / "out.mp4", workers=2, progress=False)
    assert len(video.chunks) >= 2
    assert during == launched == ["beginframe"] * 3
    assert all(chunk.warm for chunk in video.chunks)


def test_chunks_of_other_fonts_get_other_browsers(launched, one_font, project, tmp_path, monkeypatch):
    source = project(LONG)
    other = FontSet(files=(), stand_ins={"no": "font"})
    monkeypatch.setattr(probe, "_fonts_of", lambda faces, world: plan_fonts(other, {}))
    video = hfdask.render(source, tmp_path / "out.mp4", workers=2, progress=False)
    assert launched == ["beginframe"] * 5
    assert not video.chunks[0].warm


def test_no_browser_starts_for_chunks_that_are_finished(launched, one_font, project, tmp_path):
    source, where = project(LONG), {"plan_dir": tmp_path / "plan", "workers": 2, "progress": False}
    hfdask.render(source, tmp_path / "out.mp4", **where)
    hfdask.close_browsers()
    launched.clear()
    again = hfdask.render(source, tmp_path / "out.mp4", **where)
    assert all(chunk.reused for chunk in again.chunks)
    assert len(launched) <= 1


def test_closing_waits_for_a_browser_that_is_prepared(launched):
    thread = browser_thread()

    async def prepare():
        thread.pool.prepare("beginframe", machine_fonts(), 2)

    thread.run(prepare())
    hfdask.close_browsers()
    assert not thread.pool._idle
    assert not any(chromium.alive for chromium in thread.pool._launched)


def test_nothing_is_guessed_of_a_page_without_text(launched, project, tmp_path):
    video = hfdask.render(project(LONG), tmp_path / "out.mp4", workers=2, progress=False)
    assert launched == ["beginframe"] * 3
    assert not video.chunks[0].warm
