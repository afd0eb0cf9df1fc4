"""Find the lines of elements, which a browser's DOM does not keep.

Chromium's parser decides which elements there are. The standard library's tokenizer only gives the lines of start tags. An
element is found by its tag, its attributes and its number among equal ones.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from html.parser import HTMLParser
from typing import Any

_VOID_MEDIA = frozenset({"video", "audio"})


class Positions(HTMLParser):
    """The lines of a document's start tags, by tag and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.self_closing: list[tuple[str, str, int]] = []
        # It fails with an assertion on unknown markup; later elements have no lines then.
        with contextlib.suppress(AssertionError):
            self.feed(text)
            self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        written = self.get_starttag_text() or ""
        # The first of two attributes of one name counts.
        attributes = sorted({name: value or "" for name, value in reversed(attrs)}.items())
        self._lines[_key(tag, attributes)].append((line, line + written.count("\n")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in _VOID_MEDIA:
            self.self_closing.append((tag, (self.get_starttag_text() or "")[:160], self.getpos()[0]))

    def line(self, at: dict[str, Any] | None) -> int | None:
        """Return the line of an element's start tag, or None if it is not known."""
        return self._find(at, 0)

    def content_line(self, at: dict[str, Any] | None) -> int | None:
        """Return the line at which an element's content begins."""
        return self._find(at, 1)

    def _find(self, at: dict[str, Any] | None, which: int) -> int | None:
        if at is None or not at["key"]:
            return None
        tag, attributes = json.loads(at["key"])
        lines = self._lines.get(_key(tag, [(name, value) for name, value in attributes]), [])
        return lines[at["nth"]][which] if at["nth"] < len(lines) else None


def _key(tag: str, attributes: list[tuple[str, str]]) -> str:
    return json.dumps([tag, sorted(attributes)])
