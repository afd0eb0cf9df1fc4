"""Measure the CPU of each effect, and of a typical chain, for sound of some minutes.

The sound is a voice of noise with pauses, in two channels, and comes in blocks of a second. Compiling and loading are measured
apart. The ways of following a level alternate, round by round.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hfdask.core.sound import EFFECTS, SAMPLE_RATE, Chain, Effect, EffectType, Lane, LanePoint, Lanes
from hfdask.sound.effects import ChainProcessor
from hfdask.sound.registry import PARAMETERS, Number

VOICE: dict[EffectType, dict[str, Any]] = {
    "highpass": {"frequency": 80.0},
    "peaking": {"frequency": 3000.0, "gain": 2.5},
    "compressor": {"threshold": -24.0, "ratio": 3.0},
    "limiter": {"limit": -1.0},
}
SHIFTED: dict[EffectType, dict[str, Any]] = {"pitchshift": {"semitones": 4.0}}
IMPORTS = ("numpy", "scipy.signal", "numba", "hfdask.sound.effects.building")


def _voice() -> NDArray[np.float64]:
    """Return ten seconds: two of sound and half a second of silence in turn."""
    times = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    return np.random.default_rng(0).normal(size=(2, times.size)) * 0.2 * (times % 2.5 < 2)


def _effect(kind: EffectType, parameters: dict[str, Any] | None = None) -> Effect:
    return Effect(id=kind, type=kind, parameters=parameters or SHIFTED.get(kind, {}))


def _moving(kind: EffectType, seconds: float) -> Lanes:
    """Return lanes that move all that can move, all the time."""
    return tuple(
        Lane(
            target=f"fx.{kind}.{name}",
            points=(LanePoint(t=0.0, v=number.low), LanePoint(t=seconds, v=number.high)),
        )
        for name, number in PARAMETERS[kind].items()
        if isinstance(number, Number) and number.moves
    )


def _cpu(chain: Chain, lanes: Lanes, seconds: int, voice: NDArray[np.float64]) -> float:
    processor = ChainProcessor(chain, lanes)
    blocks = np.split(voice, 10, axis=1)
    processor.process(blocks[0], 0)  # compiles, or loads what was compiled
    began = time.process_time()
    for second in range(seconds):
        processor.process(blocks[second % 10], second * SAMPLE_RATE)
    return time.process_time() - began


def _plain(x: NDArray[np.float64], attack: float, release: float) -> NDArray[np.float64]:
    """Follow levels without compiled code."""
    channels = []
    for samples in x.tolist():
        level, levels = 0.0, []
        for sample in samples:
            level = sample + (attack if sample > level else release) * (level - sample)
            levels.append(level)
        channels.append(levels)
    return np.array(channels)


def _following(rounds: int, voice: NDArray[np.float64]) -> dict[str, float]:
    """Return the CPU seconds of following the level of a minute, with numba and without."""
    from hfdask.sound.effects.kernels import follow

    poles = math.exp(-1 / 960), math.exp(-1 / 12_000)
    levels = np.abs(voice)
    ways: dict[str, Callable[[], object]] = {
        "numba": lambda: follow(levels, *poles, np.zeros(2)),
        "Python": lambda: _plain(levels, *poles),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way()
            began = time.process_time()
            way()
            taken[name].append(6 * (time.process_time() - began))
    return {name: median(times) for name, times in taken.items()}


def _import(module: str) -> float:
    code = f"import time, {module}; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


@click.command()
@click.option("--minutes", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Of following a level.")
def main(minutes: int, rounds: int) -> None:
    """Print CPU seconds."""
    console, voice, seconds = Console(), _voice(), 60 * minutes
    table = Table("effect", "fixed", "moving", title=f"CPU seconds for {minutes} minutes in two channels")
    for kind in EFFECTS:
        chain, lanes = (_effect(kind),), _moving(kind, seconds)
        moving = f"{_cpu(chain, lanes, seconds, voice):.2f}" if lanes else ""
        table.add_row(kind, f"{_cpu(chain, (), seconds, voice):.2f}", moving)
    voice_chain = tuple(_effect(kind, parameters) for kind, parameters in VOICE.items())
    table.add_row(" > ".join(VOICE), f"{_cpu(voice_chain, (), seconds, voice):.2f}", "", end_section=True)
    console.print(table)
    for name, taken in _following(rounds, voice).items():
        console.print(f"following the level of a minute with {name}: {taken:.3f}")
    for module in IMPORTS:
        console.print(f"import {module}: {_import(module):.2f}")


if __name__ == "__main__":
    main()
