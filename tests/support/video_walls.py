"""Compositions with a wall of videos: each cell shows bar codes, and knows what it has to show at each frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from chunked import digests, in_chunks_of, records
from numpy.typing import NDArray
from video_samples import read_bar_code

import hfdask

COLUMNS = 6
CELL_WIDTH, CELL_HEIGHT = 80, 48

Picture = NDArray[np.uint8]
Numbers = Callable[[int], int | None]
"""Gives the number that shows at a frame; None if nothing shows."""


@dataclass(frozen=True)
class Film:
    """The times of a source's frames in seconds, the numbers on them, and by how much its container rounds times."""

    times: Sequence[Fraction]
    numbers: Sequence[int]
    rounding: Fraction = Fraction(0)

    def at(self, seconds: Fraction) -> int:
        """Return the number on the last frame that is not later than a time."""
        later = (n for n, time in enumerate(self.times) if time > seconds + self.rounding)
        return self.numbers[max(next(later, len(self.times)) - 1, 0)]


def regular(count: int, rate: Fraction | int = 30, first: int = 0) -> Film:
    """Return a film with frames at n / rate."""
    return Film([n / Fraction(rate) for n in range(count)], range(first, first + count))


Played = Callable[[Fraction], Fraction]
"""Gives the seconds of the source that a clip has played after a number of seconds."""


def plays(
    film: Film,
    fps: Fraction,
    start: str = "0",
    end: str = "1000",
    *,
    into: str = "0",
    rate: str = "1",
    round: Fraction | None = None,
    played: Played | None = None,
    origin: str | None = None,
) -> Numbers:
    """Return what a clip shows, by the rules of the page contract: windows (9.3) and times (9.4).

    Parameters
    ----------
    film : Film
        Its source.
    fps : Fraction
        Frames a second of the composition.
    start, end, into, rate : str
        Decimals: its window, its in-point, and its rate, with the rates of hosts.
    round : Fraction, optional
        Seconds of the source after which it begins again.
    played : callable, optional
        Instead of a rate.
    origin : str, optional
        The time at which it begins to play, if that is not its start.
    """
    first, last, begin = (_on_grid(Fraction(bound), fps) for bound in (start, end, origin or start))

    def shows(frame: int) -> int | None:
        if not first <= frame < last:
            return None
        local = (frame - begin) / fps
        seconds = played(local) if played else local * Fraction(rate)
        if round is not None:
            seconds %= round
        return film.at(Fraction(into) + math.floor(seconds * fps) / fps)

    return shows


def _on_grid(seconds: Fraction, fps: Fraction) -> Fraction:
    """Return a time in frames, which is on a frame if it is within a thousandth of it."""
    frames = seconds * fps
    return Fraction(round(frames)) if abs(frames - round(frames)) <= Fraction(1, 1000) else frames


@dataclass(frozen=True)
class Cell:
    """The markup of a cell, in which PLACE stands for the styles of its place, and what shows there."""

    markup: str
    shows: Numbers


def wall(
    cells: Mapping[str, Cell],
    duration: str,
    fps: Fraction | int = 30,
    script: str = "",
    root: str = "data-no-timeline",
) -> str:
    """Return a composition of these cells, side by side."""
    rows = -(-len(cells) // COLUMNS)
    body = "\n".join(cell.markup.replace("PLACE", _place(n)) for n, cell in enumerate(cells.values()))
    return (
        "<style>body { background: #036; margin: 0 } video { object-fit: fill }</style>"
        f'<div id="root" data-composition-id="main" data-width="{COLUMNS * CELL_WIDTH}" data-height="{rows * CELL_HEIGHT}" '
        f'data-duration="{duration}" data-fps="{fps}" {root}>{body}</div><script>{script}</script>'
    )


def _place(number: int) -> str:
    left, top = number % COLUMNS * CELL_WIDTH, number // COLUMNS * CELL_HEIGHT
    return f"position:absolute;left:{left}px;top:{top}px;width:{CELL_WIDTH}px;height:{CELL_HEIGHT}px"


def cell_of(picture: Picture, number: int) -> Picture:
    """Return a cell of a picture of a wall."""
    left, top = number % COLUMNS * CELL_WIDTH, number // COLUMNS * CELL_HEIGHT
    return picture[top : top + CELL_HEIGHT, left : left + CELL_WIDTH]


def number_in(box: Picture) -> int | str | None:
    """Return the number in a box; None if it has one colour, and words if it is not a bar code."""
    if int(np.ptp(box[2:-2, 2:-2].reshape(-1, 3).astype(int), axis=0).max()) < 30:
        return None
    try:
        return read_bar_code(box)
    except ValueError:
        return "no bar code"


def misread(cells: Mapping[str, Cell], pictures: Sequence[Picture]) -> dict[str, list[tuple[int, Any, Any]]]:
    """Return the frames of each cell that do not show what they should: frame, shown, expected."""
    wrong: dict[str, list[tuple[int, Any, Any]]] = {}
    for place, (name, cell) in enumerate(cells.items()):
        for frame, picture in enumerate(pictures):
            shown, expected = number_in(cell_of(picture, place)), cell.shows(frame)
            if shown != expected:
                wrong.setdefault(name, []).append((frame, shown, expected))
    return wrong


def pictures_of(chunks: Sequence[hfdask.ChunkResult]) -> list[Picture]:
    """Decode all frames of rendered chunks, as RGB."""
    pictures: list[Picture] = []
    for chunk in chunks:
        with av.open(chunk.url.removeprefix("file://")) as file:
            pictures += [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in file.decode(video=0)]
    return pictures


def proven(cells: Mapping[str, Cell], plan: hfdask.Plan, folder: Path) -> None:
    """Assert that each cell shows what it should, in one chunk, in chunks of 7 frames, and without the damage test."""
    chunks = records(plan, folder)
    wrong = misread(cells, pictures_of(chunks))
    assert not wrong, wrong
    whole = digests(chunks)
    sevens = in_chunks_of(plan, folder / "plan-sevens", 7)
    for damage_test in (True, False):
        parts = records(sevens, folder / f"sevens-{damage_test}", damage_test=damage_test)
        other = [frame for frame, (one, two) in enumerate(zip(digests(parts), whole, strict=True)) if one != two]
        assert not other, (f"{damage_test=}", other, misread(cells, pictures_of(parts)))
