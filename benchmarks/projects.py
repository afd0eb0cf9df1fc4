"""Generated projects with known content, for the goals that are set for a kind of content.

They use CSS alone. The GSAP variant is the same animation driven by a script, and needs the library that the examples
use. The font is a file in the project: some renderers replace system fonts by their own fonts, and then
neither the pictures nor the work would compare.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FPS = 30
TEXT_FRAMES = 120

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>
{font}
html, body {{ margin: 0; background: #10131a; }}
#root {{ position: relative; width: 1920px; height: 1080px; overflow: hidden; background: #10131a; color: #f2eee4;
  font-family: {family}; }}
.line {{ position: absolute; left: 140px; height: 190px; overflow: hidden; white-space: nowrap; font-weight: 700;
  font-size: 150px; line-height: 180px; letter-spacing: -.04em; }}
.line span {{ display: inline-block; white-space: pre; }}
#rule {{ position: absolute; left: 140px; top: 800px; width: 1640px; height: 8px; background: #ffb000;
  transform-origin: 0 50%; }}
#note {{ position: absolute; left: 140px; top: 850px; font-size: 44px; }}
{style}
</style></head><body>
<div id="root" data-composition-id="{name}" data-width="1920" data-height="1080" data-fps="{fps}"
  data-duration="{seconds}"{root}>
<div id="words" class="clip" data-start="0" data-duration="{seconds}" data-track-index="0">
{lines}
<div id="rule"></div><div id="note">Every frame is a function of its time.</div>
</div></div>{script}</body></html>
"""

_WORDS = ("Letters that rise,", "one by one, and", "drift as they stay")

_CSS_MOTION = """
.line span { animation: rise .9s cubic-bezier(.16, 1, .3, 1) both; }
@keyframes rise { from { transform: translateY(120%) rotate(6deg); opacity: 0; } to { transform: none; opacity: 1; } }
#words { position: absolute; inset: 0; animation: drift 4s linear both; }
@keyframes drift { from { transform: none; } to { transform: translateX(90px) scale(1.03); } }
#rule { animation: grow 3.6s cubic-bezier(.65, 0, .35, 1) .2s both; }
@keyframes grow { from { transform: scaleX(0); } to { transform: scaleX(1); } }
#note { animation: show 1s linear 2.4s both; }
@keyframes show { from { opacity: 0; } to { opacity: 1; } }
"""

_GSAP_MOTION = """<script src="gsap.min.js"></script><script>
const tl = gsap.timeline({ paused: true });
tl.fromTo('.line span', { yPercent: 120, rotation: 6, opacity: 0 },
  { yPercent: 0, rotation: 0, opacity: 1, duration: .9, ease: 'expo.out', stagger: .045 }, 0);
tl.fromTo('#words', { x: 0, scale: 1 }, { x: 90, scale: 1.03, duration: 4, ease: 'none' }, 0);
tl.fromTo('#rule', { scaleX: 0 }, { scaleX: 1, duration: 3.6, ease: 'power2.inOut' }, .2);
tl.fromTo('#note', { opacity: 0 }, { opacity: 1, duration: 1, ease: 'none' }, 2.4);
window.__timelines = { text_gsap: tl };
</script>"""


_HEAVY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>heavy</title><style>
html, body { margin: 0; background: #10131a; }
#root { position: relative; width: 1280px; height: 720px; overflow: hidden; color: #f2eee4; font: 64px sans-serif; }
p { position: absolute; left: 80px; top: 40px; }
canvas { position: absolute; inset: 0; }
</style></head><body>
<div id="root" data-composition-id="heavy" data-width="1280" data-height="720" data-fps="30" data-duration="20"
  data-no-timeline>
<p>Twenty seconds of text</p>
<canvas id="discs" class="clip" data-start="7" data-duration="3" width="1280" height="720"></canvas>
</div><script>
const pen = document.getElementById("discs").getContext("2d");
addEventListener("hf-seek", ({ detail: { time } }) => {
  if (time < 7 || time >= 10) return;
  pen.clearRect(0, 0, 1280, 720);
  for (let disc = 0; disc < 6000; disc++) {
    const angle = disc * 2.39996 + time;
    const radius = 4 * Math.sqrt(disc) + 40 * Math.sin(time * 2 + disc);
    pen.fillStyle = `hsl(${(disc * 7 + time * 90) % 360} 80% 60% / .5)`;
    pen.beginPath();
    pen.arc(640 + radius * Math.cos(angle), 360 + radius * Math.sin(angle), 6, 0, 7);
    pen.fill();
  }
});
</script></body></html>
"""


def static_page(folder: Path, seconds: float) -> Path:
    """A page on which nothing ever changes."""
    style = "#words { position: absolute; inset: 0; }"
    return _write(folder, "static", seconds, style=style, root=" data-no-timeline")


def text_animation(folder: Path) -> Path:
    """A title of 120 frames, every one of which differs from the one before, animated by CSS alone."""
    return _write(folder, "text", TEXT_FRAMES / FPS, style=_CSS_MOTION, root=" data-no-timeline", delays=True)


def gsap_text_animation(folder: Path, library: Path) -> Path:
    """The same title animated by one GSAP timeline; ``library`` is gsap.min.js."""
    style = "#words { position: absolute; inset: 0; }"
    made = _write(folder, "text_gsap", TEXT_FRAMES / FPS, style=style, script=_GSAP_MOTION)
    shutil.copy(library, made / "gsap.min.js")
    return made


def heavy_film(folder: Path) -> Path:
    """Twenty seconds of text that stands still, with three seconds in which a canvas draws 6,000 discs a frame."""
    project = folder / "heavy"
    project.mkdir(parents=True)
    (project / "index.html").write_text(_HEAVY)
    return project


def _write(
    folder: Path, name: str, seconds: float, *, style: str, root: str = "", script: str = "", delays: bool = False
) -> Path:
    project = folder / name
    project.mkdir(parents=True)
    font, family = copy_font(project)
    fields = {"name": name, "fps": FPS, "seconds": f"{seconds:g}", "root": root, "script": script}
    page = _PAGE.format(**fields, style=style, lines=_lines(delays), font=font, family=family)
    (project / "index.html").write_text(page)
    return project


def copy_font(project: Path) -> tuple[str, str]:
    """Copy the system's bold sans serif into the project; return its rule and name, or the generic name if there is none."""
    try:
        command = ["fc-match", "--format=%{file}", "sans-serif:bold"]
        file = Path(subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout)
    except (OSError, subprocess.SubprocessError):
        return "", "sans-serif"
    if file.suffix not in (".ttf", ".otf"):
        return "", "sans-serif"
    shutil.copy(file, project / f"bench{file.suffix}")
    return f"@font-face {{ font-family: Bench; font-weight: 100 900; src: url(bench{file.suffix}); }}", "Bench"


def _lines(delays: bool) -> str:
    made, order = [], 0
    for row, words in enumerate(_WORDS):
        letters = []
        for letter in words:
            delay = f' style="animation-delay:{order * 0.045:.3f}s"' if delays else ""
            letters.append(f"<span{delay}>{letter}</span>")
            order += 1
        made.append(f'<div class="line" style="top:{150 + row * 200}px">{"".join(letters)}</div>')
    return "\n".join(made)


_GRADIENTS = """<!doctype html><html><head><meta charset="utf-8"><title>gradients</title><style>
body { margin: 0; } #root { position: relative; width: 1920px; height: 1080px; overflow: hidden; background: #123; }
.light { position: absolute; inset: -200px; animation: drift 4s linear both; }
@keyframes drift { to { transform: translate(120px, 60px) scale(1.05); } }
</style></head><body><div id="root" data-composition-id="gradients" data-width="1920" data-height="1080"
 data-duration="4" data-no-timeline>LIGHTS</div></body></html>"""


def gradients(folder: Path) -> Path:
    """A page whose every pixel changes in every frame, about as dear to compress as a photo."""
    lights = "".join(
        f'<div class="light" style="background:radial-gradient(circle at {17 * n % 100}% {29 * n % 100}%,'
        f'hsl({47 * n} 70% 40%),transparent {20 + 7 * n}%);animation-delay:-{n / 10}s"></div>'
        for n in range(1, 4)
    )
    project = folder / "gradients"
    project.mkdir(parents=True)
    (project / "index.html").write_text(_GRADIENTS.replace("LIGHTS", lights), "utf-8")
    return project
