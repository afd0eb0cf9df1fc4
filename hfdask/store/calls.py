"""Call file systems with retries, time limits and concurrency.

s3fs, botocore and gcsfs retry network errors themselves, for up to half a minute. Both share one budget: if they have
used it up, there is no further attempt; if a call fails at once, it is retried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

from fsspec import asyn
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_random_exponential

from hfdask.store.connections import Connections
from hfdask.store.failures import heals

THREADS = 32
"""Transfers at a time."""

ATTEMPTS = 5
SECONDS = 100.0
"""Seconds after the start of the first attempt; no attempt begins later, also if the file system has retried itself."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds; each wait is random, from 0 to a limit that doubles."""

STALL = 30.0
SLOWEST = 256 * 1024
"""A call may take `STALL` seconds, and one more for each `SLOWEST` bytes."""

MULTIPART = 5 * 2**20
"""Size from which file systems may upload in parts."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def retried(call: Callable[[], _R]) -> _R:
    """Make a call, retry transient errors, and return its result. The last attempt's error is raised unchanged."""
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(SECONDS),
        wait=wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        retry=retry_if_exception(heals),
        reraise=True,
    )
    return attempts(call)


def reread(call: Callable[[], _R], reads: int, spoilt: Callable[[BaseException], bool]) -> _R:
    """Make a call that reads, and repeat it at once while its error says that the content may be damaged.

    The last attempt's error is raised unchanged.
    """
    return Retrying(stop=stop_after_attempt(reads), retry=retry_if_exception(spoilt), reraise=True)(call)


def in_time(
    connections: Connections,
    method: str,
    *args: Any,
    size: int = 0,
    sending: bool = False,
    undo: Callable[[], object] = lambda: None,
    **options: Any,
) -> Any:
    """Call a file system's method once, and raise `TimeoutError` if it is too slow.

    Large uploads of asynchronous file systems have their own time-outs: cancelled from outside, they would leave their
    parts in the bucket. Calls of other file systems cannot be cancelled: if one returns after its time-out, ``undo`` is
    called.
    """
    limit = STALL + size / SLOWEST
    fs = connections.fs
    if type(fs) in (LocalFileSystem, MemoryFileSystem):
        return getattr(fs, method)(*args, **options)
    if getattr(fs, "async_impl", False):
        call = getattr(fs, "_" + method)
        return asyn.sync(fs.loop, call, *args, timeout=None if sending and size >= MULTIPART else limit, **options)
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            with connections.borrowed() as own:
                result = getattr(own, method)(*args, **options)
        except BaseException as error:  # noqa: BLE001 - it is raised in the waiting thread
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
                return
        else:
            if answer.set_running_or_notify_cancel():
                answer.set_result(result)
                return
        with suppress(Exception):  # the caller is gone
            undo()

    # A thread that never comes back must not keep the process from ending.
    threading.Thread(target=run, name=f"hfdask-{method}", daemon=True).start()
    try:
        return answer.result(limit)
    except TimeoutError:
        if answer.cancel() or answer.exception() is not None:
            raise
        return answer.result()  # it came at the last moment


def concurrently(call: Callable[[_T], _R], items: Iterable[_T], threads: int = THREADS) -> list[_R]:
    """Call for all items at once; return the results in order. After an error, start no more calls and raise it."""
    todo = list(items)
    if len(todo) < 2:
        return [call(item) for item in todo]
    with ThreadPoolExecutor(min(threads, len(todo)), thread_name_prefix="hfdask-store") as pool:
        futures = [pool.submit(call, item) for item in todo]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=True, cancel_futures=True)
        failed = [future for future in futures if not future.cancelled() and future.exception()]
        return [future.result() for future in (failed or futures)]
