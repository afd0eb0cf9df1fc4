"""Each process of a browser killed and stopped at each step of a chunk's life: the right frames or an error that says to try again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import psutil
import pytest
from aftermath import below, is_browser, said, until
from slow import marks_in_corpus
from web import Page, Web

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread, capture, chromium, page_opening, session
from hfdask.browser.calls import Patience
from hfdask.browser.capabilities import capture_mode
from hfdask.browser.host import Shot
from hfdask.browser.session import PageSession
from hfdask.browser.walk import Walk
from hfdask.checking.check import _read_once
from hfdask.checking.page import LintPage, open_lint_page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("nothing_left", "impatient")]

BOUND = 60.0
"""Seconds that a chunk may take whatever happens to its browser, with the limits of these tests."""

PAGE = """<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline>
<img class="clip" data-start="0" src="picture.svg"><canvas class="clip" data-start="0" width="20" height="20"></canvas>
<div class="clip" data-start="0" style="width:20px;height:20px;background:#36c;animation:go 1s linear both"></div>
<style>@keyframes go { to { transform: translateX(40px) } }</style>
<script>const pen = document.querySelector('canvas').getContext('2d');
addEventListener('hf-seek', e => { pen.fillStyle = `rgb(${e.detail.time * 200} 0 0)`; pen.fillRect(0, 0, 20, 20) })</script></div>"""

PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#181"/></svg>'
)

VICTIMS = ["browser", "zygote-0", "zygote-1", "gpu-process", "network", "renderer", "driver"]
SIGNALS = [signal.SIGKILL, signal.SIGSTOP]
STEPS = ["idle", "launched", "opening", "loading", "frame", "picture", "finishing", "closing"]
PLANNING = ["launched", "opening", "loading", "reporting", "sweep", "fonts", "finishing", "closing", "checking"]
ALWAYS = {
    ("driver", signal.SIGSTOP, "idle"),
    ("browser", signal.SIGKILL, "opening"),
}

TABLE = [
    pytest.param(victim, how, step, marks=[] if (victim, how, step) in ALWAYS else marks_in_corpus(number, 3))
    for number, (step, victim, how) in enumerate(product(STEPS, VICTIMS, SIGNALS))
]
PLANNING_TABLE = [
    pytest.param(victim, how, step, marks=marks_in_corpus(number, 3))
    for number, (step, victim, how) in enumerate(product(PLANNING, VICTIMS, SIGNALS))
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"start": 10.0, "launch": 8.0, "open": 4.0, "close": 3.0, "answer": 2.0}.items():
        monkeypatch.setattr(Patience, name, seconds)


class Fault:
    """Sends a signal to one kind of process of all browsers, once."""

    def __init__(self, victim: str, how: signal.Signals) -> None:
        self.victim, self.how = victim, how
        self.hit: list[int] = []
        self.done = False

    def __call__(self) -> None:
        if self.done:
            return
        self.done = True
        browsers = [process for process in below() if is_browser(process)]
        for process in {each for browser in browsers for each in self.victims(browser)}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.how)
                self.hit.append(process.pid)

    def victims(self, browser: psutil.Process) -> list[psutil.Process]:
        if self.victim == "browser":
            return [browser]
        if self.victim == "driver":
            return [browser.parent()]
        if self.victim == "network":
            return [each for each in below(browser.pid) if "NetworkService" in said(each)]
        kind, _, number = self.victim.rpartition("-")
        kind = kind if number.isdecimal() else self.victim
        alike = sorted(
            (each for each in below(browser.pid) if f"--type={kind}" in said(each)), key=lambda each: each.pid
        )
        return alike[int(number) : int(number) + 1] if number.isdecimal() else alike


@contextlib.contextmanager
def at(step: str, fault: Fault) -> Iterator[None]:
    """Have a fault happen at a step."""
    with pytest.MonkeyPatch.context() as patch:

        def before(
            owner: Any, name: str, *, when: Callable[..., bool] = lambda *_, **__: True, later: bool = False
        ) -> None:
            original = getattr(owner, name)

            async def faulty(*args: Any, **kwargs: Any) -> Any:
                if when(*args, **kwargs):
                    if later:  # while the browser is at it
                        asyncio.get_running_loop().call_later(0.002, fault)
                    else:
                        fault()
                return await original(*args, **kwargs)

            patch.setattr(owner, name, faulty)

        if step == "idle":
            fault()
        elif step == "launched":
            original: Callable[..., Awaitable[Any]] = chromium.Chromium.launch

            async def launch(*args: Any, **options: Any) -> Any:
                launched = await original(*args, **options)
                fault()
                return launched

            patch.setattr(chromium.Chromium, "launch", launch)
        elif step == "opening":
            before(page_opening, "_open")
        elif step == "loading":
            before(session, "until_ready")
        elif step == "frame":
            before(capture._Camera, "shoot", when=lambda _, frame: frame == 5)
        elif step == "picture":
            before(PageSession, "begin_frame", when=lambda _, screenshot: screenshot, later=True)
        elif step == "finishing":
            before(PageSession, "finish")
        elif step == "closing":
            before(page_opening, "_close")
        elif step == "reporting":
            before(PageSession, "report")
        elif step == "sweep":
            before(PageSession, "seek", when=lambda _, frame, **__: frame == 5)
        elif step == "fonts":
            before(PageSession, "send", when=lambda _, method, *__: method == "CSS.getPlatformFontsForNode")
        elif step == "checking":
            before(LintPage, "_asked")
        yield


@pytest.fixture
def planned(project, tmp_path) -> hfdask.Plan:
    source = project(PAGE + "<p>text</p>", **{"picture.svg": PICTURE})
    return hfdask.plan(source, tmp_path / "plan", fps=10, frame_timeout=3, load_timeout=6, check="off")


def outcome(attempt: Callable[[], Any], right: Callable[[Any], bool]) -> hfdask.HfdaskError | None:
    """Return the error of an attempt. It must end in time, with a right result or a transient error."""
    began = time.monotonic()
    error = None
    try:
        assert right(attempt())
    except hfdask.HfdaskError as caught:
        error = caught
        assert error.retryable, repr(error)
        assert isinstance(error, errors.BrowserError)
    assert time.monotonic() - began < BOUND
    return error


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "how", "step"), TABLE)
def test_a_chunk_survives_or_ends_in_an_error_that_another_try_heals(victim, how, step, planned, tmp_path):
    quiet = hfdask.render_chunk(planned.url, 0, tmp_path / "quiet.mp4")
    if step == "launched":
        browser_thread().run(browser_thread().pool.close_idle(), 30)
    fault = Fault(victim, how)

    def render() -> hfdask.ChunkResult:
        return hfdask.render_chunk(planned.url, 0, tmp_path / "out.mp4", redo=True)

    with at(step, fault):
        outcome(render, lambda chunk: chunk.digest == quiet.digest)
    assert fault.done
    assert fault.hit or (victim, step) in NOBODY
    assert render().digest == quiet.digest
    browser_thread().run(browser_thread().pool.close_idle(), 30)
    assert until(lambda: not stopped(), 5)


@pytest.mark.slow
@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize("victim", ["browser", "gpu-process", "renderer"])
def test_a_chunk_from_a_canvas_goes_on_in_another_browser(victim, how, project, tmp_path, monkeypatch):
    source = project(PAGE, **{"picture.svg": PICTURE})
    options: dict[str, Any] = {"fps": 10, "frame_timeout": 3, "load_timeout": 6, "check": "off"}
    plan = hfdask.plan(source, tmp_path / "plan", capture="canvas", **options)
    quiet = hfdask.render_chunk(plan.url, 0, tmp_path / "quiet.mp4")
    fault, seek = Fault(victim, how), Walk.seek

    async def faulty(walk: Walk, shot: Shot, frame: int) -> bool:
        if frame == 5:  # while the worker draws the one before
            asyncio.get_running_loop().call_later(0.002, fault)
        return await seek(walk, shot, frame)

    monkeypatch.setattr(Walk, "seek", faulty)

    def render() -> hfdask.ChunkResult:
        return hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4", redo=True)

    outcome(render, lambda chunk: chunk.digest == quiet.digest)
    assert fault.hit
    assert render().digest == quiet.digest
    browser_thread().run(browser_thread().pool.close_idle(), 30)
    assert until(lambda: not stopped(), 5)


@pytest.mark.parametrize(("victim", "how", "step"), PLANNING_TABLE)
def test_planning_survives_or_ends_in_an_error_that_another_try_heals(victim, how, step, planned, project, tmp_path):
    source = project(PAGE + "<p>text</p>", **{"picture.svg": PICTURE})
    if step == "launched":
        browser_thread().run(browser_thread().pool.close_idle(), 30)
    fault = Fault(victim, how)

    def plan() -> hfdask.Plan:
        check = "report" if step == "checking" else "off"
        _read_once.cache_clear()  # the same files were checked before
        return hfdask.plan(source, tmp_path / "again", fps=10, frame_timeout=3, load_timeout=6, check=check)

    with at(step, fault):
        outcome(plan, lambda made: made.hash == planned.hash)
    assert fault.done
    assert fault.hit or (victim, step) in NOBODY
    assert plan().hash == planned.hash
    browser_thread().run(browser_thread().pool.close_idle(), 30)
    assert until(lambda: not stopped(), 5)


# There is no such process yet, or it has just ended.
NOBODY = {(victim, "launched") for victim in ("gpu-process", "network", "renderer")} | {
    ("renderer", "idle"),
    ("renderer", "opening"),
}


def stopped() -> list[psutil.Process]:
    found = []
    for process in below():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_STOPPED:
                found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_a_frame_of_another_origin_that_loses_its_process_is_not_drawn_without(number, project, tmp_path, monkeypatch):
    monkeypatch.setattr(chromium, "_FLAGS", (*chromium._FLAGS, "--site-per-process"))
    browser_thread().run(browser_thread().pool.close_idle(), 30)
    web = Web()
    web.pages["/frame.html"] = Page("<body style='background:#800'>", "text/html")
    body = PAGE + f"<iframe src='{web.url}/frame.html' style='position:absolute;left:0;top:0'></iframe>"
    source = project(body, **{"picture.svg": PICTURE})
    options = {"capture": "screenshot", "allow_hosts": ("127.0.0.1",), "check": "off"}
    plan = hfdask.plan(source, tmp_path / "plan", fps=10, frame_timeout=3, load_timeout=6, **options)
    web.stop()
    quiet = hfdask.render_chunk(plan.url, 0, tmp_path / "quiet.mp4")
    fault = Fault(f"renderer-{number}", signal.SIGKILL)
    with at("frame", fault):
        again = hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4", redo=True)
    assert len(fault.hit) == 1
    assert again.digest == quiet.digest
    browser_thread().run(browser_thread().pool.close_idle(), 30)


@pytest.mark.slow
def test_a_warm_browser_that_has_lost_a_process_is_replaced_and_nobody_notices(planned, tmp_path):
    quiet = hfdask.render_chunk(planned.url, 0, tmp_path / "quiet.mp4")
    for victim in VICTIMS[:-2]:
        Fault(victim, signal.SIGKILL)()
        again = hfdask.render_chunk(planned.url, 0, tmp_path / "out.mp4", redo=True)
        assert (again.digest, again.messages) == (quiet.digest, quiet.messages)
        assert not again.warm


@pytest.mark.slow
def test_browsers_that_are_closed_under_a_check_say_no_more_than_that(caplog):
    def never(*_: object) -> Coroutine[object, object, None]:
        return asyncio.sleep(1000)

    def check() -> None:
        with open_lint_page(capture_mode("auto")) as page:
            page._cdp.send = never  # type: ignore[method-assign]
            asking.set()
            page.inspect("<p>", role="entry", width=16, height=16)

    asking = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check)
        asking.wait(60)
        time.sleep(0.2)
        hfdask.close_browsers()
        with pytest.raises(errors.BrowserCrashError, match="were closed"):
            checked.result(30)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
