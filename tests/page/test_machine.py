"""Pages see one machine, and page authors see no messages of hfdask."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import GREEN, box, composition, open_html, svg
from samples import COMPOSITIONS
from slow import sampled

pytestmark = pytest.mark.browser

# Written down here: what any machine must answer.
ANSWERS = {
    "navigator.hardwareConcurrency": 4,
    "navigator.deviceMemory": 8,
    "navigator.maxTouchPoints": 0,
    "navigator.onLine": True,
    "navigator.language": "en-US",
    "navigator.languages": ["en-US"],
    "[navigator.connection.effectiveType, navigator.connection.rtt, navigator.connection.downlink]": ["4g", 50, 10],
    "navigator.connection.saveData": False,
    "navigator.getBattery().then((b) => [b.charging, b.level, b.chargingTime, b.dischargingTime === Infinity])": [
        True,
        1,
        0,
        True,
    ],
    "navigator.storage.estimate().then(({quota, usage}) => [quota, usage])": [10 * 2**30, 0],
    "navigator.mediaDevices.enumerateDevices()": [],
    "[new AudioContext().sampleRate, new AudioContext().baseLatency]": [44100, 0.01],
    "performance.memory.usedJSHeapSize": 10_000_000,
    "typeof PressureObserver": "undefined",
    "[screen.width, screen.height, screen.availWidth, screen.availHeight, screen.colorDepth]": [64, 64, 64, 64, 24],
    "[devicePixelRatio, outerWidth, outerHeight, screenX, screenY]": [1, 64, 64, 0, 0],
    "Intl.DateTimeFormat().resolvedOptions().timeZone": "UTC",
    "new Date(2020, 6, 1).getTimezoneOffset()": 0,
    "(1234.5).toLocaleString()": "1,234.5",
    "frame.contentWindow.navigator.hardwareConcurrency": 4,
}
PREFERENCES = {
    "(prefers-color-scheme: light)": True,
    "(prefers-reduced-motion: no-preference)": True,
    "(prefers-contrast: no-preference)": True,
    "(forced-colors: none)": True,
    "(prefers-reduced-transparency: reduce)": False,
    "(prefers-reduced-data: reduce)": False,
    "(inverted-colors: inverted)": False,
    "(any-pointer: coarse)": False,
    "(dynamic-range: high)": False,
    "(resolution: 1dppx)": True,
}


def test_a_page_reaches_no_sound_server(tmp_path: Path, monkeypatch) -> None:
    """If PulseAudio is installed, its library leaves a folder as soon as a browser asks for its devices."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    script = "new AudioContext().resume(); new AudioContext().createOscillator().start()"
    with open_html(tmp_path / "page", composition("", script)) as page:
        page.at(3, "1")
    assert not [*tmp_path.rglob("pulse")]


def test_a_page_is_told_the_same_on_every_machine(tmp_path: Path) -> None:
    with open_html(tmp_path, composition('<iframe id="frame"></iframe>')) as page:
        assert {ask: page.value(ask) for ask in ANSWERS} == ANSWERS
        assert {query: page.value(f"matchMedia({query!r}).matches") for query in PREFERENCES} == PREFERENCES


def test_a_service_worker_is_not_there_and_holds_nothing_up(tmp_path: Path) -> None:
    script = """navigator.serviceWorker.register('sw.js').then(async (registration) => {
      await registration.update(); x.style.background = '#0f0';
      window.told = [registration.scope, registration.active, navigator.serviceWorker.controller] })"""
    with open_html(tmp_path, composition(box('id="x"'), script), {"sw.js": "onfetch = () => {}"}) as page:
        assert page.pixel(0) == GREEN
        assert page.value("told") == ["http://composition.localhost/", None, None]
        assert page.session.log.messages == []
        assert "sw.js" not in page.session.site.served


POLICIES = [
    "default-src 'none'",
    "default-src 'self'; script-src 'self' 'nonce-own'; style-src 'self' 'nonce-own'",
    "script-src 'nonce-own'",
    "script-src 'strict-dynamic' 'nonce-own'",
    "style-src 'nonce-own'",
    "connect-src 'none'",
    "img-src 'self'",
    "worker-src 'none'; child-src 'none'; frame-src 'none'",
    "font-src 'none'; media-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'",
    "require-trusted-types-for 'script'",
    "require-trusted-types-for 'script'; trusted-types 'none'",
]
CARD = """<div data-composition-id="card" data-width="32" data-height="64" data-no-timeline><style>b { color: #0f0 }</style>
  <b style="position:absolute;inset:0;background:currentColor"></b><script>window.card = document.querySelector("b").localName</script></div>"""
BODY = """<div style="position:absolute;left:0;width:32px;height:64px" data-composition-id="card" data-composition-src="card.html"
    data-start="0" data-duration="2"></div>
  <img src="film.gif" style="position:absolute;left:40px;top:0;width:24px;height:32px">
  <i id="late" style="position:absolute;left:40px;top:32px;width:24px;height:32px"></i>"""
LATE = """addEventListener("hf-seek", ({detail}) => { late.className = detail.time >= 0.5 ? "late" : "" })"""


@pytest.mark.parametrize("policy", sampled(POLICIES))
def test_a_strict_policy_of_the_page_is_no_hindrance_and_no_error(tmp_path: Path, policy: str) -> None:
    files = {
        "card.html": CARD,
        "film.gif": (COMPOSITIONS / "animated_images" / "film.gif").read_bytes(),
        "late.svg": svg("#0f0"),
        "late.css": ".late { background: url(late.svg) }",
    }
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="stylesheet" href="late.css">'
    html = (
        composition(BODY, LATE, head=head)
        .replace("<script>", '<script nonce="own">')
        .replace("<style>", '<style nonce="own">')
    )
    with open_html(tmp_path, html, files) as page:
        assert [page.pixel(frame, 10, 10) for frame in (0, 20)] == [GREEN, GREEN]
        assert page.pixel(0, 50, 10) != page.pixel(20, 50, 10) != (0, 0, 0)
        assert [page.pixel(frame, 50, 50) for frame in (14, 15)] == [(0, 0, 0), GREEN]
        assert page.value("card") == "b"
        assert page.session.log.messages == []


def test_reading_a_canvas_back_is_no_warning_of_the_page(tmp_path: Path) -> None:
    script = """const gl = c.getContext("webgl"); addEventListener("hf-seek", ({detail}) => {
      gl.clearColor(0, detail.time, 0, 1); gl.clear(gl.COLOR_BUFFER_BIT); if (detail.time > 0.4) gl.enable(3);
      console.warn("GPU stall due to ReadPixels, says the page") })"""
    with open_html(tmp_path, composition('<canvas id="c" width="64" height="64"></canvas>', script)) as page:
        page.frames(0, 14)
        said = page.session.log.messages
    assert {text for text in said if "stall" in text} == {"console.warning: GPU stall due to ReadPixels, says the page"}
    assert [text for text in said if "INVALID_ENUM" in text], "what a page does wrong is told"
