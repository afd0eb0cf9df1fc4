"""The dashboard's state of chunks, from synthetic messages."""

from __future__ import annotations

import tracemalloc

import pytest

from hfdask.cluster.summary import ChunkSummary, SlowFrames
from hfdask.core.fields import MAX_CHUNKS
from hfdask.dashboard.board import MOST_CHUNKS, MOST_RECENT, MOST_VIDEOS, WINDOW, Board, State, combined


def summary(frames: int = 10, **changed: object) -> ChunkSummary:
    values: dict[str, object] = {
        "frames": frames,
        "static_frames": 4,
        "stages": {"boot": 0.5, "capture": 2.0},
        "browser_bytes": 200_000_000,
        "reused": False,
        "slow": ((3, 0.5), (4, 0.25)),
    }
    return ChunkSummary(**{**values, **changed})  # type: ignore[arg-type]


def state(board: Board, token: str = "a", index: int = 0) -> State:
    return board.videos[token].chunks[index].state


def test_a_chunk_waits_runs_and_is_done():
    board = Board()
    board.task("a", 0, 0, State.WAITING, name="title")
    assert (board.videos["a"].name, state(board), board.videos["a"].ended) == ("title", State.WAITING, False)
    board.task("a", 0, 0, State.RUNNING, worker="w")
    board.progress("a", 0, 0, 6, 10, "w", now=1.0)
    chunk = board.videos["a"].chunks[0]
    assert (chunk.state, chunk.done, chunk.frames, chunk.worker) == (State.RUNNING, 6, 10, "w")
    board.finished("a", 0, summary(), "w", now=2.0)
    board.task("a", 0, 0, State.DONE, worker="w")
    board.task("a", 0, 0, State.WITHDRAWN)  # its result was fetched
    assert (state(board), chunk.done, board.videos["a"].ended) == (State.DONE, 10, True)


def test_a_new_attempt_takes_the_place_of_a_failed_one():
    board = Board()
    board.task("a", 0, 0, State.RUNNING, worker="w")
    board.progress("a", 0, 0, 6, 10, "w", now=1.0)
    board.task("a", 0, 0, State.FAILED)
    assert state(board) is State.FAILED
    board.task("a", 0, 1, State.WAITING)
    board.task("a", 0, 0, State.WITHDRAWN)
    chunk = board.videos["a"].chunks[0]
    assert (chunk.state, chunk.attempt, chunk.done) == (State.WAITING, 1, 0)


def test_the_copy_that_loses_changes_nothing():
    board = Board()
    board.task("a", 0, 0, State.RUNNING, worker="v")
    board.task("a", 0, 1, State.RUNNING, worker="w")
    board.task("a", 0, 0, State.DONE, worker="v")
    board.task("a", 0, 1, State.WITHDRAWN)
    board.progress("a", 0, 1, 3, 10, "w", now=1.0)
    board.task("a", 0, 2, State.WAITING)  # submitted before the driver knew
    assert (state(board), board.videos["a"].chunks[0].worker) == (State.DONE, "v")


def test_a_withdrawn_task_that_goes_on_for_a_moment_stays_withdrawn():
    board = Board()
    board.task("a", 0, 0, State.RUNNING, worker="w")
    board.task("a", 0, 0, State.WITHDRAWN)
    board.progress("a", 0, 0, 5, 10, "w", now=1.0)
    assert state(board) is State.WITHDRAWN


def test_a_lost_result_is_rendered_again():
    board = Board()
    board.task("a", 0, 0, State.DONE, worker="w")
    for name in (State.WITHDRAWN, State.WAITING):
        board.task("a", 0, 0, name)
    assert state(board) is State.WAITING


def test_frames_a_second_count_each_frame_once_within_the_window():
    board = Board()
    for moment, done in ((0.0, 0), (1.0, 10), (2.0, 30)):
        board.progress("a", 0, 0, done, 60, "w", now=moment)
    board.progress("a", 0, 1, 5, 60, "w", now=3.0)  # another attempt
    board.finished("a", 0, summary(60), "w", now=4.0)
    line = board.workers["w"]
    assert line.frames_a_second(4.0) == (30 + 5 + 55) / WINDOW
    assert line.frames_a_second(WINDOW + 1.5) == (20 + 5 + 55) / WINDOW
    assert line.frames_a_second(WINDOW + 5.0) == 0


def test_chunks_that_existed_already_count_no_frames_and_no_slow_ones():
    board = Board()
    board.finished("a", 0, summary(60, reused=True), "w", now=0.0)
    assert board.workers["w"].frames_a_second(0.0) == 0
    assert board.slow_frames(5) == []


def test_slow_frames_and_the_share_of_unchanged_ones_are_of_the_newest_chunks():
    board = Board()
    assert board.unchanged_share() is None
    for index in range(MOST_RECENT + 50):
        board.task("a", index, 0, State.RUNNING, name="film")
        slow = ((index, 9.0 if index < 50 else 1 / (1 + index)),)
        board.finished("a", index, summary(100, static_frames=25, slow=slow), "w", now=0.0)
    assert [each[:3] for each in board.slow_frames(2)] == [("film", 50, 50), ("film", 51, 51)]
    assert board.unchanged_share() == 0.25


def test_a_chunk_s_slowest_frames_are_kept_in_order():
    slow = SlowFrames()
    for frame, seconds in enumerate((0.1, 0.5, 0.2, 0.9, 0.3)):
        slow.note(frame, seconds)
    assert slow.slowest() == ((3, 0.9), (1, 0.5), (4, 0.3))


def test_ended_videos_are_forgotten_first():
    board = Board()
    for number in range(MOST_VIDEOS + 10):
        board.task(f"v{number}", 0, 0, State.RUNNING if number < 5 else State.DONE)
    assert len(board.videos) == MOST_VIDEOS
    assert [f"v{number}" in board.videos for number in range(16)] == [True] * 5 + [False] * 10 + [True]


def test_the_number_of_chunks_is_bounded_but_a_single_video_is_whole():
    board = Board()
    for number in range(30):
        for index in range(1000):
            board.task(f"v{number}", index, 0, State.RUNNING)
    assert sum(len(video.chunks) for video in board.videos.values()) <= MOST_CHUNKS
    assert "v29" in board.videos
    for index in range(MAX_CHUNKS):
        board.task("long", index, 0, State.DONE)
    assert len(board.videos["long"].chunks) == MAX_CHUNKS
    board.task("next", 0, 0, State.WAITING)
    assert list(board.videos) == ["next"]
    for index in range(50_000):
        board.task("batch", index, 0, State.DONE)
    assert MOST_CHUNKS * 0.9 <= len(board.videos["batch"].chunks) <= MOST_CHUNKS
    assert list(board.videos["batch"].chunks)[-1] == 49_999


def test_a_thousand_chunks_take_less_than_a_megabyte():
    names = [f"token{number}" for number in range(20)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    board = Board()
    for token in names:
        for index in range(50):
            board.task(token, index, 0, State.WAITING, name=f"video {token}")
            board.progress(token, index, 0, 7, 60, "w", now=index / 2)
            board.finished(token, index, summary(60), "w", now=index / 2)
            board.task(token, index, 0, State.DONE, worker="w")
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 50_000 < taken < 1_000_000


def test_names_of_videos_are_short_and_legible():
    board = Board()
    board.task("a", 0, 0, State.WAITING, name="x\x1b[31m\u202e" + "y" * 500)
    assert board.videos["a"].name.startswith("x␛[31m�yyy")
    assert len(board.videos["a"].name) == 80
    board.task("0123456789abcdef", 0, 0, State.WAITING)
    assert board.videos["0123456789abcdef"].name == "01234567"


def test_videos_under_way_come_first_and_newer_ones_before_older_ones():
    board = Board()
    for token, chunk in (("a", State.RUNNING), ("b", State.DONE), ("c", State.WAITING), ("d", State.FAILED)):
        board.task(token, 0, 0, chunk, name=token)
    assert [video.name for video in board.newest_videos()] == ["c", "a", "d", "b"]


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ([State.DONE, State.RUNNING, State.FAILED], State.FAILED),
        ([State.DONE, State.RUNNING, State.WAITING], State.RUNNING),
        ([State.DONE, State.WAITING], State.WAITING),
        ([State.DONE, State.DONE], State.DONE),
    ],
)
def test_several_chunks_show_the_state_that_matters_most(states, shown):
    assert combined(states) is shown


def test_a_worker_that_left_is_forgotten():
    board = Board()
    board.progress("a", 0, 0, 5, 10, "w", now=0.0)
    board.forget_worker("w")
    board.forget_worker("other")
    assert board.workers == {}
