"""GIF and animated WebP: the same file from any chunks, frames at their times, and what is transparent stays so."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cluster_processes import in_this_process
from format_samples import HEIGHT, RATES, WIDTH, Variant, chunks_of, joined, sample
from media_samples import NTSC
from other_ffmpeg import shown as decoded
from page_samples import composition
from PIL import Image
from samples import BOX
from sound_samples import clicks, sound_in

import hfdask
from hfdask.core import abandoned
from hfdask.errors import InvalidConfigError, OutputInvalidError, RenderCancelledError
from hfdask.formats import gif, webp
from hfdask.formats.animation import Animation
from hfdask.formats.format import Planned
from hfdask.formats.join import JoinReport
from hfdask.formats.png import PNG
from hfdask.formats.table import FORMATS
from hfdask.media.picture import Pixels

pytestmark = pytest.mark.usefixtures("fake_browser")

ANIMATIONS = [
    Variant(format, PNG, alpha)
    for format in FORMATS.values()
    if isinstance(format, Animation)
    for alpha in (False, True)
]
animations = pytest.mark.parametrize("variant", ANIMATIONS, ids=str)
CLOCKS = {"gif": gif.CLOCK, "webp": webp.CLOCK}


def moving(number: int, *, alpha: bool) -> Pixels:
    """Every third picture is the one before."""
    return sample(number - number % 3 // 2, alpha=alpha)


def shown(path: Path) -> list[tuple[int, int, Pixels]]:
    """Return start and duration in ms and pixels of each picture, as Pillow shows it; transparent pixels have no colour."""
    pictures, begin = [], 0
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pixels = np.array(image.convert("RGBA"))
            pixels[pixels[..., 3] == 0] = 0
            pictures.append((begin, image.info["duration"], pixels))
            begin += image.info["duration"]
    return pictures


def made(
    variant: Variant,
    folder: Path,
    lengths: Sequence[int],
    fps: Fraction,
    show: Callable[[int], Pixels] | None = None,
) -> Path:
    folder.mkdir()
    take = show or (lambda number: moving(number, alpha=variant.alpha))
    chunks = chunks_of(variant, folder, lengths, fps, take)
    return joined(variant, chunks, variant.output(folder), fps)


@pytest.mark.parametrize(
    ("variant", "fps"),
    [
        pytest.param(each, rate, marks=[] if rate == NTSC and not each.alpha else pytest.mark.slow)
        for each in ANIMATIONS
        for rate in RATES
    ],
    ids=str,
)
def test_any_chunks_give_the_same_file_with_each_frame_at_its_time(variant, fps, tmp_path):
    files = {
        size: made(variant, tmp_path / str(size), [min(size, 40 - start) for start in range(0, 40, size)], fps)
        for size in (40, 7, 13, 16)
    }
    content = files[40].read_bytes()
    assert all(file.read_bytes() == content for file in files.values())
    clock = CLOCKS[variant.format.name]
    right = [round(number * clock / fps + Fraction(1, 10**9)) * 1000 // clock for number in range(41)]
    starts = [begin for begin, _, _ in shown(files[40])]
    assert starts[0] == 0
    assert set(starts) <= set(right)
    # Every third frame is the one before. WebP shows that one for longer.
    assert len(starts) == (40 if variant.format.name == "gif" else 27)
    last, seconds, _ = shown(files[40])[-1]
    assert abs(last + seconds - right[-1]) <= 2


@pytest.mark.parametrize("variant", [each for each in ANIMATIONS if each.format.name == "gif"], ids=str)
def test_another_ffmpeg_decodes_every_frame_of_a_gif_without_a_message(variant, tmp_path):
    assert decoded(made(variant, tmp_path / "a", (5, 4), NTSC)) == 9


@animations
def test_the_pictures_are_the_captured_ones_in_the_formats_colours(variant, tmp_path):
    output = made(variant, tmp_path / "a", (5, 4), Fraction(25), lambda number: sample(number, alpha=variant.alpha))
    pictures = shown(output)
    assert len(pictures) == 9
    for number, (_, _, pixels) in enumerate(pictures):
        right = sample(number, alpha=variant.alpha)
        opacity = right[..., 3] if variant.alpha else np.full((HEIGHT, WIDTH), 255, np.uint8)
        if variant.format.name == "gif":
            assert np.array_equal(pixels[..., 3], np.where(opacity >= gif.OPAQUE_FROM, 255, 0))
        else:
            assert np.abs(pixels[..., 3].astype(int) - opacity).max() <= 2
        seen = opacity >= 128
        assert np.abs(pixels[..., :3].astype(int) - right[..., :3])[seen].mean() < 8


@pytest.mark.parametrize("variant", [each for each in ANIMATIONS if each.alpha], ids=str)
def test_what_moves_over_a_transparent_background_leaves_no_trail(variant, tmp_path):
    def show(number: int) -> Pixels:
        """A square that moves; before it, a picture without a hole."""
        pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        if number < 2:
            pixels[:] = (0, 0, 255, 255)
        pixels[20:40, 4 * number : 4 * number + 20] = (255, 0, 0, 255)
        return pixels

    output = made(variant, tmp_path / "a", (3, 5), Fraction(25), show)
    for number, (_, _, pixels) in enumerate(shown(output)):
        assert np.array_equal(pixels[..., 3], show(number)[..., 3]), number
        assert np.abs(pixels.astype(int) - show(number)).mean() < 3


@pytest.mark.parametrize("variant", [each for each in ANIMATIONS if each.alpha], ids=str)
def test_what_is_transparent_stays_so_if_all_else_is_opaque(variant, tmp_path):
    def show(number: int) -> Pixels:
        pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        pixels[: HEIGHT // 2] = (40 * number, 120, 200, 255)
        return pixels

    for number, (_, _, pixels) in enumerate(shown(made(variant, tmp_path / "a", (3,), Fraction(25), show))):
        assert np.array_equal(pixels[..., 3], show(number)[..., 3])
    opaque = made(variant, tmp_path / "b", (3,), Fraction(25), lambda number: sample(number, alpha=False))
    with Image.open(opaque) as image:
        assert image.mode in ("RGB", "P")


def test_one_palette_serves_all_pictures_of_a_gif(tmp_path):
    variant = ANIMATIONS[0]

    def show(number: int) -> Pixels:
        colours = [(255, 0, 0), (0, 255, 0), (12, 34, 56), (255, 255, 255)]
        return np.full((HEIGHT, WIDTH, 3), colours[number], np.uint8)

    output = made(variant, tmp_path / "a", (1, 1, 2), Fraction(10), show)
    assert [pixels[5, 5, :3].tolist() for _, _, pixels in shown(output)] == [show(n)[5, 5].tolist() for n in range(4)]
    with Image.open(output) as image:
        colours = {tuple(colour) for colour in np.reshape(image.getpalette() or [], (-1, 3)).tolist()}
    assert {(255, 0, 0), (0, 255, 0), (12, 34, 56), (255, 255, 255)} <= colours


@pytest.mark.parametrize("work", ["the palette", "a picture"])
def test_a_gif_is_cancelled_within_a_second_although_its_filters_cannot_be_stopped(
    work, project, tmp_path, monkeypatch, nothing_left
):
    begun, free = threading.Event(), threading.Event()

    def stuck(*_: object) -> Any:
        begun.set()
        free.wait(30)
        raise AssertionError("nobody waits for it any more")

    if work == "the palette":
        monkeypatch.setattr(gif._Palette, "_made", stuck)
    else:
        monkeypatch.setattr(gif, "_passed", stuck)
    with in_this_process() as client:
        render = hfdask.submit(
            project(BOX), tmp_path / "out" / "a.gif", client=client, plan_dir=tmp_path / "plan", certificate=True
        )
        assert begun.wait(30)
        asked = time.monotonic()
        render.cancel()
        with pytest.raises(RenderCancelledError):
            render.result()
        assert time.monotonic() - asked < 1
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    free.set()


@animations
def test_an_animation_is_cancelled_at_each_of_its_frames(variant, tmp_path, monkeypatch):
    monkeypatch.setattr(abandoned, "POLL", 60)  # so that `going` is called once for each frame, also on a busy machine
    settings, output = variant.settings(Fraction(10)), variant.output(tmp_path)
    chunks = chunks_of(variant, tmp_path, (4,), Fraction(10), lambda number: moving(number, alpha=variant.alpha))
    planned = Planned(frames=4, fps=Fraction(10), width=WIDTH, height=HEIGHT, starts=(0,), settings=settings)
    asked: list[str] = []

    def write(cancel: int = 0) -> None:
        def going(work: str) -> None:
            asked.append(work)
            if len(asked) == cancel:
                raise RenderCancelledError("enough")

        asked.clear()
        with variant.format.join(output, Fraction(10), settings, {}) as join:
            join.append(chunks[0], partial(going, "append"))
            report = join.finish(partial(going, "finish"))
        variant.format.verify(output, planned, report, None, partial(going, "verify"))

    write()
    times = Counter(asked)
    assert times["append"] >= 8  # decoded, and encoded or learned
    assert times["finish"] == (4 if variant.format.name == "gif" else 0)
    assert times["verify"] >= 3
    for cancel in range(1, times["append"] + times["finish"] + 1):
        with pytest.raises(RenderCancelledError):
            write(cancel)
        assert not output.exists()


@animations
def test_a_file_that_differs_from_the_plan_is_refused(variant, tmp_path):
    settings = variant.settings(Fraction(10))
    output = made(variant, tmp_path / "a", (3,), Fraction(10))
    report = JoinReport(frames=3, chunks=1, keyframes=(), duration=Fraction(0), size=0, digest="", shown="other")
    planned: dict[str, Any] = {
        "frames": 3,
        "fps": Fraction(10),
        "width": WIDTH,
        "height": HEIGHT,
        "starts": (0,),
        "settings": settings,
    }
    wrong: list[dict[str, Any]] = [
        {"width": 81},
        {"fps": Fraction(9)},
        *([{"frames": 4}, {}] if variant.format.name == "gif" else []),
    ]
    for changes in wrong:
        with pytest.raises(OutputInvalidError, match="is not the planned animation"):
            variant.format.verify(output, Planned(**planned | changes), report, None)
    output.write_bytes(output.read_bytes()[:200])
    with pytest.raises(OutputInvalidError):
        variant.format.verify(output, Planned(**planned), report, None)


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_is_shown_as_often_as_asked_for(name, project, tmp_path):
    for loop in (0, 3):
        result = hfdask.render(project(BOX), tmp_path / name, loop=loop, fps=10)
        assert f"<img width='160' src='data:image/{name[2:]};base64," in result._repr_html_()
        with Image.open(tmp_path / name) as image:
            assert image.info["loop"] == loop


@pytest.mark.parametrize(
    "options",
    [
        {"loop": 2, "format": "mp4"},
        {"loop": -1},
        {"loop": 70_000},
        {"crf": 20, "format": "gif"},
        {"sound_codec": "aac", "format": "gif"},
    ],
)
def test_options_that_a_format_does_not_have_are_refused_and_leave_nothing(options, project, tmp_path):
    output = tmp_path / "out" / f"a.{options.get('format', 'gif')}"
    with pytest.raises(InvalidConfigError) as refused:
        hfdask.render(project(BOX), output, **options)
    assert refused.value.details["field"] in options
    assert not output.parent.exists()


def test_a_gif_has_at_most_thirty_frames_a_second_and_says_so(project, tmp_path):
    result = hfdask.render(project(BOX), tmp_path / "a.gif", fps=60)
    assert (result.frames, str(result.fps)) == (30, "30")
    assert "gif has at most 30 frames a second, so the video has 30 instead of 60" in result.warnings
    with av.open(str(tmp_path / "a.gif")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30
    faster = hfdask.render(project(BOX), tmp_path / "a.webp", fps=60)
    assert faster.frames == 60


@pytest.mark.browser
def test_a_sound_that_an_animation_cannot_have_is_told(project, tmp_path):
    sound = sound_in(tmp_path, "wav", clicks(1, [100])).read_bytes()
    source = project(
        composition('<audio src="a.wav"></audio>', root='data-duration="1" data-no-timeline'), **{"a.wav": sound}
    )
    plan = hfdask.plan(source, tmp_path / "plan", format="gif")
    assert plan.manifest.sound is None
    assert "gif has no sound, so the composition's sound is left out" in plan.manifest.warnings
