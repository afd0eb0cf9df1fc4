"""Documents that scripts load into frames while the video runs: a frame of the video waits for them (docs/compositions.md, 8.2)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from page_samples import composition, open_html

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
    ],
)
def test_what_never_comes_is_not_waited_for(load, tmp_path: Path) -> None:
    script = f"addEventListener('hf-seek', ({{ detail }}) => {{ if (detail.time === 0.5) {load} }})"
    with open_html(tmp_path, composition("", script), {"inner.html": INNER}, frame_timeout=5.0) as page:
        page.seek(15)
        assert page.value("performance.now()") == 500
