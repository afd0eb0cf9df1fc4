"""The program that isolates itself from all networks, and then becomes Chromium.

It runs alone (``python -I -S launcher.py BINARY ARGUMENT...``), because a process with threads cannot enter a user
namespace. It makes the socket for the page server, sends it to the waiting process, and then executes the browser in
its own place:

- in its own network namespace, if the system allows one, as root or through a user namespace. A socket belongs to
  the namespace in which it was made. So this browser reaches only the page server, and only this browser reaches the
  server;
- otherwise with filters that need no privilege: seccomp refuses all sockets except TCP and local ones. Landlock, if the
  kernel supports it for TCP, refuses every port except the page server's.

The kernel ends the browser with the process that started it. If memory runs out, it ends the browser before our other
processes.

It imports nothing but extension modules (`socket` without its Python half), which halves the time that it adds to a
launch.
"""

from __future__ import annotations

import _socket
import ctypes
import fcntl
import os
import struct
import sys

CHANNEL = "HFDASK_CHANNEL"
"""Variable with the path of the datagram socket that receives the listening socket."""
CONFINEMENT = "HFDASK_CONFINEMENT"
"""Variable with the layers to try: ``namespace``, or only ``filters``, or ``nothing``."""

_OOM_SCORE = 200
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_SIGKILL = 9
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Isolate this process, hand over the page server's socket, and become the browser."""
    parent = os.getppid()
    channel, wanted = os.environ.pop(CHANNEL), os.environ.pop(CONFINEMENT)
    binary, host, *arguments = sys.argv[1:]
    _prefer_to_end()
    private = wanted == "namespace" and _may_leave()
    if private:
        _leave()
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    port: int = listener.getsockname()[1]
    layers = ["namespace"] if private else [] if wanted == "nothing" else _filter(port)
    _hand_over(channel, " ".join(layers), listener.fileno())
    # Last, because a change of credentials clears it.
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # the parent ended before the kernel knew that we must not outlive it
    # Only our own host resolves, and only to our own port: the page can reach nothing else, not even by address.
    rules = f"--host-resolver-rules=MAP {host}:80 127.0.0.1:{port}, MAP * ~NOTFOUND"
    os.execv(binary, [binary, *arguments, rules])


def _prefer_to_end() -> None:
    """Have the kernel end this process first. Chromium sets only its pages (300) and the GPU process (200) itself."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            score = min(1000, int(file.read()) + _OOM_SCORE)
            file.seek(0)
            file.write(str(score))
    except OSError:
        pass  # a container may forbid it; then only this precaution is missing


def _may_leave() -> bool:
    """Return true if `_leave` works here. Some systems allow only its first half, which cannot be undone."""
    child = os.fork()
    if child == 0:
        try:
            _leave()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _leave() -> None:
    """Enter a new network namespace, which has only a loopback interface."""
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWNET)
    except OSError:
        _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    any_socket.close()


def _hand_over(channel: str, words: str, listener: int) -> None:
    folder, name = os.path.split(channel)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)  # the path may be too long for a socket
    sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    sender.connect(f"/proc/self/fd/{descriptor}/{name}")
    sender.sendmsg([words.encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", listener))])
    os.close(descriptor)


def _filter(port: int) -> list[str]:
    """Filter this process and its successors; return the names of the filters that the system supports."""
    names = []
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for name, add in (("seccomp", _filter_sockets), ("Landlock", lambda: _filter_ports(port))):
        try:
            add()
        except OSError:
            continue  # an older kernel, or a machine of another kind
        names.append(name)
    return names


# For each machine: its name for the kernel, and its numbers of `socket` and of other calls that make sockets.
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING_SETUP = 425
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _MACHINE, _FAMILY, _TYPE, _PROTOCOL = 0, 4, 16, 24, 32
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NO_SUCH_CALL, _NO_SUCH_FAMILY = _REFUSE | 38, _REFUSE | 97


def _filter_sockets() -> None:
    """Have the kernel refuse sockets that are neither TCP nor local, permanently."""
    machine, number = _MACHINES.get(os.uname().machine, (0, 0))
    if not machine:
        raise OSError("no filter for this machine")
    # (code, value, steps to skip if true, and if false), as the kernel reads it
    program = [
        (_LOAD, _MACHINE, 0, 0),
        (_EQUAL, machine, 0, 16),
        (_LOAD, _NUMBER, 0, 0),
        (_AT_LEAST, 0x40000000, 14, 0),  # the same calls under other numbers
        (_EQUAL, _IO_URING_SETUP, 13, 0),
        (_EQUAL, number, 0, 11),
        (_LOAD, _FAMILY, 0, 0),
        (_EQUAL, _socket.AF_UNIX, 9, 0),
        (_EQUAL, _socket.AF_NETLINK, 8, 0),
        (_EQUAL, _socket.AF_INET, 1, 0),
        (_EQUAL, _socket.AF_INET6, 0, 8),
        (_LOAD, _TYPE, 0, 0),
        (_AND, 0xF, 0, 0),
        (_EQUAL, _socket.SOCK_STREAM, 0, 5),
        (_LOAD, _PROTOCOL, 0, 0),
        (_EQUAL, 0, 1, 0),
        (_EQUAL, _socket.IPPROTO_TCP, 0, 2),
        (_RETURN, _ALLOW, 0, 0),
        (_RETURN, _NO_SUCH_CALL, 0, 0),
        (_RETURN, _NO_SUCH_FAMILY, 0, 0),
    ]
    code = b"".join(struct.pack("HBBI", what, yes, no, value) for what, value, yes, no in program)
    steps = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps))
    _call("prctl", _PR_SET_SECCOMP, 2, header, 0, 0)


def _filter_ports(port: int) -> None:
    """Have the kernel refuse TCP connections to other ports, and listening, permanently."""
    create, add, restrict = 444, 445, 446
    connect, listen = 2, 1
    handled = struct.pack("QQ", 0, connect | listen)
    rules = _call("syscall", create, handled, len(handled), 0)
    _call("syscall", add, rules, 2, struct.pack("QQ", connect, port), 0)
    _call("syscall", restrict, rules, 0)
    os.close(rules)


def _call(name: str, *arguments: int | bytes) -> int:
    words = [ctypes.c_ulong(each) if isinstance(each, int) else ctypes.c_char_p(each) for each in arguments]
    result: int = getattr(_libc, name)(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    main()
