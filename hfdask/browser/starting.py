"""Start a browser before it is needed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from hfdask.browser.discovery import browser_version, find_browser
from hfdask.browser.loop import browser_thread
from hfdask.errors import BrowserNotFoundError


def start_browser() -> None:
    """Start a browser in the background, so that the next call of this process does not have to wait for it.

    Call it before other imports and preparations of a script. The browser is ready after about half a second, and
    ends with this process or with `close_browsers`. If it cannot be started, the call that needs it raises the error.
    """
    thread = browser_thread()
    # Node takes longest. So it starts before the imports below, which would hold up this thread for 0.1 s.
    spawned = threading.Event()
    thread.submit(thread.pool.driver(spawned.set)).add_done_callback(lambda _: spawned.set())
    spawned.wait()
    from hfdask.browser.capabilities import begin_trial

    with suppress(BrowserNotFoundError):
        binary = find_browser()
        thread.submit(asyncio.to_thread(browser_version, binary.path))
        if binary.headless_shell:
            begin_trial(binary.path)
