"""The first promise: frames do not depend on chunks, on the damage test, on workers, or on the run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cluster_processes import in_processes
from distributed import Client
from samples import COMPOSITIONS, EXAMPLES

import hfdask
from hfdask.browser import session
from hfdask.core.frames import chunk_ranges
from hfdask.core.model import ChunkRange, FrameRecord, decode, pretty_json
from hfdask.media.picture import digest_of
from hfdask.store import split_url

pytestmark = pytest.mark.browser

ALL = sorted(folder.name for folder in COMPOSITIONS.iterdir() if (folder / "index.html").is_file())
# Those with a library of others: large scripts, so on every run their chunks only.
LIBRARIES = [name for name in ALL if "vendor/" in (COMPOSITIONS / name / "index.html").read_text("utf-8")]
# One of each kind is chunked in every way, and goes to other workers, on every run; all of them in `make test-all`.
EACH_KIND = {
    "canvas_raf",
    "css",
    "gsap",
    "iframe",
    "images",
    "random",
    "smil",
    "sub_twice",
    "text",
    "timeline",
    "timers",
    "webgl_seek",
}
SMALL = [pytest.param(name, marks=[] if name in EACH_KIND - {*LIBRARIES} else [pytest.mark.slow]) for name in ALL]
TRAVELLERS = {"canvas_raf", "gsap", "images", "sub_twice", "text"}
TO_WORKERS = [pytest.param(name, marks=[] if name in TRAVELLERS else [pytest.mark.slow]) for name in ALL]
# Whole examples are long and large: a part of each, at its most lively, on every run, and all of it in `make test-all`.
LARGE = ["title", "data", "webgl", "gsap", "film"]


def records(plan: hfdask.Plan, folder: Path, **options) -> list[hfdask.ChunkResult]:
    return [
        hfdask.render_chunk(plan.url, chunk.index, folder / f"{chunk.index}.mp4", **options)
        for chunk in plan.manifest.chunks
    ]


def digests(chunks: list[hfdask.ChunkResult]) -> list[str]:
    found: list[str] = []
    for chunk in chunks:
        store, name = split_url(chunk.frames_url)
        found += decode(store.read(name), FrameRecord, name).digests
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with in_processes() as client:
        yield client


def split(plan: hfdask.Plan, folder: Path, count: int) -> hfdask.Plan:
    """The same plan in so many chunks, without asking the page again: that planning repeats itself is tested elsewhere."""
    frames = plan.manifest.frames
    # Chunks of one size cannot split every number of frames into exactly this many; then it is one more.
    size = next(size for size in range(frames, 0, -1) if -(-frames // size) >= count)
    ranges = enumerate(chunk_ranges(frames, size=size))
    chunks = tuple(ChunkRange(index=i, start=start, end=end, key=f"{i:064x}") for i, (start, end) in ranges)
    assert len(chunks) in (count, count + 1)
    place = folder / f"plan-{count}"
    shutil.copytree(plan.url.removeprefix("file://"), place)
    (place / "plan.json").write_bytes(pretty_json(msgspec.structs.replace(plan.manifest, chunks=chunks).sealed()))
    return hfdask.Plan.open(place)


@pytest.mark.parametrize("name", SMALL)
def test_chunking_and_damage_test_do_not_change_frames(name, tmp_path):
    plan = hfdask.plan(COMPOSITIONS / name, tmp_path / "plan", chunk_size=3600)
    whole = digests(records(plan, tmp_path / "a"))
    halves = split(plan, tmp_path, 2)
    assert digests(records(halves, tmp_path / "b")) == whole
    assert digests(records(halves, tmp_path / "c", damage_test=False)) == whole
    chunks = records(split(plan, tmp_path, 7), tmp_path / "d")
    assert digests(chunks) == whole
    video = hfdask.assemble(tmp_path / "plan-7", chunks, tmp_path / "out.mp4", strict=True)
    assert video.digest == digest_of(whole)


@pytest.mark.parametrize("name", TO_WORKERS)
def test_workers_and_runs_do_not_change_the_file(name, cluster, tmp_path):
    first = hfdask.render(COMPOSITIONS / name, tmp_path / "a.mp4", chunk_size=11)
    second = hfdask.render(COMPOSITIONS / name, tmp_path / "b.mp4", chunk_size=11, client=cluster)
    assert first.digest == second.digest
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert {chunk.worker for chunk in first.chunks}.isdisjoint(chunk.worker for chunk in second.chunks)


@pytest.mark.parametrize("name", LIBRARIES)
def test_chunks_of_libraries_are_parts_of_the_whole(name, tmp_path):
    plan = hfdask.plan(COMPOSITIONS / name, tmp_path / "plan", chunk_size=30)
    whole = digests(records(plan, tmp_path / "whole"))
    assert digests(records(split(plan, tmp_path, 3), tmp_path / "thirds")) == whole


@pytest.mark.parametrize("name", ["title", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE[1:])])
def test_a_chunk_of_an_example_proves_its_seams(name, tmp_path):
    plan = hfdask.plan(EXAMPLES / name, tmp_path / "plan", chunk_size=12)
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


LATE = """<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline>
<div id="box" style="width:40px;height:40px;background:#c33"></div>
<script>setTimeout(() => { box.style.background = "#3c3" }, 400)</script></div>"""


def test_a_slow_chunk_waits_for_what_planning_waited_for(project, tmp_path, monkeypatch):
    plan = hfdask.plan(project(LATE), tmp_path / "plan")
    assert plan.manifest.page.gives_up == ()
    quick = hfdask.render_chunk(plan.url, 0, tmp_path / "quick.mp4")
    for patience in ("_TIMER_PATIENCE", "_LOAD_PATIENCE"):  # as if everything took for ever
        monkeypatch.setattr(session, patience, 0.0)
    slow = hfdask.render_chunk(plan.url, 0, tmp_path / "slow.mp4")
    assert slow.digest == quick.digest


LATE_TIMELINE = """<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="1">
<div id="box" style="width:40px;height:40px;background:#c33"></div>
<script>setTimeout(() => { window.__timelines.c = {duration: () => 1, pause() {}, play() {},
  seek(time) { box.style.marginLeft = `${24 * time}px` }} }, DELAY)</script></div>"""


def test_a_late_timeline_is_the_same_in_chunks_however_slow(project, tmp_path, monkeypatch):
    source = project(LATE_TIMELINE.replace("DELAY", "1300"))
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=60)
    assert (plan.manifest.page.gives_up, plan.manifest.timeline.timelines) == ((), ("c",))
    assert not any("timeline" in text for text in plan.manifest.warnings)
    whole = digests(records(plan, tmp_path / "whole"))
    assert len(set(whole)) > 20, "it moves"
    monkeypatch.setattr(session, "TIMELINE_PATIENCE", 0.0)  # as if it took for ever
    sevens = hfdask.plan(source, tmp_path / "sevens", chunk_size=7, load_timeout=20)
    assert sevens.manifest.page.gives_up == ("timeline c",)  # which shows that it would be lost
    monkeypatch.undo()
    sevens = hfdask.plan(source, tmp_path / "again", chunk_size=7)
    monkeypatch.setattr(session, "TIMELINE_PATIENCE", 0.0)
    assert digests(records(sevens, tmp_path / "sevens")) == whole


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
    monkeypatch.setattr(session, "_TIMER_PATIENCE", 0.2)
    endless = LATE.replace("setTimeout(() => {", "setTimeout(function again() { setTimeout(again, 50);")
    plan = hfdask.plan(project(endless), tmp_path / "plan", load_timeout=20)
    assert plan.manifest.page.gives_up == ("timers",)
    assert hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4").frames == 10
