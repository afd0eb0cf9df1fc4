"""What scripts load while the video runs: a frame of the video waits for it (docs/compositions.md, 8.2)."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from media_samples import png
from page_samples import change_script, composition, open_html, svg

from hfdask.browser import page_opening

pytestmark = pytest.mark.browser

INNER = """<style>p { animation: go 1s linear both; position: absolute } @keyframes go { to { transform: translateX(60px) } }</style><p>0</p>
<script>requestAnimationFrame(function draw(time) { document.body.style.background = `hsl(${time / 3} 50% 80%)`; requestAnimationFrame(draw) })</script>"""
FRAME = '<iframe id="inner" style="border:0;width:64px;height:64px"></iframe>'
WAYS = {
    "srcdoc": (FRAME, f"inner.srcdoc = {json.dumps(INNER)}.replace('0', n)".replace("</", "<\\/")),
    "src": (FRAME, "inner.src = `inner.html?${n}`"),
    "a new one": (
        "<div id='place'></div>",
        "place.innerHTML = `<p>${FRAME.replace('>', ` src='inner.html?${n}'>`)}</p>`",
    ),
    "in a frame": (
        FRAME.replace("></", ' srcdoc="<body></body>"></'),
        "inner.contentDocument.body.innerHTML = FRAME.replace('>', ` src='/inner.html?${n}'>`)",
    ),
}

CANVAS = "<canvas width=64 height=64 style='position:absolute;left:0;top:0'></canvas>"
# Each paints when what it has asked for is there.
LOADS = {
    "a picture": "const image = new Image(); image.onload = paint; image.src = `one.svg?${n}`",
    "a picture by its attribute": "const image = new Image(); image.setAttribute('src', `one.svg?${n}`); image.onload = paint",
    "a picture by its set": "const image = new Image(); image.srcset = `one.svg?${n}`; image.onload = paint",
    "a picture after another": """const image = new Image(); image.src = `one.svg?${n}`
        image.onload = () => { const second = new Image(); second.src = `two.svg?${n}`; second.onload = paint }""",
    "a picture after an answer": """fetch(`one.js?${n}`).then((answer) => answer.blob()).then(() => {
        const image = new Image(); image.src = `one.svg?${n}`; image.onload = paint })""",
    "a script": "const script = document.createElement('script'); script.src = `one.js?${n}`; script.onload = paint; root.append(script)",
    "a style sheet": """const link = document.createElement('link'); link.rel = 'stylesheet'; link.href = `one.css?${n}`
        link.onload = paint; root.append(link)""",
    "a request": "const asked = new XMLHttpRequest(); asked.onload = paint; asked.open('GET', `one.js?${n}`); asked.send()",
    "a picture of a request": """const asked = new XMLHttpRequest(); asked.open('GET', `one.png?${n}`); asked.responseType = 'blob'
        asked.onload = async () => { await createImageBitmap(asked.response); paint() }; asked.send()""",
    "a file reader": "const reader = new FileReader(); reader.onloadend = paint; reader.readAsDataURL(new Blob(['x']))",
    "a blob of a canvas": "canvas.toBlob(paint)",
    "a blob of another canvas": "const other = new OffscreenCanvas(8, 8); other.getContext('2d'); other.convertToBlob().then((blob) => blob.text()).then(paint)",
}
FILES: dict[str, str | bytes] = {
    "one.js": "",
    "one.css": "b { color: red }",
    "one.svg": svg("teal"),
    "two.svg": svg("red"),
    "one.png": png(np.zeros((4, 4, 3), np.uint8)),
}


@pytest.mark.parametrize("mode", [pytest.param("beginframe", marks=pytest.mark.slow), "canvas"])
@pytest.mark.parametrize("load", LOADS)
def test_frames_show_what_scripts_draw_when_something_has_come(load, mode, late, tmp_path: Path) -> None:
    late(lambda path: 0.1 if path.partition("?")[0] in FILES else 0)
    script = f"""const canvas = document.querySelector("canvas"), context = canvas.getContext("2d")
      addEventListener("hf-seek", ({{ detail }}) => {{
        const n = Math.round(detail.time * 30)
        const paint = () => {{ context.fillStyle = `rgb(${{n * 10}} 0 0)`; context.fillRect(0, 0, 64, 64) }}
        {LOADS[load]} }})"""
    with open_html(tmp_path, composition(CANVAS, script), FILES, capture_mode=mode) as page:
        assert [page.pixel(frame) for frame in (9, 10, 20)] == [(90, 0, 0), (100, 0, 0), (200, 0, 0)]


SLOW = "onmessage = ({ data }) => setTimeout(() => postMessage(data), 100)"


@pytest.mark.parametrize("asks", ["", "worker.postMessage(0);"], ids=["first in a frame", "before"])
@pytest.mark.parametrize("mode", [pytest.param("beginframe", marks=pytest.mark.slow), "canvas"])
def test_frames_show_the_answers_of_workers(asks, mode, tmp_path: Path) -> None:
    script = f"""const context = document.querySelector("canvas").getContext("2d"), worker = new Worker("worker.js"); {asks}
      worker.onmessage = ({{ data }}) => {{ context.fillStyle = `rgb(${{data * 10}} 0 0)`; context.fillRect(0, 0, 64, 64) }}
      addEventListener("hf-seek", ({{ detail }}) => worker.postMessage(Math.round(detail.time * 30)))"""
    with open_html(tmp_path, composition(CANVAS, script), {"worker.js": SLOW}, capture_mode=mode) as page:
        assert [page.pixel(frame) for frame in (9, 10, 20)] == [(90, 0, 0), (100, 0, 0), (200, 0, 0)]


def test_a_worker_that_never_answers_is_waited_for_once(tmp_path: Path) -> None:
    script = """const worker = new Worker("worker.js"); addEventListener("hf-seek", () => worker.postMessage(0))"""
    with open_html(tmp_path, composition("", script), {"worker.js": ""}) as page:
        began = time.monotonic()
        for frame in range(20):
            page.seek(frame)
        assert time.monotonic() - began < 20  # not two seconds each


@pytest.mark.slow
def test_a_worker_with_a_canvas_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change_script(monkeypatch, page_opening, "runtime_script", "DOUBT = 2000", "DOUBT = 60000")
    script = """const canvas = document.querySelector("canvas").transferControlToOffscreen(), worker = new Worker("worker.js")
      worker.postMessage(canvas, [canvas]); addEventListener("hf-seek", () => worker.postMessage(0))"""
    with open_html(tmp_path, composition(CANVAS, script), {"worker.js": ""}, frame_timeout=10.0) as page:
        page.seek(0)


@pytest.mark.sample("src-beginframe", "a new one-canvas", "in a frame-canvas", "srcdoc-beginframe")
@pytest.mark.parametrize("mode", ["beginframe", "canvas"])
@pytest.mark.parametrize("way", WAYS)
def test_frames_show_what_their_frames_load_in_any_chunk(way, mode, tmp_path: Path) -> None:
    body, load = WAYS[way]
    script = f"""const FRAME = {json.dumps(FRAME)}.replace("</iframe>", ""); let last = -1;
      addEventListener("hf-seek", ({{ detail }}) => {{ const n = Math.floor(detail.time * 10); if (n !== last) {{ last = n; {load} }} }})"""
    seen = []
    for first in (0, 7):
        with open_html(
            tmp_path / str(first), composition(body, script), {"inner.html": INNER}, capture_mode=mode
        ) as page:
            seen.append(page.digests(first, 16))
    whole, part = seen
    assert len(set(whole)) == 16
    assert part == whole[7:]


@pytest.mark.parametrize(
    "load",
    [
        "root.append(Object.assign(document.createElement('iframe'), { src: 'about:blank' }))",
        "root.append(Object.assign(document.createElement('iframe'), { src: 'nothing.html' }))",
        "root.append(Object.assign(document.createElement('iframe'), { src: 'inner.html', loading: 'lazy', hidden: true }))",
        "{ const frame = Object.assign(document.createElement('iframe'), { src: 'inner.html' }); root.append(frame); frame.remove() }",
        "root.append(document.createElement('iframe'))",
        "{ const image = new Image(); image.src = 'one.svg'; image.removeAttribute('src') }",
        "{ const image = new Image(); image.loading = 'lazy'; image.src = 'one.svg' }",
        "root.insertAdjacentHTML('beforeend', '<script src=\"one.js\"><' + '/script>')",
        'root.insertAdjacentHTML(\'beforeend\', \'<link rel="stylesheet" type="text/less" href="one.css">\')',
        "root.append(Object.assign(document.createElement('script'), { type: 'text/plain', src: 'one.js' }))",
        "try { new XMLHttpRequest().send() } catch { }",
        "root.append(document.querySelector('#made'), document.querySelector('link'))",
        "{ const image = new Image(); image.src = 'nothing.svg'; image.onerror = () => {} }",
    ],
)
def test_what_never_comes_is_not_waited_for(load, tmp_path: Path) -> None:
    script = f"""document.head.append(Object.assign(document.createElement('script'), {{ id: 'made', src: 'one.js' }}))
      addEventListener('hf-seek', ({{ detail }}) => {{ if (detail.time === 0.5) {load} }})"""
    with open_html(
        tmp_path,
        composition('<link rel="stylesheet" href="one.css">', script),
        {"inner.html": INNER, **FILES},
        frame_timeout=5.0,
    ) as page:
        page.seek(15)
        assert page.value("performance.now()") == 500
