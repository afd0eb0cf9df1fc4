"""The parts of the page that show chunks and frames."""

from __future__ import annotations

import time
from typing import Any

from bokeh.models import ColumnDataSource, DataRange1d, HoverTool, Range1d
from bokeh.models.widgets import DataTable, Div, NumberFormatter, StringFormatter, TableColumn
from bokeh.plotting import figure
from distributed.dashboard.utils import update

from hfdask.core.tables import CHUNK_STAGES
from hfdask.dashboard.board import State
from hfdask.dashboard.layout import COLUMNS, LINES, grid
from hfdask.dashboard.part import Part, short

_BARS = 24  # chunks with stage bars
_SLOW = 12

_STATES = {
    State.DONE: "#6aa874",
    State.RUNNING: "#3f7fbf",
    State.WAITING: "#d3d8de",
    State.FAILED: "#c0392b",
    State.WITHDRAWN: "#efe3c2",
}
_STAGES = dict(zip(CHUNK_STAGES, ("#8fb8de", "#f0b354", "#3f7fbf", "#6aa874", "#a98bc4"), strict=True))


class Headline(Part):
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


class ChunkGrid(Part):
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
        texts = [f"{short(video.name)}  {video.count(State.DONE)}/{len(video.chunks)}" for _, video in named]
        update(self.names, {"x": [-1.0] * len(named), "y": [line for line, _ in named], "text": texts})
        self.root.title.text = "Chunks, one block a video" + (f" (and {hidden} more videos)" if hidden else "")
        lines = max((cell.line for cell in cells), default=0) + 1
        self.root.y_range.start = max(8, lines) - 0.5


class StageBars(Part):
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


class SlowFrames(Part):
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
