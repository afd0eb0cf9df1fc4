"""Videos that are larger or smaller than their composition: laid out once, drawn sharp, and the same in any chunks."""

from __future__ import annotations

import contextlib
import json
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
from chunked import digests, in_chunks_of, records
from page_samples import SETTINGS, composition, open_html
from samples import BOX
from short_videos import Rows, long_way
from slow import sampled
from video_samples import to_frame, write_video

import hfdask
from hfdask import errors
from hfdask.core.model import CaptureMode, Manifest, canonical_json, decode
from hfdask.core.sizes import UNSCALED, Scale
from hfdask.media.picture import Pixels, decode_png
from hfdask.media.video_file import open_media

pytestmark = pytest.mark.usefixtures("fake_browser")

TWICE = Scale(num=2, den=1)
MODES: tuple[CaptureMode, ...] = ("beginframe", "canvas", "screenshot")

# Its lines are half a pixel wide; its canvas has a pixel for each of the screen's, and moves from 0.5 s on.
FINE = composition(
    """<i style="left:10.5px;top:0;width:.5px;height:64px"></i><b>fine</b><canvas></canvas><img srcset="one.svg, two.svg 2x"
    style="position:absolute;left:48px;top:48px;width:8px;height:8px"><u></u>""",
    """const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d"), ratio = devicePixelRatio;
    [canvas.width, canvas.height] = [20 * ratio, 10 * ratio];
    addEventListener("hf-seek", ({ detail: { time } }) => {
      pen.fillStyle = "#000"; pen.fillRect(0, 0, 99, 99); pen.fillStyle = "#fff";
      pen.fillRect(2 * ratio + Math.max(0, time - 0.5) * 10, 2 * ratio, 1, 1) })""",
    root='data-duration="1" data-no-timeline',
    style="""#root{background:#000;color:#fff;font:9px sans-serif} i,b,canvas,u{position:absolute} i{background:#fff}
    b{left:20px;top:2px;animation:go 1s linear both} canvas{left:20px;top:20px;width:20px;height:10px}
    u{right:0;bottom:0;width:1px;height:1px;background:#f00} @keyframes go{to{translate:8px 3px}}""",
)
PICTURES = {
    "one.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="#00f"/></svg>',
    "two.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><rect width="16" height="16" fill="#0f0"/></svg>',
}


def size_of(video: Path) -> tuple[int, int]:
    with open_media(video) as file:
        return file.streams.video[0].width, file.streams.video[0].height


def scaled(folder: Path, mode: CaptureMode, scale: Scale, frame: int = 0) -> Pixels:
    with open_html(folder / f"{mode}-{scale.num}-{scale.den}", FINE, PICTURES, capture_mode=mode, scale=scale) as page:
        assert page.value("[innerWidth, innerHeight, document.querySelector('b').offsetLeft]") == [64, 64, 20]
        assert page.value("devicePixelRatio") == float(scale.fraction)
        return page.pixels(frame)


@pytest.mark.browser
def test_a_page_is_drawn_sharp_at_twice_its_size(tmp_path):
    picture = scaled(tmp_path, "beginframe", TWICE)
    assert picture.shape == (128, 128, 3)
    assert picture[64, 20:24, 0].tolist() == [0, 255, 0, 0]  # half a pixel of the page is one of the picture
    assert picture[43:46, 43:47, 0].tolist() == [[0] * 4, [0, 255, 0, 0], [0] * 4]  # one of the canvas's, too
    assert picture[100, 100].tolist() == [0, 255, 0]  # the browser chose the picture for such screens
    assert picture[-2:, -2:].tolist() == [[[255, 0, 0]] * 2] * 2


@pytest.mark.browser
@pytest.mark.parametrize("scale", sampled([TWICE, Scale(num=3, den=2), Scale(num=1, den=2)]), ids=str)
def test_every_mode_draws_the_same_pixels_at_any_scale(scale, tmp_path):
    pictures = [scaled(tmp_path, mode, scale, 20) for mode in MODES]
    assert pictures[0].shape == (64 * scale.fraction, 64 * scale.fraction, 3)
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


@pytest.mark.browser
def test_a_canvas_without_a_pixel_for_each_of_the_screens_is_not_captured_from_a_canvas(tmp_path):
    plain = composition('<canvas width="20" height="10" style="position:absolute"></canvas>')
    for number, (html, scale) in enumerate([(plain, TWICE), (FINE, TWICE), (plain, UNSCALED)]):
        with open_html(tmp_path / str(number), html, PICTURES, scale=scale) as page:
            assert page.value("__hfdask.unfit()") == ([] if number else ["a scaled canvas (<canvas>)"])


@pytest.mark.browser
def test_a_source_video_keeps_its_pixels_in_a_larger_video(project, tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    write_video(tmp_path / "v.mp4", [to_frame(stripes)] * 8, options={"crf": "0"})
    source = project(
        composition('<video src="v.mp4" muted style="position:absolute;width:32px;height:32px"></video>'),
        **{"v.mp4": (tmp_path / "v.mp4").read_bytes()},
    )
    hfdask.still(source, 0.1, tmp_path / "still.png", scale=2)
    picture = decode_png((tmp_path / "still.png").read_bytes())
    assert np.abs(np.diff(picture[32, 8:56, 0].astype(int))).min() > 200  # the source's stripes, one pixel wide


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("mode", MODES[:2])
def test_chunks_and_the_damage_test_change_nothing_at_a_scale(mode, project, tmp_path):
    plan = hfdask.plan(project(FINE, **PICTURES), tmp_path / "plan", chunk_size=3600, capture=mode, scale=1.5, fps=10)
    whole = records(plan, tmp_path / "whole")
    parts = records(in_chunks_of(plan, tmp_path / "parts", 4), tmp_path / "c", damage_test=False)
    assert digests(parts) == digests(whole)
    assert len(set(digests(whole))) > 5
    result = hfdask.assemble(tmp_path / "parts", parts, tmp_path / "out.mp4", strict=True)
    assert (result.width, result.height) == (96, 96)
    assert all(seam.equal for seam in result.seams)


def test_a_resolution_is_the_size_of_the_video_and_its_thumbnails_and_stills(project, tmp_path):
    source = project(BOX)
    width, height = 160, 90
    result = hfdask.render(
        source,
        tmp_path / "out.mp4",
        resolution=f"{3 * width}x{3 * height}",
        certificate=True,
        plan_dir=tmp_path / "kept",
    )
    assert (result.width, result.height) == (3 * width, 3 * height)
    assert size_of(tmp_path / "out.mp4") == (3 * width, 3 * height)
    hfdask.verify(tmp_path / "out.mp4")
    hfdask.still(source, 0, tmp_path / "still.png", scale=3)
    assert decode_png((tmp_path / "still.png").read_bytes()).shape == (3 * height, 3 * width, 3)


def test_a_film_of_planning_has_the_size_of_the_video(project, tmp_path):
    source = project(BOX)
    video = long_way(source, tmp_path, scale=2)
    filmed = Rows(source, tmp_path).render(scale=2)
    assert (filmed.plan_hash, filmed.width) == (video.plan_hash, video.width)
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


def test_the_plan_and_the_keys_of_its_chunks_have_the_scale(project, tmp_path):
    source = project(BOX)
    plans = {
        scale: hfdask.plan(source, tmp_path / f"{number}", scale=scale) for number, scale in enumerate((None, 1, 2))
    }
    assert plans[None].hash == plans[1].hash != plans[2].hash
    assert plans[1].manifest.chunks[0].key != plans[2].manifest.chunks[0].key
    assert decode(canonical_json(plans[2].manifest), Manifest, "plan").page.scale == TWICE


@pytest.mark.parametrize(
    "changes", [{"scale": {"num": 3, "den": 7}}, {"scale": {"num": 9, "den": 1}}, {"scale": {"num": 2, "den": 1}}]
)
def test_a_plan_whose_pictures_are_not_of_the_videos_size_is_refused(changes, project, tmp_path):
    plan = hfdask.plan(project(BOX), tmp_path / "plan")
    document = msgspec.to_builtins(plan.manifest)
    document["page"] |= changes
    document["plan_hash"] = "0" * 64
    with contextlib.suppress(errors.PlanCorruptError):  # of a scale that fits no page; it has no hash
        document["plan_hash"] = decode(canonical_json(document), Manifest, "plan").content_hash()
    (tmp_path / "plan/plan.json").write_text(json.dumps(document))
    with pytest.raises(errors.PlanCorruptError, match=r"does not fit a page of 160x90|the size of the page's pictures"):
        hfdask.render_chunk(plan.url, 0, tmp_path / "c.mp4")


@pytest.mark.parametrize("options", [{"resolution": "123x45"}, {"scale": Fraction(77, 78)}])
def test_a_size_that_does_not_fit_leaves_nothing(options, project, tmp_path):
    source = project(BOX)
    with pytest.raises(errors.InvalidConfigError, match="fits"):
        hfdask.render(source, tmp_path / "out" / "v.mp4", **options)
    assert not list(tmp_path.glob("out/*"))


def test_a_format_looks_at_the_size_of_the_video_and_not_of_its_composition(project, tmp_path):
    """H.265 has sides from 64 pixels on."""
    source = project(BOX.replace('data-width="160" data-height="90"', 'data-width="96" data-height="48"'))
    assert hfdask.plan(source, tmp_path / "plan", codec="h265", scale=2).manifest.height == 96
    with pytest.raises(errors.InvalidConfigError, match="64"):
        hfdask.plan(source, tmp_path / "small", codec="h265")


def test_rows_of_a_batch_and_a_projects_file_give_a_size(project, tmp_path):
    source = project(BOX, **{"hfdask.toml": "[render]\nscale = 2\n"})
    rows = [{"id": "a"}, {"id": "b", "hfdask.scale": "1"}]
    hfdask.render_batch(source, rows, str(tmp_path / "{id}.mp4")).wait()
    assert [size_of(tmp_path / f"{name}.mp4") for name in "ab"] == [(320, 180), (160, 90)]


def test_settings_without_a_scale_draw_the_page_as_it_is_laid_out():
    assert SETTINGS.pixels == (SETTINGS.width, SETTINGS.height)
    with pytest.raises(ValueError, match="does not fit a page"):
        msgspec.convert(msgspec.to_builtins(SETTINGS) | {"scale": {"num": 1, "den": 3}}, type(SETTINGS))
