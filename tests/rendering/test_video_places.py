"""Rendered videos wherever they are in a page, and however they are hidden: each frame is right in any chunking."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from video_samples import bar_code_video, cached
from video_walls import Cell, Numbers, plays, proven, regular, wall

import hfdask

pytestmark = pytest.mark.browser

FPS = Fraction(30)
SECONDS = "1.2"
FILM = regular(60, 30)
FILL = "position:absolute;left:0;top:0;width:80px;height:48px"
VIDEO = f'<video muted src="film.mp4" data-start="0.2" data-duration="0.8" style="{FILL}"></video>'
SHOWN = plays(FILM, FPS, "0.2", "1.0")


def film() -> bytes:
    return cached(bar_code_video, "film.mp4", 60, size=(64, 32)).read_bytes()


def scene(name: str, content: str) -> str:
    return f'<template><div data-composition-id="{name}" data-width="80" data-height="48">{content}</div></template>'


def host(name: str, attributes: str, style: str = "PLACE") -> str:
    return f'<div data-composition-id="{name}" data-composition-src="scenes/{name}.html" style="{style}" {attributes}></div>'


def video(attributes: str = 'data-start="0"', src: str = "../film.mp4") -> str:
    return f'<video muted src="{src}" style="{FILL}" {attributes}></video>'


def plain(attributes: str) -> str:
    return f'<video muted src="film.mp4" style="PLACE" {attributes}></video>'


FILES = {
    "scenes/plain.html": scene("plain", video('data-start="0.1" data-duration="0.5"')),
    "scenes/cut.html": scene("cut", video('data-start="0" data-duration="4"')),
    "scenes/quick.html": scene("quick", video('data-start="0.5" data-duration="4"')),
    "scenes/outer.html": scene(
        "outer", host("inner", 'data-start="0.1" data-duration="0.8" data-playback-rate="0.5"', FILL)
    ),
    "scenes/inner.html": scene("inner", video()),
    "scenes/absolute.html": scene("absolute", video('data-start="0.6" data-hf-media-start-basis="global"')),
    "scenes/bare.html": scene("bare", video("")),
    "scenes/given.html": '<html data-composition-variables=\'[{"id": "clip", "type": "string", "default": "none.mp4"}]\'>'
    + scene("given", video('data-start="0" data-var-src="clip"', "none.mp4")),
    "frame.html": f'<body style="margin:0">{VIDEO}',
    "outer.html": '<body style="margin:0"><iframe src="frame.html" style="border:0;width:80px;height:48px"></iframe>',
}

PLACES: dict[str, Cell] = {
    "a scene": Cell(host("plain", 'data-start="0.3" data-duration="0.7"'), plays(FILM, FPS, "0.4", "0.9")),
    "a scene that is cut": Cell(
        host("cut", 'data-start="0.4" data-duration="0.5" data-playback-start="0.3"'),
        plays(FILM, FPS, "0.4", "0.9", origin="0.1"),
    ),
    "a scene at twice its rate": Cell(
        host("quick", 'data-start="0.1" data-duration="0.8" data-playback-rate="2" data-media-start="0.1"'),
        plays(FILM, FPS, "0.3", "0.9", rate="2"),
    ),
    "a scene in a scene": Cell(
        host("outer", 'data-start="0.1" data-duration="1" data-playback-rate="4"'),
        plays(FILM, FPS, "0.2", "0.325", rate="2", origin="0.125"),  # the window of the inner host keeps its pace,
    ),
    "a scene with the time of the video": Cell(
        host("absolute", 'data-start="0.3" data-duration="0.7"'), plays(FILM, FPS, "0.6", "1.0")
    ),
    "a scene and no start": Cell(host("bare", 'data-start="0.3" data-duration="0.5"'), plays(FILM, FPS, "0.3", "0.8")),
    "a scene with a variable": Cell(
        host("given", """data-start="0.3" data-duration="0.5" data-variable-values='{"clip": "film.mp4"}'"""),
        plays(FILM, FPS, "0.3", "0.8"),
    ),
    "an iframe": Cell('<iframe src="frame.html" style="PLACE;border:0"></iframe>', SHOWN),
    "an iframe in an iframe": Cell('<iframe src="outer.html" style="PLACE;border:0"></iframe>', SHOWN),
    "a shadow tree": Cell(
        f'<div style="PLACE"><template shadowrootmode="open">{VIDEO}</template></div>', SHOWN
    ),
    "source elements": Cell(
        '<video muted data-start="0.2" data-duration="0.8" style="PLACE"><source src="https://far.example/film.mp4"><source src="film.mp4">'
        "</video>",
        SHOWN,
    ),
    "a source that a script sets": Cell('<video id="set" muted data-start="0.2" data-duration="0.8" style="PLACE"></video>', SHOWN),
    "a video that a script makes": Cell('<div id="made" style="PLACE"></div>', SHOWN),
    "no start": Cell(plain(""), plays(FILM, FPS)),
    "no start in a scene that fades in": Cell(
        '<div class="scene" style="PLACE;animation:fade 0.5s 0.4s step-end"><video muted src="film.mp4" style="width:80px;height:48px">'
        "</video></div>",
        plays(FILM, FPS, "0.4", "0.9"),
    ),
}  # fmt: skip

SCRIPTS = """
  set.src = "film.mp4";
  made.innerHTML = '<video id="new" muted src="film.mp4" data-start="0.2" data-duration="0.8" style="width:80px;height:48px"></video>';
"""
STYLE = "<style>@keyframes fade { from { opacity: 1 } to { opacity: 0 } } .scene { opacity: 0 }</style>"


@pytest.mark.parametrize("capture", ["beginframe", pytest.param("canvas", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_video_is_right_wherever_it_is(capture, project: Callable[..., Path], tmp_path):
    folder = project(STYLE + wall(PLACES, SECONDS, script=SCRIPTS), **FILES, **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600, capture=capture)
    proven(PLACES, plan, tmp_path)


def only(shows: Numbers, seen: Callable[[int], bool]) -> Numbers:
    return lambda frame: shows(frame) if seen(frame) else None


ALWAYS = plays(FILM, FPS, "0", "1000", into="0.5")
VISITS = """{{ const SHOW = Math.round(time * 30) % 3 === 2, box = document.getElementById("{id}"); {code} }}"""
HIDING = {
    "display": "box.style.display = SHOW ? '' : 'none'",
    "opacity": "box.style.opacity = SHOW ? 1 : 0",
    "off-screen": "box.style.transform = SHOW ? '' : 'translateX(900px)'",
    "size": "box.style.height = SHOW ? '48px' : 0",
    "clip path": "box.style.clipPath = SHOW ? '' : 'inset(0 0 100% 0)'",
}
"""What hides a box at frames other than 2, 5, 8 and so on."""


def hidden_cells() -> dict[str, Cell]:
    seen = only(ALWAYS, lambda frame: frame % 3 == 2)
    inner = '<video muted src="film.mp4" data-start="0" data-media-start="0.5" style="width:80px;height:48px"></video>'
    around = {
        f"{name} of a parent": Cell(
            f'<div id="{name.split()[0]}-box" style="PLACE;overflow:hidden">{inner}</div>', seen
        )
        for name in HIDING
    }
    itself = {
        f"{name} of the video": Cell(plain(f'id="{name.split()[0]}-own" data-start="0" data-media-start="0.5"'), seen)
        for name in HIDING
    }
    windows = {
        "visibility of a parent that is no clip": Cell(f'<div style="PLACE;visibility:hidden">{inner}</div>', ALWAYS),
        "a window around it": Cell(
            f'<div data-start="0.3" data-duration="0.4" style="PLACE">{inner}</div>',
            only(ALWAYS, lambda frame: 9 <= frame < 21),
        ),
        "an animation of opacity": Cell(
            f'<div style="PLACE;opacity:0;animation:fade 0.4s 0.4s step-end">{inner}</div>',
            only(ALWAYS, lambda frame: 12 <= frame < 24),
        ),
    }
    return {**around, **itself, **windows}


def hiding_script() -> str:
    code = "".join(
        VISITS.format(id=f"{name.split()[0]}-{whose}", code=code)
        for name, code in HIDING.items()
        for whose in ("box", "own")
    )
    return f'addEventListener("hf-seek", ({{ detail: {{ time }} }}) => {{ {code} }})'


@pytest.mark.slow
@pytest.mark.parametrize("capture", ["beginframe", "canvas"])
def test_a_video_that_comes_into_sight_shows_the_frame_of_its_time(capture, project: Callable[..., Path], tmp_path):
    cells = hidden_cells()
    folder = project(STYLE + wall(cells, SECONDS, script=hiding_script()), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600, capture=capture)
    proven(cells, plan, tmp_path)
