"""Playwright's driver, with its temporary files in our scratch folder.

The driver keeps each browser's profile in its ``TMPDIR`` and removes it when the browser has ended, which it cannot where it is
killed itself. Scratch folders are swept after a kill. Playwright has no option for this: this module alone uses names of it
that are not public, and where they have changed, profiles are in the system's temporary folder as before.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from playwright.async_api import Playwright, async_playwright

from hfdask.scratch import scratch_folder

_transport: Any = None
with suppress(ImportError):
    _transport = import_module("playwright._impl.transport")
_environment = getattr(_transport, "get_driver_env", None)


def _environment_in_scratch() -> dict[str, Any]:
    assert _environment is not None
    return {**_environment(), "TMPDIR": str(scratch_folder())}


async def start_driver() -> Playwright:
    """Start a driver; ``stop`` it at the end."""
    if _environment is not None:
        _transport.get_driver_env = _environment_in_scratch
    return await async_playwright().start()
