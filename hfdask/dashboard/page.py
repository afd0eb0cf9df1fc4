"""The page of renders, and its parts, as Bokeh documents. Dask's pages have the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.layouts import column, row
from distributed.dashboard.components import add_periodic_callback
from distributed.dashboard.components.scheduler import BOKEH_THEME, env, individual_doc

from hfdask.dashboard.chunks import ChunkGrid, Headline, SlowFrames, StageBars
from hfdask.dashboard.workers import BrowserMemory, FramesASecond, Pictures

EVERY = 1000
"""Milliseconds between two updates of a page."""


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
