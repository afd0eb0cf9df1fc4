"""Hooks of the documentation's build (`mkdocs.yml`): what pages take from the code and from files of the repository.

A comment in a page is replaced: ``<!-- errors -->`` by the tables of all errors, and ``<!-- file: NAME -->`` by a file of
the repository, with its links into ``docs/`` changed to links between pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfdask import errors
from hfdask.cli.commands import exit_status

REPOSITORY = Path(__file__).resolve().parent.parent

_FILE = re.compile(r"<!-- file: (\S+) -->")
_HEAD = "| code, class | exit status | can heal | meaning |\n| --- | --- | --- | --- |\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for each page."""
    markdown = _FILE.sub(lambda match: file_as_page(match[1]), markdown)
    return markdown.replace("<!-- errors -->", error_tables())


def file_as_page(name: str) -> str:
    """The text of a file of the repository, as a page of the site."""
    return (REPOSITORY / name).read_text("utf-8").replace("](docs/", "](")


def error_tables() -> str:
    """Return all errors: a section for each family, and a section for errors without a family."""
    families = [kind for kind in errors.HfdaskError.__subclasses__() if kind.__subclasses__()]
    alone = [kind for kind in errors.HfdaskError.__subclasses__() if not kind.__subclasses__()]
    sections = [f"## {family.__name__}\n\n{_table(list(_below(family)))}" for family in families]
    return "\n".join([*sections, f"## Others\n\n{_table([errors.HfdaskError, *alone])}"])


def _below(kind: type[errors.HfdaskError]) -> Iterator[type[errors.HfdaskError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def _table(kinds: list[type[errors.HfdaskError]]) -> str:
    return _HEAD + "".join(_row(kind) for kind in kinds)


def _row(kind: type[errors.HfdaskError]) -> str:
    meaning = (kind.__doc__ or "").strip().partition("\n")[0].replace("``", "`")
    heals = "yes" if kind.retryable else ""
    return f"| `{kind.code}`<br>`{kind.__name__}` | {exit_status(kind(''))} | {heals} | {meaning} |\n"
