"""Pages with invalid text, with lies, and with messages without end: a render or a typed error, in bounded time and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hfdask
from hfdask import errors
from hfdask.browser.answers import Abouts, Elements, Report, Sought, Status, understood
from hfdask.core.model import PageParts
from hfdask.text import all_legible, all_well_formed, legible, well_formed

BOUND = 40.0
LIMITS = {"load_timeout": 5.0, "frame_timeout": 3.0, "fps": 10, "chunk_size": 4}

PAGE = """<!doctype html><html><head></head><body>
<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="0.8" data-no-timeline
 style="background:#080">%s</div><script>%s</script></body></html>"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(st.characters(blacklist_categories=[])))
def test_every_text_becomes_one_that_can_be_written_and_shown(text):
    whole = well_formed(text)
    assert whole.encode().decode() == whole
    assert legible(whole) == legible(text)
    assert not set(legible(text)) & {chr(code) for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert whole == text


def test_halves_are_joined_and_what_is_left_is_replaced():
    assert well_formed("a\ud83d\ude00b\ud83d") == "a\U0001f600b\ufffd"
    assert legible("\x1b]0;owned\x07 \x9b31m\u202e\n\tü") == "␛]0;owned␇ \ufffd31m\ufffd\n\tü"
    assert all_well_formed({"\ud83d": ["\ud83d", 1, None, {"x": "\ude00"}]}) == {
        "\ufffd": ["\ufffd", 1, None, {"x": "\ufffd"}]
    }
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    all_legible(deep)


def test_errors_are_legible_whatever_they_quote():
    error = errors.AssetError("\ud83d is \x1b[31m missing", missing=["\ud83d", "\x00"], count=2)
    assert str(error) == "[MISSING_ASSET] \ufffd is ␛[31m missing"
    assert error.details == {"missing": ["\ufffd", "␀"], "count": 2}


REPORT = {
    "width": 64, "height": 64, "hasRoot": True, "compositionId": "c", "fps": None, "duration": 1, "source": "clips",
    "clips": [], "timelines": [], "adapters": [], "unsupported": [], "variableProblems": [], "warnings": [], "problems": [],
}  # fmt: skip


@pytest.mark.slow
@given(st.sampled_from([Status, Report, Sought, Elements, Abouts, PageParts, bool]), json_values)
def test_whatever_a_page_answers_it_is_understood_or_refused(kind, answer):
    with suppress(errors.ScriptError):
        understood(answer, kind, "its state")


@given(st.sampled_from(sorted(REPORT)), json_values)
def test_a_report_with_anything_in_any_place_is_understood_or_refused(name, value):
    with suppress(errors.ScriptError):
        report = understood({**REPORT, name: value}, Report, "its timeline")
        assert all(isinstance(clip.start, float) for clip in report.clips)
        assert isinstance(report.duration, float)


def test_a_refusal_names_what_was_wrong():
    with pytest.raises(errors.ScriptError, match=r"its timeline .*Expected `bool`, got `int` - at `\$\.hasRoot`"):
        understood({**REPORT, "hasRoot": 5}, Report, "its timeline")
    with pytest.raises(errors.ScriptError, match="did not report its timeline: mine"):
        understood({"failed": "mine"}, Report, "its timeline")
    clip = {"id": "a", "tag": "i", "start": None, "end": None, "track": 0}
    with pytest.raises(errors.ScriptError, match="'a'"):
        assert understood({**REPORT, "clips": [clip]}, Report, "its timeline").clips


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., list[hfdask.ChunkResult]]:
    def run(body: str, script: str = "", **options: object) -> list[hfdask.ChunkResult]:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "index.html").write_text(PAGE % (body, script), "utf-8")
        plan = hfdask.plan(folder, tmp_path / "plan", **{**LIMITS, **options})
        assert "\x1b" not in repr((plan.messages, plan.manifest.warnings, plan.findings))
        json.dumps([plan.messages, plan.manifest.warnings], ensure_ascii=False).encode()
        return [hfdask.render_chunk(plan.url, k, tmp_path / f"{k}.mp4") for k in range(len(plan.manifest.chunks))]

    return run


@pytest.mark.slow
@pytest.mark.browser
def test_halves_of_characters_are_no_reason_to_end_a_render(attempt, tmp_path):
    script = """
    const half = '\\ud83d', escape = '\\x1b]0;owned\\x07';
    for (const say of ['error', 'warn']) console[say](half + escape + '😀'.slice(0, 1), { [half]: half });
    console.assert(false, half);
    document.title = half + escape;
    history.replaceState({}, '', '#' + half);
    const clip = document.createElement('b' ), root = document.querySelector('#root');
    clip.className = 'clip'; clip.id = half; clip.dataset.start = '0'; clip.textContent = half; clip.style.fontFamily = `"${half}"`;
    root.append(clip);
    root.dataset.compositionId = 'c' + half + escape;
    root.dataset.compositionVariables = JSON.stringify([{id: half, type: 'string', label: half, default: half}]);
    window.__timelines[half] = { duration: () => 1, time() {}, pause() {}, seek() {} };
    fetch('/missing-' + half + '.json').catch(() => {});
    new Image().src = 'data:image/svg+xml,' + half;
    new FontFace(half, 'url(data:,x)').load().catch(() => {});
    addEventListener('hf-seek', e => { console.error(half, e.detail.time); Promise.reject(new Error(half + escape)) });
    throw new Error(half + escape);
    """
    first, second = attempt("", script, page_errors="warn")
    assert first.frames == second.frames == 4
    said = (tmp_path / "0.mp4.frames.json").read_text("utf-8")
    assert "␛]0;owned␇" in said
    assert "\\u001b" not in said
    with pytest.raises(errors.ScriptError, match="\ufffd␛"):
        attempt("", script)


LIES = {
    "long_errors": "const huge = 'x'.repeat(2 ** 28); setTimeout(() => { throw new Error(huge) }); Promise.reject(huge)",
    "many_errors": "addEventListener('hf-seek', () => { for (let i = 0; i < 1e5; i++) Promise.reject('x'.repeat(1e4)) })",
    "an_error_that_cannot_be_shown": "addEventListener('hf-seek', e => e.detail.waitUntil(Promise.reject({ get stack() { throw this }, toString() { throw this } })))",
    "a_symbol_thrown": "addEventListener('hf-seek', e => e.detail.waitUntil(Promise.reject(Symbol('x'))))",
    "map_lies": "Array.prototype.map = () => 5",
    "map_is_huge": "const s = 'x'.repeat(2 ** 20); Array.prototype.map = () => Array(5000).fill(s)",
    "map_is_deep": "let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; Array.prototype.map = () => deep",
    "map_is_a_proxy": "Array.prototype.map = () => new Proxy([], { get: (of, name) => name === 'length' ? 1e9 : 'x' })",
    "map_is_round": "const round = []; round.push(round); Array.prototype.map = () => round",
    "filter_lies": "Array.prototype.filter = function () { return { length: 'x' } }",
    "keys_lie": "Object.keys = () => [Symbol.iterator, 'constructor', null]",
    "entries_lie": "Object.entries = () => 7; Object.fromEntries = () => 8",
    "an_iterator_that_never_ends": "Set.prototype[Symbol.iterator] = function* () { for (;;) yield 'x'.repeat(1e5) }",
    "array_iterator_lies": "Array.prototype[Symbol.iterator] = function* () { yield NaN }",
    "setters_on_arrays": "for (let i = 0; i < 100; i++) Object.defineProperty(Array.prototype, i, { set() {}, get: () => 'mine', configurable: true })",
    "getters_on_objects": "for (const name of ['value', 'get', 'set', 'failed', 'problems', 'changed', 'root', 'writable']) Object.defineProperty(Object.prototype, name, { get: () => 'mine', set() {}, configurable: true })",
    "json_on_objects": "Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = () => 'mine'",
    "then_on_objects": "Object.prototype.then = function (done) { done({ problems: 'mine' }) }",
    "promise_lies": "Promise.allSettled = async () => [{ status: 'rejected', reason: { stack: 'x'.repeat(2 ** 26) } }]; addEventListener('hf-seek', e => e.detail.waitUntil(1))",
    "promise_patched": "Promise.prototype.then = function () { return this }; window.Promise = class { constructor() { throw 1 } }",
    "numbers_lie": "parseFloat = Number = () => NaN; Number.isFinite = () => true",
    "numbers_are_huge": "window.parseFloat = () => 1e308; Math.max = () => 1e308; Math.trunc = () => 1e300",
    "numbers_are_negative": "Math.max = () => -5; window.parseFloat = () => -1e308",
    "round_lies": "Math.round = Math.floor = () => 'x'",
    "texts_lie": "String.prototype.slice = String.prototype.toWellFormed = String.prototype.trim = () => 5",
    "attributes_lie": "Element.prototype.getAttribute = () => ({ length: -1 })",
    "attributes_are_huge": "const s = 'x'.repeat(2 ** 27); Element.prototype.getAttribute = () => s",
    "names_lie": "Object.defineProperty(Element.prototype, 'id', { get: () => 5 }); Object.defineProperty(Element.prototype, 'localName', { get: () => null })",
    "names_are_huge": "const s = 'x'.repeat(2 ** 27); Object.defineProperty(Element.prototype, 'id', { get: () => s })",
    "fonts_lie": "CSSStyleDeclaration.prototype.getPropertyValue = () => 5; Object.defineProperty(CSSStyleDeclaration.prototype, 'fontFamily', { get: () => 5 })",
    "selectors_lie": "Document.prototype.querySelectorAll = () => [null, 5, {}]",
    "html_lies": "Object.defineProperty(Element.prototype, 'outerHTML', { get: () => 5 })",
    "html_is_huge": "const s = 'x'.repeat(2 ** 27); Object.defineProperty(Element.prototype, 'outerHTML', { get: () => s })",
    "the_runtime_replaced": "const fake = new Proxy(function () {}, { get: () => fake, apply: () => ({ problems: [5], changed: 'x' }) }); try { window.__hfdask = fake } catch {} Object.defineProperty(Object.prototype, '__hfdask', { value: fake }); window.__hfdaskText = fake",
    "the_clock_replaced": "window.__HF_VIRTUAL_TIME__ = { takeProblems: () => 5, seekToFrame: 5 }",
    "the_text_replaced": "window.__hfdaskText = { changed: () => 'x', fresh: () => [5, null, {}], samples: () => ({}), about: () => ({ element: 5 }) }",
    "text_that_is_no_element": "const own = window.__hfdaskText; if (own) window.__hfdaskText = { ...own, fresh: () => [{}, {}], about: () => ({ element: 'x', families: 'y' }) }",
    "endless_times": "document.querySelector('#root').dataset.duration = 'Infinity'; document.querySelector('#root').innerHTML = '<i class=clip data-start=1e999></i><i class=clip data-start=1e308 data-duration=1e308></i>'",
    "no_numbers": "document.querySelector('#root').dataset.width = '1e308'; document.querySelector('#root').dataset.fps = 'x'.repeat(1e6)",
    "endless_timeline": "delete document.querySelector('#root').dataset.duration; window.__timelines.c = { duration: () => Infinity, time() {}, pause() {}, seek() {} }; document.querySelector('#root').removeAttribute('data-no-timeline')",
    "many_warnings": "for (let i = 0; i < 1e5; i++) { const e = document.createElement('i'); e.className = 'clip'; e.dataset.start = 'x y ' + i + 'z'.repeat(500); root.append(e) }",
    "many_clips": "root.innerHTML = '<i class=clip data-start=0></i>'.repeat(20000)",
    "long_names": "root.innerHTML = `<i class=clip data-start=0 id=${'x'.repeat(1e7)}></i>`; root.dataset.compositionId = 'y'.repeat(1e7)",
    "many_timelines": "for (let i = 0; i < 3e5; i++) window.__timelines['x' + i] = null",
    "variables_that_are_deep": "root.dataset.compositionVariables = '[{\"id\":\"x\",\"default\":' + '['.repeat(5000) + ']'.repeat(5000) + '}]'",
    "variables_that_are_many": "root.dataset.compositionVariables = JSON.stringify(Array.from({length: 3e5}, (_, i) => ({ id: 'x' + i, type: 'string', label: 'x', default: 'y' })))",
    "missing_files_of_long_names": "for (let i = 0; i < 500; i++) { const e = new Image(); e.id = 'x'.repeat(1e6); e.src = i + '.png'; root.append(e) }",
}  # fmt: skip

FLOODS = {
    "messages": "for (let i = 0; i < 1e6; i++) console.error('x'.repeat(200) + i)",
    "messages_at_frames": "addEventListener('hf-seek', () => { for (let i = 0; i < 2e5; i++) console.warn({ i }, [i]) })",
    "messages_of_a_worker": "for (let i = 0; i < 4; i++) new Worker(URL.createObjectURL(new Blob(['for (;;) console.error(\"x\".repeat(1e5))'])))",
    "huge_messages": "const s = 'x'.repeat(2 ** 27); for (let i = 0; i < 50; i++) console.error(s, new Error(s), [s])",
    "exceptions": "for (let i = 0; i < 2e5; i++) setTimeout(() => { throw new Error('x'.repeat(1e3)) })",
    "requests": "for (let i = 0; i < 2e4; i++) fetch('/' + i).catch(() => {})",
    "requests_elsewhere": "for (let i = 0; i < 2e4; i++) fetch('https://example.com/' + i).catch(() => {})",
    "endless_requests": "(function again() { fetch('/x').then(again, again) })()",
    "frames": "for (let i = 0; i < 400; i++) root.append(document.createElement('iframe'))",
    "frames_in_frames": "(function again(doc, n) { if (n) { const f = doc.createElement('iframe'); doc.body.append(f); again(f.contentDocument, n - 1) } })(document, 60)",
    "frames_that_come_and_go": "setInterval(() => { const f = document.createElement('iframe'); f.src = 'about:blank'; root.append(f); setTimeout(() => f.remove(), 5) }, 1)",
    "workers": "for (let i = 0; i < 200; i++) new Worker(URL.createObjectURL(new Blob(['0'])))",
    "breakpoints": "for (let i = 0; i < 5000; i++) debugger",
    "endless_breakpoints": "for (;;) debugger",
    "scripts": "for (let i = 0; i < 2e5; i++) Function('return ' + i + '//# sourceURL=x' + i)",
    "windows": "for (let i = 0; i < 2000; i++) open('about:blank')",
    "dialogs": "for (let i = 0; i < 300; i++) alert(i)",
    "titles": "for (let i = 0; i < 1e5; i++) { document.title = 'x' + i; history.replaceState(0, '', '#' + i) }",
    "sockets": "for (let i = 0; i < 2000; i++) { new WebSocket('ws://example.com/'); new EventSource('/x' + i) }",
    "fonts": "for (let i = 0; i < 2000; i++) document.fonts.add(new FontFace('x' + i, 'url(/missing.woff2)'))",
    "style_sheets": "for (let i = 0; i < 2000; i++) { const l = document.createElement('link'); l.rel = 'stylesheet'; l.href = 'data:text/css,a' + i; document.head.append(l) }",
    "text": "document.fonts.ready.then(() => { root.innerHTML = Array.from({ length: 3000 }, (_, i) => `<i style='font:10px f${i}'>${i} w${i}</i>`).join('') })",
}  # fmt: skip


def some(cases: dict[str, str], *always: str) -> list[object]:
    return [
        pytest.param(script, id=name, marks=[] if name in always else [pytest.mark.slow])
        for name, script in cases.items()
    ]


def refused_or_rendered(attempt: Callable[..., list[hfdask.ChunkResult]], script: str) -> None:
    """The page ends in a typed error or in frames, soon, without filling this process; and the next page is drawn as ever."""
    before = psutil.Process().memory_info().rss
    began = time.monotonic()
    error = None
    try:
        chunks = attempt("<i>text</i>", script, check="off")
        assert sum(chunk.frames for chunk in chunks) > 0
    except hfdask.HfdaskError as caught:
        error = caught
    assert error is None or (error.code != "HFDASK_ERROR" and len(str(error)) < 100_000)
    assert time.monotonic() - began < BOUND
    assert psutil.Process().memory_info().rss - before < 800e6
    chunks = attempt("", "")
    assert [chunk.frames for chunk in chunks] == [4, 4]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("script", some(LIES, "map_is_deep"))
def test_a_page_that_lies_is_refused_or_rendered(script, attempt):
    refused_or_rendered(attempt, script)


@pytest.mark.browser
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("script", some(FLOODS))
def test_a_page_that_floods_us_is_bounded(script, attempt):
    refused_or_rendered(attempt, script)
