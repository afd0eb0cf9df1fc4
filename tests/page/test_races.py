"""Nothing is decided by which answer came first: pages that a browser would draw as its files happened to come.

Files come late, and in another order each time, from a server that waits before it answers.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from font_samples import build_font
from late_files import by_name
from page_samples import BLACK, BLUE, GREEN, RED, composition, open_html, svg
from slow import sampled

pytestmark = pytest.mark.browser


@pytest.fixture
def face(tmp_path: Path) -> bytes:
    """Letters as wide as high, which no other font has here."""
    return build_font(tmp_path / "font" / "wide.ttf", "Wide", width=1000).read_bytes()


WIDE = "document.getElementById('x').offsetWidth"


def text(declaration: str, script: str = "") -> str:
    style = f"{declaration} #x {{ font: 10px Wide; position: absolute; color: #fff }}"
    return composition('<span id="x">iiii</span>', script, style=style)


DISPLAYS = ["auto", "block", "swap", "fallback", "optional"]
PLACES = ["style", "link", "import", "media", "layer"]


# Each place with the most impatient face, and each kind of face in one place, on every run; all pairs in `make test-all`.
@pytest.mark.sample("optional-layer")
@pytest.mark.parametrize(
    ("display", "place"),
    sampled(
        [
            pytest.param(display, place, marks=[] if display == "optional" or place == "style" else pytest.mark.slow)
            for display in DISPLAYS
            for place in PLACES
        ],
        one_of=6,
    ),
)
def test_a_declared_face_draws_its_text_however_late_it_comes(display, place, face, late, tmp_path):
    late(by_name(wide=0.5))
    rule = f"@font-face {{ font-family: Wide; src: url(wide.ttf); font-display: {display} }}"
    inside = {"media": f"@media (min-width: 1px) {{ {rule} }}", "layer": f"@layer a {{ {rule} }}"}.get(place, rule)
    sheets = {"link": "", "import": "@import 'face.css';"}
    html = text(sheets.get(place, inside))
    if place == "link":
        html = html.replace("<style>", '<link rel="stylesheet" href="face.css"><style>', 1)
    if place == "import":
        html = html.replace(
            "<style>body{background:#000}@import 'face.css';", "<style>@import 'face.css';body{background:#000}"
        )
    with open_html(tmp_path, html, {"wide.ttf": face, "face.css": rule}) as page:
        assert page.value(WIDE) == 40


@pytest.mark.sample("inserted rule-optional")
@pytest.mark.parametrize("display", [pytest.param("fallback", marks=pytest.mark.slow), "optional"])
@pytest.mark.parametrize(
    "script",
    sampled(
        [
            "document.fonts.add(new FontFace('Wide', 'url(wide.ttf)', {display: '%s'}))",
            "const f = new FontFace('Wide', 'url(wide.ttf)'); f.display = '%s'; document.fonts.add(f); f.load()",
            "const f = new FontFace('Wide', 'url(wide.ttf)', {display: '%s'}); f.load().then(() => document.fonts.add(f))",
            "const s = document.createElement('style'); document.head.append(s); s.sheet.insertRule("
            "'@font-face { font-family: Wide; src: url(wide.ttf); font-display: %s }')",
            "const s = new CSSStyleSheet(); document.adoptedStyleSheets = [s]; s.replaceSync("
            "'@font-face { font-family: Wide; src: url(wide.ttf); font-display: %s }')",
        ]
    ),
    ids=["added", "changed", "loaded first", "inserted rule", "adopted sheet"],
)
def test_a_face_that_a_script_makes_draws_its_text(display, script, face, late, tmp_path):
    late(by_name(wide=0.5))
    with open_html(tmp_path, text("", script % display), {"wide.ttf": face}) as page:
        assert page.value(WIDE) == 40


@pytest.mark.parametrize(
    "make",
    [
        "document.head.append(Object.assign(document.createElement('style'), {textContent: RULE}))",
        "document.fonts.add(new FontFace('Wide', 'url(wide.ttf)', {display: 'optional'}))",
        "document.styleSheets[0].insertRule(RULE)",
    ],
)
def test_a_face_that_a_frame_brings_is_there_in_that_frame(make, face, late, tmp_path):
    late(by_name(wide=0.4))
    script = f"""const RULE = '@font-face {{ font-family: Wide; src: url(wide.ttf); font-display: optional }}'; let made = false;
      requestAnimationFrame(function f(t) {{ if (t >= 500 && !made) {{ made = true; {make} }} requestAnimationFrame(f) }})"""
    with open_html(tmp_path, text("", script), {"wide.ttf": face}) as page:
        assert page.at(14, WIDE) != 40
        assert page.pixel(15, 39, 5) == (255, 255, 255)  # the right end of the fourth letter
        assert page.value(WIDE) == 40


def picture(attributes: str, before: str = "") -> str:
    """An image that two others compete with, whose files the browser has in its memory."""
    other = '<img src="blue.svg" style="left:100px"><link rel="preload" as="image" href="green.svg">'
    return f'{before}<img id="x" {attributes} width="64" height="64">{other}'


STYLE = "img { position: absolute; left: 0; top: 0 }"
FILES = {f"{name}.svg": svg(name) for name in ("red", "green", "blue")}
W = "red.svg 320w, green.svg 640w, blue.svg 1280w"


SRCSETS = {
    f'srcset="{W}" sizes="64px"': RED,
    f'srcset="{W}" sizes="320px"': RED,
    f'srcset="{W}" sizes="321px"': (0, 128, 0),
    f'srcset="{W}" sizes="9000px"': BLUE,
    f'srcset="{W}" sizes="(min-width: 1000px) 9000px, 500px"': (0, 128, 0),
    f'srcset="{W}" sizes="(max-width: 1000px) calc(2 * (300px + 1px)), 9000px"': (0, 128, 0),
    f'srcset="{W}" sizes="(width < 10px) or (height < 10px) 9000px, min(30em, 400px)"': (0, 128, 0),
    f'srcset="{W}" sizes="1000vw"': (0, 128, 0),
    f'srcset="{W}"': RED,
    f'srcset="{W}" sizes="60%, 10px"': RED,
    'src="red.svg" srcset="green.svg 2x, blue.svg 3x"': RED,
    'srcset="blue.svg 3x,green.svg 1.5x"': (0, 128, 0),
    'srcset="red.svg, blue.svg 2x" src="green.svg"': RED,
    'srcset="green.svg 0.5x, red.svg 0.9x"': RED,
    f'srcset="{W}" sizes="auto" loading="lazy"': RED,
    f'srcset="{W}" sizes="auto, 9000px" loading="lazy" style="width:400px;height:400px"': (0, 128, 0),
}


@pytest.mark.parametrize("delays", [by_name(red=0.2), by_name(blue=0.2, green=0.2)], ids=["red", "blue and green"])
def test_a_srcset_is_the_same_choice_whatever_the_browser_has(delays, late, tmp_path):
    late(delays)
    places = [(x, y) for y in range(0, 64, 16) for x in range(0, 64, 16)]
    body = "".join(
        f'<div style="left:{x}px;top:{y}px"><img width="64" height="64" {attributes}></div>'
        for (x, y), attributes in zip(places, SRCSETS, strict=True)
    )
    style = f"{STYLE} #root > div {{ position: absolute; width: 16px; height: 16px; overflow: hidden }}"
    with open_html(tmp_path, composition(picture('src="red.svg"') + body, style=style), FILES) as page:
        seen = [tuple(page.pixels(0)[y + 8, x + 8]) for x, y in places]
    assert dict(zip(SRCSETS, seen, strict=True)) == SRCSETS


def test_a_picture_has_the_same_source_whatever_the_browser_has(late, tmp_path):
    sources = f'<picture><source media="(min-width: 9000px)" srcset="blue.svg"><source srcset="{W}" sizes="400px">'
    body = picture('src="red.svg"', sources).replace("<img src", "</picture><img src", 1)
    for delays in (by_name(red=0.2), by_name(blue=0.2, green=0.2)):
        late(delays)
        with open_html(tmp_path, composition(body, style=STYLE), FILES) as page:
            assert page.pixel(0) == (0, 128, 0)


def test_a_srcset_that_a_frame_brings_or_changes_is_the_same_choice(tmp_path):
    script = f"""requestAnimationFrame(function f(t) {{ requestAnimationFrame(f);
      if (t >= 200 && !x.srcset) x.srcset = "{W}"; if (t >= 500) x.sizes = '400px' }})"""
    body = picture('src="red.svg" sizes="64px"')
    with open_html(tmp_path, composition(body, script, style=STYLE), FILES) as page:
        assert page.pixel(10) == RED
        assert page.pixel(20) == (0, 128, 0)


def test_image_set_is_the_same_choice(late, tmp_path):
    choice = "image-set(url(green.svg) 2x, url(red.svg) 1x, url(blue.svg) 3x)"
    style = f"{STYLE} #x {{ position: absolute; inset: 0; background: {choice} }}"
    for delays in (by_name(red=0.2), by_name(green=0.2)):
        late(delays)
        with open_html(tmp_path, composition(picture("").replace("<img id", "<div id"), style=style), FILES) as page:
            assert page.pixel(0) == RED


def test_nothing_is_lazy(late, tmp_path):
    late(lambda path: 0.3 if path != "index.html" else 0)
    body = """<div style="position:absolute;top:9000px"><img id="a" loading="lazy" src="red.svg"></div>
      <iframe id="b" loading="lazy" src="inner.html" style="position:absolute;top:9000px"></iframe>"""
    script = """requestAnimationFrame(function f(t) { requestAnimationFrame(f); if (t < 500 || window.c) return;
      window.c = document.createElement('img'); c.loading = 'lazy'; c.src = 'green.svg';
      const box = Object.assign(document.createElement('div'), {style: 'position:absolute;top:9000px'}); box.append(c); root.append(box) })"""
    files = {**FILES, "inner.html": "<body style='background:#00f'>x"}
    with open_html(tmp_path, composition(body, script), files) as page:
        assert page.value("[a.complete, a.naturalWidth, b.contentDocument.body.textContent]") == [True, 64, "x"]
        assert page.at(15, "[c.complete, c.naturalWidth]") == [True, 64]


BOX_STYLE = "#x { position: absolute; inset: 0 }"


# That the second answer comes last needs no help, so that is tested in `make test-all`.
@pytest.mark.parametrize("slow", ["red", pytest.param("green", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "script",
    sampled(
        [
            "Promise.race([fetch('red.json'), fetch('green.json')]).then(r => r.json()).then(show)",
            "Promise.race(['red.json', 'green.json'].map(u => fetch(u).then(r => r.json()))).then(show)",
            "Promise.any(['red.json', 'green.json'].map(async u => (await fetch(u)).text())).then(JSON.parse).then(show)",
            "let first; for (const u of ['red.json', 'green.json']) fetch(u).then(r => r.json()).then(c => show(first ??= c))",
            "let first; for (const c of ['red', 'green']) { const i = new Image(); i.src = c + '.svg'; i.decode().then(() => show(first ??= c)) }",
            "let first; for (const c of ['red', 'green']) fetch(c + '.svg').then(r => r.blob()).then(createImageBitmap)"
            ".catch(() => {}).then(() => show(first ??= c))",
            "let first; for (const c of ['red', 'green']) { const s = document.createElement('script'); s.src = c + '.js';"
            "window.say = c => show(first ??= c); document.head.append(s) }",
            "let first; for (const c of ['red', 'green']) new FontFace('F', `url(${c}.ttf)`).load().then(() => show(first ??= c))",
        ]
    ),
    ids=["fetch", "json", "any", "first drawn", "decode", "bitmap", "scripts", "faces"],
)
def test_the_first_answer_is_that_of_the_first_question(script, slow, face, late, tmp_path):
    late(by_name(**{slow: 0.3}))
    show = "window.show = colour => { x.style.background = colour };"
    files: dict[str, str | bytes] = dict(FILES)
    for colour, name in (("#f00", "red"), ("#0f0", "green")):
        files |= {f"{name}.json": f'"{colour}"', f"{name}.js": f"say('{colour}')", f"{name}.ttf": face}
    with open_html(tmp_path, composition('<div id="x"></div>', show + script, style=BOX_STYLE), files) as page:
        assert page.pixel(0) == RED


@pytest.mark.slow
def test_a_page_is_not_ready_before_what_it_asked_for(late, tmp_path):
    late(by_name(red=0.3))
    scripts = {
        "decoded": "const i = new Image(); i.src = 'red.svg'; i.decode().then(() => x.append(i))",
        "worker": """const w = new Worker(URL.createObjectURL(new Blob(['onmessage = e => {'
          + 'const end = Date.now() + 400; while (Date.now() < end); postMessage(e.data) }'])));
          w.onmessage = e => { x.style.background = e.data }; w.postMessage('#f00')""",
        "preloaded sheet": """document.head.insertAdjacentHTML('beforeend',
          `<link rel="preload" as="style" href="red.css" onload="this.rel = 'stylesheet'">`)""",
        "printed sheet": """document.head.insertAdjacentHTML('beforeend',
          `<link rel="stylesheet" media="print" href="red.css" onload="this.media = 'all'">`)""",
    }
    files = {**FILES, "red.css": "#x { background: url(red.svg) }"}
    for name, script in scripts.items():
        with open_html(tmp_path, composition('<div id="x"></div>', script, style=BOX_STYLE + STYLE), files) as page:
            assert page.pixel(0) == RED, name
            assert page.loaded.abandoned == []


def test_what_a_frame_asks_for_is_in_that_frame(late, tmp_path):
    late(by_name(green=0.2))
    script = """let asked = false; requestAnimationFrame(function f(t) { requestAnimationFrame(f); if (t < 500 || asked) return;
      asked = true; fetch('green.json').then(r => r.json()).then(c => { x.style.background = c }) })"""
    with open_html(
        tmp_path, composition('<div id="x"></div>', script, style=BOX_STYLE), {"green.json": '"#0f0"'}
    ) as page:
        assert page.pixel(14) == BLACK
        assert page.pixel(15) == GREEN


def test_a_page_that_always_asks_for_more_goes_on(tmp_path):
    script = """let n = 0; const more = () => fetch('a.json').then(r => r.text()).then(() => { if (++n < 1000) return more() });
      requestAnimationFrame(() => requestAnimationFrame(() => more()))"""
    with open_html(tmp_path, composition("", script), {"a.json": "1"}) as page:
        page.seek(1)
        assert 1 < page.value("n") < 1000


def test_races_that_stay_are_told_of(tmp_path):
    head = '<script async src="a.js"></script>'
    work = "new Worker(URL.createObjectURL(new Blob(['onmessage = () => postMessage(1)']))).postMessage(1);"
    with open_html(tmp_path, composition("", work * 2, head=head), {"a.js": ""}) as page:
        warnings = page.report()["warnings"]
    assert ["async script" in warnings[0], "several workers" in warnings[1]] == [True, True]
    with open_html(tmp_path, composition("", work, head=head.replace("async", "defer")), {"a.js": ""}) as page:
        assert page.report()["warnings"] == []


@pytest.mark.parametrize(
    ("body", "script", "said"),
    [
        ('<img data-color-grading="warm">', "", "data-color-grading has no effect here"),
        ("", "window.HyperShader = { init() {} }", "shader transitions of HyperShader are not drawn"),
        ("<marquee>text</marquee>", "", "moves by the real clock"),
        ("<progress></progress>", "", "moves by the real clock"),
        (
            "",
            "const heard = new AudioContext().createAnalyser(); heard.getByteFrequencyData(new Uint8Array(8))",
            "an AnalyserNode has no sound in a render",
        ),
        (
            "<style>@keyframes k { to { fill: red } } rect { animation: k 1s }</style>"
            '<svg><g id="it"><rect width="9" height="9"/></g><use href="#it" y="20"/></svg>',
            "",
            'animations in a <use> of <g "it"> run by the real clock',
        ),
    ],
)
def test_what_is_not_drawn_or_driven_is_told(body, script, said, tmp_path):
    with open_html(tmp_path, composition(body, script)) as page:
        [warning] = page.report()["warnings"]
    assert said in warning
    computed = "new OfflineAudioContext(1, 9, 8000).createAnalyser().getFloatFrequencyData(new Float32Array(8))"
    with open_html(tmp_path, composition('<progress value="0.5"></progress>', computed)) as page:
        assert page.report()["warnings"] == []


RACY = """<img srcset="red.svg 320w, blue.svg 640w" sizes="30px" width="16" height="16">
  <img src="blue.svg" loading="lazy" width="16" height="16"><span id="x">ii</span><div id="list"></div>
  <iframe loading="lazy" src="inner.html" width="16" height="16"></iframe>
  <link rel="preload" as="style" href="late.css" onload="this.rel='stylesheet'">"""
RACY_STYLE = """@font-face { font-family: Wide; src: url(wide.ttf); font-display: optional }
  #x { font: 8px Wide; color: #fff } #list i { display: inline-block; width: 4px; height: 4px }"""
RACY_SCRIPT = """const add = c => { list.append(Object.assign(document.createElement('i'), {style: `background:${c}`})) };
  for (const c of ['red', 'blue', 'green']) fetch(c + '.svg').then(r => r.text()).then(t => add(t.match(/fill="(\\w+)/)[1]));
  Promise.race(['blue', 'red'].map(c => { const i = new Image(); i.src = c + '.svg'; return i.decode().then(() => c) })).then(add);
  let made = false;
  requestAnimationFrame(function f(t) { requestAnimationFrame(f); if (t < 250 || made) return; made = true;
    document.fonts.add(new FontFace('Late', 'url(late.ttf)', {display: 'optional'})); x.style.fontFamily = 'Late';
    fetch('green.svg').then(() => add('white')) })"""


@pytest.mark.slow
def test_a_page_of_races_is_the_same_ten_times_in_chunks(face, late, tmp_path):
    narrow = build_font(tmp_path / "late.ttf", "Late", width=300).read_bytes()
    files = {**FILES, "wide.ttf": face, "late.ttf": narrow, "inner.html": "<body style='background:#0f0'>"}
    files["late.css"] = "#x { background: url(blue.svg) }"
    html = composition(RACY, RACY_SCRIPT, style=RACY_STYLE)
    with open_html(tmp_path, html, files) as page:
        whole = page.digests(0, 14)
    assert len(set(whole)) == 2
    for run in range(10):
        chance = random.Random(run)
        late(lambda path, chance=chance: chance.random() * 0.25 if path != "index.html" else 0)
        with open_html(tmp_path, html, files) as page:
            start = run % 2 * 7
            assert page.digests(start, start + 7) == whole[start : start + 7]
