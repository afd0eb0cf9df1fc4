"""Show findings: grouped by file on a terminal, as a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from hfdask.core.results import Finding
from hfdask.core.tables import html_table

if TYPE_CHECKING:
    from rich.padding import Padding
    from rich.text import Text

_ALIKE = 5
"""Maximum number of findings of one code in one file that are shown in full."""

_COLOURS = {"error": "bold red", "warning": "yellow"}


def count(findings: Sequence[Finding]) -> str:
    """Return a text such as "2 errors and 1 warning"."""
    parts = []
    for severity in ("error", "warning"):
        number = sum(finding.severity == severity for finding in findings)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return " and ".join(parts) or "nothing"


def _indented(text: Text, by: int) -> Padding:
    from rich.padding import Padding

    return Padding(text, (0, 0, 0, by), expand=False)


def by_file(findings: Sequence[Finding], files: int) -> Iterator[Text | Padding]:
    """Return the findings for a terminal, grouped by file."""
    from rich.text import Text

    for file, group in groupby(findings, key=lambda finding: finding.file):
        yield Text(file, style="bold underline")
        shown: dict[str, int] = {}
        for finding in group:
            shown[finding.code] = shown.get(finding.code, 0) + 1
            if shown[finding.code] <= _ALIKE:
                yield from _one(finding)
        for code, number in shown.items():
            if number > _ALIKE:
                yield _indented(Text(f"{code}: {number - _ALIKE} more", style="dim"), 2)
        yield Text()
    yield Text(f"{count(findings)} in {files} file{'s' if files != 1 else ''}")


def _one(finding: Finding) -> Iterator[Padding]:
    from rich.text import Text

    where = f"line {finding.line}  " if finding.line else ""
    yield _indented(Text.assemble(where, (finding.severity, _COLOURS[finding.severity]), "  ", finding.code), 2)
    if finding.element:
        yield _indented(Text(finding.element, style="cyan", overflow="ellipsis", no_wrap=True), 6)
    yield _indented(Text(finding.message), 6)
    yield _indented(Text(f"→ {finding.remedy}", style="green"), 6)


def as_html(findings: Sequence[Finding], caption: str) -> str:
    """Return the findings as a plain HTML table."""
    return html_table(map(_cells, findings), caption)


def _cells(finding: Finding) -> tuple[str, ...]:
    return finding.place, finding.severity, finding.code, finding.element or "", f"{finding.message} → {finding.remedy}"
