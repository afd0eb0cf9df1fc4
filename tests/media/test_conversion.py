"""The conversion of pictures for the encoder: the nearest sample, on every CPU."""

from __future__ import annotations

import subprocess
import sys

import av
import numpy as np
import pytest
from media_samples import planes_of

from hfdask.media.picture import Converter

PIXELS = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
SLOPES = (np.add.outer(np.arange(90), np.arange(160))[..., None] * [1, 2, 3] % 256).astype(np.uint8)
SHARED = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}
"""Rows and columns of pixels that share a sample of chroma."""


@pytest.mark.parametrize("pixels", [PIXELS, SLOPES], ids=["noise", "slopes"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p10le"])
def test_samples_are_the_nearest_to_the_average_of_their_pixels(pixels: np.ndarray, pixel_format: str) -> None:
    """ITU-R BT.709-6, 3.2 to 3.4, in limited range."""
    scale = 4 if "10" in pixel_format else 1
    red, green, blue = np.moveaxis(pixels / 255, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    rows, columns = SHARED[pixel_format[3:6]]

    def chroma(difference: np.ndarray) -> np.ndarray:
        return difference.reshape(90 // rows, rows, 160 // columns, columns).mean((1, 3))

    wanted = [16 + 219 * luma, *(128 + 224 * chroma(each) for each in ((blue - luma) / 1.8556, (red - luma) / 1.5748))]
    converted = Converter(pixel_format).convert(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    for plane, values in zip(planes_of(converted), wanted, strict=True):
        assert np.abs(plane - scale * values).max() < 0.56


_PLANES = """
import ctypes, hashlib, sys
import av
import numpy as np
from hfdask.media.picture import Converter
sys.path.insert(0, {support!r})
from media_samples import planes_of
library = next(line.split()[-1] for line in open("/proc/self/maps") if "libavutil" in line)
flags = int(sys.argv[1])
if flags >= 0:
    ctypes.CDLL(library).av_force_cpu_flags(flags)
digest = hashlib.sha256()
noise = np.random.default_rng(2).integers(0, 65_281, (66, 130, 4), np.uint16)
for source, target, transfer in (
    ("rgb24", "yuv420p", "bt709"),
    ("bgra", "yuv420p", "bt709"),
    ("rgba", "yuva420p", "bt709"),
    ("rgb24", "yuv444p10le", "bt709"),
    ("rgba", "yuva444p10le", "bt709"),
    ("rgb48le", "yuv420p10le", "pq"),
):
    pixels = noise if source == "rgb48le" else (noise >> 8).astype(np.uint8)
    pixels = np.ascontiguousarray(pixels if source.endswith("a") else pixels[..., :3])
    frame = av.VideoFrame.from_ndarray(pixels, format=source)
    for plane in planes_of(Converter(target, transfer).convert(frame)):
        digest.update(plane.tobytes())
print(digest.hexdigest(), ctypes.CDLL(library).av_get_cpu_flags() & 0x8000)
"""


@pytest.mark.slow
def test_all_cpus_convert_alike() -> None:
    """FFmpeg's flags: none, SSE2, SSSE3, SSE4.2, AVX, and what this machine has, of which AVX2 is 0x8000."""
    support = str(next(path for path in sys.path if path.endswith("support")))
    printed = [
        subprocess.run(
            [sys.executable, "-c", _PLANES.format(support=support), str(flags)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for flags in (0, 0x1B, 0xDB, 0x3DB, 0x43DB, -1)
    ]
    assert len({digest for digest, _ in printed}) == 1
    assert [avx2 for _, avx2 in printed[:-1]] == ["0"] * 5
