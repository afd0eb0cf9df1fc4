"""Convert sound to two channels at the rate of a mix, without a delay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE

# Long filters, so that tones up to 20 kHz keep their level, and the error is below a step of 16 bits.
_FILTER = f"{SAMPLE_RATE}:filter_size=64:cutoff=0.97:phase_shift=10"

Block = NDArray[np.float32]

_FRONT = ("FL", "FR", "DL", "DR", "FLC", "FRC")

HALF_POWER = 0.5**0.5
"""Share of a centre or surround channel in a channel of the mix: -3 dB."""


def stereo(samples: Block, layout: tuple[str, ...]) -> Block:
    """Mix channels down to two. One channel is heard on both sides at its full level.

    Centre and surround channels are heard at -3 dB, and the channel of low frequencies is left out. The result is scaled
    so that channels at full scale do not exceed it.
    """
    if len(layout) == 1:
        return np.repeat(samples, 2, axis=0)
    if len(layout) == 2:
        return samples
    mixed: Block = _matrix(layout) @ samples
    return mixed


@lru_cache(maxsize=16)
def _matrix(layout: tuple[str, ...]) -> Block:
    shares = np.array([_shares(name) for name in layout]).T
    return np.asarray(shares / max(1.0, shares.sum(1).max()), np.float32)


def _shares(name: str) -> tuple[float, float]:
    """Return how loud a channel is on the left and on the right. Names are FFmpeg's."""
    if name.startswith("LFE"):
        return 0, 0
    level = 1.0 if name in _FRONT else HALF_POWER
    if name[-1] in "LR":
        return (level, 0) if name[-1] == "L" else (0, level)
    return (level, level) if name == "FC" else (0.5, 0.5)


class Resampler:
    """Convert consecutive blocks of two channels to `SAMPLE_RATE`.

    Parameters
    ----------
    rate : int
        Samples a second of the blocks.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._graph: av.filter.Graph | None = None
        if rate != SAMPLE_RATE:
            graph = av.filter.Graph()
            graph.threads = 1
            base = Fraction(1, rate)
            source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo", time_base=base)
            resample, sink = graph.add("aresample", _FILTER), graph.add("abuffersink")
            source.link_to(resample)
            resample.link_to(sink)
            graph.configure()
            self._graph = graph
        self._added = 0

    def add(self, block: Block) -> Iterator[Block]:
        """Yield the samples that are complete after a block."""
        if self._graph is None:
            yield block
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._added, Fraction(1, self.rate)
        self._added += block.shape[1]
        self._graph.push(frame)
        yield from self._ready()

    def end(self) -> Iterator[Block]:
        """Yield the samples that the filter still holds."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()

    def _ready(self) -> Iterator[Block]:
        assert self._graph is not None
        with contextlib.suppress(BlockingIOError, EOFError):
            while True:
                samples: Any = self._graph.pull().to_ndarray()
                yield samples
