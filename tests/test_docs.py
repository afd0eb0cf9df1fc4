"""The documentation is complete, and its references are valid. `make docs` builds it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from test_errors import all_errors

import hfdask
from hfdask.core.model import PROTOCOL

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])
SOURCES = sorted(path for path in (REPOSITORY / "hfdask").rglob("*") if path.suffix in (".py", ".js", ".yaml"))
SECTION = re.compile(r"docs/compositions\.md, ([\d., and to]*\d)")


def text_of(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_variable_is_on_its_page():
    used = {name for path in SOURCES for name in re.findall(r"\bHFDASK_[A-Z_]+\b", path.read_text("utf-8"))}
    codes = {kind.code for kind in all_errors()}
    page = text_of("environment.md")
    assert [name for name in sorted(used - codes) if f"`{name}`" not in page] == []


def test_every_public_name_is_on_the_page_of_the_api():
    page = text_of("api.md")
    shown = set(re.findall(r"^::: hfdask\.(\w+)$", page, re.MULTILINE))
    assert shown | {"errors", "__version__"} == set(hfdask.__all__)
    assert "`hfdask.errors`" in page
    assert "`hfdask.__version__`" in page


def test_every_error_is_on_the_page_of_errors(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import docs_hooks

    page = docs_hooks.on_page_markdown(text_of("errors.md"))
    sys.modules.pop("docs_hooks")
    for kind in all_errors():
        assert page.count(f"| `{kind.code}`<br>`{kind.__name__}` |") == 1, kind


def test_the_page_of_the_plan_format_has_the_present_protocol():
    page = text_of("plan-format.md")
    assert f"**protocol {PROTOCOL}**" in page
    assert f"| `protocol` | {PROTOCOL} |" in page


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"[\w/-]+\.md", (REPOSITORY / "mkdocs.yml").read_text("utf-8")))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {name for name in there - named if not name.startswith("decisions/")} == set()
    listed = text_of("decisions/README.md")
    assert [
        name for name in there if name.startswith("decisions/") and f"({name.partition('/')[2]})" not in listed
    ] == ["decisions/README.md"]


def test_references_to_the_page_contract_name_sections_that_are_there():
    headings = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)", text_of("compositions.md"), re.MULTILINE))
    found = [
        (path.name, number)
        for path in [*SOURCES, *(REPOSITORY / "tests").rglob("*.py")]
        for numbers in SECTION.findall(path.read_text("utf-8"))
        for number in re.findall(r"\d+(?:\.\d+)?", numbers)
    ]
    assert len(found) > 30
    assert [each for each in found if each[1] not in headings] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_files_that_a_page_names_are_there(page):
    text = page.read_text("utf-8")
    names = set(re.findall(r"`((?:hfdask|tests|docs|tools|examples|benchmarks)/[\w./-]+\.\w+)`", text))
    names |= set(re.findall(r"\]\(([\w./-]+\.(?:md|yaml|png))(?:#[\w.-]+)?\)", text))
    places = (REPOSITORY, page.parent, DOCS)
    assert [name for name in sorted(names) if not any((place / name).exists() for place in places)] == []
