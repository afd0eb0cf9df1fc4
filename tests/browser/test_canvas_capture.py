"""Pictures that are taken from a canvas of a host page: the same page, the same frames, and nothing of the host for the page."""

from __future__ import annotations

import asyncio
import math
import os
from typing import Any

import numpy as np
import pytest
from media_samples import pixels_digest
from page_samples import GREEN, RED, Page, box, change_script, composition, open_html, svg
from slow import sampled
from video_pages import open_fed, read

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread, capabilities, chromium, host, page_opening
from hfdask.browser.calls import Patience
from hfdask.browser.capture import capture
from hfdask.browser.host import SLOTS
from hfdask.media.captured import PixelPicture

pytestmark = pytest.mark.browser

MOVES = "@keyframes go { to { transform: translateX(40px) } }"
MOVING = composition(box('id="box"', "#f00", "inset:0 44px 44px 0;animation:go 1s steps(10) both"), style=MOVES)
DRAWING = composition(
    '<canvas width="20" height="20" style="position:absolute;left:10px;top:30px"></canvas>',
    """const pen = document.querySelector("canvas").getContext("2d");
    let drawn; requestAnimationFrame(function draw(now) { requestAnimationFrame(draw);
      const color = now < 500 ? "#00f" : "#0f0"; if (color === drawn) return;
      pen.fillStyle = drawn = color; pen.fillRect(0, 0, 20, 20) })""",
)


def hosted(folder: Any, html: str, **options: Any) -> Any:
    return open_html(folder, html, capture_mode="canvas", **options)


def run(coroutine: Any) -> Any:
    return browser_thread().run(coroutine, 60)


@pytest.mark.sample("canvas")
@pytest.mark.parametrize("html", [MOVING, DRAWING], ids=["styles", "canvas"])
def test_both_modes_draw_the_same_pixels(html, tmp_path):
    seen = {}
    for mode in ("beginframe", "canvas"):
        with open_html(tmp_path / mode, html, capture_mode=mode) as page:
            seen[mode] = page.digests(0, 30)
    assert seen["canvas"] == seen["beginframe"]
    assert len(set(seen["canvas"])) > 1


def test_if_the_process_of_a_page_ends_its_error_names_the_other_way_of_capture(tmp_path):
    with hosted(tmp_path, MOVING) as page:
        for process in page.session.chromium.processes.all():
            if "--type=renderer" in process.cmdline():
                process.kill()
        with pytest.raises(errors.BrowserCrashError, match=r"frame 0 was not drawn: .*use capture='beginframe'"):
            page.digests(0, 9)


def shots(page: Page, start: int, end: int, **options: Any) -> list[Any]:
    async def take() -> list[Any]:
        return [(shot.picture and shot.picture.keep()) async for shot in capture(page.session, start, end, **options)]

    return run(take())


def test_a_frame_has_a_picture_only_if_something_changed(tmp_path):
    turns = (
        """addEventListener("hf-seek", ({ detail: { time } }) => { if (time >= 0.5) root.style.background = "#0f0" })"""
    )
    with hosted(tmp_path / "a", composition("", turns)) as page:
        assert [number for number, shot in enumerate(shots(page, 0, 30)) if shot] == [0, 15]
        pictures = shots(page, 0, 20, damage_test=False)
        assert len({pixels_digest(picture.pixels) for picture in pictures}) == 1
    with hosted(tmp_path / "b", DRAWING) as page:  # no style, no node and no animation changes
        assert [number for number, shot in enumerate(shots(page, 1, 30)) if shot] == [0, 14]


def test_what_is_drawn_while_a_seek_waits_is_in_the_picture(tmp_path):
    slow = """const pen = document.querySelector("canvas").getContext("2d");
      addEventListener("hf-seek", ({ detail: { time, waitUntil } }) => {
        if (time < 0.5 || pen.done) return;
        pen.done = true; pen.fillStyle = "#0f0"; pen.fillRect(0, 0, 64, 64);
        waitUntil(fetch("a.txt").then(() => new Promise((done) => { const begun = Date.now(); let left = 40;
          (function again() { left-- > 0 ? fetch("a.txt", { cache: "no-store" }).then(again) : done() })() }))) })"""
    with hosted(tmp_path, composition('<canvas width="64" height="64"></canvas>', slow), files={"a.txt": "x"}) as page:
        assert page.pixel(14) == (0, 0, 0)
        assert page.pixels(15)[5, 5].tolist() == [*GREEN]
        assert [shot is None for shot in shots(page, 16, 19)] == [False, True, True]


LATE_CANVAS = """
  let pen; addEventListener("hf-seek", ({ detail: { time } }) => {
    const frame = Math.round(time * 30);
    if (frame === 10) { const made = document.createElement("canvas"); made.width = made.height = 20; HOST.append(made);
      pen = made.getContext("KIND"); }
    if (pen && frame % 5 === 0) requestAnimationFrame(() => {
      if (pen.fillRect) { pen.fillStyle = `rgb(${frame * 4}, 0, 0)`; pen.fillRect(0, 0, 20, 20) }
      else { pen.clearColor(frame / 60, 0, 0, 1); pen.clear(pen.COLOR_BUFFER_BIT) } });
    document.querySelector("#box").style.left = `${Math.min(frame, 12)}px` })"""


@pytest.mark.sample("root-2d", "root-webgl")
@pytest.mark.parametrize("kind", ["2d", "webgl"])
@pytest.mark.parametrize("host", ["root", 'document.querySelector("#box").attachShadow({ mode: "open" })'])
def test_a_canvas_that_comes_late_is_seen_to_change(kind, host, tmp_path):
    # Frames 0 to 12 move, so their pictures are taken without displaying the page. After that only the canvas changes.
    script = LATE_CANVAS.replace("KIND", kind).replace("HOST", host)
    with hosted(tmp_path, composition(box('id="box"', "#00f", "width:20px;height:20px"), script)) as page:
        taken = [number for number, shot in enumerate(shots(page, 0, 32)) if shot]
        assert [number for number in taken if number > 13] == [15, 20, 25, 30]
        assert {*range(13)} <= {*taken}


def test_pictures_wait_for_their_reader_and_are_not_overwritten(tmp_path):
    numbered = """addEventListener("hf-seek", ({ detail: { time } }) => {
      document.body.style.background = `rgb(${Math.round(time * 30)}, 0, 0)` })"""
    with hosted(tmp_path, composition("", numbered, style="#root{background:none!important}")) as page:

        async def late() -> tuple[int, list[int]]:
            held: list[PixelPicture] = []

            async def take() -> None:
                async for shot in capture(page.session, 0, 12):
                    assert isinstance(shot.picture, PixelPicture)
                    held.append(shot.picture)

            taking = asyncio.ensure_future(take())
            while len(held) < SLOTS - 1:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            waiting = len(held)
            reds: list[int] = []
            while len(reds) < 12:
                if held:
                    reds.append(int(held.pop(0).keep().pixels[5, 5, 0]))
                await asyncio.sleep(0.01)
            await taking
            return waiting, reds

        assert run(late()) == (SLOTS, [*range(12)]) or run(late()) == (SLOTS - 1, [*range(12)])


SELF = """[parent === window, frameElement, document.referrer, document.hasFocus(), innerWidth, innerHeight, history.length > 0,
  document.visibilityState, devicePixelRatio, location.href]"""


def test_a_hosted_page_sees_itself_as_the_top_window(tmp_path):
    seen = []
    for mode in ("beginframe", "canvas"):
        with open_html(tmp_path / mode, MOVING, capture_mode=mode) as page:
            seen.append(page.value(SELF))
    assert seen[0] == seen[1]


NAMES = """Object.getOwnPropertyNames(window).flatMap((name) => { const kind = window[name];
  const members = typeof kind === "function" && kind.prototype ? Object.getOwnPropertyNames(kind.prototype) : [];
  return /^\\d+$/.test(name) ? [] : [name, ...members.map((member) => `${name}.${member}`)] }).sort()"""


def test_a_page_finds_the_same_built_ins_in_each_mode_of_capture(tmp_path):
    seen = {}
    for mode in ("screenshot", "beginframe", "canvas"):
        with open_html(tmp_path / mode, MOVING, capture_mode=mode) as page:
            seen[mode] = page.value(NAMES)
    assert "HTMLCanvasElement.getContext" in seen["canvas"]
    assert {*seen["beginframe"]} ^ {*seen["screenshot"]} == set()
    assert {*seen["canvas"]} ^ {*seen["screenshot"]} == set()


def test_nothing_of_the_host_can_be_reached(tmp_path):
    look = """(() => { const frame = document.createElement("iframe"); document.body.append(frame);
      const plain = new Set(Object.getOwnPropertyNames(frame.contentWindow));
      frame.remove();
      return Object.getOwnPropertyNames(top).filter((name) => !plain.has(name) && !/^\\d+$/.test(name)) })()"""
    with hosted(tmp_path, MOVING) as page:
        assert page.value(look) == []


def test_a_page_that_changes_the_hosts_built_ins_has_the_same_pictures(tmp_path):
    wreck = """for (const [kind, names] of [["HTMLCanvasElement", ["captureElementImage", "requestPaint"]], ["Worker", ["postMessage"]],
        ["Promise", ["then"]], ["EventTarget", ["addEventListener"]], ["Array", ["push"]]])
      for (const name of names) top[kind].prototype[name] = () => { throw new Error("no") };
    Object.defineProperty(top.HTMLIFrameElement.prototype, "contentWindow", { get: () => ({ __hfdask: {} }) });"""
    with hosted(tmp_path / "a", MOVING) as page:
        whole = page.digests(0, 10)
    with hosted(tmp_path / "b", MOVING.replace("<script>", f"<script>{wreck}")) as page:
        assert page.digests(0, 10) == whole


BREAKS = {
    "removes the canvas": ("top.document.body.remove()", errors.PageTimeoutError, "frame 1. was not drawn"),
    "navigates the host": ('top.location.href = "/index.html?2"', errors.NavigationError, "navigated to .*index.html"),
    "navigates itself": ('location.href = "/index.html?2"', errors.NavigationError, "navigated to .*index.html"),
    "never answers": ("for (;;);", errors.PageTimeoutError, "frame 15 was not drawn"),
}


@pytest.mark.sample("navigates itself")
@pytest.mark.parametrize("name", sampled(BREAKS, 2))
def test_a_page_that_breaks_its_host_breaks_only_its_own_render(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Patience, "close", 3.0)
    script, kind, message = BREAKS[name]
    script = f"""addEventListener("hf-seek", ({{ detail: {{ time }} }}) => {{ if (time >= 0.5) {{ {script} }} }})"""
    moving = MOVING.replace("<script>", f"<script>{script}")
    with pytest.raises(kind, match=message), hosted(tmp_path / "a", moving, frame_timeout=2.0) as page:
        page.frames(0, 30)
    with hosted(tmp_path / "b", MOVING) as page:
        assert page.pixel(0) == RED


def test_a_page_that_cannot_be_closed_keeps_its_error_and_its_browser_is_not_used_again(tmp_path, monkeypatch):
    async def refuse(*_: object) -> None:
        raise errors.BrowserCrashError("it did not close a page")

    fails = composition("", "addEventListener('hf-seek', () => { throw new Error('oops') })")
    browser: list[chromium.Chromium] = []

    def visit() -> None:
        with hosted(tmp_path / "a", fails) as page:
            browser.append(page.session.chromium)
            page.seek(3)

    with monkeypatch.context() as patch:
        patch.setattr(page_opening, "_close", refuse)
        with pytest.raises(errors.ScriptError, match="oops"):
            visit()
    assert not browser[0].alive
    with hosted(tmp_path / "b", MOVING) as page:
        assert page.session.chromium is not browser[0]


WORKERS = {
    "fails": ("throw new Error('no pixels')", errors.CaptureError, "cannot be drawn into a canvas: .*no pixels"),
    "hangs": ("await new Promise(() => {})", errors.PageTimeoutError, "frame 0 was not drawn within 2 s"),
}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_that_gives_no_picture_is_an_error(name, tmp_path, monkeypatch):
    spoilt, kind, message = WORKERS[name]
    change_script(monkeypatch, host, "picture_worker", "await shot.copyTo(pixels)", spoilt)
    with pytest.raises(kind, match=message), hosted(tmp_path, MOVING, frame_timeout=2.0) as page:
        page.frames(0, 3)


def test_a_worker_without_room_is_an_error(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(errors.CaptureError, match="no room for 0 MiB of pictures"), hosted(tmp_path, MOVING):
        pass


@pytest.mark.slow
def test_a_browser_without_the_feature_is_refused(monkeypatch):
    hfdask.close_browsers()
    capabilities.canvas_fault.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(chromium, "_CANVAS_FLAGS", ())
        with pytest.raises(errors.BrowserLaunchError, match="cannot draw elements into a canvas"):
            capabilities.capture_mode("canvas")
    capabilities.canvas_fault.cache_clear()
    hfdask.close_browsers()
    assert capabilities.capture_mode("canvas") == "canvas"


def test_a_browser_that_draws_a_canvas_elsewhere_is_refused(monkeypatch):
    capabilities.canvas_fault.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(capabilities, "_TRIAL", capabilities._TRIAL.replace("left:8px", "left:9px"))
        with pytest.raises(errors.BrowserLaunchError, match="draws a page with a canvas wrong"):
            capabilities.capture_mode("canvas")
    capabilities.canvas_fault.cache_clear()


PLACES = ["position:fixed;left:7px;top:9px;rotate:90deg", "position:absolute;left:7px;top:9px", "margin:9px 7px"]


@pytest.mark.parametrize("place", sampled(PLACES))
def test_nested_canvases_are_drawn_at_their_place(place, tmp_path):
    canvas = f'<div style="opacity:.99;filter:contrast(1)"><canvas width="20" height="10" style="display:block;{place}"></canvas></div>'
    draw = 'const pen = document.querySelector("canvas").getContext("2d"); pen.fillStyle = "#00f"; pen.fillRect(0, 0, 20, 10)'
    seen = []
    for mode in ("beginframe", "canvas"):
        with open_html(tmp_path / mode, composition(canvas, draw), capture_mode=mode) as page:
            seen.append(page.pixels(0).astype(int))
    assert np.abs(seen[0] - seen[1]).max() <= 1
    assert (seen[1][..., 2] > 200).sum() == 200


def test_videos_show_their_frames(tmp_path):
    video = '<video id="v" src="v.mp4" style="position:absolute;left:0;top:0"></video>'
    with open_fed(tmp_path, composition(video), ["v"], capture_mode="canvas") as fed:
        assert [read(fed.picture(frame, {"v": number})) for frame, number in enumerate((3, 7, 7, 200))] == [
            3,
            7,
            7,
            200,
        ]


UNFIT = {
    "a 3D scene": '<div style="transform-style:preserve-3d"><p>x</p></div>',
    "a hidden back face": '<div style="backface-visibility:hidden">x</div>',
    "a backdrop filter": '<div style="backdrop-filter:blur(2px)">x</div>',
    "a scaled canvas": '<canvas width="8" height="8" style="width:16px"></canvas>',
    "a canvas with a border or padding": '<canvas width="8" height="8" style="border:1px solid"></canvas>',
    "a canvas in a shadow tree": '<div><template shadowrootmode="open"><canvas></canvas></template></div>',
    "a picture from another site": '<img src="http://elsewhere.example/a.png" width="8" height="8">',
    "a frame from another site, or in a sandbox": '<iframe sandbox srcdoc="x"></iframe>',
    "a popover or a dialog": "<p popover>x</p>",
}
FIT = """<canvas width="8" height="8"></canvas><img src="a.svg"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<iframe srcdoc="x"></iframe><div style="background:url(a.svg)">x</div><div style="display:none;backdrop-filter:blur(2px)"></div>"""


def test_content_that_is_drawn_wrong_is_found(tmp_path):
    with open_html(tmp_path / "a", composition("".join(UNFIT.values()))) as page:
        found = run(page.session.unfit())
    assert [text.partition(" (<")[0] for text in found] == sorted(UNFIT)
    with open_html(tmp_path / "b", composition(FIT), {"a.svg": svg("#0f0")}) as page:
        assert run(page.session.unfit()) == ()


@pytest.mark.parametrize(
    ("body", "script", "what"),
    [
        ("<dialog>x</dialog>", "", "a popover or a dialog (<dialog>)"),
        ("<dialog id='it'>x</dialog>", "it.showModal()", 'a popover or a dialog (<dialog "it">)'),
        ("", "document.startViewTransition(() => {})", "a view transition (<html>)"),
    ],
)
def test_what_may_be_drawn_alone_is_found_before_and_after_it_shows(body, script, what, tmp_path):
    with open_html(tmp_path, composition(body, script)) as page:
        assert run(page.session.unfit()) == (what,)


def test_a_plan_warns_of_content_that_is_drawn_wrong(project, tmp_path):
    source = project(
        composition(
            UNFIT["a backdrop filter"].replace("<div", '<div id="glass"'), root='data-duration="0.2" data-no-timeline'
        )
    )
    plan = hfdask.plan(source, tmp_path / "plan", capture="canvas")
    text = "captured from a canvas, a backdrop filter (<div \"glass\">) may be drawn wrong: use capture='beginframe'"
    assert plan.manifest.warnings == (text,)
    assert hfdask.plan(source, tmp_path / "other").manifest.warnings == ()


@pytest.mark.slow
def test_stills_videos_and_certificates_are_of_the_same_pictures(project, tmp_path):
    source = project(MOVING.replace('data-duration="2"', 'data-duration="0.6"'))
    options: dict[str, Any] = {"capture": "canvas", "chunk_size": 7}
    video = hfdask.render(source, tmp_path / "a.mp4", plan_dir=tmp_path / "plan", certificate=True, **options)
    assert {chunk.capture_mode for chunk in video.chunks} == {"canvas"}
    assert hfdask.verify(tmp_path / "a.mp4", sample=5).checked == (0, 4, 8, 13, 17)
    again = hfdask.render(source, tmp_path / "b.mp4", plan_dir=tmp_path / "plan", **options)
    assert all(chunk.reused for chunk in again.chunks)
    assert again.digest == video.digest
    for mode in ("canvas", "beginframe"):
        hfdask.still(source, 0.3, tmp_path / f"{mode}.png", capture=mode)
    assert (tmp_path / "canvas.png").is_file()
    assert hfdask.compare(tmp_path / "canvas.png", tmp_path / "beginframe.png").min_psnr == math.inf


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pictures_of_a_canvas(project, tmp_path):
    """A recording holds what the page's canvases showed, and only a garbage collection frees it."""
    script = "pen = c.getContext('2d'); addEventListener('hf-seek', e => pen.fillRect(e.detail.time * 300, 0, 9, 900))"
    page = """<div id="root" data-composition-id="c" data-width="1920" data-height="1080" data-duration="{}" data-no-timeline>
    <canvas id="c" width="1920" height="1080"></canvas><script>{}</script></div>"""
    peaks = []
    for seconds in (2, 5):
        source = project(page.format(seconds, script))
        video = hfdask.render(
            source, tmp_path / "out.mp4", capture="canvas", chunk_size=3600, check="off", progress=False
        )
        assert (len(video.chunks), video.static_frames) == (1, 0)
        peaks.append(video.chunks[0].browser_bytes)
    assert peaks[1] - peaks[0] < 45 * 1920 * 1080 * 4  # of 90 frames more


SCROLLER = (
    '<div id="box" style="position:absolute;left:0;top:0;width:60px;height:40px;overflow:hidden">'
    '<div style="height:500px;background:linear-gradient(#f00,#00f)"></div></div>'
)
MARK = ".x { position: absolute; width: 9px; height: 9px; background: #0f0; left: 0 }"
WORDS = '<p style="color:#fff">some words</p>'
# What each does at frame n. No node and no attribute of the document changes.
CHANGES_OF_NO_NODE = {
    "a scroll": (SCROLLER, "box.scrollTop = n * 3"),
    "a scroll after a wait": (SCROLLER, "waitUntil(fetch('index.html').then(() => { box.scrollTop = n * 3 }))"),
    "a rule": (f"<style id='rules'>{MARK}</style><i class='x'></i>", "rules.sheet.cssRules[0].style.left = n + 'px'"),
    "a sheet": ("<i class='x'></i>", f"sheet.replaceSync('{MARK[:-10]} left: ' + n + 'px }}')"),
    "a state of a field": (
        f"<style>{MARK} :has(:checked) .x {{ left: 20px }}</style><input type='checkbox' id='box'><i class='x'></i>",
        "box.checked = n % 4 > 1",
    ),
    "a value": ("<textarea id='box' style='caret-color: transparent'></textarea>", "box.value = 'x'.repeat(n % 6)"),
    "a selection": (WORDS, "getSelection().setBaseAndExtent(words, 0, words, n % 10)"),
    "a highlight": (
        f"<style>::highlight(it) {{ background: #0f0 }}</style>{WORDS}",
        "const range = new Range(); range.setEnd(words, n % 9 + 1); range.setStart(words, 0); CSS.highlights.set('it', new Highlight(range))",
    ),
}
WAYS_OF_SCRIPTS = {
    "hf-seek": "addEventListener('hf-seek', ({ detail }) => go(detail.time, detail.waitUntil))",
    "timers": "setInterval(() => go(performance.now() / 1000), 1000 / 30)",
    "animation frames": "requestAnimationFrame(function next(time) { go(time / 1000); requestAnimationFrame(next) })",
    "a timeline": "__timelines.main = { duration: () => 2, seek: go }",
}
EACH_CHANGE = [
    *((name, "hf-seek") for name in CHANGES_OF_NO_NODE),
    *(("a scroll", way) for way in WAYS_OF_SCRIPTS if way != "hf-seek"),
]


@pytest.mark.sample(
    "a scroll after a wait-hf-seek",
    "a rule-hf-seek",
    "a value-hf-seek",
    "a highlight-hf-seek",
    "a scroll-timers",
    "a scroll-a timeline",
)
@pytest.mark.parametrize(("change", "way"), EACH_CHANGE)
def test_frames_that_scripts_change_without_a_change_of_a_node_have_pictures(change, way, tmp_path):
    body, code = CHANGES_OF_NO_NODE[change]
    script = f"""const sheet = new CSSStyleSheet(); document.adoptedStyleSheets = [sheet]; const words = document.querySelector('p')?.firstChild;
      function go(time, waitUntil) {{ const n = Math.round(time * 30); {code} }} {WAYS_OF_SCRIPTS[way]}"""
    changed = {}
    for mode in ("beginframe", "canvas"):
        with open_html(tmp_path / mode, composition(body, script), capture_mode=mode) as page:
            shown = page.digests(0, 20)
        changed[mode] = [frame for frame in range(1, 20) if shown[frame] != shown[frame - 1]]
    assert len(changed["beginframe"]) >= 9
    assert changed["canvas"] == changed["beginframe"]
