"""Memory that this process shares with a page.

The worker of the page's runtime makes a file in the origin's private file system. In a browser with a profile this is a
real file, in memory (``/dev/shm``) or on disk, and this process maps it. So bytes reach the page without a message. If
there is no such file, or no room for it, the page fetches the same bytes from the page server.
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
"""Prefix of the storage bucket with the file. The runtime hides this bucket from the page."""

HEADER = mmap.PAGESIZE
"""Bytes of the file before the slots. They begin with the token by which this process finds the file."""


class Slots:
    """A block of bytes, shared through a file or through the page server. Close it when the page is closed.

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
        """Map the file that a page has made under ``folder``, and remove its name. Return false if there is no such file, or no room for it.

        The token distinguishes the file from the page's own files of this size.
        """
        for path in _files(folder):
            with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                if os.fstat(file.fileno()).st_size != self.size or file.read(len(self.token)) != self.token.encode():
                    continue
                try:
                    # Without room, a later write to the mapped file would end this process.
                    os.posix_fallocate(file.fileno(), 0, self.size)
                except OSError:
                    return False
                self._memory = mmap.mmap(file.fileno(), self.size)
                # From here on only its two users have the file. If a script of the page could open and cut it, the next
                # access would end this process.
                path.unlink()
                return True
        return False

    def serve(self) -> SharedMemory:
        """Return memory for the page's server."""
        self._memory = mmap.mmap(-1, self.size)
        return SharedMemory(self.token, memoryview(self._memory))

    @property
    def view(self) -> memoryview:
        """The bytes, with the header. Call `map_file` or `serve` first."""
        assert self._memory is not None
        return memoryview(self._memory)

    def close(self) -> None:
        """Release the bytes. They are unmapped when the last view of them is gone."""
        self._memory = None


def _files(folder: Path) -> Iterator[Path]:
    return (Path(base, name) for base, _, names in os.walk(folder) for name in names)
