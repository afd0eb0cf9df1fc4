"""A plan in a notebook: its clips as bars over the frames, the borders of its chunks, and its files."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hfdask.core.model import Clip, Manifest
from hfdask.core.video_clip import frames_of
from hfdask.manifest.plan import Plan
from hfdask.views.html import escaped, short, side_by_side, stage_bars, table

WIDTH, ROW = 720, 18
LABELS = 170
"""Pixels: of the bars, of a row, and of the names left of the bars."""

MAX_CLIPS = 40
MAX_FILES = 12
MAX_LINES = 400
"""Borders of chunks to draw; with more chunks, there is only a number."""


def plan_html(plan: Plan) -> str:
    """Return the HTML of a plan."""
    m = plan.manifest
    about = (
        f"{m.frames} frames of {m.width} x {m.height} at {m.fps} a second, {float(m.frames / m.fps.fraction):.2f} s, "
        f"{len(m.chunks)} chunks"
    )
    warnings = [("warning", warning) for warning in m.warnings]
    warnings += [(finding.severity, f"{finding.place}: {finding.message}") for finding in plan.findings]
    return (
        f"<div class='hfdask-plan'><div><b>Plan {plan.hash[:12]}</b>: {escaped(about)}</div>"
        f"<div>{escaped(short(plan.url))}</div>{_timeline(m)}"
        f"{side_by_side(_files(m), stage_bars(plan.stages) if plan.stages else '')}"
        f"{table(warnings) if warnings else ''}</div>"
    )


def _timeline(m: Manifest) -> str:
    """Return the SVG: one row for each clip, video or sound, over lines at which chunks begin."""
    rows = list(_rows(m))
    left_out = len(rows) - MAX_CLIPS
    rows = rows[:MAX_CLIPS]
    scale = WIDTH / max(1, m.frames)
    height = ROW * max(1, len(rows)) + 20
    parts = [f"<rect x='{LABELS}' width='{WIDTH}' height='{height - 20}' fill='#8882'/>"]
    for number, (kind, name, start, stop, colour) in enumerate(rows):
        x, width = LABELS + start * scale, max(1.0, (stop - start) * scale)
        said = f"{kind} {name}, frames {start} to {stop - 1}"
        parts.append(
            f"<text x='{LABELS - 6}' y='{number * ROW + 13}' text-anchor='end' font-size='11' fill='currentColor'>"
            f"{escaped(_short(f'{kind} {name}'))}</text>"
            f"<rect x='{x:.1f}' y='{number * ROW + 2}' width='{width:.1f}' height='{ROW - 4}' rx='2' fill='{colour}'>"
            f"<title>{escaped(said)}</title></rect>"
        )
    if len(m.chunks) <= MAX_LINES:
        parts += [
            f"<line x1='{LABELS + chunk.start * scale:.1f}' x2='{LABELS + chunk.start * scale:.1f}' y1='0' "
            f"y2='{height - 16}' stroke='#d55e00' stroke-width='1'><title>chunk {chunk.index} begins at frame "
            f"{chunk.start}</title></line>"
            for chunk in m.chunks
        ]
    every = max(1, math.ceil(m.frames / 8))
    parts += [
        f"<text x='{LABELS + frame * scale:.1f}' y='{height - 4}' font-size='10' fill='currentColor'>{frame}</text>"
        for frame in range(0, m.frames, every)
    ]
    note = f"<div>and {left_out} more clips</div>" if left_out > 0 else ""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{LABELS + WIDTH + 30}' height='{height}' role='img' "
        f"font-family='sans-serif'><title>clips over frames; lines: chunks begin</title>{''.join(parts)}</svg>{note}"
    )


def _short(name: str) -> str:
    return name if len(name) <= 26 else name[:25] + "…"


def _rows(m: Manifest) -> Iterator[tuple[str, str, int, int, str]]:
    """Yield the kind, name, first frame, frame after the last, and colour of each clip that has a frame."""
    videos = {clip.id for clip in m.clips}
    for clip in m.timeline.clips:
        start, stop = _span(clip, m)
        if start < stop and not (clip.tag == "video" and clip.id in videos):
            yield clip.tag, clip.id, start, stop, "#e69f00" if clip.tag == "audio" else "#56b4e9"
    for video in m.clips:
        shown = frames_of(video, m.fps.fraction)
        if shown:
            yield "video", m.videos[video.video].name, max(0, shown.start), min(m.frames, shown.stop), "#cc79a7"
    if m.sound is not None:
        yield "sound", "mix", 0, m.frames, "#e69f00"


def _span(clip: Clip, m: Manifest) -> tuple[int, int]:
    """Return the first frame of a clip, and the frame after its last one."""
    fps = float(m.fps.fraction)
    start = min(max(0.0, clip.start * fps), float(m.frames))
    end = float(m.frames) if clip.end is None else min(max(0.0, clip.end * fps), float(m.frames))
    return math.ceil(start - 1e-9), math.ceil(end - 1e-9)


def _files(m: Manifest) -> str:
    """Return a table of the largest files, with their kinds and sizes."""
    kinds = {"Artifact": "file", "Resource": "other site", "Font": "font", "Video": "video"}
    found: dict[str, tuple[int, str, str]] = {}
    for each in m.objects:
        kind = kinds.get(type(each).__name__, "sound" if type(each).__name__ != "VideoIndex" else "index")
        found.setdefault(each.sha256, (each.size, kind, each.path))
    files = sorted(found.values(), key=lambda file: (-file[0], file[2]))
    rows: list[tuple[object, ...]] = [(kind, path, size / 1000) for size, kind, path in files[:MAX_FILES]]
    if len(files) > MAX_FILES:
        rows.append(("", f"and {len(files) - MAX_FILES} more", sum(f[0] for f in files[MAX_FILES:]) / 1000))
    total = sum(size for size, _, _ in files) / 1e6
    return table(rows, ("kind", "file", "kB"), caption=f"{len(files)} files and fonts, {total:.2f} MB")
