"""The warm browsers of a process, which wait for the next chunk.

A chunk has a browser to itself, because the viz process draws one frame at a time, and because a hang or a crash then
costs one chunk. A warm browser saves most of a chunk's fixed cost, so it is kept for the next chunk; after a number
of pages, or with much memory, it is replaced, since leaks in a long-lived browser would make renders slower, and one that
misbehaved or lost a process is never used again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Playwright

from hfdask.browser.calls import Patience, first_line
from hfdask.browser.chromium import Chromium
from hfdask.browser.discovery import find_browser
from hfdask.browser.memory import browser_limit
from hfdask.browser.playwright_driver import Driver
from hfdask.core.model import CaptureMode
from hfdask.errors import BrowserCrashError, BrowserLaunchError, BrowserMemoryError, HfdaskError, ProjectError
from hfdask.fonts.configuration import FontSetup, machine_fonts

MAX_PAGES = 50
"""Pages that a browser opens before it is replaced."""

T = TypeVar("T")

_RETURN_TIMEOUT = 5.0


class BrowserPool:
    """Playwright's driver and the warm browsers of this process, by capture mode and fonts.

    A browser reads its fonts when it starts. Planning and rendering have others, and so have most plans, so one more
    browser may stay than were ever lent at a time: a process that plans and renders in turns finds both of them warm.
    """

    share: int | None = None
    """Bytes of memory that a browser and what goes with it have on this worker, where somebody knows."""

    def __init__(self) -> None:
        self._driver: Driver | None = None
        self._idle: list[Chromium] = []
        self._launched: list[Chromium] = []
        self._lent = 0
        self._closing = False
        self._most_lent = 1
        self._starting = asyncio.Lock()

    async def driver(self) -> Playwright:
        """The driver, started where there is none that works.

        Raises
        ------
        BrowserLaunchError
        """
        async with self._starting:
            self._require_open()
            if self._driver is not None and not self._driver.works:
                driver, self._driver = self._driver, None
                await driver.stop()  # its browsers are of no use either
            if self._driver is None:
                self._driver = await Driver.start()
            return self._driver.playwright

    @contextlib.asynccontextmanager
    async def lease(self, mode: CaptureMode, fonts: FontSetup | None = None) -> AsyncIterator[tuple[Chromium, bool]]:
        """Lend a browser, and whether it was warm. It comes back unless the block ends with an error that is not the page's.

        Without ``fonts`` it has those of this machine, as planning needs.

        Raises
        ------
        BrowserNotFoundError, BrowserLaunchError, BrowserMemoryError
        BrowserCrashError
            Instead of whatever was broken by the loss of a process.
        """
        world = await asyncio.to_thread(machine_fonts) if fonts is None else fonts
        self._lent += 1
        self._most_lent = max(self._most_lent, self._lent)
        try:
            limit = browser_limit(self.share, self._most_lent)
            self._require_open()
            chromium = await self._take(mode, world)
            warm = chromium is not None
            if chromium is None:
                await self._make_room()
                chromium = await self._launch(mode, world)
            async with self._returned(chromium), chromium.memory.bounded(limit):
                yield chromium, warm
        finally:
            self._lent -= 1

    @contextlib.asynccontextmanager
    async def opened(
        self, mode: CaptureMode, fonts: FontSetup | None, enter: Callable[[Chromium], AbstractAsyncContextManager[T]]
    ) -> AsyncIterator[tuple[T, bool]]:
        """What ``enter`` opens in a browser that is lent, and whether that was warm.

        A warm browser in which it cannot be opened was broken before anybody asked, so the next one is taken instead.
        """
        async with AsyncExitStack() as stack:
            while True:
                warm = False
                try:
                    async with AsyncExitStack() as attempt:
                        chromium, warm = await attempt.enter_async_context(self.lease(mode, fonts))
                        opened = await attempt.enter_async_context(enter(chromium))
                        stack.push_async_exit(attempt.pop_all())
                    break
                except BrowserCrashError:
                    if not warm:
                        raise
            yield opened, warm

    @contextlib.asynccontextmanager
    async def _returned(self, chromium: Chromium) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            lost = chromium.processes.lost()
            if isinstance(error, ProjectError) and not lost:
                await self._give_back(chromium)
                raise
            chromium.kill()
            await chromium.close()
            if isinstance(error, HfdaskError) and (not lost or isinstance(error, BrowserMemoryError)):
                raise
            if isinstance(error, HfdaskError | PlaywrightError):
                what = lost or f"the browser failed: {first_line(error)}"
                raise BrowserCrashError(what) from error
            raise
        await self._give_back(chromium)

    async def _make_room(self) -> None:
        """Close the browser that has waited longest, where another one would be more than are of use."""
        while self._idle and len(self._idle) + self._lent > self._most_lent + 1:
            await self._idle.pop(0).close()

    async def _launch(self, mode: CaptureMode, fonts: FontSetup) -> Chromium:
        binary = find_browser()
        try:
            chromium = await Chromium.launch(await self.driver(), binary, mode, fonts)
        except BrowserLaunchError:
            if await self._driver_answers():
                raise  # the browser is at fault, and others depend on this driver
            await self._stop_driver()
            chromium = await Chromium.launch(await self.driver(), binary, mode, fonts)
        self._launched = [*(each for each in self._launched if each.alive), chromium]
        return chromium

    def usage(self) -> tuple[int, int]:
        """How many browsers there are, and the bytes that they took when last measured. From any thread."""
        running = [each for each in self._launched if each.alive]
        return len(running), sum(each.memory.now for each in running)

    async def _driver_answers(self) -> bool:
        try:
            async with asyncio.timeout(Patience.answer):
                await (await (await self.driver()).request.new_context()).dispose()
        except (PlaywrightError, TimeoutError):
            return False
        return True

    async def _stop_driver(self) -> None:
        async with self._starting:  # one that is just being started, too
            driver, self._driver = self._driver, None
        if driver is not None:
            await driver.stop()

    async def _give_back(self, chromium: Chromium) -> None:
        light = chromium.pages < MAX_PAGES and await chromium.memory.light()
        if light and chromium.alive and not self._closing:
            self._idle.append(chromium)
        else:
            await chromium.close()

    async def _take(self, mode: CaptureMode, fonts: FontSetup) -> Chromium | None:
        dead = [each for each in self._idle if not each.alive]
        self._idle = [each for each in self._idle if each not in dead]
        for chromium in dead:
            await chromium.close()
        for chromium in reversed(list(self._idle)):
            if chromium in self._idle and chromium.mode == mode and chromium.fonts.key == fonts.key:
                self._idle.remove(chromium)
                if await chromium.works():
                    return chromium
                chromium.kill()
                await chromium.close()
        return None

    def _require_open(self) -> None:
        if self._closing:
            raise BrowserCrashError("the browsers of this process were closed while it rendered")

    async def close_idle(self) -> None:
        """Close the browsers that are not lent."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(chromium.close() for chromium in idle))

    async def close(self) -> None:
        """Close all browsers; those that are lent fail where they are."""
        self._closing = True
        try:
            for chromium in self._launched:
                if chromium not in self._idle:
                    chromium.kill()
            if self._driver is not None and not self._driver.works:
                await self._stop_driver()  # nothing ends as long as that is waited for
            await self.close_idle()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETURN_TIMEOUT):
                    while self._lent:
                        await asyncio.sleep(0.02)
            await self._stop_driver()
        finally:
            self._closing = False

    def kill(self) -> None:
        """End every process at once, where `close` did not come to an end. From any thread."""
        for chromium in self._launched:
            chromium.kill()
        if self._driver is not None:
            self._driver.kill()
