"""The parts of the page that show workers."""

from __future__ import annotations

import html
import time
from typing import Any, ClassVar

from bokeh.layouts import column
from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.widgets import Div, Toggle
from bokeh.plotting import figure
from distributed.dashboard.components.scheduler import TICKS_1024
from distributed.dashboard.utils import update

from hfdask.cluster.pictures import Picture
from hfdask.dashboard.filmstrip import MOST_WORKERS
from hfdask.dashboard.part import Part, short

_FEWEST = 6  # a figure has room for this number of bars, or more
_WORKERS = 40  # bars of workers; Dask's own page of workers has all of them


class _WorkerBars(Part):
    """A bar for each worker that has rendered, with its name on it."""

    title = ""
    color = ""
    format = "0.0"
    ticks: ClassVar[dict[str, Any]] = {}

    def value(self, worker: str) -> float:
        """Return the length of a worker's bar."""
        raise NotImplementedError

    def build(self) -> None:
        self.source = ColumnDataSource({"y": [], "value": [], "worker": []})
        self.root = fig = figure(
            title=self.title,
            height=220,
            sizing_mode=self.sizing_mode,
            x_range=DataRange1d(start=0),
            y_range=Range1d(start=_FEWEST - 0.5, end=-0.5),
            tools="",
            toolbar_location=None,
        )
        bars = fig.hbar(y="y", right="value", left=0, height=0.8, color=self.color, source=self.source)
        fig.text(
            x=0, y="y", text="worker", x_offset=4, source=self.source,
            text_baseline="middle", text_font_size="11px",
        )  # fmt: skip
        fig.add_tools(HoverTool(tooltips=[("worker", "@worker"), ("", f"@value{{{self.format}}}")], renderers=[bars]))
        fig.xaxis.formatter = NumeralTickFormatter(format=self.format)
        fig.xaxis.ticker = BasicTicker(desired_num_ticks=4, **self.ticks)
        fig.yaxis.visible = fig.ygrid.visible = False

    def refresh(self) -> None:
        shown = self.workers()[:_WORKERS]
        data = {
            "y": list(range(len(shown))),
            "value": [self.value(worker) for worker in shown],
            "worker": [self.name_of(worker) for worker in shown],
        }
        update(self.source, data)
        self.root.y_range.start = max(_FEWEST, len(shown)) - 0.5


class FramesASecond(_WorkerBars):
    """Frames a second of each worker, over the last ten seconds."""

    title = "Frames a second, by worker"
    color = "#8fb8de"

    def value(self, worker: str) -> float:
        return round(self.board.workers[worker].frames_a_second(time.monotonic()), 2)


class BrowserMemory(_WorkerBars):
    """Memory of each worker's browsers: as the worker reports it now, else the most of its newest chunk."""

    title = "Memory of browsers, by worker"
    color = "#a98bc4"
    format = "0.0 b"
    ticks = TICKS_1024

    def value(self, worker: str) -> float:
        now = self.scheduler.workers[worker].metrics.get("hfdask_browser_bytes")
        return float(self.board.workers[worker].browser_bytes if now is None else now)


class Pictures(Part):
    """The newest picture of each worker. On a large cluster a person has to switch them on."""

    def build(self) -> None:
        self.toggle = Toggle(
            label="Newest pictures", active=len(self.scheduler.workers) <= MOST_WORKERS, width=140, height=30
        )
        self.strip = Div(text="", sizing_mode="stretch_width", disable_math=True)
        self.root = column(self.toggle, self.strip, sizing_mode="stretch_width")

    def refresh(self) -> None:
        if not self.toggle.active:
            self.strip.text = ""
            return
        shown = self.workers()[:MOST_WORKERS]
        filmstrip = self.plugin.filmstrip
        filmstrip.ask(shown)
        found = [(worker, filmstrip.pictures[worker]) for worker in shown if worker in filmstrip.pictures]
        frames = "".join(self._figure(worker, picture) for worker, picture in found)
        self.strip.text = f"<div style='display:flex;flex-wrap:wrap;gap:8px'>{frames}</div>"

    def _figure(self, worker: str, picture: Picture) -> str:
        video = self.board.videos.get(picture.render)
        name = f"{short(video.name)}, " if video else ""
        caption = html.escape(f"{self.name_of(worker)}: {name}frame {picture.frame}")
        return (
            f"<figure style='margin:0;width:200px'><img src='{picture.url}' style='width:200px' alt=''>"
            f"<figcaption style='overflow:hidden;text-overflow:ellipsis;white-space:nowrap'>{caption}</figcaption></figure>"
        )
