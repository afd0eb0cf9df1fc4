"""Allow addresses and hosts of the public internet, and refuse addresses of this machine and of private networks.

Names and addresses have many spellings, so no decision is made on text that other code will parse again. Hosts are
checked in the form in which they are sent. Addresses are checked as numbers, when a socket is about to connect to them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from typing import Any

from yarl import URL

from hfdask.errors import AssetRefusedError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""The part of IPv6 that is assigned to the public internet; NAT64 is the only exception that matters."""
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
_WEB_PORTS = frozenset({80, 443})


def normal_url(text: str) -> URL:
    """Return a URL in the form in which it is checked and sent: without fragment, with an ASCII host.

    Raises
    ------
    AssetRefusedError
        If it is not a URL, or its scheme is not HTTP.
    """
    try:
        url = URL(text).with_fragment(None)
        if url.scheme not in ("http", "https"):
            raise AssetRefusedError(f"only http and https are fetched, not {url.scheme or 'nothing'}")
        if url.explicit_port is not None and url.is_default_port():
            url = url.with_port(None)
        normal_host(url.raw_host or "")
    except ValueError:
        raise AssetRefusedError("the URL is invalid") from None
    return url


def normal_host(host: str) -> str:
    """Return a host in normal form: the shortest text of an address, or an ASCII name without a last dot.

    Raises
    ------
    ValueError
        If it is neither.
    """
    bare = host.strip("[]")
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        name = (URL.build(scheme="http", host=bare).raw_host or "").lower().rstrip(".")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{host!r} is not a valid host")
    return name


def require_public_host(url: URL) -> None:
    """Raise an error for a URL with a private address, a name of this machine, or a port that is not for the web.

    Raises
    ------
    AssetRefusedError
    """
    host = normal_host(url.raw_host or "")
    with contextlib.suppress(OSError):
        # Old libraries also read `127.1` and `0x7f000001` as addresses, and a proxy may use one of those.
        host = str(ipaddress.IPv4Address(socket.inet_aton(host)))
    require_public_address(host)
    if host == "localhost" or host.endswith(".localhost"):
        raise _not_public(host, host)
    if url.port not in _WEB_PORTS and (url.port or 0) < 1024:
        raise AssetRefusedError(
            f"port {url.port} of {host} is not a port for web servers; allow_hosts=({host!r},) allows it"
        )


def require_public_address(text: str, name: str | None = None) -> None:
    """Raise an error for a private address or one of this machine; ``name`` is the host that led to it.

    Raises
    ------
    AssetRefusedError
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return  # a name: its addresses are checked later
    if not _is_public(address) or _is_here(str(address)):
        raise _not_public(name or text, text)


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Make a socket for a connection to a public address; see `aiohttp.TCPConnector`'s ``socket_factory``.

    Raises
    ------
    AssetRefusedError
        If the address is not public.
    """
    family, kind, protocol, _, address = info
    require_public_address(address[0])
    return socket.socket(family, kind, protocol)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            return address in _UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast


def _is_here(address: str) -> bool:
    """Return true for an address of this machine. The datagram socket only asks the routing table and sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
        except OSError:
            return False  # no way there


def _not_public(host: str, address: str) -> AssetRefusedError:
    which = f"{host} is" if host == address else f"{host} has"
    return AssetRefusedError(
        f"{which} an address of this machine or of a private network; allow_hosts=({host!r},) allows it"
    )
