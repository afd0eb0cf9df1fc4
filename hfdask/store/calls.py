"""Calls of a file system: retried while that can help, in bounded time, and many at once.

s3fs, botocore and gcsfs retry what fails on the wire themselves, for up to half a minute. The budget here is one for
both: where they have used it up there is no further attempt, and where a call fails at once it is made again.
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
"""No attempt begins later than this after the first one began, whoever retried in between."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds; each wait is drawn between nothing and a limit that doubles."""

STALL = 30.0
SLOWEST = 256 * 1024
"""A call may take so many seconds, and one more for each so many bytes that it moves."""

MULTIPART = 5 * 2**20
"""From this size on, file systems may upload in parts."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def retried(call: Callable[[], _R]) -> _R:
    """The call's result, after as many attempts as its errors allow; raises the last attempt's error as it is."""
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(SECONDS),
        wait=wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        retry=retry_if_exception(heals),
        reraise=True,
    )
    return attempts(call)


def in_time(
    connections: Connections,
    method: str,
    *args: Any,
    size: int = 0,
    sending: bool = False,
    undo: Callable[[], object] = lambda: None,
    **options: Any,
) -> Any:
    """One call of a file system's method, which ends with `TimeoutError` where it moves too little.

    Large uploads of asynchronous file systems are left to their own time-outs: cancelled from outside they would not
    take back the parts that are in the bucket. Calls of other file systems cannot be cancelled: one that comes back after it
    was given up is followed by ``undo``.
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
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
                return
        else:
            if answer.set_running_or_notify_cancel():
                answer.set_result(result)
                return
        with suppress(Exception):  # nobody is left to be told
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
    """The call's results for all items, in order; the first error ends it, and no call runs on behind it."""
    todo = list(items)
    if len(todo) < 2:
        return [call(item) for item in todo]
    with ThreadPoolExecutor(min(threads, len(todo)), thread_name_prefix="hfdask-store") as pool:
        futures = [pool.submit(call, item) for item in todo]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=True, cancel_futures=True)
        failed = [future for future in futures if not future.cancelled() and future.exception()]
        return [future.result() for future in (failed or futures)]
