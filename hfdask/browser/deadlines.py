"""Time limits of a page, and the errors for a page that exceeds them, fails or navigates."""

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
    """The deadlines of one page, and the errors that end a block early."""

    def __init__(self, chromium: Chromium, log: PageLog, network: Network | None, debugger: Debugger) -> None:
        self._chromium = chromium
        self._log = log
        self._network = network
        self._debugger = debugger

    @contextlib.asynccontextmanager
    async def within(self, seconds: float, what: str) -> AsyncIterator[None]:
        """Limit the time of a block, and translate its errors; ``what`` says in words what did not happen.

        Raises
        ------
        PageTimeoutError
            The message has what the page waits for, or the running script, if known.
        BrowserCrashError
            If a process is lost or stopped, even if the block succeeds: pictures since then may lack something.
        CaptureError
            If the browser refuses.
        NavigationError
            If the page navigated, which is then the cause of other failures.
        """
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            waits = self._waits()
            await self._require_here_soon()
            if fault := self._chromium.processes.stopped():
                raise BrowserCrashError(f"{what} within {seconds:g} s: {fault}") from error
            where = self._unanswered() or await self._debugger.whereabouts() or waits
            raise PageTimeoutError(
                f"{what} within {seconds:g} s: {where or 'a script that never ends, or an overloaded machine'}",
                seconds=seconds,
            ) from error
        except PlaywrightError as error:
            await self._require_here_soon()
            if not self._chromium.alive:
                raise BrowserCrashError(f"{what}: {self._chromium.processes.lost() or 'the browser died'}") from error
            raise CaptureError(f"{what}: {first_line(error)}") from error
        except HfdaskError:
            await self._require_here_soon()  # the failure was in another document
            raise
        self._require_here()
        if lost := self._chromium.processes.lost():
            raise BrowserCrashError(lost)

    async def _require_here_soon(self) -> None:
        """Call `_require_here` after a failure: the event of a navigation may come after failures that it caused."""
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

    def _waits(self) -> str:
        waits = self._log.waits
        return "the page still waits for " + ", ".join(map(plain, waits[:5])) if waits else ""

    def _unanswered(self) -> str:
        """Describe the requests to other origins that a page still waits for."""
        waits = self._network.pending.values() if self._network else ()
        return "no answer yet from " + ", ".join(sorted({plain(each.url) for each in waits})[:5]) if waits else ""
