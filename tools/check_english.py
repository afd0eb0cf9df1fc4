"""Check the plain English of this repository: words and phrases that CONTRIBUTING.md asks to avoid.

It reads docstrings, comments and messages of the package, docstrings and comments of everything else, and Markdown. Code is left
out. The rules, and the phrases that are right all the same, are in ``tools/english.toml``.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RULES = Path(__file__).with_name("english.toml")

_JAVASCRIPT = re.compile(
    r"(?P<comment>/\*.*?\*/|(?<![:\"'`])//[^\n]*)|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)",
    re.DOTALL,
)
_MARKDOWN_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`|\]\([^)]*\)|^:::.*?$|https?://\S+", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(r"``[^`]*``|`[^`]*`|https?://\S+")
_WITHOUT_SUFFIX = ("Dockerfile", "Makefile")
_INSERTED = re.compile(r"\$\{[^}]*\}")
_COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")


@dataclass(frozen=True)
class Rule:
    """A phrase to avoid, and what to write instead."""

    name: str
    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True)
class Text:
    """A passage for people: its first line in the file, and whether it is a function's docstring."""

    line: int
    words: str
    of_function: bool = False


def main() -> int:
    """Print what breaks a rule, and return 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="Default: all files that git knows.")
    parser.add_argument("--count", action="store_true", help="Print only how often each rule is broken.")
    options = parser.parse_args()
    rules, allowed = read_rules(RULES)
    counts: Counter[str] = Counter()
    for path in options.files or known_files():
        for line, rule, phrase in findings(path, rules, allowed):
            counts[rule.name] += 1
            if not options.count:
                print(f"{path}:{line}: {phrase!r}: {rule.instead}")
    if options.count:
        print("\n".join(f"{number:5} {name}" for name, number in counts.most_common()))
    if counts:
        print(
            f'{counts.total()} phrases break the rules of CONTRIBUTING.md, "English"; tools/english.toml can allow one'
        )
    return bool(counts)


def read_rules(path: Path) -> tuple[list[Rule], list[str]]:
    """Read the rules, and the phrases that are always right."""
    document = tomllib.loads(path.read_text("utf-8"))
    rules = [
        Rule(name, re.compile(rule["pattern"].replace(" ", r"\s+"), re.MULTILINE), rule["instead"])
        for name, rule in document["rules"].items()
    ]
    return rules, document["allowed"]


def known_files() -> list[Path]:
    """List the files of the repository that have text for people."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in listed.splitlines()]
    return [
        path
        for path in paths
        if (path.suffix in _READERS or path.name in _WITHOUT_SUFFIX) and (REPOSITORY / path).is_file()
    ]


def findings(path: Path, rules: list[Rule], allowed: list[str]) -> Iterator[tuple[int, Rule, str]]:
    """Yield line, rule and phrase of each place of a file that breaks a rule."""
    source = (REPOSITORY / path).read_text("utf-8")
    reader = _READERS.get(path.suffix, _hash_comments)
    right = [re.compile(re.escape(phrase).replace(r"\ ", r"\s+")) for phrase in allowed]
    for text in reader(source, path):
        words = _QUOTED.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), text.words)
        excused = [span for phrase in right for span in (match.span() for match in phrase.finditer(words))]
        for rule in rules:
            if rule.name == "docstring" and not text.of_function:
                continue
            for match in rule.pattern.finditer(words):
                phrase = match[0].lstrip(" .:;!?\n")  # without the end of the sentence before
                begin = match.end() - len(phrase)
                if not any(start <= begin and match.end() <= end for start, end in excused):
                    yield text.line + words.count("\n", 0, begin), rule, " ".join(phrase.split())


def _python(source: str, path: Path) -> Iterator[Text]:
    tree = ast.parse(source)
    functions = {
        id(node.body[0].value): not node.name.startswith("test_")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    messages = path.parts[0] == "hfdask"
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and messages:
            yield Text(node.lineno, "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            prose = id(node) in docstrings or (messages and node.value.count(" ") > 1)
            yield from [Text(node.lineno, node.value, functions.get(id(node), False))] if prose else []
    comments = [
        (token.start[0], token.string.lstrip("#! "))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    yield from _blocks(comments)


def _javascript(source: str, _: Path) -> Iterator[Text]:
    comments = []
    for match in _JAVASCRIPT.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        if match["comment"]:
            for number, text in enumerate(match["comment"].splitlines()):
                comments.append((line + number, text.strip(" /*")))
        elif match["text"].count(" ") > 1:
            yield Text(line, _INSERTED.sub("X", match["text"][1:-1]))
    yield from _blocks(comments)


def _markdown(source: str, _: Path) -> Iterator[Text]:
    yield Text(1, _MARKDOWN_CODE.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), source))


def _hash_comments(source: str, _: Path) -> Iterator[Text]:
    found = ((number, _COMMENT.search(line)) for number, line in enumerate(source.splitlines(), 1))
    yield from _blocks([(number, match[1]) for number, match in found if match])


def _blocks(comments: list[tuple[int, str]]) -> Iterator[Text]:
    """Join comments on consecutive lines, because a phrase may go on on the next one."""
    start, lines = 0, list[str]()
    for number, text in comments:
        if number != start + len(lines) and lines:
            yield Text(start, "\n".join(lines))
            lines = []
        if not lines:
            start = number
        lines.append(text)
    if lines:
        yield Text(start, "\n".join(lines))


_READERS = {
    ".py": _python,
    ".js": _javascript,
    ".md": _markdown,
    ".toml": _hash_comments,
    ".yaml": _hash_comments,
    ".yml": _hash_comments,
    ".sh": _hash_comments,
}

if __name__ == "__main__":
    sys.exit(main())
