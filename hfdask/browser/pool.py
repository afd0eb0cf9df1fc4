"""The warm browsers of a process, kept for later chunks.

Each chunk has its own browser, because the viz process draws one frame at a time, and because a hang or a crash then
costs only one chunk. A warm browser saves most of a chunk's fixed cost, so it is kept for the next chunk. After a
number of pages, or if it uses much memory, it is replaced, because leaks in a long-lived browser would make renders
slower. A browser that failed or lost a process is never used again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Playwright

from hfdask.browser.calls import Patience, first_line
from hfdask.browser.discovery import find_browser
from hfdask.browser.memory import browser_limit
from hfdask.browser.playwright_driver import Driver
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.errors import BrowserCrashError, BrowserLaunchError, BrowserMemoryError, HfdaskError, ProjectError

if TYPE_CHECKING:  # the driver starts while these are imported (`hfdask.browser.starting`)
    from hfdask.browser.chromium import Chromium
    from hfdask.core.model import CaptureMode
    from hfdask.fonts.configuration import FontSetup

MAX_PAGES = 50
"""Pages that a browser opens before it is replaced."""

T = TypeVar("T")

_RETURN_TIMEOUT = 5.0


class BrowserPool:
    """Playwright's driver and the warm browsers of this process, by fonts, scale, profile, and whether they draw on request.

    A browser gets its fonts and its scale when it starts. Planning and rendering use different fonts, and so do most plans. So one
    browser more may stay than were ever leased at a time: a process that plans and renders by turns finds both warm.
    """

    share: int | None = None
    """Memory available to one browser and its task on this worker, in bytes; None if unknown."""

    def __init__(self) -> None:
        self._driver: Driver | None = None
        self._idle: list[Chromium] = []
        self._launched: list[Chromium] = []
        self._lent = 0
        self._closing = False
        self._most_lent = 1
        self._starting = asyncio.Lock()

    async def driver(self, spawned: Callable[[], object] = lambda: None) -> Playwright:
        """Return the driver; start one if none works, and call ``spawned`` as soon as its process exists.

        Raises
        ------
        BrowserLaunchError
        """
        async with self._starting:
            self._require_open()
            if self._driver is not None and not self._driver.works:
                driver, self._driver = self._driver, None
                await driver.stop()  # its browsers cannot be used either
            if self._driver is None:
                self._driver = await Driver.start(spawned)
            return self._driver.playwright

    @contextlib.asynccontextmanager
    async def lease(
        self,
        mode: CaptureMode,
        fonts: FontSetup | None = None,
        *,
        profile: bool = False,
        scale: Scale = UNSCALED,
    ) -> AsyncIterator[tuple[Chromium, bool]]:
        """Lease a browser; yield it, and true if it was warm.

        The browser is kept unless the block ends with an error that the page did not cause. Without ``fonts`` it has
        the fonts of this machine, for planning. With ``profile`` it can share files with its page, which the mode
        ``canvas`` always needs. It draws pages ``scale`` times as large as they are laid out.

        Raises
        ------
        BrowserNotFoundError, BrowserLaunchError, BrowserMemoryError
        BrowserCrashError
            Instead of errors that the loss of a process has caused.
        """
        from hfdask.fonts.configuration import machine_fonts

        world = await asyncio.to_thread(machine_fonts) if fonts is None else fonts
        on_request, profile = mode != "screenshot", profile or mode == "canvas"
        self._lent += 1
        self._most_lent = max(self._most_lent, self._lent)
        try:
            # A browser need not wait for the first call, which reads files of the system.
            limit = asyncio.ensure_future(asyncio.to_thread(browser_limit, self.share, self._most_lent))
            self._require_open()
            chromium = await self._take(on_request, world, profile, scale)
            warm = chromium is not None
            if chromium is None:
                await self._make_room()
                chromium = await self._launch(on_request, world, profile, scale)
            async with self._returned(chromium), chromium.memory.bounded(await limit):
                self._require_open()
                yield chromium, warm
        finally:
            self._lent -= 1

    @contextlib.asynccontextmanager
    async def opened(
        self,
        mode: CaptureMode,
        fonts: FontSetup | None,
        enter: Callable[[Chromium], AbstractAsyncContextManager[T]],
        *,
        profile: bool = False,
        scale: Scale = UNSCALED,
    ) -> AsyncIterator[tuple[T, bool]]:
        """Lease a browser as `lease` does and open ``enter`` in it; yield the result, and true if the browser was warm.

        A warm browser in which it cannot be opened was broken before, so the next one is taken.
        """
        async with AsyncExitStack() as stack:
            while True:
                warm = False
                try:
                    async with AsyncExitStack() as attempt:
                        leased = self.lease(mode, fonts, profile=profile, scale=scale)
                        chromium, warm = await attempt.enter_async_context(leased)
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
            # An error that says already what was lost, if anything was, also says which frame was not drawn.
            if isinstance(error, HfdaskError) and (lost in error.message or isinstance(error, BrowserMemoryError)):
                raise
            if isinstance(error, HfdaskError | PlaywrightError):
                what = lost or f"the browser failed: {first_line(error)}"
                raise BrowserCrashError(what) from error
            raise
        await self._give_back(chromium)

    async def _make_room(self) -> None:
        """Close the browser that has been idle longest, if another one would be too many."""
        while self._idle and len(self._idle) + self._lent > self._most_lent + 1:
            await self._idle.pop(0).close()

    async def _launch(self, on_request: bool, fonts: FontSetup, profile: bool, scale: Scale) -> Chromium:
        from hfdask.browser.chromium import Chromium

        launch = partial(
            Chromium.launch,
            binary=find_browser(),
            fonts=fonts,
            draws_on_request=on_request,
            profile=profile,
            scale=scale,
        )
        try:
            chromium = await launch(await self.driver())
        except BrowserLaunchError:
            if await self._driver_answers():
                raise  # the browser has failed, and others depend on this driver
            await self._stop_driver()
            chromium = await launch(await self.driver())
        self._launched = [*(each for each in self._launched if each.alive), chromium]
        return chromium

    def usage(self) -> tuple[int, int]:
        """Return the number of browsers, and their bytes as last measured. Call it from any thread."""
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
        async with self._starting:  # also a driver that is just starting
            driver, self._driver = self._driver, None
        if driver is not None:
            await driver.stop()

    async def _give_back(self, chromium: Chromium) -> None:
        light = chromium.pages < MAX_PAGES and await chromium.memory.light()
        if light and chromium.alive and not self._closing:
            self._idle.append(chromium)
        else:
            await chromium.close()

    async def _take(self, on_request: bool, fonts: FontSetup, profile: bool, scale: Scale) -> Chromium | None:
        def fits(chromium: Chromium) -> bool:
            # A page that needs no profile gets a new context in any browser.
            has_profile = chromium.profile is not None or not profile
            kind = chromium.draws_on_request, chromium.fonts.key, chromium.scale
            return kind == (on_request, fonts.key, scale) and has_profile

        dead = [each for each in self._idle if not each.alive]
        self._idle = [each for each in self._idle if each not in dead]
        for chromium in dead:
            await chromium.close()
        for chromium in reversed(list(self._idle)):
            if chromium in self._idle and fits(chromium):
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
        """Close the idle browsers."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(chromium.close() for chromium in idle))

    async def close(self) -> None:
        """Close all browsers; work in leased ones fails."""
        self._closing = True
        try:
            for chromium in self._launched:
                if chromium not in self._idle:
                    chromium.kill()
            if self._driver is not None and not self._driver.works:
                await self._stop_driver()  # closing would wait for it
            await self.close_idle()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETURN_TIMEOUT):
                    while self._lent:
                        await asyncio.sleep(0.02)
            await self._stop_driver()
        finally:
            self._closing = False

    def kill(self) -> None:
        """End every process at once, if `close` does not end. Call it from any thread."""
        for chromium in self._launched:
            chromium.kill()
        if self._driver is not None:
            self._driver.kill()
