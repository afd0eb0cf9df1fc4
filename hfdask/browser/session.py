"""A page that is ready to be sought: opened, loaded, settled, and driven frame by frame.

The page's runtime does the work and answers with plain JSON; this side owns deadlines, collects what went wrong, and
keeps the compositor going while the page loads, because under BeginFrame nothing is drawn, and some promises never
settle, unless somebody asks for frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Page, Request
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.chromium import Chromium, begin_frame
from hfdask.browser.families import GENERIC
from hfdask.browser.network import Network
from hfdask.browser.requests import Refusal, Source, redact, redact_text
from hfdask.errors import (
    AssetError,
    BrowserCrashError,
    CaptureError,
    EmptyCompositionError,
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
from hfdask.sight import Sight
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
_MAX_ASKERS = 2000

_FIND_ELEMENTS = """(urls) => {
  const found = {};
  for (const element of document.querySelectorAll("[src],[href],[poster],[srcset],[data]")) {
    const places = [element.currentSrc, element.src, element.href?.baseVal ?? element.href, element.poster, element.data];
    const url = urls.find((each) => places.some((place) => place && new URL(place, document.baseURI).href === each));
    if (url) found[url] ??= `<${element.localName}${element.id ? ` id="${element.id}"` : ""}>`;
  }
  return found;
}"""

# Why Chromium itself let a request fail.
_EXPLAINED = {
    "ERR_NAME_NOT_RESOLVED": "a render has no network",
    "ERR_BLOCKED_BY_ORB": "its type is not what it is used as",
    "ERR_FAILED": "its server does not allow its use on other sites (CORS)",
    "ERR_BLOCKED_BY_RESPONSE": "its server does not allow its use on other sites",
}

# What a page reads of its network: neither if this machine has one, nor how fast that is (it would be blurred at random).
_NETWORK_STATE = {"offline": False, "latency": 0, "downloadThroughput": 1e9, "uploadThroughput": 1e9}

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
    """What the page said, who asked for what, and what went wrong on its way elsewhere.

    ``failed`` are requests to other origins, ``left_for`` the documents that the page itself wanted to go to.
    """

    messages: list[str] = field(default_factory=list)
    failed: list[Refusal] = field(default_factory=list)
    left_for: list[str] = field(default_factory=list)
    in_flight: int = 0
    opened: bool = False
    _askers: dict[str, str] = field(default_factory=dict)

    def add(self, text: str) -> None:
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append(redact_text(text)[:500])

    def attach(self, page: Page, cdp: CDPSession) -> None:
        page.on("console", self._on_console)
        page.on("request", self._on_request)
        page.on("requestfinished", self._on_done)
        page.on("requestfailed", self._on_failed)
        cdp.on("Network.requestWillBeSent", self._on_asked)

    def asker(self, url: str) -> str:
        """What asked for a URL first: a place in a document, style sheet or script; empty where nobody knows."""
        return self._askers.get(_plain(url), "")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.add(f"console.{message.type}: {message.text}")

    # Of other origins only the `Network` knows what is under way: Playwright loses the end of what a frame in another
    # process asked for.
    def _on_request(self, request: Request) -> None:
        self.in_flight += _is_own(request.url)
        if request.is_navigation_request() and request.frame.parent_frame is None:
            if self.opened:  # the first one is ours
                self.left_for.append(redact(request.url))
            self.opened = True

    def _on_done(self, request: Request) -> None:
        self.in_flight -= _is_own(request.url)

    def _on_failed(self, request: Request) -> None:
        self.in_flight -= _is_own(request.url)
        reason = (request.failure or "").removeprefix("net::")
        # The page dropped it itself, or the `Network` refused it and knows why.
        if not (_is_own(request.url) or reason.startswith(("ERR_ABORTED", "ERR_BLOCKED_BY_CLIENT"))):
            self.failed.append(Refusal(request.url, request.resource_type, _EXPLAINED.get(reason, reason)))

    def _on_asked(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith(("http:", "https:", "file:")) and len(self._askers) < _MAX_ASKERS:
            self._askers.setdefault(_plain(url), _asker(event["initiator"]))


def _is_own(url: str) -> bool:
    return url.startswith(ORIGIN + "/")


def _plain(url: str) -> str:
    return unquote(redact(url))


def _asker(initiator: dict[str, Any]) -> str:
    stack = initiator.get("stack", {})
    while stack:
        for call in stack["callFrames"]:
            if call["url"]:  # the runtime's own scripts have none
                return f"{_plain(call['url']).removeprefix(ORIGIN + '/')}:{call['lineNumber'] + 1}"
        stack = stack.get("parent")
    if initiator.get("url"):
        line = f":{initiator['lineNumber'] + 1}" if "lineNumber" in initiator else ""
        return _plain(initiator["url"]).removeprefix(ORIGIN + "/") + line
    return ""


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
        network: Network | None = None,
    ) -> None:
        self.chromium = chromium
        self.settings = settings
        self.fps = fps
        self.site = site
        self.log = PageLog()
        self.network = network
        self._page = page
        self._cdp = cdp
        self._crashed = False
        self._debugging = False
        self._scripts: dict[str, str] = {}
        self._paused: asyncio.Future[dict[str, Any]] | None = None
        self._resuming: asyncio.Future[Any] | None = None
        self.log.attach(page, cdp)
        page.on("crash", self._on_crash)

    def _on_crash(self, _: Page) -> None:
        self._crashed = True

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return max(0, self.log.in_flight) + (len(self.network.pending) if self.network else 0)

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
        RootNotFoundError, EmptyCompositionError, ScriptError, PageTimeoutError, BrowserCrashError
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
                if status["offenders"]:  # before what scripts say of it
                    raise EmptyCompositionError(
                        f"sub-compositions that {entry} mounts cannot be used: {'; '.join(status['offenders'])}; "
                        "data-composition-src is relative to the project's folder",
                        files=status["offenders"],
                    )
                self._check(status["problems"], "while loading")
                abandoned = self._abandon(status["waiting"], elapsed)
                idle = not self.in_flight and len(abandoned) == len(status["waiting"])
                if idle and status["root"] and not status["missing"]:
                    return Loaded([], abandoned)
                quiet = quiet + 1 if idle else 0
                if quiet >= _QUIET_LOOKS:
                    if not status["root"]:
                        raise RootNotFoundError(
                            f"{entry} has no composition root: give one element a data-composition-id, data-width and "
                            "data-height, or the window an __hf with duration and seek",
                            entry=entry,
                        )
                    return Loaded(status["missing"], abandoned)
            await asyncio.sleep(0.005 if elapsed < 0.5 else 0.03)

    def _abandon(self, waiting: list[str], elapsed: float) -> list[str]:
        """What is waited for no longer: a page that loads slowly in a chunk must end up as it did while it was planned."""
        patience = {"timers": _TIMER_PATIENCE}
        gives_up = self.settings.gives_up
        return [
            what
            for what in waiting
            if what != "document"
            and elapsed > patience.get(what, _LOAD_PATIENCE)
            and (gives_up is None or what in gives_up)
        ]

    async def report(self) -> dict[str, Any]:
        """The resolved timeline, as the runtime sees it."""
        async with self._deadline(self.settings.load_timeout, "the page did not report its timeline"):
            report: dict[str, Any] = await self._evaluate("__hfdask.report()")
            self._check((await self._evaluate("__hfdask.status()"))["problems"], "while it resolved its timeline")
        return report

    async def sight(self) -> Sight:
        """What the parts of the page's timeline can see; to be asked when all frames have been sought."""
        async with self._deadline(self.settings.load_timeout, "the page did not tell its parts"):
            parts = await self._evaluate("__hfdask.sight()")
        return msgspec.convert({**parts, "served": sorted(self.site.served)}, Sight)

    async def seek(self, frame: int, *, layout: bool = False) -> bool:
        """Bring the page to a frame of the absolute timeline; returns whether anything moved on the way.

        With ``layout`` it is laid out at once, which makes it load what it shows, without a frame of the compositor.

        Raises
        ------
        ScriptError
            Where author code threw, unless the plan only warns of that.
        """
        expression = f"__hfdask.frame({frame_time(frame, self.fps)!r})"
        if layout:
            expression = f"((answer) => (document.documentElement.offsetHeight, answer))({expression})"
        answer = await self._evaluate(expression)
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
        if self.network is not None:
            self.network.check()
        lost = [Refusal(f"{ORIGIN}/{quote(miss.path)}", miss.wanted_as, "") for miss in self.site.misses]
        lost += self.log.failed + (self.network.refusals if self.network else [])
        for each in lost:
            if not each.shows:
                self.log.add(f"not in the project: {self._described(each)}")
        if serious := [each for each in lost if each.shows]:
            raise self._asset_error(serious, await self._elements([each.url for each in serious]))

    async def _elements(self, urls: list[str]) -> dict[str, str]:
        """The elements that show these URLs: of a picture that a script has set, the browser does not say who asked."""
        async with self._deadline(self.settings.frame_timeout, "the page did not say what it lacks"):
            found: dict[str, str] = await self._evaluate(f"({_FIND_ELEMENTS})({json.dumps(urls)})")
        return found

    def _described(self, lost: Refusal, element: str = "") -> str:
        asker = ", ".join(filter(None, [self.log.asker(lost.url), element]))
        name = _plain(lost.url).removeprefix(ORIGIN + "/")
        return (
            f"{name} (as {lost.kind})" + (f" in {asker}" if asker else "") + (f": {lost.reason}" if lost.reason else "")
        )

    def _asset_error(self, lost: list[Refusal], elements: Mapping[str, str]) -> AssetError:
        kinds = {each.error for each in lost}
        missing = sorted({self._described(each, elements.get(each.url, "")) for each in lost})
        return (kinds.pop() if len(kinds) == 1 else AssetError)(
            f"the page asks for what is not in the project: {'; '.join(missing)}; put the files into the project's folder, "
            "or name other places for them with replace_urls",
            missing=missing,
        )

    async def drain(self, patience: float, abandoned: list[str] | None = None) -> None:
        """Wait until nothing is in flight any more, but not longer than ``patience`` seconds.

        With ``abandoned``, which is not waited for, also until the page waits for no picture, font or short timer.
        """
        began = time.monotonic()
        quiet = 0
        async with self._deadline(patience + self.settings.frame_timeout, "the page did not answer while it loaded"):
            while quiet < _QUIET_LOOKS and (elapsed := time.monotonic() - began) < patience:
                await self.pump(1)
                waits: set[str] = set()
                if abandoned is not None:
                    status = await self._evaluate("__hfdask.status()")
                    self._check(status["problems"], "after the last frame")
                    waits = set(status["waiting"]) - {*abandoned, *self._abandon(status["waiting"], elapsed)}
                quiet = 0 if self.in_flight or waits else quiet + 1
                await asyncio.sleep(0.01)

    def _check(self, problems: list[str], when: str) -> None:
        for problem in problems:
            self.log.add(f"uncaught {when}: {problem}")
        if problems and self.settings.page_errors == "raise":
            shown = [redact_text(problem) for problem in problems[:5]]
            raise ScriptError(
                f"a script threw {when}: {shown[0]}; mend it, or render with page_errors='warn'", problems=shown
            )

    async def add_script(self, script: str) -> None:
        """Have a script run before all others in every frame of the page; to be called before `load`."""
        await self._page.add_init_script(script)

    async def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command of the DevTools protocol to the page."""
        answer: dict[str, Any] = await self._cdp.send(method, parameters)
        return answer

    def deadline_for_fonts(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Bound what questions about the page's text may take."""
        return self._deadline(self.settings.frame_timeout, "the page did not tell its fonts")

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
        picture = {"format": "png", "optimizeForSpeed": True} if screenshot else None
        return await begin_frame(self._cdp, self.chromium, screenshot=picture)

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
            where = self._unanswered() or await self._whereabouts()
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

    def _unanswered(self) -> str:
        """The requests to other origins that a page still waits for."""
        waits = self.network.pending.values() if self.network else ()
        return "no answer yet from " + ", ".join(sorted({_plain(each.url) for each in waits})[:5]) if waits else ""

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


@contextlib.asynccontextmanager
async def open_page(
    chromium: Chromium,
    files: Mapping[str, Path],
    settings: PageSettings,
    fps: Fraction,
    source: Source | None = None,
) -> AsyncIterator[PageSession]:
    """A fresh page of a fresh context, over these files; closed at the end of the block.

    Other origins are answered by ``source`` alone; without one they do not exist.
    """
    network = await Network.open(chromium.playwright, source) if source else None
    try:
        async with _open(chromium, Site(files), settings, fps, network) as session:
            yield session
    finally:
        if network is not None:
            await network.close()


@contextlib.asynccontextmanager
async def _open(
    chromium: Chromium, site: Site, settings: PageSettings, fps: Fraction, network: Network | None
) -> AsyncIterator[PageSession]:
    chromium.server.site = site
    chromium.pages += 1
    context: BrowserContext = await chromium.playwright.new_context(
        viewport={"width": settings.width, "height": settings.height}, **_CONTEXT
    )
    await context.add_init_script(runtime_script(settings, fps))
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    session = PageSession(chromium, page, cdp, settings, fps, site, network)
    await cdp.send("Network.enable")
    await _pretend_network(cdp)
    await cdp.send("Page.setFontFamilies", {"fontFamilies": GENERIC})
    if network is not None:
        network.belongs_to((await cdp.send("Target.getTargetInfo"))["targetInfo"]["targetId"])
    try:
        yield session
    except ProjectError:
        await _close(context)  # the page is at fault, not the browser
        raise
    # After any other error the whole browser is thrown away.
    await _close(context)


async def _pretend_network(cdp: CDPSession) -> None:
    try:
        await cdp.send("Network.overrideNetworkState", _NETWORK_STATE)
    except PlaywrightError as error:
        if "wasn't found" not in error.message:  # as in older browsers, whose pages may then find themselves offline
            raise


async def _close(context: BrowserContext) -> None:
    try:
        await asyncio.wait_for(context.close(), 10)
    except (PlaywrightError, TimeoutError) as error:
        raise BrowserCrashError("the browser did not close a page") from error
