"""Start Playwright's driver with its temporary files in our scratch folder, and without our secrets.

The driver keeps each browser's profile in its ``TMPDIR`` and removes it when the browser has ended, unless the driver
itself is killed. Scratch folders are also removed after a kill. Playwright has no option for this, nor for the driver's
environment, which would be ours with all credentials. So this module, and no other, uses private names of Playwright.
If these change, profiles are in the system's temporary folder and the driver gets the whole environment, as usual with
Playwright.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import psutil
from playwright.async_api import Playwright, async_playwright

from hfdask.browser.calls import Patience
from hfdask.browser.processes import is_stopped_or_gone
from hfdask.core.scratch import scratch_folder, shared_folder
from hfdask.errors import BrowserLaunchError
from hfdask.text import legible

_transport: Any = None
with suppress(ImportError):
    _transport = import_module("playwright._impl.transport")
_environment = getattr(_transport, "get_driver_env", None)


# Environment variables that the driver gets; none contains credentials.
_NEEDED = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DEBUG", "DEBUG_FILE"}
    | {"PW_LANG_NAME", "PW_LANG_NAME_VERSION", "PW_CLI_DISPLAY_VERSION", "PLAYWRIGHT_BROWSERS_PATH"}
)


def _environment_in_scratch() -> dict[str, Any]:
    assert _environment is not None
    known = {name: value for name, value in _environment().items() if name in _NEEDED}
    # Node keeps what it compiles of the driver there, which takes a quarter off its start.
    compiled = str(shared_folder() / "driver")
    return {**known, "TMPDIR": str(scratch_folder()), "NODE_COMPILE_CACHE": compiled}


class Driver:
    """A running driver and its process."""

    def __init__(self, playwright: Playwright, process: psutil.Process | None) -> None:
        self.playwright = playwright
        self.process = process

    @classmethod
    async def start(cls, spawned: Callable[[], object] = lambda: None) -> Driver:
        """Start a driver. ``spawned`` is called as soon as its process exists.

        Raises
        ------
        BrowserLaunchError
            If it does not start, or does not answer.
        """
        loop = asyncio.get_running_loop()

        def environment() -> dict[str, Any]:
            loop.call_soon_threadsafe(spawned)  # Playwright starts the process before the loop goes on
            return _environment_in_scratch()

        if _environment is not None:
            _transport.get_driver_env = environment
        before = set(_drivers())
        try:
            async with asyncio.timeout(Patience.start):
                playwright = await async_playwright().start()
        except BaseException as error:  # Playwright has no error type for a driver that ends while it starts
            for process in set(_drivers()) - before:
                _kill(process)
            if not isinstance(error, Exception):
                raise
            said = legible(str(error))[:600] or f"no answer within {Patience.start:g} s"
            raise BrowserLaunchError(f"Playwright's driver did not start: {said}") from error
        finally:
            if _environment is not None:  # other users of Playwright in this process have other loops
                _transport.get_driver_env = _environment_in_scratch
        return cls(playwright, next((process for process in _drivers() if process not in before), None))

    @property
    def works(self) -> bool:
        """Return true if its process runs, as far as the system knows."""
        return self.process is None or not is_stopped_or_gone(self.process)

    async def stop(self) -> None:
        """End the driver and all of its browsers, by force if it does not answer or is already dead."""
        if not self.works:
            self.kill()
        with suppress(Exception):  # any error of a dead driver's connection
            await asyncio.wait_for(self.playwright.stop(), Patience.answer)
        self.kill()

    def kill(self) -> None:
        """End the driver at once. Call it from any thread."""
        if self.process is not None:
            _kill(self.process)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _drivers() -> Iterator[psutil.Process]:
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # a process that has just ended
            if "run-driver" in child.cmdline():
                yield child
