"""The folders of projects for tests, and small projects."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
COMPOSITIONS = REPOSITORY / "tests" / "compositions"

BOX = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<div class="clip" data-start="0" data-duration="1" style="width:40px;height:40px;background:#c33;animation:go 1s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) } }</style></div>"""


def paced(milliseconds: int) -> str:
    """`BOX`, of which each frame takes a fake browser so long."""
    return BOX.replace("data-no-timeline", f'data-no-timeline data-seek-ms="{milliseconds}"')


SLOW = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="4" data-no-timeline data-seek-ms="30">
<div class="clip" data-start="0" style="width:40px;height:40px;background:#36c;animation:go 4s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) } }</style>
<script>addEventListener('hf-seek', e => e.detail.waitUntil(new Promise(done => setTimeout(done, 30))))</script></div>"""
"""A page that takes a known while: each frame waits some milliseconds before it is drawn."""
