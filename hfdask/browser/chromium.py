"""Browser processes: how they start, how they end, and the warm ones that wait for the next chunk.

A chunk has a browser to itself, because the viz process draws one frame at a time, and because a hang or a crash then
costs one chunk. A warm browser saves most of a chunk's fixed cost, so it is kept for the next chunk; after a number
of pages, or with much memory, it is replaced, since leaks in a long-lived browser would make renders slower, and one that
misbehaved is never used again.

Everything ends with this process. Playwright's driver leaves when its standard input closes, which the kernel does
even after `kill -9`, and the kernel ends Chromium with the driver. Where memory runs out, the kernel ends Chromium before it
ends this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import psutil
from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import CDPSession, Playwright
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.confine import Channel, Confined, Peers, launcher_of
from hfdask.browser.driver import Driver
from hfdask.browser.find import Browser, find_browser, sandbox_possible
from hfdask.browser.fonts import FontWorld, machine_fonts
from hfdask.browser.memory import Memory, browser_limit
from hfdask.errors import BrowserCrashError, BrowserLaunchError, ProjectError
from hfdask.model import CaptureMode
from hfdask.page.server import PageServer

MAX_PAGES = 50
"""Pages that a browser opens before it is replaced."""

# Software compositing draws every page, WebGL included, and is faster than SwiftShader compositing.
_FLAGS = (
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-image-animation-resync",
    "--disable-lcd-text",
    # A second window takes frames from the first one's compositor.
    "--block-new-web-contents",
    # A tile that is redrawn in part has other edge pixels than one drawn whole, and so a frame would depend on the last.
    "--disable-partial-raster",
    # A page asks for URLs, which are answered or refused; whatever else could go out needs no name to be resolved.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-blink-features=WebSocketStream",
)
# With these the compositor draws only when told to. Screenshots hang for ever under them, so a browser has one mode.
_BEGIN_FRAME_FLAGS = (
    "--deterministic-mode",
    "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
    "--enable-surface-synchronization",
)
# What a browser may know of our environment; credentials are in none of these.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "LD_LIBRARY_PATH",
)
_LAUNCH_TIMEOUT = 30.0
_ANSWER_SECONDS = 5.0
_RETURN_TIMEOUT = 5.0


class Chromium:
    """A running browser with a page server of its own. Use it on the browser thread's loop only."""

    def __init__(
        self,
        browser: PlaywrightBrowser,
        confined: Confined,
        mode: CaptureMode,
        fonts: FontWorld,
        cdp: CDPSession,
        pid: int,
    ) -> None:
        self.playwright = browser
        self.mode = mode
        self.fonts = fonts
        self.pid = pid
        self.pages = 0
        self._cdp = cdp
        self._process = psutil.Process(pid)
        self.confined = confined
        self.server = PageServer(confined.listener, None if confined.private else Peers(self._process).admit)
        self.memory = Memory(self._process)
        self._ticks = 0.0

    @classmethod
    async def launch(cls, driver: Playwright, binary: Browser, mode: CaptureMode, fonts: FontWorld) -> Chromium:
        """Start a browser.

        Raises
        ------
        BrowserLaunchError
            With what Chromium said.
        """
        try:
            with Channel() as channel:
                browser = await driver.chromium.launch(
                    executable_path=str(launcher_of(binary.path)),
                    args=_arguments(mode),
                    chromium_sandbox=sandbox_possible(),
                    env={**_environment(fonts), **channel.environment},
                    timeout=_LAUNCH_TIMEOUT * 1000,
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
                try:
                    confined = channel.received()
                except BrowserLaunchError:
                    await browser.close()
                    raise
            cdp = await browser.new_browser_cdp_session()
            processes = (await cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
            pid = next(int(process["id"]) for process in processes if process["type"] == "browser")
        except PlaywrightError as error:
            raise BrowserLaunchError(
                f"{binary.path} did not start: {error.message.strip()[:600]}; `hfdask doctor` tells more",
                path=str(binary.path),
            ) from error
        return cls(browser, confined, mode, fonts, cdp, pid)

    @property
    def alive(self) -> bool:
        """Whether the process runs: Playwright itself does not notice that its driver died."""
        if not (self.playwright.is_connected() and self._process.is_running()):
            return False
        return bool(self._process.status() != psutil.STATUS_ZOMBIE)

    async def answers(self) -> bool:
        """Whether the process does anything at all: one that was stopped, or that hangs, still runs."""
        try:
            await asyncio.wait_for(self._cdp.send("Browser.getVersion"), _ANSWER_SECONDS)
        except (PlaywrightError, TimeoutError):
            return False
        return True

    def next_tick(self) -> float:
        """The next frame time in ms. It must rise strictly, but by so little that native animations stand still."""
        self._ticks += 0.01
        return self._ticks

    def kill(self) -> None:
        """End the browser at once, whatever it is doing."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()

    async def close(self) -> None:
        """Close the browser, by force where it does not answer."""
        self.server.close()
        try:
            await asyncio.wait_for(self.playwright.close(), 5)
        except (PlaywrightError, TimeoutError):
            self.kill()


async def begin_frame(cdp: CDPSession, chromium: Chromium, *, screenshot: dict[str, Any] | None) -> dict[str, Any]:
    """Have the compositor draw a frame of a page, and wait where it is still at the one before."""
    picture = {} if screenshot is None else {"screenshot": screenshot}
    delay = 0.05
    while True:
        try:
            answer: dict[str, Any] = await cdp.send(
                "HeadlessExperimental.beginFrame", {"frameTimeTicks": chromium.next_tick(), **picture}
            )
        except PlaywrightError as error:
            if "frame is pending" not in error.message or delay > 2:
                raise
            await asyncio.sleep(delay)
            delay *= 2
        else:
            return answer


def _environment(fonts: FontWorld) -> dict[str, str | float | bool]:
    known: dict[str, str | float | bool] = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**known, "LANG": "C.UTF-8", "TZ": "UTC", "FONTCONFIG_FILE": str(fonts.configuration)}


def _arguments(mode: CaptureMode) -> list[str]:
    return [*_FLAGS, *(_BEGIN_FRAME_FLAGS if mode == "beginframe" else ())]


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
        async with self._starting:
            self._require_open()
            if self._driver is None:
                self._driver = await Driver.start()
            return self._driver.playwright

    @contextlib.asynccontextmanager
    async def lease(self, mode: CaptureMode, fonts: FontWorld | None = None) -> AsyncIterator[tuple[Chromium, bool]]:
        """Lend a browser, and whether it was warm. It comes back unless the block ends with an error that is not the page's.

        Without ``fonts`` it has those of this machine, as planning needs.
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
    async def _returned(self, chromium: Chromium) -> AsyncIterator[None]:
        try:
            yield
        except ProjectError:
            await self._give_back(chromium)
            raise
        except BaseException:
            chromium.kill()
            await chromium.close()
            raise
        await self._give_back(chromium)

    async def _make_room(self) -> None:
        """Close the browser that has waited longest, where another one would be more than are of use."""
        while self._idle and len(self._idle) + self._lent > self._most_lent + 1:
            await self._idle.pop(0).close()

    async def _launch(self, mode: CaptureMode, fonts: FontWorld) -> Chromium:
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
            async with asyncio.timeout(5):
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
        if chromium.alive and chromium.pages < MAX_PAGES and await chromium.memory.light():
            self._idle.append(chromium)
        else:
            await chromium.close()

    async def _take(self, mode: CaptureMode, fonts: FontWorld) -> Chromium | None:
        for chromium in reversed(list(self._idle)):
            if chromium in self._idle and chromium.mode == mode and chromium.fonts.key == fonts.key:
                self._idle.remove(chromium)
                if chromium.alive and await chromium.answers():
                    return chromium
                chromium.kill()
                chromium.server.close()
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
        for chromium in self._launched:
            if chromium not in self._idle:
                chromium.kill()
        await self.close_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETURN_TIMEOUT):
                while self._lent:
                    await asyncio.sleep(0.02)
        await self._stop_driver()
        self._closing = False
