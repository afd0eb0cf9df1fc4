"""Bombs: little text that asks for much memory or time, of the script engine, the parser, the styles, the pictures and the stores."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from case import Case, Files, plain, script


def bomb(name: str, files: Files, **more: Any) -> Case:
    return Case("bomb", name, files, **more)


def _png(width: int, height: int, rows: int = 1) -> bytes:
    """A PNG that says it is large, with the data of some rows only."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = zlib.compress(bytes((width + 1) * rows), 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", data) + part(b"IEND", b"")


def _whole(side: int) -> Callable[[Path], None]:
    """Writes a PNG of a large size that is all there. It is made when it is needed, as that takes a second."""

    def write(folder: Path) -> None:
        (folder / "x.png").write_bytes(_png(side, side, side))

    return write


def _gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of frames of one pixel on a canvas of any size."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\xff\0\0\0\0\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    frame = b"!\xf9\x04\0\x01\0\0\0" + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    return head + frame * frames + b";"


def _bmp(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, 0, 0, 0, 0, 0)
    )


def _nested_uses(depth: int, each: int) -> str:
    levels = ['<g id="l0"><rect width="1" height="1"/></g>']
    levels += [f'<g id="l{n}">' + f'<use href="#l{n - 1}"/>' * each + "</g>" for n in range(1, depth)]
    return f'<svg width="64" height="64"><defs>{"".join(levels)}</defs><use href="#l{depth - 1}"/></svg>'


def _nested_variables(depth: int) -> str:
    lines = ["--v0: xxxxxxxxxx;", *(f"--v{n}: var(--v{n - 1}) var(--v{n - 1});" for n in range(1, depth))]
    return f"<style>#root {{ {' '.join(lines)} }} #root::after {{ content: '' var(--v{depth - 1}) }}</style>"


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _wasm(pages: int) -> str:
    """Return a module whose memory starts with ``pages`` pages of 64 KiB."""
    size = bytearray()
    while pages > 127:
        size.append(pages & 127 | 128)
        pages >>= 7
    size.append(pages)
    section = b"\x01\x00" + bytes(size)
    module = b"\0asm\1\0\0\0\x05" + bytes([len(section)]) + section
    return "Uint8Array.from(atob('" + base64.b64encode(module).decode() + "'), c => c.charCodeAt(0))"


_SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}>{}</svg>'
_WORKER = "new Worker(URL.createObjectURL(new Blob([{!r}])))"

MEMORY = [
    bomb("buffers_at_a_frame", script("addEventListener('hf-seek', e => { if (e.detail.time > 0.15) { const a = []; for (;;) a.push(new ArrayBuffer(2 ** 31).slice(0)) } })")),
    bomb("buffers", script("window.a = []; for (let i = 0; i < 4000; i++) a.push(new Uint8Array(2 ** 22).fill(1))")),
    bomb("objects", script("let a = {}; for (;;) a = { a, b: [a] }")),
    bomb("strings", script("let s = 'x'; const all = []; for (;;) all.push(s += s.slice(0, 1e6) + all.length)")),
    bomb("a_doubling_text", script("let s = 'x'; try { for (;;) s += s } catch { } document.title = s; root.title = s")),
    bomb("an_array", script("const a = new Array(2 ** 32 - 1); a.fill(1)")),
    bomb("closures", script("const a = []; for (;;) a.push(() => a)")),
    bomb("maps", script("const m = new Map(); for (let i = 0; ; i++) m.set(i, {})")),
    bomb("canvases", script("window.c = []; for (let i = 0; i < 400; i++) { const x = document.createElement('canvas'); x.width = x.height = 4000; x.getContext('2d').fillRect(0, 0, 4000, 4000); c.push(x) }")),
    bomb("a_huge_canvas", script("const x = document.createElement('canvas'); x.width = x.height = 65535; x.getContext('2d').fillRect(0, 0, 9, 9); root.append(x)")),
    bomb("webgl_contexts", script("window.c = []; for (let i = 0; i < 100; i++) { const x = document.createElement('canvas'); x.width = x.height = 2000; c.push(x.getContext('webgl')) }")),
    bomb("a_huge_webgl_texture", script("const g = document.createElement('canvas').getContext('webgl2'); if (g) for (let i = 0; i < 50; i++) { g.bindTexture(g.TEXTURE_2D, g.createTexture()); g.texImage2D(g.TEXTURE_2D, 0, g.RGBA, 8192, 8192, 0, g.RGBA, g.UNSIGNED_BYTE, null) }")),
    bomb("a_shader_without_end", script("const g = document.createElement('canvas').getContext('webgl'); if (g) { const f = g.createShader(g.FRAGMENT_SHADER); g.shaderSource(f, 'precision highp float; void main() { float x = 0.; for (int i = 0; i < 2000000000; i++) x += sin(x); gl_FragColor = vec4(x); }'); g.compileShader(f) }")),
    bomb("audio", script("window.a = []; for (let i = 0; i < 50; i++) a.push(new AudioBuffer({ length: 4e6, sampleRate: 48000, numberOfChannels: 2 }))")),
    bomb("wasm_memory", script(f"window.m = []; for (let i = 0; i < 40; i++) m.push(new WebAssembly.Instance(new WebAssembly.Module({_wasm(16384)})))")),
    bomb("wasm_growth", script("const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 }); for (;;) { const n = m.grow(256); new Uint8Array(m.buffer).fill(1, n * 65536) }")),
    bomb("wasm_tables", script("const all = []; for (;;) all.push(new WebAssembly.Table({ initial: 1e7, element: 'externref' }))")),
    bomb("bitmaps", script("createImageBitmap(new ImageData(8000, 8000)).then(async b => { window.b = []; for (let i = 0; i < 40; i++) b.push(await createImageBitmap(b)) }).catch(() => {})")),
    bomb("blobs", script("window.b = []; for (let i = 0; i < 300; i++) b.push(URL.createObjectURL(new Blob([new Uint8Array(1e7)])))")),
    bomb("data_urls", script("for (let i = 0; i < 500; i++) { const x = new Image(); x.src = 'data:image/png,' + 'x'.repeat(1e6) + i; root.append(x) }")),
    bomb("workers", script("for (let i = 0; i < 300; i++) " + _WORKER.format("for (;;) {}"))),
    bomb("workers_with_memory", script("for (let i = 0; i < 8; i++) " + _WORKER.format("const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1))"))),
    bomb("workers_in_workers", script(_WORKER.format("const u = self.location.href; for (let i = 0; i < 3; i++) new Worker(u)"))),
    bomb("shared_workers", script("for (let i = 0; i < 50; i++) new SharedWorker('data:text/javascript,for(;;){}' + i)")),
    bomb("streams", script("new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1e6)) } }, { highWaterMark: 1e9 })")),
    bomb("compression", script("const s = new CompressionStream('gzip'), w = s.writable.getWriter(); (async () => { for (let i = 0; i < 300; i++) w.write(new Uint8Array(1e7)) })()")),
    bomb("messages", script("for (let i = 0; i < 2000; i++) postMessage('x'.repeat(1e6), '*')")),
    bomb("a_console_of_big_texts", script("for (let i = 0; i < 200; i++) console.error('x'.repeat(1e6))")),
    bomb("a_console_of_big_objects", script("for (let i = 0; i < 200; i++) console.error(Array.from({ length: 1e5 }, (_, i) => ({ i })), document, window)")),
    bomb("a_console_in_a_loop", script("setInterval(() => { for (let i = 0; i < 1000; i++) console.warn(i) }, 0)")),
    bomb("histories", script("for (let i = 0; i < 150; i++) try { history.pushState('x'.repeat(1e6), '', '#' + i) } catch {}")),
]  # fmt: skip

STORES = [
    bomb("local_storage", script("try { for (let i = 0; ; i++) localStorage.setItem(i, 'x'.repeat(1e5)) } catch {}")),
    bomb("session_storage", script("try { for (let i = 0; ; i++) sessionStorage.setItem(i, 'x'.repeat(1e5)) } catch {}")),
    bomb("indexed_db", script("indexedDB.open('x').onupgradeneeded = e => { const s = e.target.result.createObjectStore('s'); for (let i = 0; i < 40; i++) s.put(new Uint8Array(1e7), i) }")),
    bomb("a_cache", script("caches.open('x').then(async c => { for (let i = 0; i < 40; i++) await c.put('/' + i, new Response(new Uint8Array(1e7))) }).catch(() => {})")),
    bomb("a_private_file_system", script("navigator.storage?.getDirectory().then(async d => { const f = await (await d.getFileHandle('x', { create: true })).createWritable(); for (let i = 0; i < 40; i++) await f.write(new Uint8Array(1e7)); await f.close() }).catch(() => {})")),
    bomb("cookies", script("for (let i = 0; i < 1000; i++) document.cookie = i + '=' + 'x'.repeat(4000)")),
    bomb("a_lock", script("navigator.locks?.request('x', () => new Promise(() => {})); navigator.locks?.request('x', () => {})")),
]  # fmt: skip

DOCUMENT = [
    bomb("deep_elements", plain("<i>" * 100_000)),
    bomb("deep_elements_from_a_script", script("let at = root; for (let i = 0; i < 1e5; i++) at = at.appendChild(document.createElement('i'))")),
    bomb("deep_formatting", plain("<b><i><u>" * 20_000 + "x")),
    bomb("a_million_elements", script("root.innerHTML = '<b></b>'.repeat(1e6)")),
    bomb("a_million_texts", script("for (let i = 0; i < 1e6; i++) root.append('x')")),
    bomb("many_attributes", plain("<b " + " ".join(f"a{n}=1" for n in range(100_000)) + "></b>")),
    bomb("a_huge_attribute", plain(f'<b title="{"x" * 20_000_000}"></b>')),
    bomb("a_huge_id", plain(f'<b id="{"x" * 5_000_000}" data-start="0"></b>')),
    bomb("many_clips", plain('<b data-start="0"></b>' * 20_000)),
    bomb("clips_in_clips", plain('<b data-start="0">' * 400)),
    bomb("many_references", plain("".join(f'<b id="c{n}" data-start="c{n + 1}" data-duration="0.1"></b>' for n in range(3000)))),
    bomb("a_ring_of_references", plain("".join(f'<b id="c{n}" data-start="c{(n + 1) % 500}"></b>' for n in range(500)))),
    bomb("many_hosts", plain('<div data-composition-src="x.html"></div>' * 3000, x__html="<template><div data-composition-id=x></div></template>")),
    bomb("doubling_hosts", plain('<div data-composition-src="0.html"></div>', **{f"{n}__html": f'<template><div data-composition-id=x{n}>{f"<div data-composition-src={n + 1}.html></div>" * 2}</div></template>' for n in range(19)}, **{"19__html": "<template><div data-composition-id=x19></div></template>"})),
    bomb("many_templates", plain("".join(f'<template id="t{n}-template"><div data-composition-id="t{n}"></div></template><div data-composition-id="t{n}"></div>' for n in range(800)))),
    bomb("many_variables", plain(f"""<div data-composition-variables='[{",".join(f'{{"id":"v{n}","default":"x"}}' for n in range(20_000))}]'></div>""")),
    bomb("deep_json", plain(f"<div data-composition-variables='{'[' * 200_000}'></div>")),
    bomb("deep_valid_json", plain(f"""<div data-composition-variables='[{{"id":"x","default":{'[' * 3000}{']' * 3000}}}]'></div>""")),
    bomb("frames_in_frames", plain('<iframe src="x.html" width=9 height=9></iframe>', x__html='<iframe src="x.html?1"></iframe><iframe src="x.html?2"></iframe>')),
    bomb("a_frame_of_itself", plain('<iframe src="index.html" width=9 height=9></iframe>')),
    bomb("many_frames", plain("<iframe width=1 height=1></iframe>" * 300)),
    bomb("frames_from_a_script", script("setInterval(() => { for (let i = 0; i < 10; i++) root.append(document.createElement('iframe')) }, 0)")),
    bomb("frames_in_source_texts", script("let s = ''; for (let i = 0; i < 12; i++) { const f = document.createElement('iframe'); f.srcdoc = s; s = f.outerHTML.repeat(2) } root.innerHTML = s")),
    bomb("objects_and_embeds", plain('<object data="x.html"></object><embed src="x.html">' * 20, x__html="<p>x")),
    bomb("shadow_trees", script("let at = root.appendChild(document.createElement('div')); for (let i = 0; i < 2000; i++) { const s = at.attachShadow({ mode: 'closed' }); at = s.appendChild(document.createElement('div')) }")),
    bomb("ranges_and_iterators", script("for (let i = 0; i < 1e5; i++) document.createRange().selectNode(root)")),
    bomb("a_written_document", script("for (let i = 0; i < 1e5; i++) document.write('<b>x</b>')")),
    bomb("a_writer_of_scripts", script("window.n = 0; function w() { if (n++ < 1e9) document.write('<script>w()<' + '/script>') } w()")),
    bomb("a_huge_script", plain(end="<script>" + "x=1;" * 2_000_000 + "</script>")),
    bomb("a_deep_expression", plain(end="<script>" + "(" * 100_000 + ")" * 100_000 + "</script>")),
    bomb("a_deep_expression_in_lines", plain(end="<script>" + "(\n" * 20_000 + ")" * 20_000 + "</script>")),
    bomb("deep_functions_in_lines", plain(end="<script>" + "(() => {\n" * 3000 + "})()" * 3000 + "</script>")),
    bomb("a_huge_comment", plain(f"<!--{'-' * 10_000_000}-->")),
    bomb("entities", plain("&amp;" * 1_000_000)),
    bomb("a_big_table", plain("<table>" + "<tr><td colspan=1000 rowspan=65534>" * 300)),
    bomb("tables_in_tables", plain("<table><tr><td>" * 300 + "x")),
    bomb("a_big_list_of_options", plain("<select>" + "<option>x" * 100_000 + "</select>")),
    bomb("mathematics", plain("<math>" + "<mfrac><mi>x</mi>" * 2000)),
    bomb("a_long_word", plain(f"<p>{'x' * 2_000_000}</p>")),
    bomb("stacked_marks", plain(f"<p>x{'&#x301;' * 100_000}</p>")),
    bomb("turned_text", plain(f"<p>{'&#x202e;&#x202a;' * 50_000}</p>")),
    bomb("every_letter", script("let s = ''; for (let i = 32; i < 0x30000; i++) if (i < 0xd800 || i > 0xdfff) s += String.fromCodePoint(i); root.textContent = s")),
]  # fmt: skip

STYLES = [
    bomb("nested_variables", plain(head=_nested_variables(40))),
    bomb("variables_in_a_circle", plain(head="<style>#root { --a: var(--b); --b: var(--a); color: var(--a) }</style>")),
    bomb("deep_calc", plain(head=f"<style>b {{ width: {'calc(' * 20_000}1px{')' * 20_000} }}</style>")),
    bomb("long_calc", plain(head=f"<style>b {{ width: calc(1px{' + 1px' * 200_000}) }}</style>")),
    bomb("a_huge_grid", plain("<b></b>", head="<style>#root { display: grid; grid-template-columns: repeat(10000, 1fr); grid-template-rows: repeat(10000, 1fr) }</style>")),
    bomb("nested_grids", plain("<p style='display:grid'>" * 200 + "x")),
    bomb("nested_flex_boxes", plain("<p style='display:flex;flex-wrap:wrap'>" * 200 + "x")),
    bomb("columns", plain("<p>x</p>" * 200, head="<style>#root { columns: 10000 } p { columns: 1000 }</style>")),
    bomb("an_import_of_itself", plain(head='<link rel="stylesheet" href="x.css">', x__css='@import "x.css?1"; @import "x.css?2"; @import "x.css";')),
    bomb("a_ring_of_imports", plain(head='<link rel="stylesheet" href="a.css">', a__css='@import "b.css";', b__css='@import "a.css";')),
    bomb("has_of_has", plain("<b><i></i></b>" * 2000, head="<style>:has(b:has(i)) ~ :has(i) :has(*) { color: red }</style>")),
    bomb("many_rules", plain(head="<style>" + "".join(f".a{n} .b{n} {{ color: red }}" for n in range(100_000)) + "</style>")),
    bomb("deep_rules", plain(head=f"<style>{'b { ' * 2000}</style>")),
    bomb("a_long_selector", plain(head=f"<style>b{' > b' * 20_000} {{ color: red }}</style>")),
    bomb("not_of_not", plain(head=f"<style>{':not(' * 1000}b{')' * 1000} {{ color: red }}</style>")),
    bomb("counters", plain("<b></b>" * 5000, head="<style>b { counter-increment: x 2147483647 } b::before { content: counter(x, lower-roman) counters(x, '.') }</style>")),
    bomb("a_filter_of_filters", plain("<b>x</b>", head=f"<style>#root {{ filter: {'blur(5000px) ' * 60} }}</style>")),
    bomb("shadows", plain("<b>x</b>", head=f"<style>b {{ box-shadow: {', '.join(['0 0 5000px 5000px red'] * 500)} }}</style>")),
    bomb("text_shadows", plain("<b>x</b>", head=f"<style>b {{ text-shadow: {', '.join(['0 0 500px red'] * 500)} }}</style>")),
    bomb("gradients", plain(head=f"<style>#root {{ background: {', '.join(['repeating-conic-gradient(red 0, blue .001deg)'] * 200)} }}</style>")),
    bomb("masks", plain("<b style='mask:linear-gradient(red,blue);-webkit-backdrop-filter:blur(90px);mix-blend-mode:screen'>" * 300 + "x")),
    bomb("a_huge_box", plain("<b style='position:absolute;width:1e30px;height:1e30px;background:red;transform:scale(1e9)'></b>")),
    bomb("layers", plain("<b style='will-change:transform;position:absolute;width:4000px;height:4000px'></b>" * 500)),
    bomb("many_animations", plain("<b></b>" * 20_000, head="<style>@keyframes k { to { opacity: .5 } } b { animation: k 1s infinite }</style>")),
    bomb("a_keyframe_flood", plain("<b></b>", head="<style>@keyframes k { " + "".join(f"{n / 1000}% {{ left: {n}px }}" for n in range(100_000)) + " } b { animation: k 1s }</style>")),
    bomb("container_queries", plain("<p style='container-type:size'>" * 200 + "x", head="<style>@container (width > 1px) { p { width: 99% } }</style>")),
    bomb("a_font_flood", plain("<p>x</p>", head="<style>" + "".join(f"@font-face {{ font-family: f{n}; src: url(x{n}.woff2) }}" for n in range(2000)) + "</style>")),
    bomb("a_broken_font", plain("<p style='font-family:x'>x</p>", head="<style>@font-face { font-family: x; src: url(x.woff2) }</style>", x__woff2=b"wOF2" + b"\xff" * 3000)),
    bomb("a_font_that_says_it_is_huge", plain("<p style='font-family:x'>x</p>", head="<style>@font-face { font-family: x; src: url(x.woff2) }</style>", x__woff2=b"wOF2\0\1\0\0" + struct.pack(">IHHI", 100, 1, 0, 2**31) + b"\xff" * 100)),
    bomb("a_huge_font_size", plain("<p style='font-size:1e9px'>x</p>")),
    bomb("a_huge_letter_spacing", plain("<p style='letter-spacing:1e9px;word-spacing:-1e9px;line-height:1e9'>x x</p>")),
    bomb("a_huge_zoom", plain("<p style='zoom:1e6'>x</p>")),
    bomb("a_huge_perspective", plain("<p style='perspective:1px;transform-style:preserve-3d'><b style='transform:translateZ(1e30px) rotateX(89.9999deg)'>x</b></p>" * 100)),
]  # fmt: skip

PICTURES = [
    bomb("a_huge_png", plain("<img src=x.png>", x__png=_png(65_000, 65_000))),
    bomb("an_impossible_png", plain("<img src=x.png>", x__png=_png(2**31 - 1, 2**31 - 1, 0))),
    bomb("a_whole_huge_png", plain("<img src=x.png>"), write=_whole(16_000)),
    bomb("many_huge_pngs", plain("".join(f"<img src='x.png?{n}'>" for n in range(30))), write=_whole(12_000)),
    bomb("a_png_background", plain("<b style='background:url(x.png);position:absolute;inset:0'></b>", x__png=_png(30_000, 30_000, 100))),
    bomb("a_huge_gif", plain("<img src=x.gif>", x__gif=_gif(65_535, 65_535, 3))),
    bomb("a_long_gif", plain("<img src=x.gif>", x__gif=_gif(16, 16, 100_000))),
    bomb("a_large_long_gif", plain("<img src=x.gif>", x__gif=_gif(8_000, 8_000, 300))),
    bomb("a_gif_without_frames", plain("<img src=x.gif>", x__gif=_gif(10, 10, 0))),
    bomb("a_huge_bmp", plain("<img src=x.bmp>", x__bmp=_bmp(2**30, 2**30))),
    bomb("a_bmp_of_minus_size", plain("<img src=x.bmp>", x__bmp=_bmp(-5, -(2**31)))),
    bomb("a_huge_jpeg", plain("<img src=x.jpg>", x__jpg=b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda")),
    bomb("a_huge_webp", plain("<img src=x.webp>", x__webp=b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xff")),
    bomb("a_broken_avif", plain("<img src=x.avif>", x__avif=b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\xff\xff\xff\xffmeta" + b"\xff" * 200)),
    bomb("an_icon", plain("<img src=x.ico>", x__ico=b"\0\0\1\0\xff\xff" + b"\xff" * 16 * 100)),
    bomb("a_huge_svg_picture", plain("<img src=x.svg>", x__svg=_SVG.format('width="1e9" height="1e9"', '<rect width="100%" height="100%"/>'))),
    bomb("nested_uses", plain(_nested_uses(12, 10))),
    bomb("deeper_nested_uses", plain(_nested_uses(40, 2))),
    bomb("nested_uses_in_a_picture", plain("<img src=x.svg>", x__svg=_nested_uses(10, 10).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))),
    bomb("a_use_of_itself", plain('<svg><g id="a"><use href="#a"/><use href="#b"/></g><g id="b"><use href="#a"/></g></svg>')),
    bomb("entities_in_a_picture", plain("<img src=x.svg>", x__svg='<!DOCTYPE svg [' + '<!ENTITY a0 "xxxxxxxxxx">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)) + ']><svg xmlns="http://www.w3.org/2000/svg"><text>&a9;</text></svg>')),
    bomb("turbulence", plain('<svg width="64" height="64"><filter id="f" x="-1000" y="-1000" width="99999" height="99999"><feTurbulence baseFrequency="9" numOctaves="99999"/></filter><rect width="64" height="64" filter="url(#f)"/></svg>')),
    bomb("a_morphology", plain('<svg width="64" height="64"><filter id="f"><feMorphology operator="dilate" radius="99999"/></filter><rect width="64" height="64" filter="url(#f)"/></svg>')),
    bomb("a_convolution", plain(f'<svg width="64" height="64"><filter id="f"><feConvolveMatrix order="100" kernelMatrix="{"1 " * 10_000}"/></filter><rect width="64" height="64" filter="url(#f)"/></svg>')),
    bomb("filters_in_a_chain", plain('<svg width="64" height="64"><filter id="f">' + '<feGaussianBlur stdDeviation="99"/><feDisplacementMap in2="SourceGraphic" scale="99"/>' * 300 + '</filter><rect width="64" height="64" filter="url(#f)"/></svg>')),
    bomb("a_pattern_of_patterns", plain('<svg width="64" height="64">' + "".join(f'<pattern id="p{n}" width=".01" height=".01"><rect width="9" height="9" fill="url(#p{n + 1})"/></pattern>' for n in range(12)) + '<rect width="64" height="64" fill="url(#p0)"/></svg>')),
    bomb("a_long_path", plain(f'<svg width="64" height="64"><path stroke="red" stroke-dasharray=".0001" d="M0 0{"L64 64L0 1" * 100_000}"/></svg>')),
    bomb("fine_dashes", plain('<svg width="64" height="64"><path stroke="red" stroke-dasharray="1e-9" d="M0 0H1e9"/></svg>')),
    bomb("many_smil_animations", plain("<svg>" + '<rect><animate attributeName="x" from="0" to="9" dur="1ms" repeatCount="indefinite"/></rect>' * 5000 + "</svg>")),
    bomb("smil_that_begins_itself", plain('<svg><rect><animate id="a" attributeName="x" to="9" dur="1ms" begin="0s;b.end"/><animate id="b" attributeName="y" to="9" dur="1ms" begin="a.end"/></rect></svg>')),
    bomb("smil_at_the_end_of_time", plain('<svg><rect><animate attributeName="x" to="9" begin="99999999999h" dur="1e300s" repeatCount="1e300"/></rect></svg>')),
    bomb("foreign_objects", plain('<svg><foreignObject width="9" height="9">' * 300)),
    bomb("a_picture_that_grows", script("const c = document.createElement('canvas'); c.width = c.height = 3000; setInterval(() => { const i = new Image(); i.src = c.toDataURL(); root.append(i) }, 0)")),
    bomb("a_picture_that_never_loads", script("const i = new Image(); i.src = 'data:image/png;base64,'; root.append(i); const o = document.createElement('img'); o.srcset = 'data:, 1x'; root.append(o)")),
    bomb("changing_pictures", script("let n = 0; addEventListener('hf-seek', () => { const i = new Image(); i.src = 'x.gif?' + n++; root.append(i) })", x__gif=_gif(16, 16, 2))),
    bomb("a_gif_by_data", plain(f'<img src="{_data("image/gif", _gif(4000, 4000, 50))}">')),
    bomb("a_source_set", plain(f'<img srcset="{", ".join(f"x.png {n}w" for n in range(1, 20_000))}">', x__png=_png(4, 4, 4))),
]  # fmt: skip


def cases(_: int) -> list[Case]:
    return [*MEMORY, *STORES, *DOCUMENT, *STYLES, *PICTURES]
