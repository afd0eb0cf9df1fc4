"""Hosted pages walk through their frames by themselves: one message for a frame that changes, none for others, the same pictures."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from page_samples import Page, box, change_script, composition, open_html, write_site

import hfdask
from hfdask.browser import browser_thread, chromium, host, page_opening, session
from hfdask.browser.capture import capture
from hfdask.browser.walk import Walk
from hfdask.errors import CaptureError, ScriptError

pytestmark = pytest.mark.browser

NUMBERED = """addEventListener("hf-seek", ({ detail: { time } }) => { const frame = Math.round(time * 30);
  if (CHANGES) root.style.background = `rgb(${frame}, ${frame % 7}, 0)` })"""
LONG = 'data-duration="8" data-no-timeline'


def numbered(changes: str, more: str = "", body: str = "") -> str:
    return composition(body, NUMBERED.replace("CHANGES", changes) + ";" + more, root=LONG)


def hosted(folder: Any, html: str, **options: Any) -> Any:
    return open_html(folder, html, capture_mode="canvas", **options)


def run(coroutine: Any) -> Any:
    return browser_thread().run(coroutine, 60)


async def reds(page: Page, start: int, end: int, **options: Any) -> dict[int, int]:
    """The red of each picture that was taken, by frame."""
    shots = capture(page.session, start, end, **options)
    return {shot.index: int(shot.picture.keep().pixels[5, 5, 0]) async for shot in shots if shot.picture is not None}


class Messages:
    """Count the frames of the compositor, and the calls of the host by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        frame, call = chromium.begin_frame, host.Host.call

        async def begin_frame(*args: Any, **options: Any) -> Any:
            self.counts["frames"] += 1
            return await frame(*args, **options)

        async def called(self_: host.Host, name: str, *arguments: object) -> Any:
            self.counts[name] += 1
            return await call(self_, name, *arguments)

        monkeypatch.setattr(session, "begin_frame", begin_frame)
        monkeypatch.setattr(host.Host, "call", called)

    def during(self, coroutine: Any) -> tuple[Any, Counter[str]]:
        self.counts.clear()
        return run(coroutine), self.counts.copy()


def test_a_frame_that_changes_takes_one_message_and_others_none(tmp_path, monkeypatch):
    """If no code of the page runs."""
    messages = Messages(monkeypatch)
    moves = """<style>@keyframes move { to { transform: translateX(40px) } } i { position: absolute; width: 9px; height: 9px; background: #f00;
      animation: move 0.3s linear both }</style><i></i><i style="top: 20px; animation-delay: 5s"></i>"""
    with hosted(tmp_path, composition(moves, root=LONG)) as page:
        taken, counts = messages.during(reds(page, 0, 160))
    assert list(taken) == [*range(10), *range(150, 160)]
    assert counts["frames"] == 20
    # The walk stops a few times in the 140 still frames, until it gets a message.
    assert counts["walk"] == 1
    assert counts["goOn"] <= 5
    assert set(counts) <= {"frames", "walk", "goOn", "noted", "failure"}


def test_a_frame_in_which_a_script_runs_takes_one_message(tmp_path, monkeypatch):
    messages = Messages(monkeypatch)
    with hosted(tmp_path, numbered("frame < 10 || frame > 50")) as page:
        taken, counts = messages.during(reds(page, 0, 60))
    assert taken == {frame: frame for frame in (*range(10), *range(51, 60))}
    assert counts["frames"] == 60
    assert set(counts) <= {"frames", "walk", "goOn", "noted", "failure"}


def test_every_picture_is_taken_without_the_damage_test(tmp_path, monkeypatch):
    messages = Messages(monkeypatch)
    with hosted(tmp_path, numbered("frame % 9 === 0")) as page:
        taken, counts = messages.during(reds(page, 0, 30, damage_test=False))
    assert taken == {frame: frame - frame % 9 for frame in range(30)}
    assert counts["frames"] == 30


OBSERVED = """new ResizeObserver(() => { second.style.left = `${first.offsetWidth}px` }).observe(first);
addEventListener("hf-seek", ({ detail: { time } }) => { first.style.width = `${Math.min(40, Math.round(time * 30))}px` });"""
OF_SCRIPTS = {
    "posted": """const channel = new MessageChannel(); let at;
      channel.port1.onmessage = () => { first.style.left = `${at % 40}px` };
      addEventListener("hf-seek", ({ detail: { time } }) => { at = Math.round(time * 30); channel.port2.postMessage(0) });""",
    "posted often": """const channel = new MessageChannel(); let at, left;
      channel.port1.onmessage = () => { if (left-- > 0) channel.port2.postMessage(0); else first.style.left = `${at % 40}px` };
      addEventListener("hf-seek", ({ detail: { time } }) => { at = Math.round(time * 30); left = 6; channel.port2.postMessage(0) });""",
    "promised": """addEventListener("hf-seek", async ({ detail: { time } }) => {
      for (let turn = 0; turn < 5; turn++) await null;
      first.style.left = `${Math.round(time * 30) % 40}px` });""",
    "promised now and then": """addEventListener("hf-seek", async ({ detail: { time } }) => { const at = Math.round(time * 30);
      for (let turn = 0; turn < 5; turn++) await null;
      if (at % 4 === 3) first.style.left = `${at % 40}px` });""",
    "timed": "let ticks = 0; setInterval(() => { first.style.left = `${ticks++ % 40}px` }, 40);",
    "waited for": """addEventListener("hf-seek", ({ detail: { time, waitUntil } }) => {
      waitUntil(fetch("a.txt").then(() => { first.style.left = `${Math.round(time * 30) % 40}px` })) });""",
    "observed": OBSERVED,
    "drawn": """addEventListener("hf-seek", ({ detail: { time } }) => { const at = Math.round(time * 30);
      if (at === 8) { const made = document.createElement("canvas"); made.width = made.height = 20; root.append(made);
        made.style.cssText = "position:absolute;left:0;top:40px"; window.pen = made.getContext("2d") }
      if (at >= 8 && at % 3 === 0) { pen.fillStyle = `rgb(0, ${at * 5}, 0)`; pen.fillRect(0, 0, 20, 20) } });""",
}
BOXES = box('id="first"', "#f00", "width:9px;height:9px") + box('id="second"', "#00f", "top:20px;width:9px;height:9px")


@pytest.mark.sample("observed", "waited for", "posted often", "promised now and then", "drawn")
@pytest.mark.parametrize("kind", OF_SCRIPTS)
def test_pictures_are_those_of_a_walk_by_messages(kind, tmp_path, monkeypatch):
    html = composition(BOXES, OF_SCRIPTS[kind], root=LONG)
    seen = []
    for walks in (True, False):
        with monkeypatch.context() as patch, hosted(tmp_path / str(walks), html, files={"a.txt": "x"}) as page:
            if not walks:
                patch.setattr(host.Host, "ready", property(lambda _: False, lambda _, value: None), raising=False)
            seen.append([page.digests(0, 25), page.digests(30, 40), page.digests(25, 50)])
    assert seen[0] == seen[1]
    assert len({*seen[0][2]}) > 4


def test_the_page_stays_where_it_is_visited(tmp_path):
    where = "document.querySelector('#root').style.background"
    visits = {}

    with hosted(tmp_path, numbered("frame < 20 || frame > 60")) as page:

        async def visit(frame: int) -> None:
            await page.session.pump(2)
            await page.session.rest()
            await asyncio.sleep(0.02)
            visits[frame] = await page.session.evaluate(where)

        page.session.may_have_new_text = False
        taken = run(reds(page, 0, 70, visit=visit, at={0, 5, 6, 30, 61, 69}))
    assert visits == {frame: f"rgb({frame}, {frame % 7}, 0)" for frame in (0, 5, 6, 61, 69)}
    assert taken == {frame: frame for frame in (*range(20), *range(61, 70))}


MOVES = "addEventListener('hf-seek', ({ detail: { time } }) => { first.style.left = `${time * 30}px`; LATER })"
NEW_TEXT = {
    "none": "",
    "other words": "if (time > 0.7) some.textContent = 'Other'",
    "by a rule": "if (time > 0.7) [...document.styleSheets].at(-1).cssRules[1].style.display = 'block'",
}


@pytest.mark.sample("none", "by a rule")
@pytest.mark.parametrize("text", NEW_TEXT)
def test_a_film_stays_only_where_it_has_new_text(text, tmp_path, monkeypatch):
    words = "<p id=some>Some</p><p id=late>Late</p>"
    script = MOVES.replace("LATER", NEW_TEXT[text])
    write_site(tmp_path, composition(BOXES + words, script, style="#late{display:none}"))
    messages = Messages(monkeypatch)
    hfdask.render(tmp_path, tmp_path / "out.mp4", capture="canvas")
    assert messages.counts["frames"] >= 60
    assert messages.counts["goOn"] == (0 if text == "none" else 1)


def break_runtime(monkeypatch: pytest.MonkeyPatch, function: str, when: str = "true") -> None:
    """Let a function of the page's runtime fail."""
    fails = f'{function} if ({when}) throw new Error("broken");'
    change_script(monkeypatch, page_opening, "runtime_script", function, fails)


def test_a_frame_that_the_runtime_fails_at_is_an_error(tmp_path, monkeypatch):
    break_runtime(monkeypatch, "async function frame(number) {", "number === 12")
    with pytest.raises(ScriptError, match=r"frame 12: .*broken"), hosted(tmp_path, numbered("true")) as page:
        run(reds(page, 0, 20))


@pytest.mark.slow
def test_a_look_that_fails_is_an_error(tmp_path, monkeypatch):
    break_runtime(monkeypatch, "function hasNews(everything) {")
    write_site(tmp_path, numbered("true"))
    with pytest.raises(CaptureError, match="broken"):
        hfdask.render(tmp_path, tmp_path / "out.mp4", capture="canvas")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_frames_of_the_compositor_for_other_things_take_no_pictures(tmp_path):
    async def disturbed(page: Page) -> list[int]:
        found = []
        async for shot in capture(page.session, 0, 24):
            assert shot.picture is not None
            await page.session.pump(3)
            await page.session.rest()
            found.append(int(shot.picture.keep().pixels[5, 5, 0]))
            await page.session.pump(3)
        return found

    with hosted(tmp_path, numbered("true")) as page:
        assert run(disturbed(page)) == [*range(24)]


@pytest.mark.slow
def test_a_walk_that_is_given_up_does_not_disturb_the_next_one(tmp_path):
    async def begun(page: Page, start: int, wait: float) -> None:
        shots = capture(page.session, start, start + 20)
        async for shot in shots:
            assert shot.picture is not None
            shot.picture.keep()
            if shot.index == start + 3:
                break
        await asyncio.sleep(wait)
        await shots.aclose()
        await page.session.pump(1)

    with hosted(tmp_path, numbered("true")) as page:
        for turn in range(20):
            run(begun(page, turn, 0.01 * (turn % 3)))
            start = turn * 3 % 7
            assert run(reds(page, start, start + 9)) == {frame: frame for frame in range(start, start + 9)}


def slow_down(monkeypatch: pytest.MonkeyPatch, script: str, does: str, milliseconds: int) -> None:
    """Let a worker of the host be busy for some time before it does something."""
    busy = f"{{ const end = Date.now() + {milliseconds}; while (Date.now() < end); }}"
    change_script(monkeypatch, host, script, does, f"{busy} {does}")


@pytest.mark.parametrize(
    ("script", "does"),
    [("note_worker", "file.write(new Uint32Array([word])"), ("picture_worker", "await shot.copyTo(pixels)")],
)
@pytest.mark.parametrize("milliseconds", [pytest.param(130, marks=pytest.mark.slow), 250])
def test_late_notes_and_pictures_are_waited_for_and_cost_no_pictures(script, does, milliseconds, tmp_path, monkeypatch):
    slow_down(monkeypatch, script, does, milliseconds)
    with hosted(tmp_path, numbered("frame !== 7")) as page:
        assert run(reds(page, 0, 14)) == {frame: frame for frame in range(14) if frame != 7}


def test_the_next_frame_is_taken_while_a_picture_is_drawn(tmp_path, monkeypatch):
    async def second_taken(page: Page) -> tuple[bool, bool]:
        assert page.session.host is not None
        walk = Walk(page.session, page.session.host, 0, 4, always=True, looks=())
        await walk.begin(0)
        shots = []
        for frame in range(2):
            shots.append(await page.session.host.shot())
            assert await walk.seek(shots[frame], frame)
            shots[frame].taken()
        return shots[0].written, shots[1].written

    slow_down(monkeypatch, "picture_worker", "await shot.copyTo(pixels)", 2000)
    with hosted(tmp_path, numbered("true")) as page:
        assert run(second_taken(page)) == (False, False)


def test_a_walk_that_stands_still_in_a_script_names_its_frame(tmp_path):
    html = numbered("true", "addEventListener('hf-seek', ({ detail: { time } }) => { if (time > 0.38) for (;;); })")
    with (
        pytest.raises(Exception, match="frame 12 was not drawn within 2 s"),
        hosted(tmp_path, html, frame_timeout=2.0) as page,
    ):
        run(reds(page, 0, 20))


def test_errors_of_a_frame_in_a_walk_name_it(tmp_path):
    html = numbered(
        "true", "addEventListener('hf-seek', ({ detail: { time } }) => { if (time > 0.38) throw new Error('oops') })"
    )
    with pytest.raises(Exception, match=r"at frame 12: .*oops"), hosted(tmp_path, html) as page:
        run(reds(page, 0, 20))
