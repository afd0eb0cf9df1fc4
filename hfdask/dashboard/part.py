"""The base of the page's parts, and what several of them use.

Names of videos may be made of text of strangers. They are drawn as plain text on canvases and in tables, which Bokeh
escapes, and are escaped here in HTML.
"""

from __future__ import annotations

from typing import Any

from bokeh.io import curdoc

from hfdask.dashboard.board import Board
from hfdask.dashboard.plugin import NAME, RenderDashboard
from hfdask.text import legible

_NAME = 24  # characters


class Part:
    """A part of the page. ``build`` makes its model ``root``, and ``refresh`` brings that up to date."""

    root: Any

    def __init__(self, scheduler: Any, sizing_mode: str = "stretch_width") -> None:
        self.scheduler = scheduler
        self.sizing_mode: Any = sizing_mode
        self.build()

    @property
    def plugin(self) -> RenderDashboard:
        """The plugin that is registered now; another one, if it was registered anew."""
        found: RenderDashboard = self.scheduler.plugins[NAME]
        return found

    @property
    def board(self) -> Board:
        """The state of all chunks."""
        return self.plugin.board

    def build(self) -> None:
        """Make ``root``."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Bring ``root`` up to date."""
        raise NotImplementedError

    def update(self) -> None:
        """Refresh the part, unless no browser is connected, or the plugin was unregistered.

        Bokeh keeps a session for half a minute after its page was closed.
        """
        session = getattr(curdoc().session_context, "session", None)  # a document that is being made has none yet
        if NAME in self.scheduler.plugins and (session is None or session.connection_count):
            self.refresh()

    def workers(self) -> list[str]:
        """Return the addresses of the workers that have rendered, in the order of their names."""
        known = self.board.workers.keys() & self.scheduler.workers.keys()
        return sorted(known, key=lambda worker: (len(self.name_of(worker)), self.name_of(worker)))  # 2 before 10

    def name_of(self, worker: str) -> str:
        """Return the name of a worker, or its address if it has left."""
        known = self.scheduler.workers.get(worker)
        return legible(str(known.name if known else worker))[:60]


def short(name: str) -> str:
    """Return a video's name, or its beginning if it is long."""
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
