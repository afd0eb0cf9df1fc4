"""Generated projects like real ones, for comparing whole renders: one for each way to make a page move.

All are 1920 x 1080 at 30 frames a second if their name says nothing else, and 4 to 60 seconds long. They need no network,
their font is a file in the project, and what they show is a function of time. So renderers may differ in how fast they
are, but should agree on the picture. Three need the library GSAP, which `make setup` fetches.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from projects import copy_font, gradients, static_page, text_animation

EXAMPLES = Path(__file__).parents[1] / "examples"
GSAP = EXAMPLES / "gsap" / "vendor" / "gsap.min.js"
FILMS = EXAMPLES / "film" / "media"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>{head}<style>
{font}
html, body {{ margin: 0; background: #10131a; }}
#root {{ position: relative; width: {width}px; height: {height}px; overflow: hidden; background: #10131a; color: #f2eee4;
  font-family: {family}; }}
{style}
</style></head><body>
<div id="root" data-composition-id="{name}" data-width="{width}" data-height="{height}" data-fps="30"
  data-duration="{seconds}"{root}>
{body}
</div>{script}</body></html>
"""

_SCENE = """<template><style>
.scene {{ position: absolute; inset: 0; background: linear-gradient(120deg, {from_}, {to}); }}
h2 {{ position: absolute; left: 140px; top: 300px; margin: 0; font-size: 140px; line-height: 1.1; }}
p {{ position: absolute; left: 140px; top: 680px; margin: 0; font-size: 52px; }}
.bar {{ position: absolute; left: 140px; top: 640px; width: 1200px; height: 12px; background: #ffb000; transform-origin: 0 50%; }}
</style>
<div data-composition-id="{name}" data-width="1920" data-height="1080" data-duration="{seconds}">
<div class="scene"><h2>{title}</h2><div class="bar"></div><p>{text}</p></div>
</div>
<script>
{{
  const at = selector => document.querySelector(`[data-composition-id="{name}"] ${{selector}}`);
  const tl = gsap.timeline({{ paused: true }});
  tl.from(at("h2"), {{ y: 80, opacity: 0, duration: 0.8, ease: "power3.out" }}, 0)
    .from(at(".bar"), {{ scaleX: 0, duration: 1.2, ease: "power2.inOut" }}, 0.3)
    .from(at("p"), {{ opacity: 0, x: 60, duration: 0.7 }}, 0.9)
    .to(at(".scene"), {{ opacity: 0, duration: 0.4 }}, {out});
  window.__timelines = window.__timelines || {{}};
  window.__timelines["{name}"] = tl;
}}
</script></template>
"""


@dataclass(frozen=True)
class Showcase:
    """A project: how to make it in a folder, and the files that must be there first."""

    name: str
    shows: str
    make: Callable[[Path], Path]
    needs: tuple[Path, ...] = ()

    @property
    def missing(self) -> tuple[Path, ...]:
        """Files that are not there."""
        return tuple(path for path in self.needs if not path.exists())


def css_shapes(folder: Path) -> Path:
    """Sixty cards with shadows and round corners that turn, fade and move by CSS animations; 6 s."""
    style = """
.card { position: absolute; width: 150px; height: 150px; border-radius: 24px; box-shadow: 0 18px 40px #0008;
  animation: enter 1s cubic-bezier(.2, .8, .2, 1) both, float 3s ease-in-out infinite alternate; }
@keyframes enter { from { opacity: 0; scale: .2; rotate: -40deg; } to { opacity: 1; scale: 1; rotate: 0deg; } }
@keyframes float { from { transform: translateY(-14px) rotate(-5deg); } to { transform: translateY(14px) rotate(5deg); } }
"""
    cards = "\n".join(
        f'<div class="card" style="left:{90 + n % 10 * 178}px;top:{50 + n // 10 * 172}px;'
        f"background:linear-gradient(135deg,hsl({n * 23 % 360} 70% 55%),hsl({(n * 23 + 50) % 360} 70% 35%));"
        f'animation-delay:{n * 0.06:.2f}s,{-n * 0.31:.2f}s"></div>'
        for n in range(60)
    )
    return _write(folder, "css", 6, cards, style=style)


def waapi_bars(folder: Path) -> Path:
    """A bar chart that grows, sorts itself and changes colour by the Web Animations API; 6 s."""
    style = """
.bar { position: absolute; bottom: 160px; width: 56px; background: #3fa7d6; transform-origin: 50% 100%; }
.name { position: absolute; bottom: 100px; width: 56px; text-align: center; font-size: 28px; }
h1 { position: absolute; left: 90px; top: 50px; margin: 0; font-size: 84px; }
"""
    body = "<h1>Twenty-four bars, sorted</h1>" + "".join(
        f'<div class="bar" style="left:{90 + n * 73}px;height:{120 + n * 37 % 24 * 26}px"></div>'
        f'<div class="name" style="left:{90 + n * 73}px">{chr(65 + n)}</div>'
        for n in range(24)
    )
    script = """<script>
const bars = [...document.querySelectorAll(".bar")], names = [...document.querySelectorAll(".name")];
const order = bars.map((bar, n) => n).sort((a, b) => bars[a].offsetHeight - bars[b].offsetHeight);
document.querySelector("h1").animate({ opacity: [0, 1], transform: ["translateX(-80px)", "none"] },
  { duration: 900, easing: "ease-out", fill: "both" });
order.forEach((n, place) => {
  bars[n].animate({ transform: ["scaleY(0)", "scaleY(1)"] },
    { duration: 1200, delay: n * 40, easing: "cubic-bezier(.2, .8, .2, 1)", fill: "both" });
  for (const part of [bars[n], names[n]])
    part.animate({ translate: ["0 0", `${(place - n) * 73}px 0`] },
      { duration: 1600, delay: 2400 + place * 50, easing: "ease-in-out", fill: "both" });
  bars[n].animate({ backgroundColor: ["#3fa7d6", `hsl(${20 + place * 5} 85% 55%)`] },
    { duration: 1000, delay: 2400 + place * 50, fill: "both" });
});
</script>"""
    return _write(folder, "waapi", 6, body, style=style, script=script)


def raf_elements(folder: Path) -> Path:
    """Ninety elements and a counter that a loop of `requestAnimationFrame` moves by the page's clock; 6 s."""
    style = """
.dot { position: absolute; left: 0; top: 0; width: 70px; height: 70px; border-radius: 50%; }
#count { position: absolute; left: 110px; bottom: 70px; font-size: 120px; }
"""
    body = "".join(f'<div class="dot" style="background:hsl({n * 4} 75% 60%)"></div>' for n in range(90))
    script = """<script>
const dots = [...document.querySelectorAll(".dot")], count = document.getElementById("count");
function draw() {
  const t = performance.now() / 1000;
  dots.forEach((dot, n) => {
    const angle = n * 0.41 + t * (0.4 + n % 5 * 0.06), radius = 120 + n * 4.2 + 40 * Math.sin(t + n);
    dot.style.transform = `translate(${925 + radius * 1.6 * Math.cos(angle)}px, ${480 + radius * Math.sin(angle)}px)`;
  });
  count.textContent = Math.floor(t * 30 + 0.5);
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
</script>"""
    return _write(folder, "raf", 6, f'{body}<div id="count"></div>', style=style, script=script)


def iframe_page(folder: Path) -> Path:
    """A card of another document in a frame, with CSS animations inside and outside of it; 5 s."""
    style = """
iframe { position: absolute; left: 320px; top: 200px; width: 1280px; height: 720px; border: 0; border-radius: 30px;
  animation: tilt 5s ease-in-out both; }
@keyframes tilt { from { transform: scale(.9) rotate(-2deg); } to { transform: scale(1.05) rotate(2deg); } }
"""
    project = _write(folder, "iframe", 5, '<iframe src="card.html"></iframe>', style=style)
    rows = "".join(f'<li style="animation-delay:{0.2 + n * 0.3:.1f}s">Row {n + 1} of the card</li>' for n in range(9))
    font, family = copy_font(project)
    (project / "card.html").write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>card</title><style>{font}\n'
        f"body {{ margin: 0; background: #f4efe6; color: #20242c; font: 44px {family}; }}\n"
        "li { margin: 18px 60px; animation: slide .8s ease-out both; }\n"
        "@keyframes slide { from { transform: translateX(400px); opacity: 0; } }\n"
        f"</style></head><body><ul>{rows}</ul></body></html>\n",
        "utf-8",
    )
    return project


def scenes(folder: Path) -> Path:
    """Three scenes in files, each with its own timeline of GSAP; 9 s."""
    titles = {name: f"Scene {n + 1}" for n, name in enumerate(("opening", "middle", "ending"))}
    return _scene_files(folder, "scenes", titles, seconds=3, hues=(20, 130), text="A file with a timeline.")


def _scene_files(
    folder: Path, name: str, titles: Mapping[str, str], *, seconds: int, hues: tuple[int, int], text: str
) -> Path:
    """Write scenes of one length, by name, which are shown one after the other; ``hues`` are the first hue and the step."""
    hosts = "\n".join(
        f'<div data-composition-id="{scene}" data-composition-src="scenes/{scene}.html" data-start="{seconds * n}"'
        f' data-duration="{seconds}" data-track-index="0" style="position:absolute;inset:0"></div>'
        for n, scene in enumerate(titles)
    )
    head = '<script src="gsap.min.js"></script>'
    project = _write(folder, name, seconds * len(titles), hosts, head=head, root="", script=_EMPTY)
    shutil.copy(GSAP, project / "gsap.min.js")
    (project / "scenes").mkdir()
    for n, (scene, title) in enumerate(titles.items()):
        _scene(project, scene, seconds, hue=hues[0] + hues[1] * n, title=title, text=text)
    return project


def canvas_discs(folder: Path) -> Path:
    """Nine hundred translucent discs that a 2D canvas draws in every frame; 6 s."""
    script = """<script>
const pen = document.querySelector("canvas").getContext("2d");
function draw() {
  const t = performance.now() / 1000;
  pen.fillStyle = "#10131a";
  pen.fillRect(0, 0, 1920, 1080);
  for (let disc = 0; disc < 900; disc++) {
    const angle = disc * 2.39996 + t * 0.5, radius = 17 * Math.sqrt(disc) + 30 * Math.sin(t * 2 + disc);
    pen.fillStyle = `hsl(${(disc * 7 + t * 60) % 360} 80% 60% / .6)`;
    pen.beginPath();
    pen.arc(960 + 1.6 * radius * Math.cos(angle), 540 + radius * Math.sin(angle), 14, 0, 7);
    pen.fill();
  }
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
</script>"""
    body = '<canvas width="1920" height="1080" style="position:absolute;left:0;top:0"></canvas>'
    return _write(folder, "canvas", 6, body, script=script)


def photo_zoom(folder: Path) -> Path:
    """A slow zoom over two photos with a title, by GSAP; 6 s."""
    style = """
.photo { position: absolute; left: -240px; top: -135px; width: 2400px; height: 1350px; }
#title { position: absolute; left: 120px; bottom: 120px; font-size: 96px; text-shadow: 0 4px 30px #000a; }
"""
    body = (
        '<img id="one" class="photo clip" src="one.jpg" data-start="0" data-duration="3" data-track-index="0">'
        '<img id="two" class="photo clip" src="two.jpg" data-start="3" data-duration="3" data-track-index="0">'
        '<div id="title">A slow zoom over a photo</div>'
    )
    script = """<script>
const tl = gsap.timeline({ paused: true });
tl.fromTo("#one", { scale: 1 }, { scale: 1.15, duration: 3, ease: "none" }, 0)
  .fromTo("#two", { scale: 1.15 }, { scale: 1, duration: 3, ease: "none" }, 3)
  .from("#title", { y: 60, opacity: 0, duration: 1 }, 0.3);
window.__timelines = { photo: tl };
</script>"""
    head = '<script src="gsap.min.js"></script>'
    project = _write(folder, "photo", 6, body, style=style, head=head, root="", script=script)
    shutil.copy(GSAP, project / "gsap.min.js")
    for seed, name in enumerate(("one", "two")):
        write_photo(project / f"{name}.jpg", 2400, 1350, seed)
    return project


def uhd_title(folder: Path) -> Path:
    """A title over a gradient in 3840 x 2160; 4 s."""
    style = """
#root { background: linear-gradient(160deg, #17324d, #10131a 60%); }
span { position: absolute; left: 280px; font-size: 300px; animation: rise 1.2s cubic-bezier(.16, 1, .3, 1) both; }
@keyframes rise { from { transform: translateY(200px); opacity: 0; } }
i { position: absolute; left: 280px; top: 1500px; width: 3280px; height: 16px; background: #ffb000; transform-origin: 0 50%;
  animation: grow 3.6s ease-in-out .3s both; }
@keyframes grow { from { transform: scaleX(0); } }
"""
    words = "".join(
        f'<span style="top:{340 + n * 380}px;animation-delay:{n * 0.5}s">{word}</span>'
        for n, word in enumerate(("Four times", "the pixels", "of full HD"))
    )
    return _write(folder, "uhd", 4, f"{words}<i></i>", style=style, size=(3840, 2160))


def minute(folder: Path) -> Path:
    """A minute of twelve scenes in files, which enter, stand still and leave, by GSAP; 60 s."""
    titles = {f"scene-{n + 1}": f"Point {n + 1} of twelve" for n in range(12)}
    text = "Enters in two seconds, stands for two and a half, leaves."
    return _scene_files(folder, "minute", titles, seconds=5, hues=(0, 30), text=text)


def write_photo(path: Path, width: int, height: int, seed: int) -> None:
    """Write a JPEG with detail of all sizes, as photos have: the amplitude falls with the frequency, as f**-1.3.

    Exponents of photos are between -0.8 and -1.5: Tolhurst, Tadmor, Chao, "Amplitude spectra of natural images" (1992).
    """
    random = np.random.default_rng(seed)
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.maximum(np.hypot(x, y), 1 / width)

    def clouds() -> np.ndarray:
        made = np.fft.irfft2(np.fft.rfft2(random.standard_normal((height, width))) / frequency**1.3, s=(height, width))
        return made / made.std()

    luma, warm = 120 + 45 * clouds(), 12 * clouds()
    pixels = np.stack([luma + warm, luma, luma - warm], axis=-1).clip(0, 255).astype(np.uint8)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuvj420p", Fraction(1, 25)
    codec.options = {"qmin": "3", "qmax": "3"}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    path.write_bytes(b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)]))


def _example(name: str) -> Callable[[Path], Path]:
    return lambda _: EXAMPLES / name


SHOWCASES = (
    Showcase("text", "letters in CSS, 4 s", text_animation),
    Showcase("css", "cards in CSS, 6 s", css_shapes),
    Showcase("waapi", "bars in WAAPI, 6 s", waapi_bars),
    Showcase("raf", "elements in rAF, 6 s", raf_elements),
    Showcase("iframe", "a frame, 5 s", iframe_page),
    Showcase("scenes", "three scene files, 9 s", scenes, (GSAP,)),
    Showcase("canvas", "discs on a canvas, 6 s", canvas_discs),
    Showcase("photo", "zoom over photos, 6 s", photo_zoom, (GSAP,)),
    Showcase("gradients", "gradients, 4 s", gradients),
    Showcase("static", "nothing moves, 20 s", lambda folder: static_page(folder, 20)),
    Showcase("uhd", "3840 x 2160, 4 s", uhd_title),
    Showcase("minute", "twelve scene files, 60 s", minute, (GSAP,)),
    Showcase("title", "`examples/title`, 6 s", _example("title")),
    Showcase("data", "`examples/data`, 7 s", _example("data")),
    Showcase("webgl", "`examples/webgl`, 6 s", _example("webgl")),
    Showcase("gsap", "`examples/gsap`, 6 s", _example("gsap"), (GSAP,)),
    Showcase("film", "`examples/film`, 7 s", _example("film"), (FILMS,)),
)

_EMPTY = """<script>
window.__timelines = window.__timelines || {};
window.__timelines[document.getElementById("root").dataset.compositionId] = gsap.timeline({ paused: true });
</script>"""


def _write(
    folder: Path,
    name: str,
    seconds: float,
    body: str,
    *,
    style: str = "",
    head: str = "",
    root: str = " data-no-timeline",
    script: str = "",
    size: tuple[int, int] = (1920, 1080),
) -> Path:
    project = folder / name
    project.mkdir(parents=True)
    font, family = copy_font(project)
    page = _PAGE.format(
        name=name,
        seconds=seconds,
        body=body,
        style=style,
        head=head,
        root=root,
        script=script,
        font=font,
        family=family,
        width=size[0],
        height=size[1],
    )
    (project / "index.html").write_text(page, "utf-8")
    return project


def _scene(project: Path, name: str, seconds: int, *, hue: int, title: str, text: str) -> None:
    page = _SCENE.format(
        name=name,
        seconds=seconds,
        title=title,
        text=text,
        out=seconds - 0.5,
        from_=f"hsl({hue} 45% 22%)",
        to=f"hsl({hue + 40} 50% 38%)",
    )
    (project / "scenes" / f"{name}.html").write_text(page, "utf-8")
