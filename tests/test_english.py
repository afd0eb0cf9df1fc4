"""The check of plain English: it finds each counted phrase in text for people, and none in code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import REPOSITORY

WRONG = {
    "where": "Fails where no browser is installed.",
    "what-is": "What is missing ends the render.",
    "tell": "The store tells of it.",
    "that-of": "The size equals that of the video.",
    "is-no": "The file is no video.",
    "persons": "It stays until somebody removes it.",
    "one-that": "A browser replaces one that hangs.",
    "of-its-own": "Each has a folder of its own.",
    "so-many": "It waits so many seconds.",
    "for-ever": "Playwright waits for ever.",
    "there-is": "It takes what there is.",
}
RIGHT = [
    "Return the place where it is kept, and where to write.",
    "What is a plan? See the page of plans.",
    "There is no browser, and it is no longer needed.",
    "A worker accepts plans of its own version.",
]


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import check_english

    monkeypatch.setattr(check_english, "REPOSITORY", tmp_path)
    yield check_english
    sys.modules.pop("check_english")


def found(english: Any, name: str, text: str) -> list[tuple[int, str]]:
    """Line and rule of each finding in a file of the package."""
    path = english.REPOSITORY / "hfdask" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    rules, allowed = english.read_rules(english.RULES)
    return [(line, rule.name) for line, rule, _ in english.findings(Path("hfdask", name), rules, allowed)]


@pytest.mark.parametrize(("rule", "sentence"), WRONG.items())
def test_each_phrase_is_found_wherever_people_read_it(english, rule, sentence):
    half = sentence.index(" ", len(sentence) // 2)
    lines = sentence[:half], sentence[half + 1 :]
    assert found(english, "a.py", f'"""A module.\n\n{sentence}\n"""\n') == [(3, rule)]
    assert found(english, "a.py", f"x = 1\n# {sentence}\n") == [(2, rule)]
    assert found(english, "a.py", f'raise ValueError("the file: {sentence}")\n') == [(1, rule)]
    assert found(english, "a.py", f'\nraise ValueError(f"{{x}}: {lines[0]} " "{lines[1]}")\n') == [(2, rule)]
    assert found(english, "a.js", f"let x = 1; // {sentence}\n") == [(1, rule)]
    assert [name for _, name in found(english, "a.js", f"// {lines[0]}\n// {lines[1]}\n")] == [rule]
    assert found(english, "a.js", f"warn(`the page: {sentence}`);\n") == [(1, rule)]
    assert [name for _, name in found(english, "a.md", f"# Title\n\n{lines[0]}\n{lines[1]}\n")] == [rule]
    assert found(english, "a.toml", f"x = 1 # {sentence}\n") == [(1, rule)]


@pytest.mark.parametrize("sentence", WRONG.values())
def test_code_is_not_read(english, sentence):
    assert found(english, "a.md", f"```\n{sentence}\n```\n\nA `{sentence}` code.\n") == []
    assert found(english, "a.py", f'"""See ``{sentence}``."""\n') == []


@pytest.mark.parametrize("sentence", RIGHT)
def test_the_same_words_in_other_places_are_right(english, sentence):
    assert found(english, "a.md", sentence) == []
    assert found(english, "a.py", f'"""{sentence}"""\n') == []


def test_a_docstring_of_a_function_begins_with_a_verb(english):
    assert found(english, "a.py", 'def f():\n    """Which files changed."""\n') == [(2, "docstring")]
    assert found(english, "a.py", 'def f():\n    """List the changed files."""\n') == []
    assert found(english, "a.py", 'def test_f():\n    """Which files changed."""\n') == []


def test_allowed_phrases_pass(english, monkeypatch, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text("allowed = ['one that hangs']\n[rules.one-that]\npattern = 'one that'\ninstead = 'x'\n", "utf-8")
    monkeypatch.setattr(english, "RULES", rules)
    assert found(english, "a.md", "It ends one that hangs.") == []
    assert found(english, "a.md", "It ends one that fails.") == [(1, "one-that")]
