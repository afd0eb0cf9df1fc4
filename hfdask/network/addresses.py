"""Which addresses and host names may be fetched from: those of the public internet, and none of this machine.

Names and addresses have many spellings, so nothing here is decided on a text that somebody else will read again: hosts are
looked at in the one form in which they are sent, and addresses as numbers, where a socket is about to connect to them.
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
"""All of IPv6 that is assigned to the public internet; NAT64 is the only exception of use."""
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
_WEB_PORTS = frozenset({80, 443})


def normal_url(text: str) -> URL:
    """A URL in the form in which everything is decided, and in which it is sent: no fragment, an ASCII host.

    Raises
    ------
    AssetRefusedError
        If it is none, or of another scheme than HTTP.
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
    """A host in the form in which it is compared: of an address the shortest text, of a name ASCII without a last dot.

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
    """Refuse a URL for what its text says: an address that is not public, a name of this machine, a port that is no web server's.

    Raises
    ------
    AssetRefusedError
    """
    host = normal_host(url.raw_host or "")
    with contextlib.suppress(OSError):
        # As libraries of old read it, where `127.1` and `0x7f000001` are addresses too: a proxy may use one of those.
        host = str(ipaddress.IPv4Address(socket.inet_aton(host)))
    require_public_address(host)
    if host == "localhost" or host.endswith(".localhost"):
        raise _not_public(host, host)
    if url.port not in _WEB_PORTS and (url.port or 0) < 1024:
        raise AssetRefusedError(
            f"port {url.port} of {host} is not a port for web servers; allow_hosts=({host!r},) allows it"
        )


def require_public_address(text: str, name: str | None = None) -> None:
    """Refuse an address that is not public, or that is this machine's own; a ``name`` that led to it is named.

    Raises
    ------
    AssetRefusedError
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return  # a name: what it leads to is looked at
    if not _is_public(address) or _is_here(str(address)):
        raise _not_public(name or text, text)


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for a connection to a public address; see `aiohttp.TCPConnector`'s ``socket_factory``.

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
    """Whether this machine would speak to itself. A datagram socket that connects asks the routing table, and sends nothing."""
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
