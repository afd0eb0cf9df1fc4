"""Sub-compositions: the mounted content and its changes (docs/compositions.md, 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from page_samples import BLUE, GREEN, RED, box, composition, open_html, svg
from slow import sampled

from hfdask.errors import EmptyCompositionError

pytestmark = pytest.mark.browser


def host(source: str, attributes: str = 'data-composition-id="a"') -> str:
    return f'<div data-composition-src="{source}" data-start="0" data-no-timeline {attributes}></div>'


def scene(content: str, attributes: str = 'id="scene" data-composition-id="a" data-width="32" data-height="16"') -> str:
    return f"<template><div {attributes}>{content}</div></template>"


def test_host_and_wrapper(tmp_path: Path) -> None:
    inner = (
        'id="scene" class="k" data-composition-id="a" data-width="32" data-height="16" data-start="3" data-duration="1"'
    )
    inner += ' data-end="4" data-track-index="2" data-track="2" data-hf-authored-duration="1" data-label="kept"'
    hosts = host("scenes/a.html", 'id="h" data-composition-id="a"')
    with open_html(tmp_path, composition(hosts), {"scenes/a.html": scene("text", inner)}) as page:
        attributes = "Object.fromEntries([...%s.attributes].filter(a => a.name != 'style').map(a => [a.name, a.value]))"
        assert page.value(attributes % "h") == {
            "id": "h",
            "data-composition-id": "a",
            "data-composition-file": "scenes/a.html",
            "data-start": "0",
            "data-no-timeline": "",
            "data-width": "32",
            "data-height": "16",
        }
        assert page.value(attributes % "h.firstElementChild") == {
            "class": "k",
            "data-width": "32",
            "data-height": "16",
            "data-label": "kept",
            "data-hf-authored-id": "scene",
            "data-hf-inner-root": "true",
        }
        size = "[%s.style.width, %s.style.height]"
        assert page.value(size % ("h", "h")) == page.value(size % (("h.firstElementChild",) * 2)) == ["32px", "16px"]


@pytest.mark.parametrize(
    ("content", "text"),
    sampled(
        [
            ('<template><b data-composition-id="a">first</b></template><template><b>second</b></template>', "first"),
            ('<html><body><b data-composition-id="a">body</b></body></html>', "body"),
            ('<i>before</i><b data-composition-id="a">and</b> after', "beforeand after"),
            ('<template>flat <b data-composition-id="other">content</b></template>', "flat content"),
            ('<template><b data-composition-id="a">$& </b> <i>`${x}`</i></template>', "$&  `${x}`"),
        ],
        one_of=2,
    ),
)
def test_the_content_of_a_file(tmp_path: Path, content: str, text: str) -> None:
    with open_html(
        tmp_path, composition(host("a.html", 'id="h" data-composition-id="a"')), {"a.html": content}
    ) as page:
        assert page.value("h.textContent") == text


def test_flat_content_of_a_host_with_another_id(tmp_path: Path) -> None:
    files = {"a.html": '<template>x<b data-composition-id="other" data-no-timeline>y</b></template>'}
    with open_html(tmp_path, composition(host("a.html", 'id="h" data-composition-id="a"')), files) as page:
        assert page.value("document.querySelector('[data-hf-inner-root]')") is None
        assert page.value("h.lastChild.getAttribute('data-composition-id')") == "other"


def test_an_anonymous_host_leaves_the_id_to_the_wrapper(tmp_path: Path) -> None:
    files = {"a.html": scene("x"), "b.html": scene("y", 'data-composition-id="main"')}
    body = host("a.html", 'id="h"') + host("a.html", 'id="i"') + host("b.html", 'id="j"')
    with open_html(tmp_path, composition(body), files) as page:
        assert page.value("h.hasAttribute('data-composition-id')") is False
        ids = "[h, i, j].map(({firstElementChild: w}) => [w.dataset.compositionId, w.dataset.hfOriginalCompositionId])"
        assert page.value(ids) == [["a", None], ["a__hf1", "a"], ["main__hf1", "main"]]


def test_ids_of_a_file_that_is_mounted_many_times(tmp_path: Path) -> None:
    files = {"a.html": scene("x"), "b.html": scene(host("a.html"), 'data-composition-id="b"')}
    body = host("b.html", 'data-composition-id="b"') + host("a.html") + host("a.html")
    with open_html(tmp_path, composition(body), files) as page:
        ids = "[...document.querySelectorAll('[data-composition-file]')].map(h => h.dataset.compositionId)"
        assert page.value(ids) == ["b", "a__hf3", "a__hf1", "a__hf2"]
        original = "[...document.querySelectorAll('[data-hf-original-composition-id=a]')].length"
        assert page.value(original) == 3


def test_a_nested_composition_keeps_an_id_of_its_own(tmp_path: Path) -> None:
    files = {"deep/b.html": scene(host("a.html"), 'data-composition-id="b"'), "a.html": scene("inner")}
    with open_html(tmp_path, composition(host("deep/b.html", 'data-composition-id="b"')), files) as page:
        # the path is relative to the project, also from a file in a folder
        assert (
            page.value("document.querySelector('[data-composition-id=b] [data-composition-id=a]').textContent")
            == "inner"
        )


def test_cycles_are_skipped(tmp_path: Path) -> None:
    files = {
        "a.html": scene("a" + host("b.html", 'data-composition-id="b"')),
        "b.html": scene("b" + host("./a.html", "") + host("index.html", ""), 'data-composition-id="b"'),
    }
    with open_html(tmp_path, composition(host("a.html")), files) as page:
        assert page.value("root.textContent") == "ab"
        assert sum("which it is in" in text for text in page.report()["warnings"]) == 2


def test_twenty_levels_and_no_more(tmp_path: Path) -> None:
    files = {
        f"{n}.html": scene(
            f"{n} " + host(f"{n + 1}.html", f'data-composition-id="c{n + 1}"'), f'data-composition-id="c{n}"'
        )
        for n in range(1, 25)
    }
    with open_html(tmp_path, composition(host("1.html", 'data-composition-id="c1"')), files) as page:
        assert page.value("root.textContent").split() == [str(n) for n in range(1, 21)]
        assert any("more than 20" in text for text in page.report()["warnings"])


@pytest.mark.parametrize(
    "source",
    sampled(["scenes/a.html", "/scenes/a.html", "./scenes/a.html", "../scenes/a.html", "scenes/a.html?v=1"], one_of=2),
)
def test_paths_are_relative_to_the_project(tmp_path: Path, source: str) -> None:
    with open_html(tmp_path, composition(host(source)), {"scenes/a.html": scene("there")}) as page:
        assert page.value("root.textContent") == "there"


def test_assets_are_found_from_where_the_file_is(tmp_path: Path) -> None:
    content = """<style>.s { background: url(here.svg) } .t { background: url('../top.svg') } .u { background: url("top.svg") }</style>
      <img id="i1" src="here.svg"><img id="i2" src="../../../top.svg#x"><img id="i3" src="top.svg"><img id="i4" src="./here.svg?q">
      <a id="l1" href="here.svg"></a><a id="l2" href="#x"></a><img id="i5" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
      <b class="s" id="s"></b><b class="t" id="t"></b><b class="u" id="u"></b>
      <i id="p" style="background: url(../top.svg)"></i>"""
    files = {"scenes/a.html": scene(content), "scenes/here.svg": svg("#f00"), "top.svg": svg("#0f0")}
    with open_html(tmp_path, composition(host("scenes/a.html")), files) as page:
        assert page.value("[i1, i2, i3, i4].map(i => i.getAttribute('src'))") == [
            "scenes/here.svg",
            "top.svg#x",
            "top.svg",
            "scenes/here.svg?q",
        ]
        assert page.value("[l1, l2].map(l => l.getAttribute('href'))") == ["scenes/here.svg", "#x"]
        assert page.value("i5.src.startsWith('data:')")
        urls = '[s, t, u].map(e => getComputedStyle(e).backgroundImage.match(/localhost.([^"]*)/)[1])'
        assert page.value(urls) == ["scenes/here.svg", "top.svg", "top.svg"]
        assert page.value("p.getAttribute('style')") == "background: url(../top.svg)"
        assert page.session.site.misses == []  # looking for files asks for none that is not there


@pytest.mark.parametrize(
    ("where", "applied"), [("<head>%s</head><body>", True), ("<head>%s</head><body><template>", False)]
)
def test_styles_and_scripts_of_a_head_count_without_a_template(tmp_path: Path, where: str, applied: bool) -> None:
    head = "<style>.x { color: rgb(1, 2, 3) }</style><script>window.ran = true</script>"
    files = {"a.html": where % head + '<div data-composition-id="a"><i class="x" id="x"></i></div>'}
    with open_html(tmp_path, composition(host("a.html")), files) as page:
        assert page.value("[getComputedStyle(x).color == 'rgb(1, 2, 3)', Boolean(window.ran)]") == [applied] * 2


def test_links_of_a_head_are_always_hoisted_once(tmp_path: Path) -> None:
    head = '<head><link rel="stylesheet" href="look.css"><link rel="preconnect" href="/x"></head>'
    files = {
        "scenes/a.html": head + scene('<i class="x">'),
        "scenes/b.html": head + scene("", 'data-composition-id="b"'),
        "scenes/look.css": ".x { color: rgb(1, 2, 3); background: url(dot.svg) }",
        "scenes/dot.svg": svg("#f00"),
    }
    body = host("scenes/a.html") + host("scenes/b.html", 'data-composition-id="b"')
    script = "const early = getComputedStyle(document.querySelector('.x')).color"
    with open_html(tmp_path, composition(body, script), files) as page:
        assert page.value("early") == "rgb(1, 2, 3)"  # there before the scripts
        assert page.value("getComputedStyle(document.querySelector('.x')).backgroundImage").endswith(
            '/scenes/dot.svg")'
        )
        assert (
            page.value("[...document.styleSheets].filter(s => s.cssRules[0]?.cssText.includes('dot.svg')).length") == 1
        )


def test_the_page_is_whole_before_its_scripts(tmp_path: Path) -> None:
    body = f"""{host("a.html")}<script>const seen = [document.querySelector('#in')?.textContent, document.readyState]</script>
      {host("b.html", 'data-composition-id="b"')}"""
    script = """seen.push(document.querySelector('#later')?.textContent, typeof window.ran);
      document.addEventListener('DOMContentLoaded', () => seen.push(window.ran))"""
    files = {
        "a.html": scene('<b id="in">in</b>'),
        "b.html": scene(
            '<b id="later">later</b><script>window.ran = document.readyState</script>', 'data-composition-id="b"'
        ),
        "defer.js": "seen.push('deferred ' + window.ran)",
    }
    with open_html(tmp_path, composition(body, script, head='<script defer src="defer.js"></script>'), files) as page:
        assert page.value("seen") == ["in", "loading", "later", "undefined", "deferred interactive", "interactive"]


def test_a_host_that_a_script_adds(tmp_path: Path) -> None:
    script = """setTimeout(() => { root.insertAdjacentHTML('beforeend',
      '<div data-composition-id="a" data-composition-src="a.html" data-start="0" data-duration="1"></div>') }, 30)"""
    files = {
        "a.html": scene(box("", "#0f0") + "<script>window.__timelines.a = {duration: () => 1, seek() {}}</script>")
    }
    with open_html(tmp_path, composition("", script), files) as page:
        assert page.loaded.missing == []
        assert page.pixel(0) == GREEN
        assert page.value("root.lastElementChild.dataset.hfAuthoredDuration") == "1"


@pytest.mark.parametrize("after", [True, False])
def test_a_template_of_the_document(tmp_path: Path, after: bool) -> None:
    content = """<div data-composition-id="t" id="scene"><style>body { color: rgb(1, 2, 3) } b { top: 1px }</style><b>in</b>
      <script>window.ran = document.getElementById('scene').textContent.trim()</script></div>"""
    template = f'<template id="t-template">{content}</template>'
    empty = '<div data-composition-id="t" id="h" data-no-timeline></div>'
    body = empty + template if after else template + empty
    with open_html(tmp_path, composition(body)) as page:
        assert page.value("h.firstElementChild.dataset.hfInnerRoot") == "true"
        assert page.value("[h.firstElementChild, document.body].map(e => getComputedStyle(e).color)") == [
            "rgb(1, 2, 3)",
            "rgb(0, 0, 0)",
        ]
        assert page.value("window.ran") == "in"


def test_a_template_does_not_replace_what_is_there(tmp_path: Path) -> None:
    body = '<div data-composition-id="t" data-no-timeline><i>own</i></div><template id="t-template"><b>x</b></template>'
    with open_html(tmp_path, composition(body)) as page:
        assert page.value("root.firstElementChild.textContent") == "own"


def test_percentage_heights(tmp_path: Path) -> None:
    files = {
        "a.html": scene(box("", "#0f0", "height:50%"), 'data-composition-id="a"'),
        "b.html": scene(
            '<div style="height:50%;background:#00f"></div>', 'data-composition-id="b" data-width="64" data-height="32"'
        ),
    }
    hosts = """<div data-composition-id="a" data-composition-src="a.html" data-no-timeline style="height:64px"></div>
      <div data-composition-id="b" data-composition-src="b.html" data-no-timeline style="position:absolute;top:16px"></div>"""
    with open_html(tmp_path, composition(hosts, style="div { position: relative }"), files) as page:
        assert [page.pixel(0, y=y) for y in (5, 17, 31)] == [GREEN, BLUE, BLUE]
        assert page.pixel(0, y=33) == (0, 0, 0)


@pytest.mark.parametrize(
    ("files", "offender"),
    sampled(
        [
            ({}, "a.html does not exist"),
            ({"a.html": "  \n"}, "a.html is empty"),
            ({"a.html": "<p>text</p>"}, "a.html has no element with a data-composition-id"),
            ({"a.html": '<template></template><i data-composition-id="a">'}, "a.html has no element"),
            ({"a.html": scene(host("b.html", ""))}, "b.html does not exist"),
        ]
    ),
)
def test_files_that_nothing_can_be_made_of(tmp_path: Path, files: dict[str, Any], offender: str) -> None:
    with pytest.raises(EmptyCompositionError, match=offender), open_html(tmp_path, composition(host("a.html")), files):
        pass


@pytest.mark.parametrize(
    "source", sampled(["", "100%.html", "http://[", "https://example.com/a.html", "gone.html?x#y"])
)
def test_sources_that_are_no_files(tmp_path: Path, source: str) -> None:
    with pytest.raises(EmptyCompositionError, match="does not exist"), open_html(tmp_path, composition(host(source))):
        pass


def test_urls_that_are_none_stay_as_they_are(tmp_path: Path) -> None:
    content = '<a id="p" href="http://["></a><a id="q" href="../100%"></a><a id="r" href="mailto:a@b"></a>'
    with open_html(tmp_path, composition(host("scenes/a.html")), {"scenes/a.html": scene(content)}) as page:
        assert page.value("[p, q, r].map(a => a.getAttribute('href'))") == ["http://[", "100%", "mailto:a@b"]


@pytest.mark.parametrize(
    "source", sampled(["__SCENE_1__", "<<scene>>", "{{scene}}", "${scene}", "scenes/{{name}}.html"], one_of=2)
)
def test_placeholders_are_left_alone(tmp_path: Path, source: str) -> None:
    with open_html(tmp_path, composition(host(source, 'id="h"') + box("", "#f00"))) as page:
        assert page.value("h.getAttribute('data-composition-src')") == source
        assert page.pixel(0) == RED


def test_an_entry_document_in_a_folder(tmp_path: Path) -> None:
    files = {"scenes/a.html": scene('<img id="i" src="dot.svg">'), "scenes/dot.svg": svg("#f00")}
    page_in = composition(host("scenes/a.html"))
    with open_html(tmp_path, page_in, {"pages/index.html": page_in, **files}, entry="pages/index.html") as page:
        assert page.value("[i.getAttribute('src'), i.naturalWidth]") == ["/scenes/dot.svg", 64]


@pytest.mark.parametrize(
    "base", sampled(["", "assets/", "/assets/deep/", "assets/x.html?y#z", "https://elsewhere.example/"])
)
def test_files_of_a_scene_are_found_under_a_base_of_the_page(tmp_path: Path, base: str) -> None:
    head = f'<base href="{base}">' if base else ""
    linked = '<head><link rel="stylesheet" href="look.css"></head>'
    content = """<style>.styled { background: url("a.svg") }</style><img id="picture" src="a.svg"><i class="styled"></i><i class="linked"></i>
      <a id="up" href="../up.svg"></a><script src="plain.js"></script><script type="module" src="module.js"></script>"""
    scripts = {f"scenes/{name}.js": f"(window.ran ??= []).push('{name}')" for name in ("plain", "module")}
    files = {
        "scenes/a.html": linked + scene(content),
        "scenes/look.css": ".linked { background: url(a.svg) }",
        "scenes/a.svg": svg("#0f0"),
        "up.svg": svg("#0f0"),
        **scripts,
    }
    with open_html(tmp_path, composition(host("scenes/a.html"), head=head), files) as page:
        assert page.value("picture.naturalWidth > 0 && new URL(picture.src).pathname") == "/scenes/a.svg"
        assert page.value("new URL(up.href).pathname") == "/up.svg"
        for name in ("styled", "linked"):
            image = page.value(f"getComputedStyle(document.querySelector('.{name}')).backgroundImage")
            assert image == f'url("{page.value("location.origin")}/scenes/a.svg")'
        assert sorted(page.value("ran")) == ["module", "plain"]


def test_what_lies_at_the_base_of_the_page_counts_from_there(tmp_path: Path) -> None:
    linked = '<head><link rel="stylesheet" href="look.css"></head>'
    content = """<img id="picture" src="own.svg"><i class="linked"></i><script src="own.js"></script>"""
    files = {
        "scenes/a.html": linked + scene(content),
        "assets/look.css": ".linked { background: url(own.svg) }",
        "assets/own.svg": svg("#0f0"),
        "assets/own.js": "window.ran = 'assets'",
        "look.css": ".linked { background: url(nowhere.svg) }",
        "own.js": "window.ran = 'root'",
    }
    html = composition(host("scenes/a.html"), head='<base href="assets/">')
    with open_html(tmp_path, html, files) as page:
        assert page.value("picture.naturalWidth > 0 && new URL(picture.src).pathname") == "/assets/own.svg"
        image = page.value("getComputedStyle(document.querySelector('.linked')).backgroundImage")
        assert image.endswith('/assets/own.svg")')
        assert page.value("ran") == "assets"


@pytest.mark.parametrize("around", ["{}", "<div>{}</div>", "<main><p>text</p><section>{}</section></main>"])
def test_a_composition_without_a_start_starts_with_the_one_around_it(around, tmp_path: Path) -> None:
    card = '<template><div data-composition-id="card" data-no-timeline><i id="clip" data-start="0.25"></i></div></template>'
    inner = around.format('<div data-composition-id="card" data-composition-src="card.html"></div>')
    scene = f'<template><div data-composition-id="scene" data-no-timeline>{inner}</div></template>'
    host = '<div data-composition-id="scene" data-composition-src="scene.html" data-start="0.5"></div>'
    with open_html(tmp_path, composition(host), {"scene.html": scene, "card.html": card}) as page:
        assert [clip["start"] for clip in page.report()["clips"] if clip["id"] == "clip"] == [0.75]


def test_urls_in_styles_may_have_any_letters(tmp_path: Path) -> None:
    names = ["img (1).svg", "it's.svg", 'a "b".svg', "c).svg"]
    written = ["url('img (1).svg')", "url('it\\'s.svg')", 'url("a \\"b\\".svg")', 'URL( "c).svg" )']
    style = "".join(f".p{number} {{ background: {url} }}" for number, url in enumerate(written))
    boxes = "".join(f'<i class="p{number}" style="position:absolute;inset:0"></i>' for number in range(len(names)))
    scene = f'<template><div data-composition-id="s" data-no-timeline><style>{style}</style>{boxes}</div></template>'
    host = '<div data-composition-id="s" data-composition-src="scenes/s.html" data-start="0"></div>'
    files = {"scenes/s.html": scene, **{f"scenes/{name}": svg("#0f0") for name in names}}
    with open_html(tmp_path, composition(host), files) as page:
        assert not page.session.site.misses
        shown = page.value("[...document.querySelectorAll('i')].map((each) => getComputedStyle(each).backgroundImage)")
    assert [unquote(url).removesuffix('")').split("/scenes/")[1].replace("\\", "") for url in shown] == names


def test_data_in_the_head_of_a_file_stays(tmp_path: Path) -> None:
    scene = """<html><head><script type="application/json" id="data">{"a": 5}</script></head>
      <body><div data-composition-id="s" data-no-timeline><script>window.got = JSON.parse(document.getElementById("data").textContent)</script></div></body></html>"""
    host = '<div data-composition-id="s" data-composition-src="s.html" data-start="0"></div>'
    with open_html(tmp_path, composition(host), {"s.html": scene}) as page:
        assert page.value("got") == {"a": 5}


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_file_may_have_an_import_map(where, tmp_path: Path) -> None:
    names = '<script type="importmap">{"imports": {"lib": "./lib.js", "dir/": "../shared/"}, "scopes": {"./inner/": {"lib": "./other.js"}}}</script>'
    module = """<script type="module">import { a } from "lib"; import { b } from "dir/b.js"; import { c } from "/scenes/inner/c.js"; window.got = [a, b, c]</script>"""
    head, body = (names, "") if where == "head" else ("", names)
    scene = f'<html><head>{head}</head><body><div data-composition-id="s" data-no-timeline>{body}{module}</div></body></html>'
    files = {
        "scenes/s.html": scene,
        "scenes/lib.js": "export const a = 1",
        "scenes/other.js": "export const a = 10",
        "scenes/inner/c.js": 'import { a } from "lib"; export const c = a + 20',
        "shared/b.js": "export const b = 2",
    }
    host = '<div data-composition-id="s" data-composition-src="scenes/s.html" data-start="0"></div>'
    with open_html(tmp_path, composition(host), files) as page:
        assert page.value("got") == [1, 2, 30]
