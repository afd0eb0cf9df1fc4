"""Timing inside hosts: starts, windows, rates, in-points, and timelines in timelines (docs/compositions.md, 3.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_samples import composition, open_html
from slow import sampled

pytestmark = pytest.mark.browser

CLOCK = """<template><div data-composition-id="a"><i class="t"></i><b class="c" data-start="0.5" data-duration="0.5"></b></div>
  <script>const at = document.querySelector('.t'); window.__timelines.a = {duration: () => 4, play() {}, pause() {},
    seek(t) { at.textContent = t.toFixed(2) }}</script></template>"""


def host(attributes: str, named: str = 'data-composition-id="a"') -> str:
    return f'<div id="h" {named} data-composition-src="a.html" {attributes}></div>'


@pytest.mark.parametrize("named", ['data-composition-id="a"', ""])
@pytest.mark.parametrize(
    ("attributes", "expected"),
    sampled(
        [  # local time at 0, 1, 1.5 and 3 s
            ('data-start="0"', [0, 1, 1.5, 3]),
            ('data-start="1"', [0, 0, 0.5, 2]),
            ('data-start="1" data-playback-rate="2"', [0, 0, 1, 4]),
            ('data-start="1" data-playback-start="0.5"', [0.5, 0.5, 1, 2.5]),
            ('data-start="1" data-media-start="0.5" data-playback-rate="0.5"', [0.5, 0.5, 0.75, 1.5]),
            ('data-start="0.5" data-playback-rate="50"', [0, 4, 4, 4]),
            ('data-start="first"', [0, 0, 0.5, 2]),
            ('data-start="first + 0.5"', [0, 0, 0, 1.5]),
        ]
    ),
)
def test_local_time(tmp_path: Path, named: str, attributes: str, expected: list[float]) -> None:
    body = '<i id="first" data-start="0" data-duration="1"></i>' + host(attributes, named)
    with open_html(tmp_path, composition(body, root='data-duration="4" data-no-timeline'), {"a.html": CLOCK}) as page:
        text = "document.querySelector('.t').textContent"
        assert [float(page.at(frame, text)) for frame in (0, 30, 45, 90)] == expected


@pytest.mark.parametrize("named", ['data-composition-id="a"', ""])
def test_a_root_inside_of_other_elements(tmp_path: Path, named: str) -> None:
    content = CLOCK.replace("<template>", "<style>body { top: 7px }</style><main>").replace("</template>", "</main>")
    with open_html(
        tmp_path, composition(host('data-start="1" data-playback-rate="2"', named)), {"a.html": content}
    ) as page:
        assert page.at(45, "document.querySelector('.t').textContent") == "1.00"
        assert page.value("[h.firstElementChild, h.querySelector('main > *')].map(e => getComputedStyle(e).top)") == [
            "auto",
            "7px",
        ]


@pytest.mark.parametrize("named", ['data-composition-id="a"', ""])
def test_windows_of_hosts_and_of_clips_in_them(tmp_path: Path, named: str) -> None:
    body = host('data-start="1" data-duration="0.75"', named)
    with open_html(tmp_path, composition(body), {"a.html": CLOCK}) as page:
        shown = "[h, document.querySelector('.c')].map(e => e.style.visibility == 'visible')"
        assert [page.at(frame, shown) for frame in (29, 30, 44, 45, 52, 53)] == [
            [False, False],
            [True, False],
            [True, False],
            [True, True],
            [True, True],
            [False, False],
        ]


def test_references_to_and_in_scenes(tmp_path: Path) -> None:
    body = (
        host('data-start="0.5" data-duration="1"')
        + '<div id="i" data-composition-id="a" data-composition-src="a.html" data-start="h" data-duration="1"></div>'
        + '<i id="after" data-start="a"></i>'
    )
    content = '<template><div data-composition-id="a"><b class="n" data-start="0.25"></b></div></template>'
    with open_html(tmp_path, composition(body), {"a.html": content}) as page:
        clips = [(clip["id"], clip["start"]) for clip in page.report()["clips"]]
        # "a" is the id that both had: the first of them
        assert clips == [("h", 0.5), ("", 0.75), ("i", 1.5), ("", 1.75), ("after", 1.5)]


def test_the_length_of_the_video_reaches_to_the_end_of_the_scenes(tmp_path: Path) -> None:
    named = '<div data-composition-id="a" data-composition-src="a.html" data-start="1" data-duration="2.5"></div>'
    anonymous = '<div data-composition-src="b.html" data-start="3" data-duration="2"></div>'
    files = {"a.html": CLOCK, "b.html": '<template><i data-composition-id="b"></i></template>'}
    with open_html(tmp_path, composition(named, root=""), files) as page:
        # the scene's own timeline ends at 5 s, later than its window
        assert (page.report()["duration"], page.report()["source"]) == (5, "timeline")
    with open_html(tmp_path, composition(anonymous, root=""), files) as page:
        assert page.report()["duration"] == 5


@pytest.mark.parametrize("named", ['data-composition-id="a"', ""])
def test_a_host_without_a_duration_lasts_as_long_as_its_timeline(tmp_path: Path, named: str) -> None:
    body = host('data-start="1"', named) + '<i id="after" data-start="h"></i>'
    with open_html(tmp_path, composition(body), {"a.html": CLOCK}) as page:
        clips = {clip["id"]: (clip["start"], clip["end"]) for clip in page.report()["clips"]}
        assert (clips["h"], clips["after"]) == ((1, 5), (5, None))


def test_no_timeline_may_be_said_in_the_file(tmp_path: Path) -> None:
    content = '<template><div data-composition-id="a" data-no-timeline></div></template>'
    with open_html(tmp_path, composition(host('data-start="0"')), {"a.html": content}) as page:
        assert page.loaded.missing == []


SCENE = """<template><div data-composition-id="a"><i class="t"></i></div><script>
  const tl = gsap.timeline({paused: true}); window.calls ??= [];
  tl.to('.t', {x: 100, duration: 1, ease: 'none'}).call(() => calls.push('half'), null, 0.5); window.__timelines.a = tl
</script></template>"""
X = "Math.round(gsap.getProperty('.t', 'x'))"


def gsap_page(tmp_path: Path, gsap: bytes, attributes: str, master: str = "", root: str = 'data-duration="3"') -> Any:
    tail = f"addEventListener('DOMContentLoaded', () => {{ {master} }})"
    html = composition(host(attributes), tail, root=root, head='<script src="gsap.js"></script>')
    return open_html(tmp_path, html, {"a.html": SCENE, "gsap.js": gsap})


@pytest.mark.parametrize(
    "master",
    sampled(
        [
            "",  # the page has no timeline, and its scenes have
            "window.__timelines.main = gsap.timeline({paused: true}).to({}, {duration: 3})",
            "const m = window.__timelines.main = gsap.timeline({paused: true}); m.add(window.__timelines.a, 1)",
            "const m = window.__timelines.main = gsap.timeline({paused: true}); m.add(window.__timelines.a.paused(false), 1)",
            "const m = window.__timelines.main = gsap.timeline({paused: true}); m.add(window.__timelines.a, 0.2)",
        ],
        one_of=2,
    ),
)
def test_a_scene_is_at_its_local_time(tmp_path: Path, gsap: bytes, master: str) -> None:
    with gsap_page(tmp_path, gsap, 'data-start="1" data-duration="1"', master) as page:
        assert [page.at(frame, X) for frame in (0, 30, 33, 45, 57, 60, 89, 33)] == [0, 0, 10, 50, 90, 100, 100, 10]


@pytest.mark.parametrize("order", [range(30, 60), (59,), (31, 46, 47)])
def test_callbacks_of_a_scene_fire_once(tmp_path: Path, gsap: bytes, order: Any) -> None:
    with gsap_page(tmp_path, gsap, 'data-start="1" data-duration="1"') as page:
        assert page.value("calls") == []  # not while the page settles
        for frame in order:
            page.seek(frame)
        assert page.value("calls") == ["half"]


def test_one_timeline_under_another_name_drives_the_page(tmp_path: Path, gsap: bytes) -> None:
    master = "delete window.__timelines.a; window.__timelines.film = gsap.timeline({paused: true}).to('.t', {x: 30, duration: 3, ease: 'none'})"
    with gsap_page(tmp_path, gsap, 'data-start="0" data-no-timeline', master, root="") as page:
        assert page.at(30, X) == 10
        assert page.report()["duration"] == 3


def test_a_timeline_longer_than_its_window_does_not_move_the_host(tmp_path: Path, gsap: bytes) -> None:
    with gsap_page(tmp_path, gsap, 'data-start="0" data-duration="0.5"') as page:
        assert [page.at(frame, "h.style.visibility") for frame in (14, 15)] == ["visible", "hidden"]
