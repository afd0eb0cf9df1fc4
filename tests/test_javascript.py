"""The page runtime's names: its files share one scope, in which no linter finds unused names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import resources

import pytest
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from hfdask import page

SCRIPTS = {"runtime": (*page._sources(), "keepBuiltIns();"), "fonts": (page._joined([page._FONTS]),)}
NAMES = ("identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern")


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode()


def declared(program: Node) -> Iterator[str]:
    """The names that a script declares at its top."""
    for statement in program.children:
        if statement.type in {"function_declaration", "generator_function_declaration", "class_declaration"}:
            yield text(statement.child_by_field_name("name"))
        for declarator in statement.children if statement.type.endswith("lexical_declaration") else []:
            found = declarator.child_by_field_name("name")
            yield from (text(node) for node in nodes(found) if node.type in NAMES) if found else ()


def parsed(source: str) -> Node:
    program = Parser(Language(tree_sitter_javascript.language())).parse(source.encode()).root_node
    assert not program.has_error
    return program


@pytest.mark.parametrize("scope", SCRIPTS)
def test_every_name_that_the_runtime_declares_is_used(scope: str) -> None:
    programs = [parsed(source) for source in SCRIPTS[scope]]
    used = Counter(text(node) for program in programs for node in nodes(program) if node.type in NAMES)
    unused = {name for program in programs for name in declared(program) if used[name] < 2}
    assert not unused


def test_a_name_that_nothing_uses_is_found() -> None:
    program = parsed(
        "function lost() {} const { a, b: c } = window; let d = a; function* e() {} export class F {}; d = c;"
    )
    assert list(declared(program)) == ["lost", "a", "c", "d", "e"]


def test_every_file_of_the_runtime_is_loaded() -> None:
    files = {file.name for file in (resources.files("hfdask.page") / "runtime").iterdir()}
    assert files == {*page._FRAME, *page._PLAYER, page._FONTS}


def files_of_scripts() -> dict[str, str]:
    top = resources.files("hfdask.page")
    paths = [f"{folder}{file.name}" for folder in ("", "runtime/") for file in (top / folder).iterdir()]
    return {path: (top / path).read_text("utf-8") for path in paths if path.endswith(".js")}


FILES = files_of_scripts()


def words(source: str) -> list[str]:
    leaves = (node for node in nodes(parsed(source)) if not node.children and node.type not in {"comment", "\n"})
    return [word for leaf in leaves for word in text(leaf).split()]


@pytest.mark.parametrize("path", FILES)
def test_a_page_gets_all_words_of_a_script_but_its_comments(path: str) -> None:
    assert words(page._text(path)) == words(FILES[path])


@pytest.mark.parametrize("path", FILES)
def test_scripts_have_no_other_characters_for_which_the_browser_would_take_two_bytes_each(path: str) -> None:
    assert FILES[path].isascii()
