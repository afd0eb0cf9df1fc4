"""Contact sheets: the right frames, in their places, each with its time, in one load of the page."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from click.testing import CliRunner
from page_samples import composition
from PIL import Image
from samples import BOX, EXAMPLES
from short_videos import loads

import hfdask
from hfdask import errors
from hfdask.cli import main
from hfdask.media.contact_sheet import Tile, draw_sheet, shrunk
from hfdask.media.picture import Pixels, decode_png

pytestmark = pytest.mark.usefixtures("fake_browser")

GAP, LINE = 12, 34  # of a sheet whose pictures are 320 pixels wide

CLIPS = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="3" data-no-timeline>
<p class="clip" data-start="0.5" data-duration="1">a</p><p class="clip" data-start="1.01" data-duration="1">b</p>
<p class="clip" data-start="1.01" data-duration="2">c</p><p class="clip" data-start="7" data-duration="1">never</p></div>"""


def opened(path: Path | IO[bytes]) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def tile_of(sheet: Pixels, row: int, column: int, width: int = 320, height: int = 180) -> Pixels:
    top, left = GAP + row * (height + LINE + GAP), GAP + column * (width + GAP)
    return sheet[top : top + height, left : left + width]


def test_a_sheet_shows_the_frames_that_stills_show(project, tmp_path):
    source = project(BOX)
    with loads() as entries:
        frames = hfdask.contact_sheet(source, tmp_path / "sheet.png", count=5, columns=2)
    assert frames == (3, 9, 15, 21, 27)
    assert len(entries) == 2  # to plan, and for all pictures
    sheet = opened(tmp_path / "sheet.png")
    assert sheet.shape == (GAP + 3 * (180 + LINE + GAP), GAP + 2 * (320 + GAP), 3)
    for number, frame in enumerate(frames):
        hfdask.still(source, frame / 30, tmp_path / "still.png")
        still = shrunk(decode_png((tmp_path / "still.png").read_bytes()), 320)
        assert np.array_equal(tile_of(sheet, *divmod(number, 2)), still), frame
    assert (tile_of(sheet, 2, 1) == sheet[0, 0]).all()  # nothing is in the last place


def test_a_sheet_shows_the_first_frame_of_each_clip(project, tmp_path):
    assert hfdask.contact_sheet(project(CLIPS), tmp_path / "sheet.png", at="clips") == (15, 31)


def test_a_short_video_shows_each_frame_once(project, tmp_path):
    assert hfdask.contact_sheet(project(BOX), tmp_path / "sheet.png", fps=4) == (0, 1, 2, 3)


def test_each_picture_has_its_own_text_below_it():
    grey = np.full((90, 160, 3), 128, np.uint8)

    def lines(*texts: str) -> list[bytes]:
        sheet = opened(io.BytesIO(draw_sheet([Tile(grey, text) for text in texts], 2, ".png")))
        return [sheet[GAP + 90 : GAP + 108, GAP + n * 172 : GAP + n * 172 + 160].tobytes() for n in range(2)]

    first, second = lines("1.000 s   frame 30", "2.000 s   frame 60")
    assert first != second
    assert lines("1.000 s   frame 30", "1.000 s   frame 30") == [first, first]
    assert lines("", "2.000 s   frame 60")[1] == second


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP"), (".png", "PNG")])
def test_the_suffix_names_the_format(suffix, kind, project, tmp_path):
    source = project(BOX)
    hfdask.contact_sheet(source, f"memory://sheets-of-{kind}/a{suffix}", count=2, tile=160)
    hfdask.contact_sheet(source, tmp_path / f"a{suffix}", count=2, tile=160)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert (image.format, image.size) == (kind, (GAP + 2 * 172, 90 + 18 + 2 * GAP))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"output": "sheet.gif"}, "output"),
        ({"output": "sheet"}, "output"),
        ({"at": "scenes"}, "at"),
        ({"at": "clips", "html": "<p>none</p>"}, "at"),
        ({"count": 0}, "count"),
        ({"columns": 1.5}, "columns"),
        ({"tile": 1921}, "tile"),
        ({"count": 30, "columns": 30, "tile": 640}, "tile"),
        ({"scale": 100}, "scale"),
    ],
)
def test_a_sheet_that_cannot_be_made_is_refused_and_leaves_nothing(options, field, project, tmp_path):
    folder = tmp_path / "out"
    html = (
        BOX if options.pop("html", None) is None else BOX.replace('class="clip" data-start="0" data-duration="1"', "")
    )
    with pytest.raises(errors.InvalidConfigError) as refused:
        hfdask.contact_sheet(project(html), folder / options.pop("output", "sheet.png"), **options)
    assert refused.value.details["field"] == field
    assert not list(folder.glob("*"))


def test_a_sheet_has_no_alpha_whatever_the_format_of_the_video(project, tmp_path):
    source = project(BOX)
    hfdask.contact_sheet(source, tmp_path / "a.png", count=2)
    hfdask.contact_sheet(source, tmp_path / "b.png", count=2, format="webm")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_command_writes_a_sheet_of_a_size_and_answers_with_its_frames(project, tmp_path):
    source, output = project(BOX), tmp_path / "sheet.webp"
    command = [
        "sheet",
        str(source),
        "-o",
        str(output),
        "--at",
        "clips",
        "--tile",
        "200",
        "--resolution",
        "320x180",
        "--json",
    ]
    answer = CliRunner().invoke(main, command)
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"output": str(output), "frames": [0]})
    with Image.open(output) as image:
        assert image.size[0] == GAP + 200 + GAP
    refused = CliRunner().invoke(main, [*command[:-2], "320x200"])
    assert refused.exit_code == 2
    assert "INVALID_CONFIG: resolution 320x200 has another shape" in refused.stderr


@pytest.mark.browser
def test_one_page_draws_all_pictures_of_a_sheet_in_order(project, tmp_path):
    html = composition(
        '<p id="x" style="margin:0;width:64px;height:64px"></p>',
        """addEventListener("hf-seek", ({ detail: { time } }) => {
          document.getElementById("x").style.background = time < 0.9 ? "#f00" : "#00f" })""",
    )
    frames = hfdask.contact_sheet(project(html), tmp_path / "sheet.png", count=2, tile=64)
    assert frames == (15, 45)
    sheet = opened(tmp_path / "sheet.png")
    assert [tile_of(sheet, 0, n, 64, 64)[30, 30].tolist() for n in range(2)] == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.slow
@pytest.mark.browser
def test_the_film_example_has_a_sheet_of_its_videos(tmp_path):
    frames = hfdask.contact_sheet(EXAMPLES / "film", tmp_path / "sheet.webp", count=6, resolution="720p")
    assert len({tile_of(opened(tmp_path / "sheet.webp"), *divmod(n, 4)).tobytes() for n in range(6)}) == len(frames)
