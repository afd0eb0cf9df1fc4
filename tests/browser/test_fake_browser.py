"""The fake browser of tests reports the same of a page as the real one, within its limits."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from fake_browser import faked
from samples import BOX
from video_samples import bar_code_video, cached

import hfdask
from hfdask.manifest.records import read_frames
from hfdask.store import Store

TWO_CLIPS = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-fps="12"
 data-no-timeline><p id="a" class="clip" data-start="0" data-duration="0.5">still</p>
<p id="b" class="clip" data-start="0.25" data-duration="0.5" style="animation:go 1s linear both">moves</p>
<style>@keyframes go { to { transform: translateX(100px) } }</style></div>"""


def told(source, folder, chunk_size: int) -> tuple[object, list[bool], list[str]]:
    """Return the plan's facts of the page, the frames that have pictures, and the digests of all frames."""
    plan = hfdask.plan(source, folder / "plan", chunk_size=chunk_size)
    for index in range(len(plan.manifest.chunks)):
        hfdask.render_chunk(plan.url, index, folder / f"{index}.mp4")
    records = [read_frames(Store(folder), f"{index}.mp4") for index in range(len(plan.manifest.chunks))]
    manifest = plan.manifest
    page = (manifest.width, manifest.height, manifest.fps, manifest.frames, msgspec.to_builtins(manifest.timeline))
    return (
        page,
        [moved for record in records for moved in record.damage],
        [each for record in records for each in record.digests],
    )


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("html", [pytest.param(BOX, id="box"), pytest.param(TWO_CLIPS, id="two clips")])
def test_it_agrees_with_a_real_one(html, project, tmp_path):
    source = project(html)
    page, moved, digests = told(source, tmp_path / "real", 30)
    with faked():
        fake_page, fake_moved, fake_digests = told(source, tmp_path / "fake", 30)
    assert fake_page == page
    assert fake_moved == moved
    assert [one == two for one, two in pairwise(fake_digests)] == [one == two for one, two in pairwise(digests)]


def test_its_frames_do_not_depend_on_chunks(project, tmp_path):
    source = project(BOX)
    with faked():
        whole, sevens = told(source, tmp_path / "whole", 30)[2], told(source, tmp_path / "sevens", 7)[2]
    assert whole == sevens
    assert len(set(whole)) == 30  # the box moves in every frame


def test_it_runs_where_no_browser_is_installed(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with faked():
        plan = hfdask.plan(project(BOX), tmp_path / "plan")
    assert plan.manifest.environment.browser == "9.8.7.6"


FILM = BOX.replace(
    "</div>\n<style>",
    """</div>
<video id="v" muted src="film.mp4" class="clip" data-start="0.2" data-duration="0.5" data-playback-rate="0.5"></video>\n<style>""",
)


@pytest.mark.browser
@pytest.mark.slow
def test_it_agrees_with_a_real_one_about_videos(project, tmp_path):
    film = cached(bar_code_video, "film.mp4", 30, size=(64, 32)).read_bytes()
    source = project(FILM.replace("animation:go", "x:"), **{"film.mp4": film})
    real = told(source, tmp_path / "real", 30)
    with faked():
        whole, sevens = told(source, tmp_path / "fake", 30), told(source, tmp_path / "sevens", 7)
        plans = [hfdask.Plan.open(tmp_path / name / "plan").manifest for name in ("real", "fake")]
    assert whole[:2] == real[:2]
    assert plans[0].clips == plans[1].clips
    assert plans[0].videos == plans[1].videos
    assert whole[2] == sevens[2]
    changes = [one == two for one, two in pairwise(real[2])]
    assert [one == two for one, two in pairwise(whole[2])] == changes
    assert changes.count(False) == 9  # it comes and goes, and shows 8 frames in between
