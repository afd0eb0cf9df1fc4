"""Moves that an editor has made of elements (docs/compositions.md, 2.4), and text that fits (5.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import BLACK, RED, composition, open_html

from hfdask.errors import ScriptError

pytestmark = pytest.mark.browser

SMALL = "position:absolute;left:0;top:0;width:10px;height:10px;background:#f00"
EDIT = 'data-x="30" data-y="25" data-hf-edit-base-x="10" data-hf-edit-base-y="20"'


@pytest.mark.parametrize(
    ("attributes", "style", "at"),
    [
        (EDIT, "", (20, 5)),
        (EDIT, "translate: 4px 6px", (24, 11)),
        ('data-x="30" data-hf-edit-base-x="10"', "transform: translateY(8px)", (20, 8)),
        ('data-x="30" data-hf-edit-base-x="30"', "", (0, 0)),
        ('data-x="30" data-y="5"', "", (0, 0)),
    ],
)
def test_an_edited_element_is_moved_by_the_difference(attributes, style, at, tmp_path: Path) -> None:
    body = f'<div id="it" {attributes} style="{SMALL};{style}"></div>'
    with open_html(tmp_path, composition(body)) as page:
        left, top = at
        assert page.value("(({ x, y }) => [x, y])(it.getBoundingClientRect())") == [left, top]
        assert [page.pixel(0, left + 1, top + 1), page.pixel(40, left + 9, top + 9)] == [RED, RED]
        assert page.pixel(0, left + 11, top + 11) == BLACK


def test_animations_of_an_edited_element_stay_as_they_are(tmp_path: Path, gsap: bytes) -> None:
    body = f'<div id="it" {EDIT} style="{SMALL}"></div><script src="gsap.js"></script>'
    script = """const timeline = gsap.timeline({ paused: true }).fromTo("#it", { x: 0 }, { x: 30, duration: 1, ease: "none" });
      timeline.to("#it", { y: 15, duration: 1, ease: "none" }); window.__timelines.main = timeline"""
    with open_html(tmp_path, composition(body, script), {"gsap.js": gsap}) as page:
        places = [page.at(frame, "(({ x, y }) => [x, y])(it.getBoundingClientRect())") for frame in (0, 15, 30, 45, 15)]
    assert places == [[20, 5], [35, 5], [50, 5], [50, 12.5], [35, 5]]


FIT = "__hyperframes.fitTextFontSize"


def test_text_gets_the_first_size_at_which_it_fits_on_a_line(tmp_path: Path) -> None:
    wide = "const pen = document.createElement('canvas').getContext('2d'); const wide = (size, text, font = 'Inter', weight = 900) => (pen.font = `${weight} ${size}px ${font}`, pen.measureText(text).width)"
    with open_html(tmp_path, composition("", wide)) as page:
        assert page.value(f"{FIT}('a')") == {"fontSize": 78, "fits": True}
        assert page.value(f"{FIT}('words '.repeat(200))") == {"fontSize": 42, "fits": False}
        found = page.value(f"{FIT}('Some words', {{ maxWidth: 300, fontFamily: 'Inter', step: 3 }})")
        assert found["fits"]
        assert 42 <= found["fontSize"] < 78
        assert (78 - found["fontSize"]) % 3 == 0
        widths = page.value(f"[0, 3].map((more) => wide({found['fontSize']} + more, 'Some words'))")
        assert widths[0] <= 300 < widths[1]
        assert page.value(f"{FIT}('Some\\n  words ', {{ maxWidth: 300, fontFamily: 'Inter', step: 3 }})") == found
        assert page.value(f"{FIT}('x', {{ baseFontSize: 20, minFontSize: 30 }})") == {"fontSize": 30, "fits": False}
        assert page.value(f"{FIT}('x', {{ step: 0, maxWidth: 0 }})") == {"fontSize": 42, "fits": False}


def test_a_scene_can_fit_its_text_too(tmp_path: Path) -> None:
    scene = f"<template><div data-composition-id=s data-no-timeline><script>window.got = {FIT}('a')</script></div></template>"
    host = '<div data-composition-id="s" data-composition-src="s.html" data-start="0" data-no-timeline></div>'
    with open_html(tmp_path, composition(host), {"s.html": scene}) as page:
        assert page.value("got") == {"fontSize": 78, "fits": True}


def test_a_library_that_is_not_there_says_so(tmp_path: Path) -> None:
    script = "__hyperframes.pretext.prepare('text', '10px Inter')"
    with (
        pytest.raises(ScriptError, match="load the library pretext with the page"),
        open_html(tmp_path, composition("", script)),
    ):
        pass
    own = "__hyperframes.pretext = { prepare: () => 5 }; window.got = __hyperframes.pretext.prepare()"
    with open_html(tmp_path, composition("", own)) as page:
        assert page.value("got") == 5


def test_scenes_find_a_library_that_the_page_brings_and_else_the_same_words(tmp_path: Path) -> None:
    scene = "<template><div data-composition-id=s data-no-timeline><script>window.got = __hyperframes.pretext.prepare()</script></div></template>"
    host = '<div data-composition-id="s" data-composition-src="s.html" data-start="0" data-no-timeline></div>'
    own = "__hyperframes.pretext = { prepare: () => 5 }"
    with open_html(tmp_path / "a", composition(host, own), {"s.html": scene}) as page:
        assert page.value("got") == 5
    with (
        pytest.raises(ScriptError, match="load the library pretext with the page"),
        open_html(tmp_path / "b", composition(host), {"s.html": scene}),
    ):
        pass
