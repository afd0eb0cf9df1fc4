"""Pages that draw videos, or what they know of them, by scripts: each frame is right in any chunking."""

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
FILM = regular(60)
SHOWN = plays(FILM, FPS, "0.2", "1.0")
FROM_HERE_ON = plays(FILM, FPS, "0.2")


def drawn(name: str, shows: Numbers, window: str = 'data-start="0.2" data-duration="0.8"') -> Cell:
    """A canvas, and a video that is not seen itself."""
    return Cell(
        f'<canvas id="{name}" width="80" height="48" style="PLACE"></canvas>'
        f'<video id="{name}-video" muted src="film.mp4" {window} style="display:none"></video>',
        shows,
    )


CELLS = {
    "drawImage": drawn("flat", SHOWN),
    "texImage2D": drawn("deep", SHOWN),
    "createImageBitmap": drawn("bitmap", SHOWN),
    "requestVideoFrameCallback": drawn("called", FROM_HERE_ON, 'data-start="0.2"'),
    "timeupdate": drawn("told", FROM_HERE_ON, 'data-start="0.2"'),
    "currentTime": drawn("asked", SHOWN),
    "play and pause": drawn("listening", lambda frame: 300 if 6 <= frame < 30 else None),
    "a script that plays and seeks": drawn("seeking", plays(FILM, FPS), 'data-start="0"'),
    "a script that seeks elsewhere": drawn("astray", plays(FILM, FPS), 'data-start="0"'),
    "a timeline that waits for metadata": drawn("timed", lambda frame: 200 + frame, 'data-start="0"'),
    "a timeline that waits for canplay": drawn("late", lambda frame: 400 + frame, 'data-start="0"'),
}

SCRIPT = """
  const pen = (name) => document.getElementById(name).getContext("2d");
  const film = (name) => document.getElementById(`${name}-video`);
  const clear = (name) => pen(name).clearRect(0, 0, 80, 48);
  function draw(name, picture = film(name)) { clear(name); pen(name).drawImage(picture, 0, 0, 80, 48); }
  function code(name, number) {
    for (let row = 0; row < 4; row++) for (let column = 0; column < 8; column++) {
      const bit = (number >> (row % 2 * 8 + column)) & 1;
      pen(name).fillStyle = (row < 2 ? bit : 1 - bit) ? "#d7d7d7" : "#282828";
      pen(name).fillRect(column * 10, row * 12, 10, 12);
    }
  }
  const frameOf = (seconds) => Math.round(seconds * 30);

  const gl = deep.getContext("webgl", { preserveDrawingBuffer: true }), program = gl.createProgram();
  for (const [type, text] of [
    [gl.VERTEX_SHADER, "attribute vec2 p; varying vec2 at; void main() { at = vec2(p.x, 1. - p.y); gl_Position = vec4(p * 2. - 1., 0, 1); }"],
    [gl.FRAGMENT_SHADER, "precision highp float; varying vec2 at; uniform sampler2D map; void main() { gl_FragColor = texture2D(map, at); }"],
  ]) { const shader = gl.createShader(type); gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader); }
  gl.bindAttribLocation(program, 0, "p"); gl.linkProgram(program); gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);

  requestAnimationFrame(function again() {
    draw("flat");
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, film("deep"));
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    if (film("asked").paused) clear("asked"); else code("asked", frameOf(film("asked").currentTime));
    requestAnimationFrame(again);
  });

  film("called").requestVideoFrameCallback(function again(now, { mediaTime, presentedFrames }) {
    if (presentedFrames !== frameOf(mediaTime) + 1) throw new Error(`frame ${presentedFrames} at ${mediaTime}`);
    draw("called");
    film("called").requestVideoFrameCallback(again);
  });
  for (const type of ["playing", "timeupdate"]) {
    film("told").addEventListener(type, () => code("told", frameOf(film("told").currentTime)));
  }
  film("listening").addEventListener("play", () => code("listening", 300));
  film("listening").addEventListener("pause", () => clear("listening"));

  addEventListener("hf-seek", ({ detail }) => {
    detail.waitUntil(createImageBitmap(film("bitmap")).then((picture) => draw("bitmap", picture)));
    for (const name of ["seeking", "astray"]) {
      detail.waitUntil(film(name).play());
      detail.waitUntil(new Promise((done) => film(name).addEventListener("seeked", () => done(draw(name)), { once: true })));
      film(name).currentTime = name === "astray" ? 0.1 : detail.time;
    }
  });

  const timelines = {};
  function register(name, event, first) {
    film(name).addEventListener(event, ({ target }) => {
      if (target.duration !== 2 || target.videoWidth !== 64) throw new Error(`${target.duration} s, ${target.videoWidth} px`);
      timelines[name] = (time) => code(name, first + frameOf(time));
      if (Object.keys(timelines).length < 2) return;
      window.__timelines.main = { duration: () => 2, pause() {}, seek(time) { for (const go of Object.values(timelines)) go(time); } };
    });
  }
  register("timed", "loadedmetadata", 200);
  register("late", "canplay", 400);
"""


@pytest.mark.slow
@pytest.mark.parametrize("capture", ["beginframe", "canvas"])
def test_scripts_show_the_frame_of_their_time(capture, project: Callable[..., Path], tmp_path):
    film = cached(bar_code_video, "film.mp4", 60, size=(64, 32)).read_bytes()
    folder = project(wall(CELLS, "1.2", script=SCRIPT, root=""), **{"film.mp4": film})
    plan = hfdask.plan(folder, tmp_path / "plan", check="off", chunk_size=3600, capture=capture)
    assert plan.manifest.timeline.timelines == ("main",)
    proven(CELLS, plan, tmp_path)
