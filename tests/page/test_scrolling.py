"""Scrolls end at once (docs/compositions.md, 6.1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import GREEN, RED, composition, open_html

pytestmark = pytest.mark.browser

LIST = (
    '<div id="list" style="position:absolute;inset:0;overflow:auto"><p style="height:64px;background:#f00"></p>'
    '<p id="below" style="height:500px;background:#0f0"></p></div>'
)
WAYS = [
    "list.scrollTop = {}",
    "list.scrollTo({{ top: {}, behavior: 'smooth' }})",
    "list.scrollTo(0, {})",
    "list.scrollBy({{ top: {} - list.scrollTop, behavior: 'smooth' }})",
    "{} > 50 ? below.scrollIntoView({{ behavior: 'smooth' }}) : list.scrollTo(0, 0)",
]


@pytest.mark.parametrize("mode", ["beginframe", "canvas", "screenshot"])
@pytest.mark.parametrize("way", WAYS)
def test_smooth_scrolls_are_at_their_end(way, mode, tmp_path: Path) -> None:
    script = f"addEventListener('hf-seek', ({{ detail }}) => {{ {way.format('Math.round(detail.time * 100)')} }})"
    style = "p { margin: 0 } * { scroll-behavior: smooth }"
    with open_html(tmp_path, composition(LIST, script, style=style), capture_mode=mode) as page:
        assert [page.pixel(frame) for frame in (0, 30, 0)] == [RED, GREEN, RED]
