"""Which face a declaration gets, and that every text of a page is found with the faces that draw it (docs/compositions.md, 11)."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from font_samples import build_font, canonical_fonts, configuration, machine, machine_folder
from page_samples import SETTINGS, composition, write_site
from slow import sampled

from hfdask.browser import browser_thread
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.planning.font_usage import Typefaces, Use

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def _machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("fonts")
    config = configuration(folder / "fonts.conf", machine_folder(folder / "machine"))
    with machine(config, canonical_fonts(folder / "canonical")):
        yield


class Look:
    """A page that is looked at as planning does it."""

    def __init__(self, session: PageSession) -> None:
        self.session = session
        self.typefaces = Typefaces(session)

    async def at(self, frames: tuple[int, ...], always: bool) -> tuple[Use, ...]:
        await self.session.load("index.html")
        await self.typefaces.look()
        for frame in frames:
            await self.session.seek(frame)
            await self.typefaces.look(always=always)
        return await self.typefaces.finish()


def uses(folder: Path, body: str, *, frames: tuple[int, ...] = (), always: bool = True, **parts: str) -> list[Use]:
    files = write_site(folder, composition(body, **parts))

    async def run() -> tuple[Use, ...]:
        async with contextlib.AsyncExitStack() as stack:
            chromium, _ = await stack.enter_async_context(browser_thread().pool.lease("beginframe"))
            session = await stack.enter_async_context(
                open_page(chromium, files, SETTINGS, Fraction(30), reads_text=True)
            )
            return await Look(session).at(frames, always)

    return list(browser_thread().run(run(), 40))


def lacking(folder: Path, body: str, *, frames: tuple[int, ...] = (0,), files: Any = None, **parts: str) -> list[str]:
    """Letters that are seen as boxes, as planning finds them."""
    site = write_site(folder, composition(body, **parts), files)

    async def run() -> list[str]:
        async with contextlib.AsyncExitStack() as stack:
            chromium, _ = await stack.enter_async_context(browser_thread().pool.lease("beginframe"))
            session = await stack.enter_async_context(
                open_page(chromium, site, SETTINGS, Fraction(30), reads_text=True)
            )
            look = Look(session)
            await look.at(frames, True)
            return [each.cluster for each in look.typefaces.lacking]

    return browser_thread().run(run(), 40)


def own_font(folder: Path, characters: str) -> dict[str, bytes]:
    return {"own.ttf": build_font(folder / "own" / "own.ttf", "Own", text=characters).read_bytes()}


OWN = "@font-face { font-family: Own; src: url(own.ttf) %s } #x { font-family: Own, Inter }"


@pytest.mark.parametrize(
    ("body", "letters"),
    sampled(
        [
            ("Latin and 日本 and → ✓", []),
            ("日x字", ["字"]),
            ("नमस्ते", ["न", "म", "स्ते"]),
            ("<b>字</b><b>字母</b>", ["字", "母"]),
            ("<svg><text y=20>字</text><desc>母</desc></svg>", ["字"]),
            ("<input value=字>", ["字"]),
            ("<input placeholder=字>", ["字"]),
            ("<textarea>字</textarea>", ["字"]),
            ("<ul><li style='list-style-type: \"字 \"'>x</ul>", ["字"]),
            ("<style>b::before { content: '字' / '母' }</style><b></b>", ["字"]),
            ("<style>b::after { content: attr(data-a) }</style><b data-a=字>x</b>", ["字"]),
            ("<b style='text-transform: uppercase'>ß</b>", ["ß"]),
            ("<iframe srcdoc='字'></iframe>", ["字"]),
            (
                "<canvas></canvas><script>document.querySelector('canvas').getContext('2d').fillText('字', 5, 5)</script>",
                ["字"],
            ),
            # Text that is not drawn needs no glyph.
            ("a\u200bb\u200dc\ufe0fd\u00ade\u2060f\ufeffg\u2028h\u00a0i\u3000j\u202ek\u202c", []),
            ("→\ufe0e ✓\ufe0f", []),
            ("x\u2011y\u2010z", []),
            ("<title>字</title><p hidden>字</p><script>'字'</script><template>字</template>", []),
            # Nor does invisible text.
            ("<p style='visibility: hidden'>字</p>", []),
            ("<p style='opacity: 0'>字</p>", []),
            ("<p style='position: absolute; left: -9999px'>字</p>", []),
            ("<p style='position: absolute; width: 1px; height: 1px; overflow: hidden'>字</p>", []),
            ("<p style='opacity: 0.5'>字</p>", ["字"]),
            ("<p class=clip data-start=0.5 data-duration=0.5>字</p>", []),
        ],
        one_of=6,
    ),
)
def test_letters_without_a_glyph_are_found(body, letters, tmp_path):
    assert lacking(tmp_path, body) == letters


def test_letters_are_found_when_their_clip_is_seen(tmp_path):
    body = "<p class=clip data-start=0.5 data-duration=0.5>字</p>"
    assert lacking(tmp_path, body, frames=(0, 15)) == ["字"]


def test_text_that_a_frame_brings_is_looked_at(tmp_path):
    script = "requestAnimationFrame(function f(t) { x.textContent = t >= 500 ? '字' : 'a'; requestAnimationFrame(f) })"
    assert lacking(tmp_path, "<p id=x></p>", frames=(0, 15), script=script) == ["字"]


@pytest.mark.parametrize(
    ("characters", "rule", "text", "letters"),
    sampled(
        [
            ("ab字\ue001", "", "ab字\ue001", []),
            ("ab字", "", "字母\ue001", ["母", "\ue001"]),
            ("ab字母", "; unicode-range: U+20-7F, U+5B57", "字母", ["母"]),
            ("abé", "", "e\u0301", []),
            ("abe\u0301", "", "é", []),
            ("ab", "", "q\u0301", ["q\u0301"]),
            ("ab👩\u200d", "", "👩\u200d👩", []),
            ("ab", "", "👩\u200d👩", ["👩\u200d👩"]),
            ("ab", "", "日", []),  # the machine has it
        ]
    ),
)
def test_the_projects_own_fonts_count_as_they_are_drawn(characters, rule, text, letters, tmp_path):
    found = lacking(tmp_path, f"<p id=x>{text}</p>", style=OWN % rule, files=own_font(tmp_path, characters))
    assert found == letters


def test_a_font_of_a_script_counts(tmp_path):
    script = """fetch('own.ttf').then(r => r.arrayBuffer()).then(b => new FontFace('Own', b).load())
      .then(f => { document.fonts.add(f); x.textContent = '\\ue001\\ue002' })"""
    files = own_font(tmp_path, "\ue001")
    assert lacking(tmp_path, "<p id=x></p>", style="#x { font-family: Own }", script=script, files=files) == ["\ue002"]


def test_icons_before_an_element_are_those_of_their_font(tmp_path):
    style = OWN % "" + "#x { font-family: Inter } #x::before { font-family: Own; content: '\\e001' }"
    assert lacking(tmp_path, "<p id=x>text</p>", style=style, files=own_font(tmp_path, "\ue001")) == []


def faces(folder: Path, body: str, **parts: Any) -> set[str]:
    return {use.postscript for use in uses(folder, body, **parts)}


DECLARED = {
    "font-family: Inter": "Inter-Regular",
    "font-family: helvetica": "Inter-Regular",
    "font-family: 'SF Pro Display'": "Inter-Regular",
    "font-family: 'Segoe UI'": "Roboto-Regular",
    "font-family: CONSOLAS": "JetBrainsMono-Regular",
    "font-family: Georgia, Inter": "EBGaramond-Regular",
    "font-family: 'Liberation Serif'": "EBGaramond-Regular",
    "font-family: sans-serif": "Inter-Regular",
    "font-family: system-ui": "Inter-Regular",
    "font-family: -apple-system, BlinkMacSystemFont": "Inter-Regular",
    "font-family: BlinkMacSystemFont": "Inter-Regular",
    "font-family: ui-sans-serif": "Inter-Regular",
    "font: 20px sans-serif": "Inter-Regular",
    "--f: system-ui; font-family: var(--f)": "Inter-Regular",
    "font-family: serif": "LiberationSerif-Regular",
    "font-family: monospace": "LiberationMono-Regular",
    "font-family: ui-monospace": "LiberationMono-Regular",
    "font-family: 'House Font'": "HouseFont-Regular",
    "font-family: 'No Such Font', 'House Font'": "HouseFont-Regular",
    "font-family: 'No Such Font'": "LiberationSerif-Regular",
    "": "LiberationSerif-Regular",
    "font: 600 20px Arial": "Inter-Bold",
    "font: 800 20px Arial": "InterBlack-Heavy",
    "font: 300 20px Arial": "Inter-Regular",
}


def test_what_a_declaration_is_drawn_in(tmp_path):
    # Each has its own letters, because text whose letters a font had before is not asked about again.
    letters = "abcdefghijklmnopqrstuvwxyz"
    body = "".join(f'<p style="{declared}">{letter}</p>' for declared, letter in zip(DECLARED, letters, strict=False))
    found = {use.element: use.postscript for use in uses(tmp_path, body)}
    seen = {declared: found.get(f'<p> "{letter}"') for declared, letter in zip(DECLARED, letters, strict=False)}
    assert seen == DECLARED


def test_a_face_of_the_project_wins_over_the_name_that_it_has(tmp_path):
    data = base64.b64encode(build_font(tmp_path / "own.ttf", "Own").read_bytes()).decode()
    style = f"@font-face{{font-family:Helvetica;src:url(data:font/ttf;base64,{data})}}"
    found = uses(tmp_path, '<p style="font-family:Helvetica">text</p>', style=style)
    assert {(use.postscript, use.custom) for use in found} == {("Own-Regular", True)}


def test_characters_that_a_font_lacks_fall_back_one_by_one(tmp_path):
    found = faces(tmp_path, '<p style="font-family:Inter">a → 日本</p>')
    assert found == {"Inter-Regular", "DejaVuSans-Regular", "KanjiFont-Regular"}


HOUSE = "font-family:House Font"


@pytest.mark.parametrize(
    ("body", "script"),
    sampled([
        (f'<p style="{HOUSE}">text</p>', ""),
        (f'<input style="{HOUSE}" value="text">', ""),
        (f'<textarea style="{HOUSE}" placeholder="text"></textarea>', ""),
        (f'<svg><text y="9" style="{HOUSE}">text</text></svg>', ""),
        (f'<div style="{HOUSE};display:contents">text</div>', ""),
        ('<p class="before"></p>', ""),
        (f"<iframe srcdoc=\"<p style='{HOUSE}'>text</p>\"></iframe>", ""),
        (
            "<x-a></x-a>",
            f"document.querySelector('x-a').attachShadow({{mode: 'open'}}).innerHTML = '<p style=\"{HOUSE}\">text</p>'",
        ),
        (
            "<x-a></x-a>",
            f"document.querySelector('x-a').attachShadow({{mode: 'closed'}}).innerHTML = '<p style=\"{HOUSE}\">text</p>'",
        ),
        ("<canvas></canvas>", "const c = document.querySelector('canvas').getContext('2d'); c.font = '9px House Font'; c.fillText('a', 1, 9)"),
        ("", "const c = new OffscreenCanvas(9, 9).getContext('2d'); c.font = '9px House Font'; c.measureText('a')"),
        # No glyph of it, but it decides how high the line is.
        (f'<div style="{HOUSE}"><span style="font-family:Inter">text</span></div>', ""),
    ]),
    ids=[
        *("element", "input", "placeholder", "svg", "contents", "pseudo", "iframe", "shadow", "closed shadow"),
        *("canvas", "offscreen canvas", "line"),
    ],
)  # fmt: skip
def test_every_kind_of_text_is_found(body, script, tmp_path):
    style = '.before::before{content:"text";font-family:House Font}'
    assert "HouseFont-Regular" in faces(tmp_path, body, script=script, style=style)


def test_text_that_shows_later_is_found_at_its_frame(tmp_path):
    body = f'<p id="late" style="{HOUSE};display:none">text</p>'
    script = """window.__hf = {seek: () => {}};
      const late = document.getElementById("late");
      requestAnimationFrame(function tick(ms) {
        late.style.display = ms >= 500 ? "block" : "none"; requestAnimationFrame(tick);
      });"""
    assert "HouseFont-Regular" not in faces(tmp_path, body, script=script, frames=(5,))
    assert "HouseFont-Regular" in faces(tmp_path, body, script=script, frames=(5, 20))


RULES = """<style id="rules">
  .big { font-family: House Font !important } #late { font-family: var(--family, Inter) }
</style>"""


@pytest.mark.parametrize(
    ("change", "seen"),
    sampled(
        [
            ("late.style.fontFamily = 'House Font'", True),
            ("late.style.cssText += ';opacity: 0.5;font: 20px House Font'", True),
            ("late.style.setProperty('--family', 'House Font')", True),
            ("late.className = 'big'", True),
            ("late.innerHTML = '<b class=big>text</b>'", True),
            ("hidden.style.display = 'block'", True),
            ("rules.sheet.insertRule('#late.late { font-family: House Font !important }', 0)", True),
            ("late.animate({ fontFamily: ['House Font', 'House Font'] }, 1000)", True),
            ("field.value = 'text'", True),
            ("sheet.firstChild.data += '#late { font-family: House Font !important }'", True),
            ("late.textContent = ''", True),
            ("late.firstChild.data = ''", True),
            # Whole looks find these; to find them at each frame costs a walk through the page.
            ("rules.sheet.cssRules[1].style.fontFamily = 'House Font'", False),
            ("rules.sheet.cssRules[1].style.fontFamily = 'House Font'; words.textContent = 'two'", False),
            ("rules.sheet.cssRules[1].style.fontFamily = 'House Font'; words.firstChild.data = 'two'", False),
            ("rules.sheet.cssRules[1].style.fontFamily = 'House Font'; words.append('two')", True),
            ("words.firstChild.data = 'other \u4e2d'; words.className = 'big'", True),
        ]
    ),
)
def test_between_whole_looks_a_change_that_may_bring_a_font_is_noticed(change, seen, tmp_path):
    script = f"""let was = false;
      requestAnimationFrame(function tick(ms) {{
        if (ms >= 500 && !was) {{ was = true; {change}; }}
        late.style.transform = `translateX(${{ms}}px)`;
        requestAnimationFrame(tick);
      }});"""
    body = f'{RULES}<style id="sheet">#late:empty::after {{ content: "x"; font-family: House Font }}</style>'
    body += '<p id="late" class="late">text</p><p id="words" style="font-family:Inter">one</p>' + (
        '<p id="hidden" style="display:none" class="big">text</p>'
        + ("<input id=field class=big>" * ("field" in change))
    )
    found = faces(tmp_path, body, script=script, frames=(5, 20), always=False)
    assert found >= {"Inter-Regular"}
    assert ("HouseFont-Regular" in found) == seen
    assert "HouseFont-Regular" in faces(tmp_path, body, script=script, frames=(5, 20))


@pytest.mark.parametrize("change", ["words.textContent = 'one thousand'", "words.firstChild.data = 'one thousand'"])
def test_other_words_that_change_the_size_of_a_container_are_noticed(change, tmp_path):
    body = """<style>div { display: flex; width: 60px; font: 8px Inter } section { flex: 1; container-type: inline-size }
      @container (max-width: 40px) { #late { font-family: House Font } }</style>
      <div><span id="words">1</span><section><p id="late">text</p></section></div>"""
    script = f"""requestAnimationFrame(function tick(ms) {{
      if (ms >= 500 && words.textContent === '1') {{ {change}; }}
      requestAnimationFrame(tick);
    }});"""
    assert "HouseFont-Regular" not in faces(tmp_path, body, frames=(5, 20), always=False)
    assert "HouseFont-Regular" in faces(tmp_path, body, script=script, frames=(5, 20), always=False)


def test_other_words_are_looked_at(tmp_path):
    body = f'<p id="words" style="{HOUSE}"> </p>'
    words = "words.textContent = ms >= 500 ? 'text' : ' '"
    script = f"requestAnimationFrame(function tick(ms) {{ {words}; requestAnimationFrame(tick) }})"
    assert "HouseFont-Regular" not in faces(tmp_path, body, script=script, frames=(1, 5), always=False)
    assert "HouseFont-Regular" in faces(tmp_path, body, script=script, frames=(1, 5, 20), always=False)


@pytest.fixture
def looks(monkeypatch):
    """The looks at text that planning takes, in order."""
    taken: list[str] = []
    ask = Typefaces._ask

    async def note(self, expression):
        if "fresh" in expression:
            taken.append(expression)
        await ask(self, expression)

    monkeypatch.setattr(Typefaces, "_ask", note)
    return taken


@pytest.mark.parametrize(
    "motion",
    sampled(
        [
            "box.style.transform = `rotate(${ms}deg)`; box.style.opacity = ms / 1000",
            "box.style.backgroundColor = `rgb(${Math.round(ms / 10)} 0 0)`",
            "line.setAttribute('x2', ms)",
            "if (!window.was) window.was = box.animate([{ fontSize: '9px' }, { fontSize: '20px' }], 1000)",
            "line.setAttribute('data-svg-origin', ms)",  # as GSAP does
            "if (!window.was) window.was = box.animate([{ fontWeight: 400 }, { fontWeight: 401 }], 1)",  # it is over soon
        ],
        one_of=2,
    ),
)
def test_motion_asks_for_no_look_at_the_text(motion, tmp_path, looks):
    script = f"requestAnimationFrame(function tick(ms) {{ {motion}; requestAnimationFrame(tick); }});"
    body = '<p id="box" style="font-family:Inter;opacity:0">text</p><svg><line id="line" x2="5"/></svg>'
    uses(tmp_path, body, script=script, frames=(1, 2, 3, 4), always=False)
    assert len(looks) <= 2  # at the start, and when the motion begins


@pytest.mark.parametrize(
    ("motion", "count"),
    sampled(
        [
            ("box.animate([{ fontWeight: 400 }, { fontWeight: 900 }], 9000)", 5),
            ("box.animate([{ fontWeight: 400 }, { fontWeight: 900 }], { duration: 20, fill: 'forwards' })", 5),
            (
                "box.animate([{ fontWeight: 400 }, { fontWeight: 900 }], { duration: 9000, timeline: new ScrollTimeline() })",
                5,
            ),
            ("box.animate([{ opacity: 0 }, { opacity: 1 }], 9000)", 1),
        ],
        one_of=2,
    ),
)
def test_animated_text_is_looked_at_in_each_frame(motion, count, tmp_path, looks):
    move = "requestAnimationFrame(function tick(ms) { box.style.left = `${ms}px`; requestAnimationFrame(tick) })"
    body = '<p id="box" style="font-family:Inter">text</p>'
    uses(tmp_path, body, script=f"{motion}; {move}", frames=(1, 2, 3, 4), always=False)
    assert len(looks) == count


def test_text_that_does_not_show_asks_for_no_font(tmp_path):
    hidden = f'<p style="{HOUSE};display:none">text</p><div style="display:none"><b style="{HOUSE}">text</b></div>'
    assert faces(tmp_path, f'{hidden}<p style="font-family:Inter">text</p><p style="{HOUSE}"> </p>') == {
        "Inter-Regular"
    }


def test_a_second_look_asks_for_new_letters_and_words_only(tmp_path, monkeypatch):
    asked: list[str] = []
    send = PageSession.send

    async def count(self, method, parameters=None):
        asked.append(method)
        return await send(self, method, parameters)

    monkeypatch.setattr(PageSession, "send", count)
    body = '<p style="font-family:Inter">one two</p>' * 30 + '<p style="font-family:Inter">townee</p>'
    uses(tmp_path, body, frames=(1, 2, 3, 4))
    # One element for the letters, and one for the line that they are set in.
    assert asked.count("CSS.getPlatformFontsForNode") == 2


def test_uses_name_the_element_and_what_it_asks_for(tmp_path):
    body = f'<h1 id="title" class="big bold" style="{HOUSE}, serif">A title</h1>'
    [use] = {(use.element, use.families) for use in uses(tmp_path, body)}
    assert use == ('<h1#title.big.bold> "A title"', '"House Font", serif')
