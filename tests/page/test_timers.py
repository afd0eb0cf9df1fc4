"""Timers of a page: they follow its clock, whichever frames are sought (docs/compositions.md, 7.3)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from page_samples import BLACK, BLUE, GREEN, RED, box, composition, open_html, svg
from PIL import Image
from samples import COMPOSITIONS
from slow import sampled

pytestmark = pytest.mark.browser

LONG = 'data-duration="6" data-no-timeline'
BOX = box('id="x"', "#00f")

# Uses of timers, and the `value` at a time of the composition in milliseconds, after its first second.
ANIMATED: dict[str, tuple[str, Callable[[float], float]]] = {
    "an interval that counts": ("let value = 0; setInterval(() => { value++ }, 170)", lambda ms: ms // 170),
    "an interval that is cleared": (
        "let value = 0; const id = setInterval(() => { if (++value === 12) clearInterval(id) }, 200)",
        lambda ms: min(12, ms // 200),
    ),
    "an interval that begins late": (
        "let value = 0; setTimeout(() => setInterval(() => { value++ }, 100), 1250)",
        lambda ms: max(0, (ms - 1250) // 100),
    ),
    "a chain": ("let value = -1; (function step() { value++; setTimeout(step, 130) })()", lambda ms: ms // 130),
    "a chain of promises": (
        """let value = 0; const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
        (async () => { for (;;) { await sleep(90); await null; await sleep(70); value++ } })()""",
        lambda ms: ms // 160,
    ),
    "a chain without delays": (
        "let value = 0; setTimeout(() => setTimeout(function step() { value++; setTimeout(step, 0) }, 0), 1500)",
        # As in a browser: the first ones at once, then one each 4 ms.
        lambda ms: 0 if ms < 1500 else 5 + (ms - 1500) // 4,
    ),
    "a timer that an interval's promise sets": (
        """let value = 0; setInterval(() => Promise.resolve().then(() => {
          setTimeout(() => { value = performance.now() }, 100) }), 400)""",
        lambda ms: (ms - 100) // 400 * 400 + 100,
    ),
    "the time that each is told": (
        "let value = 0; setInterval(() => { value = Date.now() }, 250)",
        lambda ms: ms // 250 * 250,
    ),
    "the order of time, then of making": (
        """let value = 0; const push = (digit) => { value = value * 10 + digit };
        setTimeout(push, 1400, 3); setTimeout(push, 1200, 1); setTimeout(push, 1400, 4); setTimeout(push, 1300, 2)""",
        lambda ms: int("01234"[: 1 + (ms >= 1200) + (ms >= 1300) + 2 * (ms >= 1400)]),
    ),
    "timers by a timeline": (
        """let value = 0; const timers = []; setTimeout(() => {
          x.animate({opacity: [0, 1]}, 500).finished.then(() => setTimeout(() => { value = performance.now() }, 300)) }, 1100)""",
        lambda ms: 1900 if ms >= 1900 else 0,
    ),
    "a string": (
        "let value = 0; globalThis.tell = (ms) => { value = ms }; setTimeout('tell(performance.now())', '1100.9')",
        lambda ms: 1100 if ms >= 1100 else 0,
    ),
    "delays that are none": (
        "let value = 0; for (const delay of [undefined, NaN, -5, 'x', Infinity, 2 ** 32]) setTimeout(() => { value++ }, delay)",
        lambda ms: 6,
    ),
    "one that is cleared by another": (
        "let value = 0; setTimeout(() => clearTimeout(second), 1500); const second = setTimeout(() => { value++ }, 1500)",
        lambda ms: 0,
    ),
}


@pytest.mark.parametrize("start", sampled([30, 100, 170]))
def test_timers_fire_at_their_time_whichever_frames_are_sought(tmp_path: Path, start: int) -> None:
    scripts = [f"{{ {script}; values.push(() => value) }}" for script, _ in ANIMATED.values()]
    html = composition(BOX, f"const values = []; {' '.join(scripts)}", root=LONG)
    with open_html(tmp_path, html) as page:
        for frame in (start, start + 1, start + 5):
            seen = page.at(frame, "values.map((value) => value())")
            expected = {name: value(frame * 1000 / 30) for name, (_, value) in ANIMATED.items()}
            assert dict(zip(ANIMATED, seen, strict=True)) == expected, frame


def test_single_timers_of_the_first_second_are_set_up(tmp_path: Path) -> None:
    script = """const log = []; const at = (ms, ...rest) => setTimeout((...said) => log.push(ms, ...said), ms, ...rest);
      at(900); at(20, 'ti', 'mer'); setTimeout(() => at(300), 100); at(1100); clearTimeout(at(30));
      setInterval(() => log.push('interval'), 150)"""
    with open_html(tmp_path, composition("", script, root=LONG)) as page:
        assert page.value("log") == [20, "ti", "mer", 300, 900]
        assert page.at(4, "log").count("interval") == 0
        assert page.at(5, "log").count("interval") == 1


def test_set_up_waits_for_files_that_are_on_their_way(tmp_path: Path) -> None:
    script = """const seen = []; const look = () => seen.push(Boolean(window.late));
      setTimeout(look, 20); setTimeout(function poll() { if (window.late) { x.style.background = '#0f0' } else setTimeout(poll, 20) }, 20);
      const image = new Image(); image.src = 'red.svg'; image.decode().then(() => new Promise((done) => {
        const script = document.createElement('script'); script.src = 'late.js'; script.onload = done; document.head.append(script) }))"""
    files = {"red.svg": svg("#f00"), "late.js": "window.late = true"}
    with open_html(tmp_path, composition(BOX, script), files) as page:
        assert page.value("seen") == [True]
        assert page.pixel(0) == GREEN


def test_a_class_that_comes_late_is_drawn_at_its_time(tmp_path: Path) -> None:
    style = "#x.on {background: #0f0 !important} #x.off {background: #f00 !important}"
    script = "setTimeout(() => { x.className = 'on' }, 1500); setTimeout(() => { x.className = 'off' }, 2000)"
    with open_html(tmp_path, composition(BOX, script, root=LONG, style=style)) as page:
        assert [page.pixel(frame) for frame in (0, 44, 45, 59, 60, 170)] == [BLUE, BLUE, GREEN, GREEN, RED, RED]


def test_what_a_timer_of_a_frame_does_belongs_to_its_time(tmp_path: Path) -> None:
    script = """addEventListener('hf-seek', ({detail}) => {
      if (detail.time === 1) { setTimeout(() => { x.style.background = '#0f0' }); setTimeout(() => { x.style.background = '#f00' }, 100) } })"""
    with open_html(tmp_path, composition(BOX, script, root=LONG)) as page:
        assert [page.pixel(frame) for frame in (29, 30, 32, 33)] == [BLUE, GREEN, GREEN, RED]


def test_promises_of_a_frame_may_be_kept_by_its_timers(tmp_path: Path) -> None:
    script = """const sleep = (ms) => new Promise((done) => setTimeout(done, ms)); let early = 0; setTimeout(() => early++, 5000);
      addEventListener('hf-seek', ({detail}) => detail.waitUntil(sleep(30).then(() => sleep(10)).then(() => {
        x.style.background = detail.time < 1 ? '#0f0' : '#f00' })))"""
    with open_html(tmp_path, composition(BOX, script, root=LONG)) as page:
        assert [page.pixel(frame) for frame in (0, 29, 30)] == [GREEN, GREEN, RED]
        assert [page.at(149, "early"), page.at(150, "early")] == [0, 1]


def test_timers_of_frames_follow_the_clock_too(tmp_path: Path) -> None:
    inner = "<body style='margin:0'><script>var value = 0; setInterval(() => { value++ }, 400); setTimeout(() => parent.told = Date.now(), 1700)</script>"
    later = "<script>var value = 0; setInterval(() => { value++ }, 500)</script>"
    script = """setTimeout(() => { const made = document.createElement('iframe'); made.id = 'made'; made.src = 'later.html'; root.append(made) }, 2000)"""
    html = composition('<iframe id="frame" src="inner.html"></iframe>', script, root=LONG)
    for start in (60, 130):
        with open_html(tmp_path, html, {"inner.html": inner, "later.html": later}) as page:
            assert page.at(start, "frame.contentWindow.value") == start / 30 * 1000 // 400
            assert page.value("told") == 1700
    with open_html(tmp_path, html, {"inner.html": inner, "later.html": later}) as page:
        page.pixels(60)
        assert page.at(91, "made.contentWindow.value") == 2


def test_frames_of_other_origins_keep_the_real_clock(tmp_path: Path) -> None:
    inner = "<script>setTimeout(() => parent.postMessage('real', '*'), 50)</script>"
    body = '<iframe sandbox="allow-scripts" src="inner.html"></iframe>'
    script = "const told = new Promise((done) => addEventListener('message', ({data}) => done(data)))"
    with open_html(tmp_path, composition(body, script), {"inner.html": inner}) as page:
        assert page.value("told") == "real"


def test_an_error_in_a_timer_is_told_with_its_frame_and_stops_no_other(tmp_path: Path) -> None:
    script = "setTimeout(() => { throw Error('late') }, 1500); setTimeout(() => { x.style.background = '#0f0' }, 1500)"
    with open_html(tmp_path, composition(BOX, script, root=LONG), page_errors="warn") as page:
        assert page.pixel(45) == GREEN
        assert any("late" in text and "frame 45" in text for text in page.session.log.messages)


def test_many_timers_of_one_moment_are_no_endless_chain(tmp_path: Path) -> None:
    script = "let value = 0; for (let i = 0; i < 3000; i++) setTimeout(() => { value++ }, 1500)"
    with open_html(tmp_path, composition(BOX, script, root=LONG)) as page:
        assert [page.at(44, "value"), page.at(45, "value")] == [0, 3000]


@pytest.mark.slow
def test_an_endless_chain_at_one_moment_is_an_error(tmp_path: Path) -> None:
    script = "function again() { x.animate({opacity: [0, 1]}, 0).finished.then(again) } setTimeout(again, 1500)"
    with open_html(tmp_path, composition(BOX, script, root=LONG), page_errors="warn") as page:
        page.seek(45)
        assert any("start each other without end" in text for text in page.session.log.messages)


def test_scripts_that_replace_built_ins_leave_timers_alone(tmp_path: Path) -> None:
    script = """Map.prototype.get = Map.prototype.values = Array.prototype.push = Array.prototype.sort = Array.prototype.pop = () => undefined;
      Math.max = () => NaN; let value = 0; setInterval(() => { value++ }, 300)"""
    with open_html(tmp_path, composition(BOX, script, root=LONG)) as page:
        assert page.at(100, "value") == 11


def test_the_picture_of_a_blank_page_stays(tmp_path: Path) -> None:
    with open_html(tmp_path, composition("", "setInterval(() => {}, 40)", root=LONG)) as page:
        assert {page.pixel(frame) for frame in (0, 50, 51)} == {BLACK}


def library(name: str, file: str) -> bytes:
    script = COMPOSITIONS / name / "vendor" / file
    if not script.is_file():
        pytest.fail(f"{script} is missing; `make setup` fetches it with npm")
    return script.read_bytes()


def share(ms: float, start: float) -> float:
    return min(1, max(0, (ms - start) / 800))


def test_sequences_of_motion_are_where_their_times_say(tmp_path: Path) -> None:
    script = """const to = (x) => ({transform: ['none', `translateX(${x}px)`]}); const linear = {duration: 0.8, ease: 'linear'};
      Motion.animate([['#x', to(20), linear], ['#y', to(40), linear], ['#z', to(30), {...linear, at: 2.1}]]);
      const places = () => [x, y, z].map((each) => new DOMMatrix(getComputedStyle(each).transform).e)"""
    html = composition(
        '<i id="x"></i><i id="y"></i><i id="z"></i>', script, root=LONG, head='<script src="motion.js"></script>'
    )
    for start in (15, 36, 70, 120):
        with open_html(tmp_path, html, {"motion.js": library("motion", "motion.js")}) as page:
            for frame in (start, start + 3):
                ms = frame * 1000 / 30
                expected = [20 * share(ms, 0), 40 * share(ms, 800), 30 * share(ms, 2100)]
                assert page.at(frame, "places()") == pytest.approx(expected, abs=0.05), frame


def test_timers_of_d3_do_not_take_a_late_chunk_for_a_tab_that_slept(tmp_path: Path) -> None:
    script = """let value = 0, told = 0; d3.interval(() => { value++ }, 700); d3.timeout((elapsed) => { told = performance.now() }, 3300);
      d3.select(x).transition().duration(5000).ease(d3.easeLinear).style('margin-left', '50px')"""
    html = composition('<i id="x" style="margin-left: 0"></i>', script, root=LONG, head='<script src="d3.js"></script>')
    for start in (45, 100, 140):
        with open_html(tmp_path, html, {"d3.js": library("d3", "d3.min.js")}) as page:
            left = page.at(start, "parseFloat(getComputedStyle(x).marginLeft)")
            assert left == pytest.approx(start / 30 * 10, abs=0.05)
            assert page.value("value") == pytest.approx(start / 30 * 1000 // 700, abs=1)
            assert page.value("told > 0") == (start >= 100)


@pytest.mark.parametrize("name", ["film.gif", "picture.png", "style.png"])
def test_intervals_do_not_begin_while_pictures_are_read(name, tmp_path):
    """However long that takes: the runtime decodes pictures that may move, to know their frames."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 60, 80, 3), np.uint8)
    frames = [Image.fromarray(each).resize((800, 600), Image.Resampling.NEAREST) for each in noise]
    file = BytesIO()
    frames[0].save(
        file, name[-3:].upper(), **({"save_all": True, "append_images": frames[1:]} if name == "film.gif" else {})
    )
    script = "window.n = 0; setInterval(() => n++, 40)"
    shown = f'<i style="background:url({name})"></i>' if name == "style.png" else f'<img src="{name}" width="40">'
    with open_html(tmp_path, composition(shown, script), {name: file.getvalue()}) as page:
        assert [page.value("n"), *(page.at(frame, "n") for frame in (0, 2, 6))] == [0, 0, 1, 5]
