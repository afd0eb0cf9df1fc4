"""Find out by trials what this machine's browser supports: capture modes, and files that it shares with this process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.calls import Patience, browser_call, first_line
from hfdask.browser.chromium import Chromium, begin_frame
from hfdask.browser.discovery import find_browser
from hfdask.browser.loop import BrowserThread, browser_thread
from hfdask.browser.session import PageSession, open_page
from hfdask.core.model import CaptureMode, PageSettings
from hfdask.errors import BrowserCrashError, BrowserLaunchError, CaptureError

# Much more than an empty page should need: on a crowded machine ten seconds are not enough.
_PROBE_SECONDS = 45.0
_PAUSE = 0.01
_COMPOSITION = """<!doctype html><title>trial</title>
<div data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline></div>"""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def capture_mode(wanted: Literal["auto", "beginframe", "screenshot"]) -> CaptureMode:
    """Return the mode for a plan: BeginFrame if the browser really supports it, else screenshots.

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
    return "beginframe" if works else "screenshot"


@functools.cache
def _has_begin_frame(path: Path) -> bool:
    thread = browser_thread()
    try:
        return thread.run(_try_begin_frame(thread))
    except (BrowserCrashError, CaptureError):  # once more, because nothing else retries planning
        return thread.run(_try_begin_frame(thread))


async def _try_begin_frame(thread: BrowserThread) -> bool:
    async with thread.pool.opened("beginframe", None, _blank_page) as ((cdp, chromium), _):
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
        page = await chromium.playwright.new_page()
        # An empty about:blank draws nothing, so it gets content.
        await page.goto("data:text/html,<body style='background:teal'>", wait_until="commit", timeout=0)
        cdp = await page.context.new_cdp_session(page)
        chromium.processes.find_helpers()
    yield cdp, chromium
    async with browser_call("it did not close a page", Patience.close):
        await page.context.close()


async def _drawn(cdp: CDPSession, chromium: Chromium) -> bool:
    answer = await begin_frame(cdp, chromium, screenshot={"format": "png"})
    return base64.b64decode(answer.get("screenshotData", "")).startswith(PNG_SIGNATURE)


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
    settings = PageSettings(
        width=64,
        height=64,
        capture_mode=mode,
        fragment=False,
        variables={},
        page_errors="raise",
        load_timeout=_PROBE_SECONDS,
        frame_timeout=_PROBE_SECONDS,
    )

    def enter(chromium: Chromium) -> contextlib.AbstractAsyncContextManager[PageSession]:
        return open_page(chromium, {entry.name: entry}, settings, Fraction(30), profile=True)

    async with thread.pool.opened(mode, None, enter, profile=True) as (session, _):
        session.prepare_videos({})
        await session.load(entry.name)
        profile = session.chromium.profile
        return None if profile is None or session.site.shared is not None else profile.folder
