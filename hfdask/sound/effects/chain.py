"""Send a sound through a chain of effects (docs/compositions.md, 10)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from hfdask.core.sound import SAMPLE_RATE, Chain, Effect, Lane, Lanes
from hfdask.sound.effects.parts import Block, Knob, Past, Processor, through
from hfdask.sound.registry import moving, value_of

MAX_TAIL = 5.0
"""Seconds that a chain may sound on after its input."""

_FAINT = 0.001  # an echo that is softer has ended


class ChainProcessor:
    """A chain of effects at work. It keeps the state of one sound, from block to block.

    Parameters
    ----------
    chain : tuple of Effect
    lanes : tuple of Lane
        Automation. Lanes of other targets do not count.
    channels : int

    Attributes
    ----------
    latency : int
        Samples by which the output is late. To align it with the input, process as many samples of silence behind the sound,
        and leave out as many of the output's first samples.
    """

    def __init__(self, chain: Chain, lanes: Lanes, channels: int = 2) -> None:
        self._parts: list[Processor] = []
        if chain:
            by_target = {lane.target: lane for lane in lanes}
            for preset, effects in itertools.groupby(chain, lambda effect: effect.preset):
                self._parts += _run(preset, tuple(effects), by_target, channels)
        self.latency = sum(part.latency for part in self._parts)

    def process(self, block: Block, begin: int) -> Block:
        """Return the output for the next samples, as many as are given. It depends on the samples alone, not on the blocks.

        Parameters
        ----------
        block : float64 array of shape (channels, samples)
        begin : int
            Number of its first sample on the clock of the lanes.
        """
        if not block.shape[1]:
            return block
        return through(self._parts, np.ascontiguousarray(block, np.float64), begin)


class _Preset:
    """Effects of a preset, mixed with their input as a whole."""

    def __init__(self, parts: Sequence[Processor], amount: Knob, channels: int) -> None:
        self._parts = parts
        self._amount = amount
        self.latency = sum(part.latency for part in parts)
        self._dry = Past(channels, self.latency)

    def process(self, block: Block, begin: int) -> Block:
        amount = self._amount.at(begin - self.latency, block.shape[1])
        return through(self._parts, block, begin) * amount + self._dry.late(block) * (1 - amount)


def _run(
    preset: str | None, effects: tuple[Effect, ...], lanes: Mapping[str, Lane], channels: int
) -> Sequence[Processor]:
    from hfdask.sound.effects.building import build  # SciPy and numba take half a second to load

    parts = [build(effect, lanes, channels) for effect in effects]
    if preset is None:
        return parts
    amount = Knob(effects[0].amount, lanes.get(f"fx.preset.{preset}"))
    return [_Preset(parts, amount, channels)]


def latency(chain: Chain) -> int:
    """Return the samples by which the output of a chain is late."""
    return ChainProcessor(chain, ()).latency


def tail(chain: Chain, lanes: Lanes) -> int:
    """Return the samples that a chain sounds on after its input, at most `MAX_TAIL`."""
    by_target = {lane.target: lane for lane in lanes}
    seconds = sum(_tail(effect, by_target) for effect in chain)
    return math.ceil(min(seconds, MAX_TAIL) * SAMPLE_RATE)


def _tail(effect: Effect, lanes: Mapping[str, Lane]) -> float:
    """Return the seconds of one effect. It has none if it is never heard."""

    def most(name: str) -> float:
        lane = lanes.get(f"fx.{effect.id}.{name}") if moving(effect, name) else None
        return max(point.v for point in lane.points) if lane else value_of(effect, name)

    if effect.type == "reverb" and most("wet") > 0:
        return 0.6 + 2.6 * value_of(effect, "size")
    if effect.type == "delay" and most("mix") > 0:
        return most("time") / 1000 * math.ceil(math.log(_FAINT) / math.log(most("feedback")))
    if effect.type == "chorus" and most("mix") > 0:
        return most("delay") / 1000
    return 0.2 if effect.type == "pitchshift" and value_of(effect, "mix") > 0 else 0.0
