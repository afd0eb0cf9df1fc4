"""The rule for second copies of slow chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfdask.cluster.backup import FACTOR, PATIENCE, needs_backup

LIKE = [(60, 30.0)] * 5


def test_one_that_runs_far_longer_than_its_like_is_overdue():
    assert needs_backup({7: (60, FACTOR * 30.0 + 1)}, LIKE, 8) == [7]


def test_one_within_the_factor_is_not():
    assert needs_backup({7: (60, FACTOR * 30.0 - 1)}, LIKE, 8) == []


def test_a_longer_chunk_has_more_time():
    assert needs_backup({7: (120, FACTOR * 30.0 + 1)}, LIKE, 8) == []


def test_the_first_seconds_are_never_too_long():
    assert needs_backup({7: (60, PATIENCE - 1)}, [(60, 0.5)] * 5, 8) == []


def test_nothing_is_judged_before_half_is_finished():
    assert needs_backup({7: (60, 1e6)}, LIKE, 11) == []
    assert needs_backup({0: (60, 1e6)}, [], 1) == []


def test_the_slowest_comes_first():
    assert needs_backup({5: (60, 200.0), 6: (60, 900.0), 7: (60, 300.0)}, LIKE, 8) == [6, 7, 5]


@given(
    running=st.dictionaries(st.integers(0, 99), st.tuples(st.integers(1, 500), st.floats(0, 1e5)), max_size=9),
    finished=st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1e5)), max_size=9),
    total=st.integers(1, 30),
)
def test_it_only_names_what_runs_and_more_time_never_takes_a_name_off(running, finished, total):
    late = needs_backup(running, finished, total)
    assert set(late) <= set(running)
    assert len(set(late)) == len(late)
    later = needs_backup(
        {index: (frames, seconds + 10) for index, (frames, seconds) in running.items()}, finished, total
    )
    assert set(late) <= set(later)
