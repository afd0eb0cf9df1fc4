"""A notebook that renders, as a browser shows it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import sync_playwright
from samples import paced

from hfdask.browser.discovery import find_browser

SUPPORT = Path(__file__).parents[1] / "support"
CELLS = (
    "import sys; sys.path.insert(0, %r)\nimport fake_browser, hfdask\nfaked = fake_browser.faked(); faked.__enter__()",
    "result = hfdask.render('project', 'out.mp4', chunk_size=10)",
    "result",
    "result.perf.plot()",
    "hfdask.plan('project', 'plan', chunk_size=10)",
    "faked.__exit__(None, None, None)",
)


@pytest.fixture
def page(tmp_path: Path, monkeypatch) -> Path:
    """A notebook that was executed without a front end, as HTML."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "index.html").write_text(f"<!doctype html><html><body>{paced(5)}</body></html>")
    first, *others = CELLS
    notebook = new_notebook(cells=[new_code_cell(code) for code in (first % str(SUPPORT), *others)])
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    nbformat.validate(notebook)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    path = tmp_path / "notebook.html"
    path.write_text(html)
    return path


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("nothing_left")
def test_a_browser_shows_the_render_the_video_the_plots_and_the_plan(page):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser().path, args=["--no-sandbox"])
        tab = browser.new_page()
        # nbconvert's own page asks for scripts of other sites, which tests must not reach.
        tab.route("http*://**", lambda route: route.abort())
        tab.goto(f"file://{page}")
        shown = tab.locator(".hfdask-render")
        assert shown.count() == 1
        assert "done, 30 of 30 frames, 3 of 3 chunks" in shown.inner_text()
        tab.wait_for_function("document.querySelector('.hfdask-result video').readyState > 0")
        assert tab.evaluate("document.querySelector('.hfdask-result video').duration") == pytest.approx(1, abs=0.05)
        widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert len(widths) == 8 + 1
        assert all(widths)
        clips = tab.locator(".hfdask-plan svg rect title")
        assert clips.count() == 1
        box = tab.locator(".hfdask-plan svg rect").nth(1).bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(720, rel=0.2)
        browser.close()
