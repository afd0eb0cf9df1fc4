"""Convert between local paths and ``file:`` URLs.

fsspec does not decode the path of such a URL. But `Path.as_uri` and all other tools encode spaces, ``#``, ``%`` and
non-ASCII letters. So these URLs are decoded here, once, before any other code reads them.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes

_SCHEME = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)


def local_path(place: str | os.PathLike[str]) -> str:
    """Return the path of a ``file:`` URL; return any other text unchanged."""
    text = os.fspath(place)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    return os.fsdecode(unquote_to_bytes(text[scheme.end() :].encode("utf-8", "surrogatepass")))


def file_url(path: str) -> str:
    """Return a readable URL of an absolute path, from which `local_path` gives the same path again."""
    return "file://" + path.replace("%", "%25")
