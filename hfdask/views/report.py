"""A finished video as one HTML file that works offline: it asks for no other file, and runs no script."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hfdask._version import __version__
from hfdask.core.results import Finding, RenderResult
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.tables import facts
from hfdask.errors import HfdaskError
from hfdask.media.thumbnails import thumbnails
from hfdask.store import split_output, split_url
from hfdask.views.extras import needed
from hfdask.views.html import data_uri, escaped, stage_bars, strip, table

FETCH_BYTES = 500_000_000
"""Size of the largest video that is copied from a store for its pictures."""

SLOWEST = 15
"""Slow frames to list."""

MAX_CHUNKS = 200
"""Chunks to list. In a video with more, the slowest are listed."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; background: #fff }
h1 { font-size: 1.5em; overflow-wrap: anywhere } h2 { font-size: 1.15em; margin-top: 2em }
img { max-width: 100% } .scroll { overflow-x: auto } footer { margin-top: 3em; color: #777; font-size: 85% }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(result: RenderResult, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None) -> str:
    """Write the report; see `RenderResult.report`."""
    store, name = split_output(url, storage_options)
    store.put(name, report_html(result, storage_options).encode())
    return store.shown(name)


def report_html(result: RenderResult, storage_options: Mapping[str, Any] | None = None) -> str:
    """Return the whole page.

    Raises
    ------
    MissingExtraError
        If pandas or matplotlib are not installed.
    """
    title = escaped(PurePosixPath(result.output).name)
    body = "".join(
        f"<h2>{heading}</h2><div class='scroll'>{content}</div>"
        for heading, content in _sections(result, storage_options)
        if content
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<meta name='viewport' content='width=device-width'><title>{title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}"
        f"<footer>hfdask {__version__}, plan {result.plan_hash}</footer></body></html>\n"
    )


def _sections(result: RenderResult, storage_options: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    perf = result.perf
    needed("matplotlib")
    from hfdask.views.plots import figure_of

    plot = figure_of(perf.chunks, perf.frames).png()
    about = [(name, text) for name, text in facts(result) if name != "warning"]
    yield "Video", table([("file", result.output), *about])
    yield "Frames", _strip(result, storage_options)
    yield "Seconds by stage", stage_bars(result.stages)
    yield "Timings", f"<img src='{data_uri(plot, 'image/png')}' alt='plots of the timings'>"
    yield "Slowest frames", _slow_frames(perf.frames)
    yield f"Chunks{f', the slowest {MAX_CHUNKS}' if len(result.chunks) > MAX_CHUNKS else ''}", _chunks(perf.chunks)
    yield "Warnings", "".join(f"<p>{escaped(text)}</p>" for text in result.warnings)
    yield "Findings of the check", _findings(result.findings)


def _strip(result: RenderResult, storage_options: Mapping[str, Any] | None) -> str:
    if not os.path.isabs(result.output) and result.size > FETCH_BYTES:
        return f"<p>The video is in a store and has more than {FETCH_BYTES // 10**6} MB, so it was not read.</p>"
    try:
        store, name = split_url(result.output, storage_options)
        with scratch_subfolder("report") as folder:
            local = os.path.isabs(result.output)
            path = Path(result.output) if local else store.fetch(name, Path(folder) / "video", result.size)
            keys = [chunk.start for chunk in result.chunks]
            return strip(thumbnails(path, keys, result.frames, result.fps.fraction, count=12, height=90))
    except HfdaskError as error:
        return f"<p>The video cannot be read: {escaped(error)}</p>"


def _slow_frames(frames: Any) -> str:
    slow = frames.nlargest(SLOWEST, "seconds")
    columns = ["decode", "seek", "picture", "seconds", "encode"]
    rows = [
        (
            int(frame.Index), f"{frame.time:.3f} s", int(frame.chunk), frame.state,
            *(1000 * float(getattr(frame, name)) for name in columns), frame.worker,
        )
        for frame in slow.itertuples()
    ]  # fmt: skip
    head = ("frame", "time", "chunk", "state", "decode", "seek", "picture", "capture in all", "encode", "worker")
    return table(rows, head) + "<div>decode to encode: milliseconds</div>"


def _chunks(chunks: Any) -> str:
    some = chunks.nlargest(MAX_CHUNKS, "seconds").sort_index() if len(chunks) > MAX_CHUNKS else chunks
    head = ("chunk", "frames", "static", "seconds", "boot", "capture", "encode", "bytes", "attempt", "reused", "worker")
    rows = (
        (
            int(chunk.Index), f"{chunk.start} to {chunk.end - 1}", int(chunk.static_frames), float(chunk.seconds),
            float(chunk.boot), float(chunk.capture), float(chunk.encode), int(chunk.size),
            int(chunk.attempt), "yes" if chunk.reused else "", chunk.worker,
        )
        for chunk in some.itertuples()
    )  # fmt: skip
    return table(rows, head)


def _findings(findings: tuple[Finding, ...]) -> str:
    return table((each.severity, each.code, each.place, each.message) for each in findings) if findings else ""
