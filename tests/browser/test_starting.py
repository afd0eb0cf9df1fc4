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
from playwright.sync_api import sync_playwright

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread, capabilities
from hfdask.browser.pool import BrowserPool
from hfdask.core import scratch

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def launched(monkeypatch):
    """Note for each browser that is launched from now on if it draws on request; none is running or known."""
    hfdask.close_browsers()
    launches, launch = [], BrowserPool._launch

    async def counted(self, on_request, *options):
        launches.append(on_request)
        return await launch(self, on_request, *options)

    monkeypatch.setattr(BrowserPool, "_launch", counted)
    monkeypatch.setattr(capabilities, "_trials", {})
    return launches


def test_the_next_call_takes_the_browser_that_was_started(launched, project, tmp_path):
    hfdask.start_browser()
    assert hfdask.still(project(), 0.5, tmp_path / "still.png") == 15
    assert launched == [True]


def test_a_browser_is_tried_once_if_several_threads_ask(launched):
    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(capabilities.capture_mode, ["auto"] * 4)} == {"beginframe"}
    assert launched == [True]


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


@pytest.mark.browser
def test_playwright_starts_for_others_after_the_browsers_are_closed(launched):
    hfdask.start_browser()
    hfdask.close_browsers()
    with sync_playwright() as playwright:
        assert playwright.chromium.name == "chromium"


def test_a_driver_that_does_not_start_holds_up_nothing(monkeypatch):
    async def fails(*_):
        raise errors.BrowserLaunchError("no driver")

    monkeypatch.setattr(BrowserPool, "driver", fails)
    hfdask.start_browser()  # returns


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
