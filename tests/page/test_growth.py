"""A page's time grows with the number of its elements, not with its square."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import pytest
from page_samples import composition, open_html

pytestmark = pytest.mark.browser

CSS = "i {animation: tint 2s linear infinite} @keyframes tint {50% {opacity: 0}}"
KINDS = {
    "CSS animations": ("<i></i>", CSS),
    "CSS animations of clips": ('<i data-start="${k / 1000}" data-duration="2"></i>', CSS),
    "clips": ('<i data-start="${k / 1000}" data-duration="1"></i>', ""),
    "clips after clips": ('<i id="c${k}" data-start="${k ? `c${k - 1} - 0.999` : 0}" data-duration="1"></i>', ""),
}


def seconds(folder: Path, kind: str, count: int) -> float:
    """Return the seconds to load a page with ``count`` elements and to seek some frames."""
    element, style = KINDS[kind]
    script = f"root.innerHTML = Array.from({{length: {count}}}, (_, k) => `{element}`).join('');"
    with open_html(folder, composition("", script, style=style)) as page:
        began = time.perf_counter()
        for frame in range(5):
            page.seek(frame)
        return page.seconds + time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CSS animations of clips", "clips after clips", "CSS animations", "clips"])
def test_four_times_as_much_takes_no_more_than_some_times_as_long(tmp_path: Path, kind: str) -> None:
    seconds(tmp_path, kind, 10)  # a browser's first page is slower
    rounds = [(seconds(tmp_path, kind, 300), seconds(tmp_path, kind, 1200)) for _ in range(3)]
    assert median(many / few for few, many in rounds) < 8  # their square would be 16 times as long
