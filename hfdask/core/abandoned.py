"""Calls into a library that cannot be stopped, and need not be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

_R = TypeVar("_R")

POLL = 0.1
"""Seconds between looks for a cancellation."""


def abandonable(call: Callable[[], _R], going: Callable[[], None], name: str) -> _R:
    """Return what a call returns, or leave it alone in its thread as soon as ``going`` raises an error.

    Parameters
    ----------
    call : callable
        Works on what nothing else uses after that. It need not end: the thread keeps no process from ending.
    going : callable
        Called a few times a second; what it raises ends the wait.
    name : str
        Name of the thread.
    """
    answer: Future[_R] = Future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - it is raised in the waiting thread
            answer.set_exception(error)
        else:
            answer.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    while not wait([answer], POLL).done:
        going()
    return answer.result()
