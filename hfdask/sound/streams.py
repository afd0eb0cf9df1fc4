"""Read sound that comes in blocks of any size: in blocks of a wanted size, or in windows that overlap."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE

BLOCK = SAMPLE_RATE // 4
"""Samples of most blocks."""

Block = NDArray[np.float32]

_SAMPLE = np.dtype((np.float32, 2))


class Stream:
    """Blocks of any size as blocks of a wanted size. After the last one there is silence."""

    def __init__(self, blocks: Iterator[NDArray[Any]]) -> None:
        self._blocks = blocks
        self._held: deque[NDArray[Any]] = deque()
        self._count = 0

    def read(self, count: int) -> NDArray[np.float64]:
        """Return the next samples."""
        while self._count < count:
            block = next(self._blocks, None)
            if block is None:
                self._held.append(np.zeros((2, count - self._count)))
                self._count = count
                break
            self._held.append(block)
            self._count += block.shape[1]
        taken = np.empty((2, count))
        at = 0
        while at < count:
            block = self._held.popleft()
            part = block[:, : count - at]
            taken[:, at : at + part.shape[1]] = part
            at += part.shape[1]
            if part.shape[1] < block.shape[1]:
                self._held.appendleft(block[:, part.shape[1] :])
        self._count -= count
        return taken


class Window:
    """The part of a sound from a sample up to another, with silence around it.

    Parameters
    ----------
    blocks : iterator of arrays of shape (2, samples)
        The sound from sample ``first`` on.
    first, last : int
        The part that is heard.
    behind : int
        Samples to keep, for reading again what was read before.
    """

    def __init__(self, blocks: Iterator[Block], first: int, last: int, behind: int) -> None:
        self._blocks = blocks
        self._first, self._last = first, last
        self._behind = behind
        self._held: deque[tuple[int, Block]] = deque()
        self._end = first

    def read(self, begin: int, end: int) -> Block:
        """Return the samples from ``begin`` up to ``end``."""
        while self._held and self._held[0][0] + self._held[0][1].shape[1] <= begin - self._behind:
            self._held.popleft()
        while self._end < min(end, self._last):
            block = next(self._blocks, None)
            if block is None:
                self._last = self._end
                break
            self._held.append((self._end, block))
            self._end += block.shape[1]
        taken = np.zeros((2, end - begin), np.float32)
        for at, block in self._held:
            low, high = max(at, begin), min(at + block.shape[1], end, self._last)
            if low < high:
                taken[:, low - begin : high - begin] = block[:, low - at : high - at]
        return taken

    def close(self) -> None:
        """Close the source."""
        self._held.clear()
        if close := getattr(self._blocks, "close", None):
            close()


class Recording:
    """A sound that many tracks play: it is decoded once, as far as it is needed, into a file.

    Parameters
    ----------
    blocks : iterator of arrays of shape (2, samples)
    path : Path
        The file to make. It takes 384 kB for each second.
    """

    def __init__(self, blocks: Iterator[Block], path: Path) -> None:
        self._blocks = blocks
        self._file = path.open("w+b")
        self._count = 0

    def blocks(self, begin: int) -> Iterator[Block]:
        """Yield the samples from ``begin`` on. More than one may read at the same time."""
        while True:
            while self._count < begin + BLOCK and (block := next(self._blocks, None)) is not None:
                self._file.seek(0, os.SEEK_END)
                self._file.write(block.T.tobytes())
                self._file.flush()
                self._count += block.shape[1]
            count = min(BLOCK, self._count - begin)
            if count <= 0:
                return
            data = os.pread(self._file.fileno(), count * _SAMPLE.itemsize, begin * _SAMPLE.itemsize)
            yield np.frombuffer(data, np.float32).reshape(-1, 2).T
            begin += count

    def close(self) -> None:
        """Close the file and the source."""
        self._file.close()
        if close := getattr(self._blocks, "close", None):
            close()


def skipped(blocks: Iterator[Block], count: int) -> Iterator[Block]:
    """Yield blocks without their first samples."""
    for block in blocks:
        if count < block.shape[1]:
            yield block[:, count:]
        count = max(0, count - block.shape[1])
