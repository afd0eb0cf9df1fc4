"""Videos in rendered compositions: every frame shows the right frame of its source, however the video is chunked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from video_samples import bar_code_video, cached, cut_video, luma, read_bar_code, truncated
from video_walls import Cell, Film, Numbers, plays, proven, regular, wall

import hfdask

pytestmark = pytest.mark.browser

SECONDS = "1.2"
NTSC = Fraction(30000, 1001)
UNEVEN = [Fraction(n, 120) for step in range(0, 192, 23) for n in (step, step + 4, step + 16, step + 18)]


def film(name: str, frames: int = 45, fps: Fraction | int = 30, **options: Any) -> Path:
    return cached(bar_code_video, name, frames, fps, size=(64, 32), **options)


def cut(path: Path) -> Path:
    return cut_video(film("30.mp4"), path, Fraction(7, 30))


def broken(path: Path) -> Path:
    return truncated(film("whole.ts", 20), path, 0.6)


SOURCES: dict[str, Callable[[], Path]] = {
    "24.mp4": lambda: film("24.mp4", fps=24),
    "25.mp4": lambda: film("25.mp4", fps=25),
    "30.mp4": lambda: film("30.mp4"),
    "60.mp4": lambda: film("60.mp4", 90, 60),
    "ntsc.mp4": lambda: film("ntsc.mp4", fps=NTSC),
    "uneven.mp4": lambda: film("uneven.mp4", len(UNEVEN), times=UNEVEN),
    "cut.mp4": lambda: cached(cut, "cut.mp4"),
    "no-edit-list.mp4": lambda: film("no-edit-list.mp4", mux={"use_editlist": "0"}),
    "late.mp4": lambda: film("late.mp4", start=Fraction(1, 2), sound=(Fraction(0), Fraction(1))),
    "vp9.webm": lambda: film("vp9.webm", codec="libvpx-vp9"),
    "hevc.mp4": lambda: film("hevc.mp4", codec="libx265"),
    "whole.ts": lambda: film("whole.ts", 20),
    "broken.ts": lambda: cached(broken, "broken.ts"),
    "short.mp4": lambda: film("short.mp4", 12),
    "one.mp4": lambda: film("one.mp4", 1),
    "slow.mp4": lambda: film("slow.mp4", 3, Fraction(1, 2), gop=1),
}
FILMS = {
    "24.mp4": regular(45, 24),
    "25.mp4": regular(45, 25),
    "30.mp4": regular(45),
    "60.mp4": regular(90, 60),
    "ntsc.mp4": regular(45, NTSC),
    "uneven.mp4": Film(UNEVEN, range(len(UNEVEN))),
    "cut.mp4": regular(38, first=7),
    "no-edit-list.mp4": regular(45),
    "late.mp4": Film([Fraction(1, 2) + Fraction(n, 30) for n in range(45)], range(45)),
    "vp9.webm": Film([Fraction(round(1000 * n / 30), 1000) for n in range(45)], range(45), rounding=Fraction(1, 2000)),
    "hevc.mp4": regular(45),
    "whole.ts": regular(20),
    "short.mp4": regular(12),
    "one.mp4": regular(1),
    "slow.mp4": regular(3, Fraction(1, 2)),
}


def broken_film() -> Film:
    """The frames that FFmpeg finds in the part of the file that is left."""
    with av.open(str(SOURCES["broken.ts"]())) as file:
        numbers = [read_bar_code(luma(frame)) for frame in file.decode(video=0)]
    return Film([Fraction(number, 30) for number in numbers], numbers)


def video(src: str, attributes: str = "") -> str:
    return f'<video muted src="{src}" style="PLACE" {attributes}></video>'


def lasting(start: str, duration: str, more: str = "") -> str:
    return f'data-start="{start}" data-duration="{duration}" {more}'


def ramp(*points: tuple[float, float]) -> str:
    lane = {"target": "rate", "points": [{"t": t, "v": v} for t, v in points]}
    return f"data-automation='{json.dumps({'version': 1, 'lanes': [lane]})}'"


def faster_and_faster(seconds: Fraction) -> Fraction:
    """The integral of a ramp from 0.75 to 2 in a second; no frame is so near to an edge that its trapezoids decide."""
    growth = 2 / 0.75
    return Fraction(0.75 * (growth ** float(seconds) - 1) / math.log(growth))


def one_after_another(first: Numbers, second: Numbers) -> Numbers:
    return lambda frame: first(frame) if second(frame) is None else second(frame)


def cells(fps: Fraction) -> dict[str, Cell]:
    """A cell for each kind of source and of clip."""

    def shows(name: str, *window: str, **options: Any) -> Numbers:
        return plays(FILMS[name], fps, *window, **options)

    slot = lasting("0.2", "0.8", 'data-media-start="0.3"')
    seam = repr(float(7 / fps))  # at the first frame of the second chunk
    sources = {
        name: Cell(video(name, slot), shows(name, "0.2", "1.0", into="0.3")) for name in (*list(FILMS)[:11], "whole.ts")
    }
    clips = {
        "a file that was cut": Cell(
            video("broken.ts", lasting("0", "1.1")), plays(broken_film(), fps, "0", "1.1")
        ),
        "one frame": Cell(video("one.mp4", lasting("0.1", "0.9")), shows("one.mp4", "0.1", "1.0")),
        "half a frame a second": Cell(
            video("slow.mp4", lasting("0", "1", 'data-media-start="1.6"')), shows("slow.mp4", "0", "1", into="1.6")
        ),
        "a slot longer than its source": Cell(video("short.mp4", lasting("0.1", "1")), shows("short.mp4", "0.1", "1.1")),
        "a slot shorter than its source": Cell(video("30.mp4", lasting("0.3", "0.1")), shows("30.mp4", "0.3", "0.4")),
        "no slot": Cell(video("short.mp4", 'data-start="0.5"'), shows("short.mp4", "0.5")),
        "an in-point past the end": Cell(
            video("short.mp4", lasting("0.2", "0.5", 'data-media-start="3"')), shows("short.mp4", "0.2", "0.7", into="3")
        ),
        "a loop": Cell(
            video("short.mp4", lasting("0.1", "1", "loop")), shows("short.mp4", "0.1", "1.1", round=Fraction(2, 5))
        ),
        "a loop that began before the video": Cell(
            video("short.mp4", lasting("-0.25", "1.3", 'loop data-media-start="0.1"')),
            shows("short.mp4", "0", "1.05", into="0.1", origin="-0.25", round=Fraction(3, 10)),
        ),
        "a clip that began before the video": Cell(
            video("30.mp4", lasting("-0.5", "1")), shows("30.mp4", "0", "0.5", origin="-0.5")
        ),
        "half the rate": Cell(
            video("30.mp4", lasting("0.1", "1", 'data-playback-rate="0.5"')), shows("30.mp4", "0.1", "1.1", rate="0.5")
        ),
        "twice the rate": Cell(
            video("60.mp4", lasting("0.1", "0.6", 'data-playback-rate="2"')), shows("60.mp4", "0.1", "0.7", rate="2")
        ),
        "a ramp": Cell(
            video("60.mp4", lasting("0.1", "1", ramp((0, 0.75), (1, 2)))),
            shows("60.mp4", "0.1", "1.1", played=faster_and_faster),
        ),
        "from a seam on": Cell(video("30.mp4", lasting(seam, "0.5")), shows("30.mp4", seam, repr(float(seam) + 0.5))),
        "the same file again": Cell(
            video("30.mp4", lasting("0.6", "0.4", 'data-media-start="0.1"')), shows("30.mp4", "0.6", "1.0", into="0.1")
        ),
        "one after another": Cell(
            video("24.mp4", lasting("0", "0.5")) + video("25.mp4", lasting("0.5", "0.5", 'data-media-start="0.2"')),
            one_after_another(shows("24.mp4", "0", "0.5"), shows("25.mp4", "0.5", "1.0", into="0.2")),
        ),
        "one after another of one file": Cell(
            video("30.mp4", lasting("0", "0.5")) + video("30.mp4", lasting("0.5", "0.5", 'data-media-start="0.5"')),
            one_after_another(shows("30.mp4", "0", "0.5"), shows("30.mp4", "0.5", "1.0", into="0.5")),
        ),
        "end to end by reference": Cell(
            f'<video id="before" muted src="short.mp4" style="PLACE" {lasting("0.1", "0.3")}></video>'
            + video("60.mp4", 'data-start="before" data-duration="0.5"'),
            one_after_another(shows("short.mp4", "0.1", "0.4"), shows("60.mp4", "0.4", "0.9")),
        ),
    }  # fmt: skip
    return sources | clips


@pytest.mark.slow
@pytest.mark.parametrize("capture", ["beginframe", "canvas"])
@pytest.mark.parametrize("fps", [Fraction(30), Fraction(24), NTSC], ids=str)
def test_every_frame_shows_its_source_frame_in_any_chunking(fps, capture, project: Callable[..., Path], tmp_path):
    there = cells(fps)
    folder = project(wall(there, SECONDS, fps), **{name: make().read_bytes() for name, make in SOURCES.items()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600, capture=capture)
    proven(there, plan, tmp_path)
