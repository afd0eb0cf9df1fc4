"""The base of all values that are stored or sent to another process (`hfdask.core.model`)."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all stored structs: immutable, keyword-only, strict about unknown fields.

    ``LIMIT`` is the maximum size of a document of this kind, in bytes.
    """

    LIMIT: ClassVar[int] = 2**20
