"""Call the browser with a time limit, and translate its errors.

Playwright waits without end if its driver or the browser has stopped, and its errors do not say if another attempt can
help. So all calls to it are made in `browser_call`, except for calls under a page's own deadlines.
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
    """Time limits in seconds for answers of a browser or its driver. On a crowded machine some seconds are not rare."""

    start = 60.0
    launch = 30.0
    open = 30.0
    close = 10.0
    answer = 5.0


@asynccontextmanager
async def browser_call(
    what: str, seconds: float, *, late: type[BrowserError] = BrowserCrashError, processes: Processes | None = None
) -> AsyncIterator[None]:
    """Limit the time of a block with calls to the browser, and translate its errors.

    Parameters
    ----------
    what : str
        What failed, in words: "it opened no page".
    late : type
        The error if the browser does not answer although none of its ``processes`` is stopped or lost.

    Raises
    ------
    BrowserCrashError
        If the browser fails.
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
    """Return an error's message without Playwright's call log."""
    return legible(getattr(error, "message", str(error)).strip().partition("\n")[0])[:600]
