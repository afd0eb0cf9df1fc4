"""HTTP for a page that is being planned, kept away from what only this machine can reach.

A page is somebody's program, and planning runs it next to private services. So the address that a connection really
goes to is looked at, each time and after every redirect, and unless the caller allows the host by name it must be a
public one. Only the resolver can do that without a gap between looking and connecting.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from hfdask.browser.requests import Request
from hfdask.errors import AssetFetchError, AssetRefusedError
from hfdask.page.server import ORIGIN

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAY_HEAL = frozenset({408, 425, 429, 500, 502, 503, 504})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

# The page's cookies and what the browser says of itself are not the server's business; the rest is the author's.
_OWN_HEADERS = ("accept", "accept-language", "user-agent", "content-type", "authorization")
_DROPPED = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "cookie", "origin", "referer", "range"}
    | {"upgrade-insecure-requests", "if-none-match", "if-modified-since", "cache-control", "pragma"}
)


@dataclass(frozen=True)
class Limits:
    """What one planning may fetch: bytes of a response and of all, seconds of a response with all its attempts."""

    response: int = 64_000_000
    total: int = 256_000_000
    seconds: float = 20.0
    redirects: int = 5
    attempts: int = 3
    back_off: float = 0.3


@dataclass(frozen=True)
class Fetched:
    """One response. ``headers`` have lower-case names; ``url`` is where it came from after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes
    request: Request


class Fetcher:
    """A guarded HTTP client. Use it as an asynchronous context manager, on one event loop."""

    def __init__(self, allow_hosts: Collection[str] = (), limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._allowed = frozenset(host.strip("[]").lower() for host in allow_hosts)
        self._left = self.limits.total
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Fetcher:
        proxies = {urlsplit(url).hostname or "" for url in getproxies().values()}
        connector = aiohttp.TCPConnector(
            resolver=_PublicResolver(self._allowed | proxies), ssl=ssl.create_default_context(), limit_per_host=6
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=8, sock_read=12),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def fetch(self, request: Request) -> tuple[Fetched, Fetched]:
        """The first and the last response to a request; the same one where nothing redirects it.

        Raises
        ------
        AssetRefusedError
            Where it must not be fetched: another scheme, an address that is not public, too long, too many redirects.
        AssetFetchError
            Where it could not be, this time.
        """
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self._follow(request)
        except TimeoutError:
            raise AssetFetchError(f"no whole answer within {self.limits.seconds:g} s") from None

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
        """One response, with new attempts where that may help."""
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
        assert self._session is not None
        proxy = self._require_public(request.url)
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=_sent(request),
                data=request.body or None,
                proxy=proxy,
                allow_redirects=False,
            ) as response:
                # Several headers of one name are one list, by HTTP's rules.
                headers: dict[str, str] = {}
                for name, value in response.headers.items():
                    low = name.lower()
                    headers[low] = f"{headers[low]}, {value}" if low in headers else value
                return Fetched(response.status, headers, await self._body(response), request)
        except aiohttp.InvalidURL:
            raise AssetRefusedError("it is no URL") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _explained(error) from None  # the text of these may hold the whole URL

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit = min(self.limits.response, self._left)
        body = bytearray()
        async for piece in response.content.iter_chunked(1 << 16):
            body += piece
            if len(body) > limit:
                what = "a response" if limit == self.limits.response else "all responses together"
                most = self.limits.response if limit == self.limits.response else self.limits.total
                raise AssetRefusedError(f"longer than the {most / 1e6:g} MB that {what} may have")
        self._left -= len(body)
        return bytes(body)

    def _require_public(self, url: str) -> str | None:
        """Refuse what needs no resolver to be refused; returns the proxy to use."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in ("http", "https"):
            raise AssetRefusedError(f"only http and https are fetched, not {parts.scheme or 'nothing'}")
        if host not in self._allowed:
            _require_public_address(host)
            if host == "localhost" or host.endswith(".localhost"):
                raise AssetRefusedError(_not_public(host, host))
        proxies = getproxies()
        return None if proxy_bypass(host) else proxies.get(parts.scheme) or proxies.get("all")


class _PublicResolver(AbstractResolver):
    """Resolves names to public addresses only, but for the names that are allowed."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._resolver = ThreadedResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host.rstrip(".").lower() not in self._allowed:
            for each in found:
                _require_public_address(each["host"], host)
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _require_public_address(text: str, name: str | None = None) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return  # a name: the resolver looks at its addresses
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    if not address.is_global or address.is_multicast:
        raise AssetRefusedError(_not_public(name or text, text))


def _not_public(host: str, address: str) -> str:
    which = f"{host} is" if host == address else f"{host} has"
    return f"{which} an address of this machine or a private network; allow_hosts=({host!r},) would allow it"


def _target(answer: Fetched) -> str:
    return answer.headers.get("location", "") if answer.status in _REDIRECTS else ""


def _redirected(answer: Fetched, target: str) -> Request:
    """The next request, as Fetch makes it: a POST becomes a GET, and secrets stay with their origin."""
    asked = answer.request
    try:
        url = urljoin(asked.url, target).partition("#")[0]
        same = urlsplit(url)[:2] == urlsplit(asked.url)[:2]
    except ValueError:
        raise AssetRefusedError("it redirects to what is no URL") from None
    headers = {name: value for name, value in asked.headers.items() if same or name in _OWN_HEADERS[:3]}
    becomes_get = (answer.status == 303 and asked.method != "HEAD") or (
        answer.status in (301, 302) and asked.method == "POST"
    )
    if becomes_get:
        headers.pop("content-type", None)
        return Request("GET", url, asked.kind, headers)
    return Request(asked.method, url, asked.kind, headers, asked.body)


def _sent(request: Request) -> dict[str, str]:
    """The headers to send. With an origin each time: servers answer only then with what allows one."""
    kept = {
        name: value
        for name, value in request.headers.items()
        if name not in _DROPPED and not name.startswith(("sec-", "proxy-"))
    }
    return {**kept, "origin": ORIGIN, "accept-encoding": "gzip, deflate"}


def _explained(error: Exception) -> AssetFetchError | AssetRefusedError:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return AssetFetchError("its host's name has no address here")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return AssetFetchError("no trusted TLS connection")
    if isinstance(error, TimeoutError):
        return AssetFetchError("the server does not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return AssetFetchError(f"no connection: {error.os_error.strerror or type(error.os_error).__name__}")
    return AssetFetchError(f"the connection failed: {type(error).__name__}")
