"""The size of a video: names, pixels and factors, exact or refused."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfdask import RenderConfig
from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.sizes import MAX_SCALE, MIN_SCALE, parse_resolution, parse_scale, scale_of
from hfdask.errors import InvalidConfigError

SIDES = st.integers(MIN_SIDE, MAX_SIDE)


@pytest.mark.parametrize(
    ("name", "landscape", "portrait", "square"),
    [
        ("720p", (1280, 720), (720, 1280), (720, 720)),
        ("1080p", (1920, 1080), (1080, 1920), (1080, 1080)),
        ("HD", (1920, 1080), (1080, 1920), (1080, 1080)),
        ("1440p", (2560, 1440), (1440, 2560), (1440, 1440)),
        ("4k", (3840, 2160), (2160, 3840), (2160, 2160)),
        ("landscape", *[(1920, 1080)] * 3),
        ("portrait", *[(1080, 1920)] * 3),
        ("portrait-4k", *[(2160, 3840)] * 3),
        ("4k-portrait", *[(2160, 3840)] * 3),
        ("square-uhd", *[(2160, 2160)] * 3),
        ("1000x500", *[(1000, 500)] * 3),
    ],
)
def test_a_name_follows_the_composition_unless_it_says_how_it_lies(name, landscape, portrait, square):
    asked = [(1280, 720), (720, 1280), (600, 600)]
    assert [parse_resolution(name, *size) for size in asked] == [landscape, portrait, square]


@pytest.mark.parametrize("text", ["8k", "1080", "1920 x 1080", "0x0", "4k-4k", "portrait-square", "-1x5", "", "4k-"])
def test_other_resolutions_are_refused_before_a_project_is_looked_at(text):
    with pytest.raises(InvalidConfigError, match="resolution must be WIDTHxHEIGHT or one of 720p"):
        RenderConfig(resolution=text)


@pytest.mark.parametrize(
    ("value", "exact"),
    [(2, 2), (1.5, Fraction(3, 2)), ("1.25", Fraction(5, 4)), ("2/3", Fraction(2, 3)), (0.5, Fraction(1, 2)), (0.7, Fraction(7, 10))],
)  # fmt: skip
def test_a_scale_is_the_number_that_was_written(value, exact):
    assert parse_scale(value) == exact


@pytest.mark.parametrize("value", [0, 0.49, 9, -1, "x2", "1/0", "nan", float("inf"), True, "1e1", "٢"])
def test_other_scales_are_refused(value):
    with pytest.raises(InvalidConfigError, match="scale") as refused:
        RenderConfig(scale=value)
    assert refused.value.details["field"] == "scale"


def test_a_resolution_and_a_scale_exclude_each_other():
    with pytest.raises(InvalidConfigError, match="either resolution or scale"):
        RenderConfig(resolution="4k", scale=2)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((1000, 1000), {"resolution": "1080p-landscape"}, r"\(1920x1080\) has another shape .*; 1080x1080 .*fits"),
        ((1280, 720), {"resolution": "1920x1200"}, r"another shape .*; 1920x1080 \(scale 3/2\) fits"),
        ((1280, 720), {"scale": 1.333}, r"1706.24x959.76 pixels .*; 1696x954 \(scale 53/40\) fits"),
        ((4000, 2000), {"scale": 2}, r"8000x4000 pixels; .*; 7680x3840 \(scale 48/25\) fits"),
        ((1920, 1080), {"resolution": "640x360"}, r"0.333 times .*; 960x540 \(scale 1/2\) fits"),
        ((64, 64), {"resolution": "4k"}, r"33.8 times .*; 512x512 \(scale 8\) fits"),
        ((20, 20), {"scale": "1/2"}, r"10x10 pixels; .*; 16x16 \(scale 4/5\) fits"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_one_that_does(size, options, message):
    with pytest.raises(InvalidConfigError, match=message) as refused:
        scale_of(*size, **options)
    assert refused.value.details["field"] in options
    fits = re.search(r"(\d+)x(\d+) \(scale (\S+)\) fits", refused.value.message)
    assert fits is not None
    width, height = size
    assert (
        scale_of(width, height, f"{fits[1]}x{fits[2]}") == scale_of(width, height, None, fits[3]) == Fraction(fits[3])
    )


@given(SIDES, SIDES, st.fractions(MIN_SCALE, MAX_SCALE, max_denominator=100))
def test_sides_are_whole_and_in_range_or_the_scale_is_refused(width, height, scale):
    options: dict[str, Any] = {"scale": scale}
    sides = width * scale, height * scale
    try:
        assert scale_of(width, height, **options) == scale
    except InvalidConfigError as error:
        whole = all(side.denominator == 1 and MIN_SIDE <= side <= MAX_SIDE for side in sides)
        assert not whole
        if fits := re.search(r"(\d+x\d+) \(scale (\S+)\) fits", error.message):
            assert scale_of(width, height, resolution=fits[1]) == Fraction(fits[2])
    else:
        assert all(side.denominator == 1 and MIN_SIDE <= side <= MAX_SIDE for side in sides)
