"""A page without a browser: clips of a document as coloured squares, drawn by NumPy.

It understands a root's ``data-composition-id``, size, duration and ``data-fps``, and clips with ``data-start`` and
``data-duration``. Each visible clip is a square, coloured by its markup; squares move if "animation" or "canvas" stands in it.
The square of a ``<video>`` moves with the number of its source frame.
The background is coloured by the rest of the document. ``data-seek-ms`` of the root makes each frame take so long, and of a clip each
frame that shows it. ``data-clear`` of the root makes the background transparent if the browser has to leave it out, and of a
clip, half of its alpha. ``data-noise`` makes the background noise, for files of some size; of a clip, the picture while it shows. Nothing else of a page is here: no style, no script, no text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from html.parser import HTMLParser
from itertools import accumulate
from typing import Any

import numpy as np
from media_samples import png

SIDE = 16
"""Pixels of a clip's square."""

_VOID = {"img", "br", "meta", "link", "input", "hr"}


@dataclass(frozen=True)
class FakeClip:
    """A timed element, its place among them, and its markup."""

    id: str
    tag: str
    start: float
    end: float | None
    place: int
    text: str
    given: Mapping[str, str | None]

    @property
    def is_video(self) -> bool:
        return self.tag == "video" and bool(self.given.get("src"))

    @property
    def moves(self) -> bool:
        return "animation" in self.text or "canvas" in self.text

    def shows(self, time: float) -> bool:
        # A frame's time is a rounded number of seconds; half a microsecond decides no real case.
        return self.start <= time + 5e-7 and (self.end is None or time + 5e-7 < self.end)


class FakePage:
    """The page of one document."""

    def __init__(self, html: str) -> None:
        parser = _Parser(html)
        self.root = parser.root
        self.clips = tuple(parser.clips)
        self.rest = parser.rest()
        self._seek_seconds = _seek_seconds(self.root)
        self._width, self._height = (int(self.root.get(f"data-{side}") or 0) for side in ("width", "height"))
        self._numbers: dict[str, int] = {}  # of source frames, by render id
        self._drawn = self._state = self._state_at(0.0)

    def seek_seconds(self, time: float) -> float:
        """Return the seconds that a seek to a time takes."""
        return self._seek_seconds + sum(_seek_seconds(clip.given) for clip in self.clips if clip.shows(time))

    def seek(self, time: float, videos: Mapping[str, Mapping[str, Any]] | None = None) -> bool:
        """Go to a time, with the states of videos by render id; return true if anything looks different."""
        self._numbers = {name: state["frame"] for name, state in (videos or {}).items()}
        before, self._state = self._state, self._state_at(time)
        return before != self._state

    def draw(self) -> bool:
        """Draw the page; return true if that differs from the last drawing."""
        before, self._drawn = self._drawn, self._state
        return before != self._drawn

    def picture(self, scale: Fraction = Fraction(1), *, bare: bool = False) -> bytes:
        """The PNG of the page as it is: with a scale, the pixel that is nearest to each; ``bare``, without the browser's background, and with alpha."""
        clear = bare and "data-clear" in self.root
        return _picture(self._width, self._height, self.rest, self._state, scale, bare, clear)

    def report(self) -> dict[str, Any]:
        """Return what the page runtime would report of the timeline."""
        told = [
            {"id": clip.id, "tag": clip.tag, "start": clip.start, "end": clip.end, "track": 0} for clip in self.clips
        ]
        return {
            "width": self._width or None,
            "height": self._height or None,
            "hasRoot": bool(self.root),
            "compositionId": self.root.get("data-composition-id") or "",
            "fps": self.root.get("data-fps"),
            "duration": float(self.root.get("data-duration") or 0),
            "source": "data-duration",
            "clips": told,
            "timelines": [],
            "adapters": ["css"] if any("animation" in clip.text for clip in self.clips) else [],
            "unsupported": [],
            "variableProblems": [],
            "warnings": [],
            "problems": [],
        }

    def status(self) -> dict[str, Any]:
        """Return what the page runtime would report of loading: everything is loaded at once."""
        lists = ("offenders", "waiting", "missing", "videos", "sounds", "pending", "problems")
        return {"root": bool(self.root), "prepared": True, "mayEnd": False, **{name: [] for name in lists}}

    def videos(self) -> list[dict[str, Any]]:
        """Return what the page runtime would report of videos."""
        whole = float(self.root.get("data-duration") or 0)
        return [
            {
                "id": clip.id,
                "element": f'<video "{clip.id}">',
                "url": f"http://composition.localhost/{clip.given['src']}",
                "file": clip.given["src"],
                "start": clip.start,
                "end": min(whole, clip.end or whole),
                "origin": clip.start,
                "pace": 1.0,
                "slot": clip.end and clip.end - clip.start,
                "mediaStart": float(clip.given.get("data-media-start") or 0),
                "rate": float(clip.given.get("data-playback-rate") or 1),
                "ramp": [],
                "problem": "",
                "loop": "loop" in clip.given,
                "muted": "muted" in clip.given,
                "declaresSound": True,
                "auto": False,
            }
            for clip in self.clips
            if clip.is_video
        ]

    def sounds(self) -> dict[str, Any]:
        """Return what the page runtime would report of sounds: there are none."""
        return {"sounds": [], "groups": [], "master": None}

    def sight(self) -> dict[str, Any]:
        """The parts of the document, each with the window in which it is seen."""
        units = [
            {"text": clip.text, "place": str(clip.place), "windows": [[clip.start, clip.end]]} for clip in self.clips
        ]
        return {"rest": self.rest, "units": units, "files": {}, "texts": {}, "everywhere": [], "variables": {}}

    def _state_at(self, time: float) -> tuple[tuple[int, str, float], ...]:
        shown = [clip for clip in self.clips if clip.shows(time)]
        return tuple((clip.place, clip.text, self._moment(clip, time)) for clip in shown)

    def _moment(self, clip: FakeClip, time: float) -> float:
        if clip.is_video:
            return self._numbers.get(clip.id, -1) / 30
        return round(time, 6) if clip.moves else 0.0


@lru_cache(maxsize=64)
def _picture(
    width: int,
    height: int,
    rest: str,
    state: tuple[tuple[int, str, float], ...],
    scale: Fraction,
    bare: bool,
    clear: bool,
) -> bytes:
    pixels = _background(width, height, rest).copy()
    if bare:
        pixels = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
    if clear:
        pixels[:] = 0
    for place, text, time in state:
        if "data-noise" in text:
            pixels[..., :3] = np.random.default_rng([round(time * 1e6)]).integers(0, 256, (height, width, 3), np.uint8)
        top = place * SIDE % max(1, height - SIDE)
        left = round(time * 100) % max(1, width - SIDE)
        square = pixels[top : top + SIDE, left : left + SIDE]
        square[..., :3] = _colour(text)
        square[..., 3:] = 128 if "data-clear" in text else 255
    rows, columns = (np.arange(int(side * scale)) * scale.denominator // scale.numerator for side in (height, width))
    return png(np.ascontiguousarray(pixels[rows][:, columns]))


@lru_cache(maxsize=8)
def _background(width: int, height: int, rest: str) -> np.ndarray:
    if "data-noise" in rest:
        return np.random.default_rng(list(_colour(rest))).integers(0, 256, (height, width, 3), np.uint8)
    return np.full((height, width, 3), _colour(rest), np.uint8)


def _seek_seconds(given: Mapping[str, str | None]) -> float:
    return float(given.get("data-seek-ms") or 0) / 1000


def _colour(text: str) -> tuple[int, ...]:
    return tuple(hashlib.sha256(text.encode()).digest()[:3])


class _Parser(HTMLParser):
    """Finds the root, and the start and end of each clip's markup."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root: dict[str, str | None] = {}
        self.clips: list[FakeClip] = []
        self._html = html
        self._lines = [0, *accumulate(len(line) for line in html.splitlines(keepends=True))]
        self._open: list[tuple[str, dict[str, str | None], int]] = []
        self._spans: list[tuple[int, int]] = []
        self.feed(html)
        self.close()
        self.clips.sort(key=lambda clip: clip.place)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if "data-composition-id" in given and not self.root:
            self.root = given
        if tag not in _VOID:
            self._open.append((tag, given, self._at()))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, given, begin = self._open.pop()
            if name == tag:
                break
        else:
            return
        # Markup within a clip is part of it, also if it has its own times.
        if "data-start" not in given or any("data-start" in outer for _, outer, _ in self._open):
            return
        end = self._html.index(">", self._at()) + 1
        start = float(given["data-start"] or 0)
        length = given.get("data-duration")
        text = self._html[begin:end]
        until = start + float(length) if length else None
        self.clips.append(FakeClip(given.get("id") or "", tag, start, until, len(self._spans), text, given))
        self._spans.append((begin, end))

    def rest(self) -> str:
        """The document without its clips, and without the root's duration, which changes no frame."""
        text = self._html
        for begin, end in sorted(self._spans, reverse=True):
            text = text[:begin] + text[end:]
        return re.sub(r"\s+(data-duration=\S+)?", " ", text)

    def _at(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column
