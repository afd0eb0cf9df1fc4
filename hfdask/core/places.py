"""Local paths, and the ``file:`` URLs that stand for them.

fsspec takes the path of such a URL as it stands. But `Path.as_uri` and everything else that makes these URLs writes spaces,
``#``, ``%`` and letters beyond ASCII as codes, so they are read here, once, before anything else looks at the text.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes

_SCHEME = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)


def local_path(place: str | os.PathLike[str]) -> str:
    """The path that a ``file:`` URL means; any other text as it is."""
    text = os.fspath(place)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    return os.fsdecode(unquote_to_bytes(text[scheme.end() :].encode("utf-8", "surrogatepass")))


def file_url(path: str) -> str:
    """The URL of an absolute path: as people read it, but such that `local_path` gives the same path again."""
    return "file://" + path.replace("%", "%25")
