"""Variables: declared, overridden, and where their values go (contract 1.8)."""

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
        warnings = [text for text in page.report()["warnings"] if "variable" in text]
    assert len(warnings) == 3
    assert [name in text for name, text in zip(("nobody", "size", "look"), warnings, strict=True)] == [True] * 3


def test_declarations_that_are_no_json_are_told(tmp_path: Path) -> None:
    with open_html(tmp_path, composition("<i data-composition-variables='[{'></i>")) as page:
        assert any("is not JSON" in text for text in page.report()["warnings"])
