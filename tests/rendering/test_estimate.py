"""Estimates before a render, and what it cost afterwards."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hfdask
from hfdask.cli import main as command
from hfdask.core.results import Cost
from hfdask.rendering.estimate import SAMPLE_FRAMES, SAMPLES, Rates, Sample, at_level, sample_ranges

pytestmark = pytest.mark.usefixtures("fake_browser")

# Four seconds, in the second half of which a frame takes ten times as long and every pixel changes.
UNEVEN = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="4" data-fps="30" data-no-timeline
  data-seek-ms="4"><i class="clip" data-start="0" style="animation: go 4s"></i>
<b class="clip" data-start="2" data-duration="2" data-noise data-seek-ms="36" style="animation: go 2s"></b></div>"""


@pytest.fixture(name="page")
def _page(project):
    return project(UNEVEN)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"chunk_size": 60}, {}], ids=["chunks", "film"])
def test_an_estimate_is_near_what_a_render_then_takes(options, page, tmp_path):
    told = hfdask.estimate(page, workers=1, check="off", **options)
    result = hfdask.render(page, tmp_path / "out.mp4", workers=1, check="off", progress=False, **options)
    assert (told.frames, told.chunks) == (result.frames, len(result.chunks))
    # Nearly all of the time is waiting for the page, which takes as long on a busy machine.
    assert told.cost.worker_seconds == pytest.approx(result.cost.worker_seconds, rel=0.3)
    assert told.cost.bytes_moved == pytest.approx(result.cost.bytes_moved, rel=0.3)
    assert (told.sampled_frames < told.frames) == bool(options)  # a short video is rendered as a whole


def test_a_video_shorter_than_a_sample_can_be_estimated(page, project):
    project(UNEVEN.replace('data-duration="4"', 'data-duration="0.1"'))
    told = hfdask.estimate(page, check="off")
    assert (told.frames, told.chunks, told.sampled_frames) == (3, 1, 3)


@pytest.mark.slow
def test_an_estimate_without_a_sweep_goes_by_length(page):
    assert hfdask.estimate(page, workers=1, check="off", sweep=0).cost.worker_seconds > 1


@given(st.lists(st.integers(1, 640), min_size=1, max_size=400))
def test_samples_are_apart_and_within_the_video(costs):
    ranges = sample_ranges(costs)
    assert 1 <= len(ranges) <= SAMPLES
    assert ranges[0][0] >= 0
    assert ranges[-1][1] <= len(costs)
    assert all(left[1] <= right[0] for left, right in pairwise(ranges))
    assert all(0 < end - start <= max(SAMPLE_FRAMES) for start, end in ranges)


def test_a_dear_scene_gets_more_samples_than_its_length():
    costs = [1] * 500 + [100] * 100 + [1] * 400
    within = sum(start < 600 and end > 500 for start, end in sample_ranges(costs))
    assert SAMPLES / 2 <= within < SAMPLES


@pytest.mark.parametrize(("level", "value"), [(10, 2.0), (15, 3.0), (20, 4.0), (5, 1.0), (40, 8.0)])
def test_values_between_known_costs_lie_on_a_line(level, value):
    assert at_level({10: 2.0, 20: 4.0}, level) == value


def sample(start, frames, *, frame, late, fixed, cpu):
    """Return a sample whose frames take ``frame`` seconds each, and ``late`` as a share of that after the last capture."""
    record: Any = SimpleNamespace(
        start=start,
        end=start + frames,
        stages={"encode": frame * frames / 2},
        seconds=fixed + frame * frames * (1 + late),
        cpu_seconds=cpu + 0.5 * frame * frames,
        uploaded=1500,
        size=1000,
        warm=True,
    )
    frames_record: Any = SimpleNamespace(seconds=(frame,) * frames)
    return Sample(record, frames_record, (200,) + (50,) * (frames - 1))


def test_rates_tell_chunks_apart_by_the_work_of_their_frames():
    costs = [10] * 100 + [40] * 100
    same: Any = {"late": 0.25, "fixed": 0.3, "cpu": 0.2}
    samples = [
        sample(start, frames, frame=seconds, **same)
        for start, seconds in ((0, 0.02), (150, 0.08))
        for frames in (6, 18)
    ]
    rates = Rates.of(costs, [], samples)
    cheap, dear = rates.chunk(costs[:60]), rates.chunk(costs[100:160])
    # The encoder holds back 40 frames of the 60.
    assert cheap.seconds == pytest.approx(0.3 + 60 * 0.02 + 0.25 * 40 * 0.02)
    assert dear.seconds == pytest.approx(0.3 + 60 * 0.08 + 0.25 * 40 * 0.08)
    assert cheap.cpu == pytest.approx(0.2 + 0.5 * 1.2)
    assert dear.cpu == pytest.approx(0.2 + 0.5 * 4.8)
    assert cheap.video == 200 + 60 * 50


@pytest.mark.slow
def test_a_result_knows_its_cost_without_what_it_reused(page, tmp_path):
    where: dict[str, Any] = {"plan_dir": tmp_path / "plan", "check": "off", "progress": False, "chunk_size": 60}
    first = hfdask.render(page, tmp_path / "a.mp4", **where)
    again = hfdask.render(page, tmp_path / "b.mp4", **where)
    assert first.cost.worker_seconds == pytest.approx(sum(chunk.seconds for chunk in first.chunks))
    assert all(sum(chunk.stages.values()) >= chunk.seconds * 0.5 > 0 for chunk in first.chunks)
    assert first.cost.cpu_seconds > 0
    files = sum(
        file.stat().st_size for file in (tmp_path / "plan" / "chunks").iterdir() if not file.name.endswith("mp4.json")
    )
    assert first.cost.bytes_moved == files + sum(chunk.size for chunk in first.chunks) + first.size
    assert (again.cost.worker_seconds, again.cost.cpu_seconds) == (0, 0)
    assert again.cost.bytes_moved == sum(chunk.size for chunk in again.chunks) + again.size


def test_the_price_is_for_hours_of_workers():
    assert Cost(worker_seconds=1800, cpu_seconds=0, bytes_moved=0).money(0.5) == 0.25


@pytest.mark.slow
def test_the_command_tells_the_price(page, capsys):
    with pytest.raises(SystemExit):
        command(["estimate", str(page), "--workers", "1", "--check", "off", "--price", "36", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["money"] == pytest.approx(told["cost"]["worker_seconds"] / 100)


@pytest.mark.slow
@pytest.mark.browser
def test_cpu_seconds_of_a_chunk_are_those_of_its_browser_and_encoder(tmp_path):
    folder = tmp_path / "busy"
    folder.mkdir()
    script = "addEventListener('hf-seek', () => { let x = 0; for (let i = 0; i < 3e7; i++) x += i % 7 })"
    for name, code in (("idle", ""), ("busy", script)):
        (folder / f"{name}.html").write_text(f"{UNEVEN}<script>{code}</script>")
    plans = [
        hfdask.plan(folder / f"{name}.html", tmp_path / name, sweep=0, check="off", chunk_size=20)
        for name in ("idle", "busy")
    ]
    cpu = []
    for plan in plans:
        hfdask.render_chunk(plan.url, 0, tmp_path / f"{plan.hash}-cold.mp4")
        cpu.append(hfdask.render_chunk(plan.url, 0, tmp_path / f"{plan.hash}.mp4").cpu_seconds)
    assert 0.1 < cpu[0] < 0.5 * cpu[1]
