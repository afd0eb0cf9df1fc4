"""The base of all values that are stored or sent to another process (`hfdask.core.model`)."""

from __future__ import annotations

import threading
from typing import ClassVar, TypeVar

import msgspec

_T = TypeVar("_T")

_building = threading.Lock()
_built: set[object] = set()


def built(kind: type[_T]) -> type[_T]:
    """Return the type, after msgspec has examined it and all types in it.

    msgspec (0.22) ends the process with a segmentation fault if two threads use a struct for the first time at once. So
    decode and convert only to types that went through here.
    """
    if kind not in _built:
        with _building:
            msgspec.json.Decoder(kind)
            _built.add(kind)
    return kind


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all stored structs: immutable, keyword-only, strict about unknown fields.

    ``LIMIT`` is the maximum size of a document of this kind, in bytes.
    """

    LIMIT: ClassVar[int] = 2**20
