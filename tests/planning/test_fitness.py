"""Planning takes pictures from a canvas only of pages that look the same, and only if the video is long enough to gain by it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from page_samples import composition
from short_videos import Rows, loads, long_way
from video_samples import bar_code_video, cached

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread
from hfdask.browser.capabilities import capture_mode
from hfdask.browser.capture import capture
from hfdask.browser.loading import Loaded
from hfdask.browser.session import PageSession
from hfdask.core.model import Sweep
from hfdask.media.captured import PngPicture
from hfdask.planning import film as film_of
from hfdask.planning import fitness
from hfdask.planning.fitness import LEAST_CHANGING, LOOKED_AT, PER_FRAME, Samples, is_worth_it, may_be_worth_it

MOVES = """<p style="position:absolute;animation:go 1s linear both">text</p>
<style>@keyframes go { to { transform: translateX(20px) } }</style>"""


def sweep(*moved: bool, differs: bool | None = None) -> Sweep:
    return Sweep(
        plan_hash="",
        frames=tuple(range(0, 10 * len(moved), 10)),
        moved=moved,
        damage=(differs,) * len(moved),
        pictures=(None if differs is None else 1000,) * len(moved),
        seconds=(0.0,) * len(moved),
    )


def pixels_for(frames: int) -> int:
    """The least pixels of a frame with which this number of changing frames is worth a comparison."""
    return LEAST_CHANGING // frames - PER_FRAME


def test_a_comparison_is_worth_it_if_enough_frames_move():
    some = sweep(*(number in (3, 30) for number in range(40)))  # 20 of 400 frames
    assert is_worth_it(some, 400, pixels_for(20))
    assert not is_worth_it(some, 400, pixels_for(20) - 1)
    assert not is_worth_it(sweep(), 10**6, 10**6)
    assert not is_worth_it(sweep(False, False), 10**6, 10**6)


def test_a_comparison_is_worth_it_if_the_video_is_long_enough():
    whole = sweep(*[True] * 10)
    for frames, width, height in ((44, 1920, 1080), (90, 640, 360), (16, 3840, 2160)):
        assert may_be_worth_it(frames, width * height)
        assert is_worth_it(whole, frames, width * height)
        assert not may_be_worth_it(frames - 1, width * height)
        assert not is_worth_it(whole, frames - 1, width * height)


def test_frames_that_change_are_compared_one_in_each_fifth():
    samples = Samples(100)
    for frame in range(0, 100, 5):
        samples.offer(frame, PngPicture(b"%d" % frame), changed=frame not in (10, 50))
    assert [(frame, picture.png) for frame, picture in samples.pictures.items()] == [
        (5, b"5"), (30, b"30"), (45, b"45"), (70, b"70"), (90, b"90")
    ]  # fmt: skip
    still = Samples(12)
    still.offer(11, PngPicture(b"a"), changed=False)
    assert list(still.pictures) == [11]


def test_of_videos_the_frames_that_show_most_are_compared():
    samples = Samples(100)
    for frame in (5, 30, 45, 70):
        samples.offer(frame, PngPicture(b""), changed=True)
    playing = np.zeros(100, int)
    playing[15:32] = 1
    playing[60:66] = playing[74:80] = 2
    assert samples.frames_with(playing, lambda frame: 0) == [15, 30, 45, 74]
    assert Samples(7).frames_with(np.ones(7, int), lambda frame: 0) == []


def test_of_those_the_frames_that_are_decoded_soonest_are_compared():
    samples = Samples(100)
    for frame in (5, 30, 70):
        samples.offer(frame, PngPicture(b""), changed=True)
    playing = np.ones(100, int)
    playing[20:40] = 0
    playing[24:29] = 1
    assert samples.frames_with(playing, lambda frame: frame % 12) == [0, 26, 72]
    assert samples.frames_with(playing, lambda frame: -frame) == [9, 28, 74]


def test_in_long_videos_some_frames_are_asked_how_long_they_are_decoded():
    samples, asked = Samples(100_000), list[int]()

    def distance(frame: int) -> int:
        asked.append(frame)
        return 0

    samples.offer(33_333, PngPicture(b""), changed=True)
    assert samples.frames_with(np.ones(100_000, int), distance) == [33_333]
    assert LOOKED_AT <= len(asked) <= LOOKED_AT + 1
    assert min(asked) < 30_000
    assert max(asked) > 38_000


def test_frames_in_which_videos_play_count():
    playing = np.arange(400) < 19
    assert not is_worth_it(sweep(False, False), 400, pixels_for(20), playing.astype(int))
    assert is_worth_it(sweep(True, False), 400, pixels_for(20), playing[::-1].astype(int))
    assert not is_worth_it(sweep(True, False), 400, pixels_for(20), playing.astype(int))


def test_frames_that_only_a_canvas_changes_count():
    drawing = (True, *[False] * 39)
    assert is_worth_it(sweep(*drawing, differs=True), 400, pixels_for(20))
    assert not is_worth_it(sweep(*drawing, differs=False), 400, 10**6)


@pytest.fixture
def any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "LEAST", 0)
    monkeypatch.setattr(fitness, "LEAST_CHANGING", 5 * (64 * 64 + PER_FRAME))


def planned(project, tmp_path, body: str, script: str = "", files=None, **options) -> tuple[str, list[str]]:
    source = project(composition(body, script, root='data-duration="0.4" data-no-timeline'), **(files or {}))
    plan = hfdask.plan(source, tmp_path / "plan", check="off", **options)
    return plan.manifest.page.capture_mode, [text for text in plan.messages if "captured from a canvas" in text]


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_that_looks_the_same_is_captured_from_a_canvas(project, tmp_path, any_length):
    mode, (message,) = planned(project, tmp_path, MOVES)
    assert (mode, message) == ("canvas", "captured from a canvas: some frames look as in the browser's own pictures")


OVERLAPPED = """<canvas width="40" height="30" style="display:block"></canvas>
<div style="margin-top:-20px"><span style="display:inline-block;background:#c33;width:30px;height:15px"></span></div>"""
DRAW = (
    "const pen = document.querySelector('canvas').getContext('2d'); pen.fillStyle = '#3c3'; pen.fillRect(0, 0, 40, 30)"
)
UNFIT = {
    "known": ('<p style="backdrop-filter:blur(2px)">x</p>', "", r"a canvas would draw a backdrop filter \(<p>\) wrong"),
    "seen": (OVERLAPPED, DRAW, r"frame \d+ differs in \d+ pixels that are not at edges"),
    "framed": (
        "",
        "if (top !== window) throw new Error('framed')",
        "a script failed while loading: Uncaught Error: framed",
    ),
    "hangs": (
        "",
        "if (top !== window) window.__hfTimelinesBuilding = true",
        "did not become ready within 8 s: the page still waits for timelines being built",
    ),
}


@pytest.mark.browser
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("known", "framed", "hangs")), "seen"]
)
def test_a_page_that_does_not_keeps_its_pictures_and_the_reason_is_told(name, project, tmp_path, any_length):
    body, script, reason = UNFIT[name]
    mode, (message,) = planned(project, tmp_path, body + MOVES, script, load_timeout=8)
    assert mode == "beginframe"
    assert message.startswith("not captured from a canvas: ")
    assert re.search(reason, message), message


@pytest.mark.browser
def test_short_videos_are_not_compared(project, tmp_path):
    assert planned(project, tmp_path, MOVES) == ("beginframe", [])


FILM = '<video id="film" muted src="film.mp4" data-start="{}" data-duration="{}" style="position:absolute;left:0;top:0"></video>'


def film() -> dict[str, bytes]:
    return {"film.mp4": cached(bar_code_video, "fit.mp4", 15, size=(64, 32)).read_bytes()}


@pytest.mark.browser
def test_a_page_in_which_only_a_video_plays_is_captured_from_a_canvas(project, tmp_path, any_length):
    mode, (message,) = planned(project, tmp_path, FILM.format(0, 0.4), files=film())
    assert (mode, message) == ("canvas", "captured from a canvas: some frames look as in the browser's own pictures")


@pytest.mark.browser
def test_a_page_whose_video_a_canvas_draws_otherwise_keeps_its_pictures(project, tmp_path, any_length):
    """Without the pictures of the video, the page looks the same in both ways."""
    script = "if (top !== window) film.style.opacity = 0.5"
    mode, (message,) = planned(project, tmp_path, FILM.format(0.1, 0.1) + MOVES, script, files=film())
    assert mode == "beginframe"
    assert re.fullmatch(r"not captured from a canvas: frame [345] differs in \d+ pixels that are not at edges", message)


SLIDES = """<style>@keyframes go { to { transform: translateX(40px) } }</style>
<div style="width: 20px; height: 20px; background: #c33; animation: go 0.4s linear both"></div>"""


def rendered(
    project, tmp_path, body: str, script: str = "", files=None, **options
) -> tuple[hfdask.RenderResult, str, int]:
    """Render a page that is filmed while it is planned; return the video, its way of capture, and the number of loads."""
    source = project(composition(body + MOVES, script, root='data-duration="0.4" data-no-timeline'), **(files or {}))
    rows = Rows(source, tmp_path)
    with loads() as entries:
        video = rows.render(check="off", **options)
    return video, video.chunks[0].capture_mode, len(entries)


@pytest.mark.browser
def test_a_film_from_a_canvas_is_what_a_chunk_would_be(project, tmp_path, any_length):
    video, mode, pages = rendered(project, tmp_path, SLIDES)
    assert (mode, pages) == ("canvas", 2)  # the film's page, and the page that it is compared with
    plan = hfdask.plan(tmp_path / "project", tmp_path / "plan", check="off", chunk_size=12)
    assert plan.manifest.page.capture_mode == "canvas"
    chunk = hfdask.render_chunk(plan.url, 0, plan.chunk_url(0))
    assert chunk.digest == video.chunks[0].digest


@pytest.mark.browser
def test_a_page_that_a_canvas_is_known_to_draw_wrong_is_not_filmed_from_one(project, tmp_path, any_length, monkeypatch):
    hosted: list[bool] = []

    def noting(session: PageSession, *frames: int, **options: Any) -> Any:
        hosted.append(session.hosted)
        return capture(session, *frames, **options)

    monkeypatch.setattr(film_of, "capture", noting)
    _, mode, pages = rendered(project, tmp_path, UNFIT["known"][0])
    assert (mode, pages, hosted) == ("beginframe", 2, [False])


@pytest.mark.browser
@pytest.mark.slow
def test_a_film_that_a_canvas_draws_otherwise_is_taken_again(project, tmp_path, any_length):
    body, script, _ = UNFIT["seen"]
    video, mode, pages = rendered(project, tmp_path, body, script)
    assert (mode, pages) == ("beginframe", 3)
    whole, _, _ = rendered(project, tmp_path / "asked", body, script, capture="beginframe")
    assert video.digest == whole.digest


@pytest.mark.slow
@pytest.mark.browser
def test_a_film_is_compared_in_its_own_browser(project, tmp_path, any_length):
    hfdask.close_browsers()
    _, mode, _ = rendered(project, tmp_path, SLIDES)
    assert (mode, browser_thread().pool.usage()[0]) == ("canvas", 1)
    assert open_pages() == []


@pytest.mark.browser
def test_a_film_whose_comparison_fails_is_taken_again(project, tmp_path, any_length, monkeypatch):
    load, loaded = PageSession.load, []

    async def failing(session: PageSession, entry: str) -> Loaded:
        loaded.append(session.settings.capture_mode)
        if loaded == ["canvas", "beginframe"]:
            raise errors.CaptureError("no")
        return await load(session, entry)

    monkeypatch.setattr(PageSession, "load", failing)
    _, mode, _ = rendered(project, tmp_path, SLIDES)
    assert (mode, loaded) == ("beginframe", ["canvas", "beginframe", "beginframe"])
    assert open_pages() == []


def open_pages() -> list[str]:
    """Return the URLs of the pages that are open in idle browsers."""
    idle = browser_thread().pool._idle
    return [page.url for browser in idle for context in browser.playwright.contexts for page in context.pages]


@pytest.mark.browser
def test_a_film_in_which_too_little_changes_is_taken_again(project, tmp_path, monkeypatch):
    monkeypatch.setattr(fitness, "LEAST", 0)
    _, mode, pages = rendered(project, tmp_path, "")
    assert (mode, pages) == ("beginframe", 2)


@pytest.mark.browser
@pytest.mark.slow
def test_a_film_from_a_canvas_can_be_asked_for(project, tmp_path):
    capture_mode("canvas")  # tries the browser with another page
    _, mode, pages = rendered(project, tmp_path, SLIDES, capture="canvas")
    assert (mode, pages) == ("canvas", 1)
    long_way(tmp_path / "project", tmp_path, capture="canvas", check="off")
    assert (tmp_path / "long.mp4").read_bytes() == (tmp_path / "short.mp4").read_bytes()


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_with_a_video_is_not_loaded_for_a_film(project, tmp_path, any_length):
    _, mode, pages = rendered(project, tmp_path, FILM.format(0, 0.4), files=film())
    assert (mode, pages) == ("canvas", 4)  # for the plan, twice for the comparison, and for the chunk
