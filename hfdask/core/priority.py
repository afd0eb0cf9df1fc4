"""Priorities of threads that libraries start."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

_VERSION = 0x20080522  # of the sets of capabilities, with two words each
_CAP_SYS_NICE = 1 << 23


@contextlib.contextmanager
def without_real_time() -> Iterator[None]:
    """Keep a library from giving real-time priority to the threads that it starts in this block.

    SVT-AV1 does so if it may, as it may for root: then nothing else on the machine gets on. Capabilities belong to a
    thread, and new threads inherit them: see capabilities(7). Other threads of this process keep theirs.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)  # this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, of which each has two words

    def call(name: str) -> None:
        if getattr(libc, name)(header, sets):
            raise OSError(ctypes.get_errno(), "cannot change the capabilities of a thread")

    call("capget")
    before = sets[0]
    if not before & _CAP_SYS_NICE:
        yield
        return
    sets[0] &= ~_CAP_SYS_NICE
    call("capset")
    try:
        yield
    finally:
        sets[0] = before
        call("capset")
