"""A chain sends sound through its effects in order, and gives the same samples for any blocks."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from effect_samples import SECOND, apart, effect, impulse, lane, noise, processed

from hfdask.core.sound import EFFECTS, Chain, EffectType, Lanes
from hfdask.sound.effects import ChainProcessor, latency, tail
from hfdask.sound.registry import PARAMETERS, Number

SHIFTED: dict[str, dict[str, Any]] = {"pitchshift": {"semitones": 5.0}}


def moving(kind: EffectType, id: str = "a") -> Lanes:
    """Return a lane for each parameter that can move."""
    return tuple(
        lane(f"fx.{id}.{name}", (0.1, number.low), (0.9, number.high), (1.4, number.default), curve=0.4)
        for name, number in PARAMETERS[kind].items()
        if isinstance(number, Number) and number.moves
    )


def in_any_blocks(chain: Chain, lanes: Lanes) -> None:
    sound = noise(1)
    rng = random.Random(2)
    blocks = [rng.choice([1, 2, 5, 31, 128, 1000, 9000]) for _ in range(60)]
    whole = processed(sound, chain, lanes, begin=-5000, tail=1000)
    assert np.isfinite(whole).all()
    assert whole.std() > 0.01
    assert np.array_equal(processed(sound, chain, lanes, begin=-5000, tail=1000, blocks=blocks), whole)


@pytest.mark.parametrize("kind", EFFECTS)
def test_samples_do_not_depend_on_the_blocks(kind):
    chain = (effect(kind, **SHIFTED.get(kind, {})),)
    in_any_blocks(chain, ())
    if moving(kind):
        in_any_blocks(chain, moving(kind))


@pytest.mark.slow
def test_samples_of_a_long_chain_with_presets_do_not_depend_on_the_blocks():
    chain = tuple(
        effect(kind, id=kind, preset=preset, **SHIFTED.get(kind, {}))
        for kind, preset in zip(EFFECTS, [None, "x", "x", "y", "y", "y", None] * 3, strict=False)
    )
    lanes = tuple(each for kind in EFFECTS for each in moving(kind, kind))
    in_any_blocks(chain, (*lanes, lane("fx.preset.x", (0, 0), (1, 1))))


def test_a_chain_without_effects_returns_the_sound():
    sound = noise(0.01)
    assert np.array_equal(processed(sound, ()), sound)
    assert latency(()) == 0
    assert ChainProcessor((effect("gain"),), ()).process(np.zeros((2, 0)), 0).shape == (2, 0)


def test_effects_work_in_order():
    sound = noise(0.5)
    first, second = effect("saturate", threshold=-20.0), effect("gain", id="b", gain=12.0)
    assert apart(processed(sound, (first, second)), processed(processed(sound, (first,)), (second,))) < 1e-15
    assert apart(processed(sound, (second, first)), processed(sound, (first, second))) > 0.1


def test_sound_is_late_by_the_sum_of_latencies():
    chain = (effect("truepeak", lookahead=2.0), effect("saturate"), effect("reverb", wet=0.0, dry=1.0))
    out = ChainProcessor(chain, ()).process(impulse(1, level=0.1), 0)
    assert latency(chain) == sum(latency((each,)) for each in chain) > 0
    assert int(np.argmax(out[0])) == latency(chain)


def test_lanes_move_the_sound_of_their_time_behind_effects_that_are_late():
    sound = np.ones((2, SECOND))
    late = effect("reverb", id="r", wet=0.0, dry=1.0)
    out = processed(sound, (late, effect("gain")), (lane("fx.a.gain", (0.5, 0), (0.75, -20)),), begin=2400)
    t = (np.arange(SECOND) + 2400) / SECOND
    assert apart(out[0], 10 ** (-np.clip(4 * t - 2, 0, 1))) < 1e-12


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_a_preset_is_mixed_with_its_input_as_a_whole(amount):
    sound = noise(0.5)
    parts: list[tuple[str, dict[str, Any]]] = [
        ("highpass", {}),
        ("compressor", {"threshold": -40.0}),
        ("saturate", {"threshold": -20.0}),
    ]
    run = tuple(effect(kind, preset="warm", amount=amount, **values) for kind, values in parts)
    wet = processed(sound, tuple(effect(kind, **values) for kind, values in parts))
    assert apart(processed(sound, run), amount * wet + (1 - amount) * sound) < 1e-12


def test_only_consecutive_effects_of_a_preset_are_one():
    sound = noise(0.5)
    first, second = (effect("gain", id=id, gain=-60.0, preset="p", amount=0.5) for id in "ab")
    together = processed(sound, (first, second))
    apart_from_each_other = processed(sound, (first, effect("gain", id="m"), second))
    assert apart(together, (0.5 + 0.5e-6) * sound) < 1e-12
    assert apart(apart_from_each_other, (0.5 + 0.5e-3) ** 2 * sound) < 1e-12


def test_a_preset_that_is_late_is_mixed_with_its_input_of_the_same_time():
    sound = noise(0.5, level=0.05)
    run = (effect("truepeak", ceiling=0.0, preset="p", amount=0.5), effect("reverb", wet=0.0, dry=1.0, preset="p"))
    assert apart(processed(sound, run), sound) < 1e-15


def test_a_presets_lane_moves_its_share():
    sound = np.ones((2, SECOND))
    chain = (effect("gain", gain=-60.0, preset="p", amount=0.2),)
    out = processed(sound, chain, (lane("fx.preset.p", (0, 0), (1, 1)),))
    t = np.arange(SECOND) / SECOND
    assert apart(out[0], 1 - t + t * 1e-3) < 1e-12


@pytest.mark.parametrize("kind", EFFECTS)
def test_lanes_change_only_parameters_that_can_move(kind):
    fixed = [name for name, each in PARAMETERS[kind].items() if not (isinstance(each, Number) and each.moves)]
    sound = noise(0.1)
    chain = (effect(kind, **SHIFTED.get(kind, {})),)
    lanes = tuple(lane(f"fx.a.{name}", (0, 1)) for name in fixed)
    assert np.array_equal(processed(sound, chain, lanes), processed(sound, chain))


@pytest.mark.parametrize(
    ("chain", "seconds"),
    [
        ((effect("peaking"), effect("compressor"), effect("phaser")), 0),
        ((effect("reverb", size=0.5),), 1.9),
        ((effect("reverb", size=0.5, wet=0.0),), 0),
        ((effect("delay", time=100.0, feedback=0.5),), 1.0),  # 0.5 to the 10th is below a thousandth
        ((effect("delay", time=100.0, mix=0.0),), 0),
        ((effect("delay", time=1000.0, feedback=0.95),), 5),
        ((effect("chorus", delay=30.0),), 0.03),
        ((effect("pitchshift", semitones=0.0),), 0.2),
        ((effect("pitchshift", mix=0.0),), 0),
        ((effect("delay", time=100.0, feedback=0.5), effect("reverb", id="b", size=0.5)), 2.9),
    ],
)
def test_a_chain_sounds_on_for_the_sum_of_its_tails(chain, seconds):
    assert tail(chain, ()) == round(seconds * SECOND)


def test_a_tail_counts_the_largest_value_of_a_lane():
    silent = (effect("delay", time=100.0, feedback=0.5, mix=0.0),)
    assert tail(silent, (lane("fx.a.mix", (0, 0), (1, 0.1)),)) == SECOND
    assert tail(silent, (lane("fx.a.mix", (0, 0.1)), lane("fx.a.time", (0, 50), (1, 200)))) == 2 * SECOND


def test_planning_does_not_load_scipy_and_numba_for_sound_without_effects():
    code = (
        "import sys, hfdask, hfdask.sound.markup, hfdask.sound.effects as effects\n"
        "effects.ChainProcessor((), ())\n"
        "assert not {'scipy', 'numba'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
