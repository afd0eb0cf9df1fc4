"""Wait until a page is ready: what it loads has come, and no root or timeline can still come."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hfdask.browser.answers import Status, understood
from hfdask.core.model import PageSettings
from hfdask.errors import EmptyCompositionError, RootNotFoundError, ScriptError
from hfdask.page import TIMELINE_PATIENCE

if TYPE_CHECKING:
    from hfdask.browser.session import PageSession

# Seconds to wait for timers, workers and everything else: what goes on for longer is not set-up.
_TIMER_PATIENCE = 5.0
_WORKER_PATIENCE = 5.0
_LOAD_PATIENCE = 15.0
# Scripts are loaded, and nothing is in flight or pending: after this number of quiet checks no timeline can still come.
QUIET_LOOKS = 3

_CLOSED_TREE = re.compile(rb"""shadowrootmode\s*=\s*["']?closed""", re.IGNORECASE)
_ADOPT_TREE = "function () { this.ownerDocument.defaultView.__HF_VIRTUAL_TIME__.adoptTree(this) }"


class Loaded(Struct):
    """The result of loading: missing timelines, what was pending then, and what was not awaited any longer."""

    missing: list[str]
    pending: list[str]
    abandoned: list[str]

    @property
    def gives_up(self) -> tuple[str, ...]:
        """The things that chunks need not wait for, sorted."""
        return tuple(sorted({*self.abandoned, *map(_timeline, self.missing)}))


def _timeline(name: str) -> str:
    return f"timeline {name}"


async def until_ready(session: PageSession, entry: str) -> Loaded:
    """Wait until a page that loads ``entry`` is ready (docs/compositions.md, 8.1).

    Raises
    ------
    RootNotFoundError, EmptyCompositionError, ScriptError
    """
    wait = _Wait(session, entry)
    while (loaded := await wait.look()) is None:
        await asyncio.sleep(wait.pause)
    return loaded


class _Wait:
    """The wait for a page that loads ``entry``: what was seen at the looks before.

    Attributes
    ----------
    pause : float
        Seconds until the next look.
    """

    def __init__(self, session: PageSession, entry: str) -> None:
        self._session, self._entry = session, entry
        self._started = time.monotonic()
        self._quiet = 0
        self._calm_since = 0.0  # only timers are waited for
        self._handed_over = False
        self._busy = True
        self.pause = 0.0

    async def look(self) -> Loaded | None:
        """Look at the page once, and do what it waits for; return None if it is not ready.

        Raises
        ------
        RootNotFoundError, EmptyCompositionError, ScriptError
        """
        session = self._session
        was_busy, self._busy = self._busy, bool(session.in_flight)
        status = await self._status()
        elapsed = time.monotonic() - self._started
        self.pause = 0.005 if elapsed < 0.5 else 0.03
        if status is None or not status.prepared:
            return None
        if not self._handed_over:
            self._handed_over = True
            await _hand_over_closed_trees(session)
        self._raise_faults(status)
        if await session.answer_for_media(status):
            self.pause = 0.0
            return None
        if session.in_flight or {*status.waiting} != {"timers"}:
            self._calm_since = elapsed
        abandoned = given_up(session.settings, status.waiting, elapsed, elapsed - self._calm_since)
        # The page's own events for an arrived file, such as a preload's, come after the file.
        idle = not (was_busy or self._busy or session.in_flight) and len(abandoned) == len(status.waiting)
        if idle and status.root and not status.missing:
            return Loaded([], [], abandoned)
        may_come = _may_come(session.settings, status, elapsed)
        late = bool({*status.waiting} - {*abandoned, "timers"}) or may_come
        if not session.in_flight and await session.evaluate(f"__hfdask.timers({json.dumps(not late)})") is True:
            self._quiet = 0
            self.pause = 0.0
            return None
        if idle and not status.may_end:
            await session.evaluate("__hfdask.nudge()")
        self._quiet = self._quiet + 1 if idle and not may_come else 0
        if self._quiet < QUIET_LOOKS:
            return None
        self._require_root(status)
        return Loaded(list(status.missing), list(status.pending), abandoned)

    async def _status(self) -> Status | None:
        """Return the state of the page, or None if it has no runtime yet."""
        session = self._session
        answer = await session.evaluate("window.__hfdask ? __hfdask.status() : null")
        status = None if answer is None else understood(answer, Status, "its state")
        await session.pump(1)
        session.log.set_waits(["document"] if status is None else list(status.waiting))
        return status

    def _raise_faults(self, status: Status) -> None:
        if status.offenders:  # before errors of scripts that follow from it
            raise EmptyCompositionError(
                f"sub-compositions that {self._entry} mounts cannot be used: {'; '.join(status.offenders)}; "
                "data-composition-src is relative to the project's folder",
                files=list(status.offenders),
            )
        self._session.check(status.problems, "while loading")

    def _require_root(self, status: Status) -> None:
        if status.root:
            return
        waited = f" yet, with {', '.join(status.pending)} still pending" if status.pending else ""
        raise RootNotFoundError(
            f"{self._entry} has no composition root{waited}: give one element a data-composition-id, data-width and "
            "data-height, or the window an __hf with duration and seek",
            entry=self._entry,
        )


def _may_come(settings: PageSettings, status: Status, elapsed: float) -> bool:
    """Return true if a missing root or timeline may still come. In a chunk: if it came during planning."""
    gives_up = settings.gives_up
    if gives_up is not None:
        return not status.root or not {*map(_timeline, status.missing)} <= {*gives_up}
    return status.may_end and elapsed < settings.load_timeout * TIMELINE_PATIENCE


async def _hand_over_closed_trees(session: PageSession) -> None:
    """Give the runtime the closed shadow roots that markup made: no script can reach them, the debugger can."""
    pages = [session.site.files[name] for name in session.site.served if name.lower().endswith((".html", ".htm"))]
    if not any([_CLOSED_TREE.search(await asyncio.to_thread(page.read_bytes)) for page in pages]):
        return
    document = (await session.send("DOM.getDocument", {"depth": -1, "pierce": True}))["root"]
    for root in _closed_roots(document):
        found = await session.send("DOM.resolveNode", {"backendNodeId": root})
        call = {"objectId": found["object"]["objectId"], "functionDeclaration": _ADOPT_TREE}
        answer = await session.send("Runtime.callFunctionOn", call)
        if "exceptionDetails" in answer:
            raise ScriptError("the page runtime failed to take over a closed shadow root")


def given_up(settings: PageSettings, waiting: Iterable[str], elapsed: float, calm: float) -> list[str]:
    """Return what to wait for no longer. A slow page in a chunk must end up as it did during planning.

    ``elapsed`` is the time that the page was waited for, and ``calm`` the last part of it, in which only timers were. Both are in seconds.
    """
    patience = {"workers": _WORKER_PATIENCE}
    gives_up = settings.gives_up
    return [
        what
        for what in waiting
        if what != "document"
        and (elapsed > patience.get(what, _LOAD_PATIENCE) or (what == "timers" and calm > _TIMER_PATIENCE))
        and (gives_up is None or what in gives_up)
    ]


def _closed_roots(document: dict[str, Any]) -> Iterator[int]:
    """Yield the backend ids of the closed shadow roots below a node of the DevTools protocol."""
    nodes = [document]
    while nodes:
        node = nodes.pop()
        for root in node.get("shadowRoots", []):
            if root["shadowRootType"] == "closed":
                yield root["backendNodeId"]
        inner = [node["contentDocument"]] if "contentDocument" in node else []
        nodes += [*node.get("children", []), *node.get("shadowRoots", []), *inner]
