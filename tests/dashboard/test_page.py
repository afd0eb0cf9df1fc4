"""The page in a real browser, while two workers in other processes render."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aftermath import until
from cluster_processes import in_processes
from distributed import Client
from fake_browser import FakeBrowsers, faked
from playwright.sync_api import Page, sync_playwright
from samples import paced

import hfdask
from hfdask.browser.discovery import find_browser
from hfdask.dashboard.plugin import NAME

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=window.hit=1>$$x$$"


@pytest.fixture
def tab() -> Iterator[Page]:
    """A tab of a real browser."""
    binary = str(find_browser().path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1280, "height": 860})
        browser.close()


@pytest.fixture
def client(tab: Page) -> Iterator[Client]:
    """A client of two workers with fake browsers. The tab's browser was found before."""
    with in_processes(2) as client, faked():
        client.register_plugin(FakeBrowsers())
        yield client


def thumbnails(client: Client) -> int:
    """Thumbnails that all workers have made."""

    def made(dask_worker: Any) -> int:
        from hfdask.cluster.pictures import newest_of

        picture = newest_of(dask_worker)._picture
        return picture.number + 1 if picture else 0

    return sum(client.run(made).values())


@contextmanager
def rendering(client: Client, project: Callable[..., Any], folder: Any) -> Iterator[hfdask.Render]:
    handle = hfdask.submit(project(paced(400)), folder / f"{HOSTILE}.mp4", client=client, chunk_size=5, retries=0)
    try:
        assert until(lambda: handle.progress.done, 90)
        yield handle
    finally:
        handle.cancel()


def test_the_page_shows_a_render_and_pictures_only_while_it_is_open(client, tab, project, tmp_path):
    url = hfdask.show_dashboard(client)
    with rendering(client, project, tmp_path):
        assert thumbnails(client) == 0

        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        tab.goto(url)
        tab.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
        tab.locator("figure img").nth(1).wait_for()
        shown = [image.get_attribute("src") for image in tab.locator("figure img").all()]
        assert all(source and source.startswith("data:image/jpeg;base64,") for source in shown)
        assert all(image.evaluate("image => image.naturalWidth") == 160 for image in tab.locator("figure img").all())
        assert tab.locator("figcaption").first.inner_text().startswith("0: <img src=x")
        assert tab.get_by_text("of 1 videos under way").first.inner_text().startswith("1 of 1 videos under way")
        colours = tab.evaluate(
            "Bokeh.documents[0].roots()[0].select({type: 'ColumnDataSource'}).flatMap(each => [...(each.data.color || [])])"
        )
        assert len(colours) == 6
        assert len(set(colours)) > 1
        tab.locator(".slick-cell", has_text=HOSTILE).first.wait_for()
        assert tab.evaluate("window.hit") is None
        assert tab.locator("img[onerror]").count() == 0
        assert said == []

    before = thumbnails(client)
    assert before > 0
    tab.close()
    with rendering(client, project, tmp_path / "again"):
        before = thumbnails(client)  # perhaps one more
        time.sleep(5)
        assert thumbnails(client) == before


def test_pictures_are_off_on_a_large_cluster_until_a_person_asks(client, tab, project, tmp_path, monkeypatch):
    monkeypatch.setattr("hfdask.dashboard.workers.MOST_WORKERS", 1)
    url = hfdask.show_dashboard(client)
    with rendering(client, project, tmp_path):
        tab.goto(url)
        tab.locator("button", has_text="Newest pictures").wait_for()
        time.sleep(3)
        assert tab.locator("figure").count() == 0
        assert thumbnails(client) == 0
        tab.locator("button", has_text="Newest pictures").click()
        tab.locator("figure").wait_for()
        assert tab.locator("figure").count() == 1
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.plugins[NAME].filmstrip.pictures)) == 1
