"""The root's box, the layout of its clips, and their windows (docs/compositions.md, 1 and 2)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from page_samples import BLACK, BLUE, GREEN, RED, WHITE, box, composition, open_html, svg

pytestmark = pytest.mark.browser


def test_windows_are_half_open(tmp_path: Path) -> None:
    body = box('data-start="0" data-duration="0.5"') + box('data-start="0.5" data-duration="0.5"', "#0f0")
    with open_html(tmp_path, composition(body)) as page:
        assert [page.pixel(k) for k in (0, 14, 15, 29, 30, 59)] == [RED, RED, GREEN, GREEN, BLACK, BLACK]
        # backwards too: a frame never depends on the one before
        assert page.pixel(14) == RED


def test_clips_turn_at_once_whatever_takes_its_time_in_the_page(tmp_path: Path) -> None:
    inner = '<p style="position:absolute;inset:0 0 0 32px;background:#00f;margin:0"></p>'
    body = (
        box('id="a" data-start="0" data-duration="0.5"')
        + "<div data-start='0.5' data-duration='0.5'>"
        + inner
        + "</div>"
    )
    script = "addEventListener('hf-seek', ({detail}) => { a.style.opacity = detail.time < 0.2 ? 1 : 0 })"
    with open_html(tmp_path, composition(body, script, style="* { transition: all .4s linear }")) as page:
        shown = [tuple(map(int, picture[5, 40])) for picture in page.frames(0, 32)]
    assert shown[:6] == [RED] * 6
    assert shown[15:] == [BLUE] * 15 + [BLACK] * 2
    # A transition that the page has begun goes on.
    assert all(later[0] < before[0] for before, later in pairwise(shown[6:14]))


def test_a_clip_without_an_end_stays(tmp_path: Path) -> None:
    with open_html(tmp_path, composition(box('data-start="1"'))) as page:
        assert [page.pixel(k) for k in (29, 30, 59)] == [BLACK, RED, RED]


def test_a_visible_child_does_not_show_through_a_hidden_parent(tmp_path: Path) -> None:
    child = box('id="kid" data-start="0"', "#0f0")
    top = 'id="top" data-start="0.5" data-duration="0.5" style="position:absolute;inset:0"'
    body = f"<div {top}><p>{child}</p></div>"
    with open_html(tmp_path, composition(body)) as page:
        assert [page.pixel(k) for k in (14, 15, 29, 30)] == [BLACK, GREEN, GREEN, BLACK]
        assert page.value("kid.style.visibility") == "hidden"


def test_opacity_is_never_touched_and_visibility_always_set(tmp_path: Path) -> None:
    body = box('id="x" data-start="0.5"', style="opacity:.5")
    with open_html(tmp_path, composition(body)) as page:
        assert page.at(0, "[x.style.opacity, x.style.visibility, x.style.display]") == ["0.5", "hidden", ""]
        assert page.at(15, "[x.style.opacity, x.style.visibility, x.style.display]") == ["0.5", "visible", ""]
        assert page.value("document.getElementById('root').style.visibility") == "visible"


def test_in_flow_leaves_leave_the_flow_while_hidden(tmp_path: Path) -> None:
    bar = 'style="height:10px;background:{}"'
    body = f"""<main style="position:absolute;inset:0">
      <p id="leaf" data-start="0.5" data-duration="0.5" {bar.format("#f00")}></p>
      <section id="branch" data-start="0.5" data-duration="0.5" {bar.format("#00f")}><i data-start="0"></i></section>
      <p {bar.format("#0f0")}></p></main>"""
    style = "p, section {margin: 0}"
    with open_html(tmp_path, composition(body, style=style)) as page:
        before = page.pixels(0)[:, 5].tolist()
        assert [before[y] for y in (5, 15, 25)] == [list(BLACK), list(GREEN), list(BLACK)]
        shown = page.pixels(15)[:, 5].tolist()
        assert [shown[y] for y in (5, 15, 25)] == [list(RED), list(BLUE), list(GREEN)]
        assert page.at(14, "[leaf.style.display, branch.style.display]") == ["none", ""]
        assert page.at(20, "[leaf.style.display, branch.style.display]") == ["", ""]


def test_data_hidden_hides_and_gives_back_what_was_there(tmp_path: Path) -> None:
    body = box('id="x" data-hidden data-start="0"', style="display:flex") + '<i id="y" data-start="0"></i>'
    with open_html(tmp_path, composition(body)) as page:
        assert page.pixel(3) == BLACK
        # another change resolves the clips anew, which must not forget the display that was there
        page.value("document.getElementById('y').setAttribute('data-start', '1')")
        assert page.at(4, "x.style.display") == "none"
        page.value("x.removeAttribute('data-hidden')")
        assert page.pixel(5) == RED
        assert page.value("x.style.display") == "flex"


def test_clips_that_scripts_add_remove_and_change_are_seen(tmp_path: Path) -> None:
    with open_html(tmp_path, composition(box('id="x" data-start="0"'))) as page:
        assert page.pixel(0) == RED
        page.value("x.setAttribute('data-start', '1')")
        assert [page.pixel(29), page.pixel(30)] == [BLACK, RED]
        page.value(
            "x.insertAdjacentHTML('afterend',"
            " '<p><b id=z data-start=0 data-duration=1 style=\"position:absolute;inset:0;background:#0f0\"></b></p>')"
        )
        assert [page.pixel(29), page.pixel(30)] == [GREEN, RED]
        page.value("z.remove()")
        assert page.pixel(29) == BLACK


def test_script_elements_are_no_clips(tmp_path: Path) -> None:
    body = '<style id="s" data-start="1">#root {background: #f00 !important}</style>'
    with open_html(tmp_path, composition(body)) as page:
        assert page.pixel(0) == RED
        assert page.value("s.style.visibility") == ""
        assert page.report()["clips"] == []


def test_the_root_gets_its_box(tmp_path: Path) -> None:
    html = """<!doctype html><body style="padding:9px"><div data-composition-id="main" id="main" data-width="40"
      data-height="30" data-duration="1" data-no-timeline style="background:#f00">
      <div style="position:absolute;left:35px;top:0;width:20px;height:10px;background:#0f0"></div></div>"""
    with open_html(tmp_path, html) as page:
        picture = page.pixels(0)
        assert tuple(picture[29, 0]) == RED
        assert tuple(picture[30, 0]) == WHITE  # below the root: the page itself
        assert tuple(picture[5, 39]) == GREEN
        assert tuple(picture[5, 40]) == WHITE  # cut off by the root's overflow
        names = ("width", "height", "--comp-width", "--comp-height", "overflow", "position")
        assert page.value(f"{list(names)}.map(name => main.style.getPropertyValue(name))") == [
            "40px",
            "30px",
            "40px",
            "30px",
            "hidden",
            "relative",
        ]
        assert page.value("main.getAttribute('data-start')") == "0"
        assert (
            page.value(
                "[document.documentElement, document.body].map(({style: s}) => [s.margin, s.padding, s.overflow])"
            )
            == [["0px", "0px", "hidden"]] * 2
        )


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ("<p data-composition-id=a {}></p><p data-composition-id=b data-root=true {}></p>", "b"),
        ("<div data-composition-id=a {}><div data-composition-id=b {}></div></div>", "a"),
        ("<div data-root=true></div><p data-composition-id=a {}></p><p data-composition-id=b {}></p>", "a"),
    ],
)
def test_choice_of_the_root(tmp_path: Path, body: str, chosen: str) -> None:
    attributes = 'data-width="64" data-height="64" data-duration="1" data-no-timeline'
    with open_html(tmp_path, "<!doctype html><body>" + body.replace("{}", attributes)) as page:
        assert page.report()["compositionId"] == chosen


def test_a_position_that_the_author_gave_the_root_stays(tmp_path: Path) -> None:
    html = composition("", root='data-duration="1" data-no-timeline style="position:absolute"')
    with open_html(tmp_path, html) as page:
        assert page.value("document.getElementById('root').style.position") == "absolute"


LAYOUT = """
  .placed {position: absolute; bottom: 4px; right: 4px; width: 8px; height: 8px}
  .fixed {position: fixed; top: 3px; left: 3px; width: 5px; height: 5px}
  .centre {position: absolute; top: 50%; left: 50%; width: 10px; height: 10px}
"""


def test_layout_of_direct_children(tmp_path: Path) -> None:
    body = """
      <div id="plain" data-start="0"></div>
      <div id="sized" data-start="0" data-width="20" data-height="10"></div>
      <div id="full" data-start="0" data-width="20" style="width:7px;height:9px"></div>
      <div id="placed" class="placed" data-start="0"></div>
      <div id="fixed" class="fixed" data-start="0"></div>
      <div id="inset" data-start="0" style="position:absolute;right:5px;bottom:6px;width:4px;height:4px"></div>
      <div id="stamped" data-start="0" data-hf-autostamped></div>
      <div id="untimed"><div id="deep" data-start="0"></div></div>
      <div id="legacy" class="centre" data-start="0"
        style="top:0;left:0;width:100%;height:100%;transform:translate(-50%, -50%)"></div>
      <div id="bare" data-start="0" style="top:0;left:0;width:100%;height:100%;transform:translate(-50%, -50%)"></div>
    """
    with open_html(tmp_path, composition(body, style=LAYOUT)) as page:
        style = page.value(
            "Object.fromEntries([...document.querySelectorAll('#root [id]')].map(e => [e.id, Object.fromEntries("
            "['position', 'top', 'left', 'width', 'height'].map(n => [n, e.style[n]]).filter(([, v]) => v))]))"
        )
    absolute = {"position": "absolute", "top": "0px", "left": "0px"}
    # an absolute empty box is 0 x 0, so both sides become 100%
    assert style["plain"] == absolute | {"width": "100%", "height": "100%"}
    assert style["sized"] == absolute | {"width": "20px", "height": "10px"}
    assert style["full"] == absolute | {"width": "7px", "height": "9px"}
    assert style["placed"] == {}
    assert style["fixed"] == {}
    assert style["inset"] == {"position": "absolute", "width": "4px", "height": "4px"}
    assert style["stamped"] == style["untimed"] == style["deep"] == {}
    assert style["legacy"] == {}
    assert style["bare"] == {"top": "0px", "left": "0px", "width": "100%", "height": "100%"} | {"position": "absolute"}


def test_pictures_that_load_late_do_not_make_their_clips_larger(tmp_path: Path) -> None:
    body = """<img id="alone" data-start="0"><div id="around" data-start="0"><img></div>
      <img id="sized" data-start="0" data-width="20"><img id="none" data-start="0">"""
    script = "for (const image of [...document.images].slice(0, 3)) image.src = 'a.svg'"
    with open_html(tmp_path, composition(body, script), {"a.svg": svg("#0f0")}) as page:
        sizes = page.value("[...root.children].map(({style}) => [style.width, style.height])")
    assert sizes == [["", ""], ["", ""], ["20px", ""], ["100%", "100%"]]


def test_style_sheets_that_load_late_decide_the_layout_of_clips(tmp_path: Path) -> None:
    body = '<div class="placed" data-start="0"></div><div class="fixed" data-start="0"></div>'
    script = """document.head.append(Object.assign(document.createElement("link"), {rel: "stylesheet", href: "a.css"}));
      addEventListener("load", () => { window.early = root.children[0].offsetTop })"""
    with open_html(tmp_path, composition(body + '<p data-start="0">', script), {"a.css": LAYOUT}) as page:
        styles = page.value("[...root.children].map(({style}) => style.position + style.top + style.width)")
        assert styles == ["", "", "absolute0px100%"]
        assert page.value("early") == 64 - 8 - 4


def test_a_fragment_gets_a_black_page_and_a_reset(tmp_path: Path) -> None:
    html = (
        '<div data-composition-id="main" data-width="64" data-height="32" data-duration="1" data-no-timeline>'
        '<p style="height:10px;padding-top:2px;background:#f00"></p></div>'
    )
    with open_html(tmp_path, html, fragment=True) as page:
        picture = page.pixels(0)
        assert [tuple(picture[y, 0]) for y in (0, 9, 10, 40)] == [RED, RED, BLACK, BLACK]


def test_glyphs_are_placed_geometrically(tmp_path: Path) -> None:
    measure = "window.early = getComputedStyle(document.documentElement).textRendering"
    html = composition("<i id=x></i>", head=f"<script>{measure}</script>")
    with open_html(tmp_path, html) as page:
        assert page.value("[early, getComputedStyle(x).textRendering]") == ["geometricprecision"] * 2


def test_auto_alpha_of_a_timeline_does_not_decide_a_clips_window(tmp_path: Path) -> None:
    script = """window.__timelines.main = {duration: () => 2, pause() {}, play() {},
      seek(t) { x.style.visibility = t < 1 ? 'hidden' : 'visible' }};
      window.addEventListener('hf-seek', e => { x.style.visibility = 'hidden' });
      requestAnimationFrame(function loop() { x.style.visibility = 'hidden'; requestAnimationFrame(loop) });"""
    body = box('id="x" data-start="0" data-duration="1.5"')
    with open_html(tmp_path, composition(body, script, root='data-duration="2"')) as page:
        assert [page.pixel(k) for k in (0, 40, 44, 45)] == [RED, RED, RED, BLACK]


def test_a_document_from_right_to_left(tmp_path: Path) -> None:
    """Also if the canvas is narrower than its content."""
    html = composition(box('data-start="0"') + '<p style="width:900px">x</p>').replace("<html>", '<html dir="rtl">')
    with open_html(tmp_path, html) as page:
        assert [page.pixel(0, x, 60) for x in (0, 63)] == [RED, RED]
        assert page.value("root.getBoundingClientRect().left") == 0
