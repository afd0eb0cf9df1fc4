"""Pages without a composition that have their own `window.__hf`."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import BLUE, GREEN, RED, open_html
from slow import sampled

from hfdask.errors import RootNotFoundError

pytestmark = pytest.mark.browser

BOX = """<!doctype html><body style="margin:0"><div id="x" style="height:64px;background:#f00"></div><script>%s</script>"""
SEEK = "seek(t) { this.log.push(t); x.style.background = t < 1 ? '#f00' : '#0f0' }, log: []"


@pytest.mark.parametrize(
    "script",
    sampled(
        [
            f"window.__hf = {{duration: 2, {SEEK}}}",
            f"Object.assign(window.__hf, {{duration: 2, {SEEK}}})",
            f"window.__hf = {{get duration() {{ return 2 }}, width: 320, height: 200, {SEEK}}}",
            f"setTimeout(() => {{ window.__hf = {{duration: 2, {SEEK}}} }}, 60)",
            f"addEventListener('load', async () => {{ await fetch('/'); window.__hf = {{duration: 2, {SEEK}}} }})",
        ],
        one_of=2,
    ),
)
def test_the_page_is_sought_by_its_own_means(tmp_path: Path, script: str) -> None:
    with open_html(tmp_path, BOX % script) as page:
        assert [page.pixel(frame) for frame in (29, 30, 0)] == [RED, GREEN, RED]
        assert page.value("__hf.log") == [0, 29 / 30, 1, 0]
        report = page.report()
        assert (report["hasRoot"], report["duration"], report["source"]) == (False, 2, "__hf")
        assert (report["width"], report["height"]) == ((320, 200) if "width" in script else (None, None))


def test_a_promise_of_the_seek_is_waited_for(tmp_path: Path) -> None:
    script = """window.__hf = {duration: 2, async seek(t) {
      await new Promise(done => setTimeout(done, 40)); x.style.background = t < 1 ? '#0f0' : '#00f' }}"""
    with open_html(tmp_path, BOX % script) as page:
        assert [page.pixel(0), page.pixel(30)] == [GREEN, BLUE]


def test_the_clock_and_animations_go_with_it(tmp_path: Path) -> None:
    script = """const seen = []; window.__hf = {duration: 2, seek(t) { seen.push([t, performance.now()]) }};
      requestAnimationFrame(function loop(ms) { seen.push(ms); requestAnimationFrame(loop) });
      const move = x.animate([{opacity: 1}, {opacity: 0}], 1000)"""
    with open_html(tmp_path, BOX % script) as page:
        assert page.at(15, "[seen.at(-1), getComputedStyle(x).opacity, move.playState]") == [500, "0.5", "running"]


@pytest.mark.parametrize(
    "own",
    sampled(
        ["", "window.__hf = {duration: 2}", "window.__hf = {seek() {}}", "window.__hf = {duration: 0, seek() {}}"],
        one_of=2,
    ),
)
def test_neither_a_root_nor_a_way_to_seek(tmp_path: Path, own: str) -> None:
    with pytest.raises(RootNotFoundError, match="no composition root"), open_html(tmp_path, BOX % own):
        pass


def test_a_root_that_a_script_makes(tmp_path: Path) -> None:
    script = """setTimeout(() => document.body.insertAdjacentHTML('beforeend', `<div data-composition-id="late" data-duration="2"
      data-width="64" data-height="64" data-no-timeline><b id="b" data-start="1">x</b></div>`), 60)"""
    with open_html(tmp_path, BOX % script) as page:
        assert [page.at(frame, "b.style.visibility") for frame in (29, 30)] == ["hidden", "visible"]
