"""Start and end browser processes.

All of them end with this process. Playwright's driver ends when its standard input closes, which the kernel does even
after `kill -9`, and the kernel ends Chromium with the driver. If memory runs out, the kernel ends Chromium before this
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import uuid
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct
from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import BrowserContext, CDPSession, Playwright
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.calls import Patience
from hfdask.browser.confine import Channel, Confined, Peers, launcher_of
from hfdask.browser.discovery import Browser, sandbox_possible
from hfdask.browser.memory import Memory
from hfdask.browser.processes import Processes, kill_marked
from hfdask.core.scratch import memory_folder
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.errors import BrowserLaunchError
from hfdask.fonts.configuration import FontSetup
from hfdask.page.server import PageServer
from hfdask.text import legible

# Software compositing draws every page, WebGL included, and is faster than SwiftShader compositing.
_FLAGS = (
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-image-animation-resync",
    # Scrolls end at once. Smooth ones would go on by the compositor's own clock.
    "--disable-smooth-scrolling",
    "--disable-lcd-text",
    # A second window would take frames of the first one's compositor.
    "--block-new-web-contents",
    # A tile that is redrawn in part has other edge pixels than one drawn whole, and so a frame would depend on the
    # last.
    "--disable-partial-raster",
    # Requests of a page are answered or refused here. All other traffic is prevented, because no name is resolved.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-blink-features=WebSocketStream",
    # A page with an AudioContext would reach this machine's sound server, have its rate, and leave its folder.
    "--disable-audio-output",
)
# With these the compositor draws only on request. Screenshots hang under them.
_BEGIN_FRAME_FLAGS = (
    "--deterministic-mode",
    "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
    "--enable-surface-synchronization",
)
# Environment variables that a browser gets; none contains credentials.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "LD_LIBRARY_PATH",
)
# For captures from a canvas. An experiment of Chromium, so its presence is found out by trial (`hfdask.browser.capabilities`),
# never by a version. Pages do not see it (`hfdask/page/runtime/experiments.js`), so one browser does for all that draw on request.
_CANVAS_FLAGS = ("--enable-blink-features=CanvasDrawElement",)
_KILLED_SECONDS = 2.0  # for the driver to notice it
# Seconds between requests for a frame while the compositor still draws another one.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
PROFILE_ROOM = 256 * 2**20
"""Bytes that must be free in memory for a profile and the pictures that pass through it."""

_CONTEXT: dict[str, Any] = {
    "locale": "en-US",
    "timezone_id": "UTC",
    "color_scheme": "light",
    "reduced_motion": "no-preference",
    "contrast": "no-preference",
    "forced_colors": "none",
    "has_touch": False,
    "is_mobile": False,
    # The runtime needs styles, requests and scripts that a page's policy may forbid. No request leaves the browser in
    # any case.
    "bypass_csp": True,
    "accept_downloads": False,
}


class Profile(Struct, frozen=True):
    """The context of a browser that keeps its files in a folder, so that this process can share files with its page."""

    context: BrowserContext
    folder: Path


class Chromium:
    """A running browser with its own page server. Use it only on the browser thread's loop."""

    def __init__(
        self,
        browser: PlaywrightBrowser,
        confined: Confined,
        fonts: FontSetup,
        cdp: CDPSession,
        pid: int,
        *,
        draws_on_request: bool,
        profile: Profile | None = None,
        scale: Scale = UNSCALED,
    ) -> None:
        self.playwright = browser
        self.profile = profile
        self.draws_on_request = draws_on_request  # the compositor draws no frame by itself
        self.scale = scale
        self.fonts = fonts
        self.pid = pid
        self.pages = 0
        self.drawing = asyncio.Lock()
        self._cdp = cdp
        self.processes = Processes(pid)
        self.memory = Memory(self.processes)
        self.confined = confined
        self.server = PageServer(confined.listener, None if confined.private else Peers(self.processes.main).admit)
        self._ticks = 0.0

    @classmethod
    async def launch(
        cls,
        driver: Playwright,
        binary: Browser,
        fonts: FontSetup,
        *,
        draws_on_request: bool,
        profile: bool = False,
        scale: Scale = UNSCALED,
    ) -> Chromium:
        """Start a browser; with ``profile``, it also has a context that keeps its files in a folder.

        It draws pages ``scale`` times as large as they are laid out.

        Raises
        ------
        BrowserLaunchError
            The message has Chromium's output.
        """
        confined: Confined | None = None
        folder = memory_folder(PROFILE_ROOM) / f"profile-{uuid.uuid4().hex[:12]}" if profile else None
        mark = f"--hfdask={secrets.token_hex(8)}"  # so that the browser is found even if it does not answer
        try:
            async with asyncio.timeout(Patience.launch + Patience.answer):
                with Channel() as channel:
                    environment = {**_environment(fonts), **channel.environment}
                    arguments = [*_arguments(scale, draws_on_request=draws_on_request), mark]
                    browser, lasting = await _start(driver, binary, arguments, environment, folder, scale)
                    confined = channel.received()
                cdp = await browser.new_browser_cdp_session()
                processes = (await cdp.send("SystemInfo.getProcessInfo"))["processInfo"]
                pid = next((int(process["id"]) for process in processes if process["type"] == "browser"), 0)
                chromium = cls(
                    browser, confined, fonts, cdp, pid, draws_on_request=draws_on_request, profile=lasting, scale=scale
                )
                # Frames of other origins have their own processes, and only this event reports their crashes.
                cdp.on("Target.targetCrashed", lambda _: chromium.processes.lose("the process of a frame"))
                await cdp.send("Target.setDiscoverTargets", {"discover": True, "filter": [{"type": "iframe"}]})
                return chromium
        except BaseException as error:
            if confined is not None:
                confined.listener.close()
            kill_marked(mark)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, PlaywrightError | TimeoutError | psutil.NoSuchProcess):
                said = legible(str(getattr(error, "message", error)).strip())[:600] or "it does not answer"
                raise BrowserLaunchError(
                    f"{binary.path} did not start: {said}; `hfdask doctor` shows more", path=str(binary.path)
                ) from error
            raise

    @property
    def alive(self) -> bool:
        """Return true if it runs, as far as Playwright and the system know."""
        return not self.processes.killed and self.playwright.is_connected() and not self.processes.lost()

    async def works(self) -> bool:
        """Return true if an idle browser can be used: none of its processes is lost or stopped, and it answers."""
        if not self.alive or self.processes.fault():
            return False
        try:
            await asyncio.wait_for(self._cdp.send("Browser.getVersion"), Patience.answer)
        except (PlaywrightError, TimeoutError):
            return False
        return True

    def next_tick(self) -> float:
        """Return the next frame time in ms. It rises strictly, but by so little that native animations stand still."""
        self._ticks += 0.01
        return self._ticks

    def kill(self) -> None:
        """End the browser at once."""
        self.processes.kill()

    async def close(self) -> None:
        """Close the browser, by force if it does not answer or was killed."""
        self.server.close()
        with contextlib.suppress(PlaywrightError, TimeoutError):
            await asyncio.wait_for(
                self.playwright.close(), _KILLED_SECONDS if self.processes.killed else Patience.close
            )
        self.kill()
        self.processes.close()
        if self.profile is not None:
            # At the end of the process no thread can be started.
            shutil.rmtree(self.profile.folder, ignore_errors=True)


async def _start(
    driver: Playwright,
    binary: Browser,
    arguments: list[str],
    environment: dict[str, str | float | bool],
    folder: Path | None,
    scale: Scale,
) -> tuple[PlaywrightBrowser, Profile | None]:
    options: dict[str, Any] = {
        "executable_path": str(launcher_of(binary.path)),
        "args": arguments,
        "chromium_sandbox": sandbox_possible(),
        "env": environment,
        "timeout": Patience.launch * 1000,
        "handle_sigint": False,
        "handle_sigterm": False,
        "handle_sighup": False,
    }
    if folder is None:
        return await driver.chromium.launch(**options), None
    context = await driver.chromium.launch_persistent_context(folder, **options, **context_options(scale))
    browser = context.browser
    assert browser is not None  # only contexts of Android and Electron have no browser
    for page in context.pages:  # the browser starts with an empty page
        await page.close()
    return browser, Profile(context, folder)


async def begin_frame(
    cdp: CDPSession, chromium: Chromium, *, screenshot: dict[str, Any] | None, draw: bool = True
) -> dict[str, Any]:
    """Have the compositor draw a frame of a page; wait if it is still drawing one, also of another page.

    Without ``draw`` the page is only laid out, as for a frame.
    """
    picture: dict[str, Any] = {} if screenshot is None else {"screenshot": screenshot}
    if not draw:
        picture["noDisplayUpdates"] = True
    pauses = iter(_PAUSES)  # not a decorator of tenacity, which takes half a millisecond a frame
    while True:
        async with chromium.drawing:
            asked = {"frameTimeTicks": chromium.next_tick(), **picture}
            try:
                answer: dict[str, Any] = await cdp.send("HeadlessExperimental.beginFrame", asked)
                return answer
            except PlaywrightError as error:
                pause = next(pauses, None)
                if pause is None or "frame is pending" not in error.message:
                    raise
        await asyncio.sleep(pause)


def _environment(fonts: FontSetup) -> dict[str, str | float | bool]:
    known: dict[str, str | float | bool] = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**known, "LANG": "C.UTF-8", "TZ": "UTC", "FONTCONFIG_FILE": str(fonts.configuration)}


def _arguments(scale: Scale, *, draws_on_request: bool) -> list[str]:
    on_request = (*_BEGIN_FRAME_FLAGS, *_CANVAS_FLAGS) if draws_on_request else ()
    # The option of a context alone scales the page, but not the picture that the compositor makes of it.
    scaled = [] if scale == UNSCALED else [f"--force-device-scale-factor={float(scale.fraction)}"]
    return [*_FLAGS, *on_request, *scaled]


def context_options(scale: Scale) -> dict[str, Any]:
    """Return the options of the contexts in which pages are opened, of a browser of this scale."""
    return {"device_scale_factor": float(scale.fraction), **_CONTEXT}
