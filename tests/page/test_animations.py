"""Animations of the browser itself, and drawings of scripts on demand (docs/compositions.md, 6.4 to 6.6)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from page_samples import BLACK, BLUE, GREEN, RED, Page, box, composition, open_html, svg
from slow import sampled

from hfdask.errors import ScriptError

pytestmark = pytest.mark.browser

# A bar that grows to the right by 64 px a second: its width shows its time.
BAR = "position:absolute;left:0;top:0;height:64px;background:#f00"
GROW = "@keyframes grow {from {width: 0} to {width: 64px}}"
WIDTH = "getComputedStyle({}).width"


def width(page: Page, frame: int, element: str = "bar") -> float:
    return float(page.at(frame, WIDTH.format(element)).removesuffix("px"))


def test_css_animations_stand_where_their_time_says(tmp_path: Path) -> None:
    style = GROW + "#bar {" + BAR + "; animation: grow 1s linear}"
    with open_html(tmp_path, composition('<div id="bar"></div>', style=style)) as page:
        for frame, reached in ((15, 32), (29, 61.87), (3, 6.4), (0, 0), (27, 57.6)):
            assert width(page, frame) == pytest.approx(reached, abs=0.02)
        picture = page.pixels(15)
        assert [tuple(picture[5, x]) for x in (31, 32)] == [RED, BLACK]


def test_css_animations_begin_at_their_elements_own_start(tmp_path: Path) -> None:
    style = GROW + ".bar {" + BAR + "; animation: grow 1s linear both}"
    body = """<div class="bar" id="own" data-start="0.5"></div>
      <div data-start="0.5"><div class="bar" id="inner"></div></div>
      <i id="first" data-start="0.25" data-duration="0.25"></i><div class="bar" id="ref" data-start="first"></div>"""
    with open_html(tmp_path, composition(body, style=style)) as page:
        for frame, own, inner in ((0, 0, 0), (15, 0, 32), (30, 32, 64), (20, 64 / 6, 128 / 3)):
            assert width(page, frame, "own") == pytest.approx(own, abs=0.02)
            assert width(page, frame, "ref") == pytest.approx(own, abs=0.02)
            assert width(page, frame, "inner") == pytest.approx(inner, abs=0.02)


@pytest.mark.parametrize("fill", ["none", "forwards", "both"])
def test_an_animation_that_has_ended_can_be_sought_again(tmp_path: Path, fill: str) -> None:
    style = GROW + "#bar {" + BAR + f"; width: 5px; animation: grow 0.5s 0.1s linear {fill}}}"
    with open_html(tmp_path, composition('<div id="bar"></div>', style=style)) as page:
        after = 5 if fill == "none" else 64
        before = 0 if fill == "both" else 5
        assert width(page, 40) == after
        assert width(page, 9) == pytest.approx(64 * 0.4, abs=0.02)
        assert width(page, 59) == after
        assert width(page, 1) == before


def test_pseudo_elements_and_several_animations_of_one_element(tmp_path: Path) -> None:
    style = (
        GROW
        + "@keyframes tint {from {background: #f00} to {background: #00f}}"
        + f"#host::before {{content: ''; {BAR}; animation: grow 1s linear both}}"
        + f"#two {{{BAR}; top: 32px; animation: grow 1s linear both, tint 0.5s step-end both}}"
    )
    with open_html(tmp_path, composition('<i id="host"></i><i id="two"></i>', style=style)) as page:
        picture = page.pixels(15)
        assert [tuple(picture[5, x]) for x in (31, 32)] == [RED, BLACK]
        assert [tuple(picture[40, x]) for x in (31, 32)] == [BLUE, BLACK]
        assert tuple(page.pixels(9)[40, 3]) == RED


def test_animations_of_a_box_that_comes_back(tmp_path: Path) -> None:
    """`display: none` ends an element's animations; the new ones start at the frame's time, not when it appeared."""
    style = GROW + "#bar {height: 10px; background: #f00; animation: grow 1s linear both}"
    body = '<main><div id="bar" data-start="0.5" data-duration="1"></div></main>'
    with open_html(tmp_path, composition(body, style=style)) as page:
        for frame in (18, 30, 50, 20, 15, 44):
            shown = 15 <= frame < 45
            assert page.at(frame, "bar.style.display") == ("" if shown else "none")
            if shown:
                assert width(page, frame) == pytest.approx((frame - 15) / 30 * 64, abs=0.02)


@pytest.mark.slow
def test_an_animation_that_ends_while_a_slow_page_loads_stands_where_its_time_says(tmp_path: Path) -> None:
    """Between two frames, the browser takes the time from the machine. An animation that has ended is in no list of the browser's."""
    style = "@keyframes on {from, to {opacity: 1}} #bar {opacity: 0; animation: on 0.2s 0.1s}"
    html = composition('<div id="bar"></div>', "getComputedStyle(bar).opacity", style=style)
    slow = b"for (let i = 0, sum = 0; i < 1e9; i++) sum += i;"
    names = [f"slow{number}.js" for number in range(4)]
    html = html.replace("</body>", "".join(f'<script src="{name}"></script>' for name in names) + "</body>")
    with open_html(tmp_path, html, dict.fromkeys(names, slow)) as page:
        assert [page.at(frame, "getComputedStyle(bar).opacity") for frame in (0, 4, 8, 10)] == ["0", "1", "1", "0"]


def test_iterations_directions_and_steps(tmp_path: Path) -> None:
    style = GROW + "#bar {" + BAR + "; animation: grow 0.5s steps(4, end) -0.25s infinite alternate}"
    with open_html(tmp_path, composition('<div id="bar"></div>', style=style)) as page:
        # 0.25 s into the first run at frame 0; frame 12 is 0.15 s into the second one, which runs backwards
        assert [width(page, k) for k in (0, 4, 12)] == pytest.approx([32, 48, 32], abs=0.02)


def test_waapi_counts_from_when_it_was_made(tmp_path: Path) -> None:
    keyframes = "[{width: '0px'}, {width: '64px'}], {duration: 1000, fill: 'both'}"
    script = f"""const early = bar.animate({keyframes});
      const ahead = second.animate({keyframes}); ahead.currentTime = 250;
      const paused = third.animate({keyframes}); paused.pause();
      let late;
      requestAnimationFrame(function loop(t) {{
        if (t >= 500) late ??= fourth.animate({keyframes}); requestAnimationFrame(loop) }});"""
    body = "".join(f'<div id="{name}" style="{BAR}"></div>' for name in ("bar", "second", "third", "fourth"))
    with open_html(tmp_path, composition(body, script)) as page:
        assert width(page, 12) == pytest.approx(25.6, abs=0.02)
        assert width(page, 12, "second") == pytest.approx(41.6, abs=0.02)
        assert width(page, 12, "third") == 0
        page.seek(15)  # makes the last one, whose baseline is 0.5 s
        assert width(page, 24, "fourth") == pytest.approx(0.3 * 64, abs=0.02)
        assert page.report()["adapters"] == ["waapi"]


def test_animations_made_without_animate(tmp_path: Path) -> None:
    script = """const made = new Animation(new KeyframeEffect(bar, [{width: '0px'}, {width: '64px'}],
      {duration: 1000, fill: 'both'})); made.play();"""
    with open_html(tmp_path, composition(f'<div id="bar" style="{BAR}"></div>', script)) as page:
        assert [width(page, k) for k in (0, 15, 60)] == pytest.approx([0, 32, 64], abs=0.001)


def test_a_cancelled_animation_stays_cancelled(tmp_path: Path) -> None:
    script = """const gone = bar.animate([{width: '9px'}, {width: '64px'}], {duration: 1000, fill: 'both'});
      gone.cancel();
      const left = bar.animate([{height: '9px'}, {height: '64px'}], {duration: 1000, fill: 'both'});"""
    with open_html(tmp_path, composition(f'<div id="bar" style="{BAR};width:7px"></div>', script)) as page:
        assert width(page, 15) == 7
        page.value("left.cancel()")
        assert page.at(20, "[left.playState, getComputedStyle(bar).height]") == ["idle", "64px"]


def test_transitions_move_with_the_frames(tmp_path: Path) -> None:
    style = "#bar {" + BAR + "; width: 0; transition: width 1s linear} #bar.on {width: 64px}"
    script = """requestAnimationFrame(function loop(t) {
      if (t >= 500) bar.classList.add('on'); requestAnimationFrame(loop) });"""
    with open_html(tmp_path, composition('<div id="bar"></div>', script, style=style)) as page:
        widths = [float(page.at(k, WIDTH.format("bar")).removesuffix("px")) for k in range(14, 20)]
        assert widths[0] == 0
        steps = [b - a for a, b in itertools.pairwise(widths[2:])]
        assert steps == pytest.approx([64 / 30] * 3, abs=0.02)


def test_hf_seek_is_told_once_a_time_and_its_promises_are_awaited(tmp_path: Path) -> None:
    script = """const told = [];
      addEventListener('hf-seek', ({detail}) => {
        told.push(detail.time);
        detail.waitUntil(new Promise(done => setTimeout(done, 40)).then(() => { x.style.background = '#0f0' }));
        x.style.background = '#f00';
      });"""
    with open_html(tmp_path, composition(box('id="x"'), script)) as page:
        # the very first frame too: a seek while the page settled must not have used its announcement up
        assert page.pixel(0) == GREEN
        assert page.pixel(15) == GREEN
        page.seek(15)
        assert page.value("told") == [0, 0.5]
        assert page.value("[__hfThreeTime, __hfTypegpuTime]") == [0.5, 0.5]
        page.value("__hfReseekGpu(0.5)")
        assert page.value("told") == [0, 0.5, 0.5]


def test_a_rejected_promise_of_hf_seek_is_an_error_of_its_frame(tmp_path: Path) -> None:
    script = """addEventListener('hf-seek', ({detail}) => {
      if (detail.time === 0.5) detail.waitUntil(Promise.reject(new Error('no texture'))) });"""
    with open_html(tmp_path, composition("", script), page_errors="raise") as page:
        page.seek(14)
        with pytest.raises(ScriptError, match=r"(?s)at frame 15.*no texture"):
            page.seek(15)


WEBGL = """
  const gl = canvas.getContext('webgl');
  function shader(type, source) {
    const s = gl.createShader(type); gl.shaderSource(s, source); gl.compileShader(s); return s;
  }
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER,
    'attribute vec2 p; void main() { gl_Position = vec4(p, 0., 1.); }'));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER,
    'precision mediump float; uniform float t; void main() { gl_FragColor = vec4(t, 1. - t, 0., 1.); }'));
  gl.linkProgram(program); gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  addEventListener('hf-seek', ({detail}) => {
    gl.uniform1f(gl.getUniformLocation(program, 't'), detail.time); gl.drawArrays(gl.TRIANGLES, 0, 3) });
"""


def test_webgl_draws_on_hf_seek(tmp_path: Path) -> None:
    canvas = '<canvas id="canvas" width="64" height="64" style="position:absolute"></canvas>'
    with open_html(tmp_path, composition(canvas, WEBGL)) as page:
        assert [page.pixel(k, 32, 32) for k in (0, 30, 6, 0)] == [GREEN, RED, (51, 204, 0), GREEN]


def test_a_canvas_draws_in_animation_frames(tmp_path: Path) -> None:
    canvas = '<canvas id="canvas" width="64" height="64" style="position:absolute"></canvas>'
    script = """const context = canvas.getContext('2d');
      (function draw() { context.clearRect(0, 0, 64, 64); context.fillStyle = '#00f';
        context.fillRect(0, 0, Math.round(performance.now() / 1000 * 64), 64); requestAnimationFrame(draw) })();"""
    with open_html(tmp_path, composition(canvas, script)) as page:
        for frame in (15, 0, 30, 6):
            reached = round(frame / 30 * 64)
            row = page.pixels(frame)[5]
            assert [tuple(colour) == BLUE for colour in row] == [x < reached for x in range(64)]


FILES = {f"{name}.svg": svg(colour) for name, colour in (("red", "#f00"), ("green", "#0f0"), ("blue", "#00f"))}
# So large that they cannot come by chance before the picture is taken.
SLOW_FILES = {name: content + f"<!--{'slow' * 500_000}-->" for name, content in FILES.items()}


@pytest.mark.parametrize(
    "change",
    sampled(
        [
            "picture.src = name + '.svg'",
            "x.style.backgroundImage = `url(${name}.svg)`",
            "x.style.background = `url('${name}.svg') 0 0 / 8px, #000`",
            "x.className = name",
            "x.replaceChildren(Object.assign(new Image(), {src: name + '.svg', loading: 'lazy'}))",
            "use.setAttribute('href', name + '.svg')",
        ]
    ),
)
def test_pictures_that_a_frame_brings_are_there_in_that_frame(tmp_path: Path, change: str) -> None:
    style = "#x {position: absolute; inset: 0}"
    if "className" in change:  # else the sheet's own pictures would be there already
        style += " ".join(f".{name} {{background: url({name}.svg)}}" for name in ("red", "green", "blue"))
    body = (
        '<img id="picture" src="red.svg" style="position:absolute;top:0;left:0"><div id="x"></div>'
        '<svg style="position:absolute" width="64" height="64"><image id="use" width="64" height="64"/></svg>'
    )
    script = f"""const names = ['red', 'green', 'blue'];
      requestAnimationFrame(function loop(t) {{
        const name = names[Math.round(t * 30 / 1000) % 3]; {change}; requestAnimationFrame(loop) }});"""
    with open_html(tmp_path, composition(body, script, style=style), SLOW_FILES) as page:
        assert [page.pixel(k) for k in (1, 2, 3, 4, 8)] == [GREEN, BLUE, RED, GREEN, BLUE]


def test_a_background_of_a_clip_that_was_never_shown(tmp_path: Path) -> None:
    style = "#bar {height: 64px; margin: 0} .on {background: url(green.svg)}"
    body = '<main><p id="bar" class="on" data-start="0.5"></p></main>'
    with open_html(tmp_path, composition(body, style=style), FILES) as page:
        assert page.pixel(15) == GREEN


def test_lazy_pictures_are_loaded(tmp_path: Path) -> None:
    body = """<div style="height:9000px"></div><img id="far" loading="lazy" src="green.svg">"""
    with open_html(tmp_path, composition(body), FILES) as page:
        assert page.value("[far.complete, far.naturalWidth]") == [True, 64]


def test_objects_of_animation_libraries(tmp_path: Path) -> None:
    script = """const log = [];
      window.__hfAnime = [{pause() {}, seek: ms => log.push(['anime', ms])}];
      window.__hfLottie = [
        {goToAndStop: (ms, isFrame) => log.push(['lottie', ms, isFrame]), getDuration: () => 1.5},
        {pause() {}, totalFrames: 10, duration: 0.5, setFrame: frame => log.push(['dot', frame])},
      ];"""
    with open_html(tmp_path, composition("", script, root="data-no-timeline")) as page:
        page.value("log.length = 0")
        assert page.at(6, "log.splice(0)") == [["anime", 200], ["lottie", 200, False], ["dot", 4]]
        assert page.at(30, "log.splice(0)")[2] == ["dot", 9]
        report = page.report()
        assert (report["duration"], report["adapters"]) == (1.5, ["animejs", "lottie"])


def test_what_would_be_drawn_wrong_is_reported(tmp_path: Path) -> None:
    own = "<audio src=a.mp3></audio><script>window.__hf = {duration: 1, seek() {}}</script>"
    with open_html(tmp_path, own) as page:
        (found,) = page.report()["unsupported"]
        assert "<audio>" in found
