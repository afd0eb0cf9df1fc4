"""Open tiny compositions in the shared warm browser, and look at them from a test, without a plan or an encoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from media_samples import pixels_digest

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.loading import Loaded
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import VideoShape
from hfdask.core.model import PageSettings
from hfdask.media.captured import Picture
from hfdask.media.picture import Pixels

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)

SETTINGS = PageSettings(
    width=64,
    height=64,
    capture_mode="beginframe",
    fragment=False,
    variables={},
    page_errors="raise",
    load_timeout=30.0,
    frame_timeout=20.0,
)

SOON = 12.0
"""Seconds that a page takes on a crowded machine if nothing is waited for: half of the wait for a missing timeline."""


def change_script(monkeypatch: pytest.MonkeyPatch, module: Any, script: str, old: str, new: str) -> None:
    """Replace a part of a script for the browser: ``script`` is the function of ``module`` that returns the script."""
    made = getattr(module, script)

    def changed(*args: Any, **options: Any) -> str:
        text: str = made(*args, **options)
        assert old in text
        return text.replace(old, new)

    monkeypatch.setattr(module, script, changed)


class Page:
    """An open, settled page. Frames are numbers of the absolute timeline; points are (x, y) from the upper left."""

    def __init__(self, session: PageSession, loaded: Loaded, seconds: float) -> None:
        self.session = session
        self.loaded = loaded
        self.seconds = seconds

    def seek(self, frame: int) -> None:
        browser_thread().run(self.session.seek(frame), 30)

    def value(self, expression: str) -> Any:
        return browser_thread().run(self.session.evaluate(expression), 30)

    def at(self, frame: int, expression: str) -> Any:
        self.seek(frame)
        return self.value(expression)

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = msgspec.json.decode(
            msgspec.json.encode(browser_thread().run(self.session.report(), 15))
        )
        return report

    def pixels(self, frame: int) -> Pixels:
        return self.frames(frame, frame + 1)[0]

    def pixel(self, frame: int, x: int = 5, y: int = 5) -> tuple[int, int, int]:
        red, green, blue = self.pixels(frame)[y, x]
        return int(red), int(green), int(blue)

    def frames(self, start: int, end: int) -> list[Pixels]:
        """The pictures of the frames [start, end), with the damage test on, as a chunk takes them."""
        pictures: list[Pixels] = []
        for picture in browser_thread().run(self._pictures(start, end), 60):
            pictures.append(pictures[-1] if picture is None else picture.pixels)
        return pictures

    def digests(self, start: int, end: int) -> list[str]:
        return [pixels_digest(picture) for picture in self.frames(start, end)]

    async def _pictures(self, start: int, end: int) -> list[Picture | None]:
        shots = capture(self.session, start, end)
        return [shot.picture and shot.picture.keep() async for shot in shots]


def write_site(folder: Path, html: str, files: Mapping[str, str | bytes] | None = None) -> dict[str, Path]:
    """Write a composition and its other files; the answer is what a server takes."""
    site = {}
    for name, content in {"index.html": html, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        site[name] = path
    return site


@contextlib.contextmanager
def open_files(
    files: Mapping[str, Path],
    fps: Fraction = Fraction(30),
    entry: str = "index.html",
    *,
    profile: bool = False,
    videos: Mapping[str, VideoShape] | None = None,
    **settings: Any,
) -> Iterator[Page]:
    """A page over these files. An exception in the block costs the warm browser, as it does in a render."""
    thread = browser_thread()
    stack = contextlib.AsyncExitStack()
    page_settings = msgspec.structs.replace(SETTINGS, **settings)

    async def enter() -> Page:
        chromium, _ = await stack.enter_async_context(
            thread.pool.lease(page_settings.capture_mode, profile=profile, scale=page_settings.scale)
        )
        session = await stack.enter_async_context(open_page(chromium, files, page_settings, fps, profile=profile))
        if videos:
            session.prepare_videos(videos)
        began = thread.loop.time()
        loaded = await session.load(entry)
        return Page(session, loaded, thread.loop.time() - began)

    async def leave(error: BaseException | None) -> None:
        await stack.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)

    try:
        page = thread.run(enter(), 60)
        yield page
    except BaseException as error:
        with contextlib.suppress(type(error)):
            thread.run(leave(error), 20)
        raise
    thread.run(leave(None), 20)


@contextlib.contextmanager
def open_html(
    folder: Path,
    html: str,
    files: Mapping[str, str | bytes] | None = None,
    fps: Fraction = Fraction(30),
    **settings: Any,
) -> Iterator[Page]:
    with open_files(write_site(folder, html, files), fps, **settings) as page:
        yield page


def composition(
    body: str, script: str = "", *, style: str = "", root: str = 'data-duration="2" data-no-timeline', head: str = ""
) -> str:
    """A document with a black root of 64 x 64 that holds ``body``, and a script after it."""
    return (
        f"<!doctype html><html><head><meta charset=utf-8>{head}"
        f"<style>body{{background:#000}}{style}</style></head><body>"
        f'<div id="root" data-composition-id="main" data-width="64" data-height="64" {root}>{body}</div>'
        f"<script>{script}</script></body></html>"
    )


def svg(colour: str) -> str:
    """An SVG file of 64 x 64 in one colour."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<rect width="64" height="64" fill="{colour}"/></svg>'
    )


def box(attributes: str, colour: str = "#f00", style: str = "") -> str:
    """An absolute box over the whole canvas."""
    return f'<div {attributes} style="position:absolute;inset:0;background:{colour};{style}"></div>'
