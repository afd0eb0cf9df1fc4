"""Frames in which nothing can change take no look at the page, and frames that scripts change all have pictures."""

from __future__ import annotations

from typing import Any

import pytest
from media_samples import pixels_digest
from page_samples import Page, change_script, composition, open_html

from hfdask.browser import browser_thread, page_opening
from hfdask.browser import capture as capturing
from hfdask.browser.capture import capture
from hfdask.browser.session import PageSession
from hfdask.errors import PageTimeoutError, ScriptError

pytestmark = pytest.mark.browser

LONG = 'data-duration="8" data-no-timeline'
MOVES = """<style>@keyframes move { to { transform: translateX(40px) } } i { position: absolute; width: 9px; height: 9px; background: #f00;
  animation: move 0.3s linear both }</style><i></i><i style="top: 20px; animation-delay: 3s"></i>"""
LIST = """<div id="box" style="position:absolute;width:60px;height:40px;overflow:hidden">
  <div style="height:500px;background:linear-gradient(#f00,#00f)"></div></div>"""


async def shots(session: PageSession, start: int, end: int, *, damage_test: bool = True) -> list[tuple[int, str]]:
    """The frames that have pictures, and their digests."""
    frames = capture(session, start, end, damage_test=damage_test)
    return [(each.index, pixels_digest(each.picture.keep().pixels)) async for each in frames if each.picture]


def taken(page: Page, start: int, end: int, **options: Any) -> list[tuple[int, str]]:
    return browser_thread().run(shots(page.session, start, end, **options), 60)


def count(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """The calls of a method of the session."""
    calls: list[str] = []
    monkeypatch.setattr(PageSession, name, counting(getattr(PageSession, name), calls))
    return calls


def counting(function: Any, calls: list[str]) -> Any:
    """The function, whose calls are added to a list."""

    async def counted(*args: Any, **options: Any) -> Any:
        calls.append(str(args[1:]))
        return await function(*args, **options)

    return counted


def test_still_frames_take_one_message_for_many(tmp_path, monkeypatch):
    looks: list[str] = []
    for name in ("picture", "is_damaged"):  # not each frame of the compositor: a page that answers late gets more
        monkeypatch.setattr(capturing, name, counting(getattr(capturing, name), looks))
    with open_html(tmp_path, composition(MOVES, root=LONG)) as page:
        asked = count(monkeypatch, "evaluate")
        pictures = taken(page, 0, 240)
    moving = [*range(10), *range(91, 100)]  # the second one begins at 90, in the same place
    assert [frame for frame, _ in pictures] == moving
    assert len(looks) <= len(moving) + 2
    assert len(asked) <= len(moving) + (240 - len(moving)) / 32 + 3


def test_every_frame_has_a_message_without_the_damage_test(tmp_path, monkeypatch):
    with open_html(tmp_path, composition(MOVES, root=LONG)) as page:
        drawn = count(monkeypatch, "begin_frame")
        taken(page, 20, 60, damage_test=False)
    assert len(drawn) >= 40


# Scripts that change the picture at 1.2 s, after the timers that loading waits for. None changes a node or an attribute.
GO = "let turn = 0; function go() { box.scrollTop = ++turn * 20 }"
LATER = {
    "a timer": "setTimeout(go, 1200)",
    "an interval": "setInterval(go, 400)",
    "an animation frame": "setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(go)), 1200)",
    "a promise": "setTimeout(async () => { for (let n = 0; n < 9; n++) await null; go() }, 1200)",
    "a fetch": "setTimeout(() => fetch('index.html').then((answer) => answer.text()).then(go), 1200)",
    "a picture": "setTimeout(() => { const image = new Image(); image.onerror = go; image.src = 'data:,' }, 1200)",
    "an idle callback": "setTimeout(() => requestIdleCallback(go), 1200)",
    "a message": "onmessage = go; setTimeout(() => postMessage(1), 1200)",
    "a channel": "setTimeout(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = go; port2.postMessage(1) }, 1200)",
    "a smooth scroll": "setTimeout(() => box.scrollTo({ top: 200, behavior: 'smooth' }), 1200)",
    "the target": "setTimeout(() => { location.hash = 'marked' }, 1200)",
    "a medium": "setTimeout(() => { rules.sheet.media.mediaText = 'print' }, 1200)",
    "a rule": "setTimeout(() => rules.sheet.insertRule('#box { left: 9px }'), 1200)",
    "the focus": "box.tabIndex = 0; setTimeout(() => box.focus(), 1200)",
    "an animation's end": "mark.onanimationend = go",
    "an animation's promise": "mark.getAnimations()[0].finished.then(go)",
    "an element in view": "new IntersectionObserver(go).observe(mark)",
}
MARKED = """<style id="rules">@keyframes fall { to { transform: translateY(20px) } } #mark { position: absolute; top: 50px; width: 9px; height: 9px;
  background: #0f0; animation: fall .3s 1.2s both } #marked:target, #box:focus { outline: 3px solid #0f0 }</style>
  <i id="mark"></i><b id="marked"></b>"""


@pytest.mark.sample("a timer", "a fetch", "a rule", "the target", "an animation's end")
@pytest.mark.parametrize("what", LATER)
def test_frames_that_scripts_change_after_still_ones_have_pictures(what, tmp_path):
    page_html = composition(LIST + MARKED, f"{GO} {LATER[what]}", root=LONG)
    shown = []
    for damage_test in (False, True):
        with open_html(tmp_path / str(damage_test), page_html) as page:
            digests = dict(taken(page, 0, 60, damage_test=damage_test))
        shown.append({frame: digest for frame, digest in digests.items() if digests.get(frame - 1) != digest})
    every, changed = shown
    assert len(every) >= 2
    last = None
    for frame in range(60):
        now = every.get(frame, last)
        assert changed.get(frame, last) == now, frame
        last = now


def test_a_hang_after_still_frames_names_some(tmp_path):
    script = "setTimeout(() => { for (;;); }, 1500)"
    with (
        pytest.raises(PageTimeoutError, match=r"one of the frames 33 to 64 was not drawn within 1 s"),
        open_html(tmp_path, composition("", script, root=LONG), frame_timeout=1.0) as page,
    ):
        taken(page, 0, 90)


def test_an_error_after_still_frames_names_its_frame(tmp_path):
    script = "setTimeout(() => { throw new Error('late') }, 1500)"
    with (
        pytest.raises(ScriptError, match=r"at frame 45: .*late"),
        open_html(tmp_path, composition("", script, root=LONG)) as page,
    ):
        taken(page, 0, 90)


def test_an_answer_with_another_frame_is_an_error(tmp_path, monkeypatch):
    change_script(monkeypatch, page_opening, "runtime_script", "null, number,", "null, number: 900,")
    with pytest.raises(ScriptError, match="frame 900"), open_html(tmp_path, composition("")) as page:
        page.pixels(0)


# Drawings at frames that take longer than 0.1 s, which is when the compositor is asked for frames meanwhile.
WORK = "const end = Date.now() + 300; while (Date.now() < end); postMessage(1)"
SLOW = f"""<canvas id="canvas" width="60" height="40" style="position:absolute"></canvas><script>
const pen = canvas.getContext('2d');
const wait = () => new Promise((done) => {{ new Worker('data:text/javascript,{WORK}').onmessage = done }});
function fill(frame) {{ pen.fillStyle = 'hsl(' + frame * 9 + ' 90% 50%)'; pen.fillRect(0, 0, 60, 40) }}
addEventListener('hf-seek', (event) => {{
  const frame = Math.round(event.detail.time * 30);
  if (frame > 20 && frame % 7 == 0) event.detail.waitUntil(draw(frame));
}});
</script>"""
DRAWS = {
    "before it waits": "fill(frame); await wait()",
    "after it waited": "await wait(); fill(frame)",
    "before it computes": "fill(frame); for (let n = 0; n < 4e8; n++);",
}


@pytest.mark.parametrize("mode", ["beginframe", "canvas"])
@pytest.mark.parametrize("way", DRAWS)
def test_drawings_of_slow_frames_have_pictures(tmp_path, way: str, mode: str):
    page_of = composition(SLOW, f"async function draw(frame) {{ {DRAWS[way]} }}", root=LONG)
    with open_html(tmp_path, page_of, capture_mode=mode) as page:
        tested = changes(taken(page, 18, 32))
    with open_html(tmp_path, page_of, capture_mode=mode) as page:
        every = changes(taken(page, 18, 32, damage_test=False))
    assert [frame for frame, _ in every] == [18, 21, 28]
    assert tested == every


def changes(pictures: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The pictures that differ from the one before."""
    return [each for before, each in zip([(-1, ""), *pictures], pictures, strict=False) if before[1] != each[1]]
