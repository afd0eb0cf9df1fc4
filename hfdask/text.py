"""Make untrusted text safe for files and readable for people.

Text of a page or a file name may contain half of a character: a script that cuts a string in the middle of an emoji
leaves a lone surrogate, which cannot be encoded. It may also contain control characters, which a terminal obeys. So
answers of the browser are made well-formed as soon as they come in, and text for people is made legible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100
"""Maximum nesting of an answer. The answers that hfdask asks for have only a few levels."""

# Line feeds and tabs stay; other control characters become their Unicode pictures. Marks that reorder text are replaced,
# because they can hide its meaning.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_NO_PICTURE = dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
_LEGIBLE = {**_PICTURES, 0x7F: 0x2421, **_NO_PICTURE}


def well_formed(text: str) -> str:
    """Join surrogate pairs, and replace each lone surrogate by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def legible(text: str) -> str:
    """Return text that is safe to print on a terminal: well-formed, with pictures instead of control characters."""
    if text.isascii() and text.isprintable():
        return text
    return well_formed(text).translate(_LEGIBLE)


def all_well_formed(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Apply `well_formed` to all strings in a JSON value; values below ``depth`` become None."""
    return _changed(value, well_formed, depth)


def all_legible(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Apply `legible` to all strings in a JSON value that only people read."""
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
