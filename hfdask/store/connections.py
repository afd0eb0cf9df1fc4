"""Connections of file systems that can make one call at a time, such as FTP's.

Most of fsspec's file systems are shared by all threads. File systems that are not ``cachable`` keep the state of one
connection in the object, so two threads would read each other's answers, and a connection that was cut during a transfer
stays broken. Here each call borrows a separate connection. It is used again only if the call succeeded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

IDLE = 15.0
"""Seconds after which an unused connection is not trusted any more: servers close them without a word."""


class Connections:
    """Lends a file system to one call at a time, if it needs that.

    Parameters
    ----------
    fs : AbstractFileSystem
        The file system; it is the first connection, too.
    """

    def __init__(self, fs: Any) -> None:
        self.fs = fs
        self._idle = [(fs, time.monotonic())]
        self._lock = threading.Lock()

    @contextmanager
    def borrowed(self) -> Iterator[Any]:
        """Yield the file system, or a connection that no other thread uses."""
        if self.fs.cachable:
            yield self.fs
            return
        own = self._take() or type(self.fs)(*self.fs.storage_args, **self.fs.storage_options)
        own.invalidate_cache()  # others have written since
        yield own
        with self._lock:
            self._idle.append((own, time.monotonic()))

    def _take(self) -> Any:
        with self._lock:
            self._idle = [(fs, since) for fs, since in self._idle if time.monotonic() - since < IDLE]
            return self._idle.pop()[0] if self._idle else None
