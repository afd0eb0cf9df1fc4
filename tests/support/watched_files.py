"""Record the files that this process opens and changes, by Python's audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass
class Watched:
    """Paths, as they were given and made absolute, that were opened to be read, and that were changed."""

    read: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)

    def reads_below(self, *folders: Any) -> set[str]:
        return {path for path in self.read if any(_below(path, folder) for folder in folders)}

    def changes_outside(self, *folders: Any) -> set[str]:
        return {path for path in self.changed if not any(_below(path, folder) for folder in folders)}


_now: list[Watched] = []
_installed: list[bool] = []


def _below(path: str, folder: Any) -> bool:
    real = os.path.realpath(path)
    return any(each == str(folder) or each.startswith(f"{folder}/") for each in (path, real))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _now:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes | os.PathLike):
            changes = isinstance(flags, int) and flags & _WRITES
            (_now[0].changed if changes else _now[0].read).add(os.path.abspath(os.fsdecode(path)))
    elif event in _CHANGES:
        for path in arguments:
            if isinstance(path, str | bytes | os.PathLike):
                _now[0].changed.add(os.path.abspath(os.fsdecode(path)))


@contextmanager
def watched() -> Iterator[Watched]:
    """See what is opened and changed in the block. A hook cannot be taken away, so there is one for all blocks."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    seen = Watched()
    _now.append(seen)
    try:
        yield seen
    finally:
        _now.remove(seen)
