"""A page is loaded with the canvas that its markup declares, and again only if it reports another one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from samples import BOX

import hfdask
from hfdask.browser.page_opening import open_page
from hfdask.planning import look
from hfdask.planning.canvas import declared_canvas

pytestmark = pytest.mark.usefixtures("fake_browser")

DEFAULT = (1920, 1080, Fraction(30))


@pytest.mark.parametrize(
    ("markup", "canvas"),
    [
        ('<div data-composition-id="a" data-width="160" data-height=\'90\' data-fps=25>', (160, 90, 25)),
        ('<p data-width="16"><DIV\nDATA-WIDTH="160"\nDATA-COMPOSITION-ID="a"\n/>', (160, 1080, 30)),
        ('<i data-composition-id="a" data-fps="30000/1001"><i data-composition-id="b" data-width="99">', (1920, 1080, Fraction(30000, 1001))),
        ("<i data-composition-id data-width=15 data-height=7681 data-fps=29.97>", DEFAULT),
        ('<i data-composition-id="a" data-width="١٦٠" data-height="1e3" data-fps="0">', DEFAULT),
        ('<i x-data-composition-id="a" data-width="160">', DEFAULT),
        ("<" * 100_000 + "<i data-composition-id data-width=" + "9" * 100_000, DEFAULT),
        ("", DEFAULT),
    ],
)  # fmt: skip
def test_what_the_first_root_declares_is_assumed(markup: str, canvas: tuple[int, int, Fraction]) -> None:
    assert declared_canvas(markup) == canvas


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, Fraction]]:
    """The canvas of each load while planning."""
    seen: list[tuple[int, int, Fraction]] = []

    def noted(chromium: Any, files: Any, page: Any, fps: Fraction, *rest: Any, **options: Any) -> Any:
        seen.append((page.width, page.height, fps))
        return open_page(chromium, files, page, fps, *rest, **options)

    monkeypatch.setattr(look, "open_page", noted)
    return seen


def test_a_page_with_a_declared_canvas_is_loaded_once(project, tmp_path, loads):
    html = BOX.replace("data-width", 'data-fps="24" data-width', 1)
    assert hfdask.plan(project(html), tmp_path / "a").manifest.frames == 24
    assert hfdask.plan(project(html), tmp_path / "b", fps=12).manifest.frames == 12
    assert loads == [(160, 90, 24), (160, 90, 12)]


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_whose_script_sets_its_canvas_is_loaded_again_with_that(project, tmp_path, loads):
    sets = "root.dataset.width = 64; root.dataset.height = 48; root.dataset.fps = 10"
    script = f"<script>{sets}</script>"
    plans = [
        hfdask.plan(project(html + script), tmp_path / name, sweep=0).manifest
        for name, html in (("a", BOX), ("b", BOX.replace('data-width="160"', 'data-width="64"', 1)))
    ]
    assert loads == [(160, 90, 30), (64, 48, 10), (64, 90, 30), (64, 48, 10)]
    assert {(plan.width, plan.height, plan.frames) for plan in plans} == {(64, 48, 10)}


@pytest.mark.parametrize(
    "markup",
    ["<a " + " data-composition-id" * 300_000, "<a " * 300_000, "<a data-composition-id" + " data-width" * 300_000],
)
def test_hostile_markup_is_read_in_linear_time(markup):
    assert declared_canvas(markup) == DEFAULT  # quadratic time would be hours
