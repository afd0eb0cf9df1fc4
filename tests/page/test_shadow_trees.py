"""Shadow trees are driven like the document that they are in, however they were made."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import BLACK, BLUE, GREEN, RED, WHITE, Page, composition, open_html
from samples import COMPOSITIONS
from slow import sampled

pytestmark = pytest.mark.browser

# A bar that grows to the right by 64 px a second: its end shows its time.
BAR = "position: absolute; left: 0; top: 0; height: 64px; background: #f00"
GROW = "@keyframes grow {from {width: 0} to {width: 64px}}"
CSS = f"<style>{GROW} b {{{BAR}; animation: grow 1s linear both}}</style><b></b>"
WAAPI = "b.animate([{width: '0px'}, {width: '64px'}], {duration: 1000, fill: 'both'});"
MOVE = """<svg width="64" height="64" style="position:absolute;left:0;top:0"><rect height="64" width="0" fill="#f00">
  <animate attributeName="width" from="0" to="64" dur="1s" fill="freeze"/></rect></svg>"""


def attached(mode: str, content: str = CSS, script: str = "") -> str:
    """A script that makes a shadow tree in the element #host."""
    return f"""{{ const root = host.attachShadow({{mode: "{mode}"}}); root.innerHTML = `{content}`;
      const b = root.querySelector("b"); {script} }}"""


def declared(mode: str, content: str = CSS) -> str:
    return f'<div id="host"><template shadowrootmode="{mode}">{content}</template></div>'


def declared_late(content: str = CSS) -> str:
    """Markup that is looked at before the tree is there, as if the parser had paused: a script lets observers run."""
    return f'<div id="host"><i><script>0</script></i><script>0</script><template shadowrootmode="open">{content}</template></div>'


def in_frame(body: str, script: str = "") -> tuple[str, str, dict[str, str | bytes]]:
    inner = f"<!doctype html><style>body {{margin: 0}}</style>{body}<script>{script}</script>"
    frame = '<iframe src="inner.html" style="border:0;position:absolute;left:0;top:0;width:64px;height:64px"></iframe>'
    return frame, "", {"inner.html": inner}


def reaches(page: Page, frame: int) -> int:
    """Return the end of a frame's red bar."""
    row = [tuple(colour) for colour in page.pixels(frame)[5]]
    red = [colour[0] > 127 for colour in row]
    assert red == [True] * sum(red) + [False] * (len(red) - sum(red))
    return sum(red)


HOST = '<div id="host"></div>'
NESTED = attached("open", "<p></p>").replace(
    'const b = root.querySelector("b"); ',
    f'root.querySelector("p").attachShadow({{mode: "closed"}}).innerHTML = `{CSS}`;',
)
WAYS: dict[str, tuple[str, str, dict[str, str | bytes]]] = {
    "open": (HOST, attached("open"), {}),
    "closed": (HOST, attached("closed"), {}),
    "declared open": (declared("open"), "", {}),
    "declared closed": (declared("closed"), "", {}),
    "declared after a pause of the parser": (declared_late(), "", {}),
    "declared after a pause in one after a pause": (declared_late(declared_late()), "", {}),
    "declared in a declared closed one": (declared("closed", declared("closed")), "", {}),
    "nested": (HOST, NESTED, {}),
    "WAAPI": (HOST, attached("closed", f'<b style="{BAR}"></b>', WAAPI), {}),
    "SMIL": (HOST, attached("closed", MOVE), {}),
    "pseudo-element": (HOST, attached("open", f"<style>{GROW} b::after {{content: ''; {BAR}; animation: grow 1s linear both}}</style><b></b>"), {}),
    "host": (HOST, attached("open", f"<style>{GROW} :host {{{BAR}; animation: grow 1s linear both}}</style>"), {}),
    "adopted sheet": (HOST, attached("open", "<b></b>", f"""const sheet = new CSSStyleSheet();
      sheet.replaceSync(`{GROW} b {{{BAR}; animation: grow 1s linear both}}`); root.adoptedStyleSheets = [sheet];"""), {}),
    "slotted": (HOST, attached("open", f"<style>{GROW} ::slotted(u) {{{BAR}; animation: grow 1s linear both}}</style><slot></slot>", "host.innerHTML = '<u></u>';"), {}),
    "frame": in_frame(HOST, attached("closed")),
    "declared in a frame": in_frame(declared("closed")),
}  # fmt: skip


@pytest.mark.sample("open", "adopted sheet", "SMIL")
@pytest.mark.parametrize("way", sampled(WAYS))
def test_animations_in_a_shadow_tree_stand_where_their_time_says(tmp_path: Path, way: str) -> None:
    body, script, files = WAYS[way]
    with open_html(tmp_path, composition(body, script), files) as page:
        assert [reaches(page, frame) for frame in (15, 30, 45, 6, 0)] == [32, 64, 64, 13, 0]
        first, second = page.digests(0, 6), page.digests(6, 12)
        assert page.digests(3, 9) == first[3:] + second[:3]


@pytest.mark.sample("closed")
@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_shadow_tree_of_a_sub_composition(tmp_path: Path, mode: str) -> None:
    scene = f'<template><div data-composition-id="scene" data-no-timeline>{declared(mode)}</div></template>'
    plain = f'<html><body><div data-composition-id="scene" data-no-timeline>{declared(mode)}</div></body></html>'
    for name, content in (("template.html", scene), ("body.html", plain)):
        host = f'<div data-composition-id="scene" data-composition-src="{name}" data-start="0" data-duration="2"></div>'
        with open_html(tmp_path, composition(host), {name: content}) as page:
            assert [reaches(page, frame) for frame in (15, 30, 6)] == [32, 64, 13]


def test_shadow_trees_that_come_go_and_come_back(tmp_path: Path) -> None:
    script = (
        attached("closed")
        + """
      const it = host, main = document.getElementById('root');
      addEventListener('hf-seek', ({detail: {time}}) => {
        if (time > 0.1 && time < 0.3) it.remove(); else main.append(it);
        if (time > 0.6 && !late.firstChild) {
          late.append(document.createElement('p'));
          late.firstChild.attachShadow({mode: 'closed'}).innerHTML = TREE;
        }
      });""".replace("TREE", f"`{CSS.replace('top: 0', 'top: 32px')}`")
    )
    style = "#late {position: absolute; top: 0}"
    with open_html(tmp_path, composition(HOST + '<div id="late"></div>', script, style=style)) as page:
        assert [reaches(page, frame) for frame in (3, 6, 15)] == [6, 0, 32]
        page.seek(20)
        picture = page.pixels(24)
        assert [tuple(picture[40, x]) for x in (50, 52)] == [RED, BLACK]


def test_an_own_start_within_a_shadow_tree(tmp_path: Path) -> None:
    content = CSS.replace("<b></b>", '<b data-start="0.5"></b>')
    with open_html(tmp_path, composition(HOST, attached("closed", content))) as page:
        assert [reaches(page, frame) for frame in (15, 30, 45)] == [0, 32, 64]


def test_transitions_in_a_shadow_tree(tmp_path: Path) -> None:
    content = f"<style>b {{{BAR}; width: 0; transition: width 1s linear}} b.on {{width: 64px}}</style><b></b>"
    script = attached(
        "closed",
        content,
        """addEventListener('hf-seek', ({detail}) => {
      b.classList.toggle('on', detail.time >= 0.5) });""",
    )
    with open_html(tmp_path, composition(HOST, script)) as page:
        page.seek(14)
        assert [reaches(page, frame) for frame in (15, 30, 45)] == [0, 32, 64]


def test_a_change_in_a_shadow_tree_is_a_movement_and_none_is_none(tmp_path: Path) -> None:
    script = attached(
        "closed",
        f'<b style="{BAR}"></b>',
        """addEventListener('hf-seek', ({detail}) => {
      b.style.width = detail.time >= 0.5 ? '32px' : '0' });""",
    )
    with open_html(tmp_path, composition(HOST, script)) as page:
        page.seek(13)
        assert [page.value(f"__hfdask.frame({frame})") for frame in (14, 15, 16)] == [False, True, False]


def test_animated_pictures_in_a_shadow_tree_show_the_frame_of_their_time(tmp_path: Path) -> None:
    film = (COMPOSITIONS / "animated_images" / "film.gif").read_bytes()
    content = '<img src="film.gif" width="64" height="64" style="position:absolute;top:0;left:0">'
    for body, script in ((HOST, attached("closed", content)), (declared("closed", content), "")):
        with open_html(tmp_path, composition(body, script), {"film.gif": film}) as page:
            assert [page.pixel(frame) for frame in (0, 3, 9, 12, 3)] == [RED, GREEN, BLUE, WHITE, GREEN]


def test_sound_in_a_shadow_tree_is_reported(tmp_path: Path) -> None:
    sound = '<audio id="song" src="song.mp3" data-duration="1"></audio>'
    for body, script in ((HOST, attached("closed", sound)), (declared("closed", sound), "")):
        with open_html(tmp_path, composition(body, script)) as page:
            assert [each["id"] for each in page.value("__hfdask.media().sounds.sounds")] == ["song"]
