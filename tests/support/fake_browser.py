"""A browser that is not there, for tests of everything around one.

It replaces the launch of a browser, and answers DevTools messages as Chromium and the page runtime do, with pictures of
`fake_page`. All of hfdask but its JavaScript runs as it always does: the pool, sessions with their deadlines, planning,
capture, encoding. A render of thirty frames takes some tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from distributed import Worker, WorkerPlugin
from fake_page import FakePage
from playwright.async_api import Error as PlaywrightError

from hfdask.browser import close_browsers, loop
from hfdask.browser.discovery import ENV_BROWSER
from hfdask.browser.pool import BrowserPool
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.fonts.configuration import FontSetup
from hfdask.page.server import HOST_PAGE, Site
from hfdask.planning import fitness

BINARY = Path(__file__).parent / "bin" / "fake-headless-shell"
VERSION = "9.8.7.6"

_OWN_BROWSER = os.environ.get(ENV_BROWSER)
_BLANK = '<div data-composition-id="blank" data-width="16" data-height="16" data-duration="1"></div>'
_SEEK = re.compile(r"__hfdask\.frame\((\d+|\[.*\])\)")
_PASS = re.compile(r"__hfdask\.frames\(\[(\d+), (\d+)\]\)")
_RATE = re.compile(r'"fps": \[(\d+), (\d+)\]')
_ELSEWHERE = re.compile(r"""<(\w+)[^>]*\s(?:src|href)=["'](https?://[^"']+)""")
_KINDS = {"script": "Script", "link": "Stylesheet", "img": "Image"}
_NOTHING_FOUND: dict[str, Any] = {
    **dict.fromkeys(("size", "fps", "base")),
    "variables": {},
    "imports": {},
    "finite": False,
    "inPoints": [],
    "effects": [],
    **{
        name: []
        for name in (
            *("findings", "urls", "faces", "compositions", "ids", "references", "animations"),
            *("sheets", "hosts", "scripts", "media"),
        )
    },
}
_SETTINGS = re.compile(
    r"(Network|Page|Runtime|Debugger|DOM|CSS|Fetch)\.(enable|disable|setFontFamilies|overrideNetworkState)"
    r"|Storage\.clearDataForOrigin|Network\.clearBrowser(Cookies|Cache)"
)


class FakeChromium:
    """Has what `hfdask.browser.chromium.Chromium` has; also its own Playwright browser, processes, memory and server."""

    pid = 0

    def __init__(
        self, draws_on_request: bool, fonts: FontSetup, *, profile: bool = False, scale: Scale = UNSCALED
    ) -> None:
        self.profile = _Profile(self) if profile else None
        self.draws_on_request = draws_on_request
        self.scale = scale
        self.fonts = fonts
        self.pages = 0
        self.drawing = asyncio.Lock()
        self.playwright = _Opener(self)
        self.processes = _Processes()
        self.memory = _Memory()
        self.server = _Server()
        self.requests = _Requests()

    @property
    def alive(self) -> bool:
        return not self.processes.killed

    async def works(self) -> bool:
        return self.alive

    def next_tick(self) -> float:
        return 0.0

    def kill(self) -> None:
        self.processes.kill()

    async def close(self) -> None:
        self.kill()


class _Processes:
    killed = False
    _lost = ""

    def find_helpers(self) -> None:
        """It has none."""

    def kill(self) -> None:
        self.killed = True

    def lose(self, name: str) -> None:
        self._lost = f"the browser lost {name}"
        self.kill()

    def cpu_seconds(self) -> float:
        return 0.0

    def lost(self) -> str:
        return self._lost

    def stopped(self) -> str:
        return self._lost


class _Memory:
    now = peak = 2**20

    def measure(self) -> int:
        return self.now

    async def light(self) -> bool:
        return True

    @asynccontextmanager
    async def bounded(self, limit: int) -> AsyncIterator[None]:
        yield


class _Server:
    def __init__(self) -> None:
        self.site = Site({})


class _Requests:
    """Requests of a page to other origins, and their answers, as in CDP's Fetch domain."""

    def __init__(self) -> None:
        self.listener: Callable[[dict[str, Any]], object] | None = None
        self._asked: dict[str, asyncio.Future[None]] = {}

    async def ask(self, url: str, tag: str) -> None:
        if self.listener is None:
            return
        name = f"request-{len(self._asked)}"
        self._asked[name] = asyncio.get_running_loop().create_future()
        request = {"method": "GET", "url": url, "headers": {}}
        self.listener(
            {"requestId": name, "request": request, "resourceType": _KINDS.get(tag, "Other"), "frameId": "page"}
        )
        await self._asked[name]

    def answered(self, name: str) -> None:
        self._asked[name].set_result(None)


class _Opener:
    """Playwright's browser."""

    def __init__(self, chromium: FakeChromium) -> None:
        self._chromium = chromium

    async def new_context(self, **options: Any) -> _Context:
        return _Context(self._chromium)

    async def new_page(self, **options: Any) -> _Page:
        return await _Context(self._chromium).new_page()

    async def new_browser_cdp_session(self) -> _Devtools:
        return _Devtools(self._chromium, _Page(_Context(self._chromium)))


class _Context:
    def __init__(self, chromium: FakeChromium) -> None:
        self.chromium = chromium
        self.fps = Fraction(30)

    async def new_page(self) -> _Page:
        return _Page(self)

    async def new_cdp_session(self, page: _Page) -> _Devtools:
        return _Devtools(self.chromium, page)

    async def close(self) -> None:
        """Nothing is kept."""


class _Profile:
    """A profile without files: pictures of videos are served, and a canvas gives none."""

    folder = Path(os.devnull)

    def __init__(self, chromium: FakeChromium) -> None:
        self.context = _Context(chromium)


class _Page:
    def __init__(self, context: _Context) -> None:
        self.context = context
        self.shown = FakePage(_BLANK)
        self.bare = False

    def on(self, event: str, listener: Callable[..., object]) -> None:
        """Nothing ever happens."""

    async def set_viewport_size(self, size: object) -> None:
        """Every page has the size of its composition."""

    async def close(self) -> None:
        """Keep nothing."""

    async def add_init_script(self, script: str) -> None:
        """Take the rate out of the runtime's configuration; there is no script engine to run the rest."""
        if found := _RATE.search(script):
            self.context.fps = Fraction(int(found[1]), int(found[2]))

    async def goto(self, url: str, **options: Any) -> None:
        if url.startswith("data:") or url.endswith(HOST_PAGE):
            return
        site, name = self.context.chromium.server.site, unquote(urlsplit(url).path).lstrip("/")
        site.served.add(name)
        html = site.files[name].read_text("utf-8")
        self.shown = FakePage(html)
        for tag, address in _ELSEWHERE.findall(html):
            await self.context.chromium.requests.ask(address, tag)


class _Devtools:
    """A DevTools session. Unknown methods are errors, so that no test passes by mistake."""

    def __init__(self, chromium: FakeChromium, page: _Page) -> None:
        self._chromium = chromium
        self._page = page

    def on(self, event: str, listener: Callable[..., object]) -> None:
        if event == "Fetch.requestPaused":
            self._chromium.requests.listener = listener

    async def detach(self) -> None:
        self._chromium.requests.listener = None

    async def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._chromium.alive:
            raise PlaywrightError("Target page, context or browser has been closed")
        answer = {} if _SETTINGS.fullmatch(method) else await self._answer(method, parameters or {}, self._page.shown)
        if answer is None:
            raise NotImplementedError(f"the fake browser has no answer to {method}")
        return answer

    async def _answer(self, method: str, given: dict[str, Any], page: FakePage) -> dict[str, Any] | None:
        answer: dict[str, Any] | None = None
        match method:
            case "Runtime.evaluate" if "openHost(" in given["expression"]:
                answer = {"exceptionDetails": {"exception": {"description": "the fake browser draws nothing into it"}}}
            case "Runtime.evaluate":
                answer = {"result": {"value": await self._value(page, given["expression"])}}
            case "HeadlessExperimental.beginFrame":
                answer = {"hasDamage": not given.get("noDisplayUpdates") and page.draw()}
                if "screenshot" in given:
                    answer["screenshotData"] = self._base64(page)
            case "Page.captureScreenshot":
                answer = {"data": self._base64(page)}
            case "Emulation.setDefaultBackgroundColorOverride":
                self._page.bare = given["color"]["a"] == 0
                answer = {}
            case "Fetch.fulfillRequest" | "Fetch.failRequest":
                self._chromium.requests.answered(given["requestId"])
                answer = {}
            case "Target.getTargetInfo":
                answer = {"targetInfo": {"targetId": "page"}}
            case "Runtime.compileScript":
                answer = {}
        return answer

    def _base64(self, page: FakePage) -> str:
        return base64.b64encode(page.picture(self._chromium.scale.fraction, bare=self._page.bare)).decode()

    async def _value(self, page: FakePage, expression: str) -> Any:
        if sought := _SEEK.search(expression):
            asked = json.loads(sought[1])
            return await self._seek(page, *((asked, None) if isinstance(asked, int) else asked))
        if passed := _PASS.search(expression):
            for frame in range(int(passed[1]), int(passed[2])):
                moved = await self._seek(page, frame)
                still = not moved and not page.seek_seconds(self._time(frame))  # else a script ran
                if not still:
                    break
            return {"number": frame, "still": still, "answer": moved}
        for known, answer in _ANSWERS.items():
            if known in expression:
                return answer(page)
        raise NotImplementedError(f"the fake page has no answer to {expression[:200]}")

    async def _seek(self, page: FakePage, frame: int, videos: Any = None) -> bool:
        time = self._time(frame)
        await asyncio.sleep(page.seek_seconds(time))
        return page.seek(time, videos)

    def _time(self, frame: int) -> float:
        return float(frame / self._page.context.fps)


_ANSWERS: dict[str, Callable[[FakePage], Any]] = {
    "__hfdask.status()": FakePage.status,
    "__hfdask.report()": FakePage.report,
    "__hfdask.media()": lambda page: {"videos": page.videos(), "sounds": page.sounds()},
    "__hfdask.changedVolumes()": lambda page: [],
    "__hfdask.prepareVideos(": lambda page: {"file": False},
    "__hfdask.serveVideos()": lambda page: None,
    "__hfdask.knowDurations(": lambda page: None,
    "__hfdask.scenesOn()": lambda page: [],
    "__hfdask.sight()": FakePage.sight,
    "__hfdask.unfit()": lambda page: [],
    "__hfdask.isSimple()": lambda page: True,
    "__hfdask.settle()": lambda page: page.seek(0.0),
    "__hfdask.timers(": lambda page: False,
    **{f"__hfdaskText.{name}()": lambda page: [] for name in ("fresh", "freshSince", "samples", "lacking", "declared")},
    "hfdaskLint.inspect(": lambda page: _NOTHING_FOUND,
    "Content-Security-Policy": lambda page: None,
}


async def _launch(self: BrowserPool, on_request: bool, fonts: FontSetup, profile: bool, scale: Scale) -> FakeChromium:
    chromium = FakeChromium(on_request, fonts, profile=profile, scale=scale)
    self._launched.append(chromium)  # type: ignore[arg-type]
    return chromium


_real_launch: Callable[..., Any] = BrowserPool._launch
_real_least = fitness.LEAST
_set_aside: loop.BrowserThread | None = None


def _is_fake() -> bool:
    return vars(BrowserPool)["_launch"] is _launch


def _exchange() -> None:
    """Set the browsers of this process aside, and take back the other ones."""
    global _set_aside
    with loop._lock:
        loop._thread, _set_aside = _set_aside, loop._thread


@contextmanager
def _using(launch: Callable[..., Any], binary: str | None) -> Iterator[None]:
    """Launch browsers in this way, as long as the block runs; none is taken over at its beginning or end.

    Real browsers stay warm while there are fake ones: to start them takes a second of a CPU.
    """
    other = _is_fake() != (launch is _launch)
    if other:
        _exchange()
    else:
        close_browsers()
    try:
        with _patched(launch, binary):
            yield
    finally:
        if launch is _launch or not other:
            close_browsers()
        if other:
            _exchange()


@contextmanager
def _patched(launch: Callable[..., Any], binary: str | None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BrowserPool, "_launch", launch)
        # The fake browser draws nothing into a canvas.
        patch.setattr(fitness, "LEAST", math.inf if launch is _launch else _real_least)
        if binary is None:
            patch.delenv(ENV_BROWSER, raising=False)
        else:
            patch.setenv(ENV_BROWSER, binary)
        yield


def faked() -> AbstractContextManager[None]:
    """Launch fake browsers in this process, and name their binary to processes that are started, as long as the block runs."""
    return _using(_launch, str(BINARY))


@pytest.fixture(scope="module")
def fake_browser() -> Iterator[None]:
    """For modules whose tests need no real page; a test of theirs that is marked `browser` has a real one."""
    with faked():
        yield


@pytest.fixture(autouse=True)
def real_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give a test that is marked `browser` a real browser, also if its module has fake ones."""
    wanted = request.node.get_closest_marker("browser") and _is_fake()
    with _using(_real_launch, _OWN_BROWSER) if wanted else nullcontext():
        yield


class FakeBrowsers(WorkerPlugin):
    """Fake browsers in each process of a cluster's workers."""

    def setup(self, worker: Worker) -> None:
        self._faked = faked()
        self._faked.__enter__()

    def teardown(self, worker: Worker) -> None:
        self._faked.__exit__(None, None, None)
