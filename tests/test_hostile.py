"""Pages that misbehave: each ends in a correct render or a typed error in bounded time, and the browser serves the next chunk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import hfdask
from hfdask import errors

pytestmark = pytest.mark.browser

BOUND = 25.0
"""Seconds that the worst of them may take; their own limits are far below."""

LIMITS = {"load_timeout": 5.0, "frame_timeout": 3.0, "fps": 10}

PAGE = """<!doctype html><html><head>{head}</head><body>
<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="0.8" data-no-timeline
 style="background:#080">{body}</div>{end}</body></html>"""


@dataclass(frozen=True)
class Hostile:
    """What a page does; ``error`` is None where it must render, all green. ``says`` are words of the error's message."""

    name: str
    body: str = ""
    head: str = ""
    end: str = ""
    error: type[errors.HfdaskError] | None = None
    says: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def script(code: str, **more: Any) -> dict[str, Any]:
    return {"end": f"<script>{code}</script>", **more}


HARMLESS = [
    Hostile("timers_that_never_end", **script("setInterval(() => {}, 1); (function again() { setTimeout(again, 0) })()")),
    Hostile("a_promise_that_never_settles", **script("window.never = new Promise(() => {}); (async () => { await never })()")),
    Hostile("animation_frames_for_ever", **script("(function again() { requestAnimationFrame(again) })()")),
    Hostile("a_flood_of_messages", **script("for (let i = 0; i < 5000; i++) console.error('x'.repeat(200) + i)")),
    Hostile("a_huge_document", **script("root.innerHTML = '<i>'.repeat(200) + '</i>'.repeat(200) + '<b></b>'.repeat(60000)")),
    Hostile("dialogs", **script("alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay'; print()")),
    Hostile("windows", **script("for (let i = 0; i < 5; i++) open('index.html'); open('https://example.com/'); if (open('')) throw Error('a window'); const a = document.createElement('a'); a.target = '_blank'; a.href = 'index.html'; a.click()")),
    Hostile("closing_itself", **script("window.close()")),
    Hostile("a_download", **script("const a = document.createElement('a'); a.href = 'data:text/plain,x'; a.download = 'x'; a.click()")),
    Hostile("a_place", **script("navigator.geolocation?.getCurrentPosition(() => {}, () => {})")),
    Hostile("a_clipboard", **script("navigator.clipboard?.readText().catch(() => {}); navigator.clipboard?.writeText('x').catch(() => {})")),
    Hostile("a_camera", **script("navigator.mediaDevices?.getUserMedia({video: true}).catch(() => {}); window.Notification?.requestPermission()")),
    Hostile("a_full_screen", **script("document.documentElement.requestFullscreen().catch(() => {}); document.body.requestPointerLock().catch(() => {})")),
    Hostile("a_service_worker", **script("navigator.serviceWorker?.register('sw.js').catch(() => {})"), files={"sw.js": "onfetch = e => e.respondWith(new Response('stolen'))"}),
    Hostile("a_file_frame", body='<iframe src="file:///etc/passwd" width=1 height=1 style="position:absolute;opacity:0"></iframe>'),
    Hostile("file_urls_from_scripts", **script("fetch('file:///etc/passwd').then(r => r.text()).then(t => { document.body.textContent = t }, () => {})")),
    Hostile("private_addresses_from_scripts", **script("for (const h of ['169.254.169.254', '127.0.0.1:22', '[::1]', 'localhost', '10.0.0.1']) fetch(`http://${h}/`).catch(() => {})")),
    Hostile("sockets", **script("new WebSocket('ws://127.0.0.1:9/'); new EventSource('http://10.0.0.1/'); navigator.sendBeacon('http://10.0.0.1/', 'x')")),
    Hostile("a_peer_connection", **script("if (window.RTCPeerConnection ?? window.webkitRTCPeerConnection ?? document.body.appendChild(document.createElement('iframe')).contentWindow.RTCPeerConnection) root.style.background = '#800'")),
    Hostile("an_inner_frame_that_navigates", body='<iframe src="inner.html" width=1 height=1 style="position:absolute;opacity:0"></iframe>', files={"inner.html": "<script>let n = +location.hash.slice(1); if (n < 20) { location.hash = n + 1; location.href = 'about:blank' }</script>"}),
    Hostile("an_inner_frame_that_reaches_up", body='<iframe sandbox="allow-scripts" src="inner.html" width=1 height=1 style="position:absolute;opacity:0"></iframe>', files={"inner.html": "<script>try { top.location = 'about:blank' } catch {} parent.postMessage('x', '*')</script>"}),
    Hostile("a_breakpoint", **script("debugger; addEventListener('hf-seek', () => { debugger })")),
    Hostile("patched_clocks", **script("window.setTimeout = window.requestAnimationFrame = () => { throw Error('mine') }; Date.now = () => 'x'")),
    Hostile("a_runtime_overwritten", **script("try { window.__hfdask = null } catch {} try { delete window.__hfdask } catch {}")),
    Hostile("a_history", **script("for (let i = 0; i < 60; i++) history.pushState({}, '', '#' + i); history.back()")),
    Hostile("a_storage", **script("localStorage.x = (localStorage.x ?? '') + 'x'; if (localStorage.x.length > 1) root.style.background = '#800'")),
]  # fmt: skip

REFUSED = [
    Hostile("an_endless_loop_while_loading", **script("for (;;) {}"), error=errors.PageTimeoutError, says=("index.html:3",)),
    Hostile("an_endless_loop_in_a_file", end='<script src="loop.js"></script>', error=errors.PageTimeoutError, says=("loop.js:3",), files={"loop.js": "\n\nfunction spin() { while (true) {} }\nspin()"}),
    Hostile("an_endless_loop_at_a_frame", **script("addEventListener('hf-seek', e => { while (e.detail.time > 0.35) {} })"), error=errors.PageTimeoutError, says=("frame 4", "index.html:3")),
    Hostile("a_frame_that_never_settles", **script("addEventListener('hf-seek', e => { if (e.detail.time > 0.35) e.detail.waitUntil(new Promise(() => {})) })"), error=errors.PageTimeoutError, says=("frame 4",)),
    Hostile("stopping_itself", **script("window.stop()"), error=errors.PageTimeoutError),
    Hostile("patched_builtins", **script("Array.prototype.map = Map.prototype.get = Object.entries = JSON.stringify = () => { throw Error('mine') }; Math.max = () => NaN; NodeList.prototype.forEach = null"), error=errors.ScriptError, says=("mine",)),
    Hostile("endless_microtasks", **script("(function again() { Promise.resolve().then(again) })()"), error=errors.PageTimeoutError),
    Hostile("leaving_while_loading", **script("location.href = 'other.html'"), error=errors.NavigationError, says=("other.html",), files={"other.html": "<p>elsewhere"}),
    Hostile("leaving_for_the_network", head='<meta http-equiv="refresh" content="0;url=https://example.com/?token=secret">', error=errors.NavigationError, says=("https://example.com/",)),
    Hostile("reloading_for_ever", **script("location.reload()"), error=errors.NavigationError),
    Hostile("leaving_at_a_frame", **script("addEventListener('hf-seek', e => { if (e.detail.time > 0.35) location.href = 'other.html' })"), error=errors.NavigationError, says=("other.html",), files={"other.html": "<p>elsewhere"}),
    Hostile("wiping_the_document", **script("setTimeout(() => { document.open(); document.write('gone'); document.close() })"), error=errors.RootNotFoundError),
    Hostile("a_path_out_of_the_project", body='<img src="../../../../../../etc/passwd">', error=errors.AssetError, says=("etc/passwd",)),
    Hostile("an_encoded_path_out_of_the_project", body='<img src="%2e%2e/%2e%2e/%2e%2e/etc/passwd"><img src="..%2f..%2fetc%2fhosts">', error=errors.AssetError, says=("etc",)),
    Hostile("a_file_url", body='<img src="file:///etc/passwd">', error=errors.AssetError, says=("file:///etc/passwd",)),
    Hostile("a_private_address", body='<img src="http://169.254.169.254/latest/meta-data?token=secret">', error=errors.AssetRefusedError, says=("169.254.169.254",)),
    Hostile("a_crash", **script("addEventListener('hf-seek', e => { if (e.detail.time > 0.35) { const a = []; for (;;) a.push(new ArrayBuffer(2 ** 31).slice(0)) } })"), error=errors.HfdaskError),
]  # fmt: skip


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[[Hostile], list[hfdask.ChunkResult]]:
    def run(case: Hostile) -> list[hfdask.ChunkResult]:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "index.html").write_text(PAGE.format(head=case.head, body=case.body, end=case.end))
        for name, text in case.files.items():
            (folder / name).write_text(text)
        plan = hfdask.plan(folder, tmp_path / "plan", chunk_size=4, **LIMITS, **case.options)
        return [hfdask.render_chunk(plan.url, k, tmp_path / f"{k}.mp4") for k in range(len(plan.manifest.chunks))]

    return run


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the first chunk of a page that does nothing at all."""
    return _harmless_digest(tmp_path_factory.mktemp("green"))


def _harmless_digest(folder: Path) -> str:
    (folder / "p").mkdir()
    (folder / "p" / "index.html").write_text(PAGE.format(head="", body="", end=""))
    plan = hfdask.plan(folder / "p", folder / "plan", chunk_size=4, **LIMITS)
    return hfdask.render_chunk(plan.url, 0, folder / "0.mp4").digest


def some_slow(cases):
    """Every third goes with every run, all of them with `make test-all`."""
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if n % 3 else []) for n, case in enumerate(cases)]


@pytest.mark.parametrize("case", some_slow(HARMLESS))
def test_harmless_mischief_renders(case, attempt, green):
    began = time.monotonic()
    chunks = attempt(case)
    assert [chunk.digest for chunk in chunks] == [green, green]
    assert time.monotonic() - began < BOUND


@pytest.mark.parametrize("case", some_slow(REFUSED))
def test_the_rest_is_refused_and_the_browser_serves_the_next_chunk(case, attempt, green, tmp_path):
    began = time.monotonic()
    with pytest.raises(errors.HfdaskError) as caught:
        attempt(case)
    assert time.monotonic() - began < BOUND
    assert case.error is errors.HfdaskError or caught.type is case.error, caught.value
    for words in case.says:
        assert words in caught.value.message
    assert "secret" not in str(caught.value)
    (tmp_path / "next").mkdir()
    assert _harmless_digest(tmp_path / "next") == green
