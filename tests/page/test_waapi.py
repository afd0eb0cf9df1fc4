"""The Web Animations API on the composition's time: what a page sets, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from page_samples import Page, composition, open_html
from slow import sampled

from hfdask.errors import ScriptError

pytestmark = pytest.mark.browser

BOX = "position:absolute;left:0;top:0;width:8px;height:8px;background:#f00"
NAMES = "abcdefgh"
BODY = "".join(f'<i id="{name}" style="{BOX};top:{8 * n}px"></i>' for n, name in enumerate(NAMES))
# A box that goes right by 1 px in 10 ms: its place shows its animation's time.
SCRIPT = """
  const move = [{transform: 'translateX(0)'}, {transform: 'translateX(100px)'}];
  const both = {duration: 1000, fill: 'both'};
  const go = (element, options) => element.animate(move, {...both, ...options});
  const place = (id) => new DOMMatrix(getComputedStyle(document.getElementById(id)).transform).e;
  const at = (ms, action) => { let done = false; addEventListener('hf-seek', ({detail}) => {
    if (!done && detail.time * 1000 >= ms - 1e-6) { done = true; action(); } }); };
"""
TOGETHER = """
  const boxes = [...document.querySelectorAll('#root > div')].map((outer) => [outer, ...outer.children]);
  const left = (box) => new DOMMatrix(getComputedStyle(box).transform).e;
  const places = () => boxes.map(([, ...inner]) => Object.fromEntries(inner.map((box) => [box.classList[0], left(box)])));
"""
FRAMES = range(60)


def places(page: Page, frame: int, ids: str) -> list[float]:
    page.seek(frame)
    return [float(page.value(f"place('{name}')")) for name in ids]


def opened(folder: Path, script: str, *, body: str = BODY, style: str = "") -> Any:
    return open_html(folder, composition(body, SCRIPT + script, style=style))


def opened_together(folder: Path, scripts: Iterable[str], *, style: str = "") -> Any:
    """Open a page with separate boxes for each script, which gets them by name, and their parent as `root`.

    Opening a page takes longer than all that is looked at in it.
    """
    boxes = "".join(f'<i class="{name}" style="{BOX}"></i>' for name in NAMES)
    body = "".join(f"<div>{boxes}</div>" for _ in scripts)
    run = "".join(
        f"{{ const [root, {', '.join(NAMES)}] = boxes[{n}]; {script} }}\n" for n, script in enumerate(scripts)
    )
    return opened(folder, f"{TOGETHER}{run}", body=body, style=style)


def places_together(page: Page, frame: int) -> list[dict[str, float]]:
    """Return the places of the boxes of each script."""
    found: list[dict[str, float]] = page.at(frame, "places()")
    return found


Place = Callable[[float], float]


def clamp(value: float, low: float = 0, high: float = 100) -> float:
    return max(low, min(high, value))


# Calls on the animation of #a while the page loads, and the place of the box at a time in milliseconds.
SET_UPS: dict[str, tuple[str, Place]] = {
    "plain": ("go(a)", lambda t: clamp(t / 10)),
    "startTime": ("go(a).startTime = 500 + performance.now()", lambda t: clamp((t - 500) / 10)),
    "startTime of a new Animation": (
        "new Animation(new KeyframeEffect(a, move, both)).startTime = performance.now()",
        lambda t: clamp(t / 10),
    ),
    "play of a new Animation": (
        "new Animation(new KeyframeEffect(a, move, both), document.timeline).play()",
        lambda t: clamp(t / 10),
    ),
    "a new Animation that nobody plays": ("new Animation(new KeyframeEffect(a, move, both))", lambda _: 0),
    "a timeline of its own": (
        "new Animation(new KeyframeEffect(a, move, both), new DocumentTimeline({originTime: 300})).play()",
        lambda t: clamp(t / 10),
    ),
    "no timeline": (
        "const free = new Animation(new KeyframeEffect(a, move, both), null); free.currentTime = 400; free.play()",
        lambda _: 40,
    ),
    "currentTime": ("go(a).currentTime = 250", lambda t: clamp((t + 250) / 10)),
    "currentTime before the start": ("go(a).currentTime = -250", lambda t: clamp((t - 250) / 10)),
    "currentTime beyond the end": ("go(a).currentTime = 5000", lambda _: 100),
    "pause": ("go(a).pause()", lambda _: 0),
    "pause at a time": ("const x = go(a); x.currentTime = 300; x.pause()", lambda _: 30),
    "startTime null": ("const x = go(a); x.currentTime = 300; x.startTime = null", lambda _: 30),
    "pause and play": ("const x = go(a); x.pause(); x.currentTime = 300; x.play()", lambda t: clamp((t + 300) / 10)),
    "playbackRate": ("go(a).playbackRate = 2", lambda t: clamp(t / 5)),
    "playbackRate 0": ("const x = go(a); x.currentTime = 300; x.playbackRate = 0", lambda _: 30),
    "a negative playbackRate": ("const x = go(a); x.currentTime = 800; x.playbackRate = -0.5", lambda t: clamp(80 - t / 20)),
    "updatePlaybackRate": ("go(a).updatePlaybackRate(0.5)", lambda t: clamp(t / 20)),
    "reverse": ("go(a).reverse()", lambda t: clamp(100 - t / 10)),
    "reverse twice": ("const x = go(a); x.reverse(); x.reverse()", lambda t: clamp(t / 10)),
    "finish": ("go(a).finish()", lambda _: 100),
    "finish backwards": ("const x = go(a); x.playbackRate = -1; x.finish()", lambda _: 0),
    "finish and play": ("const x = go(a); x.finish(); x.play()", lambda t: clamp(t / 10)),
    "cancel": ("go(a).cancel()", lambda _: 0),
    "cancel and play": ("const x = go(a); x.currentTime = 500; x.cancel(); x.play()", lambda t: clamp(t / 10)),
    "without a fill": ("go(a, {fill: 'none', delay: 200})", lambda t: (t - 200) / 10 if 200 <= t < 1200 else 0),
    "reverse without a fill": ("go(a, {fill: 'none'}).reverse()", lambda t: 100 - t / 10 if t < 1000 else 0),
    "delay, endDelay and rounds": (
        "go(a, {delay: 500, endDelay: 200, duration: 400, iterations: 2, direction: 'alternate'})",
        lambda t: clamp((t - 500) / 4) if t < 900 else clamp(100 - (t - 900) / 4),
    ),
    "endDelay backwards": ("go(a, {endDelay: 500}).reverse()", lambda t: clamp(100 - (t - 500) / 10)),
    "a negative delay": ("go(a, {delay: -400})", lambda t: clamp((t + 400) / 10)),
    "rounds without end": ("go(a, {iterations: Infinity, duration: 500})", lambda t: t % 500 / 5),
    "rounds without end at a rate": (
        "go(a, {iterations: Infinity, duration: 500}).playbackRate = 0.5",
        lambda t: t % 1000 / 10,
    ),
    "iterationStart": ("go(a, {iterationStart: 0.5, iterations: 1.5})", lambda t: clamp((t + 500) % 1000 / 10) if t < 1500 else 100),
    "updateTiming": ("const x = go(a); x.effect.updateTiming({duration: 2000})", lambda t: clamp(t / 20)),
    "another effect": ("const x = a.animate([], 5); x.effect = new KeyframeEffect(a, move, both)", lambda t: clamp(t / 10)),
    "keyframes set": (
        "const x = go(a); x.effect.setKeyframes([{transform: 'none'}, {transform: 'translateX(50px)'}])",
        lambda t: clamp(t / 20, 0, 50),
    ),
    "a time in CSS units": ("go(a).currentTime = CSS.s(0.25)", lambda t: clamp((t + 250) / 10)),
}  # fmt: skip


def test_an_animation_stands_where_a_browser_would_have_it(tmp_path: Path) -> None:
    with opened_together(tmp_path, [action for action, _ in SET_UPS.values()]) as page:
        for frame in (0, 6, 15, 27, 30, 45, 59, 21, 3):
            seen = {name: found["a"] for name, found in zip(SET_UPS, places_together(page, frame), strict=True)}
            expected = {name: place(frame * 1000 / 30) for name, (_, place) in SET_UPS.items()}
            assert seen == pytest.approx(expected, abs=0.02), frame
        assert page.report()["warnings"] == []


def test_what_a_page_reads_of_an_animation(tmp_path: Path) -> None:
    script = "const x = go(a), held = go(b), back = go(c), idle = new Animation(new KeyframeEffect(d, move, both)); held.pause(); back.reverse();"
    read = "(x => [x.currentTime, x.playState, x.pending, x.playbackRate, x.replaceState])"
    with opened(tmp_path, script) as page:
        page.seek(15)
        assert page.value(f"{read}(x)") == [pytest.approx(500), "running", False, 1, "active"]
        assert page.value("performance.now() - x.startTime") == pytest.approx(500)
        assert page.value(f"{read}(held)") == [0, "paused", False, 1, "active"]
        assert page.value(f"{read}(back)") == [pytest.approx(500), "running", False, -1, "active"]
        assert page.value(f"{read}(idle)") == [None, "idle", False, 1, "active"]
        assert page.value("[held.startTime, idle.startTime, x.effect.getComputedTiming().progress]") == [
            None,
            None,
            0.5,
        ]
        page.seek(45)
        assert page.value(f"{read}(x)") == [1000, "finished", False, 1, "active"]
        assert page.value(f"{read}(back)") == [0, "finished", False, -1, "active"]
        page.seek(15)
        assert page.value(f"{read}(x)") == [pytest.approx(500), "running", False, 1, "active"]


def test_the_errors_of_a_browser(tmp_path: Path) -> None:
    wrong = {
        "go(a).currentTime = null": "TypeError",
        "go(a).currentTime = NaN": "TypeError",
        "go(a, {iterations: Infinity}).finish()": "InvalidStateError",
        "go(a, {iterations: Infinity}).reverse()": "InvalidStateError",
        "const x = go(a); x.playbackRate = 0; x.finish()": "InvalidStateError",
        "go(a).playbackRate = 'fast'": "TypeError",
        "Animation.prototype.play.call({})": "TypeError",
        "Animation.prototype.currentTime": "TypeError",
    }
    with opened(tmp_path, "") as page:
        for action, name in wrong.items():
            assert page.value(f"(() => {{ try {{ {action} }} catch (error) {{ return error.name }} }})()") == name, (
                action
            )


def test_a_rate_that_changes_on_the_way_goes_on_from_there(tmp_path: Path) -> None:
    script = """const x = go(a), y = go(b), z = go(c), w = go(d);
      at(500, () => { x.playbackRate = 0.5; y.reverse(); z.pause(); w.updatePlaybackRate(2) });
      at(1000, () => { z.play() });"""
    with opened(tmp_path, script) as page:
        for frame in FRAMES:
            t = frame * 1000 / 30
            late = max(0, t - 500)
            expected = [
                clamp((min(t, 500) + late * 0.5) / 10),
                clamp((min(t, 500) - late) / 10),
                clamp((min(t, 500) + max(0, t - 1000)) / 10),
                clamp((min(t, 500) + late * 2) / 10),
            ]
            assert places(page, frame, "abcd") == pytest.approx(expected, abs=0.02)


def test_an_animation_that_a_page_sets_at_each_frame(tmp_path: Path) -> None:
    script = """const held = go(a); held.pause(); const run = go(b); let last;
      addEventListener('hf-seek', ({detail}) => {
        held.currentTime = run.currentTime = detail.time * 500;
        last?.cancel(); last = go(c); last.pause(); last.currentTime = detail.time * 500; });"""
    with opened(tmp_path, script) as page:
        for frame in (0, 20, 40, 10, 59):
            assert places(page, frame, "abc") == pytest.approx([frame * 500 / 300] * 3, abs=0.02)


# Scripts that listen for ends of animations, and the places of the boxes at a time in milliseconds, from the first
# frame that is sought or from any other.
CHAINS: dict[str, tuple[str, str, Callable[[float], list[float]]]] = {
    "finished": (
        "(async () => { await go(a, {duration: 250}).finished; await go(b, {duration: 250}).finished; go(c) })()",
        "abc",
        lambda t: [clamp(t / 2.5), clamp((t - 250) / 2.5), clamp((t - 500) / 10)],
    ),
    "onfinish": (
        "go(a, {duration: 310}).onfinish = () => { go(b, {duration: 310}).onfinish = () => go(c) }",
        "abc",
        lambda t: [clamp(t / 3.1), clamp((t - 310) / 3.1), clamp((t - 620) / 10)],
    ),
    "a listener": (
        "go(a, {duration: 310}).addEventListener('finish', () => go(b))",
        "ab",
        lambda t: [clamp(t / 3.1), clamp((t - 310) / 10)],
    ),
    "to and fro": (
        "const x = go(a, {duration: 310}); x.onfinish = () => x.reverse()",
        "a",
        lambda t: [(t % 620 if t % 620 < 310 else 620 - t % 620) / 3.1],
    ),
    "again and again": (
        "const x = go(a, {duration: 310}); x.onfinish = () => x.play()",
        "a",
        lambda t: [t % 310 / 3.1],
    ),
    "commitStyles": (
        """(async () => { const x = go(a, {duration: 250, fill: 'forwards'}); await x.finished; x.commitStyles(); x.cancel();
          a.animate([{transform: 'translateX(0)'}], {duration: 500, fill: 'both'}) })()""",
        "a",
        lambda t: [clamp(t / 2.5) if t < 250 else clamp(100 - (t - 250) / 5, 0)],
    ),
    "Promise.all": (
        "Promise.all([go(a, {duration: 210}), go(b, {duration: 410})].map((x) => x.finished)).then(() => go(c))",
        "c",
        lambda t: [clamp((t - 410) / 10)],
    ),
    "cancel of another": (
        "const x = go(a, {fill: 'none'}); go(b, {duration: 310}).onfinish = () => x.cancel()",
        "a",
        lambda t: [t / 10 if t < 310 else 0],
    ),
    "oncancel": (
        "const x = go(a, {fill: 'none'}); x.oncancel = () => go(c); go(b, {duration: 310}).onfinish = () => x.cancel()",
        "c",
        lambda t: [clamp((t - 310) / 10)],
    ),
    "a rejected promise": (
        "const x = go(a, {fill: 'none'}); x.finished.catch((e) => go(c)); go(b, {duration: 310}).onfinish = () => x.cancel()",
        "c",
        lambda t: [clamp((t - 310) / 10)],
    ),
    "a rate": (
        "const x = go(a); x.playbackRate = 4; x.onfinish = () => go(b)",
        "b",
        lambda t: [clamp((t - 250) / 10)],
    ),
    "an end backwards": (
        "const x = go(a, {endDelay: 100}); x.reverse(); x.onfinish = () => go(b)",
        "b",
        lambda t: [clamp((t - 1100) / 10)],
    ),
    "ready": (
        "(async () => { const x = go(a); await x.ready; x.playbackRate = 2 })()",
        "a",
        lambda t: [clamp(t / 5)],
    ),
    "styles taken at the moment": (
        "go(a); go(b, {duration: 310}).onfinish = () => { c.style.transform = getComputedStyle(a).transform }",
        "c",
        lambda t: [31 if t >= 310 else 0],
    ),
    "animationend": (
        "d.addEventListener('animationend', () => go(c)); e.onanimationend = () => e.classList.add('on')",
        "ce",
        lambda t: [clamp((t - 310) / 10), clamp(t / 3.1) if t < 310 else clamp((t - 310) / 5)],
    ),
    "animationstart and animationiteration": (
        """root.addEventListener('animationstart', ({target}) => target === f && go(a));
        let rounds = 0; f.addEventListener('animationiteration', () => ++rounds === 3 && go(b))""",
        "ab",
        lambda t: [clamp((t - 205) / 10), clamp((t - 505) / 10)],
    ),
    "transitionend": (
        """d.addEventListener('animationend', () => { g.style.translate = '9px' });
        g.addEventListener('transitionend', () => go(c))""",
        "c",
        lambda t: [clamp((t - 510) / 10)],
    ),
    "finished of a style's": (
        "d.getAnimations()[0].finished.then(() => go(c))",
        "c",
        lambda t: [clamp((t - 310) / 10)],
    ),
}
CHAIN_STYLE = """@keyframes go {from {transform: translateX(0)} to {transform: translateX(100px)}}
  @keyframes on {from {transform: translateX(0)} to {transform: translateX(100px)}}
  .d, .e {animation: go 310ms linear both} .e.on {animation: on 500ms linear both}
  .f {animation: go 100ms 205ms linear infinite} .g {transition: translate 200ms linear}"""


@pytest.mark.sample("0-1")
@pytest.mark.parametrize(("first", "step"), sampled([(0, 1), (7, 1), (20, 1), (40, 7), (0, 13)]))
def test_what_animations_tell_comes_at_its_time_wherever_a_chunk_begins(tmp_path: Path, first: int, step: int) -> None:
    with opened_together(tmp_path, [script for script, _, _ in CHAINS.values()], style=CHAIN_STYLE) as page:
        for frame in range(first, 60, step)[:25]:
            for found, (name, (_, ids, place)) in zip(places_together(page, frame), CHAINS.items(), strict=True):
                expected = dict(zip(ids, place(frame * 1000 / 30), strict=True))
                assert {box: found[box] for box in ids} == pytest.approx(expected, abs=0.02), (name, frame)


def test_a_chain_within_a_frame_of_the_page_comes_at_its_time(tmp_path: Path) -> None:
    inner = f"<!doctype html>{BODY}<script>{SCRIPT} go(a, {{duration: 310}}).onfinish = () => parent.next()</script>"
    read = "new frame.contentWindow.DOMMatrix(frame.contentWindow.getComputedStyle(frame.contentDocument.getElementById('a')).transform).e"
    for first in (0, 20, 45):
        html = composition('<iframe id="frame" src="inner.html"></iframe>' + BODY, SCRIPT + "window.next = () => go(b)")
        with open_html(tmp_path, html, {"inner.html": inner}) as page:
            for frame in range(first, 60, 7):
                t = frame * 1000 / 30
                assert places(page, frame, "b") == pytest.approx([clamp((t - 310) / 10)], abs=0.02)
                assert float(page.value(read)) == pytest.approx(clamp(t / 3.1), abs=0.02)


ADDED = "const add = (x, duration) => a.animate([{translate: '0px'}, {translate: '30px'}], {duration, fill: 'forwards', composite: 'add'});"


@pytest.mark.parametrize(("script", "then"), [("", 30), ("first.persist()", 60)])
def test_an_animation_that_others_cover_is_removed_unless_it_persists(tmp_path: Path, script: str, then: float) -> None:
    script = f"{ADDED} const first = add(a, 300), second = add(a, 600); let removed = 0; first.onremove = () => removed++; {script}"
    with opened(tmp_path, script) as page:
        for frame, expected in ((6, 20 + 10), (15, 30 + 25), (20, then), (30, then), (15, 30 + 25), (40, then)):
            assert page.at(frame, "parseFloat(getComputedStyle(a).translate)") == pytest.approx(expected, abs=0.02)
        removes = then == 30
        assert page.value("[first.replaceState, removed]") == ["removed" if removes else "persisted", int(removes)]


def test_composite_and_accumulate_on_top_of_a_style(tmp_path: Path) -> None:
    script = """a.style.translate = '10px';
      a.animate([{translate: '0px'}, {translate: '30px'}], {...both, composite: 'add'});
      b.animate([{translate: '0px'}, {translate: '30px'}], {...both, duration: 500, iterations: 2, iterationComposite: 'replace'});"""
    with opened(tmp_path, script) as page:
        for frame, expected in ((0, [10, 0]), (15, [25, 0]), (24, [34, 18]), (45, [40, 30])):
            read = "[a, b].map((x) => parseFloat(getComputedStyle(x).translate) || 0)"
            assert page.at(frame, read) == pytest.approx(expected, abs=0.02)


def test_animations_of_pseudo_elements_are_driven(tmp_path: Path) -> None:
    script = "a.animate([{width: '0px'}, {width: '60px'}], {...both, pseudoElement: '::before'}).onfinish = () => go(b)"
    style = "#a::before {content: ''; position: absolute; height: 8px; background: #0f0}"
    with opened(tmp_path, script, style=style) as page:
        for frame in (0, 15, 45, 10):
            t = frame * 1000 / 30
            read = "getComputedStyle(a, '::before').width"
            assert float(page.at(frame, read).removesuffix("px")) == pytest.approx(clamp(t * 0.06, 0, 60), abs=0.02)


def test_a_style_pauses_and_a_script_overrules_it(tmp_path: Path) -> None:
    style = """@keyframes go {from {transform: translateX(0)} to {transform: translateX(100px)}}
      i {animation: go 1s linear both} #b {animation-play-state: paused} #c {animation: go 1s linear -0.5s both paused}
      #d {animation: none 1s, go 1s linear both; animation-play-state: running, paused} #e.held {animation-play-state: paused}"""
    script = """f.getAnimations()[0].pause(); g.getAnimations()[0].playbackRate = 2; b.getAnimations()[0].play();
      h.getAnimations()[0].cancel();
      addEventListener('hf-seek', ({detail}) => e.classList.toggle('held', detail.time >= 0.5 && detail.time < 1));"""
    with opened(tmp_path, script, style=style) as page:
        for frame in (*FRAMES, 12):
            t = frame * 1000 / 30
            expected = [clamp(t / 10), clamp(t / 10), 50, 0, 0, clamp(t / 5), 0]
            assert places(page, frame, "abcdfgh") == pytest.approx(expected, abs=0.02)
            if frame in (10, 20, 29, 40, 59):
                # what a seek handler does is seen by styles in the frame after it
                held = {10: t / 10, 20: 50, 29: 50, 40: 50 + (t - 1000) / 10, 59: 50 + (t - 1000) / 10}[frame]
                assert places(page, frame, "e") == pytest.approx([clamp(held)], abs=3.4)


def test_a_style_that_goes_takes_its_animation_along(tmp_path: Path) -> None:
    style = """@keyframes go {from {transform: translateX(0)} to {transform: translateX(100px)}} .on {animation: go 1s linear both}"""
    script = """const log = []; a.className = 'on';
      for (const type of ['start', 'end', 'cancel']) a.addEventListener('animation' + type, (e) => log.push([type, e.elapsedTime, e.animationName]));
      at(500, () => { a.className = '' });"""
    with opened(tmp_path, script, style=style) as page:
        for frame in range(30):
            assert places(page, frame, "a") == pytest.approx([frame / 0.3 if frame < 15 else 0], abs=0.02)
        assert page.value("log") == [["start", 0, "go"], ["cancel", pytest.approx(0.5, abs=0.04), "go"]]


def test_events_tell_what_a_browser_tells(tmp_path: Path) -> None:
    style = CHAIN_STYLE + " #a {animation: go 200ms -100ms linear 2} #g {transition: translate 200ms linear}"
    script = """const log = [];
      for (const type of ['animationstart', 'animationiteration', 'animationend', 'transitionrun', 'transitionstart', 'transitionend'])
        root.addEventListener(type, (e) => 'ag'.includes(e.target.id) &&
          log.push([type, Math.round(performance.now() - zero), Math.round(e.elapsedTime * 1000), e.animationName ?? e.propertyName]));
      let zero = 0; const x = go(b, {duration: 250});
      x.onfinish = (e) => log.push([e.type, Math.round(performance.now() - zero), e.currentTime, e.target === x]);
      addEventListener('hf-seek', ({detail}) => { if (detail.time) zero = performance.now() - detail.time * 1000; if (detail.time >= 0.5) g.style.translate = '9px' });"""
    with opened(tmp_path, script, style=style) as page:
        for frame in (0, 5, 15, 59):
            page.seek(frame)
        assert page.value("log") == [
            ["animationstart", 5, 100, "go"],  # frame 0 is at 5 ms
            ["animationiteration", 100, 200, "go"],
            ["finish", 250, 250, True],
            ["animationend", 300, 400, "go"],
            ["transitionrun", 500, 0, "translate"],
            ["transitionstart", 500, 0, "translate"],
            ["transitionend", 700, 200, "translate"],
        ]
        page.seek(10)
        page.seek(59)
        assert page.value("log.slice(7)") == []


@pytest.mark.slow
def test_animations_that_start_each_other_without_end_are_told_of(tmp_path: Path) -> None:
    script = "const next = () => { a.animate([], 0).onfinish = next }; next();"
    with opened(tmp_path, script) as page, pytest.raises(ScriptError, match=r"start each other without end at 0 s"):
        page.seek(3)


def test_a_transition_goes_there_and_back_in_its_whole_time(tmp_path: Path) -> None:
    style = "#a {transition: translate 400ms linear} #a.on {translate: 60px}"
    script = "addEventListener('hf-seek', ({detail: {time}}) => a.classList.toggle('on', time >= 0.1 && time < 1));"
    expected = {0: 0, 3: 0, 6: 15, 9: 30, 15: 60, 29: 60, 30: 60, 33: 45, 36: 30, 42: 0, 50: 0}
    with opened(tmp_path, script, style=style) as page:
        read = "parseFloat(getComputedStyle(a).translate) || 0"
        assert {frame: page.at(frame, read) for frame in expected} == pytest.approx(expected, abs=0.02)
