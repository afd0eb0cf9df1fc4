"""Record the responses of other origins during planning. Each is fetched once and stored in the plan.

All pages of one planning share a recorder, so that they and the chunks get the same bytes. Nothing in a record depends
on the time at which it was made.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from hfdask.core.fields import kept_headers
from hfdask.core.model import Resource
from hfdask.core.places import local_path
from hfdask.errors import AssetError, AssetRefusedError, InvalidConfigError
from hfdask.network.addresses import normal_host, normal_url
from hfdask.network.messages import Answer, Limits, Request, redact
from hfdask.page.server import content_type

if TYPE_CHECKING:
    from hfdask.network.fetch import Fetched, Fetcher

_OPEN_TO_ALL = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}


class Replacement(Struct, frozen=True):
    """URLs that begin with ``prefix`` come from a local file or folder, or from another URL."""

    prefix: str
    target: str

    def rest(self, url: str) -> str | None:
        """Return the part after the prefix, or None if the URL does not have it. A prefix never ends inside a name."""
        if not url.startswith(self.prefix):
            return None
        rest = url[len(self.prefix) :]
        return rest if not rest or rest[0] in "/?" or self.prefix[-1] in "/?=&" else None

    @property
    def remote(self) -> bool:
        return self.target.startswith(("http://", "https://"))

    def url(self, rest: str) -> str:
        """Return the replacing URL for this rest. The rest stays separate path segments."""
        whole = self.prefix[-1] != "/" or self.target[-1] in "/?=&"
        return self.target + ("" if whole else "/") + rest

    def file(self, rest: str) -> Path:
        """Return the local file for the rest of a URL.

        Raises
        ------
        AssetRefusedError
            If it is outside of the folder, however it is written.
        AssetError
            If there is no such file.
        """
        base = Path(self.target).resolve()
        name = unquote(rest.partition("?")[0]).lstrip("/")
        if "\0" in name:
            raise AssetRefusedError("invalid file name")
        file = (base / name).resolve() if name else base
        if not file.is_relative_to(base):
            raise AssetRefusedError(f"it is outside of the folder that replaces {redact(self.prefix)}")
        if not os.path.isfile(file):
            raise AssetError(f"the replacement of {redact(self.prefix)} has no file {name!r}")
        return file


def replacements(replace_urls: Mapping[str, str]) -> tuple[Replacement, ...]:
    """Return the replacements of a configuration, longest prefix first.

    Raises
    ------
    InvalidConfigError
        If a local target does not exist.
    """
    found = [Replacement(prefix, local_path(target)) for prefix, target in replace_urls.items()]
    for each in found:
        if not each.remote and not os.path.exists(each.target):
            raise InvalidConfigError(
                f"replace_urls: {each.target}, which is to replace {redact(each.prefix)}, does not exist",
                field="replace_urls",
            )
    return tuple(sorted(found, key=lambda each: (-len(each.prefix), each.prefix)))


class Recorder:
    """A page's `Source` during planning. Use it as an asynchronous context manager, on one event loop."""

    patterns = ["http://*", "https://*"]  # noqa: RUF012 - the same for all

    def __init__(
        self,
        allow_hosts: Collection[str] = (),
        replace_urls: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.bodies: dict[str, bytes] = {}
        self.asked: set[str] = set()
        """Keys of requests, except of those for what elements play."""
        self._limits = limits or Limits()
        self._allowed = frozenset(normal_host(host) for host in allow_hosts)
        self._fetcher: Fetcher | None = None
        self._replacements = replacements(replace_urls or {})
        self._answers: dict[str, asyncio.Task[Answer]] = {}
        self._resources: dict[str, tuple[Resource, Answer]] = {}

    async def __aenter__(self) -> Recorder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        under_way = [task for task in self._answers.values() if not task.done()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._fetcher is not None:
            await self._fetcher.__aexit__(kind, error, trace)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Return all records, in an order that does not depend on time."""
        return tuple(sorted((resource for resource, _ in self._resources.values()), key=lambda each: each.key))

    @property
    def used(self) -> bool:
        """True if anything was asked."""
        return bool(self._answers)

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request, and fetch it if it is the first of its kind; see `Source`."""
        if request.kind != "media":
            self.asked.add(request.key)
        if known := self._resources.get(request.key):
            return known[1]
        task = self._answers.get(request.key)
        if task is None:
            # The task is shared by all callers, so it must not end with the first one.
            task = self._answers[request.key] = asyncio.create_task(self._get(request))
        return await asyncio.shield(task)

    async def _get(self, request: Request) -> Answer:
        for each in self._replacements:
            rest = each.rest(request.url)
            if rest is not None:
                return self._keep(request, await self._replaced(request, each, rest))
        first, last = await self._fetched(request)
        if first is last:
            return self._keep(request, _kept(last))
        # One redirect replaces a chain of them. Its query, which may be a signature that changes each time, is a digest
        # of the request. It stays a redirect, because a script's own imports are relative to its final URL.
        final = replace(last.request, url=_stable(last.request.url, request))
        if final.key == request.key:  # it came back to itself
            return self._keep(request, _kept(last))
        self._keep(final, _kept(last))
        same = final.method == request.method
        headers = {**_kept(first).headers, "location": final.url}
        return self._keep(request, Answer(307 if same else 303, headers, b""))

    async def _fetched(self, request: Request) -> tuple[Fetched, Fetched]:
        if self._fetcher is None:
            from hfdask.network.fetch import Fetcher  # imports an HTTP client, which most projects do not need

            self._fetcher = Fetcher(self._allowed, self._limits)
        return await self._fetcher.fetch(request)

    async def _replaced(self, request: Request, each: Replacement, rest: str) -> Answer:
        if each.remote:
            url = each.url(rest)
            if normal_url(url).origin() != normal_url(each.target).origin():
                raise AssetRefusedError(f"it is outside of the replacement of {redact(each.prefix)}")
            _, last = await self._fetched(replace(request, url=url))
            answer = _kept(last)
            return replace(answer, headers={**answer.headers, **_OPEN_TO_ALL})
        file = each.file(rest)
        if file.stat().st_size > self._limits.response:
            raise AssetRefusedError(f"{file.name} is longer than {self._limits.response / 1e6:g} MB")
        return Answer(200, {"content-type": content_type(file.name), **_OPEN_TO_ALL}, file.read_bytes())

    def _keep(self, request: Request, answer: Answer) -> Answer:
        digest = hashlib.sha256(answer.body).hexdigest()
        self.bodies[digest] = answer.body
        resource = Resource(
            key=request.key,
            method=request.method,
            url=redact(request.url),
            status=answer.status,
            headers=dict(sorted(answer.headers.items())),
            sha256=digest,
            size=len(answer.body),
        )
        self._resources[request.key] = resource, answer
        return answer


def _kept(answer: Fetched) -> Answer:
    return Answer(answer.status, kept_headers(answer.headers), answer.body)


def _stable(url: str, origin: Request) -> str:
    parts = urlsplit(url)
    return parts._replace(
        netloc=parts.netloc.rpartition("@")[2],
        query=f"redirected={origin.key[:32]}" if parts.query else "",
        fragment="",
    ).geturl()
