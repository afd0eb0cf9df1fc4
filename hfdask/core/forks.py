"""Detect processes that were forked while hfdask or Dask had threads.

A fork copies the memory, but only the thread that forks. The work of other threads is never done, and their locks stay
locked. hfdask starts its own threads again in each process, so a fork is harmless while hfdask is idle. But while it
works, locks of any library may be held, and Dask never starts its threads again. A wait for such a thread may never
end, so it is an error at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from msgspec import Struct, field

from hfdask.errors import ForkedProcessError

P = ParamSpec("P")
T = TypeVar("T")

_RESTS = frozenset({"hfdask-browser"})
"""Threads that also run while hfdask is idle; each process starts its own."""

_DASK = ("IO loop", "Dask-")


class _State(Struct):
    """``calls`` are under way. ``before`` is what a fork would take along, ``found`` what the fork to this process took."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    calls: int = 0
    before: str = ""
    found: str = ""


_state = _State()


def require_threads(*, with_dask: bool = False) -> None:
    """Raise an error if this process is a fork that lacks threads.

    Raises
    ------
    ForkedProcessError
    """
    if _state.found == "busy" or (_state.found == "dask" and with_dask):
        what = "while hfdask worked there" if _state.found == "busy" else "after Dask had started threads there"
        raise ForkedProcessError(
            f"this process was forked from another one {what}, and lacks its threads; start it anew instead: "
            "multiprocessing.get_context('spawn'), ProcessPoolExecutor(mp_context=...), or fork before hfdask and Dask are used"
        )


@contextmanager
def at_work(*, with_dask: bool = False) -> Iterator[None]:
    """Mark a block in which hfdask works for a caller, with or without Dask's threads.

    Raises
    ------
    ForkedProcessError
        If this process lacks threads that the block needs.
    """
    require_threads(with_dask=with_dask)
    with _state.lock:
        _state.calls += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.calls -= 1


def worked(call: Callable[P, T]) -> Callable[P, T]:
    """Wrap each call of a function in a block of `at_work`."""

    @wraps(call)
    def counted(*args: P.args, **kwargs: P.kwargs) -> T:
        with at_work():
            return call(*args, **kwargs)

    return counted


def _look() -> None:
    names = [thread.name for thread in threading.enumerate()]
    if _state.calls or any(name.startswith("hfdask-") and name not in _RESTS for name in names):
        _state.before = "busy"
    else:
        _state.before = "dask" if any(name.startswith(_DASK) for name in names) else ""


def _remember() -> None:
    _state.lock = threading.Lock()
    _state.found, _state.calls = _state.before or _state.found, 0


os.register_at_fork(before=_look, after_in_child=_remember)
