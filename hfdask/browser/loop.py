"""The thread of a process that runs browsers.

Playwright's objects belong to the event loop that made them, and callers are task threads, notebooks (whose main
thread runs its own loop) and scripts. So one daemon thread owns one asyncio loop with Playwright's async API, the
page servers and the warm browsers. All other threads submit coroutines to it.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
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
        self._taking = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._main, name="hfdask-browser", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        _here.thread = self
        try:
            self.loop.run_forever()
        finally:
            with self._taking:
                self._ended = True
            self.loop.run_until_complete(self._cancel_all())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    async def _cancel_all(self) -> None:
        """Cancel every task, or its waiters would hang; also tasks that were submitted at the last moment."""
        await asyncio.sleep(0)
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop; cancelling the future cancels it.

        Raises
        ------
        BrowserCrashError
            If the thread was closed.
        """
        with self._taking:
            if not self._ended:
                return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        coroutine.close()
        raise _closed()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the loop and wait for its result.

        Raises
        ------
        BrowserCrashError
            If the thread was closed meanwhile.
        """
        return self.result(self.submit(coroutine), timeout)

    def result(self, future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
        """Wait for a submitted coroutine, and cancel it if the wait is interrupted."""
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError as error:
            raise _closed() from error
        except BaseException:
            future.cancel()
            raise

    @contextlib.contextmanager
    def held(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Use an asynchronous context manager for a block on another thread.

        One task enters and exits it, so it exits properly even if the thread is closed meanwhile.

        Raises
        ------
        BrowserCrashError
            If the thread was closed meanwhile.
        """
        entered: concurrent.futures.Future[tuple[T, asyncio.Future[None]]] = concurrent.futures.Future()
        task = self.submit(_hold(manager, entered))
        task.add_done_callback(lambda _: entered.cancel())
        try:
            value, left = entered.result()
        except concurrent.futures.CancelledError:
            self.result(task)  # raises the error of entering it
            raise
        except BaseException:
            task.cancel()
            raise
        try:
            yield value
        except BaseException as error:
            self._leave(left, error if isinstance(error, Exception) else _InterruptedError(repr(error)))
            self.result(task)
            raise
        self._leave(left, None)
        self.result(task)

    def _leave(self, left: asyncio.Future[None], error: Exception | None) -> None:
        def leave() -> None:
            if left.done():
                return
            left.set_result(None) if error is None else left.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is closed, and every context manager has exited
            self.loop.call_soon_threadsafe(leave)

    def close(self) -> None:
        """Stop the loop and wait for the thread. Close everything that runs on the loop first."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # another one closes it
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)


class _InterruptedError(Exception):
    """Replaces an exception that would end the loop itself."""


async def _hold(
    manager: AbstractAsyncContextManager[T], entered: concurrent.futures.Future[tuple[T, asyncio.Future[None]]]
) -> None:
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with manager as value:
        entered.set_result((value, left))
        await left


def _closed() -> BrowserCrashError:
    return BrowserCrashError("the browsers of this process were closed while they were used")


_lock = threading.Lock()
_thread: BrowserThread | None = None
_here = threading.local()


def browser_thread() -> BrowserThread:
    """Return this process's browser thread, which starts at first use and again after a fork.

    On a browser thread this returns that thread, so that code on a closing one does not start browsers on the next one.
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
        return  # in a forked process the lock may never be released
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
    """Return the number of this process's browsers, and their bytes as last measured, without starting any."""
    thread = _thread
    return (0, 0) if thread is None or thread.pid != os.getpid() else thread.pool.usage()


atexit.register(close_browsers)
