"""The places of cells in the grid of chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfdask.dashboard.board import Chunk, State, Video
from hfdask.dashboard.layout import COLUMNS, LINES, SMALL, cells_of, grid


def video(chunks: int, name: str = "v", state: State = State.DONE) -> Video:
    return Video(name, {index: Chunk(state=state) for index in range(chunks)})


@given(st.lists(st.integers(1, 700), max_size=60))
def test_cells_never_share_a_place_and_no_video_is_lost(sizes):
    videos = [video(size, str(number)) for number, size in enumerate(sizes)]
    cells, named, hidden = grid(videos)
    places = [(cell.line, cell.column) for cell in cells]
    assert len(set(places)) == len(places)
    assert all(line < LINES and column < COLUMNS for line, column in places)
    shown = {cell.video.name for cell in cells}
    assert len(shown) + hidden == len(videos)
    for name in shown:
        found = [cell for cell in cells if cell.video.name == name]
        assert sum(cell.last - cell.first + 1 for cell in found) == sizes[int(name)]
    assert {each.name for _, each in named} == {name for name in shown if sizes[int(name)] >= SMALL}


def test_small_videos_share_a_line_with_a_gap_between_them():
    cells, named, _ = grid([video(1, "a"), video(2, "b"), video(8, "c"), video(1, "d")])
    assert [(cell.video.name, cell.line, cell.column) for cell in cells][:3] == [("a", 0, 0), ("b", 0, 2), ("b", 0, 3)]
    assert [(line, each.name) for line, each in named] == [(1, "c")]
    assert (cells[-1].line, cells[-1].column) == (2, 0)


def test_a_cell_of_a_long_video_stands_for_several_chunks():
    long = video(20_000)
    long.chunks[19_999] = Chunk(attempt=2, state=State.FAILED)
    cells = cells_of(long)
    assert len(cells) <= 8 * COLUMNS
    first, last, state, chunk = cells[-1]
    assert (last, state, chunk.attempt) == (19_999, State.FAILED, 2)
    assert first < last


def test_chunks_that_were_finished_before_leave_no_hole():
    part = Video("v", {3: Chunk(), 7: Chunk()})
    assert [(first, last) for first, last, _, _ in cells_of(part)] == [(3, 3), (7, 7)]
