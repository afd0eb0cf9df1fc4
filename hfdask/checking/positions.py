"""Lines of elements: the one thing that a browser's DOM does not keep.

Chromium's parser decides what elements there are; the standard library's tokenizer only tells where in the file a start
tag stands. An element is found by its tag, attributes and place among those that are alike.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from html.parser import HTMLParser
from typing import Any

_VOID_MEDIA = frozenset({"video", "audio"})


class Positions(HTMLParser):
    """Start tags of a document by what they are."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.self_closing: list[tuple[str, str, int]] = []
        # Of markup that it does not know it says so by an assertion; what stands behind has no lines then.
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
        """The line of an element's start tag, or None where it is not known."""
        return self._find(at, 0)

    def content_line(self, at: dict[str, Any] | None) -> int | None:
        """The line where an element's content begins."""
        return self._find(at, 1)

    def _find(self, at: dict[str, Any] | None, which: int) -> int | None:
        if at is None or not at["key"]:
            return None
        tag, attributes = json.loads(at["key"])
        lines = self._lines.get(_key(tag, [(name, value) for name, value in attributes]), [])
        return lines[at["nth"]][which] if at["nth"] < len(lines) else None


def _key(tag: str, attributes: list[tuple[str, str]]) -> str:
    return json.dumps([tag, sorted(attributes)])
