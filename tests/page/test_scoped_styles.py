"""Styles of sub-compositions apply to them alone (docs/compositions.md, 4.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_samples import BLUE, GREEN, RED, Page, composition, open_html

pytestmark = pytest.mark.browser

ROOT = 'id="scene" class="scene-root" data-composition-id="a" data-width="64" data-height="64"'
CONTENT = '<b class="a"><i class="b" id="in"></i></b>'


def selectors(page: Page, index: int = 0) -> list[str]:
    """Of the rules of a mounted style sheet, those in at-rules too."""
    return page.value(f"""(function all(rules) {{ return [...rules].flatMap(r => r.selectorText ?? all(r.cssRules ?? [])) }})(
        document.querySelectorAll('style[data-hf-scoped]')[{index}].sheet.cssRules)""")


def scoped(tmp_path: Path, css: str, host: str = 'data-composition-id="a"', root: str = ROOT) -> Any:
    files = {"a.html": f"<template><style>{css}</style><div {root}>{CONTENT}</div></template>"}
    body = f'<div id="h" {host} data-composition-src="a.html" data-no-timeline></div><b class="a"><i class="b" id="out"></i></b>'
    return open_html(tmp_path, composition(body), files)


S = '[data-composition-id="a"]'
WRAPPER = f"{S} > [data-hf-inner-root]"
ID = '[data-hf-authored-id="scene"]'
TABLE = [
    (".a .b", f"{S} .a .b"),
    (".a, .b > i", f"{S} .a, {S} .b > i"),
    ("*", "*"),
    ("*, *::before", f"*, {S} ::before"),
    ("html", WRAPPER),
    ("body", WRAPPER),
    (":root", WRAPPER),
    ("html, body", f"{WRAPPER}, {WRAPPER}"),
    ("body .a", f"{WRAPPER} .a"),
    ("html > body > .a", f"{WRAPPER} > .a"),
    ("body.dark", f"{WRAPPER}.dark"),
    ("body::before", f"{WRAPPER}::before"),
    ('[data-composition-id="a"]', WRAPPER),
    ("[data-composition-id=a] .b", f"{S} .b"),
    ('div[data-composition-id="a"] .b', f"{S}:is(div) .b, {WRAPPER}:is(div) .b"),
    ('main.x[data-composition-id="a"]', f"{S}.x:is(main), {WRAPPER}.x:is(main)"),
    ("[data-composition-id='a'].dark .b", f"{S}.dark .b, {WRAPPER}.dark .b"),
    ('[data-composition-id="a"] > .a', f"{S} > .a, {WRAPPER} > .a"),
    ('[data-composition-id="a"][data-start="0"] .b', f"{S} .b"),
    ('[data-composition-id="a"][data-start="0"][data-duration="2"]', WRAPPER),
    ('[data-composition-id="a"][data-duration]:hover .b', f"{S}:hover .b, {WRAPPER}:hover .b"),
    ('[data-composition-id="ab"] .b', f'{S} [data-composition-id="ab"] .b'),
    ("#scene", f"{S} {ID}"),
    ("#scene .b", f"{S} {ID} .b"),
    ("#scene.x > .b", f"{S} {ID}.x > .b"),
    ('#scene[data-start="0"] .b', f"{S} {ID} .b"),
    ("#scene-2", f"{S} #scene-2"),
    (".x #scene", f"{S} .x {ID}"),
    (".scene-root .a", f"{S} .scene-root .a"),
    ('[title="a, b"] .a', f'{S} [title="a, b"] .a'),
    (":is(.a, .b) i", f"{S} :is(.a, .b) i"),
    (".md\\:w-1\\/2, .a\\,b", f"{S} .md\\:w-1\\/2, {S} .a\\,b"),
    (".a:not(#scene)::after", f"{S} .a:not({ID})::after"),
    ("bodyguard", f"{S} bodyguard"),
]


def test_selectors(tmp_path: Path) -> None:
    with scoped(tmp_path, "".join(f"{authored} {{ top: 0 }}\n" for authored, _ in TABLE)) as page:
        assert list(zip((a for a, _ in TABLE), selectors(page), strict=True)) == TABLE


def test_selectors_of_an_anonymous_host(tmp_path: Path) -> None:
    css = ".scene-root .b { color: rgb(1, 2, 3) } body { top: 1px } #scene { left: 1px } [data-composition-id=a] .b { bottom: 1px }"
    with scoped(tmp_path, css, host="") as page:
        host = '[data-hf-scope="a"]'
        assert selectors(page) == [
            f"{host} .scene-root .b",
            f"{host} > [data-hf-inner-root]",
            f"{host} {ID}",
            f"{host} .b",
        ]
        assert page.value("[window.in, out].map(e => getComputedStyle(e).color)") == ["rgb(1, 2, 3)", "rgb(0, 0, 0)"]


def test_without_an_inner_root_the_host_is_the_box(tmp_path: Path) -> None:
    css = "body { color: rgb(1, 2, 3) } #scene { top: 1px } [data-composition-id=other] { left: 1px }"
    with scoped(tmp_path, css, root='id="scene" data-composition-id="other" data-no-timeline') as page:
        assert selectors(page) == [S + S, f"{S} #scene", f'{S} [data-composition-id="other"]']
        assert page.value("[h, out].map(e => getComputedStyle(e).color)") == ["rgb(1, 2, 3)", "rgb(0, 0, 0)"]


def test_what_is_in_at_rules(tmp_path: Path) -> None:
    css = """@media all { .a { top: 1px } @supports (top: 0) { .b { top: 1px } } }
      @container (width > 1px) { .a { left: 1px } } @layer x { .a { right: 1px } }
      @keyframes k { from { color: red } 50% { color: blue } } @-webkit-keyframes w { to { top: 0 } }
      @font-face { font-family: F; src: local("none") } @layer one, two; @property --p { syntax: "*"; inherits: false }
      .a { color: red; & .b { color: rgb(1, 2, 3) } .c & { top: 0 } @media all { bottom: 1px } }"""
    with scoped(tmp_path, css) as page:
        assert selectors(page) == [f"{S} .a", f"{S} .b", f"{S} .a", f"{S} .a", f"{S} .a"]
        assert page.value("""[...document.querySelector('style[data-hf-scoped]').sheet.cssRules].map(r => r.name ?? '')""") == [
            "", "", "x", "k", "w", "", "", "--p", "",
        ]  # fmt: skip
        nested = "[...[...document.querySelector('style[data-hf-scoped]').sheet.cssRules].at(-1).cssRules]"
        assert page.value(f"{nested}.map(r => r.selectorText ?? '')") == ["& .b", ".c &", ""]
        assert page.value("[window.in, out].map(e => getComputedStyle(e).color)") == ["rgb(1, 2, 3)", "rgb(0, 0, 0)"]


def test_declarations_are_kept_as_they_are(tmp_path: Path) -> None:
    # written out by the browser, this rule would lose all but its last declaration
    css = ".a { background: var(--pic); background-color: #0f0; --pic: linear-gradient(#00f, #00f) } .a { inset: 0; position: absolute }"
    with scoped(tmp_path, css) as page:
        assert page.pixel(0) == BLUE


def test_imports_of_a_style(tmp_path: Path) -> None:
    css = '@import "look.css"; @import url(more.css) screen; .a { top: 1px }'
    files = {
        "scenes/a.html": f"<template><style>{css}</style><div {ROOT}>{CONTENT}</div></template>",
        "scenes/look.css": "#in { color: rgb(1, 2, 3) }",
        "scenes/more.css": "#in { top: 3px }",
    }
    body = '<div data-composition-id="a" data-composition-src="scenes/a.html" data-no-timeline></div>'
    with open_html(tmp_path, composition(body), files) as page:
        assert page.value("(s => [s.color, s.top])(getComputedStyle(window.in))") == ["rgb(1, 2, 3)", "3px"]
        assert selectors(page) == [f"{S} .a"]


def test_page_rules_of_a_scene_style_its_box_once(tmp_path: Path) -> None:
    css = "html, body, :root { background: #0f0; padding-left: 8px; overflow: hidden } *{box-sizing: border-box}"
    with scoped(tmp_path, css, host='data-composition-id="a" style="width:32px;height:32px"') as page:
        assert [page.pixel(0, x, 5) for x in (1, 31)] == [GREEN] * 2
        padding = "[h, h.firstElementChild, document.body, document.documentElement].map(e => getComputedStyle(e).paddingLeft)"
        assert page.value(padding) == ["0px", "8px", "0px", "0px"]


def test_classes_of_the_inner_root_keep_matching(tmp_path: Path) -> None:
    with scoped(tmp_path, ".scene-root { background: #f00 } .scene-root .b { top: 5px }") as page:
        assert page.pixel(0) == RED
        assert page.value("[window.in, out].map(e => getComputedStyle(e).top)") == ["5px", "auto"]


def test_two_instances_have_styles_of_their_own(tmp_path: Path) -> None:
    content = f"<template><style>.a {{ color: rgb(1, 2, 3) }}</style><div {ROOT}>{CONTENT}</div></template>"
    host = '<div data-composition-id="a" data-composition-src="a.html" data-no-timeline></div>'
    with open_html(tmp_path, composition(host * 2), {"a.html": content}) as page:
        assert [selectors(page, i) for i in (0, 1)] == [[f'[data-composition-id="a__hf{n}"] .a'] for n in (1, 2)]


def test_media_and_place_of_a_style(tmp_path: Path) -> None:
    files = {
        "a.html": f'<template><div {ROOT}>{CONTENT}<style media="print">.b {{ color: red }}</style></div></template>'
    }
    body = '<div data-composition-id="a" data-composition-src="a.html" data-no-timeline></div>'
    with open_html(tmp_path, composition(body, style=".a .b { color: rgb(1, 2, 3) }"), files) as page:
        assert page.value("getComputedStyle(window.in).color") == "rgb(1, 2, 3)"
        assert page.value("document.head.lastElementChild.media") == "print"
        assert page.value("document.querySelector('#root style')") is None
