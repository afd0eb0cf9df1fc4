"""Watch the processes of a browser, and end all of them if one is lost.

A browser runs on without some of its processes, but not correctly. Without its zygotes it opens no page. If the process
that composes pictures or the process that loads files is restarted, a picture may lack something without any error. So a
browser that has lost such a process is ended at once. A stopped process is not lost, but does nothing. Stopped processes
are looked for only when a browser is leased, or after a wait without an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

# Processes that every page depends on. Others come and go with pages.
_HELPERS = {
    "--type=zygote": "its zygote",
    "--type=gpu-process": "its GPU process",
    "network.mojom.NetworkService": "its network service",
}
_ALL_HELPERS = frozenset(_HELPERS.values())
_LISTS_CHILDREN = Path("/proc/self/task", str(threading.main_thread().native_id), "children").exists()
_OUT_OF_SIGHT = (psutil.NoSuchProcess, psutil.AccessDenied)  # gone, or hidden by the machine


class Processes:
    """The processes of one browser, found from its first one. Close it when the browser has ended.

    Use it on the browser thread's loop.
    """

    def __init__(self, pid: int) -> None:
        self.main = psutil.Process(pid)
        self.killed = False
        self._seen: dict[psutil.Process, None] = {}
        self._watched: dict[psutil.Process, str] = {}
        self._descriptors: set[int] = set()
        self._counted: dict[psutil.Process, float] = {}
        self._loop = asyncio.get_running_loop()
        self._lost = ""
        self._watch(self.main, "its first process")
        above = _quietly(self.main.parents, list[psutil.Process]())
        us = next((number for number, process in enumerate(above) if process.pid == os.getpid()), 0)
        for process in above[:us]:
            self._watch(process, "its driver")

    def all(self) -> list[psutil.Process]:
        """Search for the browser's current processes, including the first one."""
        known = {process.pid: process for process in self._seen}
        found = dict.fromkeys([self.main, *_below(self.main, known)])
        orphans = [process for process in self._seen if process not in found and process.is_running()]
        self._seen = {**found, **dict.fromkeys(orphans)}
        return list(found)

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the browser since the last call; at first, since it was started.

        What processes did that have ended since then is left out.
        """
        now = {process: _quietly(process.cpu_times, None) for process in self.all()}
        spent = {process: times.user + times.system for process, times in now.items() if times is not None}
        before, self._counted = self._counted, spent
        return sum(max(0.0, seconds - before.get(process, 0.0)) for process, seconds in spent.items())

    def found(self) -> list[psutil.Process]:
        """Return the processes that the last search has found. Some may have ended."""
        return list(self._seen)

    def find_helpers(self) -> None:
        """Find all processes, and watch the ones on which every page depends; call it when there is a page."""
        found = self.all()
        if set(self._watched.values()) >= _ALL_HELPERS:
            return
        for process in found:
            line = " ".join(_quietly(process.cmdline, list[str]()))
            name = next((name for mark, name in _HELPERS.items() if mark in line), None)
            if name:
                self._watch(process, name)

    def lost(self) -> str:
        """Describe a process that ended unexpectedly; empty if none has. It costs nothing; call it from any thread."""
        return self._lost

    def lose(self, name: str) -> None:
        """Note the end of a process that every page depends on, and end all others, so that nothing waits for it."""
        if not self.killed:
            self._lost = f"the browser lost {name}"
            self.kill()

    def fault(self) -> str:
        """Describe a lost process, else a stopped process that every page depends on."""
        if self.lost():
            return self._lost
        for process, name in self._watched.items():
            status = _quietly(process.status, psutil.STATUS_DEAD)
            if status in (psutil.STATUS_DEAD, psutil.STATUS_ZOMBIE):
                self.lose(name)
                return self._lost
            if status == psutil.STATUS_STOPPED:
                return f"the browser cannot go on, because {name} is stopped"
        return ""

    def stopped(self) -> str:
        """Do the same as `fault` for all processes, including the pages' processes."""
        others = [process for process in self.all() if process not in self._watched]
        halted = any(_quietly(each.status, "") == psutil.STATUS_STOPPED for each in others)
        return self.fault() or ("a process of the page's is stopped" if halted else "")

    def kill(self) -> None:
        """End all of them at once, also those whose parents have ended."""
        self.killed = True
        for process in {*self._seen, self.main, *_all_below(self.main)}:
            with contextlib.suppress(*_OUT_OF_SIGHT):
                process.kill()

    def close(self) -> None:
        """Stop watching."""
        for descriptor in list(self._descriptors):
            self._release(descriptor)

    def _watch(self, process: psutil.Process, name: str) -> None:
        if process in self._watched:
            return
        self._watched[process] = name
        # If the system has no such descriptors, a loss is noticed at the next lease, or after a wait without an answer.
        if hasattr(os, "pidfd_open"):
            try:
                descriptor = os.pidfd_open(process.pid)
            except ProcessLookupError:
                self.lose(name)
            except OSError:  # an old kernel, or no descriptor is left
                return
            else:
                self._descriptors.add(descriptor)
                self._loop.add_reader(descriptor, self._ended, descriptor, name)

    def _ended(self, descriptor: int, name: str) -> None:
        self._release(descriptor)
        self.lose(name)

    def _release(self, descriptor: int) -> None:
        self._descriptors.discard(descriptor)
        self._loop.remove_reader(descriptor)
        os.close(descriptor)


def kill_marked(mark: str) -> None:
    """End the descendants of this process that have a mark among their arguments, and their descendants."""
    for process in _all_below(psutil.Process()):
        if mark in _quietly(process.cmdline, list[str]()):
            for each in [process, *_all_below(process)]:
                with contextlib.suppress(*_OUT_OF_SIGHT):
                    each.kill()


def _below(process: psutil.Process, known: Mapping[int, psutil.Process]) -> list[psutil.Process]:
    """Return the descendants of a process, in a time that does not depend on the number of other processes.

    If Linux lists the children of each thread, only these lists are read (proc_pid_children(5)). A list may lack a process
    while another one ends, so use `_all_below` to end processes. ``known`` has processes by their numbers, to be used again.
    """
    if not _LISTS_CHILDREN:
        return _all_below(process)
    if not process.is_running():  # its number may be another process's
        return []
    found: list[psutil.Process] = []
    for parent in itertools.chain([process], found):  # grows meanwhile
        for child in _children(parent.pid):
            with contextlib.suppress(*_OUT_OF_SIGHT):
                old = known.get(child)
                found.append(old if old is not None and old.is_running() else psutil.Process(child))
    return found


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                yield from map(int, file.read().split())


def _all_below(process: psutil.Process) -> list[psutil.Process]:
    """Return all descendants of a process. This reads the parents of all processes of the machine."""
    try:
        return process.children(recursive=True)
    except _OUT_OF_SIGHT:
        return []


def is_stopped_or_gone(process: psutil.Process) -> bool:
    """Return true if a process is stopped or has ended."""
    status = _quietly(process.status, psutil.STATUS_DEAD)
    return not process.is_running() or status in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED, psutil.STATUS_DEAD)


def _quietly(ask: Callable[[], T], otherwise: T) -> T:
    """Ask about a process that may end meanwhile."""
    try:
        return ask()
    except _OUT_OF_SIGHT:
        return otherwise
