"""Changes by a page's observers are in the picture of the frame that they observed, in every chunk."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import BLACK, BLUE, GREEN, RED, Page, box, composition, open_html, svg
from slow import sampled

pytestmark = pytest.mark.browser

# `x` covers the canvas and is red; it becomes green when the observer has seen what happens at frame 9.
BOX = box('id="x"')
SEEK = "addEventListener('hf-seek', ({detail}) => { const late = detail.time >= 0.3; %s });"
MOVE = SEEK % "io.style.left = late ? '10px' : '400px'"
GROW = SEEK % "io.style.width = late ? '30px' : '20px'"
IO = '<i id="io" style="position:absolute;left:400px;width:20px;height:20px"></i>'
SHOW = "x.style.background = e.isIntersecting ? '#0f0' : '#f00'"
FIT = "x.style.background = io.offsetWidth > 25 ? '#0f0' : '#f00'"
INNER = """<!doctype html><body style="margin:0;background:#f00"><i id="io" style="position:absolute;left:400px;width:9px;height:9px"></i>
  <script>new IntersectionObserver(([e]) => { document.body.style.background = e.isIntersecting ? '#0f0' : '#f00' }).observe(io);
  requestAnimationFrame(function loop(now) { io.style.left = now >= 300 ? '0' : '400px'; requestAnimationFrame(loop) })</script>"""

KINDS = {
    "in view": (BOX + IO, f"new IntersectionObserver(([e]) => {{ {SHOW} }}).observe(io); {MOVE}"),
    "in view, in a frame of its own": (
        BOX + IO,
        f"new IntersectionObserver(([e]) => requestAnimationFrame(() => {{ {SHOW} }})).observe(io); {MOVE}",
    ),
    "in view, two after each other": (
        BOX + IO + '<i id="next" style="position:absolute;left:400px;width:9px;height:9px"></i>',
        f"""new IntersectionObserver(([e]) => {{ next.style.left = e.isIntersecting ? '0' : '400px' }}).observe(io);
          new IntersectionObserver(([e]) => {{ {SHOW} }}).observe(next); {MOVE}""",
    ),
    "in view, a class of its own": (
        BOX + IO,
        f"""class Own extends IntersectionObserver {{ constructor() {{ super(function ([e]) {{
          if (this instanceof Own && e.time > 0) {SHOW} }}, {{threshold: 0.5}}) }} }} new Own().observe(io); {MOVE}""",
    ),
    "in view, a loop that starts then": (
        BOX + IO,
        f"""new IntersectionObserver(([e]) => {{ if (!e.isIntersecting) return; x.style.background = '#00f';
          requestAnimationFrame(function loop() {{ x.style.background = '#0f0'; requestAnimationFrame(loop) }}) }}).observe(io);
          {MOVE}""",
    ),
    "in view, observed late": (
        BOX + IO,
        f"""io.style.left = '0'; const seen = new IntersectionObserver(([e]) => {{ {SHOW} }});
          {SEEK % "late ? seen.observe(io) : seen.disconnect()"}""",
    ),
    "size, observed late": (
        BOX + IO,
        f"""io.style.width = '30px'; const seen = new ResizeObserver(([e]) => {{ {FIT} }});
          {SEEK % "late ? seen.observe(io) : seen.disconnect()"}""",
    ),
    "in view, in an iframe": ('<iframe src="inner.html" style="position:absolute;inset:0;border:0"></iframe>', ""),
    "size": (BOX + IO, f"new ResizeObserver(() => {{ {FIT} }}).observe(io); {GROW}"),
    "size, in a frame of its own": (
        BOX + IO,
        f"new ResizeObserver(() => requestAnimationFrame(() => {{ {FIT} }})).observe(io); {GROW}",
    ),
    "size, more than the browser does at once": (
        '<div id="io" style="width:20px"><div id="inner"></div></div>' + BOX,
        f"""new ResizeObserver(() => {{ inner.style.width = io.offsetWidth + 'px' }}).observe(io);
          new ResizeObserver(() => {{ io.style.height = inner.offsetWidth + 'px' }}).observe(inner);
          new ResizeObserver(() => {{ {FIT} }}).observe(io); {GROW}""",
    ),
    "a picture that is loaded when in view": (
        f'<img id="x" src="red.svg" style="position:absolute;inset:0">{IO}',
        f"new IntersectionObserver(([e]) => {{ x.src = e.isIntersecting ? 'green.svg' : 'red.svg' }}).observe(io); {MOVE}",
    ),
    "content that is left out until in view": (
        f"""{BOX}<div id="io" style="position:absolute;inset:0;height:64px;content-visibility:auto">
          <p style="position:absolute;inset:0;margin:0;background:#0f0"></p></div>""",
        SEEK % "io.style.top = late ? '0' : '9000px'",
    ),
    "scrolling": (
        f'<div id="io" style="position:absolute;width:9px;height:9px;overflow:hidden"><p style="height:99px"></p></div>{BOX}',
        "io.onscroll = () => { x.style.background = io.scrollTop ? '#0f0' : '#f00' };"
        + SEEK % "io.scrollTop = late ? 50 : 0",
    ),
}
FILES = {"inner.html": INNER, "red.svg": svg("#f00"), "green.svg": svg("#0f0")}


def colours(page: Page, start: int, end: int) -> list[tuple[int, ...]]:
    return [tuple(int(part) for part in picture[50, 50]) for picture in page.frames(start, end)]


@pytest.mark.sample("in view, observed late-starts0", "size, more than the browser does at once-starts0")
@pytest.mark.parametrize("starts", [(9, 14), pytest.param((8, 10), marks=pytest.mark.slow)])
@pytest.mark.parametrize(("body", "script"), sampled(KINDS.values(), one_of=5), ids=KINDS)
def test_what_observers_change_belongs_to_the_frame(
    tmp_path: Path, body: str, script: str, starts: tuple[int, ...]
) -> None:
    html = composition(body, script)
    with open_html(tmp_path, html, FILES) as page:
        assert colours(page, 0, 12) == [RED] * 9 + [GREEN] * 3
        whole = page.digests(12, 15)
    for start in starts:  # as chunks that begin there
        with open_html(tmp_path, html, FILES) as page:
            assert colours(page, start, 15) == [RED] * (9 - start) + [GREEN] * min(6, 15 - start)
            assert page.digests(15, 16) == whole[-1:]


@pytest.mark.parametrize("mode", ["beginframe", "screenshot"])
def test_observers_that_never_come_to_rest_end(tmp_path: Path, mode: str) -> None:
    script = """let count = 0; new IntersectionObserver(([e]) => {
      count++; io.style.left = e.isIntersecting ? '400px' : '0' }).observe(io);"""
    with open_html(tmp_path, composition(BOX + IO, script), capture_mode=mode) as page:
        page.seek(1)
        before = page.value("count")
        page.at(2, "(io.style.top = '1px')")
        page.seek(3)
        calls = page.value("count") - before
        assert calls > 0
        assert calls < 30 or mode == "screenshot"  # there the browser draws by itself all the time


def test_an_observer_that_throws_is_told_with_its_frame(tmp_path: Path) -> None:
    script = (
        f"new IntersectionObserver(([e]) => {{ if (e.isIntersecting) throw new Error('seen') }}).observe(io); {MOVE}"
    )
    with open_html(tmp_path, composition(BOX + IO, script), page_errors="warn") as page:
        page.seek(8)
        assert page.session.log.messages == []
        page.seek(9)
        assert ["at frame 9" in text and "seen" in text for text in page.session.log.messages] == [True]


def test_observers_are_the_browsers_but_for_when_they_are_called(tmp_path: Path) -> None:
    script = """const io = new IntersectionObserver(() => {}, {rootMargin: '3px'});
      const attempt = (make) => { try { return make() } catch (error) { return error.name } };
      window.told = [io instanceof IntersectionObserver, io.constructor === IntersectionObserver, io.rootMargin,
        IntersectionObserver.name, ResizeObserver.length, Object.prototype.toString.call(io), io.takeRecords().length,
        attempt(() => new IntersectionObserver()), attempt(() => new ResizeObserver(3)),
        attempt(() => ResizeObserver(() => {})), attempt(() => io.observe(3))]"""
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert page.value("told") == [
            *[True, True, "3px 3px 3px 3px", "IntersectionObserver", 1, "[object IntersectionObserver]", 0],
            *["TypeError"] * 4,
        ]


def test_pages_without_observers_get_no_further_opportunities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_html(tmp_path, composition(BOX, SEEK % "x.style.background = late ? '#00f' : '#000'")) as page:
        monkeypatch.setattr(page.session, "rest", None)
        assert colours(page, 8, 10) == [BLACK, BLUE]
