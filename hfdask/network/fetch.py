"""Fetch files over HTTP for a page that is being planned, from public addresses only.

A page is an untrusted program, and planning may run near private services. So the address of each connection is
checked, also after every redirect. It must be public unless the caller allows the host by name. There are two
clients. The guarded client can only make sockets to public addresses. The other client is for allowed hosts and for
proxies, which resolve names themselves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from msgspec import Struct
from yarl import URL

from hfdask.errors import AssetFetchError, AssetRefusedError
from hfdask.network.addresses import (
    normal_host,
    normal_url,
    public_socket,
    require_public_address,
    require_public_host,
)
from hfdask.network.messages import Limits, Request
from hfdask.page.server import ORIGIN

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAY_HEAL = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_HEADERS = 64_000
"""Maximum size of all headers of a response in bytes, because some of them go into the plan."""

# Cookies and headers about the browser are not sent; all other headers are the author's.
_OWN_HEADERS = ("accept", "accept-language", "user-agent", "content-type", "authorization")
_DROPPED = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "cookie", "origin", "referer", "range"}
    | {"upgrade-insecure-requests", "if-none-match", "if-modified-since", "cache-control", "pragma"}
)


class Fetched(Struct, frozen=True):
    """One response. ``headers`` have lower-case names; ``url`` is the final one after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes
    request: Request


class Fetcher:
    """A guarded HTTP client. Use it as an asynchronous context manager, on one event loop."""

    def __init__(self, allow_hosts: Collection[str] = (), limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._allowed = frozenset(normal_host(host) for host in allow_hosts)
        self._left = self.limits.total
        self._requests_left = self.limits.requests
        self._sessions = AsyncExitStack()
        self._clients: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sessions.aclose()

    async def fetch(self, request: Request) -> tuple[Fetched, Fetched]:
        """Return the first and the last response to a request. They are the same if there is no redirect.

        Raises
        ------
        AssetRefusedError
            If it may not be fetched: another scheme, an address that is not public, too long, too many redirects.
        AssetFetchError
            If it could not be fetched; another attempt may succeed.
        """
        self._requests_left -= 1
        if self._requests_left < 0:
            raise AssetRefusedError(f"the page has made more than {self.limits.requests} requests")
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._follow(replace(request, url=str(normal_url(request.url))))
        except TimeoutError:
            raise AssetFetchError(f"no complete answer within {self.limits.seconds:g} s") from None

    async def _follow(self, request: Request) -> tuple[Fetched, Fetched]:
        first = last = await self._persist(request)
        for _ in range(self.limits.redirects):
            if not (target := _target(last)):
                return first, last
            last = await self._persist(_redirected(last, target))
        if _target(last):
            raise AssetRefusedError(f"more than {self.limits.redirects} redirects")
        return first, last

    async def _persist(self, request: Request) -> Fetched:
        """Fetch one response, and retry transient errors."""
        for attempt in range(1, self.limits.attempts + 1):
            last = attempt == self.limits.attempts
            try:
                answer = await self._once(request)
                if last or answer.status not in _MAY_HEAL:
                    return answer
            except AssetFetchError:
                if last:
                    raise
            await asyncio.sleep(self.limits.back_off * 3 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, request: Request) -> Fetched:
        url = normal_url(request.url)
        session, proxy = await self._client(url)
        try:
            async with session.request(
                request.method,
                url,
                headers=_sent(request),
                data=request.body or None,
                proxy=proxy,
                allow_redirects=False,
            ) as response:
                return Fetched(response.status, _headers(response), await self._body(response), request)
        except aiohttp.InvalidURL:
            raise AssetRefusedError("the URL is invalid") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _explained(error) from None  # the text of these may hold the whole URL

    async def _client(self, url: URL) -> tuple[aiohttp.ClientSession, str | None]:
        """Return the client for a URL, and the proxy to use."""
        host = normal_host(url.raw_host or "")
        allowed = host in self._allowed
        if not allowed:
            require_public_host(url)
        proxies = getproxies()
        proxy = None if proxy_bypass(host) else proxies.get(url.scheme) or proxies.get("all")
        return await self._session(guarded=not (allowed or proxy)), proxy

    async def _session(self, *, guarded: bool) -> aiohttp.ClientSession:
        """Return a client, made at its first use: the trusted certificates take longer to read than a short page to load."""
        if guarded not in self._clients:
            # The check of the socket is decisive; the earlier check of all addresses of a name only gives a better
            # message.
            guard = {"resolver": _PublicResolver(), "socket_factory": public_socket} if guarded else {}
            self._clients[guarded] = _session(ssl.create_default_context(), **guard)
            await self._sessions.enter_async_context(self._clients[guarded])
        return self._clients[guarded]

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        try:
            async for piece in response.content.iter_chunked(1 << 16):
                body += piece
                self._left -= len(piece)  # at once: many responses come at the same time
                if len(body) > self.limits.response:
                    raise _too_long(self.limits.response, "a response")
                if self._left < 0:
                    raise _too_long(self.limits.total, "all responses together")
        except BaseException:
            self._left += len(body)  # nothing of it is kept
            raise
        return bytes(body)


def _session(trust: ssl.SSLContext, **guard: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust, limit_per_host=6, **guard),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=8, sock_read=12),
    )


class _PublicResolver(AbstractResolver):
    """Resolve only names that have public addresses only."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            require_public_address(each["host"], host)
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers by lower-case name; several headers of one name are joined by HTTP's rules."""
    if sum(len(name) + len(value) for name, value in response.headers.items()) > _MAX_HEADERS:
        raise AssetRefusedError(f"its headers are longer than {_MAX_HEADERS / 1e3:g} kB")
    return {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}


def _too_long(limit: int, what: str) -> AssetRefusedError:
    return AssetRefusedError(f"longer than the {limit / 1e6:g} MB that {what} may have")


def _target(answer: Fetched) -> str:
    return answer.headers.get("location", "") if answer.status in _REDIRECTS else ""


def _redirected(answer: Fetched, target: str) -> Request:
    """Return the next request by the rules of Fetch: a POST becomes a GET; other origins get no secrets."""
    asked = answer.request
    here = URL(asked.url)
    try:
        there = normal_url(str(here.join(URL(target))))
    except ValueError:
        raise AssetRefusedError("it redirects to an invalid URL") from None
    url, same = str(there), there.origin() == here.origin()
    headers = {name: value for name, value in asked.headers.items() if same or name in _OWN_HEADERS[:3]}
    becomes_get = (answer.status == 303 and asked.method != "HEAD") or (
        answer.status in (301, 302) and asked.method == "POST"
    )
    if becomes_get:
        headers.pop("content-type", None)
        return Request("GET", url, asked.kind, headers)
    return Request(asked.method, url, asked.kind, headers, asked.body)


def _sent(request: Request) -> dict[str, str]:
    """Return the headers to send, always with an origin: otherwise servers may leave out their CORS headers."""
    kept = {
        name: value
        for name, value in request.headers.items()
        if name not in _DROPPED and not name.startswith(("sec-", "proxy-"))
    }
    return {**kept, "origin": ORIGIN, "accept-encoding": "gzip, deflate"}


def _explained(error: Exception) -> AssetFetchError | AssetRefusedError:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return AssetFetchError("its host name has no address here")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return AssetFetchError("no trusted TLS connection")
    if isinstance(error, TimeoutError):
        return AssetFetchError("the server does not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return AssetFetchError(f"no connection: {error.os_error.strerror or type(error.os_error).__name__}")
    return AssetFetchError(f"the connection failed: {type(error).__name__}")
