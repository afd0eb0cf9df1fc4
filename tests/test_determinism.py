"""The first promise: frames do not depend on chunks, on the damage test, on workers, or on the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from _pytest.mark import ParameterSet
from chunked import digests, records, split
from cluster_processes import in_processes
from distributed import Client
from samples import COMPOSITIONS, EXAMPLES
from short_videos import Rows, loads, long_way
from video_samples import bar_code_video, cached

import hfdask
from hfdask.browser import loading
from hfdask.media.picture import digest_of

pytestmark = pytest.mark.browser

ALL = sorted(folder.name for folder in COMPOSITIONS.iterdir() if (folder / "index.html").is_file())
# Those with a library of others: large scripts.
LIBRARIES = [name for name in ALL if "vendor/" in (COMPOSITIONS / name / "index.html").read_text("utf-8")]


def some(names: Iterable[str], on_every_run: set[str]) -> list[ParameterSet]:
    """All of these in `make test-all`, and some on every run. What each shows of a frame does not depend on those before it,
    which `tests/page/test_invariance.py` looks at, for some compositions on every run.
    """
    return [pytest.param(name, marks=[] if name in on_every_run else [pytest.mark.slow]) for name in names]


# Whole examples are long and large: a part of each, at its most lively, on every run, and all of it in `make test-all`.
LARGE = ["title", "data", "webgl", "gsap", "film"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with in_processes() as client:
        yield client


@pytest.mark.parametrize("name", some(ALL, {"text"}))
def test_chunking_and_damage_test_do_not_change_frames(name, tmp_path):
    plan = hfdask.plan(COMPOSITIONS / name, tmp_path / "plan", chunk_size=3600)
    whole = digests(records(plan, tmp_path / "a"))
    halves = split(plan, tmp_path, 2)
    assert digests(records(halves, tmp_path / "b", damage_test=False)) == whole
    chunks = records(split(plan, tmp_path, 7), tmp_path / "c")
    assert digests(chunks) == whole
    video = hfdask.assemble(tmp_path / "plan-7", chunks, tmp_path / "out.mp4", strict=True)
    assert video.digest == digest_of(whole)


@pytest.mark.parametrize("name", some(ALL, {"canvas_raf"}))
def test_frames_from_a_canvas_do_not_depend_on_chunks_or_the_damage_test(name, tmp_path):
    plan = hfdask.plan(COMPOSITIONS / name, tmp_path / "plan", chunk_size=3600, capture="canvas")
    whole = digests(records(plan, tmp_path / "a"))
    assert len(set(whole)) > 5 or name == "static"
    assert digests(records(split(plan, tmp_path, 2), tmp_path / "b", damage_test=False)) == whole
    chunks = records(split(plan, tmp_path, 7), tmp_path / "c")
    assert digests(chunks) == whole
    video = hfdask.assemble(tmp_path / "plan-7", chunks, tmp_path / "out.mp4", strict=True)
    assert (video.digest, chunks[0].capture_mode) == (digest_of(whole), "canvas")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_film_of_planning_is_the_only_chunk_of_its_plan(name, tmp_path):
    video = long_way(COMPOSITIONS / name, tmp_path)
    with loads() as entries:
        filmed = Rows(COMPOSITIONS / name, tmp_path).render()
    assert len(entries) == (2 if name == "own_page" else 1)  # its script sets its size, so planning loads it again
    assert filmed.plan_hash == video.plan_hash
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", some(ALL, {"text"}))
def test_workers_and_runs_do_not_change_the_file(name, cluster, tmp_path):
    first = hfdask.render(COMPOSITIONS / name, tmp_path / "a.mp4", chunk_size=11)
    second = hfdask.render(COMPOSITIONS / name, tmp_path / "b.mp4", chunk_size=11, client=cluster)
    assert first.digest == second.digest
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert {chunk.worker for chunk in first.chunks}.isdisjoint(chunk.worker for chunk in second.chunks)


@pytest.mark.slow
@pytest.mark.parametrize("name", some([*LIBRARIES, "timers"], {"gsap"}))
def test_chunks_are_parts_of_the_whole(name, tmp_path):
    plan = hfdask.plan(COMPOSITIONS / name, tmp_path / "plan", chunk_size=30)
    whole = digests(records(plan, tmp_path / "whole"))
    assert digests(records(split(plan, tmp_path, 3), tmp_path / "thirds")) == whole


@pytest.mark.parametrize("name", ["title", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE[1:])])
def test_a_chunk_of_an_example_proves_its_seams(name, tmp_path):
    plan = hfdask.plan(EXAMPLES / name, tmp_path / "plan", chunk_size=12, sweep=30)
    middle = [len(plan.manifest.chunks) // 2 + shift for shift in (0, 1)]
    first, second = (hfdask.render_chunk(plan.url, index, tmp_path / f"{index}.mp4") for index in middle)
    assert second.before_digest == first.last_digest
    again = hfdask.render_chunk(plan.url, middle[1], tmp_path / "again.mp4", damage_test=False)
    assert again.sha256 == second.sha256


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_examples_do_not_depend_on_chunks_or_workers(name, cluster, tmp_path):
    source = EXAMPLES / name
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=3600)
    whole = digests(records(plan, tmp_path / "a"))
    assert digests(records(plan, tmp_path / "b", damage_test=False)) == whole
    for count in (2, 7):
        assert digests(records(split(plan, tmp_path, count), tmp_path / f"c{count}")) == whole
    first = hfdask.render(source, tmp_path / "a.mp4", chunk_size=40, strict=True)
    second = hfdask.render(source, tmp_path / "b.mp4", chunk_size=40, strict=True, client=cluster)
    assert first.digest == second.digest == digest_of(whole)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


VIDEO = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<video id="film" muted loop src="film.mp4" data-start="0.1" data-duration="0.75" data-media-start="0.1" data-playback-rate="1.5"
  style="position:absolute;width:80px;height:48px;animation:go 1s linear both"></video>
<canvas width="64" height="32" style="position:absolute;top:50px"></canvas>
<style>@keyframes go { to { transform: translateX(70px) rotate(20deg) } }</style>
<script>const pen = document.querySelector("canvas").getContext("2d");
requestAnimationFrame(function draw() { pen.clearRect(0, 0, 64, 32); pen.drawImage(film, 0, 0, 64, 32); requestAnimationFrame(draw) })</script></div>"""


@pytest.mark.slow
@pytest.mark.parametrize("capture", ["beginframe", "canvas"])
def test_frames_of_videos_do_not_depend_on_chunks_or_workers(capture, project, cluster, tmp_path):
    source = project(VIDEO, **{"film.mp4": cached(bar_code_video, "film.mp4", 15, size=(64, 32)).read_bytes()})
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=3600, capture=capture)
    whole = digests(records(plan, tmp_path / "whole"))
    assert len(set(whole)) == 24  # 23 frames of a film that moves, and nothing
    assert digests(records(split(plan, tmp_path, 2), tmp_path / "halves", damage_test=False)) == whole
    first = hfdask.render(source, tmp_path / "a.mp4", chunk_size=11, capture=capture)
    second = hfdask.render(source, tmp_path / "b.mp4", chunk_size=11, capture=capture, client=cluster)
    assert first.digest == second.digest == digest_of(whole)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


LATE = """<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline>
<div id="box" style="width:40px;height:40px;background:#c33"></div>
<script>setTimeout(() => { box.style.background = "#3c3" }, 400)</script></div>"""


def test_a_slow_chunk_waits_for_what_planning_waited_for(project, tmp_path, monkeypatch):
    plan = hfdask.plan(project(LATE), tmp_path / "plan")
    assert plan.manifest.page.gives_up == ()
    quick = hfdask.render_chunk(plan.url, 0, tmp_path / "quick.mp4")
    for patience in ("_TIMER_PATIENCE", "_LOAD_PATIENCE"):  # as if everything hung
        monkeypatch.setattr(loading, patience, 0.0)
    slow = hfdask.render_chunk(plan.url, 0, tmp_path / "slow.mp4")
    assert slow.digest == quick.digest


LATE_TIMELINE = """<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="1">
<div id="box" style="width:40px;height:40px;background:#c33"></div>
<script>setTimeout(() => { window.__timelines.c = {duration: () => 1, pause() {}, play() {},
  seek(time) { box.style.marginLeft = `${24 * time}px` }} }, DELAY)</script></div>"""


@pytest.mark.slow
def test_a_late_timeline_is_the_same_in_chunks_however_slow(project, tmp_path, monkeypatch):
    source = project(LATE_TIMELINE.replace("DELAY", "1300"))
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=60)
    assert (plan.manifest.page.gives_up, plan.manifest.timeline.timelines) == ((), ("c",))
    assert not any("timeline" in text for text in plan.manifest.warnings)
    whole = digests(records(plan, tmp_path / "whole"))
    assert len(set(whole)) > 20, "it moves"
    monkeypatch.setattr(loading, "TIMELINE_PATIENCE", 0.0)  # as if it hung
    halves = hfdask.plan(source, tmp_path / "halves", chunk_size=15, load_timeout=20)
    assert halves.manifest.page.gives_up == ("timeline c",)  # which shows that it would be lost
    monkeypatch.undo()
    halves = hfdask.plan(source, tmp_path / "again", chunk_size=15)
    monkeypatch.setattr(loading, "TIMELINE_PATIENCE", 0.0)
    assert digests(records(halves, tmp_path / "chunks")) == whole


def test_a_timeline_that_is_too_late_is_told_with_what_was_pending(project, tmp_path):
    late = LATE_TIMELINE.replace("DELAY", "60_000")
    source = project(late)
    plan = hfdask.plan(source, tmp_path / "plan", load_timeout=5)
    assert plan.manifest.page.gives_up == ("timeline c",)
    assert plan.manifest.warnings == (
        "no script registered a timeline for c while the page was waited for, with a timer of 60000 ms still pending; "
        "register it sooner, or raise load_timeout; add data-no-timeline if no timeline is intended",
    )
    with pytest.raises(hfdask.HfdaskError, match="a timer of 60000 ms still pending, and without data-duration"):
        hfdask.plan(project(late.replace('data-duration="1"', "")), tmp_path / "none", load_timeout=5)


def test_what_planning_gave_up_on_chunks_give_up_on(project, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_TIMER_PATIENCE", 0.2)
    endless = LATE.replace("setTimeout(() => {", "setTimeout(function again() { setTimeout(again, 50);")
    plan = hfdask.plan(project(endless), tmp_path / "plan", load_timeout=20)
    assert plan.manifest.page.gives_up == ("timers",)
    assert hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4").frames == 10
