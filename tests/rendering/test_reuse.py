"""Only changed chunks of a project are rendered, and reused chunks equal new ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import EXAMPLES
from sound_samples import tone, write_sound

import hfdask

pytestmark = pytest.mark.usefixtures("fake_browser")

FPS = 10
CHUNK = 5
SCENES = 10
"""Scenes of half a second, each a chunk."""

STYLE = """<style>
.clip { font: 30px sans-serif; animation: go 0.5s linear both }
@keyframes go { to { transform: translateX(60px) } }
</style>"""


def page(body: str, *, duration: float = SCENES / 2, attributes: str = "", rest: str = STYLE) -> str:
    return (
        f'<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="{duration}" '
        f"data-no-timeline {attributes}>\n{body}\n</div>\n{rest}"
    )


def scene(number: int, content: str, kind: str = "div", attributes: str = "") -> str:
    window = f'data-start="{number / 2}" data-duration="0.5"'
    return f'<{kind} id="s{number}" class="clip" {window} {attributes}>{content}</{kind}>'


def scenes(**changed: str) -> str:
    return "\n".join(scene(n, changed.get(f"s{n}", f"scene {n}")) for n in range(SCENES))


Write = Callable[..., Path]


@pytest.fixture
def rendering(project: Write, tmp_path: Path) -> Callable[..., hfdask.RenderResult]:
    """Renders what is written into one plan folder, and anew in chunks of ``fresh`` frames; the frames must be the same."""

    def render(
        html: str, *, fresh: int = CHUNK * (SCENES + 2), files: dict[str, str | bytes] | None = None, **options: object
    ):
        source = project(html, **(files or {}))
        options = {"fps": FPS, "chunk_size": CHUNK, "check": "off", **options}
        options = {name: value for name, value in options.items() if value is not None}
        kept = hfdask.render(source, tmp_path / "kept.mp4", plan_dir=tmp_path / "plan", **options)
        if fresh:
            anew = hfdask.render(source, tmp_path / "anew.mp4", **{**options, "chunk_size": fresh})
            assert kept.digest == anew.digest
            assert all(seam.equal for seam in kept.seams)
            if fresh == CHUNK:
                assert (tmp_path / "kept.mp4").read_bytes() == (tmp_path / "anew.mp4").read_bytes()
        return kept

    return render


def square(colour: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="20" height="20" fill="{colour}"/></svg>'


def redone(result: hfdask.RenderResult) -> list[int]:
    for chunk in result.chunks:
        assert chunk.plan_hash == result.plan_hash
        assert chunk.reused or not chunk.checked
    return [chunk.index for chunk in result.chunks if not chunk.reused]


def all_but(*kept: int, total: int = SCENES) -> list[int]:
    return [index for index in range(total) if index not in kept]


def test_one_scene_of_ten(rendering):
    first = rendering(page(scenes()), fresh=0)
    assert redone(first) == all_but()
    changed = rendering(page(scenes(s4="another text")), fresh=CHUNK)
    assert redone(changed) == [4]
    assert [chunk.index for chunk in changed.chunks if chunk.checked] == all_but(4)
    assert changed.digest != first.digest
    # Both versions have their chunks now.
    back = rendering(page(scenes()))
    assert redone(back) == []
    assert back.digest == first.digest


@pytest.mark.slow
@pytest.mark.browser
def test_a_scene_in_a_file_with_its_own_style_and_script(rendering):
    def film(colour: str, turn: int) -> dict[str, str | bytes]:
        text = """<template><div data-composition-id="s{n}" data-width="160" data-height="90">
        <style>.box {{ width: 40px; height: 40px; background: {colour} }}</style><div class="box"></div>
        <script>const box = document.querySelector(".box");
        addEventListener("hf-seek", (e) => {{ box.style.rotate = `${{e.detail.time * {turn}}}deg`; }});</script>
        </div></template>"""
        files = {f"scenes/{n}.html": text.format(n=n, colour="teal", turn=90) for n in range(SCENES)}
        return {**files, "scenes/7.html": text.format(n=7, colour=colour, turn=turn)}

    html = page(
        "\n".join(
            scene(n, "", attributes=f'data-composition-id="s{n}" data-composition-src="scenes/{n}.html"')
            for n in range(SCENES)
        )
    )
    rendering(html, files=film("teal", 90), fresh=0)
    assert redone(rendering(html, files=film("maroon", 90))) == [7]
    assert redone(rendering(html, files=film("maroon", 45))) == [7]


@pytest.mark.slow
@pytest.mark.browser
def test_only_the_sound(rendering, tmp_path):
    sound = '<audio id="song" src="song.wav" data-start="0" data-duration="2" data-volume="{}"></audio>'
    low, high = (write_sound(tmp_path / f"{pitch}.wav", tone(pitch, 2)).read_bytes() for pitch in (220, 440))
    rendering(page(scenes() + sound.format(1)), files={"song.wav": low}, fresh=0)
    assert redone(rendering(page(scenes() + sound.format(0.5)), files={"song.wav": high}, fresh=0)) == []
    assert redone(rendering(page(scenes()), fresh=0)) == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_scene_in_a_template(rendering):
    def html(text: str) -> str:
        parts = [scene(n, "", attributes=f'data-composition-id="s{n}"') for n in range(SCENES)]
        parts += [
            f'<template id="s{n}-template"><div data-composition-id="s{n}">{text if n == 2 else n}</div></template>'
            for n in range(SCENES)
        ]
        return page("\n".join(parts))

    rendering(html("two"), fresh=0)
    assert redone(rendering(html("deux"))) == [2]


@pytest.mark.slow
@pytest.mark.browser
def test_an_end_that_moves_on(rendering):
    rendering(page(scenes()), fresh=0)
    longer = rendering(page(scenes() + scene(SCENES, "one more"), duration=(SCENES + 1) / 2))
    assert redone(longer) == [SCENES]
    last = scene(SCENES, "one more").replace('data-duration="0.5"', 'data-duration="1"')
    assert redone(rendering(page(scenes() + last, duration=(SCENES + 2) / 2))) == [SCENES + 1]
    assert redone(rendering(page(scenes()))) == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_picture_is_seen_where_it_is_named(rendering):
    body = scenes(s3='<img src="pictures/a%20cat.svg">', s6="<p class=dog></p>")
    rest = STYLE + '<link rel="stylesheet" href="look.css">'

    def files(cat: str, dog: str, look: str) -> dict[str, str | bytes]:
        css = f".dog {{ width: 20px; height: 20px; background: url(pictures/dog.svg) }} .clip {{ color: {look} }}"
        return {"pictures/a cat.svg": square(cat), "pictures/dog.svg": square(dog), "look.css": css, "notes.txt": look}

    rendering(page(body, rest=rest), files=files("red", "red", "#111"), fresh=0)
    assert redone(rendering(page(body, rest=rest), files=files("blue", "red", "#111"))) == [3]
    # A style sheet acts on the whole page, and so do the files that it names.
    assert redone(rendering(page(body, rest=rest), files=files("blue", "blue", "#111"))) == all_but()
    assert redone(rendering(page(body, rest=rest), files=files("blue", "blue", "#222"))) == all_but()


@pytest.mark.slow
@pytest.mark.browser
def test_files_that_nobody_names_or_asks_for_are_not_seen(rendering):
    rendering(page(scenes()), files={"notes.txt": "one"}, fresh=0)
    assert redone(rendering(page(scenes()), files={"notes.txt": "two"})) == []


@pytest.mark.slow
@pytest.mark.browser
def test_files_that_a_script_names_in_parts_are_seen_by_all(rendering):
    rest = STYLE + '<script>fetch(["da", "ta.txt"].join("")).then(r => r.text()).then(t => document.title = t)</script>'
    rendering(page(scenes(), rest=rest), files={"data.txt": "one"}, fresh=0)
    assert redone(rendering(page(scenes(), rest=rest), files={"data.txt": "two"})) == all_but()


@pytest.mark.slow
@pytest.mark.browser
def test_a_variable_is_seen_where_it_is_named(rendering):
    declared = '[{"id":"name","type":"string","default":"Ann"},{"id":"tint","type":"color","default":"#123456"}]'
    body = scenes(s5='<b data-var-text="name">nobody</b>', s8='<i style="color:var(--tint)">tinted</i>')
    html = page(body, attributes=f"data-composition-variables='{declared}'")
    rendering(html, fresh=0)
    assert redone(rendering(html, variables={"name": "Bob"})) == [5]
    assert redone(rendering(html, variables={"name": "Bob", "tint": "#ff0000"})) == [8]


@pytest.mark.slow
@pytest.mark.browser
def test_settings_that_draw_otherwise_are_seen_by_all(rendering):
    rendering(page(scenes()), fresh=0)
    assert redone(rendering(page(scenes()), crf=30)) == all_but()
    assert redone(rendering(page(scenes()), frame_timeout=20.0, crf=30)) == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("cheats", [True, False])
def test_what_a_key_does_not_know_is_found_by_capturing_again(cheats, rendering):
    """Scene 2 names the file; a script puts its name together, and shifts all that comes after scene 5."""
    read = 'const parts = ["shi", "ft.txt"];' if cheats else 'const parts = ["shift.txt"];'
    rest = (
        STYLE
        + f"""<script>{read}
    const asked = new XMLHttpRequest(); asked.open("GET", parts.join(""), false); asked.send();
    addEventListener("hf-seek", (e) => {{
      document.getElementById("s6").style.marginLeft = `${{e.detail.time * asked.responseText}}px`;
    }});</script>"""
    )
    html = page(scenes(s2="shift.txt"), rest=rest)
    rendering(html, files={"shift.txt": "1"}, fresh=0)
    changed = rendering(html, files={"shift.txt": "9"})
    assert redone(changed) == ([2, 6] if cheats else all_but())
    told = [text for text in changed.warnings if "looked unchanged" in text]
    assert ["chunk 6" in text for text in told] == ([True] if cheats else [])


@pytest.mark.slow
@pytest.mark.browser
def test_a_clip_that_a_script_makes_leaves_the_document_in_one_piece(rendering):
    rest = (
        STYLE
        + '<script>root.insertAdjacentHTML("beforeend", \'<p data-start="0" data-duration="0.5">made</p>\')</script>'
    )
    rendering(page(scenes(), rest=rest), fresh=0)
    assert redone(rendering(page(scenes(s4="another"), rest=rest))) == all_but()


def test_a_render_goes_on_with_the_ranges_that_it_began_with(project, tmp_path):
    source = project(page(scenes()))
    options = {"fps": 30, "check": "off", "plan_dir": tmp_path / "plan", "sweep": 0}
    first = hfdask.render(source, tmp_path / "a.mp4", workers=3, **options)
    assert len(first.chunks) == 3
    for chunk in first.chunks[1:]:
        lose(chunk)
    again = hfdask.render(source, tmp_path / "b.mp4", workers=2, **options)
    assert again.plan_hash == first.plan_hash
    assert [chunk.reused for chunk in again.chunks] == [True, False, False]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    # A plan with other options, or without an earlier plan, has other ranges.
    assert len(hfdask.plan(source, tmp_path / "plan", fps=30, chunk_size=10).manifest.chunks) == 15
    for chunk in again.chunks:
        lose(chunk)
    assert len(hfdask.plan(source, tmp_path / "plan", fps=30, workers=2, sweep=0).manifest.chunks) == 2


def lose(chunk: hfdask.ChunkResult) -> None:
    Path((chunk.url + ".json").removeprefix("file://")).unlink()


@pytest.mark.slow
@pytest.mark.browser
def test_scenes_with_timelines_of_their_own(rendering):
    """The common project: a document with hosts, and a file with a GSAP timeline for each scene."""
    library = (EXAMPLES / "gsap" / "vendor" / "gsap.min.js").read_text("utf-8")

    def files(far: int) -> dict[str, str | bytes]:
        text = """<template><div data-composition-id="s{n}" data-width="160" data-height="90">
        <style>#box {{ width: 40px; height: 40px; background: teal }}</style><div id="box">{n}</div>
        <script>const tl = gsap.timeline({{ paused: true }});
        tl.to("#box", {{ x: {far}, duration: 0.4 }}); window.__timelines["s{n}"] = tl;</script></div></template>"""
        return {f"scenes/{n}.html": text.format(n=n, far=far if n == 4 else 90) for n in range(SCENES)} | {
            "gsap.min.js": library
        }

    def hosts(count: int) -> str:
        return "\n".join(
            scene(n, "", attributes=f'data-composition-id="s{n}" data-composition-src="scenes/{n}.html"')
            for n in range(count)
        )

    rest = '<script src="gsap.min.js"></script>'
    rendering(page(hosts(SCENES - 1), rest=rest, duration=(SCENES - 1) / 2), files=files(90), fresh=0)
    assert redone(rendering(page(hosts(SCENES - 1), rest=rest, duration=(SCENES - 1) / 2), files=files(50))) == [4]
    assert redone(rendering(page(hosts(SCENES), rest=rest), files=files(50))) == [SCENES - 1]
