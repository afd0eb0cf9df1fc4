"""What a page may take, and what went wrong where it takes longer, fails, or is not the page any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from playwright.async_api import Error as PlaywrightError

from hfdask.browser.calls import first_line
from hfdask.browser.chromium import Chromium
from hfdask.browser.debugger import Debugger
from hfdask.browser.page_log import PageLog, plain
from hfdask.errors import BrowserCrashError, CaptureError, HfdaskError, NavigationError, PageTimeoutError
from hfdask.network.intercept import Network

_WORD_PATIENCE = 0.2


class Deadlines:
    """The deadlines of one page, and the types of all that ends one early."""

    def __init__(self, chromium: Chromium, log: PageLog, network: Network | None, debugger: Debugger) -> None:
        self._chromium = chromium
        self._log = log
        self._network = network
        self._debugger = debugger

    @contextlib.asynccontextmanager
    async def within(self, seconds: float, what: str) -> AsyncIterator[None]:
        """Bound what a block may take; ``what`` says in words what did not happen.

        Raises
        ------
        PageTimeoutError
            With what the page is waiting for, or the script that is running, where that is known.
        BrowserCrashError
            Where a process is lost or stopped, also where the block ends well: what was drawn since may lack something.
        CaptureError
            Where the browser refuses.
        NavigationError
            Where the page left, which is why anything else failed.
        """
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            await self._require_here_soon()
            if fault := self._chromium.processes.stopped():
                raise BrowserCrashError(f"{what} within {seconds:g} s: {fault}") from error
            where = self._unanswered() or await self._debugger.whereabouts()
            raise PageTimeoutError(
                f"{what} within {seconds:g} s: {where or 'a script that never ends, or an overloaded machine'}",
                seconds=seconds,
            ) from error
        except PlaywrightError as error:
            await self._require_here_soon()
            if not self._chromium.alive:
                raise BrowserCrashError(f"the browser died: {what}") from error
            raise CaptureError(f"{what}: {first_line(error)}") from error
        except HfdaskError:
            await self._require_here_soon()  # whatever failed, it failed in another document
            raise
        self._require_here()
        if lost := self._chromium.processes.lost():
            raise BrowserCrashError(lost)

    async def _require_here_soon(self) -> None:
        """As `_require_here`, after a failure: word of a navigation may come later than what it broke."""
        if not self._log.left_for:
            await asyncio.sleep(_WORD_PATIENCE)
        self._require_here()

    def _require_here(self) -> None:
        if self._log.left_for:
            raise NavigationError(
                f"the page navigated to {self._log.left_for[0]}, which compositions may not do; remove the script, link or "
                "refresh that navigates",
                url=self._log.left_for[0],
            )

    def _unanswered(self) -> str:
        """The requests to other origins that a page still waits for."""
        waits = self._network.pending.values() if self._network else ()
        return "no answer yet from " + ", ".join(sorted({plain(each.url) for each in waits})[:5]) if waits else ""
