"""Sockets on all addresses of this machine, and what arrived at them."""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import threading

import psutil


def addresses() -> list[str]:
    """Return this machine's addresses, IPv6 ones with their zone if they need it."""
    found = {each.address for of in psutil.net_if_addrs().values() for each in of if each.family in _FAMILIES}
    return sorted(found)


_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Listeners:
    """One UDP and one TCP port, open on every address of the machine; a context manager.

    ``arrived`` has what came: protocol and the first bytes, or nothing for a connection that said nothing. Only one of
    them is open on the machine: multicast DNS is heard by all, and must come from the test that listens.
    """

    def __init__(self) -> None:
        self.arrived: list[tuple[str, bytes]] = []
        self._lock = os.open(__file__, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._selector = selectors.DefaultSelector()
        tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = tcp.getsockname()[1]
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", self.port))
        self._sockets = [tcp, udp, *_multicast()]
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Listeners:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5)
        for each in self._sockets:
            each.close()
        os.close(self._lock)

    def _listen(self) -> None:
        tcp = self._sockets[0]
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.1):
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if ready is tcp:
                    connection, _ = tcp.accept()
                    connection.settimeout(0.3)
                    try:
                        said = connection.recv(200)
                    except OSError:
                        said = b""
                    self.arrived.append(("tcp", said))
                    connection.close()
                else:
                    said = ready.recv(2000)
                    self.arrived.append(("udp" if ready is self._sockets[1] else "mdns", said))


def _multicast() -> list[socket.socket]:
    """A socket that hears what is asked of the whole local network by multicast DNS."""
    mdns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mdns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    mdns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    mdns.bind(("224.0.0.251", 5353))
    for address in addresses():
        if ":" not in address:
            group = socket.inet_aton("224.0.0.251") + socket.inet_aton(address)
            mdns.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return [mdns]
