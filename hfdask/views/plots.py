"""The figure of a render's timings."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hfdask.core.frame_table import STATES
from hfdask.views.colours import FRAME_COLOURS, STAGE_COLOURS, STATE_COLOURS

MAX_COLUMNS = 2000
"""Columns of the plot of frames. In a longer video, a column is the mean of several frames."""

MAX_ROWS = 64
"""Rows of the plot of workers. If there are more workers, only the busiest are drawn."""


class Plot(Figure):
    """A figure without a window, which notebooks show. It needs neither pyplot nor its global state, so any thread can draw it."""

    def png(self) -> bytes:
        """Return the picture as PNG."""
        data = io.BytesIO()
        self.savefig(data, format="png", dpi=110)
        return data.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()


def figure_of(chunks: Any, frames: Any) -> Plot:
    """Draw the data frames of `hfdask.views.perf.Perf`."""
    lanes = list(_lanes(chunks))
    drawn = lanes[:MAX_ROWS]
    height = 0.9 + 0.35 * len(drawn)
    figure = Plot(figsize=(9, height + 5.6), layout="constrained")
    grid = figure.add_gridspec(4, 1, height_ratios=[height, 2.3, 0.22, 2.0])
    _workers(figure.add_subplot(grid[0]), drawn, len(lanes) - len(drawn))
    cost = figure.add_subplot(grid[1])
    _frames(cost, figure.add_subplot(grid[2], sharex=cost), frames)
    _fixed(figure.add_subplot(grid[3]), chunks)
    return figure


def _fresh(chunks: Any) -> Any:
    """Return the chunks that this render made, without reused chunks of earlier renders.

    A reused chunk that began after the first one of this render was made by another attempt of this render, whose worker
    was lost before it could report.
    """
    made = chunks["began"].notna() & ~chunks["reused"]
    return chunks[chunks["began"] >= chunks.loc[made, "began"].min()]


def _lanes(chunks: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield a label and chunks that do not overlap: one or more rows for each worker, the busiest worker first."""
    fresh = _fresh(chunks)
    if not len(fresh):
        return
    zero = fresh["began"].min()
    fresh = fresh.assign(left=(fresh["began"] - zero).dt.total_seconds()).sort_values("left")
    busiest = fresh.groupby("worker")["seconds"].sum().sort_values(ascending=False, kind="stable")
    for number, worker in enumerate(busiest.index):
        rows: list[list[Any]] = []
        for chunk in fresh[fresh["worker"] == worker].itertuples():
            row = next((row for row in rows if row[-1].left + row[-1].seconds <= chunk.left), None)
            if row is None:
                rows.append(row := [])
            row.append(chunk)
        yield from ((f"{number}" if not row else "", chunks) for row, chunks in enumerate(rows))


def _workers(axes: Axes, lanes: list[tuple[str, list[Any]]], left_out: int) -> None:
    axes.set_title("Chunks on workers" + (f" ({left_out} more rows)" if left_out else ""), loc="left")
    for row, (_, chunks) in enumerate(lanes):
        ready = [chunk.left + chunk.materialise + chunk.boot for chunk in chunks]
        places: dict[str, tuple[list[tuple[float, float]], float, float]] = {
            "materialise": ([(chunk.left, chunk.materialise) for chunk in chunks], -0.4, 0.8),
            "boot": ([(chunk.left + chunk.materialise, chunk.boot) for chunk in chunks], -0.4, 0.8),
            "capture": ([(at, chunk.capture) for at, chunk in zip(ready, chunks, strict=True)], -0.4, 0.4),
            "encode": ([(at, chunk.encode) for at, chunk in zip(ready, chunks, strict=True)], 0.0, 0.4),
            "upload": ([(c.left + c.seconds - c.upload, c.upload) for c in chunks], -0.4, 0.8),
        }
        for stage, (spans, low, high) in places.items():
            axes.broken_barh(spans, (row + low, high), facecolors=STAGE_COLOURS[stage])
        for chunk in chunks:
            axes.plot([chunk.left] * 2, [row - 0.4, row + 0.4], color="white", linewidth=1)
            if len(chunks) <= 12:
                middle = chunk.left + chunk.seconds / 2
                axes.text(middle, row, str(chunk.Index), ha="center", va="center", fontsize=8, color="black")
    if not lanes:
        axes.text(0.5, 0.5, "all chunks were reused", ha="center", va="center", transform=axes.transAxes)
    axes.set(xlabel="seconds since the first chunk began", ylabel="worker", xlim=(0, None))
    axes.set_yticks(range(len(lanes)), [label for label, _ in lanes])
    axes.set_ylim(max(1, len(lanes)) - 0.5, -0.5)
    patches = [Patch(color=colour, label=stage) for stage, colour in STAGE_COLOURS.items()]
    axes.legend(handles=patches, ncols=5, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))


def _frames(cost: Axes, strip: Axes, frames: Any) -> None:
    """Draw the seconds of each frame, and below them a strip of the frames' states."""
    each = -(-len(frames) // MAX_COLUMNS)
    bins = np.arange(len(frames)) // each
    means = 1000 * frames[["decode", "seek", "picture", "seconds", "encode"]].groupby(bins).mean()
    parts = means[["decode", "seek", "picture"]].where(means["decode"].notna(), 0)
    parts["picture"] = parts["picture"].where(means["decode"].notna(), means["seconds"])  # of records without parts
    edges = np.append(np.arange(len(means)) * each, len(frames)) - 0.5
    below = np.zeros(len(means))
    for name, colour in FRAME_COLOURS.items():
        above = below + parts[name].to_numpy()
        cost.stairs(above, edges, baseline=below, fill=True, color=colour, label=name)
        below = above
    cost.stairs(
        means["encode"].fillna(0), edges, baseline=None, color=STAGE_COLOURS["encode"], label="encode (meanwhile)"
    )
    cost.set(ylabel="milliseconds", ylim=(0, None), xlim=(edges[0], edges[-1]))
    mean = f", mean of {each} frames" if each > 1 else ""
    cost.set_title(f"Cost of each frame{mean}", loc="left")
    cost.legend(ncols=4, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    cost.tick_params(labelbottom=False)
    borders = np.flatnonzero(frames["chunk"].diff().to_numpy() > 0) - 0.5
    if len(borders) <= 100:
        for axes in (cost, strip):
            axes.vlines(borders, 0, 1, transform=axes.get_xaxis_transform(), color="gray", linewidth=0.6)
    codes = frames["state"].cat.codes.to_numpy()[::each]
    colours = ListedColormap([STATE_COLOURS[state] for state in STATES])
    strip.imshow(
        codes[np.newaxis], aspect="auto", cmap=colours, vmin=0, vmax=2, interpolation="nearest",
        extent=(float(edges[0]), float(edges[-1]), 0.0, 1.0),
    )  # fmt: skip
    strip.set_yticks([])
    strip.set_xlabel("frame (lines: chunks begin)", loc="left")
    counts = frames["state"].value_counts()
    patches = [Patch(color=STATE_COLOURS[state], label=f"{counts[state]} {state}") for state in STATES]
    strip.legend(handles=patches, ncols=3, fontsize=8, frameon=False, loc="upper right", bbox_to_anchor=(1, -1.4))


def _fixed(axes: Axes, chunks: Any) -> None:
    """Draw the fixed part of each chunk's seconds below the part of its frames."""
    fresh = _fresh(chunks)
    fixed = fresh["materialise"] + fresh["boot"] + fresh["upload"]
    rest = (fresh["seconds"] - fixed).clip(lower=0)
    axes.bar(fresh.index, fixed, 0.9, color=STAGE_COLOURS["boot"], label="fixed: materialise, boot, upload")
    axes.bar(fresh.index, rest, 0.9, bottom=fixed, color=STAGE_COLOURS["capture"], label="frames: capture, encode")
    title = "Fixed cost against cost of frames"
    if len(fresh):
        share = fixed.sum() / max(1e-9, fresh["seconds"].sum())
        a_frame = 1000 * rest.sum() / fresh["frames"].sum()
        title += f": {fixed.mean():.2f} s a chunk ({share:.0%}), {a_frame:.0f} ms a frame"
    axes.set_title(title, loc="left")
    axes.set(xlabel="chunk", ylabel="seconds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.01, y=0.3)
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
