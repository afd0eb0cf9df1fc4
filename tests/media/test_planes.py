"""Planes have the colors, the transparency and the size of the decoded frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import msgspec
import numpy as np
import pytest
from av.filter import Graph
from numpy.typing import NDArray
from video_samples import alpha_ramp, bar_code, cached, color_video, luma, read_bar_code, to_frame, write_video

from hfdask.core.planes import Planes
from hfdask.core.video_source import Ratio, TimeBase, VideoSource
from hfdask.errors import VideoSourceError
from hfdask.media.planes import planes_nbytes, planes_of
from hfdask.media.probe import probe_video
from hfdask.media.tone import to_sdr
from hfdask.media.video_reader import VideoReader

SOURCE = VideoSource(
    container="matroska,webm",
    codec="ffv1",
    pixel_format="yuv420p",
    stream=0,
    width=64,
    height=64,
    display_width=64,
    display_height=64,
    rotation=0,
    flip=False,
    primaries="bt709",
    transfer="bt709",
    matrix="bt709",
    full_range=False,
    alpha=False,
    interlaced=False,
    time_base=TimeBase(num=1, den=1000),
    lead=Ratio(num=0, den=1),
    playable=Ratio(num=1, den=1),
    rate=Ratio(num=30, den=1),
    variable=False,
    sound=False,
)
LUMA = {  # shares of red and blue: ITU-R BT.709, BT.601, BT.2020
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt2020-ncl": (0.2627, 0.0593),
}
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (200, 120, 40), (0, 0, 0), (255, 255, 255)]


def source_of(frame: av.VideoFrame, **changes: Any) -> VideoSource:
    size = {"width": frame.width, "height": frame.height, "display_width": frame.width, "display_height": frame.height}
    return msgspec.structs.replace(SOURCE, **(size | {"pixel_format": frame.format.name} | changes))


def samples_of(planes: Planes) -> list[NDArray[np.float64]]:
    kind = "<u2" if "P10" in planes.format else np.uint8
    return [np.ascontiguousarray(plane).view(kind).astype(float) for plane in planes.planes]


def rgb_of(planes: Planes) -> NDArray[np.float64]:
    """Return RGB from 0 to 255, by exact arithmetic, with repeated chroma samples."""
    top = 4 if "P10" in planes.format else 1
    red, blue = LUMA[planes.color.matrix]
    y, u, v = samples_of(planes)[:3]
    if planes.color.full_range:
        levels = top * 256 - 1
        y, u, v = y / levels, (u - 128 * top) / levels, (v - 128 * top) / levels
    else:
        y, u, v = (y - 16 * top) / (219 * top), (u - 128 * top) / (224 * top), (v - 128 * top) / (224 * top)
    across, down = -(-planes.width // u.shape[1]), -(-planes.height // u.shape[0])
    u, v = (np.repeat(np.repeat(c, down, 0), across, 1)[: planes.height, : planes.width] for c in (u, v))
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], -1), 0, 1) * 255


FORMATS = {
    "yuv420p": "I420",
    "yuvj420p": "I420",
    "nv12": "I420",
    "yuv410p": "I420",
    "yuv422p": "I422",
    "yuyv422": "I422",
    "yuv411p": "I422",
    "yuv444p": "I444",
    "yuv440p": "I444",
    "yuv420p10le": "I420P10",
    "yuv420p10be": "I420P10",
    "p010le": "I420P10",
    "yuv420p12le": "I420P10",
    "yuv422p10le": "I422P10",
    "yuv444p10le": "I444P10",
    "yuv444p16le": "I444P10",
    "yuva420p": "I420A",
    "yuva422p": "I422A",
    "yuva444p": "I444A",
    "yuva420p10le": "I420AP10",
    "yuva422p10le": "I422AP10",
    "yuva444p10le": "I444AP10",
    "yuva444p12le": "I444AP10",
    "rgb24": "I444",
    "bgra": "I444A",
    "gbrp": "I444",
    "gbrp10le": "I444P10",
    "rgb48le": "I444P10",
    "gbrap12le": "I444AP10",
}


@pytest.mark.parametrize("pix_fmt", [*FORMATS, "gray", "gray10le"])
@pytest.mark.parametrize("size", [(64, 64), (77, 51), (78, 51), (77, 52)])
def test_there_is_room_for_the_planes_of_each_size(pix_fmt, size):
    frame = to_frame(np.zeros((size[1], size[0], 3), np.uint8), pix_fmt)
    matrix = "rgb" if frame.format.is_rgb else "bt709"
    for transfer in ("bt709", "pq"):
        source = source_of(frame, matrix=matrix, transfer=transfer)
        assert planes_nbytes(source) == planes_of(frame, source).nbytes


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("color", COLORS)
def test_each_pixel_format_keeps_its_colors(pix_fmt, color):
    full = pix_fmt.startswith("yuvj")
    frame = to_frame(np.full((64, 64, 3), color, np.uint8), pix_fmt, full_range=full)
    is_rgb = frame.format.is_rgb
    source = source_of(frame, matrix="rgb" if is_rgb else "bt709", full_range=full or is_rgb)
    planes = planes_of(frame, source)
    assert planes.format == FORMATS[pix_fmt]
    tolerance = 1.0 if "P10" in planes.format else 3.1
    assert abs(rgb_of(planes) - color).max() <= tolerance
    if "A" in planes.format:
        assert samples_of(planes)[3].min() == (1023 if "P10" in planes.format else 255)


@pytest.mark.parametrize(
    ("pix_fmt", "kind", "shift"),
    [("gray", "u1", 0), ("gray10le", "<u2", 2), ("gray12le", "<u2", 4), ("gray16be", ">u2", 8)],
)
@pytest.mark.parametrize("level", [16, 102, 235])
def test_grey_pictures_have_no_colors(pix_fmt, kind, shift, level):
    frame = av.VideoFrame(65, 63, pix_fmt)
    plane = frame.planes[0]
    plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, level << shift, kind).tobytes())
    planes = planes_of(frame, source_of(frame))
    assert planes.format == ("I420P10" if shift else "I420")
    assert [samples.shape for samples in samples_of(planes)] == [(63, 65), (32, 33), (32, 33)]
    assert abs(rgb_of(planes) - (level - 16) / 219 * 255).max() <= 0.6


def test_grey_pictures_keep_their_transparency():
    frame = to_frame(alpha_ramp(), "ya8")
    planes = planes_of(frame, source_of(frame))
    assert planes.format == "I420A"
    assert abs(samples_of(planes)[3] - alpha_ramp()[..., 3]).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuva420p", "yuv422p", "yuv444p10le", "yuva444p10le"])
@pytest.mark.parametrize("size", [(64, 64), (77, 51), (1, 1), (3, 2)])
def test_planes_that_browsers_know_are_handed_over_as_decoded(pix_fmt, size):
    width, height = size
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 4), dtype=np.uint8)
    frame = to_frame(noise, pix_fmt)
    planes = planes_of(frame, source_of(frame), widen=False)
    down, across = (2 if "420" in pix_fmt else 1), (1 if "444" in pix_fmt else 2)
    shapes = [(height, width), *[(-(-height // down), -(-width // across))] * 2, (height, width)]
    assert [plane.shape for plane in samples_of(planes)] == shapes[: len(planes.planes)]
    assert np.array_equal(samples_of(planes)[0], luma(frame))
    assert not planes.color.full_range
    memory = np.frombuffer(memoryview(frame.planes[0]), np.uint8)
    assert np.shares_memory(planes.planes[0], memory)
    assert sum(part["offset"] >= 0 for part in planes.options()["layout"]) == len(planes.planes)


@pytest.mark.parametrize(
    ("pix_fmt", "matrix"),
    [
        ("yuv444p", "bt709"),
        ("yuv444p", "bt2020-ncl"),
        *(("yuv444p10le", matrix) for matrix in ("bt709", "bt2020-ncl", "smpte170m", "bt470bg")),
    ],
)
def test_limited_range_is_widened_exactly(pix_fmt, matrix):
    one, kind, side = (4, "<u2", 32) if "10" in pix_fmt else (1, "u1", 16)  # levels of 8 bits in one of these
    x = np.arange(256 * one)
    frame = av.VideoFrame(side, side, pix_fmt)
    for plane in frame.planes:
        rows = np.zeros((side, plane.line_size // np.dtype(kind).itemsize), kind)
        rows[:, :side] = x.reshape(side, side)
        plane.update(rows.tobytes())
    planes = planes_of(frame, source_of(frame, matrix=matrix))
    assert planes.color.full_range
    y, u, v = (samples.ravel() for samples in samples_of(planes))
    top = x[-1]
    assert np.array_equal(y, np.clip(np.floor((x - 16 * one) * top / (219 * one) + 0.5), 0, top))
    assert np.array_equal(u, np.clip(np.floor((x - 128 * one) * top / (224 * one) + 128 * one + 0.5), 0, top))
    assert np.array_equal(u, v)
    assert [y[16 * one], y[235 * one], u[128 * one]] == [0, top, 128 * one]


def test_widening_changes_no_color_by_more_than_a_level():
    frame = to_frame(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8), "yuv444p")
    source = source_of(frame)
    assert abs(rgb_of(planes_of(frame, source)) - rgb_of(planes_of(frame, source, widen=False))).max() < 1.5


@pytest.mark.parametrize(
    ("pix_fmt", "changes"),
    [
        ("yuv420p", {"matrix": "smpte170m"}),
        ("yuv420p", {"matrix": "bt470bg"}),
        ("yuv420p", {"full_range": True}),
        ("yuv420p10le", {"full_range": True}),
    ],
)
def test_nothing_else_is_widened(pix_fmt, changes):
    frame = to_frame(bar_code(3, 64, 64), pix_fmt)
    planes = planes_of(frame, source_of(frame, **changes))
    assert np.array_equal(samples_of(planes)[0], luma(frame))
    assert planes.color.full_range == changes.get("full_range", False)


@pytest.mark.parametrize("pix_fmt", ["yuva420p", "yuva444p", "rgba", "yuva444p10le", "yuva444p12le"])
def test_transparency_is_kept_and_not_widened(pix_fmt):
    ramp = alpha_ramp()
    frame = to_frame(ramp, pix_fmt)
    planes = planes_of(frame, source_of(frame, matrix="rgb" if frame.format.is_rgb else "bt709"))
    alpha = samples_of(planes)[3] / (1023 if "P10" in planes.format else 255) * 255
    assert abs(alpha - ramp[..., 3]).max() <= 1
    assert (alpha[:, 0].max(), alpha[:, -1].min()) == (0, 255)


def test_frames_of_another_size_are_scaled_to_the_source():
    frame = to_frame(bar_code(77, 96, 48))
    planes = planes_of(frame, source_of(frame, width=64, height=32))
    assert (planes.width, planes.height) == (64, 32)
    assert read_bar_code(samples_of(planes)[0]) == 77


def test_frames_that_lie_upside_down_in_memory_are_upright():
    frame = to_frame(bar_code(5, 64, 64)[::-1])
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=64, height=64, format=frame.format, time_base=Fraction(1, 25)),
        graph.add("vflip"),
        graph.add("buffersink"),
    ).configure()
    graph.vpush(frame)
    flipped = graph.vpull()
    assert flipped.planes[0].line_size < 0
    assert read_bar_code(samples_of(planes_of(flipped, source_of(flipped)))[0]) == 5


def test_display_size_and_turning_are_those_of_the_source():
    frame = to_frame(bar_code(1, 64, 64))
    planes = planes_of(frame, source_of(frame, display_width=85, rotation=270, flip=True))
    options = planes.options()
    assert (options["displayWidth"], options["displayHeight"], options["rotation"], options["flip"]) == (
        85,
        64,
        270,
        True,
    )


def test_pixels_of_sensors_are_refused():
    frame = av.VideoFrame(64, 64, "bayer_rggb8")
    with pytest.raises(VideoSourceError, match="bayer_rggb8"):
        planes_of(frame, source_of(frame))


FILES: list[tuple[str, dict[str, Any]]] = [
    ("bt709.mp4", {}),
    ("bt601.mp4", {"color": "smpte170m"}),
    ("bt470bg.mp4", {"color": "bt601"}),
    ("bt2020.mp4", {"color": "bt2020", "pix_fmt": "yuv420p10le"}),
    ("full.mp4", {"full_range": True}),
    ("untagged.mp4", {"color": None, "encoded": "smpte170m"}),
    ("hevc.mp4", {"codec": "libx265"}),
    ("vp9-alpha.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"}),
    ("prores.mov", {"codec": "prores_ks", "pix_fmt": "yuva444p10le"}),
    ("av1.mp4", {"codec": "libsvtav1", "pix_fmt": "yuv420p10le", "options": {"crf": "35"}}),
    ("mjpeg.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "full_range": True, "color": "bt601"}),
    ("png.mov", {"codec": "png", "pix_fmt": "rgba", "color": "rgb", "full_range": None}),
    ("x264rgb.mkv", {"codec": "libx264rgb", "pix_fmt": "rgb24", "color": "rgb"}),
]


@pytest.mark.parametrize(("name", "options"), FILES)
def test_colors_survive_from_file_to_planes(name, options):
    encoded = options.get("encoded", options.get("color", "bt709"))
    pix_fmt, full = options.get("pix_fmt", "yuv420p"), bool(options.get("full_range", False))
    rest = {key: value for key, value in options.items() if key not in ("encoded", "pix_fmt")}
    frames = [to_frame(np.full((64, 64, 3), c, np.uint8), pix_fmt, color=encoded, full_range=full) for c in COLORS]
    path = cached(write_video, name, frames, 30, bframes=0, **rest)
    source, index = probe_video(path)
    with VideoReader(path, source, index) as reader:
        for number, color in enumerate(COLORS):
            shown = rgb_of(planes_of(reader.frame(number), source))[16:48, 16:48].mean((0, 1))
            assert abs(shown - color).max() < 5, (name, color)


@pytest.mark.parametrize(("codec", "name"), [("libvpx-vp9", "a.webm"), ("libvpx", "a.webm"), ("prores_ks", "a.mov")])
def test_transparency_survives_from_file_to_planes(codec, name):
    pix_fmt = "yuva444p10le" if codec == "prores_ks" else "yuva420p"
    path = cached(color_video, name, [(200, 120, 40, a) for a in (0, 64, 255)], codec=codec, pix_fmt=pix_fmt)
    source, index = probe_video(path)
    assert source.alpha
    with VideoReader(path, source, index) as reader:
        for number, alpha in enumerate((0, 64, 255)):
            planes = planes_of(reader.frame(number), source)
            levels = 1023 if "P10" in planes.format else 255
            assert samples_of(planes)[3].mean() / levels * 255 == pytest.approx(alpha, abs=2)


def pq(nits: float) -> float:
    """Return the PQ signal of a brightness (SMPTE ST 2084, equation 5.2)."""
    y = (nits / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32))


# (Hable's curve at x, over that at 10) to the power of 1 / 2.4. At x = 1: (0.204 / 0.71 - 1 / 15) / 0.7062 = 0.3125.
BRIGHTNESS = {0: 0.0, 100: 0.6159, 203: 0.7561, 1000: 1.0, 10_000: 1.0}


@pytest.mark.parametrize(("nits", "expected"), BRIGHTNESS.items())
def test_hdr_greys_follow_the_curve(nits, expected):
    assert to_sdr(np.full(3, pq(nits)), "pq") == pytest.approx([expected] * 3, abs=2e-3)


def test_hlg_is_mapped_like_the_same_light_in_pq():
    assert to_sdr(np.full(3, 1.0), "hlg") == pytest.approx([1.0] * 3, abs=2e-3)
    assert to_sdr(np.full(3, 0.75), "hlg") == pytest.approx(to_sdr(np.full(3, pq(203)), "pq"), abs=5e-3)  # BT.2408


def test_colors_of_bt709_keep_their_hue():
    red = np.array([0.6274, 0.0691, 0.0164])  # BT.709's red in linear BT.2020
    shown = to_sdr(np.array([pq(203 * part) for part in red]), "pq")
    assert shown[0] > 0.7
    assert shown[1:] == pytest.approx([0, 0], abs=0.12)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuva444p10le", "gray10le"])
def test_hdr_pictures_come_in_sdr(pix_fmt, full_range, transfer):
    colors = [(120, 120, 120), (40, 60, 80), (150, 150, 60), (0, 0, 0)] if "yuv" in pix_fmt else [(99, 99, 99)]
    for color in colors:
        frame = to_frame(np.full((32, 48, 3), color, np.uint8), pix_fmt, color=transfer, full_range=full_range)
        source = source_of(frame, primaries="bt2020", transfer=transfer, matrix="bt2020-ncl", full_range=full_range)
        planes = planes_of(frame, source)
        assert "P10" not in planes.format
        assert planes.color.full_range
        assert (planes.color.matrix, planes.color.transfer, planes.color.primaries) == ("bt709",) * 3
        expected = to_sdr(np.array(color) / 255, transfer) * 255
        assert abs(rgb_of(planes) - expected).max() < 5, color
        if "yuva" in pix_fmt:
            assert samples_of(planes)[3].min() == 255
