"""Videos with pictures from the host show the right picture at each frame, anywhere in a page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import psutil
import pytest
from media_samples import pixels_digest
from msgspec.structs import replace
from page_samples import BLUE, change_script, composition, open_html
from samples import COMPOSITIONS
from slow import sampled
from video_pages import BLANK, open_fed, planes_of, read, shape_of

from hfdask.browser import browser_thread, session
from hfdask.browser import capture as capturing
from hfdask.browser.capture import capture
from hfdask.browser.video_feed import Shown
from hfdask.errors import PageTimeoutError
from hfdask.media.picture import Pixels

pytestmark = pytest.mark.browser

ROOT = "data-duration=60 data-no-timeline"
NAMES = [f"v{k}" for k in range(4)]
CAPTURES = ["beginframe", "canvas"]
MOSTLY = ["beginframe", pytest.param("canvas", marks=pytest.mark.slow)]
WAYS: dict[str, dict[str, Any]] = {
    "file": {},
    "server": {"profile": False},
    "canvas": {"capture_mode": "canvas"},
}
BOX = "position:absolute;width:64px;height:32px"
VIDEO = f'<video id="v" src="v.mp4" style="{BOX};left:0;top:0"></video>'


def page(body: str = VIDEO, script: str = "", style: str = "body{background:#00f}") -> str:
    """Return a blue composition of 64 x 64."""
    return composition(body, script, style=style + "#root{background:#00f}", root=ROOT)


FOUR = page(
    "".join(
        f'<video id="{name}" src="{name}.mp4" style="{BOX};width:32px;left:{k % 2 * 32}px;top:{k // 2 * 32}px;object-fit:fill"></video>'
        for k, name in enumerate(NAMES)
    )
)


def four(frame: int) -> dict[str, int | None]:
    return {name: (frame + 50 * k) % 256 for k, name in enumerate(NAMES)}


def read_four(pixels) -> dict[str, int | None]:
    return {name: read(pixels, k % 2 * 32, k // 2 * 32, 32, 32) for k, name in enumerate(NAMES)}


def read_all(pictures: list[Pixels | None]) -> list[int]:
    """Return the numbers in a chunk's pictures. None stands for the picture before."""
    seen: list[int] = []
    for picture in pictures:
        seen.append(seen[-1] if picture is None else read(picture))
    return seen


@contextmanager
def busy(processes: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


# Each frame shows its own pictures


@pytest.mark.sample("file-0")
@pytest.mark.parametrize("load", [0, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["file", pytest.param("server", marks=pytest.mark.slow), "canvas"])
def test_every_frame_shows_its_own_pictures_at_once(way, load, tmp_path):
    digests = []
    for turn in range(2):
        with busy(load), open_fed(tmp_path / str(turn), FOUR, NAMES, **WAYS[way]) as fed:
            assert (fed.page.session.site.shared is None) == (way != "server")
            pictures = fed.frames(0, 80, four)
            assert [read_four(picture) for picture in pictures] == [four(frame) for frame in range(80)]
            digests.append([pixels_digest(picture) for picture in pictures if picture is not None])
    assert digests[0] == digests[1]


def test_file_and_server_give_the_same_pixels(tmp_path):
    digests = []
    for profile in (True, False):
        with open_fed(tmp_path / str(profile), FOUR, NAMES, profile=profile) as fed:
            digests.append([pixels_digest(fed.picture(frame, four(frame))) for frame in (0, 1, 7)])
    assert digests[0] == digests[1]


@pytest.mark.sample("canvas")
@pytest.mark.parametrize("capture_mode", CAPTURES)
def test_frames_are_the_same_wherever_a_chunk_begins(capture_mode, tmp_path):
    with open_fed(tmp_path / "whole", FOUR, NAMES, capture_mode=capture_mode) as fed:
        whole = [pixels_digest(picture) for picture in fed.frames(0, 40, four) if picture is not None]
    for start in (0, 1, 17, 39):
        with open_fed(tmp_path / str(start), FOUR, NAMES, capture_mode=capture_mode) as fed:
            chunk = fed.frames(start, min(start + 4, 40), four)
            assert [pixels_digest(picture) for picture in chunk if picture is not None] == whole[start : start + 4]


def test_a_page_captured_by_screenshots_shows_each_frame(tmp_path):
    with open_fed(tmp_path, FOUR, NAMES, capture_mode="screenshot") as fed:
        pictures = fed.frames(0, 20, four)
    assert [read_four(picture) for picture in pictures] == [four(frame) for frame in range(20)]


@pytest.mark.parametrize("capture_mode", CAPTURES)
def test_the_same_source_frame_again_costs_no_picture(capture_mode, tmp_path):
    with open_fed(tmp_path, page(), ["v"], capture_mode=capture_mode) as fed:
        pictures = fed.frames(0, 24, lambda frame: {"v": 7 + frame // 12})
        taken = [frame for frame, picture in enumerate(pictures) if picture is not None]
        if capture_mode == "beginframe":
            assert taken == [0, 12]
        else:  # on a busy machine a picture is written twice, and its frame may be followed by an equal one
            assert {0, 12} <= {*taken}
            assert len(taken) < 12
        assert read_all(pictures) == [7 + frame // 12 for frame in range(24)]
        written = fed.value("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
        assert written == 9


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_frames_may_be_sought_backwards_and_again(capture_mode, tmp_path):
    with open_fed(tmp_path, page(), ["v"], capture_mode=capture_mode) as fed:
        assert [read(fed.picture(frame, {"v": frame})) for frame in (9, 3, 4, 3, 200)] == [9, 3, 4, 3, 200]


# Videos without a picture


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_a_video_without_a_picture_shows_what_is_behind_it(capture_mode, tmp_path):
    with open_fed(tmp_path, page(), ["v"], capture_mode=capture_mode) as fed:
        shown = [fed.picture(frame, {"v": number}) for frame, number in enumerate((None, 5, None, 6))]
    assert [read(picture) for picture in shown] == [BLANK, 5, BLANK, 6]
    for blank in (shown[0], shown[2]):
        assert (blank == BLUE).all()


def test_a_video_has_its_size_before_it_has_a_picture(tmp_path):
    body = '<div><video id="v" src="v.mp4"></video><p style="margin:0;width:9px;height:9px;background:#0f0"></div>'
    script = "window.sizes = []; document.querySelector('video').onloadedmetadata = ({ target: v }) => sizes.push(v.offsetWidth, v.offsetHeight)"
    with open_fed(tmp_path, page(body, script, "video{display:block}"), ["v"]) as fed:
        assert fed.value("sizes") == [64, 32]
        assert tuple(fed.picture(0, {"v": None})[36, 4]) == (0, 255, 0)
        assert tuple(fed.picture(1, {"v": 3})[36, 4]) == (0, 255, 0)


def test_a_video_without_a_plan_shows_nothing_and_ends_no_load(tmp_path):
    body = '<video id="v" src="v.mp4"></video><video><source></video>'
    script = "window.heard = []; document.querySelector('video').onloadedmetadata = () => heard.push(1)"
    with open_html(tmp_path, page(body, script), profile=True) as loaded:
        assert loaded.loaded.abandoned == []
        assert loaded.value("[heard.length, document.querySelector('video').offsetWidth]") == [0, 300]


def test_size_follows_pixel_shape_and_rotation(tmp_path):
    wide = replace(planes_of(5, 32, 32), display_width=64)
    turned = planes_of(5, rotation=90)
    body = '<video id="w" src="w.mp4"></video><video id="t" src="t.mp4"></video>'
    shapes = {"w": shape_of(wide), "t": shape_of(turned)}
    with open_fed(tmp_path, page(body, style="video{display:block}"), shapes) as fed:
        states = {
            name: Shown("playing", 0.0, 5, 0.0, fed.feed.put(name, planes))
            for name, planes in (("w", wide), ("t", turned))
        }
        browser_thread().run(fed.page.session.seek(0, videos=states), 15)
        sizes = "[...document.querySelectorAll('video')].map(v => [v.videoWidth, v.videoHeight, v.offsetWidth, v.offsetHeight])"
        assert fed.value(sizes) == [[64, 32, 64, 32], [32, 64, 32, 64]]


# Videos that come and go

HIDING = {
    "visibility": "box.style.visibility = SHOW ? '' : 'hidden'",
    "display": "box.style.display = SHOW ? '' : 'none'",
    "opacity": "box.style.opacity = SHOW ? 1 : 0",
    "off_screen": "box.style.left = SHOW ? 0 : '900px'",
    "size": "box.style.height = SHOW ? '32px' : 0",
    "visibility_of_the_video": "video.style.visibility = SHOW ? '' : 'hidden'",
    "display_of_the_video": "video.style.display = SHOW ? '' : 'none'",
    "scrolling": "outer.scrollTop = SHOW ? 0 : 500",
    "a_cover": "cover.style.display = SHOW ? 'none' : ''",
    "a_cover_that_fades": "cover.style.opacity = SHOW ? 0.1 : 1",
    "a_cover_that_slides": "cover.style.transform = SHOW ? 'translateX(64px)' : ''",
    "content_visibility": "box.style.contentVisibility = SHOW ? '' : 'hidden'",
    "removal": "SHOW ? box.append(video) : video.remove()",
    "removal_of_a_parent": "SHOW ? outer.append(box) : box.remove()",
    "another_parent": "(SHOW ? box : outer).prepend(video); video.style.visibility = SHOW ? '' : 'hidden'",
}


COVERED = {code: "" for name, code in HIDING.items() if "cover" in name}


@pytest.mark.sample("visibility_of_the_video-beginframe", "visibility-beginframe", "a_cover_that_slides-beginframe")
@pytest.mark.parametrize("capture_mode", CAPTURES)
@pytest.mark.parametrize("code", sampled(HIDING.values(), one_of=5), ids=HIDING)
def test_a_video_that_comes_into_sight_shows_its_own_frame(code, capture_mode, tmp_path):
    body = f'''<div id="outer" style="position:absolute;width:64px;height:32px;overflow:hidden"><div id="box" style="{BOX};left:0;top:0;overflow:hidden">
      {VIDEO}</div><p style="height:600px"></p></div><div id="cover" style="{BOX};left:0;top:0;background:#222;will-change:transform;{COVERED.get(code, "display:none")}"></div>'''
    script = f"""const [outer, box, video, cover] = ["outer", "box", "v", "cover"].map((id) => document.getElementById(id));
      addEventListener("hf-seek", ({{ detail: {{ time }} }}) => {{ const SHOW = Math.round(time * 30) % 3 === 2; {code} }})"""
    with open_fed(tmp_path, page(body, script), ["v"], capture_mode=capture_mode) as fed:
        seen = read_all(fed.frames(0, 36, lambda frame: {"v": frame + 100}, damage_test=False))
    assert seen == [frame + 100 if frame % 3 == 2 else BLANK for frame in range(36)]


def test_a_picture_waits_for_messages_about_the_drawing_before_it_if_anything_moved(monkeypatch, tmp_path):
    script = """addEventListener("hf-seek", ({ detail: { time } }) => { box.style.left = `${Math.round(time * 30) * 2}px` })"""
    body = f'{VIDEO}<div id="box" style="{BOX};top:32px;background:#fff"></div>'
    calls: list[str] = []
    with open_fed(tmp_path, page(body, script), ["v"]) as fed:
        session = fed.page.session
        evaluate, begin_frame = session.evaluate, session.begin_frame

        async def evaluated(expression: str) -> object:
            calls.append(expression.partition("(")[0])
            return await evaluate(expression)

        async def begun(*, screenshot: bool) -> dict[str, object]:
            calls.append("picture" if screenshot else "drawing")
            return await begin_frame(screenshot=screenshot)

        monkeypatch.setattr(session, "evaluate", evaluated)
        monkeypatch.setattr(session, "begin_frame", begun)
        assert read_all(fed.frames(3, 4, lambda frame: {"v": frame})) == [3]
    calls = [call for call, _ in groupby(calls)]  # a page that answers late gets more drawings
    passing = calls.index("__hfdask.passVideos")
    around = ["__hfdask.frame", "drawing", "__hfdask.passVideos", "drawing", "picture"]
    assert calls[passing - 2 : passing + 3] == around


SCENE = "position:absolute;inset:0"
TRANSITION = """HyperShader.init({ bgColor: "#00f", scenes: ["first", "second"],
  transitions: [{ time: 0.1, shader: "flash-through-white", duration: 7 }] })"""


def test_copies_of_videos_in_a_transition_by_a_shader_show_the_frame(tmp_path):
    """The first scene is seen first: a frame of its transition shows the picture that its video shows in this frame."""
    libraries = COMPOSITIONS / "shader_transition" / "vendor"
    files = {name: (libraries / name).read_bytes() for name in ("gsap.min.js", "index.global.js")}
    body = f'<div id="first" class="scene" style="{SCENE}">{VIDEO}</div><div id="second" class="scene" style="{SCENE};background:#00f"></div>'
    html = page(body, TRANSITION).replace(
        "<script>", "".join(f"<script src={name}></script>" for name in files) + "<script>"
    )
    for start in (0, 9):
        with open_fed(tmp_path / str(start), html, ["v"], files=files) as fed:
            pictures = fed.frames(start, 24, lambda frame: {"v": frame})
            assert read_all(pictures) == list(range(start, 24))
            assert fed.page.session.log.messages == []
            assert fed.page.value("document.querySelectorAll('video').length") == 1
            assert fed.page.value("document.querySelectorAll('#first').length") == 2


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_a_clip_of_a_host_shows_its_first_frame(capture_mode, tmp_path):
    files = {
        "scene.html": f'<template><div data-composition-id="s" data-width="64" data-height="64">{VIDEO}</div></template>'
    }
    body = '<div data-composition-id="s" data-composition-src="scene.html" data-start="0.1" data-duration="0.19"></div>'
    for start in (0, 4):
        with open_fed(tmp_path / str(start), page(body), ["v"], files=files, capture_mode=capture_mode) as fed:
            seen = read_all(fed.frames(start, 12, lambda frame: {"v": frame + 100}, damage_test=False))
            assert seen == [frame + 100 if 3 <= frame < 9 else BLANK for frame in range(start, 12)]


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_a_video_that_a_script_adds_shows_from_that_frame_on(capture_mode, tmp_path):
    script = f"""addEventListener("hf-seek", ({{ detail: {{ time }} }}) => {{
        const is = document.getElementById("v"), due = time > 0.09 && time < 0.15;
        if (due && !is) document.getElementById("root").insertAdjacentHTML("beforeend", `{VIDEO}`);
        if (!due) is?.remove() }})"""
    for start in (0, 3):
        with open_fed(tmp_path / str(start), page("", script), ["v"], capture_mode=capture_mode) as fed:
            pictures = [fed.picture(frame, {"v": frame + 100}) for frame in range(start, 7)]
            assert [read(each) for each in pictures] == [
                frame + 100 if frame in (3, 4) else BLANK for frame in range(start, 7)
            ]


def test_a_video_made_by_script_asks_for_no_file(tmp_path):
    script = """const v = document.createElement("video"); v.id = "v"; v.src = "v.mp4"; v.style.cssText = "position:absolute;left:0;top:0";
      document.getElementById("root").append(v)"""
    with open_fed(tmp_path, page("", script), ["v"]) as fed:
        assert read(fed.picture(0, {"v": 9})) == 9
        assert fed.page.session.site.misses == []
        assert fed.value("performance.getEntriesByType('resource').map(({ name }) => name)") == []


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_a_page_becomes_ready_however_long_its_new_videos_take(capture_mode, monkeypatch, tmp_path):
    """The host looks at the page several times before the worker has written the picture of a video."""
    writes = "for (const job of asked.write) await write(job);"
    slow = "await new Promise((done) => setTimeout(done, 150));" + writes
    change_script(monkeypatch, session, "video_worker", writes, slow)
    script = f"""let left = 60; function add() {{ if (left-- > 0) return void setTimeout(add, 5);
      document.getElementById("root").insertAdjacentHTML("beforeend", `{VIDEO.replace('"v"', '"w"')}`) }} add()"""
    with open_fed(tmp_path, page(VIDEO, script), ["v", "w"], capture_mode=capture_mode, load_timeout=12.0) as fed:
        assert fed.page.loaded.abandoned == []
        assert read(fed.picture(2, {"v": 7, "w": 9})) == 9


@pytest.mark.slow
def test_a_video_outside_of_the_page_is_told_of_no_error_and_shows_once_it_is_inside(tmp_path):
    script = f"""const outside = document.createElement("div"), told = window.told = []; outside.innerHTML = `{VIDEO}`;
      const video = outside.firstChild; for (const type of ["error", "abort", "emptied"]) video.addEventListener(type, () => told.push(type));
      addEventListener("hf-seek", ({{ detail: {{ time }} }}) => time > 0.05 && root.append(outside))"""
    with open_fed(tmp_path, page("", script), ["v"]) as fed:
        shown = [read(fed.picture(frame, {"v": 60 + frame})) for frame in range(4)]
        assert shown == [BLANK, BLANK, 62, 63]
        assert fed.value("told") == []
        assert fed.page.session.site.misses == []


def test_controls_and_posters_are_not_seen(tmp_path):
    plain = VIDEO.replace("<video ", "<video controls poster=p.svg ")
    files = {"p.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"}
    with open_fed(tmp_path / "a", page(), ["v"]) as fed:
        expected = [pixels_digest(fed.picture(frame, {"v": number})) for frame, number in enumerate((None, 3))]
    with open_fed(tmp_path / "b", page(plain), ["v"], files=files) as fed:
        seen = [pixels_digest(fed.picture(frame, {"v": number})) for frame, number in enumerate((None, 3))]
    assert seen == expected


@pytest.mark.sample("beginframe")
@pytest.mark.parametrize("capture_mode", CAPTURES)
def test_what_observers_change_shows_the_frame_of_its_time(capture_mode, tmp_path):
    body = f'<div id="box" style="{BOX};left:0;top:0">{VIDEO}</div><i id="grows" style="position:absolute;width:1px;height:1px"></i>'
    script = """const [box, grows] = ["box", "grows"].map((id) => document.getElementById(id));
      new ResizeObserver(([{ contentRect: { width } }]) => { box.style.visibility = width === 3 ? "visible" : "hidden" }).observe(grows);
      addEventListener("hf-seek", ({ detail: { time } }) => { grows.style.width = `${1 + (Math.round(time * 30) % 3)}px` })"""
    with open_fed(tmp_path, page(body, script), ["v"], capture_mode=capture_mode) as fed:
        seen = read_all(fed.frames(0, 18, lambda frame: {"v": frame + 100}, damage_test=False))
    assert seen == [frame + 100 if frame % 3 == 2 else BLANK for frame in range(18)]


@pytest.mark.parametrize("capture_mode", MOSTLY)
def test_another_source_keeps_the_picture(capture_mode, tmp_path):
    script = "addEventListener('hf-seek', ({ detail: { time } }) => { if (time > 0.05) document.getElementById('v').src = `o${time}.mp4` })"
    with open_fed(tmp_path, page(VIDEO, script), ["v"], capture_mode=capture_mode) as fed:
        assert [read(fed.picture(frame, {"v": 40 + frame // 2})) for frame in range(8)] == [
            40 + frame // 2 for frame in range(8)
        ]
        assert fed.page.session.site.misses == []


def test_a_copy_is_a_video_of_its_own(tmp_path):
    script = "const v = document.getElementById('v'), copy = v.cloneNode(true); copy.style.top = '32px'; v.after(copy)"
    with open_fed(tmp_path, page(VIDEO, script), ["v", "v__hf2"]) as fed:
        picture = fed.picture(0, {"v": 1, "v__hf2": 2})
        assert (read(picture), read(picture, top=32)) == (1, 2)


def test_a_video_that_planning_did_not_see_stays_empty_with_a_message(tmp_path):
    with open_fed(tmp_path, page(VIDEO + VIDEO.replace('"v"', '"w"').replace("top:0", "top:32px")), ["v"]) as fed:
        picture = fed.picture(0, {"v": 1})
        assert (read(picture), read(picture, top=32)) == (1, BLANK)
        assert [
            message
            for message in fed.page.session.log.messages
            if '<video "w"> was not there during planning' in message
        ]


# Places of a video in a page

INSIDE = {
    "an_iframe": f'<iframe srcdoc=\'<body style="margin:0">{VIDEO}\' style="{BOX};left:0;top:0;border:0"></iframe>',
    "an_iframe_in_an_iframe": "<iframe srcdoc='<body style=margin:0><iframe src=inner.html style=border:0;width:64px;height:32px>' "
    f'style="{BOX};left:0;top:0;border:0"></iframe>',
    "a_declared_tree": f'<div><template shadowrootmode="open">{VIDEO}</template></div>',
    "a_closed_tree": f'<div><template shadowrootmode="closed">{VIDEO}</template></div>',
    "a_tree_of_a_script": f'<div id="host"></div><script>host.attachShadow({{ mode: "closed" }}).innerHTML = `{VIDEO}`</script>',
    "a_source_element": VIDEO.replace('src="v.mp4"', "").replace(
        "></video>", "><source src=v.webm><source src=v.mp4></video>"
    ),
    "a_custom_element": VIDEO.replace("<video ", '<video is="my-video" ')
    + '<script>customElements.define("my-video", class extends HTMLVideoElement {}, { extends: "video" })</script>',
    "a_picture_behind_a_clip_path": f'<div style="{BOX};left:0;top:0;clip-path:inset(0)">{VIDEO}</div>',
}


@pytest.mark.sample("an_iframe-beginframe", "a_tree_of_a_script-beginframe")
@pytest.mark.parametrize("capture_mode", MOSTLY)
@pytest.mark.parametrize("body", sampled(INSIDE.values(), one_of=2), ids=INSIDE)
def test_a_video_is_fed_in(body, capture_mode, tmp_path):
    files = {"inner.html": f'<body style="margin:0">{VIDEO}'}
    with open_fed(tmp_path, page(body), ["v"], files=files, capture_mode=capture_mode) as fed:
        assert [read(fed.picture(frame, {"v": frame + 30})) for frame in range(6)] == [frame + 30 for frame in range(6)]
        assert fed.page.session.site.misses == []


# What scripts draw


@pytest.mark.parametrize("capture_mode", CAPTURES)
def test_scripts_draw_the_frame_of_their_time(capture_mode, tmp_path):
    script = """
      const video = document.getElementById("v"), [flat, deep] = document.querySelectorAll("canvas"), context = flat.getContext("2d");
      const gl = deep.getContext("webgl2", { preserveDrawingBuffer: true });
      const shader = (type, text) => { const s = gl.createShader(type); gl.shaderSource(s, text); gl.compileShader(s); gl.attachShader(program, s) };
      const program = gl.createProgram();
      shader(gl.VERTEX_SHADER, `#version 300 es
        out vec2 at; void main() { at = vec2(gl_VertexID & 1, gl_VertexID >> 1); gl_Position = vec4(at * 2. - 1., 0, 1); at.y = 1. - at.y; }`);
      shader(gl.FRAGMENT_SHADER, `#version 300 es
        precision highp float; in vec2 at; uniform sampler2D map; out vec4 colour; void main() { colour = texture(map, at); }`);
      gl.linkProgram(program); gl.useProgram(program); gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      const draw = () => {
        context.clearRect(0, 0, 64, 32); context.drawImage(video, 0, 0);
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, video); gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
        requestAnimationFrame(draw) };
      requestAnimationFrame(draw)"""
    hidden = VIDEO.replace("left:0", "left:0;visibility:hidden")
    canvases = "".join(
        f'<canvas width=64 height=32 style="position:absolute;left:0;top:{top}px"></canvas>' for top in (0, 32)
    )
    with open_fed(tmp_path, page(hidden + canvases, script), ["v"], capture_mode=capture_mode) as fed:
        for frame in range(12):
            picture = fed.picture(frame, {"v": frame + 60})
            assert (read(picture), read(picture, top=32)) == (frame + 60, frame + 60)


STALLS = "if (picture !== null) return frame.close();"


@pytest.mark.parametrize("capture_mode", [pytest.param("beginframe", marks=pytest.mark.slow), "canvas"])
def test_a_video_that_does_not_show_its_picture_ends_the_frame_in_time(capture_mode, monkeypatch, tmp_path):
    writes = "await writers.get(stream).write(frame);"
    change_script(monkeypatch, session, "video_worker", writes, STALLS + writes)
    with (
        pytest.raises(PageTimeoutError, match=r"frame 3 was not drawn within 1 s"),
        open_fed(tmp_path, page(), ["v"], capture_mode=capture_mode, frame_timeout=1.0) as fed,
    ):
        fed.picture(3, {"v": 9})


@pytest.mark.slow
def test_a_picture_from_a_canvas_waits_for_a_video_that_is_written_last(monkeypatch, tmp_path):
    """The browser may record the page's videos with their last pictures before that."""
    writes = "for (const job of asked.write) await write(job);"
    with open_fed(tmp_path / "a", page(), ["v"], capture_mode="canvas") as fed:
        assert read(fed.picture(3, {"v": 9})) == 9
    holds = "self.plays ||= asked.write.some(({ picture }) => picture);" + writes.replace(
        "await", "if (job.picture || !self.plays) await"
    )
    change_script(monkeypatch, session, "video_worker", writes, holds)
    with (
        pytest.raises(PageTimeoutError, match=r"frame 3 was not drawn within 1 s"),
        open_fed(tmp_path / "b", page(), ["v"], capture_mode="canvas", frame_timeout=1.0) as fed,
    ):
        fed.picture(3, {"v": 9})


# Cost


@pytest.mark.slow
@pytest.mark.parametrize("capture_mode", CAPTURES)
def test_memory_stays_flat_over_600_frames(capture_mode, monkeypatch, tmp_path):
    monkeypatch.setattr(capturing, "_DECODED", 10_000_000)
    planes = planes_of(1, 640, 360)
    body = VIDEO.replace("object-fit:fill", "")
    with open_fed(tmp_path, page(body), {"v": shape_of(planes)}, capture_mode=capture_mode) as fed:

        async def states(frame: int) -> dict[str, Shown]:
            return {"v": Shown("playing", 0, frame, 0, fed.feed.put("v", planes_of(frame % 256, 640, 360)))}

        async def shoot(start: int, end: int) -> None:
            async for shot in capture(fed.page.session, start, end, videos=states):
                assert shot.picture is not None
                shot.picture.keep()

        def run(start: int, end: int) -> int:
            browser_thread().run(shoot(start, end), 120)
            return fed.page.session.chromium.memory.measure() + psutil.Process(os.getpid()).memory_info().rss

        before = run(0, 100)
        assert run(100, 600) < before + 30e6  # 500 pictures are 170 MB, and decoded 460 MB
