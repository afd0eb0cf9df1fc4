"""The places of the cells in the grid of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from hfdask.dashboard.board import Chunk, State, Video, combined

COLUMNS = 60
"""Cells in a line."""

LINES = 24
"""Lines of the grid. Videos that do not fit are counted, not shown."""

SMALL = 6
"""Videos with fewer cells share lines, without room for their names."""

_MOST_LINES = 8  # of one video


class Cell(Struct, frozen=True):
    """A cell: its column, its line from the top, and the chunks that it stands for."""

    column: int
    line: int
    video: Video
    first: int
    last: int
    state: State
    chunk: Chunk

    @property
    def chunks(self) -> str:
        """The chunk's number, or the first and the last."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def cells_of(video: Video) -> list[tuple[int, int, State, Chunk]]:
    """Return the cells of a video: first and last chunk, the state of all of them, and the newest attempt of these.

    A cell stands for one chunk, or for several if there are more than fit into the lines of a video. Chunks that were never
    submitted, as they were finished before, have no cell.
    """
    numbers = sorted(video.chunks)
    size = -(-len(numbers) // (COLUMNS * _MOST_LINES)) or 1
    cells = []
    for at in range(0, len(numbers), size):
        part = numbers[at : at + size]
        chunks = [video.chunks[number] for number in part]
        newest = max(chunks, key=lambda chunk: chunk.attempt)
        cells.append((part[0], part[-1], combined(chunk.state for chunk in chunks), newest))
    return cells


def grid(videos: Iterable[Video]) -> tuple[list[Cell], list[tuple[int, Video]], int]:
    """Place the cells of videos, one block a video.

    Returns
    -------
    list of Cell
    list of (int, Video)
        The videos that have lines to themselves, with the first of them.
    int
        Number of videos that do not fit.
    """
    cells: list[Cell] = []
    named: list[tuple[int, Video]] = []
    line, column, hidden = 0, 0, 0
    for video in videos:
        own = cells_of(video)
        if len(own) < SMALL:
            start = (line, column) if column + len(own) <= COLUMNS else (line + 1, 0)
            lines = 1
        else:
            start = (line + (column > 0), 0)
            lines = -(-len(own) // COLUMNS)
        if start[0] + lines > LINES:
            hidden += 1
            continue
        cells += _placed(video, own, *start)
        if len(own) < SMALL:
            line, column = start[0], start[1] + len(own) + 1
        else:
            named.append((start[0], video))
            line, column = start[0] + lines, 0
    return cells, named, hidden


def _placed(video: Video, cells: list[tuple[int, int, State, Chunk]], line: int, column: int) -> Iterator[Cell]:
    for place, (first, last, state, chunk) in enumerate(cells):
        down, right = divmod(place, COLUMNS)
        yield Cell(column + right, line + down, video, first, last, state, chunk)
