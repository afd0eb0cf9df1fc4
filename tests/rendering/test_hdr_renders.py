"""Whole renders in HDR: levels of videos and of layers around them, places, chunks, tags, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from chunked import digests, in_chunks_of, records
from hdr_samples import PATCHES, SIZE, decoded, hdr_video, hlg, levels, patch_levels, patch_of, pq
from video_samples import cached, color_video

import hfdask
from hfdask import errors
from hfdask.browser.session import PageSession
from hfdask.browser.video_feed import Shown
from hfdask.core.model import decode
from hfdask.core.results import FrameRecord
from hfdask.formats.hdr import light_fault
from hfdask.media.picture import Pixels, decode_png
from hfdask.media.transfers import srgb_code, srgb_light
from hfdask.store import split_url

pytestmark = pytest.mark.browser

Transfer = Literal["pq", "hlg"]

FRAMES = 20
WHOLE = "position:absolute;left:0;top:0;width:320px;height:192px"
WHITE = levels([pq(203)] * 3)
EXACT: dict[str, Any] = {"hdr": True, "crf": 1, "check": "off"}


def page(body: str, seconds: float = 2, size: tuple[int, int] = SIZE) -> str:
    return (
        "<style>body { background: #000; margin: 0 } i, video { position: absolute }</style>"
        f'<div data-composition-id="c" data-width="{size[0]}" data-height="{size[1]}" data-duration="{seconds}" data-fps="10" '
        f'data-no-timeline style="background:#000">{body}</div>'
    )


def video(style: str = WHOLE, window: str = 'data-start="0" data-duration="2"', src: str = "film.mp4") -> str:
    return f'<video muted src="{src}" style="{style}" {window}></video>'


def film(transfer: Transfer = "pq") -> bytes:
    return cached(hdr_video, "film.mp4", FRAMES, transfer=transfer).read_bytes()


def still_film() -> bytes:
    return cached(hdr_video, "still.mp4", 1).read_bytes()


Render = Callable[..., list[np.ndarray]]


@pytest.fixture
def rendered(project: Callable[..., Path], tmp_path: Path) -> Render:
    """Render a page with ``film.mp4``, and decode the video."""

    def render(html: str, content: bytes, **options: Any) -> list[np.ndarray]:
        folder = project(html, **{"film.mp4": content})
        hfdask.render(folder, tmp_path / "out.mp4", **{**EXACT, **options})
        return [frame.astype(int) for frame in decoded(tmp_path / "out.mp4")]

    return render


@pytest.mark.parametrize("transfer", ["pq", pytest.param("hlg", marks=pytest.mark.slow)])
def test_a_video_keeps_its_levels_and_a_layer_above_has_the_white_of_graphics(rendered, transfer):
    title = '<i style="left:250px;top:110px;width:40px;height:20px;background:#fff"></i>'
    frames = rendered(page(video() + title), film(transfer), chunk_size=7)
    assert len(frames) == FRAMES
    white = levels([pq(203) if transfer == "pq" else hlg(0.26496)] * 3)
    for number, frame in enumerate(frames):
        assert np.abs(frame[112:128, 252:288] - white).max() <= 3
        for place, expected in enumerate(patch_levels(number, transfer)):
            found = patch_of(frame, place)
            assert np.abs((found[24:] if place == 7 else found) - expected).max() <= 2, (number, place)


def test_layers_corners_and_opacity_mix_with_the_light_of_the_video(rendered):
    # Three quarters of the sample are rounded off, its first patch is below half a layer, its second one is half transparent.
    body = (
        f"{video('left:0;top:0;width:320px;height:192px;border-radius:60px')}"
        '<i style="left:0;top:0;width:80px;height:96px;background:#fff8"></i>'
        '<i style="left:80px;top:0;width:80px;height:96px;background:#0008"></i>'
        '<i style="left:160px;top:0;width:80px;height:96px;background:#0008"></i>'
    )
    [frame] = rendered(page(body, 0.1), still_film())

    def mixed(layer: float, nits: float) -> list[float]:
        share = 0x88 / 255
        value = share * layer + (1 - share) * srgb_code(np.array(nits / 203))
        return [pq(203 * float(srgb_light(value)))] * 3

    for place, layer in ((0, 1.0), (1, 0.0), (2, 0.0)):
        expected = levels(mixed(layer, PATCHES[place][0]))
        assert np.abs(patch_of(frame, place) - expected).max() <= 3, place
    assert np.abs(frame[180:, 300:] - (64, 512, 512)).max() <= 2  # the corner
    assert np.abs(frame[184:, 100:140] - patch_levels(0, "pq")[5]).max() <= 2


# ITU-R BT.2407, 2: linear BT.2020 to linear BT.709.
TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def halves(*colors: tuple[float, ...]) -> tuple[int, int, int]:
    """Return the levels of a mixture in equal parts, by sRGB values in BT.709, of light in cd/m² of BT.2020."""
    values = [np.array(color) / 203 @ TO_BT709.T for color in colors]
    mixed = sum(np.copysign(srgb_code(np.abs(value)), value) for value in values) / len(colors)
    light = 203 * np.linalg.solve(TO_BT709, np.copysign(srgb_light(np.abs(mixed)), mixed))
    return levels([pq(max(0, part)) for part in light])


@pytest.mark.slow
def test_overlapping_videos_and_videos_in_sdr_have_their_own_light(project, tmp_path):
    body = (
        video()
        + video("left:0;top:96px;width:320px;height:192px;opacity:0.5", src="other.mp4")
        + video("left:240px;top:0;width:80px;height:48px", src="sdr.mp4")
    )
    sdr = cached(color_video, "sdr.mp4", [(255, 255, 255)], size=(160, 96)).read_bytes()
    other = cached(hdr_video, "hlg.mp4", 1, transfer="hlg").read_bytes()
    folder = project(page(body, 0.1), **{"film.mp4": still_film(), "other.mp4": other, "sdr.mp4": sdr})
    hfdask.render(folder, tmp_path / "out.mp4", **EXACT)
    [frame] = (each.astype(int) for each in decoded(tmp_path / "out.mp4"))
    assert np.abs(frame[4:44, 244:316] - WHITE).max() <= 3
    for place in range(4):
        # HLG's share of the scene's light, as a display of 1000 cd/m² shows it, over the second row of the film in PQ.
        above = tuple(1000 * (nits / 1000) ** 1.2 for nits in PATCHES[place])
        below = [*PATCHES, (20.0,) * 3][place + 4]
        assert np.abs(patch_of(frame, place + 4) - halves(above, below)).max() <= 4, place


MOVING = (
    "<style>@keyframes go { to { translate: 200px 0 } } #m { animation: go 1s linear 0.7s both }</style>"
    '<i id="m" style="left:5px;top:80px;width:60px;height:30px;background:#28f8"></i>'
)


@pytest.mark.slow
def test_chunks_of_any_length_have_the_same_frames_and_files_have_the_same_bytes(project, tmp_path):
    window = 'data-start="0.3" data-duration="1.4"'
    folder = project(page(video(window=window) + MOVING), **{"film.mp4": film()})
    plan = hfdask.plan(folder, tmp_path / "plan", chunk_size=3600, **EXACT)
    whole = records(plan, tmp_path / "whole")
    assert [chunk.sha256 for chunk in records(plan, tmp_path / "again")] == [chunk.sha256 for chunk in whole]
    assert digests(records(plan, tmp_path / "every", damage_test=False)) == digests(whole)
    for size in (7, 13):
        parts = records(in_chunks_of(plan, tmp_path / f"plan-{size}", size), tmp_path / str(size))
        assert digests(parts) == digests(whole)
        assert [part.before_digest for part in parts[1:]] == [part.last_digest for part in parts[:-1]]


def test_a_page_that_stays_is_not_captured_again_while_its_video_moves(project, tmp_path):
    plan = hfdask.plan(project(page(video()), **{"film.mp4": film()}), tmp_path / "plan", chunk_size=3600, **EXACT)
    [chunk] = records(plan, tmp_path)
    store, name = split_url(chunk.frames_url)
    frames = decode(store.read(name), FrameRecord, name)
    assert frames.damage == (True,) * FRAMES
    assert frames.taken == (True, True) + (False,) * (FRAMES - 2)


@pytest.mark.sample("hlg-18")
@pytest.mark.parametrize(("transfer", "curve"), [("pq", 16), ("hlg", 18)])
def test_players_read_the_colors_and_the_light(rendered, tmp_path, transfer, curve):
    content = cached(hdr_video, "short.mp4", 1, transfer=transfer).read_bytes()
    rendered(page(video(), 0.2), content, quality="draft", crf=None)
    with av.open(str(tmp_path / "out.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt, context.profile) == ("hevc", "yuv420p10le", "Main 10")
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tuple(map(int, tags)) == (9, curve, 9, 1)
        for frame in file.decode(video=0):
            assert light_fault(frame) == ""


BOXES = {
    "contain": "left:170px;top:0;width:160px;height:120px;object-fit:contain",
    "cover": "left:340px;top:0;width:120px;height:120px;object-fit:cover;object-position:25% 50%",
    "none": "left:470px;top:0;width:120px;height:120px;object-fit:none;object-position:calc(100% - 10px) 20px",
    "border": "left:0;top:130px;width:120px;height:70px;border:5px solid #000;padding:3px 9px 6px 2px;object-fit:contain;"
    "box-sizing:border-box",
    "moved": "left:150.4px;top:130.3px;width:120px;height:72px",
    "turned": "left:300px;top:140px;width:120px;height:72px;transform:rotate(20deg) scale(0.9)",
    "depth": "left:450px;top:140px;width:140px;height:84px;transform:perspective(300px) rotateY(35deg)",
    "mirrored": "left:0;top:240px;width:120px;height:72px;transform:scaleX(-1)",
    "zoomed": "left:70px;top:120px;width:60px;height:36px;zoom:2",
    "skewed": "left:450px;top:240px;width:120px;height:72px;transform:translate(3.7px,2.2px) skewX(12deg)",
}


INNER = video("left:15px;top:12px;width:140px;height:84px")
PLACES = f"""
<iframe src="in.html" style="position:absolute;left:20px;top:10px;width:200px;height:130px;border:3px solid #000;rotate:5deg"></iframe>
<div style="position:absolute;left:300px;top:20px"><template shadowrootmode="open"><style>video {{ position: absolute }}</style>{INNER}</template></div>
<div style="position:absolute;left:20px;top:180px" data-composition-id="s" data-composition-src="scene.html" data-start="0"
data-duration="2"></div>
<section style="position:absolute;left:300px;top:180px;width:150px;height:100px;overflow:hidden;border-radius:20px">
<div style="transform:translate(-20px,-10px) scale(1.3)">{INNER}</div></section>
<div style="position:absolute;left:470px;top:180px;perspective:200px"><div style="transform:rotateX(30deg);transform-style:preserve-3d">
<div style="transform:rotateY(20deg) translateZ(-100px)">{INNER}</div></div></div>"""
OTHERS = {
    "in.html": f"<style>video {{ position: absolute }}</style><body style='margin:0;background:#000'>{INNER}",
    "scene.html": '<template><div data-composition-id="s" data-width="200" data-height="120" data-duration="2" data-no-timeline>'
    f"{INNER}</div></template>",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "scale"),
    [
        ("".join(map(video, BOXES.values())), 1),
        (PLACES, 1),
        ("".join(map(video, BOXES.values())), 2),
    ],
    ids=["boxes", "places", "large"],
)
def test_videos_are_where_the_browser_puts_them(project, tmp_path, body, scale):
    """Both stills are mapped to SDR: before the page in one, and after it in the other."""
    folder = project(page(body, 0.1, (600, 330)), **{"film.mp4": still_film(), **OTHERS})
    pictures: list[Pixels] = []
    for hdr in (False, True):
        hfdask.still(folder, 0, tmp_path / "still.png", hdr=hdr, scale=scale)
        pictures.append(decode_png((tmp_path / "still.png").read_bytes()))
    differences = np.abs(pictures[0].astype(int) - pictures[1]).max(-1)
    flat = _far_from_edges(pictures[0])
    assert flat.mean() > 0.7
    assert differences[flat].max() <= 10


def _far_from_edges(picture: Pixels, distance: int = 3) -> np.ndarray:
    """Return a mask of the pixels around which all have nearly the same color."""
    low = high = picture.astype(int)
    for axis in (0, 1):
        shifted = [np.roll(low, step, axis) for step in range(-distance, distance + 1)]
        others = [np.roll(high, step, axis) for step in range(-distance, distance + 1)]
        low, high = np.minimum.reduce(shifted), np.maximum.reduce(others)
    return np.asarray((high - low).max(-1) < 6)


def test_a_page_without_hdr_videos_is_hlg_with_a_warning(project, tmp_path):
    white = '<i style="left:0;top:0;width:320px;height:192px;background:#fff"></i>'
    result = hfdask.render(project(page(white, 0.2)), tmp_path / "out.mp4", **EXACT)
    assert [text for text in result.warnings if "no video of the page is in HDR" in text]
    for frame in decoded(tmp_path / "out.mp4"):
        assert np.abs(frame.astype(int) - levels([hlg(0.26496)] * 3)).max() <= 3


@pytest.mark.parametrize(
    "script",
    [
        "canvas.getContext('2d').drawImage(video, 0, 0)",
        pytest.param("new VideoFrame(video).close()", marks=pytest.mark.slow),
        pytest.param(
            "(gl => gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, video))(canvas.getContext('webgl'))",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["canvas", "frame", "texture"],
)
def test_a_script_that_reads_an_hdr_video_ends_planning(project, tmp_path, script):
    body = f"""{video()}<canvas></canvas><script>
    const video = document.querySelector("video"), canvas = document.querySelector("canvas");
    addEventListener("hf-seek", () => {{ {script} }})</script>"""
    folder = project(page(body, 0.2), **{"film.mp4": still_film()})
    with pytest.raises(errors.ScriptError, match="is in HDR"):
        hfdask.plan(folder, tmp_path / "plan", **EXACT)


def test_what_does_not_change_hdr_videos_is_a_warning(project, tmp_path):
    body = (
        f'<section style="filter:blur(2px);-webkit-box-reflect:below 0px">{video(WHOLE + ";object-view-box:inset(10%)")}</section><i id="a" style="width:9px;height:9px;mix-blend-mode:overlay"></i>'
        '<i id="b" style="width:9px;height:9px;backdrop-filter:blur(2px)"></i>'
        '<i style="width:9px;height:9px;mix-blend-mode:multiply;filter:drop-shadow(0 0 2px #000)"></i>'
    )
    plan = hfdask.plan(project(page(body, 0.2), **{"film.mp4": still_film()}), tmp_path / "plan", **EXACT)
    told = [text for text in plan.manifest.warnings if text.startswith("in HDR, ")]
    assert [text.split(" of ")[0].removeprefix("in HDR, the ") for text in told] == [
        "-webkit-box-reflect",
        "backdrop-filter",
        "filter",
        "mix-blend-mode",
        "object-view-box",
    ]


@pytest.mark.slow
def test_a_video_is_back_at_its_own_frame_after_it_had_no_box(rendered):
    script = """<script>addEventListener("hf-seek", ({ detail: { time } }) => {
      const frame = Math.round(time * 10);
      document.querySelector("video").style.display = frame >= 2 && frame < 5 ? "none" : "" })</script>"""
    frames = rendered(page(video() + script, 0.8), film())
    for number, frame in enumerate(frames):
        expected = (64, 512, 512) if 2 <= number < 5 else patch_levels(number, "pq")[7]
        assert np.abs(patch_of(frame, 7) - expected).max() <= 2, number


@pytest.mark.slow
def test_the_page_after_a_killed_browser_goes_on_with_the_same_frames(project, tmp_path, monkeypatch):
    plan = hfdask.plan(
        project(page(video() + MOVING), **{"film.mp4": film()}), tmp_path / "plan", chunk_size=99, **EXACT
    )
    whole = digests(records(plan, tmp_path / "whole"))
    shown: list[int] = []
    show = PageSession.show_videos

    async def deadly(self: PageSession, videos: Mapping[str, Shown]) -> None:
        shown.append(len(shown))
        if len(shown) == 6:  # between the pictures of a frame
            self.chromium.kill()
        await show(self, videos)

    monkeypatch.setattr(PageSession, "show_videos", deadly)
    assert digests(records(plan, tmp_path / "again")) == whole
    assert len(shown) > 6


@pytest.mark.slow
def test_screenshots_show_the_same_levels(rendered):
    [frame] = rendered(page(video(), 0.1), still_film(), capture="screenshot")
    for place, expected in enumerate(patch_levels(0, "pq")):
        assert np.abs(patch_of(frame, place) - expected).max() <= 2, place


@pytest.mark.slow
def test_a_certificate_holds_and_chunks_are_reused(project, tmp_path):
    folder = project(page(video() + MOVING), **{"film.mp4": film()})
    options: dict[str, Any] = {**EXACT, "plan_dir": tmp_path / "plan", "chunk_size": 7, "certificate": True}
    made = hfdask.render(folder, tmp_path / "a.mp4", **options)
    assert all(seam.equal for seam in made.seams)
    assert hfdask.verify(made.output, sample=3).checked == (0, 10, 19)
    again = hfdask.render(folder, tmp_path / "b.mp4", **options)
    assert all(chunk.reused for chunk in again.chunks)
    hfdask.contact_sheet(folder, tmp_path / "sheet.png", hdr=True, count=4)
