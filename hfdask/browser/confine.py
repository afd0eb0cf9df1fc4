"""Isolate a browser from all networks, and its page server from all other processes.

The [launcher](launcher.py) isolates itself and then becomes Chromium. This module receives what it hands over: the
socket for the page server, and the layers of isolation that the system supports. In its own network namespace,
only the browser can reach its server. Without one, every process of the machine can connect to the server's port, so
the server checks each connection: the kernel knows the socket at the other end, and ``/proc`` the process that owns it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
from msgspec import Struct

from hfdask.browser import launcher
from hfdask.core.scratch import scratch_folder
from hfdask.errors import BrowserLaunchError
from hfdask.page.server import HOST

Confinement = Literal["namespace", "filters", "nothing"]

WANTED: Confinement = "namespace"
"""Layers to try; tests use fewer."""

_CONNECTIONS = "/proc/self/net/tcp"
_ESTABLISHED = "01"


class Confined(Struct, frozen=True):
    """The page server's socket, and the layers that isolate its browser, as a launcher handed them over."""

    listener: socket.socket
    layers: tuple[str, ...]

    @property
    def private(self) -> bool:
        """True if only the browser can reach the socket."""
        return "namespace" in self.layers

    def __str__(self) -> str:
        if self.private:
            return "private namespace"
        reach = {"seccomp": "no UDP (seccomp)", "Landlock": "one TCP port (Landlock)"}
        return ", ".join(reach[layer] for layer in self.layers) or "browser flags only"


class Channel:
    """Receive what the launcher of one browser hands over. Use it as a context manager around the launch."""

    def __init__(self) -> None:
        self._folder = os.open(scratch_folder(), os.O_PATH | os.O_DIRECTORY)
        self._path = scratch_folder() / f"launch-{uuid.uuid4().hex[:12]}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Channel:
        self._socket.bind(f"/proc/self/fd/{self._folder}/{self._path.name}")  # a socket's own path must be short
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)
        os.close(self._folder)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the launcher, which removes them from the browser's environment."""
        return {launcher.CHANNEL: str(self._path), launcher.CONFINEMENT: WANTED}

    def received(self) -> Confined:
        """Return what the launcher handed over before the browser started.

        Raises
        ------
        BrowserLaunchError
            If there is nothing, or its socket cannot be protected from other processes.
        """
        flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        try:
            words, descriptors, _, _ = socket.recv_fds(self._socket, 100, 1, flags)
        except BlockingIOError:
            raise BrowserLaunchError("the browser started without the socket of its page server") from None
        confined = Confined(socket.socket(fileno=descriptors[0]), tuple(words.decode().split()))
        if not (confined.private or os.access(_CONNECTIONS, os.R_OK)):
            raise BrowserLaunchError(
                f"no network namespace for the browser, and no {_CONNECTIONS} to identify its connections: "
                "allow unprivileged user namespaces"
            )
        return confined


def launcher_of(binary: Path) -> Path:
    """Return the program that Playwright starts instead of the browser."""
    script = scratch_folder() / f"launch{str(binary).replace('/', '-')}.sh"
    if not script.exists():
        script.write_text(f'#!/bin/sh\nexec {shlex.join(_command(str(binary)))} "$@"\n')
        script.chmod(0o700)
    return script


def try_out() -> Confined:
    """Return the layers that would isolate a browser on this machine, without starting one.

    Raises
    ------
    BrowserLaunchError
        If the launcher does not work here.
    """
    with Channel() as channel:
        command = [*_command(_python()), "-c", "pass"]
        environment = {**os.environ, **channel.environment}
        try:
            subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=True)
        except subprocess.CalledProcessError as error:
            raise BrowserLaunchError(f"the browser's launcher does not work: {error.stderr.strip()[-300:]}") from error
        confined = channel.received()
    confined.listener.close()
    return confined


def _command(binary: str) -> list[str]:
    return [_python(), "-I", "-S", launcher.__file__, binary, HOST]


def _python() -> str:
    """Return a Python that this process can start: after it dropped privileges, that need not be its own."""
    for path in (sys.executable, shutil.which("python3")):
        if path and os.access(path, os.X_OK):
            return path
    raise BrowserLaunchError(
        f"the browser's launcher needs a Python that this user can run, but {sys.executable or 'this one'} is not one, and there "
        "is no python3 on the PATH"
    )


class Peers:
    """Distinguish connections of a browser's processes from connections of other processes of this machine."""

    def __init__(self, browser: psutil.Process) -> None:
        self._browser = browser
        self._network = browser.pid  # the process that connected last

    def admit(self, connection: socket.socket) -> bool:
        """Return true if a connection comes from the browser."""
        inode = _peer_inode(connection)
        if inode is None:
            return False
        wanted = f"socket:[{inode}]"
        if wanted in _links(self._network):
            return True
        with suppress(psutil.NoSuchProcess):
            for process in (self._browser, *self._browser.children(recursive=True)):
                if wanted in _links(process.pid):
                    self._network = process.pid
                    return True
        return False


def _peer_inode(connection: socket.socket) -> str | None:
    """Return the inode of the socket at the other end of a connection; None if it is unknown or closed."""
    try:
        (address, port), (own, own_port) = connection.getpeername(), connection.getsockname()
    except OSError:
        return None
    ends = (_as_written(address, port), _as_written(own, own_port))
    with open(_CONNECTIONS, encoding="ascii") as table:
        next(table)
        for line in table:
            fields = line.split()
            if (fields[1], fields[2]) == ends and fields[3] == _ESTABLISHED:
                return fields[9]
    return None


def _as_written(address: str, port: int) -> str:
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    return f"{number:08X}:{port:04X}"


def _links(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # it has ended, or belongs to another user
        for name in os.listdir(folder):
            with suppress(OSError):
                yield os.readlink(f"{folder}/{name}")
