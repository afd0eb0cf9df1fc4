"""Which URLs this process may touch, by ``HFDASK_ALLOWED_URLS``.

A worker writes where the task that it was sent tells it to. Where tasks come from others, the one who runs the worker can
bound that: a comma- or space-separated list of URL prefixes, unset for anything. A prefix covers whole path segments,
after links, dots and encoded dots are resolved, so ``s3://bucket/a`` covers neither ``s3://bucket/ab`` nor
``s3://bucket/a/../b``.
"""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import unquote

import fsspec
from fsspec.utils import get_protocol

from hfdask.errors import InvalidConfigError, StoreNotAllowedError
from hfdask.store.secrets import shown

VARIABLE = "HFDASK_ALLOWED_URLS"


def require_allowed(url: str) -> None:
    """Refuse a URL outside of the allowed ones, before anything there is touched.

    Raises
    ------
    StoreNotAllowedError
    """
    listed = os.environ.get(VARIABLE)
    if listed is None:
        return
    prefixes = [_place(prefix) for prefix in re.split(r"[\s,]+", listed) if prefix]
    # Two readings of one URL: a server may or may not decode it before it resolves dots.
    places = [] if "::" in url else [_place(url), _place(unquote(url))]
    if not places or not all(any(_covers(prefix, place) for prefix in prefixes) for place in places):
        raise StoreNotAllowedError(
            f"{shown(url)} is not under any of the URLs that {VARIABLE} allows this process to touch", url=shown(url)
        )


def _place(url: str) -> tuple[str, tuple[str, ...]]:
    """Protocol and path segments of a URL, in one form for all ways to write it."""
    try:
        kind = fsspec.get_filesystem_class(get_protocol(url))
    except (ValueError, ImportError) as error:
        raise InvalidConfigError(f"{shown(url)} in {VARIABLE} or as a URL: {error}", field=VARIABLE) from None
    name = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
    path = str(kind._strip_protocol(url)).partition("?")[0]
    path = os.path.realpath(path) if name == "file" else posixpath.normpath("/" + path.lstrip("/"))
    return name, tuple(part for part in path.split("/") if part)


def _covers(prefix: tuple[str, tuple[str, ...]], place: tuple[str, tuple[str, ...]]) -> bool:
    return prefix[0] == place[0] and place[1][: len(prefix[1])] == prefix[1]
