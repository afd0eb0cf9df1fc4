"""Planning takes pictures from a canvas only of pages that look the same, and only if the video is long enough to gain by it."""

from __future__ import annotations

import re

import pytest
from page_samples import composition

import hfdask
from hfdask.core.model import Sweep
from hfdask.planning import fitness, probe
from hfdask.planning.fitness import frames_to_compare, is_worth_it

MOVES = """<p style="position:absolute;animation:go 1s linear both">text</p>
<style>@keyframes go { to { transform: translateX(20px) } }</style>"""


def sweep(*moved: bool, differs: bool | None = None) -> Sweep:
    return Sweep(
        plan_hash="",
        frames=tuple(range(0, 10 * len(moved), 10)),
        moved=moved,
        damage=(differs,) * len(moved),
        pictures=(None if differs is None else 1000,) * len(moved),
        seconds=(0.0,) * len(moved),
    )


def test_a_comparison_is_worth_it_if_many_frames_move():
    half = sweep(*(number % 2 == 0 for number in range(90)))
    assert not is_worth_it(half, 399)
    assert is_worth_it(half, 400)
    assert not is_worth_it(sweep(), 10**6)
    assert not is_worth_it(sweep(False, False), 10**6)


def test_frames_that_move_are_compared():
    half = sweep(*(number % 2 == 1 for number in range(40)))
    assert frames_to_compare(half, 400) == (41, 121, 201, 281, 361)
    assert frames_to_compare(sweep(True, False, False), 30) == (0,)


def test_frames_that_only_a_canvas_changes_count():
    drawing = (True, *[False] * 39)
    assert is_worth_it(sweep(*drawing, differs=True), 400)
    assert frames_to_compare(sweep(*drawing, differs=True), 400) == (39, 117, 195, 273, 351)
    assert not is_worth_it(sweep(*drawing, differs=False), 400)


@pytest.fixture
def any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fitness, probe):
        monkeypatch.setattr(module, "LEAST_CHANGING", 5)


def planned(project, tmp_path, body: str, script: str = "", **options) -> tuple[str, list[str]]:
    source = project(composition(body + MOVES, script, root='data-duration="0.4" data-no-timeline'))
    plan = hfdask.plan(source, tmp_path / "plan", check="off", **options)
    return plan.manifest.page.capture_mode, [text for text in plan.messages if "captured from a canvas" in text]


@pytest.mark.browser
def test_a_page_that_looks_the_same_is_captured_from_a_canvas(project, tmp_path, any_length):
    mode, (message,) = planned(project, tmp_path, "")
    assert (mode, message) == ("canvas", "captured from a canvas: some frames look as in the browser's own pictures")


OVERLAPPED = """<canvas width="40" height="30" style="display:block"></canvas>
<div style="margin-top:-20px"><span style="display:inline-block;background:#c33;width:30px;height:15px"></span></div>"""
DRAW = (
    "const pen = document.querySelector('canvas').getContext('2d'); pen.fillStyle = '#3c3'; pen.fillRect(0, 0, 40, 30)"
)
UNFIT = {
    "known": ('<p style="backdrop-filter:blur(2px)">x</p>', "", r"a canvas would draw a backdrop filter \(<p>\) wrong"),
    "seen": (OVERLAPPED, DRAW, r"frame \d+ differs in \d+ pixels that are not at edges"),
    "framed": (
        "",
        "if (top !== window) throw new Error('framed')",
        "a script failed while loading: Uncaught Error: framed",
    ),
    "hangs": ("", "if (top !== window) window.__hfTimelinesBuilding = true", "did not become ready within 8 s"),
}


@pytest.mark.browser
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("known", "framed", "hangs")), "seen"]
)
def test_a_page_that_does_not_keeps_its_pictures_and_the_reason_is_told(name, project, tmp_path, any_length):
    body, script, reason = UNFIT[name]
    mode, (message,) = planned(project, tmp_path, body, script, load_timeout=8)
    assert mode == "beginframe"
    assert message.startswith("not captured from a canvas: ")
    assert re.search(reason, message), message


@pytest.mark.browser
def test_short_videos_are_not_compared(project, tmp_path):
    assert planned(project, tmp_path, "") == ("beginframe", [])
