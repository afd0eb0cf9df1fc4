"""Pieces of HTML that notebooks and reports share. Texts are escaped, and need no files, scripts or style sheets."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from hfdask.core.tables import CHUNK_STAGES
from hfdask.media.thumbnails import Thumbnail
from hfdask.text import legible
from hfdask.views.colours import OTHER, STAGE_COLOURS

STAGES = ("check", "compile", "probe", "sweep", "freeze", "mix", *CHUNK_STAGES, "assemble")
"""Stages of a render in their order."""

LONGEST = 300
"""Characters of a text in a table."""


def escaped(text: object) -> str:
    """Return text for HTML: legible, escaped, and not too long."""
    said = legible(str(text))
    return html.escape(said if len(said) <= LONGEST else said[: LONGEST - 1] + "…")


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = (), *, caption: str = "") -> str:
    """Return a table. Numbers are aligned to the right, and fractions have two decimals."""
    rows = list(rows)
    title = f"<caption style='text-align:left;font-weight:bold'>{escaped(caption)}</caption>" if caption else ""
    names = zip(head, rows[0] if rows else head, strict=True)
    top = f"<thead><tr>{''.join(_cell('th', name, like) for name, like in names)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{''.join(_cell('td', value, value) for value in row)}</tr>" for row in rows)
    return f"<table style='border-collapse:collapse'>{title}{top}<tbody>{body}</tbody></table>"


def _cell(tag: str, value: object, like: object) -> str:
    side = "right" if isinstance(like, int | float) else "left"
    text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else escaped(value)
    return f"<{tag} style='text-align:{side};padding:1px 10px 1px 0;vertical-align:top'>{text}</{tag}>"


def side_by_side(*parts: str) -> str:
    """Return pieces of HTML next to each other; below each other if there is no room."""
    inside = "".join(f"<div>{part}</div>" for part in parts)
    return f"<div style='display:flex;flex-wrap:wrap;align-items:flex-start;gap:24px;margin-top:6px'>{inside}</div>"


def data_uri(data: bytes, kind: str) -> str:
    """Return a URI that holds the data."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def bar(done: float, colour: str = STAGE_COLOURS["capture"]) -> str:
    """Return a bar that is filled from 0 to 1."""
    width = 100 * min(1.0, max(0.0, done))
    return (
        "<div style='background:#8883;height:12px;width:100%;min-width:200px'>"
        f"<div style='background:{colour};height:12px;width:{width:.1f}%'></div></div>"
    )


def stage_bars(stages: Mapping[str, float]) -> str:
    """Return a bar for each stage; the longest is as wide as the table. The total is left out."""
    shown = {name: stages[name] for name in sorted(stages, key=_place) if name != "total"}
    longest = max(shown.values(), default=0.0) or 1.0
    rows = "".join(
        f"<tr>{_cell('td', name + (' *' if name in CHUNK_STAGES else ''), name)}"
        f"<td style='text-align:right;padding:1px 10px 1px 0;vertical-align:top'>{seconds:.2f} s</td>"
        f"<td style='width:300px;padding:3px 0'>{bar(seconds / longest, STAGE_COLOURS.get(name, OTHER))}</td></tr>"
        for name, seconds in shown.items()
    )
    note = "<div style='font-size:85%'>* summed over the chunks, which run side by side</div>"
    summed = any(name in CHUNK_STAGES for name in shown)
    return f"<table style='border-collapse:collapse'><tbody>{rows}</tbody></table>{note if summed else ''}"


def _place(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def strip(pictures: Iterable[Thumbnail]) -> str:
    """Return a row of pictures with the numbers of their frames."""
    figures = "".join(
        "<figure style='display:inline-block;margin:0 4px 4px 0;text-align:center;font-size:80%'>"
        f"<img src='{data_uri(each.jpeg, 'image/jpeg')}' alt='frame {each.frame}'><br>{each.frame}</figure>"
        for each in pictures
    )
    return f"<div>{figures}</div>"


def short(place: str) -> str:
    """Return a place as people write it: relative to this process's folder if it is below that, else as it is."""
    path = place.removeprefix("file://")
    relative = os.path.relpath(path) if os.path.isabs(path) else path
    return path if relative.startswith(os.pardir) else relative


def link(place: str) -> str:
    """Return a link to a file below this process's folder, which notebooks can open, or to a web address; else the text."""
    shown = short(place)
    href = shown if shown.startswith(("https://", "http://")) else ""
    if os.path.isabs(place) and not os.path.isabs(shown):
        href = quote(shown)
    return f"<a href='{html.escape(href)}' target='_blank'>{escaped(shown)}</a>" if href else escaped(shown)
