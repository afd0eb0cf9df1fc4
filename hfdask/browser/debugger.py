"""Find the script that keeps a page from answering, with a debugger. It costs speed, so only planning without a film uses it."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.page_log import plain
from hfdask.page.server import ORIGIN

# A script that runs is interrupted at once; a page that only waits for a promise never pauses.
_PAUSE_PATIENCE = 1.0
_MAX_SCRIPTS = 10_000


class Debugger:
    """The debugger of one page; `enable` it before the page is loaded."""

    def __init__(self, cdp: CDPSession) -> None:
        self._cdp = cdp
        self._enabled = False
        self._scripts: dict[str, str] = {}
        self._paused: asyncio.Future[dict[str, Any]] | None = None
        self._resuming: asyncio.Future[Any] | None = None

    async def enable(self) -> None:
        """Listen for scripts, and let `debugger` statements pass."""
        self._cdp.on("Debugger.paused", self._on_paused)
        self._cdp.on("Debugger.scriptParsed", self._on_script)
        await self._cdp.send("Debugger.enable")
        self._enabled = True

    def _on_script(self, event: dict[str, Any]) -> None:
        # A page can make any number of scripts; those without a URL are never shown.
        if event["url"] and len(self._scripts) < _MAX_SCRIPTS:
            self._scripts[event["scriptId"]] = event["url"]

    def _on_paused(self, event: dict[str, Any]) -> None:
        if self._paused is not None and not self._paused.done():
            self._paused.set_result(event)
        else:  # a `debugger` statement of the page
            self._resuming = asyncio.ensure_future(self._cdp.send("Debugger.resume"))
            self._resuming.add_done_callback(_forget_failure)

    async def whereabouts(self) -> str:
        """Return the place of the running script, in words; empty if none runs, or nothing answers."""
        if not self._enabled:
            return ""
        self._paused = paused = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._cdp.send("Debugger.pause"), _PAUSE_PATIENCE)
            frames = (await asyncio.wait_for(paused, _PAUSE_PATIENCE))["callFrames"]
        except (PlaywrightError, TimeoutError):
            return ""
        # The innermost frames may belong to the runtime or the browser, which have no URL.
        places = [(self._scripts.get(frame["location"]["scriptId"], ""), frame["location"]) for frame in frames]
        named = [f"{plain(url).removeprefix(ORIGIN + '/')}:{place['lineNumber'] + 1}" for url, place in places if url]
        return f"the script at {named[0]} was still running" if named else ""


def _forget_failure(resuming: asyncio.Future[Any]) -> None:
    if not resuming.cancelled():
        resuming.exception()  # the page is gone, and with it the pause
