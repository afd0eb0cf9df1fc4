"""Memory that this process shares with a page.

The worker of the page's runtime makes a file in the origin's private file system. In a browser with a profile that is
a file on disk, or better in memory, which this process maps. So bytes reach the page without a message. If there is no
such file, or no room for it, the page fetches the same bytes from its server.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from hfdask.page.server import SharedMemory, shared_route

BUCKET = "hfdask-"
"""Prefix of the storage bucket that has the file, which the runtime hides from the page."""

HEADER = mmap.PAGESIZE
"""Bytes at the start of the file, of which the first ones are the token by which it is found."""


class Slots:
    """Bytes of known size, shared by file or by server. Close them when the page is closed.

    Parameters
    ----------
    size : int
        Bytes, without the header.
    """

    def __init__(self, size: int) -> None:
        self.token = secrets.token_hex(16)
        self.size = HEADER + size
        self._memory: mmap.mmap | None = None

    def setup(self) -> dict[str, str | int]:
        """Return what the page needs to make the file, or to fetch the bytes instead."""
        bucket = f"{BUCKET}{secrets.token_hex(8)}"
        return {"token": self.token, "size": self.size, "bucket": bucket, "route": shared_route(self.token)}

    def map_file(self, folder: Path) -> bool:
        """Map the file that a page has made under ``folder``; return false if there is none, or no room for it.

        A page's own files of this size do not have the token.
        """
        for path in _files(folder):
            with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                if os.fstat(file.fileno()).st_size != self.size or file.read(len(self.token)) != self.token.encode():
                    continue
                try:
                    os.posix_fallocate(file.fileno(), 0, self.size)  # a write without room would end this process
                except OSError:
                    return False
                self._memory = mmap.mmap(file.fileno(), self.size)
                return True
        return False

    def serve(self) -> SharedMemory:
        """Return memory for the page's server."""
        self._memory = mmap.mmap(-1, self.size)
        return SharedMemory(self.token, memoryview(self._memory))

    @property
    def view(self) -> memoryview:
        """The bytes, with the header; they must have been mapped or served before."""
        assert self._memory is not None
        return memoryview(self._memory)

    def close(self) -> None:
        """Unmap the bytes, once the last view of them is gone."""
        self._memory = None


def _files(folder: Path) -> Iterator[Path]:
    return (Path(base, name) for base, _, names in os.walk(folder) for name in names)
