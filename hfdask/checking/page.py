"""The page in which documents are checked: blank, offline, and with a policy that forbids loading and scripts."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any

from playwright.async_api import CDPSession, Page

from hfdask.browser.calls import Patience, browser_call
from hfdask.browser.chromium import Chromium
from hfdask.browser.loop import BrowserThread, browser_thread
from hfdask.core.model import CaptureMode
from hfdask.errors import BrowserCrashError, PageTimeoutError, ProjectError, ScriptError
from hfdask.text import all_legible

_TIMEOUT = 20.0
_MAX_SAID = 1000
# Frames of a page inherit its policy, so documents in them neither load files nor run scripts. `blob:` is for parsing
# modules.
_POLICY = """
const policy = document.createElement("meta");
policy.httpEquiv = "Content-Security-Policy";
policy.content = "default-src 'none'; style-src 'unsafe-inline'; script-src blob:";
document.head.append(policy);
"""


class LintPage:
    """Ask the browser about documents and scripts. Get it from `open_lint_page`.

    Use it on any thread but the browser's. It keeps no state between questions, so if the browser dies, the question is
    repeated in another one.
    """

    def __init__(self, thread: BrowserThread, mode: CaptureMode) -> None:
        self._thread = thread
        self._mode: CaptureMode = mode
        self._held: AbstractContextManager[tuple[tuple[CDPSession, Chromium], bool]]
        self._cdp: CDPSession
        self._chromium: Chromium

    def inspect(self, html: str, **options: Any) -> dict[str, Any]:
        """Return the findings and facts of ``lint.js`` for a document."""
        answer: dict[str, Any] = self._call(f"hfdaskLint.inspect({json.dumps(html)}, {json.dumps(options)})")
        return answer

    def invalid_selectors(self, selectors: list[str]) -> list[str]:
        """Return the selectors for which `querySelector` would throw."""
        if not selectors:
            return []
        valid = self._call(f"hfdaskLint.validSelectors({json.dumps(selectors)})")
        return [selector for selector, good in zip(selectors, valid, strict=True) if not good]

    def syntax_error(self, script: str, *, module: bool) -> tuple[str, int | None] | None:
        """Return V8's message for a script that it cannot parse, and the row (from 0) if known."""
        if module:
            message = self._call(f"hfdaskLint.moduleError({json.dumps(script)})")
            return (message, None) if message else None
        parameters = {"expression": script, "sourceURL": "", "persistScript": False}
        details = self._send("Runtime.compileScript", parameters).get("exceptionDetails")
        if details is None:
            return None
        said = str(details.get("exception", {}).get("description") or details["text"])
        return said.partition("\n")[0].removeprefix("SyntaxError: ")[:_MAX_SAID], details["lineNumber"]

    def _call(self, expression: str) -> Any:
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._send("Runtime.evaluate", parameters)
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            text = str(detail.get("exception", {}).get("description") or detail.get("text"))
            raise ScriptError(f"the check of a document failed: {text[:_MAX_SAID]}; render with check='off'")
        return answer["result"].get("value")

    def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._thread.run(self._asked(method, parameters))
        except BrowserCrashError as error:
            self.leave(error)
            self.enter()
            answer = self._thread.run(self._asked(method, parameters))
        return dict(all_legible(answer))

    async def _asked(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        what = "it did not check a document"
        async with browser_call(what, _TIMEOUT, late=PageTimeoutError, processes=self._chromium.processes):
            answer: dict[str, Any] = await self._cdp.send(method, parameters)
        return answer

    def enter(self) -> None:
        """Open the page in a leased browser."""
        self._held = self._thread.held(self._thread.pool.opened(self._mode, None, _checking_page))
        (self._cdp, self._chromium), _ = self._held.__enter__()

    def leave(self, error: BaseException | None = None) -> None:
        """Return the browser to the pool, or discard it after an error that is not the project's."""
        with contextlib.suppress(BrowserCrashError, type(error) if error else BrowserCrashError):
            self._held.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


@contextlib.asynccontextmanager
async def _checking_page(chromium: Chromium) -> AsyncIterator[tuple[CDPSession, Chromium]]:
    chromium.pages += 1
    async with browser_call("it opened no page to check documents in", Patience.open):
        page = await chromium.playwright.new_page(service_workers="block")
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Runtime.enable")
        await cdp.send("Runtime.evaluate", {"expression": f"{{{_POLICY}}}{_lint_script()}"})
        chromium.processes.find_helpers()
    try:
        yield cdp, chromium
    except ProjectError:
        await _close(page)
        raise
    await _close(page)


async def _close(page: Page) -> None:
    async with browser_call("it did not close a page", Patience.close):
        await page.context.close()


@contextlib.contextmanager
def open_lint_page(mode: CaptureMode) -> Iterator[LintPage]:
    """Open a page in a warm browser, and close it at the end of the block. After an exception the browser is discarded.

    Raises
    ------
    BrowserError
        If a second browser fails as well.
    """
    page = LintPage(browser_thread(), mode)
    page.enter()
    try:
        yield page
    except BaseException as error:
        page.leave(error)
        raise
    page.leave()


@functools.cache
def _lint_script() -> str:
    """Return the script for the page: `hfdaskLint`, with the runtime's grammar of times and of speed ramps."""
    runtime = resources.files("hfdask.page") / "runtime"
    grammar = "\n".join((runtime / name).read_text("utf-8") for name in ("timing.js", "ramps.js"))
    lint = (resources.files("hfdask.checking") / "lint.js").read_text("utf-8")
    shared = "strictNumber, numberAttribute, parseStart, inPoint, rampOf"
    given = "const root = null; let ownStart; function warn() {} const cut = (text, most) => text.slice(0, most);"
    return (
        'globalThis.hfdaskLint = (() => { "use strict";\n'
        f"const {{ {shared} }} = (() => {{ {given}\n{grammar}\nreturn {{ {shared} }}; }})();\n"
        f"{lint}\nreturn {{ inspect, moduleError, validSelectors }}; }})();"
    )
