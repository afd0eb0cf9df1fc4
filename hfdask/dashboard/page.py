"""The page of renders, and its parts, as Bokeh documents. Dask's pages have the same form: a part has ``root`` and ``update``.

Names of videos may be made of text of strangers. They are drawn as plain text on canvases and in tables, which Bokeh
escapes, and are escaped here in HTML.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from typing import Any, ClassVar

from bokeh.io import curdoc
from bokeh.layouts import column, row
from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.widgets import DataTable, Div, NumberFormatter, StringFormatter, TableColumn, Toggle
from bokeh.plotting import figure
from distributed.dashboard.components import add_periodic_callback
from distributed.dashboard.components.scheduler import BOKEH_THEME, TICKS_1024, env, individual_doc
from distributed.dashboard.utils import update

from hfdask.cluster.pictures import Picture
from hfdask.core.tables import CHUNK_STAGES
from hfdask.dashboard.board import Board, State
from hfdask.dashboard.filmstrip import MOST_WORKERS
from hfdask.dashboard.layout import COLUMNS, LINES, grid
from hfdask.dashboard.plugin import NAME, RenderDashboard
from hfdask.text import legible

EVERY = 1000
"""Milliseconds between two updates of a page."""

_BARS = 24  # chunks with stage bars
_SLOW = 12
_NAME = 24  # characters
_FEWEST = 6  # a figure has room for this number of bars, or more
_WORKERS = 40  # bars of workers; Dask's own page of workers has all of them

_STATES = {
    State.DONE: "#6aa874",
    State.RUNNING: "#3f7fbf",
    State.WAITING: "#d3d8de",
    State.FAILED: "#c0392b",
    State.WITHDRAWN: "#efe3c2",
}
_STAGES = dict(zip(CHUNK_STAGES, ("#8fb8de", "#f0b354", "#3f7fbf", "#6aa874", "#a98bc4"), strict=True))


class _Part:
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
        """Refresh the part, if a browser is connected. Bokeh keeps a session for half a minute after its page was closed."""
        session = getattr(curdoc().session_context, "session", None)  # a document that is being made has none yet
        if session is None or session.connection_count:
            self.refresh()

    def workers(self) -> list[str]:
        """Return the addresses of the workers that have rendered, in the order of their names."""
        return sorted(self.board.workers.keys() & self.scheduler.workers.keys(), key=self.name_of)

    def name_of(self, worker: str) -> str:
        """Return the name of a worker, or its address if it has left."""
        known = self.scheduler.workers.get(worker)
        return legible(str(known.name if known else worker))[:60]


class Headline(_Part):
    """Counts of videos and chunks, frames a second, and the share of unchanged frames."""

    def build(self) -> None:
        self.root = Div(text="", sizing_mode="stretch_width", disable_math=True)

    def refresh(self) -> None:
        board, now = self.board, time.monotonic()
        counts = dict.fromkeys(State, 0)
        for video in board.videos.values():
            for chunk in video.chunks.values():
                counts[chunk.state] += 1
        under_way = sum(not video.ended for video in board.videos.values())
        fps = sum(line.frames_a_second(now) for line in board.workers.values())
        unchanged = board.unchanged_share()
        facts = [
            f"<b>{under_way}</b> of {len(board.videos)} videos under way",
            *(f"<span style='color:{_STATES[state]}'>&#9632;</span> {counts[state]} {state}" for state in State),
            f"<b>{fps:.1f}</b> frames a second",
        ]
        if unchanged is not None:
            facts.append(f"<b>{unchanged:.0%}</b> of the frames unchanged")
        self.root.text = " &nbsp; ".join(facts)


class ChunkGrid(_Part):
    """A cell for each chunk, one block a video, coloured by state; the number of a new attempt is in the cell."""

    def build(self) -> None:
        fields = ("x", "y", "color", "alpha", "attempt", "video", "chunks", "state", "worker", "done", "again")
        self.cells = ColumnDataSource({name: [] for name in fields})
        self.names = ColumnDataSource({"x": [], "y": [], "text": []})
        self.root = fig = figure(
            title="Chunks",
            height=330,
            sizing_mode=self.sizing_mode,
            x_range=Range1d(start=-16.5, end=COLUMNS + 0.5),
            y_range=Range1d(start=LINES, end=-0.5),
            tools="",
            toolbar_location=None,
        )
        squares = fig.rect(x="x", y="y", width=0.9, height=0.84, color="color", fill_alpha="alpha", source=self.cells)
        fig.text(
            x="x", y="y", text="again", source=self.cells,
            text_align="center", text_baseline="middle", text_font_size="9px", text_color="#1b1b1b",
        )  # fmt: skip
        fig.text(
            x="x", y="y", text="text", source=self.names,
            text_align="right", text_baseline="middle", text_font_size="11px",
        )  # fmt: skip
        tips = [
            ("video", "@video"),
            ("chunk", "@chunks"),
            ("state", "@state"),
            ("attempt", "@attempt"),
            ("frames", "@done"),
            ("worker", "@worker"),
        ]
        fig.add_tools(HoverTool(tooltips=tips, renderers=[squares]))
        fig.axis.visible = False
        fig.grid.visible = False

    def refresh(self) -> None:
        cells, named, hidden = grid(self.board.newest_videos())
        data: dict[str, list[Any]] = {name: [] for name in self.cells.data}
        for cell in cells:
            chunk = cell.chunk
            part = chunk.done / chunk.frames if chunk.frames else 0.0
            values = {
                "x": cell.column,
                "y": cell.line,
                "color": _STATES[cell.state],
                "alpha": 0.35 + 0.65 * min(1.0, part) if cell.state is State.RUNNING else 1.0,
                "attempt": chunk.attempt + 1,
                "video": cell.video.name,
                "chunks": cell.chunks,
                "state": str(cell.state),
                "worker": self.name_of(chunk.worker) if chunk.worker else "",
                "done": f"{chunk.done} of {chunk.frames}" if chunk.frames else "",
                "again": str(chunk.attempt + 1) if chunk.attempt else "",
            }
            for name, value in values.items():
                data[name].append(value)
        update(self.cells, data)
        texts = [f"{_short(video.name)}  {video.count(State.DONE)}/{len(video.chunks)}" for _, video in named]
        update(self.names, {"x": [-1.0] * len(named), "y": [line for line, _ in named], "text": texts})
        self.root.title.text = "Chunks, one block a video" + (f" (and {hidden} more videos)" if hidden else "")
        lines = max((cell.line for cell in cells), default=0) + 1
        self.root.y_range.start = max(8, lines) - 0.5


class StageBars(_Part):
    """The stages of the newest finished chunks. Encoding runs while frames are captured, so it has a thin bar on theirs."""

    def build(self) -> None:
        fields = ("y", "video", "chunk", "worker", "begin", "end", *CHUNK_STAGES)
        self.source = ColumnDataSource({name: [] for name in fields})
        self.root = fig = figure(
            title="Stages of the newest chunks, in seconds",
            height=330,
            sizing_mode=self.sizing_mode,
            x_range=DataRange1d(start=0),
            y_range=Range1d(start=_BARS - 0.5, end=-0.5),
            tools="",
            toolbar_location=None,
        )
        one_by_one = [stage for stage in CHUNK_STAGES if stage != "encode"]
        bars = fig.hbar_stack(
            one_by_one,
            y="y",
            height=0.8,
            color=[_STAGES[stage] for stage in one_by_one],
            source=self.source,
            legend_label=one_by_one,
        )
        bars.append(
            fig.hbar(
                y="y",
                left="begin",
                right="end",
                height=0.3,
                color=_STAGES["encode"],
                source=self.source,
                legend_label="encode",
            )
        )
        tips = [("video", "@video"), ("chunk", "@chunk"), ("worker", "@worker")]
        tips += [(stage, f"@{stage}{{0.00}} s") for stage in CHUNK_STAGES]
        fig.add_tools(HoverTool(tooltips=tips, renderers=[*bars]))
        fig.yaxis.visible = fig.ygrid.visible = False
        fig.legend.orientation = "horizontal"
        fig.legend.location = "bottom_right"
        fig.legend.background_fill_alpha = 0.7
        fig.legend.label_text_font_size = "10px"

    def refresh(self) -> None:
        newest = list(self.board.recent)[: -_BARS - 1 : -1]
        data: dict[str, list[Any]] = {
            "y": list(range(len(newest))),
            "video": [each.video for each in newest],
            "chunk": [each.chunk for each in newest],
            "worker": [self.name_of(each.worker) for each in newest],
        }
        for stage in CHUNK_STAGES:
            data[stage] = [each.summary.stages.get(stage, 0.0) for each in newest]
        data["begin"] = [sum(each) for each in zip(data["materialise"], data["boot"], strict=True)]
        data["end"] = [sum(each) for each in zip(data["begin"], data["encode"], strict=True)]
        update(self.source, data)


class _WorkerBars(_Part):
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


class SlowFrames(_Part):
    """The frames whose capture took longest, of the newest finished chunks."""

    def build(self) -> None:
        self.source = ColumnDataSource({"video": [], "frame": [], "chunk": [], "ms": []})
        columns = [
            TableColumn(field="video", title="video", formatter=StringFormatter()),
            TableColumn(field="frame", title="slow frame", width=90),
            TableColumn(field="chunk", title="chunk", width=70),
            TableColumn(field="ms", title="ms", width=70, formatter=NumberFormatter(format="0.0")),
        ]
        self.root = DataTable(
            source=self.source,
            columns=columns,
            height=220,
            sizing_mode=self.sizing_mode,
            index_position=None,
            reorderable=False,
        )

    def refresh(self) -> None:
        slow = self.board.slow_frames(_SLOW)
        data = {
            "video": [video for video, _, _, _ in slow],
            "chunk": [chunk for _, chunk, _, _ in slow],
            "frame": [frame for _, _, frame, _ in slow],
            "ms": [round(1000 * seconds, 1) for _, _, _, seconds in slow],
        }
        update(self.source, data)


class Pictures(_Part):
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
        name = f"{_short(video.name)}, " if video else ""
        caption = html.escape(f"{self.name_of(worker)}: {name}frame {picture.frame}")
        return (
            f"<figure style='margin:0;width:200px'><img src='{picture.url}' style='width:200px' alt=''>"
            f"<figcaption style='overflow:hidden;text-overflow:ellipsis;white-space:nowrap'>{caption}</figcaption></figure>"
        )


def page(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
    """Fill a document with the page. Dask's server calls it for each session."""
    headline, chunks, stages = Headline(scheduler), ChunkGrid(scheduler), StageBars(scheduler)
    rates, memory, slow, pictures = (part(scheduler) for part in (FramesASecond, BrowserMemory, SlowFrames, Pictures))
    for part in (headline, chunks, stages, rates, memory, slow, pictures):
        part.update()
        add_periodic_callback(doc, part, EVERY)
    doc.title = "Dask: hfdask"
    doc.add_root(
        column(
            headline.root,
            row(chunks.root, stages.root, sizing_mode="stretch_width"),
            row(rates.root, memory.root, slow.root, sizing_mode="stretch_width"),
            pictures.root,
            sizing_mode="stretch_width",
        )
    )
    doc.template = env.get_template("simple.html")
    doc.template_variables.update(extra)
    doc.theme = BOKEH_THEME


plots: dict[str, Callable[..., None]] = {
    f"individual-hfdask-{name}": individual_doc(part, EVERY)
    for name, part in {
        "chunks": ChunkGrid,
        "stages": StageBars,
        "frames-a-second": FramesASecond,
        "browser-memory": BrowserMemory,
        "slow-frames": SlowFrames,
        "pictures": Pictures,
    }.items()
}
"""The parts as pages, which Dask's extension of JupyterLab shows side by side."""


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
