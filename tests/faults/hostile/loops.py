"""Loops that never end, and exceptions of every kind, in every place where a page's code can run."""

from __future__ import annotations

from case import Case, plain, script

from hfdask import errors

PLACES = {
    "a_script": "HERE",
    "a_timer": "setTimeout(() => { HERE })",
    "an_interval": "setInterval(() => { HERE })",
    "a_microtask": "queueMicrotask(() => { HERE })",
    "a_promise": "Promise.resolve().then(() => { HERE })",
    "an_animation_frame": "requestAnimationFrame(() => { HERE })",
    "an_idle_callback": "requestIdleCallback(() => { HERE })",
    "content_loaded": "addEventListener('DOMContentLoaded', () => { HERE })",
    "load": "addEventListener('load', () => { HERE })",
    "a_seek": "addEventListener('hf-seek', () => { HERE })",
    "a_later_seek": "addEventListener('hf-seek', e => { if (e.detail.time > 0.15) { HERE } })",
    "a_handler_object": "addEventListener('hf-seek', { get handleEvent() { HERE } })",
    "a_wait_of_a_seek": "addEventListener('hf-seek', e => e.detail.waitUntil({ get then() { HERE } }))",
    "the_then_of_a_wait": "addEventListener('hf-seek', e => e.detail.waitUntil({ then() { HERE } }))",
    "a_timelines_seek": "__timelines.c = { duration: () => 0.4, seek() { HERE } }",
    "a_timelines_total_time": "__timelines.c = { duration: () => 0.4, totalTime() { HERE } }",
    "a_timelines_duration": "__timelines.c = { duration() { HERE }, seek() {} }",
    "a_timelines_duration_as_a_getter": "__timelines.c = { get duration() { HERE }, seek() {} }",
    "a_timelines_length_as_a_number": "__timelines.c = { duration: () => ({ valueOf() { HERE } }), seek() {} }",
    "a_timelines_pause": "__timelines.c = { duration: () => 0.4, seek() {}, pause() { HERE } }",
    "a_timelines_parent": "__timelines.c = { duration: () => 0.4, seek() {}, get parent() { HERE } }",
    "a_timelines_children": "__timelines.c = { duration: () => 0.4, totalTime() {}, getChildren() { HERE } }",
    "a_registry_getter": "Object.defineProperty(__timelines, 'x', { enumerable: true, get() { HERE } })",
    "the_registry_itself": "Object.defineProperty(window, '__timelines', { get() { HERE } })",
    "a_registry_proxy": "window.__timelines = new Proxy({}, { ownKeys() { HERE } })",
    "the_building_flag": "Object.defineProperty(window, '__hfTimelinesBuilding', { get() { HERE } })",
    "the_tailwind_promise": "window.__tailwindReady = { then() { HERE } }",
    "the_own_page": "Object.defineProperty(window, '__hf', { get() { HERE }, set() {} })",
    "a_registered_anime": "window.__hfAnime = [{ seek() { HERE } }]",
    "a_registered_lottie": "window.__hfLottie = [{ goToAndStop() { HERE }, getDuration: () => 1 }]",
    "a_lotties_duration": "window.__hfLottie = [{ goToAndStop() {}, getDuration() { HERE } }]",
    "a_lotties_library": "window.lottie = { getRegisteredAnimations() { HERE } }",
    "a_lotties_listener": "window.__hfLottie = [{ isLoaded: false, addEventListener() { HERE } }]",
    "a_map": "window.__hfMapbox = [{ once() { HERE } }]",
    "a_maps_tiles": "window.__hfMapbox = [{ once: (_, done) => done(), areTilesLoaded() { HERE } }]",
    "a_d3_flush": "window.d3 = { timerFlush() { HERE } }",
    "a_d3_transition": "window.__hfD3 = [{ end() { HERE } }]",
    "a_three_manager": "window.THREE = { DefaultLoadingManager: { itemStart() { HERE }, itemEnd() {} } }",
    "a_gsap_getter": "window.gsap = { get registerEase() { HERE } }",
    "a_gsap_ticker": "window.gsap = { registerEase() {}, ticker: { lagSmoothing() { HERE } } }",
    "a_mutation_observer": "new MutationObserver(() => { HERE }).observe(document, { subtree: true, childList: true, attributes: true })",
    "a_resize_observer": "new ResizeObserver(() => { HERE }).observe(root)",
    "an_intersection_observer": "new IntersectionObserver(() => { HERE }).observe(root)",
    "a_performance_observer": "new PerformanceObserver(() => { HERE }).observe({ entryTypes: ['mark'] }); performance.mark('x')",
    "a_custom_element": "customElements.define('x-y', class extends HTMLElement { connectedCallback() { HERE } }); root.append(document.createElement('x-y'))",
    "a_custom_elements_attribute": "customElements.define('x-y', class extends HTMLElement { static observedAttributes = ['style']; attributeChangedCallback() { HERE } }); root.innerHTML = '<x-y data-start=0.1></x-y>'",
    "a_custom_elements_end": "customElements.define('x-y', class extends HTMLElement { disconnectedCallback() { HERE } }); root.innerHTML = '<x-y></x-y>'; root.innerHTML = ''",
    "an_animations_end": "root.animate([{ color: 'red' }, {}], 200).onfinish = () => { HERE }",
    "an_animations_promise": "root.animate([{ color: 'red' }, {}], 200).finished.then(() => { HERE })",
    "a_transitions_end": "root.style.transition = 'color .1s'; root.offsetTop; root.style.color = 'red'; root.addEventListener('transitionend', () => { HERE })",
    "a_css_animations_start": "root.style.animation = 'x .2s'; document.head.innerHTML = '<style>@keyframes x { to { color: red } }</style>'; root.addEventListener('animationstart', () => { HERE })",
    "a_message": "addEventListener('message', () => { HERE }); postMessage(1, '*')",
    "a_message_port": "const c = new MessageChannel(); c.port1.onmessage = () => { HERE }; c.port2.postMessage(1)",
    "a_broadcast": "new BroadcastChannel('x').onmessage = () => { HERE }; new BroadcastChannel('x').postMessage(1)",
    "a_pictures_load": "const i = new Image(); i.onload = i.onerror = () => { HERE }; i.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='",
    "a_sort": "setTimeout(() => [3, 2, 1].sort(() => { HERE }))",
    "an_iterator": "setTimeout(() => [...{ [Symbol.iterator]() { HERE } }])",
    "a_text": "setTimeout(() => `${{ toString() { HERE } }}`)",
    "a_selection": "document.addEventListener('selectionchange', () => { HERE }); getSelection().selectAllChildren(root)",
    "an_error_handler": "window.onerror = () => { HERE }; setTimeout(() => missing())",
    "a_rejection_handler": "window.onunhandledrejection = () => { HERE }; Promise.reject(1)",
    "a_pages_end": "addEventListener('pagehide', () => { HERE }); addEventListener('unload', () => { HERE }); addEventListener('visibilitychange', () => { HERE })",
    "a_worker": "new Worker(URL.createObjectURL(new Blob([`onmessage = () => { HERE }`]))).postMessage(1)",
    "a_workers_answer": "const w = new Worker(URL.createObjectURL(new Blob(['postMessage(1)']))); w.onmessage = () => { HERE }",
    "an_element_getter": "Object.defineProperty(root, 'children', { get() { HERE } })",
    "an_element_style": "root.innerHTML = '<b data-start=0.1></b>'; Object.defineProperty(root.firstChild, 'style', { get() { HERE } })",
    "a_document_getter": "Object.defineProperty(document, 'fonts', { get() { HERE } })",
    "a_ready_state": "Object.defineProperty(document, 'readyState', { get() { HERE } })",
    "the_frames_count": "Object.defineProperty(window, 'length', { get() { HERE } }); Object.defineProperty(window, 'frames', { get() { HERE } })",
    "a_child_frames_clock": "root.innerHTML = '<iframe width=1 height=1></iframe>'; try { Object.defineProperty(frames[0], '__HF_VIRTUAL_TIME__', { get() { HERE } }) } catch {}",
    "the_title": "Object.defineProperty(document, 'title', { get() { HERE } })",
    "the_then_of_everything": "Object.defineProperty(Object.prototype, 'then', { configurable: true, get() { HERE } })",
    "an_own_pages_seek": "root.remove(); window.__hf = { duration: 0.4, width: 64, height: 64, seek() { HERE } }",
    "an_own_pages_duration": "root.remove(); window.__hf = { get duration() { HERE }, seek() {} }",
    "an_own_pages_answer": "root.remove(); window.__hf = { duration: 0.4, width: 64, height: 64, seek: () => ({ get then() { HERE } }) }",
    "a_scoped_script": None,
    "an_inline_handler": None,
    "an_inner_frame": None,
    "a_module": None,
    "a_style_worklet": "CSS.paintWorklet?.addModule(URL.createObjectURL(new Blob([`registerPaint('x', class { paint() { HERE } })`], { type: 'text/javascript' }))).then(() => root.style.backgroundImage = 'paint(x)', () => {})",
    "a_registered_property": "CSS.registerProperty({ name: '--x', syntax: '<number>', inherits: false, initialValue: '0' }); root.attributeStyleMap.set('--x', { toString() { HERE } })",
}

LOOP = "for (;;) {}"

# Values that a page may throw, besides an error with a message.
THROWN = {
    "null": "throw null",
    "undefined": "throw undefined",
    "a_number": "throw NaN",
    "a_symbol": "throw Symbol('x')",
    "a_big_number": "throw 10n ** 5000n",
    "a_huge_text": "throw 'x'.repeat(1e8)",
    "a_huge_error": "throw new Error('x'.repeat(5e7))",
    "a_lone_surrogate": "throw new Error('\\ud800 \\udfff')",
    "a_lone_surrogate_text": "throw '\\ud800'",
    "control_characters": "throw new Error('\\x1b[31m\\x07\\x00\\u202e red')",
    "a_proxy": "throw new Proxy({}, { get() { throw Error('trap') }, ownKeys() { throw Error('trap') }, getPrototypeOf() { throw Error('trap') } })",
    "a_revoked_proxy": "const r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy",
    "an_endless_message": "throw { get message() { for (;;); }, get stack() { for (;;); }, toString() { for (;;); } }",
    "an_endless_stack": "const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e",
    "a_prepared_stack": "Error.prepareStackTrace = () => { for (;;); }; throw new Error('x')",
    "an_endless_name": "throw Object.defineProperty(new Error('x'), 'name', { get() { for (;;); } })",
    "a_function": "throw function () { for (;;); }",
    "a_null_prototype": "throw Object.create(null)",
    "a_cycle": "const e = new Error('x'); e.cause = e; throw e",
    "a_deep_cause": "let e = new Error('x'); for (let i = 0; i < 1e5; i++) e = new Error('y', { cause: e }); throw e",
    "an_aggregate": "throw new AggregateError(Array.from({ length: 1e5 }, (_, i) => new Error(i)))",
    "a_document": "throw document",
    "a_window": "throw window",
    "a_promise": "throw Promise.reject(1)",
    "a_stack_overflow": "(function f() { f() })()",
    "a_flood": "for (let i = 0; i < 1e5; i++) reportError('x'.repeat(1000))",
    "a_flood_of_rejections": "for (let i = 0; i < 3e4; i++) Promise.reject('x'.repeat(1000))",
}
_THROWN_IN = ("a_script", "a_promise", "a_later_seek", "a_timelines_seek", "a_wait_of_a_seek")


def _placed(place: str, code: str) -> dict[str, str | bytes]:
    template = PLACES[place]
    if template is not None:
        return script(template.replace("HERE", code))
    quoted = code.replace('"', "&quot;")
    if place == "a_scoped_script":
        inner = f'<template><div data-composition-id="x"><script>{code}</script></div></template>'
        return plain(
            '<div data-composition-id="x" data-composition-src="x.html" data-no-timeline></div>', x__html=inner
        )
    if place == "an_inline_handler":
        return plain(f'<img src="data:," onerror="{quoted}">')
    if place == "an_inner_frame":
        return plain('<iframe src="x.html" width=1 height=1></iframe>', x__html=f"<script>{code}</script>")
    return plain(end=f'<script type="module">{code}</script>')


def cases(_: int) -> list[Case]:
    """A loop in every place; every kind of exception, each in another place; and some that are known to the word."""
    loops = [Case("loop", f"in_{place}", _placed(place, LOOP)) for place in PLACES]
    thrown = [
        Case("throw", f"{name}_in_{_THROWN_IN[n % len(_THROWN_IN)]}", _placed(_THROWN_IN[n % len(_THROWN_IN)], code))
        for n, (name, code) in enumerate(THROWN.items())
    ]
    places = [Case("throw", f"an_error_in_{place}", _placed(place, "throw Error('mine')")) for place in PLACES]
    return [*loops, *thrown, *places, *KNOWN]


KNOWN = [
    Case("loop", "in_a_file", plain(end='<script src="loop.js"></script>', loop__js="\n\nfunction spin() { while (true) {} }\nspin()"), renders=False, error=errors.PageTimeoutError, says=("loop.js:3",)),
    Case("loop", "while_loading_by_line", script("for (;;) {}"), renders=False, error=errors.PageTimeoutError, says=("index.html:3",)),
    Case("loop", "at_a_frame_by_line", script("addEventListener('hf-seek', e => { while (e.detail.time > 0.15) {} })"), renders=False, error=errors.PageTimeoutError, says=("frame 2", "index.html:3")),
    Case("loop", "a_frame_that_never_settles", script("addEventListener('hf-seek', e => { if (e.detail.time > 0.15) e.detail.waitUntil(new Promise(() => {})) })"), renders=False, error=errors.PageTimeoutError, says=("frame 2",)),
    Case("loop", "endless_microtasks", script("(function again() { Promise.resolve().then(again) })()"), renders=False, error=errors.PageTimeoutError),
    Case("loop", "endless_mutations", script("new MutationObserver(() => root.append(document.createElement('i'))).observe(root, { childList: true }); root.append('x')"), renders=False),
    Case("loop", "endless_resizes", script("new ResizeObserver(() => { root.firstChild.style.width = root.firstChild.offsetWidth + 1 + 'px' }).observe(root)")),
    Case("loop", "a_custom_element_that_comes_back", script("customElements.define('x-y', class extends HTMLElement { disconnectedCallback() { root.append(this) } connectedCallback() { setTimeout(() => this.remove()) } }); root.append(document.createElement('x-y'))")),
    Case("loop", "a_host_that_comes_back", script("new MutationObserver(() => { const d = document.createElement('div'); d.dataset.compositionSrc = 'x.html'; root.append(d) }).observe(root, { subtree: true, childList: true }); root.append('x')", x__html="<template><div data-composition-id=x></div></template>")),
    Case("loop", "timers_that_make_timers", script("(function f() { setTimeout(f, 0); setTimeout(f, 0) })()")),
    Case("loop", "an_endless_iterator_to_wait_for", script("window.__hfAnime = new Proxy([], { get: (t, k) => k === 'length' ? 1e9 : k === Symbol.iterator ? function* () { for (;;) yield {} } : t[k] })")),
    Case("loop", "a_regular_expression", script("/^(a+)+$/.test('a'.repeat(40) + 'b')")),
    Case("loop", "a_synchronous_request", script("for (;;) { const x = new XMLHttpRequest(); x.open('GET', 'index.html', false); x.send() }")),
    Case("loop", "an_atomic_wait", script("const w = new Worker(URL.createObjectURL(new Blob(['Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'])))")),
]  # fmt: skip
