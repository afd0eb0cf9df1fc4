"""Results, plans and reports as HTML: complete, escaped, and without anything from elsewhere."""

from __future__ import annotations

import base64
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import av
import fsspec
import msgspec
import pytest
from playwright.sync_api import sync_playwright

import hfdask
from hfdask.browser.discovery import find_browser
from hfdask.errors import MissingExtraError, OutputNotWritableError, VideoReadError
from hfdask.media.thumbnails import thumbnails
from hfdask.views import result as result_view
from hfdask.views import timeline

pytestmark = pytest.mark.usefixtures("fake_browser")

EVIL = "<script>alert(1)</script><img src=http://evil.example/x>\x1b[2J"
TWO = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="2" data-no-timeline>
<p id="one" class="clip" data-start="0" data-duration="1">still</p>
<p id="two&lt;b&gt;" class="clip" data-start="0.5" data-duration="1" style="animation:go 1s linear both">moves</p></div>"""


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> hfdask.RenderResult:
    folder = tmp_path_factory.mktemp("html")
    (folder / "index.html").write_text(f"<!doctype html><html><body>{TWO}</body></html>")
    return hfdask.render(folder, folder / "a&b.mp4", chunk_size=20)


class Page(HTMLParser):
    """The tags of a page, and the texts between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def said(self) -> str:
        return " ".join(self.texts)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    def requests(self) -> list[str]:
        """The places that a browser would ask for, or that a reader can go to."""
        places = [
            value or "" for _, attributes in self.tags for name, value in attributes.items() if name in ("src", "href")
        ]
        return [place for place in places if not place.startswith("data:")]


def require_harmless(page: Page) -> None:
    assert page.all("script") == []
    assert [name for _, attributes in page.tags for name in attributes if name.startswith("on")] == []
    assert page.requests() == []
    assert "␛[2J" in page.said
    assert "\x1b" not in page.said


def marked(video: hfdask.RenderResult) -> hfdask.RenderResult:
    finding = hfdask.Finding(
        code="x", severity="warning", file=EVIL, line=1, element=EVIL, message=EVIL, remedy="nothing"
    )
    chunks = tuple(msgspec.structs.replace(chunk, worker="<script>") for chunk in video.chunks)
    return msgspec.structs.replace(video, warnings=(EVIL,), findings=(finding,), chunks=chunks)


def test_a_small_video_plays_in_the_cell_with_a_strip_of_its_frames(video):
    page = Page(video._repr_html_())
    [shown] = page.all("video")
    assert (
        base64.b64decode((shown["src"] or "").removeprefix("data:video/mp4;base64,")) == Path(video.output).read_bytes()
    )
    assert shown["width"] == "160"
    assert [image["alt"] for image in page.all("img")] == [
        f"frame {number}" for number in (3, 11, 18, 26, 33, 41, 48, 56)
    ]
    for stage in ("capture *", "encode *", "sweep", f"{video.stages['capture']:.2f} s"):
        assert stage in page.said


def test_a_large_video_is_a_strip_and_a_link(video, monkeypatch):
    monkeypatch.setattr(result_view, "INLINE_BYTES", 100)
    monkeypatch.chdir(Path(video.output).parent)
    page = Page(video._repr_html_())
    assert page.all("video") == []
    assert len(page.all("img")) == 8
    assert page.requests() == ["a%26b.mp4"]


def test_a_video_in_a_store_is_only_named(video):
    page = Page(msgspec.structs.replace(video, output="s3://bucket/<v>.mp4")._repr_html_())
    assert [*page.all("video"), *page.all("img"), *page.requests()] == []
    assert "s3://bucket/<v>.mp4" in page.said


def test_a_video_that_is_gone_leaves_the_facts(video, tmp_path):
    page = Page(msgspec.structs.replace(video, output=str(tmp_path / "gone.mp4"))._repr_html_())
    assert "the video cannot be shown" in page.said
    assert "60 at 30 a second" in page.said


def test_texts_of_pages_are_escaped_in_a_result(video):
    require_harmless(Page(marked(video)._repr_html_()))


def test_a_result_shows_without_pandas_and_matplotlib(video, monkeypatch):
    for package in ("pandas", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    assert Page(video._repr_html_()).all("video")


def test_a_plan_shows_its_clips_over_frames_and_where_chunks_begin(video, project, tmp_path):
    plan = hfdask.plan(project(TWO, **{"b.txt": "b" * 5000}), tmp_path / "plan", chunk_size=20)
    page = Page(plan._repr_html_())
    frame = timeline.WIDTH / 60
    bars = [each for each in page.all("rect") if each["height"] == str(timeline.ROW - 4)]
    places = [(float(each["x"] or 0) - timeline.LABELS, float(each["width"] or 0)) for each in bars]
    assert places == [pytest.approx((0, 30 * frame)), pytest.approx((15 * frame, 30 * frame))]
    borders = [float(each["x1"] or 0) - timeline.LABELS for each in page.all("line")]
    assert borders == pytest.approx([0, 20 * frame, 40 * frame])
    assert "p one, frames 0 to 29" in page.said
    assert "p two<b>, frames 15 to 44" in page.said
    assert "60 frames of 160 x 90 at 30 a second, 2.00 s, 3 chunks" in page.said
    assert "5.00" in page.said.split("b.txt")[1]  # kB
    assert page.requests() == []


def test_the_report_is_one_file_that_needs_no_other(video, tmp_path):
    place = video.report(tmp_path / "report.html")
    assert place == str(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert [*page.requests(), *page.all("script"), *page.all("link")] == []
    assert {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"} in (
        page.all("meta")
    )  # fmt: skip
    assert len(page.all("img")) == 12 + 1
    for heading in ("Frames", "Seconds by stage", "Timings", "Slowest frames", "Chunks"):
        assert heading in page.texts
    assert "Warnings" not in page.texts
    slowest = video.perf.frames["seconds"].idxmax()
    rows = (tmp_path / "report.html").read_text().split("Slowest frames")[1]
    assert re.search(r"<tbody><tr><td[^>]*>(\d+)<", rows)[1] == str(slowest)  # type: ignore[index]


def test_texts_of_pages_are_escaped_in_a_report(video, tmp_path):
    marked(video).report(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    require_harmless(page)
    assert {"Warnings", "Findings of the check"} <= set(page.texts)


def test_a_report_goes_to_any_store_and_names_what_it_cannot_write(video, tmp_path):
    assert video.report("memory://reports/r.html") == "memory:///reports/r.html"
    assert fsspec.filesystem("memory").cat_file("/reports/r.html").startswith(b"<!doctype html>")
    with pytest.raises(OutputNotWritableError):
        video.report(tmp_path)


def test_a_report_without_matplotlib_names_the_extra(video, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"hfdask\[analysis\]"):
        video.report(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_are_the_frames_that_they_say(video):
    keys = [chunk.start for chunk in video.chunks]
    found = thumbnails(Path(video.output), keys, 60, video.fps.fraction, count=60, height=90)
    assert [each.frame for each in found] == list(range(60))
    with av.open(video.output) as file:
        decoded = [picture.to_ndarray(format="rgb24").astype(int) for picture in file.decode(video=0)]
    for each in found:
        with av.open(io.BytesIO(each.jpeg), "r", format="jpeg_pipe") as file:
            [picture] = file.decode(video=0)
            pixels = picture.to_ndarray(format="rgb24").astype(int)
        distances = [abs(pixels - other).mean() for other in decoded]
        assert distances[each.frame] < 3
        assert distances[each.frame] == pytest.approx(min(distances), abs=0.02)


def test_a_long_chunk_is_not_decoded_to_its_end_for_one_picture(video, monkeypatch):
    monkeypatch.setattr("hfdask.media.thumbnails.AHEAD", 5)
    keys = [chunk.start for chunk in video.chunks]
    frames = [each.frame for each in thumbnails(Path(video.output), keys, 60, video.fps.fraction, count=3)]
    assert frames == [4, 24, 44]


def test_thumbnails_of_a_file_that_is_not_a_video_are_an_error(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"nothing")
    with pytest.raises(VideoReadError, match="no pictures can be read"):
        thumbnails(tmp_path / "v.mp4", [0], 10, hfdask.Rate(num=30, den=1).fraction)


@pytest.mark.browser
def test_a_browser_shows_the_report_and_the_video_without_a_request_or_an_error(video, tmp_path):
    video.report(tmp_path / "report.html")
    (tmp_path / "result.html").write_text(f"<!doctype html><meta charset=utf-8>{marked(video)._repr_html_()}")
    asked: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser().path, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for name in ("report", "result"):
            page.goto(f"file://{tmp_path}/{name}.html")
            sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
            assert len(sizes) >= 8
            assert min(sizes) >= 100
        played = page.evaluate(
            "new Promise(done => { const v = document.querySelector('video');"
            "v.readyState ? done(v.duration) : (v.onloadedmetadata = () => done(v.duration)) })"
        )
        browser.close()
    assert played == pytest.approx(2, abs=0.05)
    assert [place for place in asked if not place.startswith(("file:", "data:"))] == []
    assert errors == []
