"""Answer a page's requests to other origins here; none ever leaves the browser.

Chromium resolves only the composition's own host, so it cannot reach the network in any case. CDP's Fetch domain on the
browser itself (not on the page) hands over the requests of all frames and workers, also of frames in other processes,
before they start, and leaves the HTTP cache on, which Playwright's routing switches off. During planning all requests
come here. In a chunk only those to origins in the plan do, so a page without remote resources pays nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession
from playwright.async_api import Error as PlaywrightError

from hfdask.core.model import Resource
from hfdask.errors import AssetError
from hfdask.network.messages import VISIBLE, Answer, Refusal, Request, Source
from hfdask.page.server import ORIGIN

_METHODS = frozenset({"GET", "HEAD", "POST"})


class Replay:
    """A source that answers from the plan only."""

    def __init__(self, records: dict[str, tuple[Resource, Path]]) -> None:
        self._records = records
        origins = {"/".join(resource.url.split("/", 3)[:3]) for resource, _ in records.values()}
        self.patterns = sorted(f"{origin}/*" for origin in origins)

    async def answer(self, request: Request) -> Answer:
        """Return the recorded answer; see `Source`."""
        known = self._records.get(request.key)
        if known is None:
            raise AssetError("the plan does not have it, because the page did not ask for it during planning")
        resource, file = known
        return Answer(resource.status, resource.headers, file.read_bytes())


class Network:
    """Answer the requests of one page. Open it before the page, close it after."""

    def __init__(self, cdp: CDPSession, source: Source) -> None:
        self.refusals: list[Refusal] = []
        self.pending: dict[str, Request] = {}
        self._cdp = cdp
        self._source = source
        self._tasks: set[asyncio.Task[None]] = set()
        self._page = ""
        self._broken: Exception | None = None

    @classmethod
    async def open(cls, browser: Browser, source: Source) -> Network | None:
        """Start to answer requests; return None if the source has no answers."""
        if not source.patterns:
            return None
        network = cls(await browser.new_browser_cdp_session(), source)
        network._cdp.on("Fetch.requestPaused", network._on_paused)
        await network._cdp.send("Fetch.enable", {"patterns": [{"urlPattern": each} for each in source.patterns]})
        return network

    def belongs_to(self, target: str) -> None:
        """Set the target id of the page itself: a document for it would replace the composition."""
        self._page = target

    async def close(self) -> None:
        """Stop answering; open requests end with their page."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(PlaywrightError, TimeoutError):  # the browser may be gone
            await asyncio.wait_for(self._cdp.detach(), 5)

    def check(self) -> None:
        """Raise an error of the interception, if there was one."""
        if self._broken is not None:
            raise self._broken

    def _on_paused(self, event: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._handle(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, event: dict[str, Any]) -> None:
        name, request = event["requestId"], Request.of(event)
        own = request.url.startswith(ORIGIN + "/")
        if not own:
            self.pending[name] = request
        try:
            if own:
                await self._cdp.send("Fetch.continueRequest", {"requestId": name})
            else:
                await self._respond(event, request)
        except PlaywrightError:
            pass  # the page has dropped the request, or is gone
        except Exception as error:  # noqa: BLE001 - no code awaits this task: the page's owner raises it
            self._broken = error
        finally:
            self.pending.pop(name, None)

    async def _respond(self, event: dict[str, Any], request: Request) -> None:
        name = event["requestId"]
        unwanted, reason = self._unwanted(event, request)
        if unwanted:
            await self._refuse(name, Refusal(request.url, unwanted, reason))
            return
        try:
            answer = await self._source.answer(request)
        except AssetError as error:
            await self._refuse(name, Refusal(request.url, request.kind, error.message, type(error)))
            return
        if wrong := _wrong(request, answer):
            self.refusals.append(Refusal(request.url, request.kind, wrong))
        await self._cdp.send(
            "Fetch.fulfillRequest",
            {
                "requestId": name,
                "responseCode": answer.status,
                "responseHeaders": [{"name": n, "value": v} for n, v in _headers(request, answer).items()],
                "body": base64.b64encode(answer.body).decode(),
            },
        )

    async def _refuse(self, name: str, refusal: Refusal) -> None:
        self.refusals.append(refusal)
        await self._cdp.send("Fetch.failRequest", {"requestId": name, "errorReason": "BlockedByClient"})

    def _unwanted(self, event: dict[str, Any], request: Request) -> tuple[str, str]:
        """Return what a request is and why it is never answered, or ("", "") if it may be answered."""
        # With OPTIONS a browser asks for permission; the request itself is refused then.
        method = request.headers.get("access-control-request-method", request.method)
        too_long = event["request"].get("hasPostData") and not request.body
        leaves = request.kind == "document" and event["frameId"] == self._page
        cases = (
            (leaves, "navigation", "compositions may not navigate"),
            (request.kind in ("ping", "cspviolationreport"), request.kind, "reports are not sent"),
            (request.headers.get("accept") == "text/event-stream", "eventsource", "streams never end"),
            ("prefetch" in request.headers.get("sec-purpose", ""), "prefetch", "prefetching is not supported"),
            (method not in _METHODS, request.kind, f"{method} requests change data"),
            (too_long, request.kind, "its body is too long, or a file"),
        )
        return next(((kind, why) for case, kind, why in cases if case), ("", ""))


def _wrong(request: Request, answer: Answer) -> str:
    """Return why an answer cannot be shown, or an empty text."""
    if request.kind not in VISIBLE:
        return ""
    if answer.status >= 400:
        return f"the server answered {answer.status}"
    html = answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html"
    if html and request.kind not in ("document", "iframe", "object", "embed") and answer.status < 300:
        return "the server answered with a web page"
    return ""


def _headers(request: Request, answer: Answer) -> dict[str, str]:
    headers = dict(answer.headers)
    # A server that allows the composition also allows it after a redirect or in a sandbox, with the origin "null".
    if headers.get("access-control-allow-origin") == ORIGIN and "origin" in request.headers:
        headers["access-control-allow-origin"] = request.headers["origin"]
    # A response must not be fetched again within a render. No cache outlives the page's context.
    headers["cache-control"] = "max-age=86400"
    return headers
