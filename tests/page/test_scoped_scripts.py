"""Scripts of sub-compositions: their order, and their views of document, window and gsap (docs/compositions.md, 4.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_samples import SOON, composition, open_html
from samples import COMPOSITIONS
from slow import sampled

pytestmark = pytest.mark.browser

A = '<div id="h" data-composition-id="a" data-composition-src="a.html" data-start="0" data-no-timeline></div>'
LOG = "<script>window.log = []</script>"


def scene(script: str, content: str = "", composition_id: str = "a") -> str:
    return f'<template><div id="scene" data-composition-id="{composition_id}">{content}</div><script>{script}</script></template>'


def scoped(tmp_path: Path, script: str, content: str = "", files: dict[str, Any] | None = None, **more: Any) -> Any:
    """One scene with a script that ends with a value in `window.got`; outside is another .x with the same ids."""
    outside = '<b class="x" id="x">out</b><b id="only-outside" class="only">out</b>'
    page = composition(A + outside, more.pop("root_script", ""), head=LOG)
    return open_html(tmp_path, page, {"a.html": scene(script, content), **(files or {})}, **more)


IN = '<b class="x" id="x">in</b><b class="x">two</b>'


VIEWS = {
    "document.querySelector('.x').textContent": "in",
    "[...document.querySelectorAll('.x')].map(e => e.textContent)": ["in", "two"],
    "document.getElementById('x').textContent": "in",
    "document.querySelector('#x').textContent": "in",
    "document.querySelector('#scene').dataset.hfInnerRoot": "true",
    "document.querySelector('#scene > .x').textContent": "in",
    "document.getElementById('scene').dataset.hfInnerRoot": "true",
    "document.querySelector('[data-composition-id=\"a\"] .x').textContent": "in",
    "document.querySelector('[data-composition-id=a]') === document.getElementById('scene')": True,
    "document.querySelector('[data-composition-id=a] > .x').textContent": "in",
    "document.querySelector('.only').textContent": "out",
    "document.getElementById('only-outside').textContent": "out",
    "document.querySelectorAll('.nothing').length": 0,
    "document.getElementById('')": None,
    "window.document.querySelector('.x').textContent": "in",
    "self.document === document && globalThis.document === document && window === self": True,
    "this === window": True,
    "document.body.localName + document.createElement('p').localName + document.title": "bodyp",
    "document instanceof Document && window instanceof Window": True,
    "getComputedStyle(document.body).display + window.getComputedStyle(document.body).display": "blockblock",
    "[window.setTimeout(() => {}, 0), window.requestAnimationFrame(() => {})].map(Number.isFinite)": [True, True],
    "window.requestAnimationFrame === window.requestAnimationFrame": True,
    "['addEventListener', 'removeEventListener', 'dispatchEvent'].map((name) => window[name](...(name[0] === 'd' ? [new Event('x')] : ['x', () => {}])))": [
        None,
        None,
        True,
    ],
    "new window.Image().localName + new window.Event('x').type + new window.Thing(3).n": "imgx3",
    "window.tool(2) + window.tool.extra": 5,
    "window.performance.now() - performance.now() + window.innerWidth": 64,
    "typeof gsap + typeof window.gsap + ('gsap' in window)": "undefinedundefinedtrue",
    "(window.fresh = 1, fresh + window.fresh)": 2,
    "typeof __hyperframes.getVariables + typeof window.__hyperframes.getVariables": "functionfunction",
    "(() => { const document = 1, window = 2, gsap = 3; return document + window + gsap })()": 6,
    "'</script' + '$& $1 `'": "</script$& $1 `",
}


def test_views(tmp_path: Path) -> None:
    root_script = "class Thing { constructor(n) { this.n = n } } window.Thing = Thing; window.tool = Object.assign(n => n, {extra: 3})"
    script = f"window.got = [{', '.join(VIEWS)}]".replace("</script", "<" + chr(92) + "/script")
    with scoped(tmp_path, script, IN, root_script=root_script) as page:
        assert dict(zip(VIEWS, page.value("window.got"), strict=True)) == VIEWS


def test_asset_urls_count_from_the_file_of_the_script(tmp_path: Path) -> None:
    urls = "[__hyperframes.assetUrl('pics/a.png'), window.__hyperframes.assetUrl('none.png'), __hyperframes.assetUrl('http://x.test/a')]"
    there = A.replace("a.html", "scenes/a.html")
    files = {"scenes/a.html": scene(f"window.got = {urls}"), "scenes/pics/a.png": b"", "none.png": b""}
    with open_html(tmp_path, composition(there, f"window.own = {urls}"), files) as page:
        site = page.value("location.origin")
        assert page.value("got") == [f"{site}/scenes/pics/a.png", f"{site}/none.png", "http://x.test/a"]
        assert page.value("own") == [f"{site}/pics/a.png", f"{site}/none.png", "http://x.test/a"]


def test_selectors_of_animejs_mean_elements_of_the_scene(tmp_path: Path) -> None:
    x = "new DOMMatrix(getComputedStyle({}).transform).e"
    script = """const timeline = anime.createTimeline({ autoplay: false, defaults: { ease: 'linear' } }).add('.x', { x: TO, duration: 1000 });
      timeline.set('#scene > .y', { y: 5 }, 0).add('.only', { x: 9, duration: 1 }, 0);
      hyperframesAnime.register('a', timeline);
      (window.counts ??= []).push([anime.utils.$('.x').length, window.anime.animate('.x', { autoplay: false }).targets.length, anime.svg.morphTo('.x') !== undefined, window.anime === anime])"""
    content = '<i class="x" id="ID">x</i><b class="y">y</b>'
    files = {
        f"{name}.html": scene(script.replace("TO", to), content.replace("ID", f"in-{name}"))
        for name, to in (("a", "100"), ("b", "200"))
    }
    hosts = "".join(
        f'<div data-composition-id="h{name}" data-composition-src="{name}.html" data-start="0"></div>' for name in "ab"
    )
    vendor = (COMPOSITIONS / "anime4" / "vendor" / "anime.umd.min.js").read_bytes()
    page_html = composition(
        '<i class="x" id="out">x</i><i class="only" id="only"></i>' + hosts, head='<script src="anime.js"></script>'
    )
    with open_html(tmp_path, page_html, {"anime.js": vendor, **files}) as page:
        names = ", ".join(x.format(f"document.getElementById('{name}')") for name in ("in-a", "in-b", "out", "only"))
        assert page.at(15, f"[{names}]") == pytest.approx([50, 100, 0, 9])
        assert page.value("counts") == [[1, 1, True, True]] * 2


def test_modules_of_scenes_have_a_name_of_their_own(tmp_path: Path) -> None:
    log = "window.log.push([__hyperframes.getVariables().name, __hyperframes.assetUrl('x.png').replace(location.origin, ''), new Error().stack.includes(':1:')])"
    hosts = "".join(
        f"""<div data-composition-id="{name}" data-composition-src="s/a.html" data-start="0" data-no-timeline data-variable-values='{{"name": "{name}"}}'></div>"""
        for name in ("one", "two")
    )
    own = "const { log } = window, __hyperframes = { own: 5 }; log.push(__hyperframes.own)"
    files = {
        "s/a.html": f'<template><div data-composition-id="a"></div><script type="module">{log}</script></template>',
        "s/x.png": b"",
        "b.html": f'<template><div data-composition-id="b"></div><script type="module">{own}</script></template>',
    }
    other = '<div data-composition-id="b" data-composition-src="b.html" data-start="0" data-no-timeline></div>'
    with open_html(tmp_path, composition(hosts + other, head=LOG), files) as page:
        assert page.value("log") == [["one", "/s/x.png", True], ["two", "/s/x.png", True], 5]


def test_a_script_has_a_scope_of_its_own(tmp_path: Path) -> None:
    files = {"b.html": scene("const mine = 2, document = window.document; window.two = mine", composition_id="b")}
    other = '<div data-composition-id="b" data-composition-src="b.html" data-no-timeline></div>'
    with open_html(
        tmp_path,
        composition(A + other, "const mine = 0", head=LOG),
        {"a.html": scene("'use strict'; const mine = 1; let gsap = 5; window.one = mine + gsap // the end"), **files},
    ) as page:
        assert page.value("[mine, one, two]") == [0, 6, 2]


def test_order(tmp_path: Path) -> None:
    def files(name: str, inner: str = "") -> str:
        return (
            f'<head><script>log.push("{name} head")</script><script src="lib.js"></script></head><body>'
            f'<div data-composition-id="{name}"><script>log.push("{name} 1")</script>{inner}</div>'
            f'<script src="plug-{name}.js"></script><script type="text/javascript">log.push("{name} 2")</script></body>'
        )

    def host(name: str) -> str:
        return f'<div data-composition-id="{name}" data-composition-src="{name}.html" data-no-timeline></div>'

    html = composition(
        f'<script>log.push("early")</script>{host("a")}{host("c")}',
        "log.push('root')",
        head=LOG + '<script src="lib.js"></script>',
    ).replace("<script>log.push('root')", "<script src='late-lib.js'></script><script>log.push('root')")
    scripts = {f"{name}.js": f"log.push('{name}')" for name in ("lib", "late-lib", "plug-a", "plug-b", "plug-c")}
    sites = {"a.html": files("a", host("b")), "b.html": files("b"), "c.html": files("c")}
    with open_html(tmp_path, html, {**scripts, **sites}) as page:
        assert page.value("log") == [
            *("lib", "early", "late-lib", "plug-a", "plug-c", "plug-b", "root"),
            *("a head", "a 1", "a 2", "c head", "c 1", "c 2", "b head", "b 1", "b 2"),
        ]


def test_data_stays_and_modules_run_as_they_are(tmp_path: Path) -> None:
    content = """<script type="application/json" id="data">{"n": 7}</script><script type="text/x-shader" id="shader">void</script>
      <script type="module">import { n } from './n.js'; window.module = n + document.querySelectorAll('.x').length</script>"""
    script = "window.got = JSON.parse(document.getElementById('data').textContent).n; import('./n.js').then(m => window.later = m.n)"
    with scoped(tmp_path, script, content, {"n.js": "export const n = 10"}) as page:
        assert page.value("[got, module, later, shader.textContent]") == [7, 11, 10, "void"]


def test_sheets_that_are_not_used_are_not_waited_for(tmp_path: Path) -> None:
    content = '<link rel="stylesheet" href="a.css" disabled><link rel="stylesheet" href=""><link rel="alternate stylesheet" href="a.css">'
    with scoped(tmp_path, "window.got = document.readyState", content, {"a.css": "* { color: red }"}) as page:
        assert page.value("got") == "interactive"
        assert page.value("getComputedStyle(root).color") == "rgb(0, 0, 0)"
        assert page.seconds < SOON


def test_a_library_of_a_scene_that_is_not_there(tmp_path: Path) -> None:
    content = '<script src="gone.js"></script><script>log.push(2)</script>'
    with scoped(
        tmp_path, "document.addEventListener('DOMContentLoaded', () => log.push(3)); log.push(1)", content
    ) as page:
        assert [(miss.path, miss.wanted_as) for miss in page.session.site.misses] == [("gone.js", "script")]
        assert page.value("log") == [2, 1, 3]  # they waited for it, and what they wait for comes all the same


@pytest.mark.parametrize(
    ("script", "message"),
    sampled(
        [
            ("throw new TypeError('mine')", "TypeError: mine"),
            ("let let = 1", "SyntaxError"),
            ("} window.escaped = 1; {", "SyntaxError"),
            ("missing()", "missing is not defined"),
            ("throw 'text'", "text"),
        ]
    ),
)
def test_a_broken_scene_does_not_stop_the_others(tmp_path: Path, script: str, message: str) -> None:
    content = "<script>log.push('before')</script>"
    other = '<div data-composition-id="b" data-composition-src="b.html" data-no-timeline></div>'
    files = {"a.html": scene(script, content), "b.html": scene("log.push('other')", composition_id="b")}
    with open_html(tmp_path, composition(A + other, head=LOG), files, page_errors="warn") as page:
        assert page.value("[log, window.escaped ?? null]") == [["before", "other"], None]
        (problem,) = [text for text in page.session.log.messages if text.startswith("uncaught")]
        assert problem.startswith('uncaught while loading: composition "a" (a.html)')
        assert message in problem


def test_errors_that_come_later_name_the_file(tmp_path: Path) -> None:
    with scoped(tmp_path, "setTimeout(() => { throw Error('late') }, 10)", page_errors="warn") as page:
        assert any("late (a.html:" in text for text in page.session.log.messages)


@pytest.mark.parametrize(
    "register",
    sampled(
        [
            "window.__timelines['a'] = tl",
            "window.__timelines = window.__timelines || {}; window.__timelines.a = tl",
            "window.__timelines = {a: tl}",
            "__timelines.a = __timelines.a || tl",
            "setTimeout(() => { window.__timelines.a = tl }, 50)",
            "(async () => { await fetch('a.html'); window.__timelines.a = tl })()",
        ]
    ),
)
def test_timelines_of_instances(tmp_path: Path, register: str) -> None:
    script = f"""const at = document.querySelector('.t'); const tl = {{duration: () => 2, play() {{}}, pause() {{}},
      seek(t) {{ at.textContent = t.toFixed(2) }}}}; {register}"""
    hosts = "".join(
        f'<div data-composition-id="a" data-composition-src="a.html" data-start="{start}" data-duration="1"></div>'
        for start in (0, 0.5)
    )
    with open_html(tmp_path, composition(hosts, head=LOG), {"a.html": scene(script, '<i class="t"></i>')}) as page:
        assert page.loaded.missing == []
        assert page.at(24, "[...document.querySelectorAll('.t')].map(e => e.textContent)") == ["0.80", "0.30"]
        assert page.value("Object.keys(__timelines).toSorted()") == ["a", "a__hf1", "a__hf2"]
        assert page.report()["duration"] == 2


def test_gsap_finds_its_targets_in_the_scene(tmp_path: Path, gsap: bytes) -> None:
    script = """const tl = gsap.timeline({paused: true});
      tl.to('.x', {x: 100, duration: 1, ease: 'none'}).from(['#x', document.querySelector('.y')], {y: 50, duration: 1, ease: 'none'}, 0)
        .fromTo('#scene', {opacity: 0}, {opacity: 1, duration: 1, ease: 'none'}, 0).set('.y', {rotation: 9}, 0);
      gsap.set('.only', {x: 7}); gsap.to('.nothing', {x: 1});
      window.got = [gsap.utils.toArray('.x').length, gsap.utils.selector()('.x').length, gsap.utils.selector('#scene')('.x').length,
        gsap.getProperty('#x', 'x'), window.gsap === gsap, gsap.version === window.gsap.version, tl instanceof gsap.core.Timeline];
      window.__timelines.a = tl"""
    content = '<b class="x" id="x"></b><b class="y"></b>'
    outside = '<b class="x" id="x"></b><b class="y"></b><b class="only"></b>'
    html = composition(A + outside, head=LOG + '<script src="gsap.js"></script>')
    with open_html(tmp_path, html, {"a.html": scene(script, content), "gsap.js": gsap}) as page:
        assert page.value("got") == [1, 1, 1, 0, True, True, True]
        page.seek(15)
        values = (
            "['x', 'y', 'rotation'].map(p => [...document.querySelectorAll('.x, .y')].map(e => gsap.getProperty(e, p)))"
        )
        assert page.value(values) == [[50, 0, 0, 0], [-25 + 50, 25, 0, 0], [0, 9, 0, 0]]
        assert page.value("gsap.getProperty(h.firstElementChild, 'opacity')") == 0.5
        assert page.value("gsap.getProperty('.only', 'x')") == 7
        assert any(".nothing not found" in text for text in page.session.log.messages)


def test_a_scene_may_bring_gsap_for_the_page(tmp_path: Path, gsap: bytes) -> None:
    content = '<script src="../gsap.js"></script><b class="x"></b>'
    script = "window.__timelines.a = gsap.timeline({paused: true}).to('.x', {x: 30, duration: 1, ease: 'none'})"
    body = A.replace("a.html", "scenes/a.html").replace("data-no-timeline", "")
    master = "window.__timelines.main = gsap.timeline({paused: true}).to('#h', {y: 30, duration: 1, ease: 'none'})"
    files = {"scenes/a.html": scene(script, content), "gsap.js": gsap}
    with open_html(tmp_path, composition(body, master, root='data-duration="1"'), files) as page:
        assert page.at(10, "[gsap.getProperty('.x', 'x'), gsap.getProperty('#h', 'y')].map(Math.round)") == [10, 10]
