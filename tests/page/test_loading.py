"""When a page is ready (docs/compositions.md, 8.1), and how errors of its scripts and files come out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from font_samples import build_font
from page_samples import GREEN, RED, SOON, box, composition, open_html, svg
from slow import sampled

from hfdask.browser import browser_thread
from hfdask.errors import AssetError, FontUnreadableError, PageTimeoutError, RootNotFoundError, ScriptError
from hfdask.page.server import Miss

pytestmark = pytest.mark.browser

REGISTER = """window.__timelines.main = {duration: () => 2, play() {}, pause() {},
  seek(t) { x.style.background = t < 1 ? '#f00' : '#0f0' }};"""
BOX = box('id="x"', "#00f")


@pytest.mark.parametrize(
    ("script", "tail"),
    sampled(
        [
            (f"setTimeout(() => {{ {REGISTER} }}, 300)", ""),
            (f"setTimeout(() => setTimeout(() => setTimeout(() => {{ {REGISTER} }}, 100), 100), 100)", ""),
            (f"(async () => {{ await (await fetch('data.json')).json(); {REGISTER} }})()", ""),
            (f"addEventListener('load', () => {{ {REGISTER} }})", ""),
            ("", '<script type="module" src="entry.js"></script>'),
            (f"import('./late.js').then(() => {{ {REGISTER} }})", ""),
            ("", '<script defer src="plain.js"></script>'),
            ("document.head.append(Object.assign(document.createElement('script'), {src: 'plain.js'}))", ""),
            (f"document.fonts.ready.then(() => {{ {REGISTER} }})", ""),
            (
                f"new Promise(done => setTimeout(done, 50)).then(() => fetch('data.json')).then(() => {{ {REGISTER} }})",
                "",
            ),
        ]
    ),
)
def test_late_timelines_are_waited_for(tmp_path: Path, script: str, tail: str) -> None:
    files = {
        "data.json": "{}",
        "entry.js": f"import './late.js'; await new Promise(done => setTimeout(done, 20)); {REGISTER}",
        "late.js": "export const late = 1;",
        "plain.js": REGISTER,
    }
    with open_html(tmp_path, composition(BOX, script, root="") + tail, files) as page:
        assert (page.loaded.missing, page.loaded.abandoned) == ([], [])
        assert page.report()["duration"] == 2
        assert [page.pixel(29), page.pixel(30)] == [RED, GREEN]


@pytest.mark.parametrize(
    "script",
    ["", "setInterval(() => {}, 10)", "requestAnimationFrame(function loop() { requestAnimationFrame(loop) })"],
)
def test_the_wait_ends_when_no_timeline_can_come_any_more(tmp_path: Path, script: str) -> None:
    with open_html(tmp_path, composition(BOX, script, root='data-duration="1"')) as page:
        assert page.loaded.missing == ["main"]
        assert page.seconds < SOON


WORKER = "onmessage = () => setTimeout(() => postMessage('done'), 400)"
PENDING = {
    "a long timer": f"setTimeout(() => {{ {REGISTER} }}, 1300)",
    "timers after each other": f"setTimeout(() => setTimeout(() => {{ {REGISTER} }}, 1100), 1100)",
    "promises of all kinds": f"""(async () => {{ await document.fonts.ready; await new Promise((done) => setTimeout(done, 1200));
      await fetch('data.json'); {REGISTER} }})()""",
    "an interval that counts": f"""let n = 0; const each = setInterval(() => {{ if (++n === 12) {{ clearInterval(each); {REGISTER} }} }}, 100)""",
    "many timers at once": f"""let n = 0; for (let i = 1; i <= 80; i++) setTimeout(() => {{ if (++n === 80) {{ {REGISTER} }} }}, 15 * i)""",
    "two animation frames": f"requestAnimationFrame(() => requestAnimationFrame(() => {{ {REGISTER} }}))",
    "animation frames, then a timer": f"requestAnimationFrame(() => setTimeout(() => {{ {REGISTER} }}, 1200))",
    "an idle callback": f"requestIdleCallback(() => {{ {REGISTER} }})",
    "a task of the scheduler": f"scheduler.postTask(() => {{ {REGISTER} }}, {{delay: 1200}})",
    "a picture that is decoded": f"""const image = new Image(); image.src = 'red.svg'; image.decode()
      .then(() => createImageBitmap(image)).then(() => {{ {REGISTER} }})""",
    "a picture that is not in the document": f"const image = new Image(); image.onload = () => {{ {REGISTER} }}; image.src = 'red.svg'",
    "a calculation of the browser": f"""crypto.subtle.importKey('raw', new Uint8Array(9), 'PBKDF2', false, ['deriveBits'])
      .then((key) => crypto.subtle.deriveBits({{name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(9), iterations: 2e6}}, key, 256))
      .then(() => {{ {REGISTER} }})""",
    "a worker": f"""const worker = new Worker('worker.js'); worker.onmessage = () => {{ {REGISTER} }}; worker.postMessage('go')""",
    "a file that is read": f"new Response(new Blob(['x'.repeat(2e7)])).text().then(() => {{ {REGISTER} }})",
}


# On every run each thing that may be pending once; what is made of several in `make test-all`.
MADE_OF_SEVERAL = {
    "timers after each other",
    "promises of all kinds",
    "many timers at once",
    "animation frames, then a timer",
}


@pytest.mark.parametrize(
    "script",
    sampled(
        [
            pytest.param(script, id=name, marks=[pytest.mark.slow] if name in MADE_OF_SEVERAL else [])
            for name, script in PENDING.items()
        ]
    ),
)
def test_a_missing_timeline_is_waited_for_while_anything_is_pending(tmp_path: Path, script: str) -> None:
    files = {"data.json": "{}", "red.svg": svg("#f00"), "worker.js": WORKER}
    with open_html(tmp_path, composition(BOX, script, root=""), files) as page:
        assert (page.loaded.missing, page.loaded.pending, page.loaded.gives_up) == ([], [], ())
        assert [page.pixel(29), page.pixel(30)] == [RED, GREEN]


@pytest.mark.parametrize(
    "wait", sampled(["setTimeout(make, 1300)", "requestAnimationFrame(() => requestAnimationFrame(make))"])
)
@pytest.mark.parametrize("what", ["root", pytest.param("__hf", marks=pytest.mark.slow)])
def test_a_missing_root_is_waited_for_alike(tmp_path: Path, wait: str, what: str) -> None:
    make = {
        "root": """document.body.insertAdjacentHTML('beforeend', `<div data-composition-id="late" data-duration="2"
          data-width="64" data-height="64" data-no-timeline style="background:#0f0"></div>`)""",
        "__hf": "window.__hf = {duration: 2, seek() { document.documentElement.style.background = '#0f0' }}",
    }[what]
    html = f"<!doctype html><body style='margin:0'><script>function make() {{ {make} }} {wait}</script>"
    with open_html(tmp_path, html) as page:
        assert page.pixel(0) == GREEN
    with (
        pytest.raises(RootNotFoundError, match="no composition root yet, with a timer of 90000 ms still pending: give"),
        open_html(tmp_path, html.replace(wait, "setTimeout(make, 90_000)"), load_timeout=5.0),
    ):
        pass


@pytest.mark.parametrize(
    ("script", "pending", "waits"),
    sampled(
        [
            (f"setTimeout(() => {{ {REGISTER} }}, 90_000)", ["a timer of 90000 ms"], False),
            ("(function again() { setTimeout(again, 300) })()", ["a timer of 300 ms"], True),
            pytest.param("(function again() { setTimeout(again, 0) })()", [], None, marks=pytest.mark.slow),
            pytest.param("setInterval(() => {}, 400)", ["an interval of 400 ms"], True, marks=pytest.mark.slow),
            pytest.param("scheduler.postTask(() => {}, {delay: 60_000})", ["postTask()"], True, marks=pytest.mark.slow),
            ("new Promise(() => {})", [], False),
            ("new Worker('data:text/javascript,')", [], False),
        ]
    ),
)
def test_the_wait_for_a_timeline_ends_in_time_and_tells_what_was_pending(
    tmp_path: Path, script: str, pending: list[str], waits: bool | None
) -> None:
    html = composition(BOX, script, root='data-duration="1"')
    with open_html(tmp_path, html, load_timeout=5.0 if waits else 30.0) as page:
        assert (page.loaded.missing, page.loaded.pending) == (["main"], pending)
        assert page.seconds > 3 if waits else page.seconds < SOON or waits is None
        gives_up = page.loaded.gives_up
        assert "timeline main" in gives_up
    with open_html(tmp_path, html, gives_up=gives_up) as page:  # as a chunk does
        assert page.loaded.missing == ["main"]
        assert page.seconds < SOON  # short timers that never end are given up after two seconds


def test_rejections_of_what_is_watched_are_the_pages_own(tmp_path: Path) -> None:
    script = """new Image().decode().catch(() => { window.caught = 1 });
      const shown = {}; window.kinds = [new Response('{').json().catch((error) => error.name), new Blob().text.name];
      new Response('{').json();"""
    with open_html(tmp_path, composition(BOX, script), page_errors="warn") as page:
        assert page.value("caught") == 1
        assert page.value("Promise.all(kinds)") == ["SyntaxError", "text"]
        assert sum("Unhandled rejection" in text for text in page.session.log.messages) == 1


def test_timers_that_never_end_are_waited_for_a_second_of_theirs(tmp_path: Path) -> None:
    script = "let n = 0; (function again() { n++; setTimeout(again, 20) })()"
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert (page.loaded.abandoned, page.value("n")) == ([], 51)
        assert page.seconds < SOON


def test_idle_callbacks_are_called_and_hold_nothing_up(tmp_path: Path) -> None:
    script = """let calls = 0; const never = requestIdleCallback(() => { calls = -1000 }); cancelIdleCallback(never);
      requestIdleCallback(function again(deadline) { if (deadline.timeRemaining() > 0) calls++; requestIdleCallback(again) });
      addEventListener('hf-seek', () => requestIdleCallback(() => { x.style.background = '#0f0' }))"""
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert page.loaded.abandoned == []
        assert page.value("calls") > 0
        assert page.pixel(0) == GREEN, "the browser is idle in the frame"


def test_compositions_that_say_so_are_not_waited_for(tmp_path: Path) -> None:
    body = BOX + '<div data-composition-id="a" data-no-timeline></div><div data-composition-id="b"></div>'
    with open_html(tmp_path, composition(body)) as page:
        assert page.loaded.missing == ["b"]


def test_promises_of_the_page_are_waited_for(tmp_path: Path) -> None:
    script = """window.__tailwindReady = new Promise(done => {
      setTimeout(() => { x.style.background = '#0f0'; done() }, 1200) });"""
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert page.pixel(0) == GREEN
        assert page.value("[__playerReady, __renderReady]") == [True, True]


def test_a_rejected_promise_counts_as_settled(tmp_path: Path) -> None:
    script = "window.__tailwindReady = Promise.reject(new Error('no build')); window.__tailwindReady.catch(() => {})"
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert page.loaded.abandoned == []


def test_duration_reads_0_until_the_page_is_ready(tmp_path: Path) -> None:
    script = "const early = [window.__hf.duration ?? 0, window.__renderReady, window.__HF_RENDER_CAPTURE_MODE]"
    with open_html(tmp_path, composition(BOX, script)) as page:
        assert page.value("early") == [0, False, True]
        assert page.value("[__hf.duration, typeof __hf.seek]") == [2, "function"]


def test_a_page_without_a_root(tmp_path: Path) -> None:
    with pytest.raises(RootNotFoundError, match=r"index\.html has no composition root"), open_html(tmp_path, "<p>x"):
        pass


def test_a_script_that_never_ends(tmp_path: Path) -> None:
    with (
        pytest.raises(PageTimeoutError, match=r"did not become ready within 1 s: a script that never ends"),
        open_html(tmp_path, composition("", "while (true) {}"), load_timeout=1.0),
    ):
        pass


def test_a_page_that_waits_in_vain_names_what_it_waits_for(tmp_path: Path) -> None:
    with (
        pytest.raises(PageTimeoutError, match=r"within 1 s: the page still waits for __tailwindReady$"),
        open_html(tmp_path, composition(BOX, "window.__tailwindReady = new Promise(() => {})"), load_timeout=1.0),
    ):
        pass


@pytest.mark.parametrize(
    ("script", "message"),
    sampled(
        [
            ("throw new TypeError('early')", "early"),
            ("setTimeout(() => { throw new Error('timed') }, 50)", "timed"),
            ("Promise.reject(new Error('refused'))", "Unhandled rejection.*refused"),
            ("Promise.reject({ a: 1 })", r'Unhandled rejection: {"a":1}'),
            (
                "document.body.append(Object.assign(document.createElement('script'), {text: 'let let = 1'}))",
                "SyntaxError",
            ),
            ("addEventListener('DOMContentLoaded', () => missing())", "missing is not defined"),
            ("window.__timelines.main = {duration: () => 1, pause() { throw new Error('pause') }, seek() {}}", "pause"),
            ("requestAnimationFrame(() => { throw new Error('first call') })", "first call"),
            (
                "fetch('index.html').then((answer) => answer.json())",
                "Unhandled rejection: SyntaxError: .*not valid JSON",
            ),
            ("(async () => { await (await fetch('index.html')).formData() })()", "Unhandled rejection: TypeError"),
        ]
    ),
)
def test_an_exception_while_loading_is_found(tmp_path: Path, script: str, message: str) -> None:
    # as a warning, because an error costs the browser, and another one a second
    with open_html(tmp_path, composition(BOX, script), page_errors="warn") as page:
        assert re.search(f"(?s)uncaught while .*{message}", "\n".join(page.session.log.messages))


def test_an_exception_while_loading_ends_the_render(tmp_path: Path) -> None:
    with (
        pytest.raises(ScriptError, match=r"a script failed while loading: .*early") as caught,
        open_html(tmp_path, composition(BOX, "throw new TypeError('early')")),
    ):
        pass
    assert "early" in caught.value.details["problems"][0]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "requestAnimationFrame(function f(t) { if (t >= 500) throw Error('at last'); requestAnimationFrame(f) })",
            "at last",
        ),
        ("addEventListener('hf-seek', ({detail}) => { if (detail.time >= 0.5) throw new Error('no GPU') })", "no GPU"),
        ("window.__timelines.main = {duration: () => 2, seek(t) { if (t >= 0.5) throw new Error('stuck') }}", "stuck"),
    ],
)
def test_an_exception_in_a_frame_names_the_frame(tmp_path: Path, script: str, message: str) -> None:
    with open_html(tmp_path, composition(BOX, script)) as page:
        page.seek(14)
        with pytest.raises(ScriptError, match=rf"at frame 15: .*{message} \(http.*index\.html"):
            page.seek(15)


def test_an_exception_in_an_iframe_counts_too(tmp_path: Path) -> None:
    loop = "function f(t) { if (t > 10) throw new Error('inner'); requestAnimationFrame(f) }"
    inner = f"<script>requestAnimationFrame({loop})</script>"
    with open_html(tmp_path, composition('<iframe src="inner.html"></iframe>'), {"inner.html": inner}) as page:
        page.seek(0)
        with pytest.raises(ScriptError, match=r"at frame 1: .*inner"):
            page.seek(1)


def test_a_rejection_in_a_frame_is_told_by_the_next_one(tmp_path: Path) -> None:
    script = """requestAnimationFrame(async function loop(t) {
      requestAnimationFrame(loop); if (t === 500) throw new Error('later') })"""
    with (
        open_html(tmp_path, composition(BOX, script)) as page,
        pytest.raises(ScriptError, match=r"(?s)at frame 1[56]: .*later"),
    ):
        page.frames(15, 17)


def test_with_warnings_the_render_goes_on(tmp_path: Path) -> None:
    script = f"{REGISTER} requestAnimationFrame(() => {{ throw new Error('once') }}); throw new Error('twice')"
    with open_html(tmp_path, composition(BOX, script, root=""), page_errors="warn") as page:
        assert page.pixel(30) == GREEN
        messages = "\n".join(page.session.log.messages)
        assert re.search("while loading: .*twice", messages)
        assert "once" in messages


def test_what_is_no_error(tmp_path: Path) -> None:
    script = """try { throw new Error('caught') } catch {}
      Promise.reject(new Error('handled')).catch(() => {});
      new ResizeObserver(() => { x.style.width = `${x.offsetWidth + 1}px` }).observe(x);
      console.error('a word');"""
    with open_html(tmp_path, composition('<div id="x"></div>', script)) as page:
        for frame in range(4):
            page.pixels(frame)
        assert any("a word" in text for text in page.session.log.messages)


@pytest.mark.parametrize("url", ["http://", "https://:x/a.png"])
def test_urls_that_no_browser_reads_are_drawn_as_nothing(url: str, tmp_path: Path) -> None:
    vector = f'<svg><image href="{url}" width="9" height="9"/></svg>'
    body = box("", "#0f0", f"background-image: url({url})") + vector + f'<img src="{url}">'
    with open_html(tmp_path, composition(body, style=f"#unused {{ background: url({url}) }}")) as page:
        assert page.pixel(0) == GREEN


def test_missing_files_are_noted_with_what_they_are_for(tmp_path: Path) -> None:
    style = """@font-face {font-family: Lost; src: url(lost.woff2)} #unused {background: url(unused.png)}
      #x {font-family: Lost; background: url(used.png)}"""
    body = '<img src="no%20picture.png"><div id="x">x</div>'
    script = "fetch('perhaps.json').catch(() => {})"
    html = composition(body, script, style=style, head='<link rel="stylesheet" href="lost.css">')
    with open_html(tmp_path, html + '<script src="lost.js"></script>') as page:
        page.pixels(0)
        misses = set(page.session.site.misses)
    assert misses == {
        Miss("no picture.png", "image"),
        Miss("used.png", "image"),
        Miss("unused.png", "empty"),  # nothing shows it, so it ends no render
        Miss("lost.woff2", "font"),
        Miss("lost.css", "style"),
        Miss("lost.js", "script"),
        Miss("perhaps.json", "empty"),
        Miss("used.png", "empty"),
    }


FACE = "@font-face {{ font-family: Lost; src: {src} }} #x {{ font-family: {family} }}"


def finished(folder: Path, src: str, family: str, files: dict[str, bytes], script: str = "") -> None:
    style = FACE.format(src=src, family=family)
    with open_html(folder, composition('<div id="x">x</div>', script, style=style), {**files}) as page:
        browser_thread().run(page.session.finish(), 15)


def test_a_font_that_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    good = build_font(tmp_path / "font" / "good.ttf", "Good").read_bytes()
    files = {"good.ttf": good, "bad.ttf": good[:200] + bytes(400) + good[600:]}
    with pytest.raises(FontUnreadableError, match=r"bad\.ttf; .*valid one") as caught:
        finished(tmp_path, "url(bad.ttf)", "Lost", files)
    assert caught.value.details == {"fonts": ["bad.ttf"]}
    finished(tmp_path, "url(bad.ttf), url(good.ttf)", "Lost", files)
    finished(tmp_path, "url(bad.ttf)", "Other", files)
    finished(tmp_path, "local(Nothing)", "Lost", files)


def test_a_missing_font_is_an_error_only_where_text_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"gone\.ttf"):
        finished(tmp_path, "url(gone.ttf)", "Lost, serif", {})
    with pytest.raises(AssetError, match=r"gone\.ttf"):
        finished(tmp_path, "url(gone.ttf)", "serif", {}, "const font = '20px Lost'")
    finished(tmp_path, "url(gone.ttf)", "serif", {})


def test_a_picture_that_goes_missing_in_a_frame_is_noted_and_not_fatal_itself(tmp_path: Path) -> None:
    script = "requestAnimationFrame(function f(t) { if (t >= 500) x.src = 'gone.png'; requestAnimationFrame(f) })"
    with open_html(tmp_path, composition('<img id="x">', script)) as page:
        page.seek(14)
        assert page.session.site.misses == []
        page.seek(15)
        assert page.session.site.misses == [Miss("gone.png", "image")]


def test_the_network_is_closed(tmp_path: Path) -> None:
    body = '<img src="http://127.0.0.1:1/x.png"><img src="https://example.com/y.png">'
    with open_html(tmp_path, composition(body)) as page:
        assert sorted((each.url, each.kind) for each in page.session.log.failed) == [
            ("http://127.0.0.1:1/x.png", "image"),
            ("https://example.com/y.png", "image"),
        ]


def test_pages_keep_nothing_from_each_other(tmp_path: Path) -> None:
    """The same addresses, other content, and a cache that is allowed: a new page must see the new files."""
    look = (
        "const kept = [localStorage.length, document.cookie]; localStorage.setItem('a', 'b'); document.cookie = 'a=b'"
    )
    for colour, pixel in (("#f00", RED), ("#0f0", GREEN)):
        html = composition('<img src="a.svg" style="position:absolute;top:0;left:0">', look)
        with open_html(tmp_path, html, {"a.svg": svg(colour)}) as page:
            assert page.pixel(0) == pixel
            assert page.value("kept") == [0, ""]
