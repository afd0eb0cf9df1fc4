"""A page that is ready to be sought: opened, loaded, settled, and driven frame by frame.

The page's runtime does the work and answers with plain JSON; this side owns deadlines, collects what went wrong, and
keeps the compositor going while the page loads, because under BeginFrame nothing is drawn, and some promises never
settle, unless somebody asks for frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Page, Request
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.chromium import Chromium
from hfdask.errors import (
    AssetError,
    BrowserCrashError,
    CaptureError,
    HfdaskError,
    NavigationError,
    PageTimeoutError,
    ProjectError,
    RootNotFoundError,
    ScriptError,
)
from hfdask.model import PageSettings
from hfdask.page import runtime_script
from hfdask.page.server import ORIGIN, Site
from hfdask.timing import frame_time

MAX_MESSAGES = 100
"""Console and network messages that are kept of one page."""

# Set-up that is still going on after this long is the page's way of life, and is waited for no longer.
_TIMER_PATIENCE = 2.0
_LOAD_PATIENCE = 15.0
# A script that runs is interrupted at once; a page that only waits for a promise never pauses.
_PAUSE_PATIENCE = 1.0
_WORD_PATIENCE = 0.2
# Scripts are loaded, nothing is in flight, no timer is due: after so many quiet looks no timeline can still come.
_QUIET_LOOKS = 3

# Fetch destinations and resource types whose absence shows in the picture; a script's own fetch() may handle a miss.
_VISIBLE = frozenset(
    {"image", "script", "style", "stylesheet", "font", "video", "audio", "media", "track"}
    | {"iframe", "document", "object", "embed"}
)

_CONTEXT: dict[str, Any] = {
    "device_scale_factor": 1,
    "locale": "en-US",
    "timezone_id": "UTC",
    "color_scheme": "light",
    "reduced_motion": "no-preference",
    "service_workers": "block",
    "accept_downloads": False,
}


@dataclass
class PageLog:
    """What the page said and what it failed to get.

    ``refused`` are requests that left the plan, ``left_for`` the documents that the page itself wanted to go to.
    """

    messages: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    left_for: list[str] = field(default_factory=list)
    in_flight: int = 0
    opened: bool = False

    def add(self, text: str) -> None:
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append(text[:500])

    def attach(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("request", self._on_request)
        page.on("requestfinished", self._on_done)
        page.on("requestfailed", self._on_failed)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.add(f"console.{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        self.in_flight += 1
        if request.is_navigation_request() and request.frame.parent_frame is None:
            if self.opened:  # the first one is ours
                self.left_for.append(request.url.partition("?")[0])
            self.opened = True

    def _on_done(self, request: Request) -> None:
        self.in_flight -= 1

    def _on_failed(self, request: Request) -> None:
        self.in_flight -= 1
        if not request.url.startswith(ORIGIN + "/"):
            self.refused.append((request.url.partition("?")[0], request.resource_type))


@dataclass
class Loaded:
    """How loading ended: timelines that never came, and what was given up waiting for."""

    missing: list[str]
    abandoned: list[str]


class PageSession:
    """One open composition. Get it from `open_page`; every method runs on the browser thread's loop."""

    def __init__(
        self,
        chromium: Chromium,
        page: Page,
        cdp: CDPSession,
        settings: PageSettings,
        fps: Fraction,
        site: Site,
    ) -> None:
        self.chromium = chromium
        self.settings = settings
        self.fps = fps
        self.site = site
        self.log = PageLog()
        self._page = page
        self._cdp = cdp
        self._crashed = False
        self._debugging = False
        self._scripts: dict[str, str] = {}
        self._paused: asyncio.Future[dict[str, Any]] | None = None
        self._resuming: asyncio.Future[Any] | None = None
        self.log.attach(page)
        page.on("crash", self._on_crash)

    def _on_crash(self, _: Page) -> None:
        self._crashed = True

    async def debug(self) -> None:
        """Let a later timeout name the script that was running. It costs some speed, so only planning does it."""
        self._cdp.on("Debugger.paused", self._on_paused)
        self._cdp.on("Debugger.scriptParsed", lambda event: self._scripts.update({event["scriptId"]: event["url"]}))
        await self._cdp.send("Debugger.enable")
        self._debugging = True

    def _on_paused(self, event: dict[str, Any]) -> None:
        if self._paused is not None and not self._paused.done():
            self._paused.set_result(event)
        else:  # a `debugger` statement of the page's: nobody is here to look
            self._resuming = asyncio.ensure_future(self._cdp.send("Debugger.resume"))

    async def load(self, entry: str) -> Loaded:
        """Open the entry document and wait until it is ready (contract 2.4).

        Raises
        ------
        RootNotFoundError, ScriptError, PageTimeoutError, BrowserCrashError
        """
        async with self._deadline(self.settings.load_timeout, f"{entry} did not become ready"):
            await self._page.goto(f"{ORIGIN}/{quote(entry)}", wait_until="commit", timeout=0)
            loaded = await self._wait_until_ready(entry)
            await self._evaluate("__hfdask.settle()")
            await self.pump(2)
            self._check((await self._evaluate("__hfdask.status()"))["problems"], "while it settled at time 0")
        return loaded

    async def _wait_until_ready(self, entry: str) -> Loaded:
        started = time.monotonic()
        quiet = 0
        while True:
            status = await self._evaluate("window.__hfdask ? __hfdask.status() : null")
            await self.pump(1)
            elapsed = time.monotonic() - started
            if status is not None and status["prepared"]:
                self._check(status["problems"], "while loading")
                if not status["root"]:
                    raise RootNotFoundError(
                        f"{entry} has no composition root: give one element a data-composition-id, data-width and data-height",
                        entry=entry,
                    )
                abandoned = _abandon(status["waiting"], elapsed)
                idle = self.log.in_flight <= 0 and len(abandoned) == len(status["waiting"])
                if idle and not status["missing"]:
                    return Loaded([], abandoned)
                quiet = quiet + 1 if idle else 0
                if quiet >= _QUIET_LOOKS:
                    return Loaded(status["missing"], abandoned)
            await asyncio.sleep(0.005 if elapsed < 0.5 else 0.03)

    async def report(self) -> dict[str, Any]:
        """The resolved timeline, as the runtime sees it."""
        async with self._deadline(self.settings.load_timeout, "the page did not report its timeline"):
            report: dict[str, Any] = await self._evaluate("__hfdask.report()")
            self._check((await self._evaluate("__hfdask.status()"))["problems"], "while it resolved its timeline")
        return report

    async def seek(self, frame: int) -> bool:
        """Bring the page to a frame of the absolute timeline; returns whether anything moved on the way.

        Raises
        ------
        ScriptError
            Where author code threw, unless the plan only warns of that.
        """
        answer = await self._evaluate(f"__hfdask.frame({frame_time(frame, self.fps)!r})")
        if isinstance(answer, dict):
            self._check(answer["problems"], f"at frame {frame}")
            return bool(answer["changed"])
        return bool(answer)

    async def finish(self) -> None:
        """The last look at a page: errors that came late, and files that it asked for in vain.

        Raises
        ------
        ScriptError
        AssetError
            With the URL and what asked, for each file whose absence shows in the picture.
        """
        async with self._deadline(self.settings.frame_timeout, "the page did not answer at its end"):
            self._check((await self._evaluate("__hfdask.status()"))["problems"], "after the last frame")
        lost = [(miss.path, miss.wanted_as) for miss in self.site.misses] + self.log.refused
        for url, kind in lost:
            if kind not in _VISIBLE:
                self.log.add(f"not in the project: {url} (as {kind})")
        serious = sorted({f"{url} (as {kind})" for url, kind in lost if kind in _VISIBLE})
        if serious:
            raise AssetError(
                f"the page asks for what is not in the project: {'; '.join(serious)}; the network is closed to it, so put "
                "the files into the project's folder",
                missing=serious,
            )

    def _check(self, problems: list[str], when: str) -> None:
        for problem in problems:
            self.log.add(f"uncaught {when}: {problem}")
        if problems and self.settings.page_errors == "raise":
            raise ScriptError(
                f"a script threw {when}: {problems[0]}; mend it, or render with page_errors='warn'",
                problems=problems[:5],
            )

    async def _evaluate(self, expression: str) -> Any:
        evaluation = asyncio.ensure_future(
            self._cdp.send("Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True})
        )
        try:
            while not (await asyncio.wait({evaluation}, timeout=0.1))[0]:
                await self.pump(1)  # a promise may need the compositor to go on
        except BaseException:
            evaluation.cancel()
            raise
        answer = evaluation.result()
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            text = detail.get("exception", {}).get("description") or detail.get("text")
            raise ScriptError(f"the page runtime failed: {text}", expression=expression)
        return answer["result"].get("value")

    async def pump(self, frames: int) -> None:
        """Let the compositor go on by some frames, where it only does so when told."""
        if self.chromium.mode == "beginframe":
            for _ in range(frames):
                await self.begin_frame(screenshot=False)

    async def begin_frame(self, *, screenshot: bool) -> dict[str, Any]:
        """One frame of the compositor; with ``screenshot``, the answer's ``screenshotData`` is a base64 PNG."""
        parameters: dict[str, Any] = {"frameTimeTicks": self.chromium.next_tick()}
        if screenshot:
            parameters["screenshot"] = {"format": "png", "optimizeForSpeed": True}
        delay = 0.05
        while True:
            try:
                return await self._cdp.send("HeadlessExperimental.beginFrame", parameters)
            except PlaywrightError as error:
                if "frame is pending" not in error.message or delay > 2:
                    raise
                await asyncio.sleep(delay)
                delay *= 2
                parameters["frameTimeTicks"] = self.chromium.next_tick()

    async def screenshot(self) -> str:
        """A base64 PNG of the viewport, in a browser that draws by itself."""
        clip = {"x": 0, "y": 0, "width": self.settings.width, "height": self.settings.height, "scale": 1}
        answer = await self._cdp.send(
            "Page.captureScreenshot", {"format": "png", "clip": clip, "optimizeForSpeed": True}
        )
        return str(answer["data"])

    @contextlib.asynccontextmanager
    async def deadline_for_frame(self, frame: int) -> AsyncIterator[None]:
        """Bound what one frame may take."""
        async with self._deadline(self.settings.frame_timeout, f"frame {frame} was not drawn"):
            yield

    @contextlib.asynccontextmanager
    async def _deadline(self, seconds: float, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            await self._require_here_soon()
            where = await self._whereabouts()
            raise PageTimeoutError(
                f"{what} within {seconds:g} s: {where or 'a script that never ends, or an overloaded machine'}",
                seconds=seconds,
            ) from error
        except PlaywrightError as error:
            await self._require_here_soon()
            if self._crashed or not self.chromium.alive:
                raise BrowserCrashError(f"the browser died: {what}") from error
            raise CaptureError(f"{what}: {error.message.splitlines()[0]}") from error
        except HfdaskError:
            await self._require_here_soon()  # whatever failed, it failed in another document
            raise
        self._require_here()

    async def _require_here_soon(self) -> None:
        """As `_require_here`, after a failure: word of a navigation may come later than what it broke."""
        if not self.log.left_for:
            await asyncio.sleep(_WORD_PATIENCE)
        self._require_here()

    def _require_here(self) -> None:
        if self.log.left_for:
            raise NavigationError(
                f"the page left for {self.log.left_for[0]}: a composition must stay where it is, so remove the script, link or "
                "refresh that navigates",
                url=self.log.left_for[0],
            )

    async def _whereabouts(self) -> str:
        """What a page that doesn't answer is doing, as far as its debugger can tell."""
        if not self._debugging:
            return ""
        self._paused = paused = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._cdp.send("Debugger.pause"), _PAUSE_PATIENCE)
            frames = (await asyncio.wait_for(paused, _PAUSE_PATIENCE))["callFrames"]
        except (PlaywrightError, TimeoutError):
            return ""
        # The innermost frames may be the runtime's own or the browser's, which have no address.
        places = [(self._scripts.get(frame["location"]["scriptId"], ""), frame["location"]) for frame in frames]
        named = [
            f"{url.removeprefix(ORIGIN + '/').partition('?')[0]}:{place['lineNumber'] + 1}"
            for url, place in places
            if url
        ]
        return f"the script at {named[0]} was still running" if named else ""


def _abandon(waiting: list[str], elapsed: float) -> list[str]:
    patience = {"timers": _TIMER_PATIENCE}
    return [what for what in waiting if what != "document" and elapsed > patience.get(what, _LOAD_PATIENCE)]


@contextlib.asynccontextmanager
async def open_page(
    chromium: Chromium, files: Mapping[str, Path], settings: PageSettings, fps: Fraction
) -> AsyncIterator[PageSession]:
    """A fresh page of a fresh context, over these files; closed at the end of the block."""
    site = chromium.server.site = Site(files)
    chromium.pages += 1
    context: BrowserContext = await chromium.playwright.new_context(
        viewport={"width": settings.width, "height": settings.height}, **_CONTEXT
    )
    await context.add_init_script(runtime_script(settings, fps))
    page = await context.new_page()
    session = PageSession(chromium, page, await context.new_cdp_session(page), settings, fps, site)
    try:
        yield session
    except ProjectError:
        await _close(context)  # the page is at fault, not the browser
        raise
    # After any other error the whole browser is thrown away.
    await _close(context)


async def _close(context: BrowserContext) -> None:
    try:
        await asyncio.wait_for(context.close(), 10)
    except (PlaywrightError, TimeoutError) as error:
        raise BrowserCrashError("the browser did not close a page") from error
