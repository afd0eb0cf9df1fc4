"""Automation has known values at each sample, whatever the blocks are."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import numpy as np
import pytest
from effect_samples import SECOND, apart, lane

from hfdask.core.shapes import shaped
from hfdask.core.sound import Treatment
from hfdask.sound.lanes import Volume, baked, lane_values

VIAS = [(0.3, 0.7), (0.7, 0.3), (0.001, 0.999), (0.999, 0.001), (0.9, 0.95), (0.5, 0.02), (0.02, 0.01)]


def volume(of: Treatment, begin: int = 0, count: int = SECOND) -> np.ndarray:
    return np.broadcast_to(Volume(of).values(begin, count), (count,))


def test_a_lane_stays_before_its_first_point_and_after_its_last():
    values = lane_values(lane("volume", (0.5, 3), (0.75, 7)), -SECOND, 3 * SECOND, log=False)
    assert set(values[: SECOND + SECOND // 2]) == {3.0}
    assert set(values[SECOND + SECOND * 3 // 4 :]) == {7.0}


def test_a_lane_is_straight_between_two_points():
    values = lane_values(lane("volume", (0, 1), (1, 3)), 0, SECOND, log=False)
    assert apart(values, 1 + 2 * np.arange(SECOND) / SECOND) < 1e-12


def test_a_logarithmic_lane_has_equal_ratios_at_equal_distances():
    values = lane_values(lane("fx.a.frequency", (0, 100), (1, 6400)), 0, SECOND, log=True)
    assert values[:: SECOND // 6] == pytest.approx([100, 200, 400, 800, 1600, 3200], rel=1e-12)
    assert lane_values(lane("x", (0, 0), (1, 8)), SECOND // 2, 1, log=True) == [4]  # 0 has no logarithm


@pytest.mark.parametrize("curve", [-1.0, -0.3, 0.5, 1.0])
def test_a_curve_bends_by_a_power(curve):
    values = lane_values(lane("volume", (0, 2), (1, 4), curve=curve), 0, SECOND, log=False)
    assert apart(values, 2 + 2 * (np.arange(SECOND) / SECOND) ** (4**curve)) < 1e-12


@pytest.mark.parametrize("via", VIAS)
def test_a_bend_goes_through_its_via_point_and_never_back(via):
    values = lane_values(lane("volume", (0, 0), (1, 1), via=via), 0, SECOND + 1, log=False)
    assert values[round(via[0] * SECOND)] == pytest.approx(via[1], abs=1e-9)
    assert (values[0], values[-1]) == (0, 1)
    assert (np.diff(values) >= -1e-6).all()


@pytest.mark.parametrize(("curve", "via"), [(0.4, None), (-1.0, None), *((0.0, via) for via in VIAS)])
def test_floats_and_decimals_have_the_same_shape(curve, via):
    times = np.linspace(0, 1, 101)
    exactly = [float(shaped(Decimal(n) / 100, curve, via, Decimal)) for n in range(101)]
    assert np.asarray(shaped(times, curve, via, float)) == pytest.approx(exactly, abs=1e-6)


def test_values_do_not_depend_on_the_blocks():
    rng = random.Random(4)
    for log in (False, True):
        points = sorted((rng.uniform(0, 3), rng.uniform(1, 5000)) for _ in range(20))
        for shape in ({}, {"curve": 0.7}, {"via": (0.2, 0.6)}):
            of = lane("fx.a.frequency", *points, **shape)
            whole = lane_values(of, -1000, 4 * SECOND, log=log)
            begin, parts = -1000, []
            while begin < 4 * SECOND - 1000:
                count = min(rng.choice([1, 3, 32, 777, 20_000]), 4 * SECOND - 1000 - begin)
                parts.append(lane_values(of, begin, count, log=log))
                begin += count
            assert np.array_equal(np.concatenate(parts), whole)


def test_another_rate_has_other_samples_of_the_same_lane():
    of = lane("volume", (0, 0), (1, 1))
    assert lane_values(of, 50, 10, log=False, rate=100) == pytest.approx(np.arange(50, 60) / 100)


def test_a_bent_volume_is_straight_between_thirty_values_a_second():
    times, values = baked(lane("volume", (1, 0), (2, 1), curve=0.5))
    assert times == pytest.approx(1 + np.arange(31) / 30, abs=1e-12)
    assert values == pytest.approx((np.arange(31) / 30) ** 2, abs=1e-12)
    baked_values = volume(Treatment(lanes=(lane("volume", (1, 0), (2, 1), curve=0.5),)), SECOND + 800, 1)
    assert baked_values == pytest.approx([(0 + (1 / 30) ** 2) / 2])  # half a step after the first point


def test_a_straight_volume_has_its_ends_only():
    times, values = baked(lane("volume", (1, 0), (2, 1), (5, 0.5)))
    assert (times.tolist(), values.tolist()) == ([1, 2, 5], [0, 1, 0.5])


def test_a_short_bend_of_a_volume_has_a_step_of_its_own():
    assert len(baked(lane("volume", (0, 0), (0.02, 1), curve=1.0))[0]) == 2
    assert len(baked(lane("volume", (0, 0), (0.04, 1), curve=1.0))[0]) == 3


def test_a_volume_that_never_changes_is_one_number():
    assert Volume(Treatment(volume=0.3)).values(5, 100) == 0.3


def test_keys_begin_after_the_volume_and_stay_at_the_end():
    of = Treatment(volume=0.5, keys=((0.25, 1.0), (0.5, 0.0)))
    gains = volume(of)
    assert set(gains[: SECOND // 4]) == {0.5}
    assert apart(gains[SECOND // 4 :][: SECOND // 4], 1 - np.arange(SECOND // 4) / (SECOND // 4)) < 1e-12
    assert set(gains[SECOND // 2 :]) == {0.0}


def test_a_volume_lane_replaces_keys_and_volume():
    of = Treatment(volume=0.5, keys=((0.0, 1.0),), lanes=(lane("fx.a.gain", (0, 9)), lane("volume", (0.5, 0.25))))
    assert set(volume(of)) == {0.25}


def test_a_volume_does_not_depend_on_the_blocks():
    keys = tuple((n / 60, round(abs(math.sin(n)), 6)) for n in range(600))
    for of in (Treatment(keys=keys), Treatment(lanes=(lane("volume", (0.1, 0.2), (3.3, 3.9), via=(0.2, 0.7)),))):
        parts = [volume(of, begin, min(701, 5 * SECOND - begin)) for begin in range(0, 5 * SECOND, 701)]
        assert np.array_equal(np.concatenate(parts), volume(of, 0, 5 * SECOND))
