"""Check URLs against ``HFDASK_ALLOWED_URLS``, the list of URLs that this process may use.

A worker writes to the URLs that a task names. If other people submit tasks, the owner of the worker can restrict that
with a comma- or space-separated list of URL prefixes. Without the list any URL is allowed. A prefix covers whole path
segments, after links, dots and encoded dots are resolved, so ``s3://bucket/a`` covers neither ``s3://bucket/ab`` nor
``s3://bucket/a/../b``.

Storage options come with the task too, and some of them send the requests for a URL to another server. If the list is
set, tasks may only give credentials, sizes and time-outs. Every other option needs an entry ``NAME=VALUE`` in the list,
such as ``endpoint_url=https://store.example:9000`` or ``client_kwargs.endpoint_url=...`` for an option in a table. Settings of
the worker's own environment (``AWS_ENDPOINT_URL``, ``FSSPEC_...``) are not restricted.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import fsspec
from fsspec.utils import get_protocol
from msgspec import Struct

from hfdask.core.places import local_path
from hfdask.errors import InvalidConfigError, StoreNotAllowedError
from hfdask.store.redaction import StorageOptions, shown

VARIABLE = "HFDASK_ALLOWED_URLS"

_OPTION = re.compile(r"[A-Za-z_][\w.]*=")
_HARMLESS = frozenset(
    {"key", "secret", "token", "anon", "profile", "username", "user", "password", "account_key", "sas_token"}
    | {"requester_pays", "project", "consistency", "version_aware", "region", "timeout", "auto_mkdir"}
    | {"default_block_size", "default_cache_type", "default_fill_cache", "block_size", "cache_regions"}
    | {"max_concurrency", "fixed_upload_size", "use_listings_cache", "listings_expiry_time", "skip_instance_cache"}
    | {f"config_kwargs.{name}" for name in ("connect_timeout", "read_timeout", "max_pool_connections", "retries")}
    | {"config_kwargs.signature_version", "client_kwargs.region_name", "retries.max_attempts", "retries.mode"}
    | {"config_kwargs.retries.max_attempts", "config_kwargs.retries.mode"}
)
# Parts of a token that are not addresses: gcsfs takes a service account's key as a table.
_TOKEN = "token."
_PLAIN = str | bytes | int | float | None


class _Place(Struct, frozen=True):
    """Protocol, server and path segments of a URL, in normal form."""

    protocol: str
    server: tuple[tuple[str, str], ...]
    path: tuple[str, ...]

    def covers(self, other: _Place) -> bool:
        anywhere = not self.server and not self.path
        same = self.protocol == other.protocol and (anywhere or self.server == other.server)
        return same and other.path[: len(self.path)] == self.path


def require_allowed(url: str, options: StorageOptions | None = None) -> None:
    """Raise an error for a URL that is not allowed, or for options that could lead to another server.

    Raises
    ------
    StoreNotAllowedError
    InvalidConfigError
        If no file system knows the URL or an entry of the list.
    """
    listed = os.environ.get(VARIABLE)
    if listed is None:
        return
    entries = [entry for entry in re.split(r"[\s,]+", listed) if entry]
    given = {entry for entry in entries if _OPTION.match(entry)}
    prefixes = [_place(local_path(entry)) for entry in entries if entry not in given]
    places = [] if "::" in url else [_place(each) for each in _readings(url)]
    if not places or not all(any(prefix.covers(place) for prefix in prefixes) for place in places):
        raise StoreNotAllowedError(
            f"{shown(url)} is not under any of the URLs that {VARIABLE} allows this process to use", url=shown(url)
        )
    for name, value in _leaves(options or {}):
        if not _is_harmless(name, value) and f"{name}={value}" not in given:
            raise StoreNotAllowedError(
                f"the storage option {name} could send requests for {shown(url)} to another server; leave it out, set it "
                f"in the worker's environment, or let the worker's owner add {name}=VALUE to {VARIABLE}",
                url=shown(url),
                option=name,
            )


def _readings(url: str) -> Iterator[str]:
    """Yield a URL, and its forms for servers that decode it, once or more often, before they resolve dots."""
    yield url
    while (decoded := unquote(url)) != url:
        url = decoded
        yield url


def _place(url: str) -> _Place:
    try:
        kind = fsspec.get_filesystem_class(get_protocol(url))
        inside = kind._get_kwargs_from_urls(url)
    except Exception as error:  # noqa: BLE001 - whatever a file system raises about a URL
        raise InvalidConfigError(f"{shown(url)} in {VARIABLE} or as a URL: {error}", field=VARIABLE) from None
    name = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
    path = str(kind._strip_protocol(url))
    if name in ("http", "https"):
        path = re.split("[?#]", path)[0]
    path = os.path.realpath(path) if name == "file" else posixpath.normpath("/" + path.lstrip("/"))
    server = tuple(sorted((key, str(value)) for key, value in inside.items() if key not in _HARMLESS))
    return _Place(name, server, tuple(part for part in path.split("/") if part))


def _leaves(options: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single option with its dotted name."""
    for key, value in options.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _is_harmless(name: str, value: object) -> bool:
    known = name in _HARMLESS or (name.startswith(_TOKEN) and "." not in name.removeprefix(_TOKEN))
    return known and isinstance(value, _PLAIN) and "://" not in str(value)
