"""Calls to the browser: each ends in time, and each failure is an error of ours.

Playwright waits for ever where its driver or the browser has stopped, and its own errors say nothing of whether another try can
help. So no call to it is awaited outside of `browser_call`, but for those under a page's own deadlines.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Error as PlaywrightError

from hfdask.browser.processes import Processes
from hfdask.errors import BrowserCrashError, BrowserError
from hfdask.text import legible


class Patience:
    """Seconds that a browser or its driver may take to answer; on a crowded machine some of them are not rare."""

    start = 60.0
    launch = 30.0
    open = 30.0
    close = 10.0
    answer = 5.0


@asynccontextmanager
async def browser_call(
    what: str, seconds: float, *, late: type[BrowserError] = BrowserCrashError, processes: Processes | None = None
) -> AsyncIterator[None]:
    """Bound what a block with calls to the browser may take.

    Parameters
    ----------
    what : str
        What did not happen, in words: "it opened no page".
    late : type
        The error where the browser does not answer, although none of its ``processes`` is stopped or lost.

    Raises
    ------
    BrowserCrashError
        Where the browser fails.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        fault = processes.stopped() if processes else ""
        kind = BrowserCrashError if fault else late
        said = f"the browser did not answer within {seconds:g} s: {what}"
        raise kind(f"{said}: {fault}" if fault else said) from error
    except PlaywrightError as error:
        raise BrowserCrashError(f"the browser failed: {what}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error says, without Playwright's call log."""
    return legible(getattr(error, "message", str(error)).strip().partition("\n")[0])[:600]
