"""A hostile case: a small project, what its page is to be compared with, and how it may end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfdask import errors

LIMITS: dict[str, Any] = {"load_timeout": 5.0, "frame_timeout": 3.0, "fps": 10}

PLAIN = """<!doctype html><html><head>{head}</head><body>
<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline
 style="background:#080">{body}</div>{end}</body></html>"""
"""A page that is green all over, four frames long."""

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Case:
    """One hostile project.

    ``like`` is the project whose pictures it must show if it renders at all; None if any picture will do. ``renders`` is true
    if it must render, false if it must be refused, and None if both are right. A refusal is always an
    `HfdaskError`; ``error`` is its class if that is known, and ``says`` are words of its message. ``write``
    writes what a table of files cannot hold.
    """

    kind: str
    name: str
    files: Files
    like: Files | None = None
    renders: bool | None = None
    error: type[errors.HfdaskError] | None = None
    says: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[Path], None] | None = None

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.name}"


def plain(body: str = "", head: str = "", end: str = "", **files: str | bytes) -> dict[str, str | bytes]:
    """The plain page with something added. Names of other files have ``__`` for a dot."""
    others = {name.replace("__", "."): content for name, content in files.items()}
    return {"index.html": PLAIN.format(head=head, body=body, end=end), **others}


def script(code: str, **files: str | bytes) -> dict[str, str | bytes]:
    """The plain page with a script at its end."""
    return plain(end=f"<script>{code}</script>", **files)


GREEN = plain()
