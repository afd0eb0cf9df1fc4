"""A fed video looks like the browser's own <video> of the same file, in every box of CSS and format of pixels."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from page_samples import composition
from slow import sampled
from video_pages import Fed, open_fed, shape_of
from video_samples import to_frame, write_video

from hfdask.browser import browser_thread
from hfdask.browser.chromium import Chromium, begin_frame, context_options
from hfdask.browser.video_feed import Shown
from hfdask.core.planes import ColorSpace, PlaneFormat, Planes
from hfdask.media.alike import beyond_edges
from hfdask.media.picture import Pixels, decode_png
from hfdask.page.server import ORIGIN, Site

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 640, 480
BOXES = {
    "cover": "width:150px;height:60px;object-fit:cover;border-radius:24px",
    "contain": "width:150px;height:100px;object-fit:contain;opacity:.6",
    "position": "width:150px;height:90px;object-fit:none;object-position:10% 80%;background:#f80;border:3px solid #0f0;padding:4px",
    "rotation": "width:120px;height:70px;transform:rotate(11deg);filter:hue-rotate(40deg) blur(1px)",
    "blend": "width:150px;height:90px;clip-path:circle(40%);mix-blend-mode:multiply",
    "twice": "width:320px;height:192px",
    "perspective": "width:150px;height:85px;transform:perspective(300px) rotateY(30deg)",
    "mask": "width:150px;height:85px;mask-image:linear-gradient(90deg,#000,transparent)",
    "shadow": "width:90px;height:54px;filter:drop-shadow(4px 4px 3px #000)",
}
PLACES = [(5, 5), (165, 5), (325, 5), (500, 20), (5, 120), (165, 120), (490, 130), (5, 330), (165, 330)]
VIDEOS = "".join(
    f'<video id="{name}" src="v.mp4" style="position:absolute;left:{left}px;top:{top}px;{css}"></video>'
    for (name, css), (left, top) in zip(BOXES.items(), PLACES, strict=True)
)
PAGE = composition(
    VIDEOS, root="data-duration=9 data-no-timeline", style="#root{background:linear-gradient(90deg,#fff,#08f);width:640px;height:480px}"
    "html,body{margin:0}#root{position:relative;overflow:hidden}"
).replace('data-width="64" data-height="64"', f'data-width="{WIDTH}" data-height="{HEIGHT}"')  # fmt: skip
NATIVE = """(async () => {
  const file = new Blob([await (await fetch("v.bin")).arrayBuffer()], { type: TYPE });
  const when = (video, type) => new Promise((done, fail) => { video["on" + type] = done; video.onerror = () => fail(video.error.message) });
  await Promise.all([...document.querySelectorAll("video")].map(async (video) => {
    const loaded = when(video, "loadeddata"); video.src = URL.createObjectURL(file); await loaded;
    const sought = when(video, "seeked"); video.currentTime = 2.5 / 30; await sought }));
  return 0 })()"""

BT709 = ("bt709", "bt709", "bt709")
BT601 = ("smpte170m", "smpte170m", "smpte170m")
FORMATS: dict[str, tuple[str, str, PlaneFormat, tuple[str, str, str], bool, dict[str, Any]]] = {
    "h264": ("libx264", "yuv420p", "I420", BT709, False, {}),
    "bt601": ("libx264", "yuv420p", "I420", BT601, False, {"color": "smpte170m"}),
    "full_range": ("libx264", "yuvj420p", "I420", BT709, True, {"full_range": True}),
    "10_bit": ("libx264", "yuv420p10le", "I420P10", BT709, False, {}),
    "444": ("libx264", "yuv444p", "I444", BT709, False, {}),
    "vp9": ("libvpx-vp9", "yuv420p", "I420", BT709, False, {}),
    "alpha": (
        "libvpx-vp9",
        "yuva420p",
        "I420A",
        BT709,
        False,
        {"options": {"auto-alt-ref": "0", "lag-in-frames": "0"}},
    ),
    "odd": ("libvpx-vp9", "yuv420p", "I420", BT709, False, {"size": (159, 95)}),
}


def drawing(number: int, width: int, height: int, alpha: bool) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    channels = [(x * 2 + 9 * number) % 230, (y * 3 + 5 * number) % 230, (x + y - 7 * number) % 230]
    if alpha:
        channels.append(x * 255 // (width - 1))
    return np.stack(channels, -1).astype(np.uint8)


def planes_of(path: Path, codec: str, kind: PlaneFormat, color: ColorSpace, number: int) -> Planes:
    """Return the planes of a frame, exactly as decoded."""
    with av.open(str(path)) as file:
        if kind == "I420A":  # only this decoder decodes alpha
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            frames = [frame for packet in file.demux(video=0) for frame in decoder.decode(packet)]
        else:
            frames = list(file.decode(video=0))
    frame = frames[number]
    assert isinstance(frame, av.VideoFrame)
    size = 2 if kind.endswith("P10") else 1
    planes = tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width * size]
        for plane in frame.planes
    )
    return Planes(kind, frame.width, frame.height, planes, color, frame.width, frame.height)


async def native_picture(chromium: Chromium, folder: Path, path: Path) -> bytes:
    """Return a picture of the page without the runtime, in which the browser plays the file."""
    (folder / "page.html").write_text(PAGE)
    chromium.server.site = Site({"index.html": folder / "page.html", "v.bin": path})
    context = await chromium.playwright.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, **context_options(chromium.scale)
    )
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    await page.goto(f"{ORIGIN}/index.html", wait_until="commit")
    kind = "video/webm" if path.suffix == ".webm" else "video/mp4"
    seeking = asyncio.ensure_future(
        cdp.send("Runtime.evaluate", {"expression": NATIVE.replace("TYPE", f'"{kind}"'), "awaitPromise": True})
    )
    while not seeking.done():
        await begin_frame(cdp, chromium, screenshot=None)
        await asyncio.sleep(0.02)
    assert "exceptionDetails" not in seeking.result(), seeking.result()
    pictures: list[str] = []
    while len(pictures) < 6:  # the picture comes some frames after the event
        shot = await begin_frame(cdp, chromium, screenshot={"format": "png"})
        pictures += [shot["screenshotData"]] if "screenshotData" in shot else []  # a busy machine gives some without
        await asyncio.sleep(0.02)
    await context.close()
    return base64.b64decode(pictures[-1])


def encoded(folder: Path, name: str) -> tuple[Path, Planes]:
    """Return a file of a format, and the planes of one of its frames."""
    codec, pix_fmt, kind, names, full, options = FORMATS[name]
    width, height = options.get("size", (160, 96))
    options = {name: value for name, value in options.items() if name != "size"}
    tags = {"color": options.get("color", "bt709"), "full_range": full}
    path = folder / ("v.webm" if "vpx" in codec else "v.mp4")
    frames = [to_frame(drawing(n, width, height, kind == "I420A"), pix_fmt, **tags) for n in range(5)]
    write_video(path, frames, codec=codec, **options)
    return path, planes_of(path, codec, kind, ColorSpace(*names, full), 2)


def states(fed: Fed, planes: Planes) -> dict[str, Shown]:
    return {name: Shown("playing", 2 / 30, 2, 2 / 30, fed.feed.put(name, planes)) for name in BOXES}


@pytest.fixture
def looks(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Pixels, Pixels]:
    """Return pictures of the page with the browser's own videos, and with fed videos."""
    path, planes = encoded(tmp_path, request.param)

    async def native() -> bytes:
        async with browser_thread().pool.lease("beginframe", profile=True) as (chromium, _):
            return await native_picture(chromium, tmp_path, path)

    own = decode_png(browser_thread().run(native(), 60))
    with open_fed(tmp_path, PAGE, dict.fromkeys(BOXES, shape_of(planes)), width=WIDTH, height=HEIGHT) as fed:
        browser_thread().run(fed.page.session.seek(0, videos=states(fed, planes)), 20)
        return own, fed.now()


@pytest.mark.sample("alpha")
@pytest.mark.parametrize("looks", sampled(FORMATS, one_of=6), indirect=True)
def test_a_fed_video_looks_like_the_browsers_own(looks):
    own, fed = looks
    different = np.abs(own.astype(int) - fed.astype(int)).max(axis=-1)
    at = {
        name: int(different[top : top + 90, left : left + 140].max())
        for name, (left, top) in zip(BOXES, PLACES, strict=True)
    }
    assert different.max() == 0, at
    for left, top in PLACES[:2]:  # and the videos show something
        assert own[top + 20 : top + 50, left + 30 : left + 110].std() > 10


@pytest.mark.sample("h264")
@pytest.mark.parametrize("name", sampled(FORMATS, one_of=4))
def test_a_video_in_a_canvas_looks_the_same_but_for_edges(name, tmp_path):
    _, planes = encoded(tmp_path, name)
    pictures = []
    for mode in ("beginframe", "canvas"):
        shapes = dict.fromkeys(BOXES, shape_of(planes))
        with open_fed(tmp_path / mode, PAGE, shapes, width=WIDTH, height=HEIGHT, capture_mode=mode) as fed:
            pictures.append(fed.shot(0, states(fed, planes)))
    composed, drawn = pictures
    assert beyond_edges(composed, drawn) == 0
    for left, top in (PLACES[0], PLACES[2]):
        assert np.array_equal(composed[top : top + 96, left : left + 150], drawn[top : top + 96, left : left + 150])
