"""Timelines that scripts register: objects of their own making, and GSAP's (docs/compositions.md, 6.2 and 6.3)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from page_samples import BLACK, GREEN, RED, Page, box, composition, open_html
from slow import sampled

from hfdask.errors import ScriptError

pytestmark = pytest.mark.browser

TIMED = 'data-duration="2"'
MADE = """
  function made(duration, draw) {
    return { log: [], duration: () => duration, play() { this.log.push('play') }, pause() { this.log.push('pause') },
             seek(t, suppress) { this.log.push([t, suppress]); draw?.(t) } };
  }
"""


def test_an_object_with_seek_and_duration(tmp_path: Path) -> None:
    script = MADE + "window.__timelines.main = made(1.5, t => { x.style.background = t < 1 ? '#f00' : '#0f0' });"
    with open_html(tmp_path, composition(box('id="x"', "#00f"), script, root="")) as page:
        assert [page.pixel(k) for k in (29, 30, 0, 44)] == [RED, GREEN, RED, GREEN]
        page.value("__timelines.main.log.length = 0")
        # beyond the end it is sought to its end, with events
        assert page.at(15, "__timelines.main.log") == [[0.5, False]]
        assert page.at(59, "__timelines.main.log.at(-1)") == [1.5, False]
        assert page.report()["timelines"] == ["main"]


@pytest.mark.parametrize(
    "made", ["{ duration: 2 }", "{ duration: () => 2 }", "{ seek() {} }", "Promise.resolve()", "'timeline'"]
)
def test_what_is_no_timeline_is_named(made, tmp_path: Path) -> None:
    script = f"window.__timelines.main = {made}"
    said = r'__timelines\["main"\] is not a timeline: it needs the functions duration\(\) and seek\(\)'
    with pytest.raises(ScriptError, match=said), open_html(tmp_path, composition("", script, root=TIMED)):
        pass


def test_child_timelines_are_at_their_own_time(tmp_path: Path) -> None:
    body = """
      <div data-composition-id="kid" data-start="0.5" data-duration="1"></div>
      <div data-composition-id="fast" data-start="kid" data-playback-start="0.25" data-playback-rate="2"></div>"""
    script = (
        MADE
        + """Object.assign(window.__timelines,
      {main: made(3), kid: made(0.8), fast: made(10), nowhere: made(5)});"""
    )
    with open_html(tmp_path, composition(body, script, root="")) as page:
        names = ["main", "kid", "fast", "nowhere"]
        times = f"{names}.map(id => __timelines[id].log.filter(Array.isArray).at(-1)?.[0] ?? null)"
        assert page.at(0, times) == [0, 0, 0.25, None]
        assert page.at(30, times) == [1, 0.5, 0.25, None]
        assert page.at(45, times) == pytest.approx([1.5, 0.8, 0.25, None])
        assert page.at(60, times) == pytest.approx([2, 0.8, 1.25, None])
        # an object of the author's own has no parent that would move it, so it stays paused
        assert page.value("__timelines.kid.log.includes('play')") is False


@pytest.mark.parametrize(
    ("script", "adopted"),
    sampled(
        [
            ("window.__timelines.other = made(1)", True),
            ("window.__timelines = [made(1)]", True),
            ("window.__timelines.other = made(1); window.__timelines.third = made(1)", False),
            ("window.__timelines.kid = made(1)", False),
        ],
        one_of=2,
    ),
)
def test_the_only_timeline_drives_the_root(tmp_path: Path, script: str, adopted: bool) -> None:
    body = '<div data-composition-id="kid" data-start="1" data-no-timeline></div>'
    with open_html(tmp_path, composition(body, MADE + script, root=TIMED)) as page:
        assert page.loaded.missing == ([] if adopted else ["main"])
        sought = page.at(15, "Object.values(__timelines)[0].log.filter(Array.isArray).at(-1)?.[0] ?? null")
        assert sought == (0.5 if adopted else (0 if "kid" in script else None))


def gsap_page(tmp_path: Path, gsap: bytes, body: str, script: str, root: str = TIMED) -> AbstractContextManager[Page]:
    html = composition(body, script, root=root, head='<script src="gsap.js"></script>')
    return open_html(tmp_path, html, {"gsap.js": gsap})


@pytest.mark.parametrize("more", ["", "tl.call(() => {}, [], 1.5);"])
def test_gsap_set_at_0_is_in_the_first_frame(tmp_path: Path, gsap: bytes, more: str) -> None:
    script = f"""const tl = gsap.timeline({{paused: true}}); tl.set(x, {{backgroundColor: '#0f0'}}, 0);
      tl.set(x, {{backgroundColor: '#f00'}}, 1); {more} window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x"', "#00f"), script) as page:
        assert [page.pixel(k) for k in (0, 29, 30, 0)] == [GREEN, GREEN, RED, GREEN]


def test_gsap_tweens_are_at_the_frames_time(tmp_path: Path, gsap: bytes) -> None:
    script = """const tl = gsap.timeline({paused: true});
      tl.to(x, {x: 30, duration: 1, ease: 'none'}).to(x, {x: 0, duration: 0.5, ease: 'none', repeat: 1, yoyo: true});
      window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x"'), script, root="") as page:
        assert page.report()["duration"] == 2
        for frame, x in ((15, 15), (30, 30), (45, 0), (52, 14), (3, 3), (59, 28)):
            assert page.at(frame, "gsap.getProperty(x, 'x')") == pytest.approx(x, abs=0.001)


def test_gsap_from_is_not_reverted_beyond_the_end(tmp_path: Path, gsap: bytes) -> None:
    script = """const tl = gsap.timeline({paused: true});
      tl.from(x, {xPercent: -100, duration: 0.5, ease: 'none'}); window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x"'), script) as page:
        assert [page.pixel(k) for k in (0, 14, 15, 30, 59)] == [BLACK, RED, RED, RED, RED]
        assert page.at(59, "gsap.getProperty(x, 'xPercent')") == 0
        assert page.at(3, "gsap.getProperty(x, 'xPercent')") == pytest.approx(-80)


def test_gsap_callbacks_fire_once(tmp_path: Path, gsap: bytes) -> None:
    script = """const log = [], tl = gsap.timeline({paused: true, onUpdate: () => log.push('update')});
      tl.to(x, {x: 30, duration: 1, ease: 'none', onStart: () => log.push('start'),
                onComplete: () => log.push('complete')});
      window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x"'), script) as page:
        page.seek(0)
        page.value("log.length = 0")
        log = [page.at(frame, "log.splice(0)") for frame in (3, 15, 15, 30, 31)]
        assert log == [["start", "update"], ["update"], [], ["complete", "update"], []]


def test_gsap_calls_fire_once_when_they_are_passed(tmp_path: Path, gsap: bytes) -> None:
    script = """const log = [], tl = gsap.timeline({paused: true});
      tl.to(x, {x: 30, duration: 1}); tl.call(name => log.push(name), ['half'], 0.5); window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x"'), script) as page:
        assert [page.at(frame, "log.splice(0)") for frame in (0, 14, 15, 16, 40)] == [[], [], ["half"], [], []]


def test_gsap_sibling_timelines_start_with_their_hosts(tmp_path: Path, gsap: bytes) -> None:
    body = """<div id="host" data-composition-id="kid" data-start="0.5" data-duration="1"><i id="x"></i></div>
      <div data-composition-id="nested" data-start="0.5" data-duration="1" data-no-timeline><i id="y"></i></div>"""
    script = """const move = target => gsap.timeline({paused: true}).to(target, {x: 60, duration: 1, ease: 'none'});
      const main = gsap.timeline({paused: true});
      window.__timelines.main = main; window.__timelines.kid = move(x); window.__timelines.nested = move(y);
      main.add(window.__timelines.nested, 0.5); main.set({}, {}, 2);"""
    with gsap_page(tmp_path, gsap, body, script) as page:
        for frame, moved in ((0, 0), (15, 0), (30, 30), (36, 42), (18, 6), (45, 60), (59, 60)):
            where = page.at(frame, "[gsap.getProperty(x, 'x'), gsap.getProperty(y, 'x')]")
            assert where == pytest.approx([moved, moved], abs=0.001)


def test_gsap_only_children_make_the_length(tmp_path: Path, gsap: bytes) -> None:
    body = '<div data-composition-id="kid" data-start="0.5"><i id="x"></i></div>'
    script = """window.__timelines.kid = gsap.timeline({paused: true}).to(x, {x: 60, duration: 1, ease: 'none'});"""
    with gsap_page(tmp_path, gsap, body, script, root="data-no-timeline") as page:
        assert page.report()["duration"] == 1.5
        assert page.at(30, "gsap.getProperty(x, 'x')") == pytest.approx(30)


def test_gsap_tweens_outside_of_any_timeline(tmp_path: Path, gsap: bytes) -> None:
    script = "gsap.to(x, {x: 60, duration: 1, delay: 0.5, ease: 'none'})"
    with gsap_page(tmp_path, gsap, '<i id="x"></i>', script, root='data-duration="2" data-no-timeline') as page:
        for frame, moved in ((0, 0), (15, 0), (16, 2), (30, 30), (59, 60)):
            assert page.at(frame, "gsap.getProperty(x, 'x')") == pytest.approx(moved, abs=0.01)
    # a chunk begins with a jump, which GSAP must not take for a tab that slept
    with gsap_page(tmp_path, gsap, '<i id="x"></i>', script, root='data-duration="2" data-no-timeline') as page:
        assert page.at(36, "gsap.getProperty(x, 'x')") == pytest.approx(42, abs=0.01)


def test_gsap_auto_alpha_on_a_clip(tmp_path: Path, gsap: bytes) -> None:
    script = """const tl = gsap.timeline({paused: true});
      tl.fromTo(x, {autoAlpha: 0}, {autoAlpha: 1, duration: 0.5, ease: 'none'});
      tl.to(x, {autoAlpha: 0, duration: 0.5}, 1.5);
      window.__timelines.main = tl;"""
    with gsap_page(tmp_path, gsap, box('id="x" data-start="0.1" data-duration="1.5"'), script) as page:
        assert [page.pixel(k) for k in (2, 30, 48)] == [BLACK, RED, BLACK]
        assert page.at(3, "[x.style.visibility, +x.style.opacity]") == ["visible", pytest.approx(0.2, abs=0.001)]
        assert page.at(48, "x.style.visibility") == "hidden"


def test_gsap_seeks_do_not_depend_on_the_seeks_before(tmp_path: Path, gsap: bytes) -> None:
    script = """const tl = gsap.timeline({paused: true, defaults: {ease: 'power2.inOut'}});
      tl.from('.b', {y: 40, opacity: 0, stagger: 0.1, duration: 0.6}).to('.b', {rotation: 90, duration: 0.7}, '-=0.2')
        .set('.b', {backgroundColor: '#0f0'}, 1).fromTo('.b', {scale: 1}, {scale: 0.5, duration: 0.5}, 1.2);
      window.__timelines.main = tl;"""
    body = "".join(
        f'<i class="b" style="position:absolute;left:{16 * i}px;top:20px;width:12px;height:12px;background:#f00"></i>'
        for i in range(4)
    )
    with gsap_page(tmp_path, gsap, body, script) as page:
        run = page.digests(0, 60)
    assert len(set(run)) > 30
    for frame in (1, 20, 37, 59):
        with gsap_page(tmp_path, gsap, body, script) as page:
            assert page.digests(frame, frame + 1) == [run[frame]]
