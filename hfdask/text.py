"""Text of strangers, made fit for files and for people.

What a page or a file name says may hold half of a character: a script that cuts a string in the middle of an emoji leaves
a lone surrogate, which no encoding takes. And it may hold control characters, which a terminal obeys. So answers of the
browser are well-formed from where they come in, and what people are shown is legible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100
"""Levels of an answer that may be nested; nothing that a page is asked for has more than a few."""

# Line feeds and tabs stay; others get the picture that Unicode has of them. Marks that reorder text hide what it says.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_NO_PICTURE = dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
_LEGIBLE = {**_PICTURES, 0x7F: 0x2421, **_NO_PICTURE}


def well_formed(text: str) -> str:
    """A text with its surrogate pairs joined, and U+FFFD for each half without another."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def legible(text: str) -> str:
    """A text that a terminal shows as it is: well-formed, and with pictures of its control characters."""
    if text.isascii() and text.isprintable():
        return text
    return well_formed(text).translate(_LEGIBLE)


def all_well_formed(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The same of all texts in something that was JSON; what is nested too deeply is left out."""
    return _changed(value, well_formed, depth)


def all_legible(value: Any, depth: int = MAX_DEPTH) -> Any:
    """As `all_well_formed`, for what only people read."""
    return _changed(value, legible, depth)


def _changed(value: Any, change: Callable[[str], str], depth: int) -> Any:
    if isinstance(value, str):
        return change(value)
    if not depth:
        return None
    if isinstance(value, dict):
        return {change(str(name)): _changed(item, change, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = (_changed(item, change, depth - 1) for item in value)
        return tuple(items) if isinstance(value, tuple) else list(items)
    return value
