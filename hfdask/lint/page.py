"""The page that documents are checked in: blank, offline, and under a policy that lets nothing load or run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.thread import BrowserThread, browser_thread
from hfdask.errors import BrowserCrashError, PageTimeoutError, ScriptError
from hfdask.model import CaptureMode
from hfdask.page import lint_script

T = TypeVar("T")

_TIMEOUT = 20.0
# Frames of a page inherit its policy, so what is written into them neither loads nor runs. `blob:` is for parsing modules.
_POLICY = """
const policy = document.createElement("meta");
policy.httpEquiv = "Content-Security-Policy";
policy.content = "default-src 'none'; style-src 'unsafe-inline'; script-src blob:";
document.head.append(policy);
"""


class LintPage:
    """Asks the browser about documents and scripts. Get it from `open_lint_page`; use it on any thread but the browser's."""

    def __init__(self, thread: BrowserThread, cdp: CDPSession) -> None:
        self._thread = thread
        self._cdp = cdp

    def inspect(self, html: str, **options: Any) -> dict[str, Any]:
        """What ``lint.js`` finds in a document."""
        answer: dict[str, Any] = self._call(f"hfdaskLint.inspect({json.dumps(html)}, {json.dumps(options)})")
        return answer

    def invalid_selectors(self, selectors: list[str]) -> list[str]:
        """Those that `querySelector` would throw at."""
        if not selectors:
            return []
        valid = self._call(f"hfdaskLint.validSelectors({json.dumps(selectors)})")
        return [selector for selector, good in zip(selectors, valid, strict=True) if not good]

    def syntax_error(self, script: str, *, module: bool) -> tuple[str, int | None] | None:
        """What V8 says of a script that it cannot parse, and the row (from 0) where it knows."""
        if module:
            message = self._call(f"hfdaskLint.moduleError({json.dumps(script)})")
            return (message, None) if message else None
        parameters = {"expression": script, "sourceURL": "", "persistScript": False}
        details = self._send("Runtime.compileScript", parameters).get("exceptionDetails")
        if details is None:
            return None
        said = details.get("exception", {}).get("description") or details["text"]
        return said.splitlines()[0].removeprefix("SyntaxError: "), details["lineNumber"]

    def _call(self, expression: str) -> Any:
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._send("Runtime.evaluate", parameters)
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            text = detail.get("exception", {}).get("description") or detail.get("text")
            raise ScriptError(f"the check of a document failed: {text}; render with check='off'")
        return answer["result"].get("value")

    def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._thread.run(_in_time(self._cdp.send(method, parameters)))


async def _in_time(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await coroutine
    except TimeoutError as error:
        raise PageTimeoutError(
            f"the browser did not check a document within {_TIMEOUT:g} s", seconds=_TIMEOUT
        ) from error
    except PlaywrightError as error:
        raise BrowserCrashError(
            f"the browser died while it checked a document: {error.message.splitlines()[0]}"
        ) from error


@contextlib.contextmanager
def open_lint_page(mode: CaptureMode) -> Iterator[LintPage]:
    """A page in a warm browser, closed at the end of the block. An exception in the block costs the browser."""
    thread = browser_thread()
    stack = contextlib.AsyncExitStack()

    async def enter() -> LintPage:
        chromium, _ = await stack.enter_async_context(thread.pool.lease(mode))
        chromium.pages += 1
        page = await chromium.playwright.new_page(service_workers="block")
        stack.push_async_callback(page.context.close)
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Runtime.enable")
        await cdp.send("Runtime.evaluate", {"expression": f"{{{_POLICY}}}{lint_script()}"})
        return LintPage(thread, cdp)

    async def leave(error: BaseException | None) -> None:
        await stack.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)

    try:
        yield thread.run(_in_time(enter()))
    except BaseException as error:
        with contextlib.suppress(type(error)):
            thread.run(_in_time(leave(error)))
        raise
    thread.run(_in_time(leave(None)))
