"""Whole renders of compositions with videos: reuse, certificates, failures, other ways of capture, and errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chunked import digests, in_chunks_of, records
from media_samples import png, solid
from slow import sampled
from video_samples import bar_code_video, cached, spoilt, truncated
from video_walls import cell_of, number_in, pictures_of

import hfdask
from hfdask import errors
from hfdask.browser.session import PageSession
from hfdask.media.picture import decode_png, digest_of

pytestmark = pytest.mark.browser

VIDEO = '<video muted src="{src}" style="position:absolute;left:0;top:0;width:80px;height:48px" {attributes}></video>'
WINDOW = 'data-start="0.5" data-duration="1"'


def page(attributes: str = WINDOW, src: str = "film.mp4") -> str:
    return (
        "<style>body { background: #036; margin: 0 }</style>"
        '<div data-composition-id="c" data-width="96" data-height="48" data-duration="2" data-fps="20" data-no-timeline>'
        f'<i style="position:absolute;left:84px;top:8px;width:8px;height:8px;background:#c33"></i>{VIDEO.format(src=src, attributes=attributes)}</div>'
    )


def film(**options: Any) -> bytes:
    return cached(bar_code_video, "film.mp4", 40, 20, size=(64, 32), **options).read_bytes()


EXPECTED = [frame - 10 if 10 <= frame < 30 else None for frame in range(40)]


def numbers(chunks: list[hfdask.ChunkResult]) -> list[int | str | None]:
    return [number_in(cell_of(picture, 0)) for picture in pictures_of(chunks)]


def test_a_still_shows_the_frame_of_its_time(project: Callable[..., Path], tmp_path):
    folder = project(page(), **{"film.mp4": film()})
    shown = []
    for time in (0.45, 0.5, 1.25, 1.5):
        hfdask.still(folder, time, tmp_path / "still.png")
        shown.append(number_in(cell_of(decode_png((tmp_path / "still.png").read_bytes()), 0)))
    assert shown == [None, 0, 15, None]


@pytest.mark.slow
def test_a_certificate_holds_and_another_film_is_no_longer_certified(project: Callable[..., Path], tmp_path):
    folder = project(page(), **{"film.mp4": film()})
    options: dict[str, Any] = {"chunk_size": 13, "certificate": True, "check": "off"}
    made = hfdask.render(folder, tmp_path / "a.mp4", plan_dir=tmp_path / "plan", **options)
    assert all(seam.equal for seam in made.seams)
    assert hfdask.verify(made.output, sample=7).checked == (0, 6, 13, 20, 26, 32, 39)
    other = hfdask.plan(project(page(), **{"film.mp4": film(first=9)}), tmp_path / "other", check="off")
    with pytest.raises(errors.CertificateError, match="not the video's plan"):
        hfdask.verify(made.output, plan_url=other.url)


def rendered_anew(result: hfdask.RenderResult) -> list[int]:
    return [chunk.index for chunk in result.chunks if not chunk.reused]


@pytest.mark.slow
def test_only_chunks_that_show_a_changed_clip_are_rendered_again(project: Callable[..., Path], tmp_path):
    def render(html: str, content: bytes) -> hfdask.RenderResult:
        folder = project(html, **{"film.mp4": content})
        return hfdask.render(folder, tmp_path / "kept.mp4", plan_dir=tmp_path / "plan", chunk_size=5, check="off")

    trimmed = page(WINDOW + ' data-media-start="0.5"')
    assert rendered_anew(render(page(), film())) == list(range(8))
    assert rendered_anew(render(page(), film())) == []
    assert rendered_anew(render(trimmed, film())) == [2, 3, 4, 5]
    changed = render(trimmed, film(first=100))
    assert rendered_anew(changed) == [2, 3, 4, 5]
    whole = hfdask.plan(tmp_path / "project", tmp_path / "whole", check="off", chunk_size=3600)
    chunks = records(whole, tmp_path / "whole")
    assert numbers(chunks) == [None if number is None else number + 110 for number in EXPECTED]
    assert changed.digest == digest_of(digests(chunks))


@pytest.mark.slow
def test_the_page_after_a_killed_browser_goes_on_at_the_same_frame(project: Callable[..., Path], tmp_path, monkeypatch):
    folder = project(page(), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600)
    whole = records(plan, tmp_path / "whole")
    assert numbers(whole) == EXPECTED
    sought: list[int] = []
    seek = PageSession.seek

    async def deadly(self: PageSession, frame: int, **options: Any) -> bool:
        sought.append(frame)
        if frame == 17 and sought.count(17) == 1:
            self.chromium.kill()
        return await seek(self, frame, **options)

    monkeypatch.setattr(PageSession, "seek", deadly)
    again = records(plan, tmp_path / "again")
    assert sought.count(17) == 2
    assert sought.count(16) == 1
    assert digests(again) == digests(whole)


@pytest.mark.slow
def test_pages_captured_by_screenshots_show_each_frame(project: Callable[..., Path], tmp_path):
    folder = project(page(), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600, capture="screenshot")
    whole = records(plan, tmp_path)
    assert {chunk.capture_mode for chunk in whole} == {"screenshot"}
    assert numbers(whole) == EXPECTED
    assert digests(records(in_chunks_of(plan, tmp_path / "sevens", 7), tmp_path / "7")) == digests(whole)


@pytest.mark.slow
def test_pictures_that_are_served_are_the_same_as_those_in_a_file(project: Callable[..., Path], tmp_path, monkeypatch):
    folder = project(page(), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600)
    whole = records(plan, tmp_path / "file")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert digests(records(plan, tmp_path / "served")) == digests(whole)


# Errors


def cut_off(path: Path) -> Path:
    return truncated(cached(bar_code_video, "film.mp4", 40, 20, size=(64, 32)), path, 0.3)


def damaged(path: Path) -> Path:
    return spoilt(cached(bar_code_video, "good.mkv", 40, 20, codec="libvpx-vp9", size=(64, 32)), path, 12)


OWN = {"allow_hosts": ["127.0.0.1"]}
BAD: dict[str, tuple[str, str, Callable[[], dict[str, bytes]], dict[str, Any]]] = {
    "missing": ("MISSING_ASSET", page(), dict, {}),
    "a page": ("NOT_MEDIA_PAYLOAD", page(), lambda: {"film.mp4": b"<!doctype html><p>404"}, {}),
    "a picture": ("ASSET_MEDIA_TYPE_MISMATCH", page(), lambda: {"film.mp4": png(solid((1, 2, 3)))}, {}),
    "empty": ("VIDEO_SOURCE_UNRENDERABLE", page(), lambda: {"film.mp4": b""}, {}),
    "cut off": ("VIDEO_SOURCE_UNRENDERABLE", page(), lambda: {"film.mp4": cached(cut_off, "cut.mp4").read_bytes()}, {}),
    "damaged": (
        "VIDEO_SOURCE_UNRENDERABLE", page(src="film.mkv"), lambda: {"film.mkv": cached(damaged, "bad.mkv").read_bytes()}, {},
    ),
    "an in-point past the end": (
        "MEDIA_START_OUT_OF_RANGE", page('data-start="0" data-media-start="9"'), lambda: {"film.mp4": film()}, {},
    ),
    "automation": ("VIDEO_CLIP_INVALID", page(WINDOW + " data-automation='{'"), lambda: {"film.mp4": film()}, {}),
    "a data: URL": ("UNSUPPORTED_FEATURE", page(src="data:video/mp4;base64,AAAA"), dict, {}),
    "a site that is not allowed": ("ASSET_REFUSED", page(src="http://127.0.0.1:9/film.mp4"), dict, {}),
    "a site that does not answer": ("ASSET_FETCH_FAILED", page(src="http://127.0.0.1:9/film.mp4"), dict, OWN),
}  # fmt: skip


@pytest.mark.parametrize("kind", sampled(BAD, one_of=6))
def test_a_bad_source_is_a_typed_error_and_leaves_no_output(kind, project: Callable[..., Path], tmp_path):
    code, html, files, options = BAD[kind]
    (tmp_path / "out").mkdir()
    with pytest.raises(errors.HfdaskError) as caught:
        hfdask.render(project(html, **files()), tmp_path / "out" / "out.mp4", chunk_size=10, check="off", **options)
    assert caught.value.code == code
    assert list((tmp_path / "out").iterdir()) == []
