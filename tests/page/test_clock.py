"""Virtual time and seeded randomness (docs/compositions.md, 7), and the time that a seek is for (3.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from page_samples import Page, composition, open_html

from hfdask.core.frames import frame_time

pytestmark = pytest.mark.browser

# The time that a page sees in a rAF callback, while a frame is made.
PROBE = """
  function look() {
    const past = new Date(2020, 1, 3), now = new Date();
    return {
      now: Date.now(), performance: performance.now(), origin: performance.timeOrigin, fresh: now.getTime(),
      text: Date() === now.toString(), argument: new Date(5).getTime(), past: past.getFullYear(),
      utc: Date.UTC(1970, 0, 2), parsed: Date.parse('1970-01-01T00:00:01Z'),
      isDate: [now instanceof Date, past instanceof Date, past.constructor === Date],
      subclass: (() => { class D extends Date {}; const d = new D(); return [d instanceof D, d.getTime()] })(),
    };
  }
  const loading = look();
  const stamps = [];
  requestAnimationFrame(function loop(stamp) { window.seen = look(); stamps.push(stamp); requestAnimationFrame(loop) });
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_html(tmp_path_factory.mktemp("clock"), composition("", PROBE)) as page:
        yield page


@pytest.mark.parametrize("frame", [0, 7, 30, 3])
def test_one_clock_for_all(clock: Page, frame: int) -> None:
    seen = clock.at(frame, "seen")
    ms = frame / 30 * 1000 or 5
    assert (seen["now"], seen["performance"], seen["origin"]) == (pytest.approx(ms), pytest.approx(ms), 0)
    assert seen["fresh"] == math.floor(seen["now"])
    assert seen["text"] is True
    assert (seen["argument"], seen["past"], seen["utc"], seen["parsed"]) == (5, 2020, 86_400_000, 1000)
    assert seen["isDate"] == [True] * 3
    assert seen["subclass"] == [True, math.floor(seen["now"])]
    assert clock.value("stamps.at(-1)") == pytest.approx(ms)


def test_time_stands_still_while_the_page_loads_just_before_the_first_frame(clock: Page) -> None:
    loading, first = clock.value("[loading, stamps[0]]")
    assert 0 < loading["now"] == loading["performance"] < first < 1e-9
    assert loading["fresh"] == 0


def test_a_frame_callback_runs_once_a_seek_and_what_it_asks_for_waits(clock: Page) -> None:
    before = clock.value("stamps.length")
    clock.seek(10)
    clock.seek(11)
    assert clock.value("stamps.length") == before + 2


# Loops as people write them: what each draws at a frame of the video, as milliseconds since its start.
LOOPS = {
    "a start that may not be 0": ("let start = null", "if (!start) start = now; draw(now - start)", 5.0),
    "a start that is undefined": ("let start", "start ??= now; draw(now - start)", 5.0),
    "a start in the load": ("const start = performance.now()", "draw(now - start)", 5.0),
    "a date in the load": ("const start = Date.now()", "draw(Date.now() - start)", 5.0),
    "a date object": ("const start = new Date()", "draw(new Date() - start)", 5.0),
    "the document's timeline": ("const start = document.timeline.currentTime", "draw(now - start)", 5.0),
    "the clock itself": ("", "draw(performance.now())", 5.0),
    "a ticker that ignores 0": ("", "if (now) draw(now)", 5.0),
    "a ticker that wants later times": ("let last = performance.now()", "if (now > last) draw(last = now)", 5.0),
    "a limit since 0": ("let last = 0", "if (now - last >= 4) draw(last = now)", 5.0),
    "a limit since the load": ("let last = performance.now()", "if (now - last > 1000 / 240) draw(last = now)", 5.0),
    "a limit since the first call": ("let last", "last ??= now; if (now - last > 4) draw(last = now)", 5.0),
    "a loop that draws from its second call on": ("let last", "if (last) draw(now); last = now", 5.0),
    "steps of time": ("let sum = 0, last", "sum += now - (last ?? now); last = now; draw(sum)", 5.0),
    "a frame number": ("let start", "start ??= now; draw(Math.round((now - start) / 1000 * 30) / 30 * 1000)", 0.0),
}


def test_loops_draw_every_frame_from_the_first_on(tmp_path: Path) -> None:
    loops = [
        f"""{{ const draw = (ms) => {{ drawn[{n}] = ms }}; {before};
          requestAnimationFrame(function loop(now) {{ {body}; requestAnimationFrame(loop) }}) }}"""
        for n, (before, body, _) in enumerate(LOOPS.values())
    ]
    html = composition("", f"const drawn = []; {' '.join(loops)}")
    with open_html(tmp_path, html) as page:
        assert page.at(0, "drawn") == pytest.approx([first for _, _, first in LOOPS.values()])
        run = [page.at(frame, "drawn") for frame in range(1, 31)]
        for n, (name, (_, body, _)) in enumerate(LOOPS.items()):
            drawn = [each[n] for each in run]
            exact = [frame / 30 * 1000 for frame in range(1, 31)]
            assert drawn == pytest.approx(exact, abs=1 if "Date()" in body else 1e-9), name
    with open_html(tmp_path, html) as page:
        assert [page.at(frame, "drawn") for frame in (16, 17)] == run[15:17]


def test_a_start_is_the_videos_to_the_last_bit(tmp_path: Path) -> None:
    script = """let start; const begun = performance.now(), seen = []; requestAnimationFrame(function loop(now) {
      if (!start) start = now; seen.push([now, now - start, now - begun]); requestAnimationFrame(loop) })"""
    for fps in (Fraction(30), Fraction(60000, 1001), Fraction(240)):
        with open_html(tmp_path, composition("", script), fps=fps) as page:
            for frame in range(1, 40):
                page.seek(frame)
            seen = page.value("seen")[1:]
            assert seen == [[frame_time(frame, fps) * 1000] * 3 for frame in range(1, 40)]


@pytest.mark.sample("fps0", "fps2")
@pytest.mark.parametrize("fps", [Fraction(1), Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(240)])
def test_timestamps_are_positive_and_rise(tmp_path: Path, fps: Fraction) -> None:
    script = """const stamps = [performance.now()];
      requestAnimationFrame(function loop(now) { stamps.push(now); requestAnimationFrame(loop) })"""
    with open_html(tmp_path, composition("", script, root='data-duration="9" data-no-timeline'), fps=fps) as page:
        for frame in range(6):
            page.seek(frame)
        stamps = page.value("stamps")
    assert len(stamps) == 8
    assert stamps[0] > 0
    assert all(one < other for one, other in pairwise(stamps))
    # Who rounds the clock to frames gets this one.
    assert [round(stamp / 1000 * float(fps)) for stamp in stamps[2:]] == list(range(6))


def test_what_was_queued_in_the_load_runs_once_before_the_first_frame_of_any_chunk(tmp_path: Path) -> None:
    script = "const seen = []; requestAnimationFrame(function loop(t) { seen.push(t); requestAnimationFrame(loop) })"
    with open_html(tmp_path, composition("", script)) as page:
        assert page.at(30, "seen") == [pytest.approx(0, abs=1e-9), 1000]


OTHERS = """
  function look(event) {
    return {
      timeline: document.timeline.currentTime, later: 100 + new DocumentTimeline({originTime: 100}).currentTime,
      event: event.timeStamp, made: new Event("made").timeStamp, mark: performance.mark("mark").startTime,
      measure: performance.measure("all").duration, since: performance.measure("since", {start: 0}).duration,
      between: performance.measure("between", "mark").duration + performance.now(),
      prototype: Performance.prototype.now.call(performance),
    };
  }
  function words() {
    const format = new Intl.DateTimeFormat("en-GB", {minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3});
    const {instant, zonedDateTimeISO, plainDateTimeISO, plainTimeISO, plainDateISO} = globalThis.Temporal?.Now ?? {};
    const temporal = instant && [instant().epochMilliseconds, zonedDateTimeISO("Asia/Tokyo").epochMilliseconds,
      plainDateTimeISO("UTC").toString(), plainTimeISO().toString(), plainDateISO("Asia/Tokyo").toString()];
    return [format.format(), [new Date()].map(format.format)[0], format.formatToParts().map((part) => part.value).join(""),
      document.lastModified, temporal];
  }
  addEventListener("hf-seek", (event) => { window.heard = event; window.times = look(event); window.said = words() });
"""


@pytest.mark.parametrize(("frame", "ms"), [(0, 5), (15, 500), (3, 100)])
def test_whatever_tells_the_time_agrees(tmp_path: Path, frame: int, ms: float) -> None:
    with open_html(tmp_path, composition("", OTHERS)) as page:
        assert page.at(frame, "times") == dict.fromkeys(page.value("Object.keys(times)"), pytest.approx(ms))
        text = f"00:00.{ms:03}"
        said = page.value("said")
        assert said[:4] == [text, text, text, "01/01/1970 00:00:00"]
        if said[4] is not None:
            whole = f"00:00:00.{ms:03}".rstrip("0").rstrip(".")
            assert said[4] == [ms, ms, f"1970-01-01T{whole}", whole, "1970-01-01"]
        assert page.value("heard.detail.time") == pytest.approx(frame / 30)
        page.seek(30)
        assert page.value("heard.timeStamp") == 1000
        assert page.value("(() => { try { Event.prototype.timeStamp } catch (e) { return e.name } })()") == "TypeError"


def test_an_event_that_is_kept_keeps_its_time(tmp_path: Path) -> None:
    script = "let first; addEventListener('hf-seek', (event) => { first ??= event; window.stamps = [first.timeStamp, event.timeStamp] })"
    with open_html(tmp_path, composition("", script)) as page:
        page.seek(3)
        assert page.at(30, "stamps") == [100, 1000]


def test_callbacks_can_be_cancelled_also_within_a_run(tmp_path: Path) -> None:
    script = """const log = [];
      const never = requestAnimationFrame(() => log.push('never')); cancelAnimationFrame(never);
      let late;
      requestAnimationFrame(() => { log.push('first'); cancelAnimationFrame(late); cancelAnimationFrame(99999);
        const next = requestAnimationFrame(() => log.push('never')); cancelAnimationFrame(next); });
      late = requestAnimationFrame(() => log.push('never'));
      requestAnimationFrame(() => log.push('third'));
      let refused; try { requestAnimationFrame('text') } catch (error) { refused = error instanceof TypeError }"""
    with open_html(tmp_path, composition("", script)) as page:
        page.seek(0)
        assert page.at(1, "log") == ["first", "third"]
        assert page.value("refused") is True
        assert page.value("[typeof never, late > never]") == ["number", True]


def test_an_exception_does_not_stop_the_other_callbacks(tmp_path: Path) -> None:
    script = """const log = []; requestAnimationFrame(() => { throw new Error('broken') });
      requestAnimationFrame(() => log.push('second'));"""
    with open_html(tmp_path, composition("", script), page_errors="warn") as page:
        assert page.at(0, "log") == ["second"]
        assert any("broken" in text for text in page.session.log.messages)


@pytest.mark.sample("fps0", "fps2")
@pytest.mark.parametrize(
    "fps", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(7), Fraction(999_999_937, 9_999_991)]
)
def test_the_time_of_a_frame_is_pythons_to_the_last_bit(tmp_path: Path, fps: Fraction) -> None:
    script = "const told = []; addEventListener('hf-seek', ({detail}) => told.push([detail.time, performance.now()]))"
    frames = [1, 2, 3, 6, 12, 15, 24, 25, 1000, 99_999, 2_000_003]
    inner = (
        "<script>const told = []; (function loop(ms) { if (ms) told.push(ms); requestAnimationFrame(loop) })()</script>"
    )
    with open_html(
        tmp_path, composition("<iframe src='inner.html' id=f></iframe>", script), {"inner.html": inner}, fps=fps
    ) as page:
        for frame in frames:
            page.seek(frame)
        times = [frame_time(frame, fps) for frame in frames]
        assert page.value("told") == [[time, time * 1000] for time in times]
        assert page.value("f.contentWindow.eval('told')")[-len(frames) :] == [time * 1000 for time in times]


@pytest.mark.parametrize(
    ("fps", "frame"),
    [(Fraction(25), 29), (Fraction(30000, 1001), 15), (Fraction(60), 59)],
)
def test_seeks_are_quantised_to_their_own_frame(tmp_path: Path, fps: Fraction, frame: int) -> None:
    # 29 / 25 * 25 is 28.999... in doubles, and 15 * 1001 / 30000 * 30000 / 1001 less than 15.
    script = "addEventListener('hf-seek', event => { window.sought = event.detail.time })"
    with open_html(tmp_path, composition("", script), fps=fps) as page:
        assert page.at(frame, "sought * fps".replace("fps", repr(float(fps)))) == pytest.approx(frame, abs=1e-6)
        between = (frame + 0.6) / float(fps)
        assert page.value(f"__hf.seek({between!r}), sought") == pytest.approx(float(frame / fps), abs=1e-12)
        assert page.value("__hfThreeTime") == page.value("__player.getTime()") == page.value("sought")


class Mulberry32:
    """Written from the algorithm's definition, to check the page's against."""

    def __init__(self, ms: float) -> None:
        self.state = (math.floor(ms) * -1640531527 + 0x9E3779B9) & 0xFFFFFFFF

    def word(self) -> int:
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        t = self.state
        t = ((t ^ t >> 15) * (t | 1)) & 0xFFFFFFFF
        t ^= (t + ((t ^ t >> 7) * (t | 61))) & 0xFFFFFFFF
        return t ^ t >> 14


RANDOM = """
  const loading = [Math.random(), Math.random()];
  requestAnimationFrame(function loop() {
    const bytes = crypto.getRandomValues(new Uint8Array(7).subarray(1));
    window.drawn = { bytes: [...bytes], words: [...crypto.getRandomValues(new Uint32Array(2))],
                     numbers: [Math.random(), Math.random(), Math.random()] };
    window.uuid = crypto.randomUUID();
    requestAnimationFrame(loop);
  });
"""


def test_random_numbers_come_from_the_frames_time(tmp_path: Path) -> None:
    with open_html(tmp_path, composition("", RANDOM)) as page:
        generator = Mulberry32(0)
        assert page.value("loading") == [generator.word() / 2**32, generator.word() / 2**32]
        for frame in (0, 1, 29, 30, 5):
            drawn = page.at(frame, "drawn")
            generator = Mulberry32(frame / 30 * 1000)
            first = generator.word().to_bytes(4, "little")
            assert drawn["bytes"] == [*first, generator.word() & 255, generator.word() & 255]
            assert drawn["words"] == [generator.word(), generator.word()]
            assert drawn["numbers"] == [generator.word() / 2**32 for _ in range(3)]
        sequential = page.at(20, "[drawn, uuid]")
    assert sequential[1][14] == "4"
    with open_html(tmp_path, composition("", RANDOM)) as page:
        assert page.at(20, "[drawn, uuid]") == sequential


def test_bad_requests_for_random_bytes_fail_as_in_the_browser(tmp_path: Path) -> None:
    with open_html(tmp_path, composition("")) as page:
        attempt = "(() => { try { crypto.getRandomValues(%s) } catch (error) { return error.name } })()"
        assert page.value(attempt % "new Float32Array(1)") == "TypeMismatchError"
        assert page.value(attempt % "new Uint8Array(65537)") == "QuotaExceededError"


INNER = """<!doctype html><body style="margin:0;background:#00f"><script>
  requestAnimationFrame(function loop(t) {
    window.seen = [t, performance.now(), Date.now(), Math.random()];
    document.body.style.background = t >= 500 ? '#0f0' : '#f00'; requestAnimationFrame(loop);
  });
</script>"""


def test_iframes_have_the_clock_too(tmp_path: Path) -> None:
    body = """<iframe id="one" src="inner/page.html" style="position:absolute;inset:0;border:0"></iframe>
      <iframe id="two" srcdoc="<iframe src='inner/page.html'></iframe>"></iframe>"""
    files = {"inner/page.html": INNER}
    with open_html(tmp_path, composition(body), files) as page:
        assert [page.pixel(k) for k in (14, 15, 3)] == [(255, 0, 0), (0, 255, 0), (255, 0, 0)]
        seen = [1000, 1000, 1000, Mulberry32(1000).word() / 2**32]
        assert page.at(30, "[one.contentWindow.seen, two.contentWindow.frames[0].seen]") == [seen, seen]
        assert page.value("'__hfdask' in one.contentWindow") is False


def test_what_draws_on_a_seek_has_the_frames_own_time_and_randomness(tmp_path: Path) -> None:
    script = (
        "addEventListener('hf-seek', e => { window.seen = [Date.now(), e.detail.time, Math.random(), Math.random()] })"
    )
    with open_html(tmp_path, composition("", script)) as page:
        alone = page.at(20, "seen")
        for frame in range(15, 20):
            page.seek(frame)
        assert page.at(20, "seen") == alone
        assert alone[0] == pytest.approx(alone[1] * 1000)
        assert alone[2] != alone[3]
