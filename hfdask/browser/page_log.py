"""Collect a page's messages, its requests, and its failures on the network.

A page can produce any amount of these, so all of it is bounded. Nothing here raises, because an exception of a listener
would end some later call of Playwright.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from playwright.async_api import CDPSession, ConsoleMessage, Frame, Page, Request

from hfdask.network.messages import Refusal, redact, redact_text
from hfdask.page.server import ORIGIN
from hfdask.text import all_well_formed, legible, well_formed

MAX_MESSAGES = 100
"""Maximum number of console and network messages of one page."""
MAX_MESSAGE = 500
"""Maximum length of one message in characters."""

_RECENT = 0.3  # seconds; a page that answers later than that runs a script

_MAX_HEARD = 1000
_MAX_ASKERS = 2000
_MAX_FAILED = 1000
_MAX_STACKS = 40
_MAX_UNREADABLE = 100
_NOT_DECODED = "Failed to decode downloaded font: "

# Messages of the browser about software drawing, and about pictures taken of a canvas. The page did not cause them.
_NOT_THE_PAGES = re.compile(
    r"\[[^\]]*\] ?(?:GL Driver Message \(OpenGL, Performance, [^)]*\): GPU stall due to ReadPixels"
    r"|Automatic fallback to software WebGL has been deprecated)"
)
# Reasons for which Chromium itself fails a request.
_EXPLAINED = {
    "ERR_NAME_NOT_RESOLVED": "a render has no network",
    "ERR_BLOCKED_BY_ORB": "its type does not fit its use",
    "ERR_FAILED": "its server does not allow its use on other sites (CORS)",
    "ERR_BLOCKED_BY_RESPONSE": "its server does not allow its use on other sites",
}


@dataclass
class PageLog:
    """The log of one page; ``hosted`` is true if it is in a frame of a host's document.

    ``failed`` has requests to other origins, ``left_for`` the documents to which the page navigated, ``unreadable`` the
    URLs of fonts that Chromium could not decode.
    """

    messages: list[str] = field(default_factory=list)
    failed: list[Refusal] = field(default_factory=list)
    left_for: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    in_flight: int = 0
    hosted: bool = False
    _opened: set[int] = field(default_factory=set)
    _heard: int = 0
    _askers: dict[str, str] = field(default_factory=dict)
    _waits: list[str] = field(default_factory=list)
    _answered: float = 0.0

    def add(self, text: str) -> None:
        """Add a message for people."""
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append(legible(redact_text(text[: 4 * MAX_MESSAGE]))[:MAX_MESSAGE])

    def set_waits(self, waits: list[str]) -> None:
        """Set what the page waits for, by its answer that has just come."""
        self._waits = waits
        self._answered = time.monotonic()

    @property
    def waits(self) -> list[str]:
        """Return the things that the page waits for; none if it has not answered for a while."""
        return self._waits if time.monotonic() - self._answered < _RECENT else []

    def attach(self, page: Page, cdp: CDPSession) -> None:
        """Listen to a page that was just opened."""
        page.on("console", self._on_console)
        page.on("request", self._on_request)
        page.on("requestfinished", self._on_done)
        page.on("requestfailed", self._on_failed)
        cdp.on("Network.requestWillBeSent", self._on_asked)

    def asker(self, url: str) -> str:
        """Return what asked for a URL first: a place in a document, style sheet or script; empty if unknown."""
        return self._askers.get(plain(url), "")

    def _on_console(self, message: ConsoleMessage) -> None:
        self._heard += 1
        if message.type in ("error", "warning", "assert") and not _NOT_THE_PAGES.match(message.text):
            self.add(f"console.{message.type}: {message.text}")
            if message.text.startswith(_NOT_DECODED) and len(self.unreadable) < _MAX_UNREADABLE:
                self.unreadable.add(well_formed(message.text.removeprefix(_NOT_DECODED)))
        if self._heard == _MAX_HEARD and message.page is not None:
            message.page.remove_listener("console", self._on_console)  # so that the driver sends no more

    # Of other origins only the `Network` knows what is under way: Playwright loses the end of what a frame in another
    # process asked for.
    def _on_request(self, request: Request) -> None:
        self.in_flight += _is_awaited(request)
        if request.is_navigation_request() and (level := _level(request.frame)) <= self.hosted:
            if level in self._opened and not self.left_for:  # the first one is ours
                self.left_for.append(legible(redact(request.url)))
            self._opened.add(level)

    def _on_done(self, request: Request) -> None:
        self.in_flight -= _is_awaited(request)

    def _on_failed(self, request: Request) -> None:
        self.in_flight -= _is_awaited(request)
        reason = (request.failure or "").removeprefix("net::")
        # The page cancelled it, or the `Network` refused it and knows why.
        known = _is_own(request.url) or reason.startswith(("ERR_ABORTED", "ERR_BLOCKED_BY_CLIENT"))
        if not known and len(self.failed) < _MAX_FAILED:
            reason = _EXPLAINED.get(reason, legible(reason))
            self.failed.append(Refusal(well_formed(request.url), request.resource_type, reason))

    def _on_asked(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith(("http:", "https:", "file:")) and len(self._askers) < _MAX_ASKERS:
            self._askers.setdefault(plain(url), _asker(all_well_formed(event["initiator"])))


def plain(url: str) -> str:
    """Return a decoded URL for people."""
    return legible(unquote(redact(url)))


def _level(frame: Frame) -> int:
    """Return the number of frames above a frame."""
    return 0 if frame.parent_frame is None else 1 + _level(frame.parent_frame)


def _is_own(url: str) -> bool:
    return url.startswith(ORIGIN + "/")


def _is_awaited(request: Request) -> bool:
    return _is_own(request.url) and request.resource_type != "media"


def _asker(initiator: Mapping[str, Any]) -> str:
    stack = initiator.get("stack") or {}
    for _ in range(_MAX_STACKS):
        for call in stack.get("callFrames", ()):
            if call["url"]:  # the runtime's own scripts have none
                return f"{plain(call['url']).removeprefix(ORIGIN + '/')}:{call['lineNumber'] + 1}"
        stack = stack.get("parent") or {}
    if initiator.get("url"):
        line = f":{initiator['lineNumber'] + 1}" if "lineNumber" in initiator else ""
        return plain(initiator["url"]).removeprefix(ORIGIN + "/") + line
    return ""
