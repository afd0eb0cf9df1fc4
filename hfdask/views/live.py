"""A render or batch under way in a notebook: an output that a thread updates.

Only display messages are used, and no widgets. So every front end shows it, and a notebook that was executed without one keeps the
last state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hfdask.views.extras import needed
from hfdask.views.html import bar, escaped, short, side_by_side, stage_bars, table

if TYPE_CHECKING:
    from hfdask.batch.handle import BatchProgress
    from hfdask.cluster.handle import Progress, WorkerShare
    from hfdask.cluster.pictures import Picture

EVERY = 0.5
"""Seconds between two updates."""

MAX_WORKERS = 24
"""Workers to list."""


def render_html(
    output: str,
    p: Progress,
    workers: Mapping[str, WorkerShare],
    stages: Mapping[str, float],
    error: BaseException | None,
    pictures: Mapping[str, Picture] = MappingProxyType({}),
) -> str:
    """Return the HTML of a render that is under way or has ended.

    It has the shares of its workers, and their newest pictures, by their addresses.
    """
    facts = [p.stage, f"{p.done} of {p.frames} frames", f"{p.chunks_done} of {p.chunks} chunks"]
    if p.fps:
        facts.append(f"{p.fps:.1f} frames a second")
    if p.stage == "render" and p.eta is not None:
        facts.append(f"{p.eta:.0f} s left")
    rows = [
        (worker, share.chunks, share.frames, ", ".join(map(str, share.running))) for worker, share in workers.items()
    ]
    if others := rows[MAX_WORKERS:]:
        chunks, frames = sum(row[1] for row in others), sum(row[2] for row in others)
        rows[MAX_WORKERS:] = [(f"and {len(others)} more", chunks, frames, "")]
    shares = table(rows, ("worker", "chunks", "frames", "renders chunk")) if rows else ""
    more = side_by_side(shares, stage_bars(stages) if stages else "") + _newest(pictures)
    return _progress_html("render", output, p.done / p.frames if p.frames else 0.0, facts, error, more)


def batch_html(manifest: str, state: str, p: BatchProgress, error: BaseException | None) -> str:
    """Return the HTML of a batch that is under way or has ended."""
    facts = [state, f"{p.done} of {p.rows} rows"]
    facts += [f"{count} {name}" for name in ("rendered", "reused", "copied", "failed") if (count := getattr(p, name))]
    if p.rate:
        facts.append(f"{p.rate:.2f} rows a second")
    if state == "running" and p.eta is not None:
        facts.append(f"{p.eta:.0f} s left")
    return _progress_html("batch", manifest, p.done / p.rows if p.rows else 0.0, facts, error)


def _progress_html(
    kind: str, place: str, done: float, facts: Iterable[str], error: BaseException | None, more: str = ""
) -> str:
    trouble = f"<div style='color:#d55e00'>{escaped(error)}</div>" if error is not None else ""
    return (
        f"<div class='hfdask-{kind}'><div><b>{escaped(short(place))}</b></div>{bar(done)}"
        f"<div>{escaped(', '.join(facts))}</div>{trouble}{more}</div>"
    )


def _newest(pictures: Mapping[str, Picture]) -> str:
    figures = "".join(
        "<figure style='display:inline-block;margin:0 6px 4px 0;font-size:80%'>"
        f"<img src='{picture.url}' style='max-width:200px' alt='frame {picture.frame}'><br>{escaped(worker)}: frame {picture.frame}"
        "</figure>"
        for worker, picture in list(pictures.items())[:MAX_WORKERS]
        if picture.jpeg
    )
    return f"<div style='margin-top:6px'>{figures}</div>" if figures else ""


def show(bundle: Callable[[], dict[str, str]], ended: Future[Any]) -> threading.Thread | None:
    """Show something in this notebook, and update it until it has ended.

    Parameters
    ----------
    bundle : callable
        Returns the MIME bundle to show.
    ended : Future
        Is done at the end. The last update comes after that.

    Returns
    -------
    Thread or None
        The thread that makes the updates. None if IPython runs in a terminal, because its output cannot change.

    Raises
    ------
    MissingExtraError
        If IPython is not installed.
    """
    shell = needed("IPython", "notebook").get_ipython()
    display = needed("IPython.display", "notebook").display
    if getattr(shell, "kernel", None) is None:
        display(bundle(), raw=True)
        return None
    shown = bundle()
    handle = display(shown, raw=True, display_id=True)

    def update() -> None:
        before = shown
        over = False
        while not over:
            over = bool(wait([ended], timeout=EVERY).done)
            if (now := bundle()) != before:
                handle.update(now, raw=True)
                before = now

    thread = threading.Thread(target=update, name="hfdask-live", daemon=True)
    thread.start()
    return thread
