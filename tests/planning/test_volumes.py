"""Which volumes of a script become keys of a track (docs/compositions.md, 10.3)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from hfdask.planning.sounds import STEP, key_points


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        ([], []),
        ([1, 1, 1], []),
        ([1, 1.00009, 0.99995], []),  # changes that do not count
        ([0.5, 0.5, 0.5], [(0, 0.5)]),  # it never is as declared
        ([1, 1, 0.5, 0.5, 0.5, 1], [(1, 1), (2, 0.5), (4, 0.5), (5, 1)]),  # levels stay level
        ([1, 0.75, 0.5, 0.25], [(0, 1), (1, 0.75), (2, 0.5), (3, 0.25)]),
        ([1, 0.1234567891], [(0, 1), (1, 0.123457)]),
    ],
)
def test_keys_are_changes_and_what_was_before_them(volumes: list[float], expected: list[tuple[float, float]]) -> None:
    assert key_points(list(enumerate(map(float, volumes))), 1.0) == expected


@pytest.mark.parametrize("seed", range(5))
def test_keys_give_back_every_volume(seed: int) -> None:
    chance = random.Random(seed)
    levels = [chance.choice([0.0, 0.25, 1.0, 1.5, chance.random()]) for _ in range(60)]
    volumes = [(time / 30, level) for time, level in enumerate(np.repeat(levels, chance.randint(1, 4)).tolist())]
    keys = key_points(volumes, levels[0])
    times, gains = zip(*keys, strict=True)
    read = np.interp([time for time, _ in volumes], times, gains, left=levels[0])
    assert np.abs(read - [volume for _, volume in volumes]).max() <= 2 * STEP
    assert len(keys) <= len(volumes)
