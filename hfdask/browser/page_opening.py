"""Open a page of a composition, with the network and the fonts that every page has, and close it.

A page starts without anything of earlier pages: it has a new context, or the context of the browser's profile, which is cleared.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from fractions import Fraction
from pathlib import Path

from playwright.async_api import BrowserContext, CDPSession, Page, ViewportSize
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.calls import Patience, browser_call
from hfdask.browser.chromium import Chromium, context_options
from hfdask.browser.session import PageSession
from hfdask.core.model import PageSettings
from hfdask.errors import BrowserCrashError, ProjectError
from hfdask.fonts.families import GENERIC
from hfdask.network.intercept import Network
from hfdask.network.messages import Source
from hfdask.page import runtime_script
from hfdask.page.server import Site

# The network that a page sees. It depends neither on this machine's network nor on its speed (which is randomised).
_NETWORK_STATE = {"offline": False, "latency": 0, "downloadThroughput": 1e9, "uploadThroughput": 1e9}

# The colour behind a transparent page.
_NOTHING = {"r": 0, "g": 0, "b": 0, "a": 0}


@contextlib.asynccontextmanager
async def open_page(
    chromium: Chromium,
    files: Mapping[str, Path],
    settings: PageSettings,
    fps: Fraction,
    source: Source | None = None,
    *,
    profile: bool = False,
    reads_text: bool = False,
    beside: PageSession | None = None,
) -> AsyncIterator[PageSession]:
    """Open a page with these files and empty storage, and close it at the end of the block.

    The page has a new context, or with ``profile`` the context of the browser's profile, as hosted pages always have. Only ``source`` answers
    requests to other origins. Without it they cannot be reached. With ``reads_text`` the page can be asked about its text. If the same
    composition is open in the browser already, give its session as ``beside``: its site and its source serve both pages.

    Raises
    ------
    BrowserCrashError
        If the browser fails to open or close the page.
    """
    site = Site(files) if beside is None else beside.site
    chromium.server.site = site
    chromium.pages += 1
    async with browser_call("it opened no page", Patience.open):
        network = await Network.open(chromium.playwright, source) if source else None
    session = None
    try:
        async with browser_call("it opened no page", Patience.open):
            shared = profile or settings.capture_mode == "canvas"
            opened = await (_in_profile if shared else _in_context)(chromium, settings)
            session = await _open(opened, chromium, site, settings, fps, network, reads_text)
        try:
            yield session
        except BaseException as error:
            if not isinstance(error, ProjectError) and beside is None:
                raise  # the whole browser is discarded
            try:
                await _close(opened)
            except BrowserCrashError:  # now and then a page that navigates cannot be closed
                chromium.kill()
            raise
        await _close(opened)
    finally:
        if session is not None and session.videos is not None:
            session.videos.close()
        if session is not None and session.host is not None:
            session.host.close()
        if network is not None:
            await network.close()


_Opened = tuple[Page, BrowserContext | None]
"""A page, and its context if the context is closed with the page."""


async def _in_context(chromium: Chromium, settings: PageSettings) -> _Opened:
    context = await chromium.playwright.new_context(viewport=_viewport(settings), **context_options(chromium.scale))
    return await context.new_page(), context


async def _in_profile(chromium: Chromium, settings: PageSettings) -> _Opened:
    assert chromium.profile is not None
    page = await chromium.profile.context.new_page()
    await page.set_viewport_size(_viewport(settings))
    cdp = await page.context.new_cdp_session(page)
    # Remove what earlier pages have left, for all origins: storage, files, caches, workers.
    await cdp.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    await cdp.send("Network.clearBrowserCookies")
    await cdp.send("Network.clearBrowserCache")
    await cdp.detach()
    return page, None


def _viewport(settings: PageSettings) -> ViewportSize:
    return {"width": settings.width, "height": settings.height}


async def _open(
    opened: _Opened,
    chromium: Chromium,
    site: Site,
    settings: PageSettings,
    fps: Fraction,
    network: Network | None,
    reads_text: bool,
) -> PageSession:
    page, context = opened
    await page.add_init_script(runtime_script(settings, fps, reads_text=reads_text))
    cdp = await page.context.new_cdp_session(page)
    session = PageSession(chromium, page, cdp, settings, fps, site, network, in_profile=context is None)
    await cdp.send("Network.enable")
    await _pretend_network(cdp)
    if settings.transparent:
        await cdp.send("Emulation.setDefaultBackgroundColorOverride", {"color": _NOTHING})
    await cdp.send("Page.setFontFamilies", {"fontFamilies": GENERIC})
    if network is not None:
        network.belongs_to((await cdp.send("Target.getTargetInfo"))["targetInfo"]["targetId"])
    chromium.processes.find_helpers()
    return session


async def _pretend_network(cdp: CDPSession) -> None:
    try:
        await cdp.send("Network.overrideNetworkState", _NETWORK_STATE)
    except PlaywrightError as error:
        if "wasn't found" not in error.message:  # as in older browsers, whose pages may then find themselves offline
            raise


async def _close(opened: _Opened) -> None:
    page, context = opened
    async with browser_call("it did not close a page", Patience.close):
        await (context.close() if context is not None else page.close())
