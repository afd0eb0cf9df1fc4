"""Pictures from a canvas that are drawn in strips: when, the same in any chunking, and like whole ones but for edges."""

from __future__ import annotations

from typing import Any

import pytest
from chunked import digests, records, split
from page_samples import composition, open_html
from video_samples import color_video

import hfdask
from hfdask.browser import host
from hfdask.browser.host import STRIP_BYTES, strip_rows
from hfdask.media.alike import beyond_edges

# Turning text with round letters, a gradient and a shadow: each of them crosses several strips.
STYLE = """
#root { position: relative; width: 1280px; height: 720px; overflow: hidden; background: linear-gradient(30deg, #123, #fc8) }
h1 { position: absolute; left: 200px; top: 60px; font: 300px serif; color: #fff; text-shadow: 0 8px 20px #000;
  animation: turn 1s linear both }
i { position: absolute; left: 700px; top: 100px; width: 420px; height: 420px; border-radius: 50%;
  background: radial-gradient(#f80, #80f); box-shadow: 0 20px 60px #000; opacity: .9; animation: turn 1s linear both }
@keyframes turn { to { transform: rotate(40deg) translateX(30px) } }"""
PAGE = (
    composition("<h1>S&amp;O</h1><i></i>", style=STYLE, root='data-duration="1" data-no-timeline')
    .replace('data-width="64"', 'data-width="1280"')
    .replace('data-height="64"', 'data-height="720"')
)

# It is decided as soon as the page is loaded.
HOSTED: dict[str, Any] = {"capture": "canvas", "sweep": 0}


def write(folder, html):
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(html, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("size", "rows"), [((1280, 720), 168), ((1920, 1080), 112), ((3840, 2160), 56), ((640, 360), 351 // 8 * 8)]
)
def test_a_strip_is_as_large_as_memory_that_the_browser_keeps(size, rows):
    assert strip_rows(*size) == rows
    assert 4 * size[0] * rows <= STRIP_BYTES


@pytest.mark.parametrize(("size", "rows"), [((320, 180), 180), ((16384, 4000), 8), ((16384, 2), 2)])
def test_strips_are_never_empty_nor_larger_than_the_picture(size, rows):
    assert strip_rows(*size) == rows


@pytest.mark.sample(
    "-True", "i { filter: blur(9px) }-False", "i { box-shadow: 900px 200px #000, 1px 90px 0 9px #fff }-True"
)
@pytest.mark.browser
@pytest.mark.parametrize(
    ("change", "strips"),
    [
        ("", True),
        ("i { filter: brightness(2) }", True),
        ("i { filter: blur(9px) }", False),
        ("i { filter: drop-shadow(0 9px 9px #000) }", False),
        ("i { box-shadow: 0 20px 60px #000, 0 0 #fff, inset 0 4px 90px 2px #00f }", False),
        ("i { box-shadow: 900px 200px #000, 1px 90px 0 9px #fff }", True),
    ],
)
def test_what_each_strip_would_make_anew_needs_the_whole_picture(change, strips, tmp_path):
    html = PAGE.replace("</style>", f"{change}</style>", 1)
    plan = hfdask.plan(write(tmp_path / "page", html), tmp_path / "plan", **HOSTED)
    assert plan.manifest.page.strips == strips


@pytest.mark.browser
def test_videos_need_the_whole_picture(tmp_path):
    folder = write(tmp_path / "page", PAGE.replace("<i></i>", '<video data-start="0" src="v.mp4"></video>'))
    color_video(folder / "v.mp4", [(200, 90, 30)] * 2)
    assert not hfdask.plan(folder, tmp_path / "plan", **HOSTED).manifest.page.strips


@pytest.mark.browser
@pytest.mark.slow
def test_many_elements_need_the_whole_picture(tmp_path):
    many = write(tmp_path / "many", PAGE.replace("<i></i>", "<i></i>" + "<b></b>" * 300))
    assert not hfdask.plan(many, tmp_path / "a", **HOSTED).manifest.page.strips
    few = write(tmp_path / "few", PAGE.replace("<i></i>", "<i></i>" + "<b></b>" * 100))
    assert hfdask.plan(few, tmp_path / "b", **HOSTED).manifest.page.strips
    assert not hfdask.plan(few, tmp_path / "c", capture="beginframe").manifest.page.strips


@pytest.mark.browser
@pytest.mark.slow
def test_chunks_of_strips_have_the_same_frames(tmp_path):
    plan = hfdask.plan(write(tmp_path / "page", PAGE), tmp_path / "plan", capture="canvas", chunk_size=3600)
    assert plan.manifest.page.strips
    whole = digests(records(plan, tmp_path / "a"))
    assert len(set(whole)) == len(whole) == 30
    assert digests(records(split(plan, tmp_path, 7), tmp_path / "b", damage_test=False)) == whole
    filmed = hfdask.render(tmp_path / "page", tmp_path / "film.mp4", capture="canvas", workers=1)
    assert [each.digest for each in filmed.perf.frames.itertuples()] == whole


@pytest.mark.browser
def test_strips_look_like_the_whole_picture_but_for_edges(tmp_path, monkeypatch):
    seen = {}
    for strips in (False, True):
        with open_html(
            tmp_path / str(strips), PAGE, capture_mode="canvas", strips=strips, width=1280, height=720
        ) as page:
            seen[strips] = [page.pixels(frame) for frame in (0, 13, 29)]
    for whole, drawn in zip(seen[False], seen[True], strict=True):
        assert not beyond_edges(whole, drawn)
    monkeypatch.setattr(host, "strip_rows", lambda width, height: height)
    with open_html(tmp_path / "one", PAGE, capture_mode="canvas", strips=True, width=1280, height=720) as page:
        assert (page.pixels(13) == seen[False][1]).all()
