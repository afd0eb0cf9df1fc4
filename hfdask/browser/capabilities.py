"""Find out by trials what this machine's browser supports: capture modes, and files that it shares with this process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import tempfile
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.calls import Patience, browser_call, first_line
from hfdask.browser.capture import capture
from hfdask.browser.chromium import Chromium, begin_frame
from hfdask.browser.discovery import find_browser
from hfdask.browser.loop import BrowserThread, browser_thread
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.core.model import CaptureMode, PageSettings
from hfdask.errors import BrowserCrashError, BrowserLaunchError, CaptureError, PageTimeoutError
from hfdask.media.picture import Pixels

# Much more than an empty page should need: on a crowded machine ten seconds are not enough.
_PROBE_SECONDS = 45.0
_PAUSE = 0.01
_COMPOSITION = """<!doctype html><title>trial</title>
<div data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline></div>"""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def capture_mode(wanted: Literal["auto", "beginframe", "canvas", "screenshot"]) -> CaptureMode:
    """Return the mode for a plan. For ``auto``: BeginFrame if the browser really supports it, else screenshots.

    Raises
    ------
    BrowserNotFoundError
        If there is no browser.
    BrowserLaunchError
        If the browser does not start, or does not support the ``wanted`` mode.
    """
    binary = find_browser()
    if wanted == "screenshot":
        return "screenshot"
    works = binary.headless_shell and _has_begin_frame(binary.path)
    if wanted == "beginframe" and not works:
        raise BrowserLaunchError(
            f"{binary.path} cannot capture by BeginFrame; only a headless-shell build can",
            path=str(binary.path),
        )
    if wanted == "canvas":
        if why := canvas_fault(binary.path) if works else "only a headless-shell build can":
            raise BrowserLaunchError(
                f"{binary.path} cannot capture from a canvas: {why}; use capture='auto'", path=str(binary.path)
            )
        return "canvas"
    return "beginframe" if works else "screenshot"


def planning_mode(mode: CaptureMode) -> CaptureMode:
    """Return the mode in which pages are planned and checked, for plans of this mode.

    A page is planned in the top window even if its pictures are taken of a frame: the same resources and fonts are found.
    """
    return "beginframe" if mode == "canvas" else mode


_lock = threading.Lock()
_trials: dict[Path, tuple[BrowserThread, Future[bool]]] = {}


def begin_trial(path: Path) -> Future[bool]:
    """Begin to find out if a browser supports BeginFrame, unless that is known or under way."""
    thread = browser_thread()
    with _lock:
        owner, trial = _trials.get(path, (None, None))
        is_known = trial is not None and trial.done() and not trial.cancelled() and trial.exception() is None
        if trial is None or not (is_known or (owner is thread and not trial.done())):
            trial = thread.submit(_try_begin_frame(thread))
            _trials[path] = thread, trial
        return trial


def _has_begin_frame(path: Path) -> bool:
    try:
        return browser_thread().result(begin_trial(path))
    except (BrowserCrashError, CaptureError):  # once more, because nothing else retries planning
        return browser_thread().result(begin_trial(path))


async def _try_begin_frame(thread: BrowserThread) -> bool:
    # With a profile, so that the same browser serves the first page that is planned.
    async with thread.pool.opened("beginframe", None, _blank_page, profile=True) as ((cdp, chromium), _):
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                # Frames without a picture do not show that the mode is missing, only that the page is not ready yet;
                # they must not lock a plan to the slower mode.
                while not await _drawn(cdp, chromium):
                    await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            raise CaptureError(
                f"the browser drew nothing within {_PROBE_SECONDS:g} s in a trial; if it never does, use "
                "capture='screenshot'"
            ) from error
        except PlaywrightError as error:
            if "wasn't found" in error.message:
                return False
            # Nor does a crash.
            raise BrowserCrashError(f"the browser died in a trial: {first_line(error)}") from error
        return True


@contextlib.asynccontextmanager
async def _blank_page(chromium: Chromium) -> AsyncIterator[tuple[CDPSession, Chromium]]:
    chromium.pages += 1
    async with browser_call("it opened no page for a trial", Patience.open):
        assert chromium.profile is not None  # it was asked for, and its context is there already
        page = await chromium.profile.context.new_page()
        # An empty about:blank draws nothing, so it gets content.
        await page.goto("data:text/html,<body style='background:teal'>", wait_until="commit", timeout=0)
        cdp = await page.context.new_cdp_session(page)
        chromium.processes.find_helpers()
    yield cdp, chromium
    async with browser_call("it did not close a page", Patience.close):
        await page.close()


async def _drawn(cdp: CDPSession, chromium: Chromium) -> bool:
    answer = await begin_frame(cdp, chromium, screenshot={"format": "png"})
    return base64.b64decode(answer.get("screenshotData", "")).startswith(PNG_SIGNATURE)


# A box, and a canvas that moves: browsers have drawn such canvases at the wrong place.
_TRIAL = """<!doctype html><title>trial</title><style>body{background:#102030}
canvas{position:absolute;left:8px;top:16px}</style>
<div data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline>
<canvas width="16" height="8"></canvas><script>const pen = document.querySelector("canvas").getContext("2d");
addEventListener("hf-seek", ({ detail: { time } }) => {
  pen.fillStyle = time ? "#0f0" : "#f00"; pen.fillRect(0, 0, 16, 8); pen.fillStyle = "#00f"; pen.fillRect(0, 0, 4, 4);
  pen.canvas.style.transform = `translate(${60 * time}px, 0)` })</script></div>"""


def _trial_pictures() -> list[Pixels]:
    """Return the first, second and third picture of the trial."""
    pictures = []
    for left, color in ((8, (255, 0, 0)), (10, (0, 255, 0)), (12, (0, 255, 0))):
        picture = np.full((64, 64, 3), (16, 32, 48), np.uint8)
        picture[16:24, left : left + 16] = color
        picture[16:20, left : left + 4] = (0, 0, 255)
        pictures.append(picture)
    return pictures


@functools.cache
def canvas_fault(path: Path) -> str:
    """Return why this browser cannot capture from a canvas, in words; empty if it can.

    Raises
    ------
    BrowserLaunchError, BrowserCrashError
    """
    with tempfile.TemporaryDirectory(prefix="hfdask-") as folder:
        entry = Path(folder) / "index.html"
        entry.write_text(_TRIAL)
        thread = browser_thread()
        try:
            pictures = thread.run(_try_canvas(thread, entry))
        except BrowserCrashError:  # once more, because nothing else retries planning
            pictures = thread.run(_try_canvas(thread, entry))
        except (CaptureError, PageTimeoutError) as error:
            return error.message
    same = [np.array_equal(seen, right) for seen, right in zip(pictures, _trial_pictures(), strict=True)]
    return "" if all(same) else "it draws a page with a canvas wrong"


async def _try_canvas(thread: BrowserThread, entry: Path) -> list[Pixels]:
    def enter(chromium: Chromium) -> contextlib.AbstractAsyncContextManager[PageSession]:
        return open_page(chromium, {entry.name: entry}, _trial_settings("canvas"), Fraction(30))

    async with thread.pool.opened("canvas", None, enter) as (session, _):
        await session.load(entry.name)
        shots = capture(session, 0, len(_trial_pictures()))
        return [shot.picture.keep().pixels async for shot in shots if shot.picture is not None]


def _trial_settings(mode: CaptureMode) -> PageSettings:
    return PageSettings(
        width=64,
        height=64,
        capture_mode=mode,
        fragment=False,
        variables={},
        page_errors="raise",
        load_timeout=_PROBE_SECONDS,
        frame_timeout=_PROBE_SECONDS,
    )


def shared_files(mode: CaptureMode) -> Path | None:
    """Return the folder through whose files this process gives pictures to the videos of pages; None if it has to serve them.

    Raises
    ------
    BrowserNotFoundError, BrowserLaunchError, BrowserCrashError
    """
    with tempfile.TemporaryDirectory(prefix="hfdask-") as folder:
        entry = Path(folder) / "index.html"
        entry.write_text(_COMPOSITION)
        thread = browser_thread()
        return thread.run(_try_shared_file(thread, mode, entry))


async def _try_shared_file(thread: BrowserThread, mode: CaptureMode, entry: Path) -> Path | None:
    def enter(chromium: Chromium) -> contextlib.AbstractAsyncContextManager[PageSession]:
        return open_page(chromium, {entry.name: entry}, _trial_settings(mode), Fraction(30), profile=True)

    async with thread.pool.opened(mode, None, enter, profile=True) as (session, _):
        session.prepare_videos({})
        await session.load(entry.name)
        profile = session.chromium.profile
        return None if profile is None or session.site.shared is not None else profile.folder
