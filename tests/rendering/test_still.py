"""Stills: the frame that a video shows at a time, of as few pages as possible."""

from __future__ import annotations

import pytest
from samples import BOX

import hfdask
from hfdask import errors
from hfdask.browser.session import PageSession
from hfdask.media.picture import decode_png

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def loads(monkeypatch):
    """The entries of all pages that are loaded."""
    entries, load = [], PageSession.load

    async def counted(self, entry):
        entries.append(entry)
        return await load(self, entry)

    monkeypatch.setattr(PageSession, "load", counted)
    return entries


def test_a_still_is_taken_of_the_page_that_planning_loads(loads, project, tmp_path):
    assert hfdask.still(project(), 0.5, tmp_path / "still.png", fps=10) == 5
    assert loads == ["index.html"]
    video = hfdask.render(project(), tmp_path / "out.mp4", fps=10, chunk_size=5, plan_dir=tmp_path / "plan")
    before = (tmp_path / "plan" / "chunks").glob("*.before.png")
    assert len(video.chunks) == 2
    assert hfdask.still(project(), 0.4, tmp_path / "last.png", fps=10) == 4
    (seam,) = before
    assert (decode_png((tmp_path / "last.png").read_bytes()) == decode_png(seam.read_bytes())).all()


def test_a_page_that_asks_another_site_is_loaded_once_for_its_still(loads, project, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    source = project(BOX + '<img src="https://elsewhere.invalid/a.png">')
    hfdask.still(source, 0.5, tmp_path / "still.png", replace_urls={"https://elsewhere.invalid/": str(tmp_path)})
    assert loads == ["index.html"]


@pytest.mark.parametrize("time", [-0.1, 1.2, float("nan"), float("inf")])
def test_a_time_outside_of_the_composition_is_an_error_and_no_picture(time, project, tmp_path):
    with pytest.raises(errors.InvalidConfigError, match="outside of the composition"):
        hfdask.still(project(), time, tmp_path / "still.png")
    assert not (tmp_path / "still.png").exists()


@pytest.mark.parametrize(
    ("time", "name", "why"),
    [
        (0, "still.jpg", "must end in .png, not 'still.jpg'"),
        (0, "still", "must end in .png"),
        ("0.5", "still.png", "seconds, not '0.5'"),
    ],
)
def test_other_pictures_and_times_are_refused_before_anything_starts(time, name, why, tmp_path):
    with pytest.raises(hfdask.errors.InvalidConfigError, match=why):
        hfdask.still(tmp_path, time, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.browser
def test_a_still_of_a_page_with_state_is_the_frame_of_a_chunk_that_begins_there(loads, project, tmp_path):
    """The page counts its frames, so a chunk that begins at another one would draw another picture."""
    source = project("""
<div data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-fps="10" data-no-timeline>
<canvas width="64" height="64"></canvas><script>let seen = 0;
addEventListener("hf-seek", () => { seen += 1; const pen = document.querySelector("canvas").getContext("2d");
  pen.fillStyle = `rgb(${30 * seen}, 0, 90)`; pen.fillRect(0, 0, 64, 64) })</script></div>""")
    hfdask.still(source, 0.5, tmp_path / "still.png")
    assert loads == ["index.html"]
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=5)
    hfdask.render_chunk(plan.url, 1, plan.chunk_url(1))
    (seam,) = (tmp_path / "plan" / "chunks").glob("*.before.png")
    hfdask.still(source, 0.4, tmp_path / "before.png")
    assert (tmp_path / "before.png").read_bytes() == seam.read_bytes()
