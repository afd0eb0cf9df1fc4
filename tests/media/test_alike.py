"""Pictures of a page that differ in how edges are drawn are alike; anything that is missing, moved or recoloured is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfdask.media.alike import beyond_edges
from hfdask.media.picture import Pixels


def page(*boxes: tuple[int, int, int, int, int]) -> Pixels:
    """A grey page of 40 x 60 with boxes: top, left, bottom, right, brightness."""
    pixels = np.full((40, 60, 3), 60, np.uint8)
    for top, left, bottom, right, value in boxes:
        pixels[top:bottom, left:right] = value
    return pixels


BUTTON = (10, 10, 20, 30, 200)


def test_edges_that_are_spread_over_two_pixels_are_alike():
    snapped = page(BUTTON)
    spread = page((10, 10, 20, 29, 200), (10, 29, 20, 30, 130))
    other = page(BUTTON, (10, 30, 20, 31, 130))
    assert beyond_edges(snapped, spread) == beyond_edges(spread, snapped) == beyond_edges(snapped, other) == 0


def test_a_line_between_two_pixels_is_alike_and_a_missing_one_is_not():
    line, between = page((10, 0, 11, 60, 180)), page((10, 0, 12, 60, 120))
    assert beyond_edges(line, between) == beyond_edges(between, line) == 0
    assert beyond_edges(line, page()) == beyond_edges(page(), line) > 0


@pytest.mark.parametrize(
    "wrong",
    {
        "missing": page(),
        "moved by three pixels": page((10, 13, 20, 33, 200)),
        "another colour": page((10, 10, 20, 30, 180)),
        "clipped": page((10, 10, 17, 30, 200)),
        "cut off": page(BUTTON)[:30],
    }.values(),
    ids=lambda _: "",
)
def test_content_that_is_wrong_is_found(wrong):
    assert beyond_edges(page(BUTTON), wrong) > 0
    assert beyond_edges(wrong, page(BUTTON)) > 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_no_pixel_counts_that_differs_by_no_more_than_anyone_sees(seed, most):
    random = np.random.default_rng(seed)
    a = random.integers(0, 256, (6, 7, 3), np.uint8)
    b = np.clip(a + random.integers(-most, most + 1, a.shape), 0, 255).astype(np.uint8)
    assert beyond_edges(a, a) == beyond_edges(a, b) == 0
