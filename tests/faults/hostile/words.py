"""Hostile texts and numbers in every attribute and value that the runtime reads or the page can say."""

from __future__ import annotations

import html
import json
import random

from case import GREEN, LIMITS, Case, plain, script

from hfdask import errors

TEXTS = {
    "a_lone_surrogate": "\ud83d",
    "two_lone_surrogates": "\udfff\ud800",
    "a_cut_emoji": "\U0001f600"[:1] + "\ude00",
    "control_characters": "\x1b[2J\x1b]0;x\x07\x08\x7f\x9b31m\r",
    "no_character": "\ufffe\uffff\U0010ffff",
    "turned_text": "\u202e\u2066\u200f\u200b\ufeff",
    "markup": "</script><!--<script>'\"`${x}&lt;]]>",
    "a_path": "../../../../etc/passwd%00\\..\\",
    "a_format": "%s%n{0}{x.__class__}{{}}$(id);`id`",
    "a_huge_text": "x" * 3_000_000,
    "many_lines": "\n\r\u2028\u2029" * 5000,
    "a_proto": "__proto__",
    "a_constructor": "constructor",
    "nothing": "",
    "white_space": " \t\n\f\u00a0\u3000",
    "letters_of_two_sizes": "\u0130\u0131\u1e9e\ufb03",
}
"""Texts; in HTML and JavaScript they go in as escapes, so that they come out as they are here."""

PLACES = {
    "an_id": "root.innerHTML = '<b data-start=0.1></b>'; root.firstChild.id = TEXT",
    "a_composition_id": "root.dataset.compositionId = TEXT",
    "an_inner_composition_id": "root.innerHTML = '<b data-no-timeline data-start=0></b>'; root.firstChild.dataset.compositionId = TEXT",
    "a_title": "document.title = TEXT",
    "a_message": "console.error(TEXT); console.warn('%s %o %c', TEXT, {x: TEXT}, TEXT)",
    "an_error": "setTimeout(() => { throw new Error(TEXT) })",
    "a_thrown_text": "throw TEXT",
    "a_rejection": "Promise.reject(TEXT)",
    "an_error_name": "const e = new Error('x'); e.name = TEXT; e.stack = TEXT; throw e",
    "a_timelines_name": "window.__timelines[TEXT] = { duration: () => 0.3, seek() {} }; window.__timelines.other = { duration: () => 0.3, seek() {} }",
    "a_start": "root.innerHTML = '<b></b>'; root.firstChild.dataset.start = TEXT",
    "a_duration": "root.innerHTML = '<b data-start=0></b>'; root.firstChild.dataset.duration = TEXT",
    "the_roots_duration": "root.dataset.duration = TEXT",
    "the_roots_rate": "root.dataset.fps = TEXT",
    "the_roots_width": "root.dataset.width = TEXT",
    "a_track": "root.innerHTML = '<b data-start=0></b>'; root.firstChild.dataset.trackIndex = TEXT",
    "a_source": "root.innerHTML = '<div></div>'; root.firstChild.dataset.compositionSrc = TEXT",
    "a_pictures_source": "const i = new Image(); i.src = TEXT; root.append(i)",
    "a_fetch": "fetch(TEXT).catch(() => {}); fetch('/' + TEXT).catch(() => {})",
    "a_hash": "location.hash = TEXT; history.replaceState(null, '', '?' + TEXT)",
    "a_font": "root.style.fontFamily = JSON.stringify(TEXT); root.textContent = 'x'",
    "a_text": "root.textContent = TEXT",
    "a_class": "root.className = TEXT; root.textContent = 'x'",
    "a_language": "root.lang = TEXT; root.textContent = 'x'",
    "a_style": "root.style.setProperty('--x', TEXT); root.style.backgroundImage = `url(${JSON.stringify(TEXT)})`",
    "a_variable": "root.setAttribute('data-composition-variables', JSON.stringify([{id: TEXT, type: 'string', default: TEXT}])); root.innerHTML = '<b></b>'; root.firstChild.setAttribute('data-var-text', TEXT)",
    "a_variables_source": "root.setAttribute('data-composition-variables', JSON.stringify([{id: 'v', type: 'image', default: TEXT}])); root.innerHTML = '<img data-var-src=v>'",
    "a_gate": "window.__hfMapbox = [{ once() { throw new Error(TEXT) } }]",
    "a_worker": "new Worker('data:text/javascript,' + encodeURIComponent('x').concat(TEXT))",
    "an_element": "try { root.append(document.createElementNS('http://www.w3.org/2000/svg', 'a' + TEXT)) } catch {} root.firstChild?.setAttribute('data-start', '0')",
    "a_link": "location.href = 'other.html?' + TEXT",
}

NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "-1",
    "-0",
    "1e308",
    "1e-308",
    "1e999",
    "0x10",
    "1_000",
    "9" * 400,
    "1.5.2",
    "٣",
    "5%",
    "5s",
    "null",
    "0",
)

ATTRIBUTES = (
    "start",
    "duration",
    "end",
    "track-index",
    "playback-rate",
    "playback-start",
    "media-start",
    "width",
    "height",
    "hidden",
    "loop",
)
ROOT_ATTRIBUTES = ("duration", "width", "height", "fps", "start", "end", "composition-duration")

# Values of variables; None if it is refused before a page is opened.
VARIABLES = {
    "a_lone_surrogate": {"x": "\ud800"},
    "a_lone_name": {"\ud800": "x"},
    "deep_lists": {"x": json.loads("[" * 400 + "]" * 400)},
    "very_deep_lists": {"x": None},
    "infinity": {"x": float("inf")},
    "no_number": {"x": float("nan")},
    "a_huge_integer": {"x": 10**400},
    "a_script": {"x": "</script><script>document.body.remove()</script>", "__proto__": {"then": 1}, "constructor": 1},
    "lines_that_end_scripts": {"x": "\u2028\u2029"},
    "a_huge_text": {"x": "x" * 30_000_000},
    "many": {f"v{n}": n for n in range(100_000)},
    "no_json": {"x": object()},
    "a_number_as_name": {1: "x"},
    "bytes": {"x": b"x"},
}


def _in_script(text: str) -> str:
    """A text as a JavaScript expression."""
    if len(text) > 100_000:
        return f"{json.dumps(text[:4])}.repeat({len(text) // 4})"
    return json.dumps(text).replace("</", "<\\/").replace("<!--", "<\\!--")


def _deep(depth: int) -> list[object]:
    made: list[object] = []
    for _ in range(depth):
        made = [made]
    return made


def cases(seed: int) -> list[Case]:
    """Every text in a few places, every place with a few texts, every attribute with a few numbers."""
    choice = random.Random(f"words {seed}")
    pairs = {(place, text) for place in PLACES for text in choice.sample(list(TEXTS), 3)}
    pairs |= {(place, text) for text in TEXTS for place in choice.sample(list(PLACES), 2)}
    pairs |= {(place, "a_lone_surrogate") for place in PLACES}
    texts = [
        Case("words", f"{text}_as_{place}", script(PLACES[place].replace("TEXT", _in_script(TEXTS[text]))))
        for place, text in sorted(pairs)
    ]
    numbers = [
        Case(
            "words",
            f"{name}_of_{number[:12]}",
            plain(f'<b data-start="0" data-{name}="{html.escape(number)}"></b><video data-{name}="{number}"></video>'),
        )
        for name in ATTRIBUTES
        for number in choice.sample(NUMBERS, 3)
    ]
    root = [
        Case(
            "words",
            f"a_root_with_{name}_of_{number[:12]}",
            {
                "index.html": f'<body><div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline data-{name}="{number}"></div>'.replace(
                    f'data-{name}="64"', ""
                ).replace(f'data-{name}="0.4"', "")
            },
        )
        for name in ROOT_ATTRIBUTES
        for number in choice.sample(NUMBERS, 3)
    ]
    given = {**VARIABLES, "very_deep_lists": {"x": _deep(50_000)}}
    variables = [
        Case("words", f"variables_{name}", GREEN, options={"variables": value}) for name, value in given.items()
    ]
    return [*texts, *numbers, *root, *variables, *KNOWN]


KNOWN = [
    Case("words", "a_day_at_the_highest_rate", {"index.html": '<body><div data-composition-id="c" data-width="64" data-height="64" data-duration="86400" data-no-timeline></div>'}, options={"fps": 240, "chunk_size": None}),
    Case("words", "a_year", {"index.html": '<body><div data-composition-id="c" data-width="64" data-height="64" data-duration="31536000" data-no-timeline></div>'}, renders=False, error=errors.DurationError),
    Case("words", "no_time_at_all", {"index.html": '<body><div data-composition-id="c" data-width="64" data-height="64" data-duration="1e-300" data-no-timeline></div>'}),
    Case("words", "the_largest_picture", {"index.html": '<body><div data-composition-id="c" data-width="99999" data-height="64" data-duration="0.1" data-no-timeline></div>'}, renders=False, error=errors.InvalidConfigError),
    Case("words", "a_timeline_without_end", script("root.removeAttribute('data-duration'); __timelines.c = { duration: () => Infinity, seek() {} }"), renders=False),
    Case("words", "a_timeline_of_1e308", script("root.removeAttribute('data-duration'); __timelines.c = { duration: () => 1e308, seek() {} }"), renders=False, error=errors.DurationError),
    Case("words", "a_timeline_that_is_a_text", script("root.removeAttribute('data-duration'); __timelines.c = { duration: () => '0.4', seek() {} }")),
    Case("words", "an_own_page_of_infinite_size", script("root.remove(); window.__hf = { duration: 0.4, width: Infinity, height: NaN, seek() {} }")),
    Case("words", "an_own_page_of_objects", script("root.remove(); window.__hf = { duration: { valueOf: () => 0.4 }, width: {}, height: [], media: { length: 'x' }, seek() {} }")),
    Case("words", "a_registry_of_nonsense", script("window.__timelines = { a: null, b: 1, c: 'x', d: [], e: () => {}, f: Symbol('x'), g: 1n, h: document, i: NaN }")),
    Case("words", "a_registry_that_is_a_list", script("window.__timelines = [null, 1, {}]")),
    Case("words", "a_registry_that_is_the_window", script("window.__timelines = window")),
    Case("words", "a_registry_of_many", script("for (let i = 0; i < 50000; i++) __timelines['t' + i] = { duration: () => 1, seek() {} }")),
    Case("words", "many_adapters_of_nonsense", script("window.__hfAnime = [1, null, document, {}]; window.__hfLottie = [window, {}, []]; window.__hfMapbox = [{}]; window.__hfD3 = [{}]; window.d3 = window.anime = window.lottie = {}")),
    Case("words", "globals_of_nonsense", script("window.__hfVariables = window.__hfVariablesByComp = window.__hyperframes = window.__player = null; window.__renderReady = {}; window.__hfTimelinesBuilding = false")),
    Case("words", "limits_of_nothing", GREEN, options={**LIMITS, "load_timeout": 1e-9}, renders=False),
    Case("words", "an_endless_frame_rate", GREEN, options={"fps": "1e999999999/1"}, renders=False, error=errors.InvalidConfigError),
    Case("words", "a_rate_of_many_digits", GREEN, options={"fps": "9" * 10_000 + "/" + "1" * 9_999}, renders=False, error=errors.InvalidConfigError),
]  # fmt: skip
