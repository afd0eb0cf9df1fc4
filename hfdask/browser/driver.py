"""Playwright's driver, with its temporary files in our scratch folder.

The driver keeps each browser's profile in its ``TMPDIR`` and removes it when the browser has ended, which it cannot where it is
killed itself. Scratch folders are swept after a kill. Playwright has no option for this: this module alone uses names of it
that are not public, and where they have changed, profiles are in the system's temporary folder as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import psutil
from playwright.async_api import Playwright, async_playwright

from hfdask.scratch import scratch_folder

_transport: Any = None
with suppress(ImportError):
    _transport = import_module("playwright._impl.transport")
_environment = getattr(_transport, "get_driver_env", None)


def _environment_in_scratch() -> dict[str, Any]:
    assert _environment is not None
    return {**_environment(), "TMPDIR": str(scratch_folder())}


class Driver:
    """A running driver, and the process that it is."""

    def __init__(self, playwright: Playwright, process: psutil.Process | None) -> None:
        self.playwright = playwright
        self._process = process

    @classmethod
    async def start(cls) -> Driver:
        if _environment is not None:
            _transport.get_driver_env = _environment_in_scratch
        before = set(_drivers())
        playwright = await async_playwright().start()
        return cls(playwright, next((process for process in _drivers() if process not in before), None))

    async def stop(self) -> None:
        """End it and all of its browsers; by force where it does not answer, or is dead already."""
        with suppress(Exception):  # whatever a dead one's connection raises
            await asyncio.wait_for(self.playwright.stop(), 5)
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                self._process.kill()


def _drivers() -> Iterator[psutil.Process]:
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # one that has just ended
            if "run-driver" in child.cmdline():
                yield child
