"""Pages that misbehave by ordinary means: each renders as if it did not, or is refused in words that name the cause."""

from __future__ import annotations

from typing import Any

from case import GREEN, Case, Files, plain, script

from hfdask import errors


def harmless(name: str, files: Files, **more: Any) -> Case:
    return Case("mischief", name, files, like=GREEN, renders=True, **more)


def refused(name: str, files: Files, error: type[errors.HfdaskError] | None, *says: str, **more: Any) -> Case:
    return Case("mischief", name, files, renders=False, error=error, says=says, **more)


_HIDDEN = 'width=1 height=1 style="position:absolute;opacity:0"'
_FRAMES = "addEventListener('hf-seek', e => {{ if (e.detail.time > 0.15) {{ {} }} }})"

CASES = [
    harmless("timers_that_never_end", script("setInterval(() => {}, 1); (function again() { setTimeout(again, 0) })()")),
    harmless("a_promise_that_never_settles", script("window.never = new Promise(() => {}); (async () => { await never })()")),
    harmless("animation_frames_for_ever", script("(function again() { requestAnimationFrame(again) })()")),
    harmless("a_flood_of_messages", script("for (let i = 0; i < 5000; i++) console.error('x'.repeat(200) + i)")),
    harmless("a_huge_document", script("root.innerHTML = '<i>'.repeat(200) + '</i>'.repeat(200) + '<b></b>'.repeat(60000)")),
    harmless("dialogs", script("alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay'; print()")),
    harmless("windows", script("for (let i = 0; i < 5; i++) open('index.html'); open('https://example.com/'); if (open('')) throw Error('a window'); const a = document.createElement('a'); a.target = '_blank'; a.href = 'index.html'; a.click()")),
    harmless("closing_itself", script("window.close()")),
    harmless("a_download", script("const a = document.createElement('a'); a.href = 'data:text/plain,x'; a.download = 'x'; a.click()")),
    harmless("a_place", script("navigator.geolocation?.getCurrentPosition(() => {}, () => {})")),
    harmless("a_clipboard", script("navigator.clipboard?.readText().catch(() => {}); navigator.clipboard?.writeText('x').catch(() => {})")),
    harmless("a_camera", script("navigator.mediaDevices?.getUserMedia({video: true}).catch(() => {}); window.Notification?.requestPermission()")),
    harmless("a_full_screen", script("document.documentElement.requestFullscreen().catch(() => {}); document.body.requestPointerLock().catch(() => {})")),
    harmless("a_service_worker", script("navigator.serviceWorker?.register('sw.js').catch(() => {})", sw__js="onfetch = e => e.respondWith(new Response('stolen'))")),
    harmless("a_file_frame", plain(f'<iframe src="file:///etc/passwd" {_HIDDEN}></iframe>')),
    harmless("file_urls_from_scripts", script("fetch('file:///etc/passwd').then(r => r.text()).then(t => { document.body.textContent = t }, () => {})")),
    harmless("private_addresses_from_scripts", script("for (const h of ['169.254.169.254', '127.0.0.1:22', '[::1]', 'localhost', '10.0.0.1']) fetch(`http://${h}/`).catch(() => {})")),
    harmless("sockets", script("new WebSocket('ws://127.0.0.1:9/'); new EventSource('http://10.0.0.1/'); navigator.sendBeacon('http://10.0.0.1/', 'x')")),
    harmless("a_peer_connection", script("const p = new RTCPeerConnection({iceServers: [{urls: 'stun:10.0.0.1'}]}); p.createDataChannel('x'); p.createOffer().then(o => p.setLocalDescription(o))")),
    harmless("an_inner_frame_that_navigates", plain(f'<iframe src="inner.html" {_HIDDEN}></iframe>', inner__html="<script>let n = +location.hash.slice(1); if (n < 20) { location.hash = n + 1; location.href = 'about:blank' }</script>")),
    harmless("an_inner_frame_that_reaches_up", plain(f'<iframe sandbox="allow-scripts" src="inner.html" {_HIDDEN}></iframe>', inner__html="<script>try { top.location = 'about:blank' } catch {} parent.postMessage('x', '*')</script>")),
    harmless("a_breakpoint", script("debugger; addEventListener('hf-seek', () => { debugger })")),
    harmless("patched_clocks", script("window.setTimeout = window.requestAnimationFrame = () => { throw Error('mine') }; Date.now = () => 'x'")),
    harmless("a_runtime_overwritten", script("try { window.__hfdask = null } catch {} try { delete window.__hfdask } catch {}")),
    harmless("a_history", script("for (let i = 0; i < 60; i++) history.pushState({}, '', '#' + i); history.back()")),
    harmless("a_storage", script("localStorage.x = (localStorage.x ?? '') + 'x'; if (localStorage.x.length > 1) root.style.background = '#800'")),
    harmless("a_script_in_every_hook_of_the_parser", plain("<svg onload='window.x = 1'></svg><img src=x.png onerror='window.y = 1' hidden><details ontoggle='window.z = 1'></details>", x__png=b"no picture")),
    refused("stopping_itself", script("window.stop()"), errors.PageTimeoutError),
    refused("leaving_while_loading", script("location.href = 'other.html'", other__html="<p>elsewhere"), errors.NavigationError, "other.html"),
    refused("leaving_for_the_network", plain(head='<meta http-equiv="refresh" content="0;url=https://example.com/?token=secret">'), errors.NavigationError, "https://example.com/"),
    refused("reloading_for_ever", script("location.reload()"), errors.NavigationError),
    refused("leaving_at_a_frame", script(_FRAMES.format("location.href = 'other.html'"), other__html="<p>elsewhere"), errors.NavigationError, "other.html"),
    refused("leaving_by_a_form", plain("<form id=f action=other.html></form>", end="<script>f.submit()</script>", other__html="x"), errors.NavigationError, "other.html"),
    refused("leaving_by_a_link", plain("<a id=a href=other.html></a>", end="<script>a.click()</script>", other__html="x"), errors.NavigationError, "other.html"),
    refused("leaving_in_the_middle_of_a_seek", script("window.__timelines.c = { duration: () => 1, seek() { location.replace('other.html') } }", other__html="x"), errors.NavigationError, "other.html"),
    harmless("leaving_for_a_document_in_an_url", script("location.replace('data:text/html,x')")),
    refused("wiping_the_document", script("setTimeout(() => { document.open(); document.write('gone'); document.close() })"), errors.RootNotFoundError),
    Case("mischief", "wiping_the_document_at_a_frame", script(_FRAMES.format("document.open(); document.write('gone'); document.close()"))),
    Case("mischief", "removing_the_root_at_a_frame", script(_FRAMES.format("root.remove()"))),
    Case("mischief", "removing_the_document_element", script(_FRAMES.format("document.documentElement.remove()"))),
    Case("mischief", "replacing_the_document_element", script(_FRAMES.format("document.replaceChildren(document.createElement('svg'))"))),
    Case("mischief", "a_javascript_url", script("location.href = 'javascript:\"<p>gone\"'")),
    Case("mischief", "a_title_bomb", script("setInterval(() => document.title = 'x'.repeat(1e6), 0)")),
    refused("a_path_out_of_the_project", plain('<img src="../../../../../../etc/passwd">'), errors.AssetError, "etc/passwd"),
    refused("an_encoded_path_out_of_the_project", plain('<img src="%2e%2e/%2e%2e/%2e%2e/etc/passwd"><img src="..%2f..%2fetc%2fhosts">'), errors.AssetError, "etc"),
    refused("a_file_url", plain('<img src="file:///etc/passwd">'), errors.AssetError, "file:///etc/passwd"),
    refused("a_private_address", plain('<img src="http://169.254.169.254/latest/meta-data?token=secret">'), errors.AssetRefusedError, "169.254.169.254"),
    Case("mischief", "ten_thousand_missing_pictures", plain("".join(f'<img src="missing{n}.png">' for n in range(3000)))),
    Case("mischief", "a_base_elsewhere", plain('<img src="x.png">', head='<base href="https://example.com/">')),
    # A page may cover what the runtime looks up on documents and forms by the names of elements.
    *(
        Case("mischief", f"a_form_that_covers_{name}", plain(f'<form data-start="0"><input name="{name}"></form>'))
        for name in ("style", "matches", "getAttribute", "closest", "parentElement", "children", "hasAttribute", "localName", "id", "querySelector")
    ),
    *(
        Case("mischief", f"a_picture_that_covers_{name}", plain(f'<form name="{name}"></form><img name="{name}" hidden>'))
        for name in ("querySelectorAll", "querySelector", "getAnimations", "documentElement", "body", "head", "fonts", "images", "styleSheets", "readyState", "createElement", "scripts", "getElementById")
    ),
    *(
        Case("mischief", f"an_element_named_{name}", plain(f'<a id="{name}"></a><a id="{name}"></a><iframe name="{name}" {_HIDDEN}></iframe>'))
        for name in ("__hfdask", "__HF_VIRTUAL_TIME__", "__timelines", "__hf", "__player", "gsap", "lottie", "d3", "anime", "__hfAnime", "__hfMapbox", "frames", "top", "length", "document", "THREE", "__tailwindReady")
    ),
]  # fmt: skip


def cases(_: int) -> list[Case]:
    return CASES
