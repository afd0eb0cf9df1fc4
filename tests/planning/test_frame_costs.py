"""Costs of frames that planning expects, and the ranges of chunks that follow from them."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import pytest
from chunked import digests, records

import hfdask
from hfdask.cli import main as command
from hfdask.core.costs import CHUNK, MOVING, STILL
from hfdask.core.model import Clip, Sweep, decode
from hfdask.manifest.location import SWEEP
from hfdask.planning.costs import STEPS, frame_costs

pytestmark = pytest.mark.usefixtures("fake_browser")

HEAVY = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="20" data-fps="30" data-no-timeline>
<p class="clip" data-start="0">Twenty seconds of text</p>
<i class="clip" data-start="8" data-duration="3" data-noise style="animation: go 3s"></i></div>"""
"""Text that stands still, and three seconds in which every pixel changes."""


@pytest.fixture(name="page")
def _page(project):
    return project(HEAVY)


def swept(frames, moved, damage=None, pictures=None):
    nothing = (None,) * len(frames)
    return Sweep(
        plan_hash="",
        frames=tuple(frames),
        moved=tuple(moved),
        damage=damage or nothing,
        pictures=pictures or nothing,
        seconds=(0.01,) * len(frames),
    )


def costs_of(sweep, frames, clips=(), films=()):
    return frame_costs(sweep, frames, 1000, Fraction(10), clips, films)


def test_without_a_sweep_nothing_is_known():
    assert costs_of(swept((), ()), 10) == []


def test_frames_before_a_movement_count_as_moving():
    sweep = swept((0, 4, 8, 9), (True, False, True, False))
    assert costs_of(sweep, 10) == [MOVING, *[STILL] * 4, *[MOVING] * 4, STILL]


def test_fuller_pictures_cost_more_and_the_nearest_one_counts():
    sweep = swept((0, 4, 9), (True,) * 3, (True,) * 3, (10, 10, 1000))
    costs = costs_of(sweep, 10)
    assert costs == sorted(costs)
    assert (costs[6], costs[7]) == (MOVING, STEPS[4])  # 1 + 4 for a byte a pixel, rounded down to a step


def test_clips_are_borders_between_pictures():
    sweep = swept((0, 4, 9), (True,) * 3, (True,) * 3, (10, 1000, 10))
    clip = Clip(id="a", tag="div", start=0.3, end=0.5, track=0)
    costs = costs_of(sweep, 10, [clip])
    assert [cost > MOVING for cost in costs] == [False] * 3 + [True] * 2 + [False] * 5


def test_a_canvas_that_draws_while_nothing_moves_is_noticed():
    quiet = (False,) * 5
    drawing = swept((0, 2, 4, 6, 8), quiet, (True, None, True, None, False), (5, None, 6, None, 6))
    assert costs_of(drawing, 9) == [STILL, *[MOVING] * 4, *[STILL] * 4]


def test_bytes_that_hardly_differ_cost_the_same():
    sizes = range(200, 300)
    found = {tuple(costs_of(swept((0,), (True,), (True,), (size,)), 1)) for size in sizes}
    assert len(found) <= 2


def test_a_heavy_scene_is_split_evenly(page, tmp_path):
    chunks = hfdask.plan(page, tmp_path / "plan", workers=2).manifest.chunks
    heavy = [max(0, min(chunk.end, 330) - max(chunk.start, 240)) for chunk in chunks]
    assert len(heavy) == 6
    assert max(heavy) < 1.3 * min(heavy)
    assert max(chunk.cost for chunk in chunks) < 1.1 * min(chunk.cost for chunk in chunks)


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({"chunk_size": 150, "workers": 2}, {150}),
        ({"target_chunk_frames": 100}, {100}),
        ({"max_chunks": 3}, {200}),
        ({"sweep": 0, "workers": 2}, {100}),
    ],
)
def test_sizes_that_are_asked_for_win(options, lengths, page, tmp_path):
    chunks = hfdask.plan(page, tmp_path / "plan", **options).manifest.chunks
    assert {chunk.frames for chunk in chunks} == lengths
    assert all(bool(chunk.cost) == (options.get("sweep") != 0) for chunk in chunks)


@pytest.mark.parametrize(("seconds", "count"), [(3, 0), (4, 4), (6, 6), (10, 8), (16, 15), (60, 14)])
def test_planning_takes_as_many_pictures_as_a_video_of_this_length_needs(seconds, count, page, tmp_path, project):
    """About one for each thirty frames, which is the shortest chunk, and never more than are drawn."""
    project(HEAVY.replace('data-duration="20"', f'data-duration="{seconds}"'))
    hfdask.plan(page, tmp_path / "plan")
    sweep = decode((tmp_path / "plan" / SWEEP).read_bytes(), Sweep, SWEEP)
    pictured = [frame for frame, size in zip(sweep.frames, sweep.pictures, strict=True) if size]
    drawn = [frame for frame, damage in zip(sweep.frames, sweep.damage, strict=True) if damage is not None]
    assert len(pictured) == count
    assert {*pictured} <= {*drawn}
    assert 13 <= len(drawn) <= 16  # of some 90 visited frames
    assert not pictured or (pictured[0], pictured[-1]) == (0, 30 * seconds - 1)


@pytest.mark.slow
def test_ranges_do_not_depend_on_how_busy_the_machine_is(page, tmp_path):
    quiet = hfdask.plan(page, tmp_path / "quiet", workers=2)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            sum(range(10_000))

    busy = [threading.Thread(target=work) for _ in range(4)]
    for thread in busy:
        thread.start()
    try:
        loaded = hfdask.plan(page, tmp_path / "loaded", workers=2)
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    assert loaded.manifest == quiet.manifest


def test_ranges_of_an_earlier_plan_stay_and_a_longer_video_gets_more(page, tmp_path, project):
    where = {"plan_dir": tmp_path / "plan", "progress": False, "damage_test": True}
    first = hfdask.render(page, tmp_path / "a.mp4", workers=2, **where)
    html = HEAVY.replace('data-duration="20"', 'data-duration="24"')
    project(html)
    second = hfdask.plan(page, tmp_path / "plan", workers=4)
    before = [(chunk.start, chunk.end) for chunk in first.chunks]
    after = [(chunk.start, chunk.end) for chunk in second.manifest.chunks]
    assert after[: len(before)] == before
    assert after[-1][1] == 720
    assert all(chunk.cost > CHUNK for chunk in second.manifest.chunks)


@pytest.mark.slow
def test_pixels_do_not_depend_on_ranges_of_equal_cost(page, tmp_path):
    plans = [hfdask.plan(page, tmp_path / "a", workers=2), hfdask.plan(page, tmp_path / "b", chunk_size=170)]
    shown = [digests(records(plan, Path(tmp_path / f"chunks-{number}"))) for number, plan in enumerate(plans)]
    assert shown[0] == shown[1]
    assert [chunk.frames for chunk in plans[0].manifest.chunks] != [chunk.frames for chunk in plans[1].manifest.chunks]


def test_an_explanation_has_the_chunks_their_turns_and_shares(page, tmp_path):
    plan = hfdask.plan(page, tmp_path / "plan", chunk_size=100)
    told = hfdask.explain(plan)
    assert told.split == "equal length, as asked for"
    assert [each.chunk for each in told.chunks] == list(plan.manifest.chunks)
    assert sum(each.share for each in told.chunks) == pytest.approx(1)
    dearest = max(told.chunks, key=lambda each: each.chunk.cost)
    assert (dearest.turn, dearest.chunk.start) == (0, 200)
    seconds = [each.seconds or 0 for each in told.chunks]
    assert min(seconds) > 0
    one, two = told.seconds(1), told.seconds(2)
    assert one == pytest.approx(sum(seconds))
    assert two is not None
    assert max(seconds) <= two < sum(seconds)


def test_a_plan_says_why_its_ranges_were_chosen(page, tmp_path, project):
    assert hfdask.plan(page, tmp_path / "a", workers=2).split.startswith("equal cost: expected to end in ")
    assert "did not go through" in hfdask.plan(page, tmp_path / "b", sweep=0).split
    project(HEAVY.replace("data-noise", ""))
    hfdask.render(page, tmp_path / "c.mp4", plan_dir=tmp_path / "c", workers=1, progress=False)
    assert "earlier plan" in hfdask.plan(page, tmp_path / "c", workers=4).split


def test_without_a_sweep_nothing_is_explained_but_the_reason(page, tmp_path):
    plan = hfdask.plan(page, tmp_path / "plan", sweep=0)
    assert hfdask.explain(plan).chunks == ()
    assert hfdask.explain(plan).seconds(2) is None


def test_an_opened_plan_can_be_explained_and_a_short_one_has_no_seconds(page, tmp_path, project):
    project(HEAVY.replace('data-duration="20"', 'data-duration="3"'))
    hfdask.plan(page, tmp_path / "plan")
    told = hfdask.explain(hfdask.Plan.open(tmp_path / "plan"))
    assert told.split == ""
    assert {each.seconds for each in told.chunks} == {None}
    assert told.seconds(2) is None


def test_the_command_explains_a_plan(page, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command(["plan", str(page), str(tmp_path / "plan"), "--workers", "2", "--explain"])
    out = capsys.readouterr().out
    assert "6 chunks of equal cost: expected to end in " in out
    assert "0-2" in out
    assert "on 2 workers, without planning" in out
