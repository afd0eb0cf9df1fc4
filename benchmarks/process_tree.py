"""The cost of a command with all the processes that it starts: wall time, CPU time and memory.

A renderer is a tree of processes (Python or Node, a driver, a browser with its own children, an encoder), many of which
end before it does, so looking at one process, or at the living ones, says little.

CPU time is the kernel's own account, not a sum of samples. When a process is waited for, its CPU time and its waited-for
children's are added to its parent's account; this process declares itself a subreaper (prctl(2)), so
descendants whose parent died first come to it and are waited for too. The difference of ``RUSAGE_CHILDREN`` before and
after is therefore exact to the kernel's clock, with one gap: children of a parent that ignores SIGCHLD are in no
account. Against this gap every process's last seen ``cpu_times`` are summed as well, which is a lower bound (each may
have worked up to one interval after it was last seen), and the greater of both is reported, with both kept. Work that
the command has others do, such as a container daemon, is not seen.

The samples also show which processes worked: a share for each kind of process. It lacks the time of each after its last sample.

Memory is the peak over samples of the sum of PSS, in which a page that n processes share counts 1/n for each. If
the kernel has no PSS, RSS is summed and flagged, because it counts shared pages once for each process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

INTERVAL = 0.1
"""Seconds between samples, at least."""
SHARE = 0.1
"""Greatest share of a core that sampling may take; if it is expensive (PSS walks page tables), it is done less often."""
GRACE = 3.0
"""Seconds that descendants get to end after the command has ended."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """Cost of one command. Seconds and bytes; ``left_behind`` processes had to be killed at its end.

    ``cpu_by_kind`` is the share of the CPU seconds that samples saw, by `kind_of` process.
    """

    status: int
    timed_out: bool
    wall: float
    cpu: float
    cpu_kernel: float
    cpu_sampled: float
    memory: int
    memory_kind: str
    processes: int
    samples: int
    sampler_cpu: float
    left_behind: int
    out: str = field(repr=False)
    err: str = field(repr=False)
    cpu_by_kind: dict[str, float] = field(default_factory=dict)


def measure(command: Sequence[str], *, timeout: float) -> Usage:
    """Run a command to its end, or kill its tree after ``timeout`` seconds, and account for all of it.

    No other child process of this process may run meanwhile.
    """
    _become_subreaper()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = _reaped_cpu()
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment())
        sampler = _Sampler()
        sampler.start()
        in_time = False
        try:
            in_time = _wait(process, timeout)
            wall = time.perf_counter() - began
        finally:
            sampler.finish()
            left = _clear(process, GRACE if in_time else 0)
        kernel, sampled = _reaped_cpu() - before, sum(sampler.cpu.values())
        return Usage(
            status=process.returncode,
            timed_out=not in_time,
            wall=wall,
            cpu=max(kernel, sampled),
            cpu_kernel=kernel,
            cpu_sampled=sampled,
            memory=sampler.memory,
            memory_kind=sampler.kind,
            processes=len(sampler.cpu),
            samples=sampler.samples,
            sampler_cpu=sampler.own_cpu,
            left_behind=left if in_time else 0,
            out=_text(out),
            err=_text(err),
            cpu_by_kind=sampler.by_kind(),
        )


def kind_of(command: Sequence[str]) -> str:
    """Name the kind of a process by its command line: its part in Chromium, or the program.

    Chromium's children name their part, such as ``renderer`` or ``gpu-process``. The process that started them is the ``browser``.
    """
    # A child of Chromium's zygote has its arguments in one string.
    arguments = " ".join(command).split()
    for argument in arguments:
        if argument.startswith("--type="):
            return argument.removeprefix("--type=")
    program = Path(arguments[0]).name.lower() if arguments else ""
    if "chrom" in program or "headless" in program:
        return "browser"
    known = (name for name in ("python", "node", "ffmpeg", "bash") if program.startswith(name))
    return next(known, program or "other")


class _Sampler(threading.Thread):
    """Looks at all descendants of this process until `finish`."""

    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.cpu: dict[psutil.Process, float] = {}
        self._kinds: dict[psutil.Process, str] = {}
        self.memory = 0
        self.kind = "pss"
        self.samples = 0
        self.own_cpu = 0.0
        self._me = psutil.Process()
        self._end = threading.Event()

    def run(self) -> None:
        pause = 0.0
        while not self._end.wait(pause):
            began = time.thread_time()
            self.memory = max(self.memory, self._sample())
            self.samples += 1
            pause = max(INTERVAL, (time.thread_time() - began) / SHARE)
        self.own_cpu = time.thread_time()

    def finish(self) -> None:
        self._end.set()
        self.join()

    def by_kind(self) -> dict[str, float]:
        """Sum the CPU seconds that were seen, the kind that took most first."""
        sums: dict[str, float] = {}
        for process, seconds in self.cpu.items():
            kind = self._kinds.get(process, "other")
            sums[kind] = sums.get(kind, 0.0) + seconds
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def _sample(self) -> int:
        total = 0
        for process in self._me.children(recursive=True):
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                self.cpu[process] = times.user + times.system
                # Read each time: a process is its parent's copy until it starts its own program.
                command = process.cmdline()
                if command:  # a process that has ended has none
                    self._kinds[process] = kind_of(command)
                total += self._memory_of(process)
        return total

    def _memory_of(self, process: psutil.Process) -> int:
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            self.kind = "rss"
            return int(process.memory_info().rss)


def _become_subreaper() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def _reaped_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    """Return the environment of commands, in which Python keeps compiled code, as an installed package has it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bool:
    # Popen.wait with a timeout polls, which would blur the wall time by up to 50 ms.
    descriptor = os.pidfd_open(process.pid)
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def _clear(process: subprocess.Popen[bytes], grace: float) -> int:
    """Wait for every descendant, and kill the ones alive after the grace time; return their number."""
    killed: set[psutil.Process] = set()
    end = time.monotonic() + grace
    if not grace:
        killed |= _kill_all()
    process.wait()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return len(killed)
        if pid == 0:
            if time.monotonic() >= end:
                killed |= _kill_all()
            time.sleep(0.01)


def _kill_all() -> set[psutil.Process]:
    alive = {item for item in psutil.Process().children(recursive=True) if _is_running(item)}
    for item in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            item.kill()
    return alive


def _is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
