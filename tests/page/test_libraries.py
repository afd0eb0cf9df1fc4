"""Animation libraries as npm has them: each composition in `tests/compositions` shows what its library says for a time.

`test_invariance.py` and `test_determinism.py` prove that any chunking gives the same pictures.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from page_samples import BLUE, GREEN, RED, SOON, WHITE, Page, composition, open_files, open_html, svg
from samples import COMPOSITIONS
from slow import sampled

from hfdask.browser import browser_thread, loading
from hfdask.errors import ScriptError
from hfdask.project.files import Project

pytestmark = pytest.mark.browser

X = "new DOMMatrix(getComputedStyle(document.getElementById('{}')).transform).e"


@contextlib.contextmanager
def opened(name: str) -> Iterator[Page]:
    project = Project.find(COMPOSITIONS / name, "index.html")
    with open_files(dict(project.files()), width=320, height=180) as page:
        yield page
        assert page.session.site.misses == [], "`make setup` fetches the libraries with npm"


def library(name: str, file: str) -> bytes:
    return (COMPOSITIONS / name / "vendor" / file).read_bytes()


def xs(page: Page, frame: int, *names: str) -> list[float]:
    return [float(value) for value in page.at(frame, "[" + ",".join(X.format(name) for name in names) + "]")]


def lit(page: Page, frame: int, y: int, colour: tuple[int, int, int]) -> list[int]:
    """Columns of a row that have this colour."""
    return [x for x, pixel in enumerate(page.pixels(frame)[y]) if tuple(pixel) == colour]


def near(*values: float) -> object:
    return pytest.approx(list(values), abs=0.02)


def test_gsap_timelines_and_plugins() -> None:
    with opened("gsap") as page:
        assert page.at(0, "getComputedStyle(tween).backgroundColor") == "rgb(255, 0, 0)"
        for frame, tween, nested, path in ((6, 88.6, 0, 20), (15, 240.7, 50, 50), (24, 292.7, 80, 80), (0, 0, 0, 0)):
            assert xs(page, frame, "nested") == near(nested)
            assert xs(page, frame, "tween", "path") == pytest.approx([tween, path], abs=0.5)  # both sample their curves
        assert [page.at(frame, "text.textContent") for frame in (0, 15, 27)] == ["", "abcde", "abcdefghi"]
        assert page.at(15, "[...split.children].map(c => +c.style.opacity)")[0] == 1
        assert page.at(3, "[...split.children].map(c => +c.style.opacity)") == [0] * page.value("split.children.length")


def test_shader_transitions() -> None:
    with opened("shader_transition") as page:
        dark, mixed, bright = ((page.pixels(frame)[..., 0] > 128).mean() for frame in (6, 16, 25))
        assert dark < 0.05
        assert 0.3 < mixed < 0.8 < bright
        assert browser_thread().run(page.session.unfit(), 20) == ("a shader transition (<html>)",)
        assert page.value("'layoutSubtree' in HTMLCanvasElement.prototype")


def test_copies_of_canvases_in_a_transition_by_a_shader_have_their_pictures(tmp_path: Path) -> None:
    files = {name: library("shader_transition", name) for name in ("gsap.min.js", "index.global.js")}
    body = """<div id="first" class="scene"><canvas id="drawn" width="20" height="20" style="position:absolute;left:30px;top:30px"></canvas>
      <canvas width="0"></canvas></div><div id="second" class="scene"></div>"""
    script = """const pen = drawn.getContext("2d"); pen.fillStyle = "#0f0"; pen.fillRect(0, 0, 20, 20);
      HyperShader.init({ bgColor: "#000", scenes: ["first", "second"],
        transitions: [{ time: 0.1, shader: "flash-through-white", duration: 7 }] })"""
    head = "".join(f"<script src={name}></script>" for name in files)
    with open_html(
        tmp_path, composition(body, script, head=head, style=".scene{position:absolute;inset:0}"), files
    ) as page:
        for frame in (0, 3, 5):
            red, green, _ = page.pixels(frame)[40, 40]
            assert red < 60
            assert green > 240
            assert page.pixels(frame)[20, 20].max() < 60
        assert page.session.log.messages == []


@pytest.mark.parametrize("mode", ["canvas", "screenshot"])
def test_shader_transitions_without_the_drawing_of_elements_are_cuts(mode: str) -> None:
    project = Project.find(COMPOSITIONS / "shader_transition", "index.html")
    with open_files(dict(project.files()), width=320, height=180, capture_mode=mode) as page:
        shares = [(page.pixels(frame)[..., 0] > 128).mean() for frame in (6, 16, 25)]
        assert [share > 0.9 for share in shares] == [False, True, True]
        told = browser_thread().run(page.session.report(), 20).warnings
        assert "shader transitions of HyperShader are not drawn: scenes change without one" in told


def test_gsap_eases_that_are_always_there() -> None:
    with opened("gsap") as page:
        assert [xs(page, frame, "hold") for frame in (8, 22, 23, 29)] == [[0], [0], [100], [100]]
        assert [xs(page, frame, "custom")[0] for frame in (0, 9, 24)] == near(0, 30, 80)
        assert xs(page, 0, "spring", "wiggle") == [0, 0]
        spring, wiggle = zip(*(xs(page, frame, "spring", "wiggle") for frame in range(30)), strict=True)
        assert max(spring) > 110
        assert spring[-1] == pytest.approx(100, abs=2)
        assert min(wiggle) < -30 < 30 < max(wiggle)
        assert wiggle[-1] == pytest.approx(0, abs=5)
        ends = "['hold', 'spring', 'wiggle', 'custom'].map(name => gsap.parseEase(name)(1))"
        assert page.value(ends) == near(1, 1, 0, 1)


def test_gsap_as_a_module_is_set_up_too(tmp_path: Path) -> None:
    script = """import gsap from './index.js';
      const tl = gsap.timeline({paused: true}).to('#x', {x: 100, duration: 1, ease: 'hold', _auto: 1})
        .to('#x', {x: 0, duration: 0.5, ease: 'none'});
      window.__timelines.main = tl; window.tweened = gsap; window.own = 'gsap' in {};"""
    html = composition('<i id="x"></i>', root='data-duration="2"')
    html = html.replace("<script></script>", f'<script type="module">{script}</script>')
    files = {name: library("gsap", name) for name in ("index.js", "gsap-core.js", "CSSPlugin.js")}
    with open_html(tmp_path, html, files) as page:
        assert [xs(page, frame, "x") for frame in (29, 30, 36)] == [[0], [100], near(60)]
        assert page.value("[x.style.transform, typeof window.gsap, own]") == [
            "translate(60px, 0px)",
            "undefined",
            False,
        ]


def test_animejs_3_registered_running_and_looping() -> None:
    with opened("anime3") as page:
        names = ("line", "free", "loop", "swing")
        assert xs(page, 6, *names) == near(40, 60, 100, 100)
        assert xs(page, 18, *names) == near(140, 180, 100, 100)
        assert xs(page, 15, *names) == near(100, 150, 50, 150)
        assert xs(page, 27, *names) == near(260, 240, 50, 50)


def test_animejs_4_registered() -> None:
    with opened("anime4") as page:
        for frame, line, swing in ((6, 40, 100), (15, 100, 150), (27, 260, 50), (6, 40, 100)):
            assert xs(page, frame, "line", "swing") == near(line, swing)
        assert page.at(15, "new DOMMatrix(getComputedStyle(spin).transform).a") == pytest.approx(-1, abs=1e-4)


def test_animejs_4_by_itself_keeps_its_own_pace(tmp_path: Path) -> None:
    """Its engine runs on the frames' clock, 12 ms ahead as everywhere, and from any frame on alike; but not backwards."""
    script = "anime.animate('#x', {x: 480, duration: 1600, ease: 'linear'})"
    html = composition('<i id="x"></i>', script, head='<script src="anime.js"></script>')
    files = {"anime.js": library("anime4", "anime.umd.min.js")}
    with open_html(tmp_path, html, files) as page:
        run = [xs(page, frame, "x")[0] for frame in range(30)]
        assert run[1:] == pytest.approx([0.3 * (frame / 0.03 + 12) for frame in range(1, 30)], abs=0.02)
    with open_html(tmp_path, html, files) as page:
        assert xs(page, 17, "x") == [run[17]]


ANIME = "anime.createTimeline({ autoplay: false, defaults: { ease: 'linear' } }).add('#NAME', { x: 300, duration: 1000 }, 500)"


@pytest.mark.parametrize(("version", "file"), [("anime4", "anime.umd.min.js"), ("anime3", "anime.min.js")])
def test_animejs_as_the_timelines_of_compositions(version: str, file: str, tmp_path: Path) -> None:
    made = (
        ANIME
        if version == "anime4"
        else "anime({ targets: '#NAME', translateX: 300, duration: 1000, easing: 'linear', delay: 500, autoplay: false })"
    )

    def of(name: str) -> str:
        return made.replace("NAME", name)

    scene = f"""<template><div data-composition-id="card"><i id="ID"></i>
      <script>const own = {of("ID")}; hyperframesAnime.register("card", own, {{ labels: {{ go: 0.5 }} }});
      (window.seen ??= []).push(hyperframesAnime.get("card").instance === own, window.hyperframesAnime.resolveLabel("card", "go"))</script></div></template>"""
    hosts = """<div data-composition-id="card" data-composition-src="a.html" data-start="0.5"></div>
      <div data-composition-id="card" data-composition-src="b.html" data-start="0" data-playback-rate="2"></div>"""
    script = f"hyperframesAnime.register('main', {of('x')}); hyperframesAnime.register('main', {of('y')})"
    html = composition(f'<i id="x"></i><i id="y"></i>{hosts}', script, root="", head=f'<script src="{file}"></script>')
    files = {name: scene.replace("ID", name[0]) for name in ("a.html", "b.html")} | {file: library(version, file)}
    with open_html(tmp_path, html, files) as page:
        for frame, main, late, fast in ((0, 0, 0, 0), (30, 150, 0, 300), (60, 300, 300, 300), (21, 60, 0, 270)):
            assert xs(page, frame, "x", "y", "a", "b") == near(main, main, late, fast)
        assert page.value("seen") == [True, 0.5, True, 0.5]
        assert page.value("hyperframesAnime.entries().length") == 4
        assert page.report()["duration"] == pytest.approx(2)


def test_animejs_beside_another_timeline_of_its_composition_follows_the_page(tmp_path: Path) -> None:
    script = f"""hyperframesAnime.register('main', {ANIME.replace("NAME", "x")});
      __timelines.main = {{ duration: () => 1, seek(time) {{ y.style.transform = `translateX(${{time}}px)` }} }}"""
    html = composition('<i id="x"></i><i id="y"></i>', script, head='<script src="anime.js"></script>')
    with open_html(tmp_path, html, {"anime.js": library("anime4", "anime.umd.min.js")}) as page:
        assert xs(page, 30, "x", "y") == near(150, 1)
        assert xs(page, 15, "x", "y") == near(0, 0.5)


def test_what_is_no_animation_of_animejs_is_named(tmp_path: Path) -> None:
    script = "hyperframesAnime.register('main', anything)"
    with (
        pytest.raises(ScriptError, match=r'hyperframesAnime.register\("main", ...\) needs an animation of anime.js'),
        open_html(tmp_path, composition("", f"const anything = {{}}; {script}")),
    ):
        pass


def middle(columns: list[int]) -> float:
    return (columns[0] + columns[-1] + 1) / 2


@pytest.mark.sample("3")
@pytest.mark.parametrize("frame", sampled([0, 12, 29, 3]))
def test_lottie_draws_its_frame_as_svg_and_on_a_canvas(frame: int) -> None:
    reached = 20 + 120 * frame / 30
    with opened("lottie") as page:
        red = lit(page, frame, 90, RED)
        halves = [x for x in red if x < 160], [x for x in red if x >= 160]
        assert [middle(half) for half in halves] == pytest.approx([reached, 160 + reached], abs=1)
        assert page.report()["adapters"] == ["lottie"]
        assert page.value("__hfLottie[0].isPaused") is True
    with opened("dotlottie") as page:
        assert middle(lit(page, frame, 90, RED)) == pytest.approx(80 + reached, abs=1)


def test_lottie_loops_by_time_alone(tmp_path: Path) -> None:
    script = """const made = loop => lottie.loadAnimation({container: document.createElement('div'), renderer: 'svg',
        loop, path: 'box.json'});
      const three = [made(true), made(1), made(false)];"""
    html = composition("", script, root='data-duration="4" data-no-timeline', head='<script src="lottie.js"></script>')
    files = {
        "lottie.js": library("lottie", "lottie.min.js"),
        "box.json": (COMPOSITIONS / "lottie" / "box.json").read_bytes(),
    }
    rounds = {15: (15, 15, 15), 45: (15, 15, 29), 75: (15, 29, 29), 100: (10, 29, 29)}
    with open_html(tmp_path, html, files) as page:
        for frame in (15, 45, 75, 100, 45, 75, 15):
            shown = page.at(frame, "three.map(animation => animation.currentRawFrame)")
            assert shown == pytest.approx(rounds[frame], abs=0.01)
        assert page.report()["duration"] == 4


# Calls of an author on a player (`a`) while the page loads; lottie-web's own steps give the expected frames.
LOTTIE_PLAYED = {
    "plain": "make()",
    "slow": "make().setSpeed(0.5)",
    "fast in a loop": "make({loop: true}).setSpeed(2)",
    "counted": "make({loop: 2})",
    "counted and fast": "make({loop: 3}).setSpeed(1.7)",
    "backwards from the end": "loaded({}, a => { a.setDirection(-1); a.goToAndPlay(29, true) })",
    "backwards from the start": "make().setDirection(-1)",
    "backwards in a loop": "make({loop: true}).setDirection(-1)",
    "backwards, counted": "loaded({loop: 2}, a => { a.setDirection(-1); a.goToAndPlay(20, true) })",
    "negative speed": "loaded({loop: true}, a => { a.setSpeed(-1.5); a.goToAndPlay(12, true) })",
    "from a time": "loaded({}, a => a.goToAndPlay(500))",
    "from a frame in a loop": "loaded({loop: true}, a => a.goToAndPlay(25, true))",
    "a segment once": "loaded({}, a => a.playSegments([10, 20], true))",
    "a segment in a loop": "loaded({loop: true}, a => a.playSegments([10, 20], true))",
    "a segment backwards": "loaded({loop: true}, a => a.playSegments([20, 10], true))",
    "segments in a row": "loaded({loop: true}, a => a.playSegments([[5, 10], [25, 15], [0, 8]], true))",
    "a segment after this round": "loaded({loop: true}, a => a.playSegments([10, 20], false))",
    "a segment at half speed": "loaded({}, a => { a.setSpeed(0.5); a.playSegments([20, 5], true) })",
    "an initial segment": "make({initialSegment: [5, 15], loop: true})",
    "set segment": "loaded({loop: true}, a => a.setSegment(5, 12))",
    "whole frames": "loaded({}, a => { a.setSubframe(false); a.setSpeed(0.3) })",
    "stopped": "loaded({}, a => a.goToAndStop(12, true))",
    "paused": "loaded({}, a => { a.goToAndPlay(7, true); a.pause() })",
    "played by hand": "loaded({autoplay: false, loop: true}, a => a.play())",
    "standing": "make().setSpeed(0)",
}
LOTTIE_SET_UP = """const make = (options, path = {path: 'box.json'}) => lottie.loadAnimation(
    {container: document.createElement('div'), renderer: 'svg', loop: false, ...path, ...options});
  const loaded = (options, then) => { const a = make(options); a.addEventListener('DOMLoaded', () => then(a)); return a };
  const shown = a => a.firstFrame + a.currentFrame;
  const STEPS = 40; // of lottie-web, in each frame of the video
  // What is shown at each frame, and a step before and after it: there a round may begin.
  function steps(a) {
    const seen = [shown(a)];
    for (let step = 0; step < 121 * STEPS; step++) { a.advanceTime(1000 / 30 / STEPS); seen.push(shown(a)); }
    return Array.from({length: 120}, (_, k) => [-1, 0, 1].map(by => seen[Math.max(0, k * STEPS + by)]));
  }
"""


def lottie_page(script: str) -> tuple[str, dict[str, str | bytes]]:
    html = composition("", LOTTIE_SET_UP + script, head='<script src="lottie.js"></script>')
    box_data = (COMPOSITIONS / "lottie" / "box.json").read_bytes()
    return html, {"lottie.js": library("lottie", "lottie.min.js"), "box.json": box_data}


def test_lottie_web_is_where_its_own_steps_would_have_brought_it(tmp_path: Path) -> None:
    made = [f"[() => {what}, {name!r}]" for name, what in LOTTIE_PLAYED.items()]
    script = f"""const players = [], truths = [];
      for (const [set, name] of [{",".join(made)}]) {{
        for (const list of [players, truths]) {{
          const before = new Set(lottie.getRegisteredAnimations());
          set();
          list.push(lottie.getRegisteredAnimations().find(a => !before.has(a)));
        }}
      }}
      let stepped = null;
      const stepAll = () => truths.map(a => {{ const seen = steps(a); a.destroy(); return seen }});
      setTimeout(function wait() {{
        if (truths.every(a => a.isLoaded)) setTimeout(() => stepped = stepAll(), 50); else setTimeout(wait, 10);
      }}, 10)"""
    html, files = lottie_page(script)
    with open_html(tmp_path, html, files) as page:
        stepped = dict(zip(LOTTIE_PLAYED, page.value("stepped"), strict=True))
        for frame in (0, 1, 7, 29, 30, 31, 45, 59, 60, 61, 90, 100, 119, 45, 7):
            shown = page.at(frame, "players.map(shown)")
            for name, place in zip(LOTTIE_PLAYED, shown, strict=True):
                assert min(abs(place - each) for each in stepped[name][frame]) < 0.05, (name, frame, place)


def test_lottie_plays_without_autoplay_unless_the_page_places_it(tmp_path: Path) -> None:
    script = """window.__hfLottie = [make({autoplay: false}), make({autoplay: false, loop: true})];
      __hfLottie[1].setSpeed(2); const found = make({autoplay: false});
      const placed = loaded({autoplay: false}, a => a.goToAndStop(12, true))"""
    html, files = lottie_page(script)
    with open_html(tmp_path, html, files) as page:
        for frame, frames in (
            (10, [10, 20, 10, 12]),
            (20, [20, 10, 20, 12]),
            (40, [29, 20, 29, 12]),
            (10, [10, 20, 10, 12]),
        ):
            assert page.at(frame, "[...__hfLottie, found, placed].map(shown)") == frames


def test_lottie_that_is_destroyed_is_not_waited_for(tmp_path: Path) -> None:
    script = """const gone = make(), last = make(); gone.destroy(); window.__hfLottie = [gone, last];
      const later = loaded({}, () => later.destroy())"""
    html, files = lottie_page(script)
    with open_html(tmp_path, html, files) as page:
        assert page.loaded.abandoned == []
        assert page.at(15, "shown(last)") == 15
        assert page.at(20, "[last.destroy(), __hfdask.report().adapters.length]")[1] == 0
        page.seek(21)


def test_lottie_in_segments_draws_these_frames(tmp_path: Path) -> None:
    script = "loaded({container: at, loop: true}, a => { a.setSpeed(0.5); a.playSegments([10, 20], true) })"
    html, files = lottie_page(script)
    html = html.replace("<script>", '<div id="at" style="position:absolute;inset:0"></div><script>', 1)
    html = html.replace("</head>", "<style>#at svg{display:block}</style></head>")
    with open_html(tmp_path, html, files, width=160, height=160) as page:
        for frame, place in ((0, 10), (10, 15), (19, 19.5), (20, 10), (30, 15), (10, 15)):
            assert middle(lit(page, frame, 80, RED)) == pytest.approx(20 + 120 * place / 30, abs=1)


@pytest.mark.slow
def test_lottie_plays_alike_from_any_frame_on(tmp_path: Path) -> None:
    played = [text for name, text in LOTTIE_PLAYED.items() if "segment" in name or "backwards" in name]
    boxes = "".join(f'<div id="p{i}"></div>' for i in range(len(played)))
    script = f"""const into = []; const load = lottie.loadAnimation;
      lottie.loadAnimation = options => load({{...options, container: document.getElementById('p' + into.length), ...into.push(0)}});
      {";".join(played)}"""
    html, files = lottie_page(script)
    html = html.replace("<script>", f'<div style="position:absolute;inset:0">{boxes}</div><script>', 1)
    html = html.replace("</head>", "<style>[id^=p]{width:64px;height:5px}</style></head>")
    with open_html(tmp_path, html, files) as page:
        whole = page.digests(0, 42)
    assert len(set(whole)) > 30
    for start in (7, 28, 35):
        with open_html(tmp_path, html, files) as page:
            assert page.digests(start, start + 7) == whole[start : start + 7]


def test_lottie_that_calls_back_is_told_of(tmp_path: Path) -> None:
    for played, words in (
        ("make()", []),
        ("make({autoplay: false}).addEventListener('data_ready', () => {})", []),
        ("make().addEventListener('complete', () => {})", ["calls a script when a round ends"]),
        ("make().onLoopComplete = () => {}", ["calls a script when a round ends"]),
    ):
        html, files = lottie_page(played)
        with open_html(tmp_path, html, files) as page:
            warnings = page.report()["warnings"]
        assert len(warnings) == len(words)
        assert all(word in text for word, text in zip(words, warnings, strict=True))


@pytest.mark.parametrize(
    ("played", "seconds"),
    sampled(
        [
            ("make()", 1),
            ("make().setSpeed(0.5)", 2),
            ("make({loop: 2}).setSpeed(2)", 1.5),
            ("make({loop: true}).setSpeed(0.25)", 4),
            ("loaded({}, a => a.playSegments([[0, 30], [30, 0]], true))", 2),
        ]
    ),
)
def test_a_video_is_as_long_as_lottie_plays(played: str, seconds: float, tmp_path: Path) -> None:
    html, files = lottie_page(played)
    html = html.replace('data-duration="2"', "")
    with open_html(tmp_path, html, files) as page:
        assert page.report()["duration"] == pytest.approx(seconds, abs=0.001)


def test_lottie_without_its_data_is_an_error(tmp_path: Path) -> None:
    script = "lottie.loadAnimation({container: root, renderer: 'svg', path: 'gone.json'})"
    html = composition("", script, head='<script src="lottie.js"></script>')
    with (
        pytest.raises(ScriptError, match=r"(?s)Lottie animation has no data.*gone"),
        open_html(tmp_path, html, {"lottie.js": library("lottie", "lottie.min.js")}, page_errors="raise") as page,
    ):
        page.seek(0)


def test_three_draws_on_hf_seek_with_its_textures_there() -> None:
    with opened("three") as page:
        for frame in (0, 10, 25, 10):
            left = round(240 * frame / 30)
            green = lit(page, frame, 30, GREEN)
            assert (green[0], green[-1]) == pytest.approx((left, left + 39), abs=1)


def test_three_loads_with_its_default_manager(tmp_path: Path) -> None:
    """A loader that continues after its file has arrived, as for models, is waited for; its module is not on window."""
    script = """import * as THREE from 'three'; const manager = THREE.DefaultLoadingManager; const log = window.log = [];
      manager.onStart = () => log.push('start'); manager.onLoad = () => log.push('load');
      manager.itemStart('model');
      fetch('model.bin').then(() => {
        const {port1, port2} = new MessageChannel(); let left = 20000; port1.start();
        port1.addEventListener('message', () => {
          if (left--) port2.postMessage(0); else { window.loaded = true; manager.itemEnd('model') } });
        port2.postMessage(0);
      });"""
    head = """<script type="importmap">{"imports": {"three": "./three.module.js"}}</script>"""
    names = ("three.module.js", "three.core.js")
    files = {**{name: library("three", name) for name in names}, "model.bin": b"0"}
    html = composition("", head=head).replace("<script></script>", f'<script type="module">{script}</script>')
    with open_html(tmp_path, html, files) as page:
        assert page.value("[window.loaded, log]") == [True, ["start", "load"]]


def test_d3_transitions_with_and_without_delays() -> None:
    with opened("d3") as page:
        widths = "[...document.querySelectorAll('rect')].map(bar => bar.width.baseVal.value)"
        for frame in (3, 9, 29):
            ms = frame / 30 * 1000
            grown = [4 * size * max(0, ms - 120 * i) / 2000 for i, size in enumerate((100, 200, 300))]
            assert page.at(frame, widths) == pytest.approx(grown, abs=0.01)
            assert float(page.at(frame, "document.querySelector('text').textContent")) == pytest.approx(
                ms / 1000, abs=1e-3
            )


def test_d3_transitions_that_take_no_time_end_before_the_first_frame(tmp_path: Path) -> None:
    script = """const bar = d3.select('#root').append('i');
      const quick = bar.transition().duration(0).style('width', '9px');
      const slow = d3.select('#root').append('b').transition().duration(90_000).style('width', '9px');
      let ended = 0; quick.end().then(() => ended++);
      window.__hfD3 = [quick, slow];"""
    html = composition("", script, head='<script src="d3.js"></script>')
    with open_html(tmp_path, html, {"d3.js": library("d3", "d3.min.js")}) as page:
        assert page.value("[ended, document.querySelector('i').style.width]") == [1, "9px"]
        assert page.seconds < SOON
        assert page.loaded.abandoned == []


def test_leaflet_has_its_tiles_and_moves() -> None:
    with opened("leaflet") as page:
        assert page.value("[...document.images].every(tile => tile.complete && tile.naturalWidth)") is True
        for frame in (0, 15, 29):
            picture = page.pixels(frame)
            # The circle is drawn on the map and stays in its middle, while the tiles under it move away to the left.
            shift = round(100 * frame / 30)
            assert tuple(picture[80 - round(shift * 0.3), 160]) == RED
            edges = [x for x in range(1, 320) if (tuple(picture[170, x]) != tuple(picture[170, x - 1]))]
            assert (160 + 128 - shift) in [edge + d for edge in edges for d in (-1, 0, 1)]


def test_maplibre_is_drawn_with_all_of_its_tiles() -> None:
    with opened("maplibre") as page:
        for frame in (0, 15, 29):
            time = frame / 30
            scale = 512 * 2 ** (2 + time) / 360
            centre, half = 160 - 5 * time * scale, 5 * scale
            green = lit(page, frame, 90, GREEN)
            assert (green[0], green[-1]) == pytest.approx((centre - half, centre + half - 1), abs=1.5)
            assert lit(page, frame, 90, BLUE) == [x for x in range(320) if x not in green]
        assert page.value("map.loaded()") is True


def test_maps_by_the_events_of_their_makers(tmp_path: Path) -> None:
    """Mapbox and Google Maps need accounts and a network: these objects only have their events."""
    script = """let loaded = false, told = false;
      window.__hfMapbox = [{once(name, done) { if (name === 'load') setTimeout(() => { loaded = true; done() }, 1300) },
                            areTilesLoaded: () => loaded}];
      window.__hfGoogleMaps = [{addListener(name, done) { setTimeout(() => { told = name; done() }, 1200) }}];"""
    with open_html(tmp_path, composition("", script)) as page:
        assert page.value("[loaded, told]") == [True, "tilesloaded"]
        report = page.report()
        assert report["adapters"] == ["maps"]
        assert "live map" in report["warnings"][0]


def test_a_frame_waits_for_the_tiles_of_a_map_that_moved(tmp_path: Path) -> None:
    script = """let wanted = 0, drawn = 0, ready = 0;
      window.__hfMaplibre = [{
        once: (name, done) => done(), areTilesLoaded: () => ready === wanted, redraw() { drawn = ready },
      }];
      addEventListener('hf-seek', ({detail}) => {
        wanted = detail.time; setTimeout(() => { ready = wanted }, 60) });"""
    with open_html(tmp_path, composition("", script)) as page:
        assert [page.at(frame, "drawn") for frame in (15, 30, 3)] == pytest.approx([0.5, 1, 0.1])


def test_smil_stands_where_the_time_says() -> None:
    with opened("smil") as page:
        for frame, bar, loop, late in (
            (0, 0, 0, 0),
            (6, 64, 160, 0),
            (15, 160, 0, 0),
            (21, 224, 160, 64),
            (9, 96, 160, 0),
        ):
            shown = "[bar.width.animVal.value, loop.transform.animVal[0].matrix.e, late.width.animVal.value]"
            assert page.at(frame, shown) == near(bar, loop, late)
            assert len(lit(page, frame, 20, RED)) == bar
        assert page.at(18, "getComputedStyle(loop).fill") == "rgb(0, 204, 102)"
        assert page.at(17, "getComputedStyle(loop).fill") == "rgb(0, 102, 204)"
        report = page.report()
        assert report["adapters"] == ["smil"]


def test_smil_has_a_length(tmp_path: Path) -> None:
    body = """<svg data-start="0.5"><rect><animate attributeName="x" to="9" begin="1s" dur="0.5s" repeatCount="3"/>
      <animate attributeName="y" to="9" dur="1s" repeatCount="indefinite"/>
      <animate attributeName="width" to="9" begin="click" dur="9s"/></rect></svg>"""
    with open_html(tmp_path, composition(body, root="data-no-timeline")) as page:
        assert page.report()["duration"] == 3


def test_frames_of_the_page_are_driven_too() -> None:
    inside = "(f => [{}].map(f))".format("'css', 'waapi'")
    with opened("iframe") as page:
        where = f"""{inside}(id => new DOMMatrix(outer.contentWindow.getComputedStyle(
            outer.contentDocument.getElementById(id)).transform).e)"""
        for frame in (0, 12, 29, 5):
            reached = 300 * frame / 30
            assert page.at(frame, where) == near(reached, reached)
            assert page.value("outer.contentDocument.getElementById('smil').x.animVal.value") == pytest.approx(
                reached, abs=0.01
            )
            reds = lit(page, frame, 10, RED)
            assert (reds[0], len(reds)) == (reached, 20)
        animation = "outer.contentDocument.getElementById('inner').contentDocument.getAnimations()[0].currentTime"
        assert page.at(15, animation) == pytest.approx(500)


def test_a_frame_of_the_page_that_stands_still_costs_no_pictures(tmp_path: Path) -> None:
    body = '<iframe src="inner.html"></iframe>'
    still = "<!doctype html><p>still</p>"
    with open_html(tmp_path, composition(body), {"inner.html": still}) as page:
        page.frames(0, 3)
        assert [page.value(f"__hfdask.frame({frame})") for frame in (4, 5)] == [False, False]
        page.value("document.querySelector('iframe').contentDocument.querySelector('p').textContent = 'moved'")
        assert page.value("__hfdask.frame(6)") is True


def test_animated_pictures_show_the_frame_of_their_time() -> None:
    colours = {"r": RED, "g": GREEN, "b": BLUE, "w": WHITE}
    expected = {0: "rrrw", 2: "rrrw", 3: "gggw", 9: "bbbw", 12: "wwww", 15: "rwrr", 18: "gwgg", 24: "bwbb", 29: "wwww"}
    with opened("animated_images") as page:
        for frame in (0, 2, 3, 9, 12, 15, 18, 24, 29, 3):
            picture = page.pixels(frame)
            shown = [tuple(picture[40, x]) for x in (32, 96, 160, 288)]
            assert shown == [colours[letter] for letter in expected[frame]]
            assert tuple(picture[40, 224]) == (0, 255, 255)
        assert page.value("gif.getAttribute('src')") == "film.gif"


def test_animated_pictures_that_a_frame_brings_or_replaces(tmp_path: Path) -> None:
    folder = COMPOSITIONS / "animated_images"
    files = {name: (folder / name).read_bytes() for name in ("film.gif", "film.webp", "still.png")}
    script = """const names = {3: 'film.webp', 8: 'still.png', 9: 'film.gif'};
      requestAnimationFrame(function loop(t) {
        const name = names[Math.round(t * 30 / 1000)]; if (name) x.src = name; requestAnimationFrame(loop) });"""
    body = '<img id="x" src="still.png" width="64" height="64" style="position:absolute;top:0;left:0">'
    with open_html(tmp_path, composition(body, script), files) as page:
        cyan = (0, 255, 255)
        assert [page.pixel(frame) for frame in (2, 3, 7, 8, 9, 12)] == [cyan, GREEN, GREEN, cyan, BLUE, WHITE]


def test_animated_pictures_have_the_density_that_their_srcset_says(tmp_path: Path) -> None:
    files = {"film.gif": (COMPOSITIONS / "animated_images" / "film.gif").read_bytes()}
    body = """<img srcset="film.gif 2x"><img src="film.gif" srcset="film.gif 16w" sizes="4px"><img src="film.gif">
      <picture><source srcset="film.gif 0.5x"><img src="still.png"></picture>"""
    with open_html(tmp_path, composition(body), files) as page:
        sizes = "JSON.stringify(Array.from(document.images, image => [image.clientWidth, image.naturalWidth]))"
        assert all(shown == own for shown, own in json.loads(page.at(4, sizes)))


def warnings(page: Page) -> list[str]:
    return list(page.report()["warnings"])


def test_webgpu_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    script = "let adapter; navigator.gpu.requestAdapter().then(found => { adapter = found })"
    with open_html(tmp_path, composition("", script)) as page:
        told = [text for text in warnings(page) if "WebGPU" in text]
        assert page.value("adapter === null") is (len(told) == 1)


def test_pictures_that_cannot_be_driven_are_told_of(tmp_path: Path) -> None:
    moving = '<svg xmlns="http://www.w3.org/2000/svg"><rect><animate attributeName="x" to="9" dur="1s"/></rect></svg>'
    files = {
        "moving.svg": moving,
        "still.svg": moving.replace("animate", "title"),
        "film.gif": (COMPOSITIONS / "animated_images" / "film.gif").read_bytes(),
    }
    style = "#root {background: url(film.gif)}"
    body = '<img src="moving.svg"><img src="still.svg">'
    with open_html(tmp_path, composition(body, style=style), files) as page:
        told = sorted(warnings(page))
        assert [text.split()[0] for text in told] == ["film.gif", "moving.svg"]
    with open_html(tmp_path, composition(body.replace("moving", "still")), files) as page:
        assert warnings(page) == []


@pytest.mark.parametrize(
    "body",
    [
        '<i style="background: url({})"></i>',
        '<svg><image href="{}"></image></svg>',
        '<input type="image" src="{}">',
        '<img src="{0}"><i style="background: url({0})"></i>',
    ],
)
def test_pictures_that_move_without_an_image_are_told_of(tmp_path: Path, body: str) -> None:
    film = (COMPOSITIONS / "animated_images" / "film.gif").read_bytes()
    moving = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><set attributeName='x' to='9'/></svg>"
    embedded = "data:image/gif;base64," + base64.b64encode(film).decode()
    bodies = "".join(body.format(url) for url in ("film.gif", quote(moving, "/:;,=+"), embedded))
    with open_html(tmp_path, composition(bodies), {"film.gif": film}) as page:
        told = sorted(text.split()[0][:14] for text in warnings(page))
        assert told == ["data:image/gif", "data:image/svg", "film.gif"]


def test_frames_that_cannot_be_driven_are_told_of(tmp_path: Path) -> None:
    files = {"inner.html": "<!doctype html><p>x</p>"}
    with open_html(tmp_path, composition('<iframe sandbox src="inner.html"></iframe>'), files) as page:
        assert "sandbox" in warnings(page)[0]
    with open_html(tmp_path, composition('<iframe src="inner.html"></iframe>'), files) as page:
        assert warnings(page) == []


WORKER = """let context; onmessage = ({data}) => {
  if (data.canvas) { context = data.canvas.getContext('2d'); return }
  context.fillStyle = data.time < 0.5 ? '#f00' : '#0f0'; context.fillRect(0, 0, 64, 64);
  postMessage(data.time);
};"""


@pytest.mark.slow
def test_a_worker_that_draws_when_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_WORKER_PATIENCE", 0.5)  # it never answers what it gets first
    script = """const worker = new Worker('worker.js'); const canvas = x.transferControlToOffscreen();
      worker.postMessage({canvas}, [canvas]);
      addEventListener('hf-seek', ({detail}) => {
        detail.waitUntil(new Promise(done => { worker.onmessage = done; worker.postMessage({time: detail.time}) })) });"""
    body = '<canvas id="x" width="64" height="64"></canvas>'
    with open_html(tmp_path, composition(body, script), {"worker.js": WORKER}) as page:
        assert "worker" in warnings(page)[0]
        assert [page.pixel(frame) for frame in (0, 14, 15, 20, 3)] == [RED, RED, GREEN, GREEN, RED]
    with open_html(tmp_path, composition(body, script), {"worker.js": WORKER}) as page:
        assert page.pixel(20) == GREEN


def test_a_canvas_that_the_page_draws_off_screen(tmp_path: Path) -> None:
    script = """const context = x.transferControlToOffscreen().getContext('2d');
      requestAnimationFrame(function loop(t) {
        context.fillStyle = t < 500 ? '#f00' : '#0f0'; context.fillRect(0, 0, 64, 64); requestAnimationFrame(loop) });"""
    body = '<canvas id="x" width="64" height="64"></canvas>'
    for frames, colours in (((0, 14, 15, 3), (RED, RED, GREEN, RED)), ((20, 21), (GREEN, GREEN))):
        with open_html(tmp_path, composition(body, script)) as page:
            assert tuple(page.pixel(frame) for frame in frames) == colours
            assert warnings(page) == []


def test_pictures_that_a_frame_brings_into_an_inner_page_are_waited_for(tmp_path: Path) -> None:
    inner = """<!doctype html><body style="margin:0"><img id="x" src="red.svg"><script>
      requestAnimationFrame(function loop(t) {
        if (t >= 500) x.src = 'green.svg'; requestAnimationFrame(loop) });</script>"""
    slow = f"<!--{'slow' * 500_000}-->"
    files = {"inner.html": inner, "red.svg": svg("#f00"), "green.svg": svg("#0f0") + slow}
    body = '<iframe src="inner.html" style="position:absolute;inset:0;border:0"></iframe>'
    with open_html(tmp_path, composition(body), files) as page:
        assert [page.pixel(frame) for frame in (14, 15)] == [RED, GREEN]


# Frames that dotLottie's own player showed when it was stepped in tenths of a second, 30 frames of animation a second.
DOTLOTTIE_STEPPED = {
    "{}": [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 29, 29, 29],
    "{speed: 0.5}": [0, 1.5, 3, 4.5, 6, 7.5, 9],
    "{mode: 'reverse'}": [29, 26, 23, 20, 17, 14, 11, 8, 5, 2, 0, 0, 0],
    "{segment: [10, 16]}": [10, 13, 16, 16, 16],
    "{segment: [10, 16], loop: true}": [10, 13, 16, 13, 16, 13, 16],
    "{segment: [10, 16], mode: 'reverse', loop: true}": [16, 13, 10, 13, 10, 13],
    "{segment: [10, 16], mode: 'bounce'}": [10, 13, 16, 13, 10, 10, 10],
    "{segment: [10, 16], mode: 'bounce', loop: true}": [10, 13, 16, 13, 10, 13, 16, 13, 10, 13],
    "{segment: [10, 16], mode: 'reverse-bounce', loop: true}": [16, 13, 10, 13, 16, 13, 10],
    "{segment: [10, 16], loop: true, loopCount: 2}": [10, 13, 16, 13, 10, 10, 10],
    "{segment: [10, 16], mode: 'reverse', loop: true, loopCount: 1}": [16, 13, 16, 16],
    "{segment: [10, 16], mode: 'bounce', loop: true, loopCount: 1}": [10, 13, 16, 13, 10, 10],
    "{segment: [10, 16], speed: 0.5, loop: true}": [10, 11.5, 13, 14.5, 16, 11.5, 13],
    "{segment: [10, 16], speed: 0.5, useFrameInterpolation: false}": [10, 12, 13, 15, 16, 16],
    "{autoplay: false}": [0, 3, 6, 9],
}


def test_dotlottie_is_where_its_own_steps_would_have_brought_it(tmp_path: Path) -> None:
    script = f"""import {{ DotLottie }} from "./index.js";
      DotLottie.setWasmUrl("dotlottie-player.wasm");
      window.__hfLottie = [{",".join(DOTLOTTIE_STEPPED)}].map(options => new DotLottie({{src: "box.json", autoplay: true,
        canvas: Object.assign(document.createElement("canvas"), {{width: 40, height: 40}}), ...options}}));
      const gone = new DotLottie({{src: "box.json", canvas: document.createElement("canvas")}});
      gone.addEventListener("load", () => gone.destroy()); __hfLottie.push(gone);"""
    html = composition("").replace("<script></script>", f'<script type="module">{script}</script>')
    files: dict[str, str | bytes] = {name: library("dotlottie", name) for name in ("index.js", "dotlottie-player.wasm")}
    files["box.json"] = (COMPOSITIONS / "dotlottie" / "box.json").read_bytes()
    with open_html(tmp_path, html, files) as page:
        assert page.loaded.abandoned == []
        for tenth in (0, 1, 2, 3, 4, 5, 6, 12, 3):
            shown = page.at(3 * tenth, "__hfLottie.slice(0, -1).map(player => player.currentFrame)")
            for (options, frames), frame in zip(DOTLOTTIE_STEPPED.items(), shown, strict=True):
                if tenth < len(frames):
                    assert frame == pytest.approx(frames[tenth], abs=0.01), (options, tenth)
