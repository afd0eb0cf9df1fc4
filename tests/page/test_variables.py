"""Variables: declared, overridden, and applied (docs/compositions.md, 5)."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import pytest
from page_samples import GREEN, RED, box, composition, open_html, svg

pytestmark = pytest.mark.browser


def declares(*items: dict[str, Any]) -> str:
    return f'data-composition-variables="{escape(json.dumps(items))}"'


DECLARED = declares(
    {"id": "Main Colour", "type": "color", "default": "#f00"},
    {"id": "title", "type": "string", "default": "Title"},
    {"id": "size", "type": "number", "default": 3},
    {"id": "face", "type": "font", "default": {"name": "Inter; }", "source": "google"}},
    {"id": "logo", "type": "image", "default": {"url": "a.svg"}},
    {"id": "look", "type": "enum", "default": "a", "options": [{"value": "a"}, {"value": "b"}]},
)
ROOT = f'data-duration="1" data-no-timeline {DECLARED}'


def test_declared_values_and_overrides(tmp_path: Path) -> None:
    script = "const seen = __hyperframes.getVariables(); seen.title = 'mine'; const given = window.__hfVariables"
    with open_html(tmp_path, composition("", script, root=ROOT), variables={"size": 5, "more": [1]}) as page:
        values = page.value("__hyperframes.getVariables()")
        assert values == {
            "Main Colour": "#f00",
            "title": "Title",
            "size": 5,
            "face": {"name": "Inter; }", "source": "google"},
            "logo": {"url": "a.svg"},
            "look": "a",
            "more": [1],
        }
        assert page.value("given") == {"size": 5, "more": [1]}


def test_later_declarations_win(tmp_path: Path) -> None:
    html = composition("", root=ROOT).replace(
        "<html>", f"<html {declares({'id': 'title', 'default': 'first'}, {'id': 'only', 'default': 'html'})}>"
    )
    with open_html(tmp_path, html) as page:
        assert page.value("(({title, only}) => [title, only])(__hyperframes.getVariables())") == ["Title", "html"]


@pytest.mark.parametrize(("variables", "pixel"), [({}, RED), ({"Main Colour": "#0f0"}, GREEN)])
def test_custom_properties(tmp_path: Path, variables: dict[str, Any], pixel: tuple[int, ...]) -> None:
    body = box("", "var(--main-colour)")
    style = "html {--size: 7} #root {--title: authored}"
    with open_html(tmp_path, composition(body, root=ROOT, style=style), variables=variables) as page:
        assert page.pixel(0) == pixel
        assert page.value(
            "['--main-colour', '--face'].map(n => getComputedStyle(document.documentElement).getPropertyValue(n))"
        ) == [variables.get("Main Colour", "#f00"), "Inter"]
        # the page's own definition is not overruled by a default
        assert page.value("getComputedStyle(document.documentElement).getPropertyValue('--size')") == "7"


def test_elements_bound_to_variables(tmp_path: Path) -> None:
    body = """<h1 id="h" data-var-text="title">old <b>kept</b> text</h1><p id="p" data-var-text="size"></p>
      <img id="i" data-var-src="logo" style="position:absolute;top:0;left:0;width:64px;height:64px">
      <i id="n" data-var-src="logo"></i><img id="bad" data-var-src="script">
      <p id="u" data-var-text="unknown">as is</p>"""
    files = {"b.svg": svg("#0f0")}
    given = {"title": "<New>", "logo": {"url": "b.svg"}, "script": "javascript:alert(1)"}
    with open_html(tmp_path, composition(body, root=ROOT), files, variables=given) as page:
        assert page.value("[h.innerHTML, p.textContent, u.textContent]") == ["&lt;New&gt;<b>kept</b>", "3", "as is"]
        assert page.pixel(0) == GREEN
        assert page.value("[i.getAttribute('src'), n.getAttribute('src'), bad.getAttribute('src')]") == [
            "b.svg",
            None,
            None,
        ]


def test_overrides_that_do_not_fit_are_told(tmp_path: Path) -> None:
    given = {"nobody": 1, "size": "large", "look": "c", "title": "fine"}
    with open_html(tmp_path, composition("", root=ROOT), variables=given) as page:
        assert page.report()["variableProblems"] == [
            'variable "nobody" is not declared by the composition',
            'variable "size" should be of type number',
            'variable "look" has no option "c"; it has "a", "b"',
        ]


def test_declarations_that_are_no_json_are_told(tmp_path: Path) -> None:
    with open_html(tmp_path, composition("<i data-composition-variables='[{'></i>")) as page:
        assert any("is not JSON" in text for text in page.report()["warnings"])


SCENE_VARIABLES = declares(
    {"id": "title", "type": "string", "default": "scene default"},
    {"id": "Main Colour", "type": "color", "default": "#00f"},
    {"id": "logo", "type": "image", "default": {"url": "a.svg"}},
)
SCENE = f"""<html {declares({"id": "title", "default": "of the file"}, {"id": "file", "default": 1})}><body>
  <div data-composition-id="a" {SCENE_VARIABLES}><b class="box" data-var-text="title">old</b><u data-var-text="size">u</u>
  <img data-var-src="logo"></div>
  <script>(window.seen ??= []).push(__hyperframes.getVariables(), window.__hyperframes.getVariables())</script></body></html>"""


def scene_host(values: dict[str, Any] | None = None) -> str:
    given = f'data-variable-values="{escape(json.dumps(values))}"' if values is not None else ""
    return f'<div class="h" data-composition-id="a" data-composition-src="a.html" data-no-timeline {given}></div>'


def test_instances_have_values_of_their_own(tmp_path: Path) -> None:
    first, second = {"title": "one", "extra": [1]}, {"Main Colour": "#0f0", "logo": {"url": "b.svg"}}
    html = composition(scene_host(first) + scene_host(second), root=ROOT)
    files = {"a.html": SCENE, "a.svg": svg("#f00"), "b.svg": svg("#0f0")}
    with open_html(tmp_path, html, files, variables={"title": "render", "size": 5}) as page:
        defaults = {"title": "scene default", "file": 1, "Main Colour": "#00f", "logo": {"url": "a.svg"}}
        one, two = defaults | first, defaults | second
        assert page.value("seen") == [one, one, two, two]
        assert page.value("__hfVariablesByComp") == {"a__hf1": one, "a__hf2": two}
        assert page.value("__hyperframes.getVariables().title") == "render"
        assert page.value("[...document.querySelectorAll('.box')].map(e => e.textContent)") == ["one", "scene default"]
        assert page.value("[...document.querySelectorAll('.h img')].map(e => e.getAttribute('src'))") == [
            "a.svg",
            "b.svg",
        ]
        # what only the page declares is the page's
        assert page.value("[...document.querySelectorAll('u')].map(e => e.textContent)") == ["5", "5"]
        read = "[...document.querySelectorAll('.box')].map(e => getComputedStyle(e).getPropertyValue('%s'))"
        assert page.value(read % "--main-colour") == ["#00f", "#0f0"]
        assert page.value(read % "--title") == ["one", "scene default"]
        assert page.value(read % "--size") == ["5", "5"]


def test_defaults_of_a_scene_give_way_to_its_styles(tmp_path: Path) -> None:
    content = SCENE.replace("<body>", "<body><style>:root { --main-colour: rgb(1, 2, 3) }</style>")
    html = composition(scene_host({}) + scene_host({"Main Colour": "#0f0"}))
    with open_html(tmp_path, html, {"a.html": content, "a.svg": svg("#f00")}) as page:
        read = "[...document.querySelectorAll('.box')].map(e => getComputedStyle(e).getPropertyValue('--main-colour'))"
        assert page.value(read) == ["rgb(1, 2, 3)", "#0f0"]


def test_a_style_after_the_root_still_wins_over_a_default(tmp_path: Path) -> None:
    body = "<script>const early = getComputedStyle(root).getPropertyValue('--main-colour')</script>"
    script = "document.head.insertAdjacentHTML('beforeend', '<style>#root { --main-colour: rgb(1, 2, 3) }</style>')"
    with open_html(tmp_path, composition(body, script, root=ROOT)) as page:
        assert page.value("[early, getComputedStyle(root).getPropertyValue('--main-colour')]") == [
            "#f00",
            "rgb(1, 2, 3)",
        ]


def test_values_are_there_before_scripts_and_are_set_once(tmp_path: Path) -> None:
    body = '<h1 id="h" data-var-text="title">old</h1>'
    script = "const early = h.textContent; h.innerHTML = [...early].map(c => `<i>${c}</i>`).join('')"
    with open_html(tmp_path, composition(body, script, root=ROOT)) as page:
        assert page.value("[early, h.textContent, h.children.length]") == ["Title", "Title", 5]


def test_values_for_what_a_script_adds(tmp_path: Path) -> None:
    script = "setTimeout(() => root.insertAdjacentHTML('beforeend', '<p id=p data-var-text=title></p>'), 30)"
    with open_html(tmp_path, composition("", script, root=ROOT)) as page:
        assert page.value("p.textContent") == "Title"


@pytest.mark.parametrize("values", ["{", "[1]", "3"])
def test_host_values_that_are_no_object_are_told(tmp_path: Path, values: str) -> None:
    host = scene_host().replace("data-no-timeline", f"data-no-timeline data-variable-values='{values}'")
    with open_html(tmp_path, composition(host), {"a.html": SCENE, "a.svg": svg("#f00")}) as page:
        assert any("data-variable-values of" in text for text in page.report()["warnings"])


def test_two_ids_with_one_property_are_told(tmp_path: Path) -> None:
    root = f"data-no-timeline {declares({'id': 'my colour', 'default': 1}, {'id': 'My-Colour', 'default': 2})}"
    with open_html(tmp_path, composition("", root=root)) as page:
        assert any("share the property --my-colour" in text for text in page.report()["warnings"])
