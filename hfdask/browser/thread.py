"""The one thread of a process that runs browsers.

Playwright's objects belong to the event loop that made them, and callers are task threads, notebooks (whose main
thread runs a loop of its own) and scripts. So one daemon thread owns one asyncio loop with Playwright's async API, the
page servers and the warm browsers, and everyone else hands it coroutines.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from hfdask.browser.pool import BrowserPool
from hfdask.errors import BrowserCrashError

T = TypeVar("T")

_CLOSE_SECONDS = 30.0


class BrowserThread:
    """A daemon thread with an asyncio loop. Get the process's own with `browser_thread`; end it with `close`."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.pool = BrowserPool()
        self._thread = threading.Thread(target=self._main, name="hfdask-browser", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        _here.thread = self
        try:
            self.loop.run_forever()
        finally:
            # Whoever waits for one of these would wait for ever.
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop; cancelling the future cancels it.

        Raises
        ------
        BrowserCrashError
            Where the thread was closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError as error:
            coroutine.close()
            raise _closed() from error

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the loop and wait for its result.

        Raises
        ------
        BrowserCrashError
            Where the thread was closed meanwhile.
        """
        return self.result(self.submit(coroutine), timeout)

    def result(self, future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
        """Wait for what was submitted, and cancel it where nobody waits any more."""
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError as error:
            raise _closed() from error
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop and wait for the thread. What runs on the loop must have been closed before."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # another one closes it
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)


def _closed() -> BrowserCrashError:
    return BrowserCrashError("the browsers of this process were closed while they were used")


_lock = threading.Lock()
_thread: BrowserThread | None = None
_here = threading.local()


def browser_thread() -> BrowserThread:
    """This process's browser thread, started at first use (and anew after a fork); on such a thread, that one itself.

    What still runs on one that is being closed must not start browsers in the next.
    """
    global _thread  # noqa: PLW0603 - one a process is the point
    own: BrowserThread | None = getattr(_here, "thread", None)
    if own is not None and own.pid == os.getpid():
        return own
    with _lock:
        if _thread is None or _thread.pid != os.getpid():
            _thread = BrowserThread()
        return _thread


def close_browsers() -> None:
    """Close every browser of this process and its thread. The next render starts them again. Safe to call twice.

    A chunk that is being rendered ends with a `BrowserCrashError`.
    """
    global _thread
    if _thread is None or _thread.pid != os.getpid():
        return  # and in a process that was forked, the lock may be shut for ever
    with _lock:
        thread, _thread = _thread, None
    if thread is not None:
        try:
            thread.run(thread.pool.close(), timeout=_CLOSE_SECONDS)
        except (TimeoutError, BrowserCrashError):
            thread.pool.kill()
        finally:
            thread.close()


def browser_usage() -> tuple[int, int]:
    """Browsers of this process, and the bytes that they took when last measured; starts nothing and never waits."""
    thread = _thread
    return (0, 0) if thread is None or thread.pid != os.getpid() else thread.pool.usage()


atexit.register(close_browsers)
