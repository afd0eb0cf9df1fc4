"""Remove secrets from URLs, storage options and errors of other libraries.

Credentials reach hfdask in storage options, in URLs and in the environment, and other libraries put them into their
errors: signed URLs, request headers, a connection string that did not parse. All text that leaves the store layer passes
through here. No exception of another library is kept as a cause, because causes are logged in full.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

StorageOptions = Mapping[str, Any]

_HARMLESS = frozenset(
    {"anon", "consistency", "endpoint_url", "host", "location", "port", "project", "protocol"} | {"region_name"}
)
_SECRET_VARIABLE = re.compile(r"(KEY|KEY_ID|SECRET|TOKEN|PASSWORD|CREDENTIALS?|SAS|CONNECTION_STRING)$", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"//[^/@\s'\"]+@"), "//***@"),
    (re.compile(r"\?[^\s'\"<>)]+"), "?***"),
    (re.compile(r"\b(bearer|basic|aws4-hmac-sha256)\s+[^'\"<>)]+", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"\b([\w-]*(?:signature|token|secret|password|credential|accountkey|key))\s*[=:]\s*[^\s,;&'\"<>)]+", re.I
        ),
        r"\1=***",
    ),
)
_LONGEST = 400


class SecretOptions(Mapping[str, Any]):
    """Storage options for a task: complete when pickled, but never shown and never part of a key.

    This is not a dict, because Dask would tokenise a dict by its content and a worker would log it.
    """

    __slots__ = ("_options",)

    def __init__(self, options: StorageOptions) -> None:
        self._options = dict(options)

    def __getitem__(self, name: str) -> Any:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __repr__(self) -> str:
        return "SecretOptions(***)"

    def __reduce__(self) -> tuple[Any, ...]:
        return SecretOptions, (self._options,)

    def __dask_tokenize__(self) -> tuple[str]:
        return ("hfdask.SecretOptions",)


def shown(url: object) -> str:
    """Return a URL without credentials and query, for messages."""
    scheme, separator, rest = str(url).partition("://")
    if not separator:
        return scheme
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def scrubbed(text: str, options: StorageOptions | None = None) -> str:
    """Return another library's text on one line of bounded length, without anything that could be a credential."""
    for secret in sorted({*_texts(options or {}), *_in_environment()}, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _texts(options: object, name: str = "") -> Iterator[str]:
    """Yield every value in storage options that must be hidden."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            yield from _texts(value, str(key))
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _texts(value, name)
    elif isinstance(options, bytes):
        yield from _texts(options.decode("utf-8", "replace"), name)
    elif isinstance(options, str) and len(options) > 3 and name not in _HARMLESS:
        yield options


def _in_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if len(value) > 7 and _SECRET_VARIABLE.search(name) and not os.path.exists(value):
            yield value
