"""Whole renders in HDR: levels of videos and of layers around them, places, chunks, tags, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from chunked import digests, in_chunks_of, records
from hdr_samples import SIZE, decoded, hdr_video, hlg, levels, patch_levels, patch_of, pq
from slow import sampled
from video_samples import bar_code_video, cached

import hfdask
from hfdask import errors
from hfdask.formats.hdr import light_fault
from hfdask.media.picture import decode_png

pytestmark = pytest.mark.browser

FRAMES = 20
WHOLE = "position:absolute;left:0;top:0;width:320px;height:192px"
WHITE = levels([pq(203)] * 3)
EXACT: dict[str, Any] = {"hdr": True, "crf": 1, "check": "off"}


def page(body: str = "", style: str = WHOLE, attributes: str = 'data-start="0" data-duration="2"') -> str:
    return (
        "<style>body { background: #000; margin: 0 } i { position: absolute }</style>"
        '<div data-composition-id="c" data-width="320" data-height="192" data-duration="2" data-fps="10" data-no-timeline>'
        f'<video id="v" muted src="film.mp4" style="{style}" {attributes}></video>{body}</div>'
    )


def film(transfer: Literal["pq", "hlg"] = "pq", **options: Any) -> bytes:
    return cached(hdr_video, "film.mp4", FRAMES, transfer=transfer, **options).read_bytes()


Rendered = Callable[..., list[np.ndarray]]


@pytest.fixture
def rendered(project: Callable[..., Path], tmp_path: Path) -> Rendered:
    def render(html: str, transfer: Literal["pq", "hlg"] = "pq", **options: Any) -> list[np.ndarray]:
        folder = project(html, **{"film.mp4": film(transfer)})
        hfdask.render(folder, tmp_path / "out.mp4", **{**EXACT, **options})
        return decoded(tmp_path / "out.mp4")

    return render


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_a_video_without_layers_keeps_its_levels_and_a_title_has_the_white_of_graphics(rendered, transfer):
    title = '<i style="left:250px;top:110px;width:40px;height:20px;background:#fff"></i>'
    frames = rendered(page(title), transfer, chunk_size=7)
    assert len(frames) == FRAMES
    white = levels([pq(203) if transfer == "pq" else hlg(0.26496)] * 3)
    for number, frame in enumerate(frames):
        assert np.abs(frame[112:128, 252:288].astype(int) - white).max() <= 3
        for place, expected in enumerate(patch_levels(number, transfer)):
            found = patch_of(frame, place)[24:] if place == 7 else patch_of(frame, place)
            assert np.abs(found.astype(int) - expected).max() <= 2, (number, place)


def test_chunks_of_any_length_have_the_same_frames_and_files_the_same_bytes(project, tmp_path):
    moving = (
        "<style>@keyframes go { to { translate: 200px 0 } } #m { animation: go 1s linear 0.7s both }</style>"
        '<i id="m" style="left:5px;top:80px;width:60px;height:30px;background:#28f8"></i>'
    )
    folder = project(page(moving, attributes='data-start="0.3" data-duration="1.4"'), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", chunk_size=3600, **EXACT)
    whole = records(plan, tmp_path / "whole")
    again = records(plan, tmp_path / "again")
    assert [chunk.sha256 for chunk in whole] == [chunk.sha256 for chunk in again]
    for size in (7, 13):
        parts = records(in_chunks_of(plan, tmp_path / f"plan-{size}", size), tmp_path / str(size))
        assert digests(parts) == digests(whole)
        for before, after in zip(parts[:-1], parts[1:], strict=True):
            assert after.before_digest == before.last_digest
    every = records(plan, tmp_path / "every", damage_test=False)
    assert digests(every) == digests(whole)


def test_a_page_that_stays_is_not_captured_again_while_its_video_moves(project, tmp_path):
    plan = hfdask.plan(project(page(), **{"film.mp4": film()}), tmp_path / "plan", chunk_size=3600, **EXACT)
    [chunk] = records(plan, tmp_path)
    frames = chunk.frames_table() if hasattr(chunk, "frames_table") else None
    assert frames is None
    assert chunk.static_frames == 0
