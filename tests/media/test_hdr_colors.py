"""Colors of pages in HDR, and blends of HDR pixels with a page."""

from __future__ import annotations

import numpy as np
import pytest
from hdr_samples import hlg, pq

from hfdask.media.hdr_colors import TOP, hdr_colors, hlg_as_pq
from hfdask.media.transfers import HdrTransfer, hlg_code, hlg_light, hlg_scene, pq_code, pq_light, srgb_code, srgb_light

TRANSFERS: tuple[HdrTransfer, ...] = ("pq", "hlg")
LEVEL = TOP / 1023
"""A level of 10 bits."""


def grey(codes: list[int], kind: type[np.generic]) -> np.ndarray:
    return np.repeat(np.array(codes, kind)[:, None], 3, 1)


def test_curves_have_their_published_values():
    assert pq_code(np.array([100.0, 203.0, 1000.0])) == pytest.approx([0.5081, 0.5807, 0.7518], abs=1e-4)  # BT.2408
    assert hlg_code(np.array([1 / 12, 0.26496, 1.0])) == pytest.approx([0.5, 0.75, 1.0], abs=1e-4)
    assert hlg_light(np.full((1, 3), 0.75)) == pytest.approx(np.full((1, 3), 203), abs=0.5)
    assert srgb_light(np.array([0.5])) == pytest.approx([0.21404], abs=1e-5)


@pytest.mark.parametrize(
    ("there", "back"), [(pq_light, pq_code), (hlg_scene, hlg_code), (srgb_light, srgb_code)], ids=["pq", "hlg", "srgb"]
)
def test_curves_and_their_inverses_agree(there, back):
    values = np.linspace(0, 1, 1000)
    assert back(there(values)) == pytest.approx(values, abs=1e-6)


def test_white_of_a_page_has_203_cd_m2_in_pq_and_three_quarters_of_the_signal_in_hlg():
    white = grey([255], np.uint8)
    assert hdr_colors("pq").of_page(white) / TOP == pytest.approx(np.full((1, 3), pq(203)), abs=1e-4)
    assert hdr_colors("hlg").of_page(white) / TOP == pytest.approx(np.full((1, 3), 0.75), abs=1e-4)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_colors_of_a_page_follow_the_formula(transfer):
    colors = np.array([[255, 0, 0], [0, 128, 255], [7, 8, 9], [0, 0, 0], [40, 200, 90]], np.uint8)
    # ITU-R BT.2087, 2
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = srgb_light(colors / 255) @ to_2020.T
    expected = [[pq(203 * x) if transfer == "pq" else hlg(0.26496 * x) for x in row] for row in light]
    assert hdr_colors(transfer).of_page(colors) == pytest.approx(np.array(expected) * TOP, abs=LEVEL)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_a_video_that_shows_alone_keeps_its_levels(transfer):
    codes = np.array([[65280, 0, 0], [0, 40000, 3], [9000, 9000, 60000], [1, 2, 3]], np.uint16)
    share = np.full(codes.shape, 255, np.int16)
    blended = hdr_colors(transfer).blend(np.zeros(codes.shape, np.uint8), [share], [codes])
    assert np.abs(blended.astype(int) - codes).max() < 2 * LEVEL


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_a_layer_over_an_hdr_video_looks_as_over_an_sdr_video_of_the_same_light(transfer):
    # A page of 60 % white over a video of this grey: 255 · 0.6 + 0.4 · grey, as a browser blends it.
    colors = hdr_colors(transfer)
    for level in (0, 51, 128, 255):
        codes = colors.of_page(grey([level], np.uint8))
        black, share = grey([153], np.uint8), grey([102], np.int16)
        expected = colors.of_page(grey([round(153 + 0.4 * level)], np.uint8))
        assert colors.blend(black, [share], [codes]) == pytest.approx(expected, abs=3 * LEVEL)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_a_brighter_video_is_brighter_below_a_layer(transfer):
    codes = grey([30000, 45000, 60000], np.uint16)
    shares = np.full(codes.shape, 100, np.int16)
    blended = hdr_colors(transfer).blend(np.full(codes.shape, 60, np.uint8), [shares], [codes])
    assert (np.diff(blended[:, 0].astype(int)) > 20 * LEVEL).all()


def test_a_share_below_zero_darkens():
    codes, dark = grey([40000], np.uint16), grey([-100], np.int16)
    darkened = hdr_colors("pq").blend(grey([200], np.uint8), [dark], [codes])
    assert (darkened < hdr_colors("pq").of_page(grey([200], np.uint8))).all()


def test_hlg_becomes_the_pq_of_the_light_that_a_display_of_1000_cd_m2_shows():
    codes = np.array([[48960, 48960, 48960], [65280, 65280, 65280], [60000, 20000, 30000], [0, 0, 0]], np.uint16)
    expected = pq_code(hlg_light(codes / TOP)) * TOP
    assert hlg_as_pq(codes) == pytest.approx(expected, abs=LEVEL)
    assert hlg_as_pq(codes)[0] / TOP == pytest.approx(np.full(3, pq(203)), abs=1e-3)
