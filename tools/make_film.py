"""Make the films that `examples/film` shows: mountains at dawn, and the sea at night.

They are drawn by formulas, frame by frame, so no film has to be kept in this repository. Each is H.264, 1920 x 1080, 30
frames a second, about 6 Mbit/s. Their folder is ignored by git. The same versions of NumPy and PyAV make the same files.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "film" / "media"
WIDTH, HEIGHT, FPS, FRAMES = 1920, 1080, 30, 180
GRAIN = 2.6
ENCODER = {"preset": "veryfast", "maxrate": "9M", "bufsize": "12M"}

Array = NDArray[np.float32]
Color = tuple[float, float, float]

ACROSS = np.arange(WIDTH, dtype=np.float32)
DOWN = np.arange(HEIGHT, dtype=np.float32)[:, None]


class Canvas:
    """A picture as planes of BT.709 with values from 0 to 255; colors have half the resolution."""

    def __init__(self, top: Color, bottom: Color, end: float) -> None:
        share = np.clip(DOWN / end, 0, 1)
        self.planes = [
            np.repeat(low + (high - low) * each, size, axis=1)
            for low, high, each, size in zip(
                yuv(top), yuv(bottom), (share, share[::2], share[::2]), (WIDTH, WIDTH // 2, WIDTH // 2), strict=True
            )
        ]

    def lay(self, color: Color, cover: Array, top: int = 0) -> None:
        """Blend a color in at pixels with a ``cover`` (rows, columns) of more than 0. It begins at an even row ``top``."""
        covers = (cover, cover[::2, ::2], cover[::2, ::2])
        tops = (top, top // 2, top // 2)
        for plane, value, each, row in zip(self.planes, yuv(color), covers, tops, strict=True):
            below = plane[row:]
            below += (value - below) * each

    def copy(self) -> Canvas:
        twin = copy.copy(self)
        twin.planes = [plane.copy() for plane in self.planes]
        return twin

    def frame(self, grain: Array) -> av.VideoFrame:
        """Return it with grain, in limited range."""
        luma = 16 + (self.planes[0] + grain) * (219 / 255)
        colors = [128 + (plane - 128) * (224 / 255) for plane in self.planes[1:]]
        packed = np.concatenate([each.ravel() for each in (luma, *colors)])
        samples = np.clip(packed + 0.5, 0, 255).astype(np.uint8).reshape(HEIGHT * 3 // 2, WIDTH)
        frame = av.VideoFrame.from_ndarray(samples, format="yuv420p")
        frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
        return frame


def yuv(color: Color) -> Color:
    """Return Y, U and V of R, G and B, all from 0 to 255."""
    red, green, blue = color
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return luma, (blue - luma) / 1.8556 + 128, (red - luma) / 1.5748 + 128


def mix(one: Color, other: Color, share: float) -> Color:
    return tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def glow(x: float, y: float, radius: float) -> Array:
    """Return a disc that fades out, 1 in its middle."""
    distance = ((ACROSS - x) ** 2 + (DOWN - y) ** 2) / radius**2
    return np.exp(-distance).astype(np.float32)


def disc(x: float, y: float, radius: float) -> Array:
    distance = np.sqrt((ACROSS - x) ** 2 + (DOWN - y) ** 2)
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def doubled(values: Array) -> Array:
    """Return values at twice the rows and columns, with means between neighbors."""
    for _ in range(2):
        between = (values + np.roll(values, -1, axis=0)) / 2
        between[-1] = values[-1]
        values = np.stack([values, between], axis=1).reshape(-1, values.shape[1]).T
    return values


def ridge(seed: int, rough: float) -> Callable[[float], Array]:
    """Return the height of a line of mountains, from -1 to 1, for each column at a distance from the start."""
    random = np.random.default_rng(seed)
    octaves = [
        (2 ** (k / 2) * random.uniform(0.8, 1.2) / 700, rough**k, random.uniform(0, 2 * np.pi)) for k in range(14)
    ]
    total = sum(height for _, height, _ in octaves)

    def heights(at: float) -> Array:
        x = ACROSS + at
        return sum(height * np.sin(x * pitch + phase) for pitch, height, phase in octaves) / total  # type: ignore[no-any-return]

    return heights


def mountains(frames: int) -> Callable[[int], Canvas]:
    """Travel along six ridges, while the sun rises behind them."""
    far, near, mist = (196.0, 150.0, 152.0), (24.0, 26.0, 46.0), (255.0, 206.0, 160.0)
    ridges = [ridge(seed, 0.64 + 0.02 * seed) for seed in range(6)]

    def draw(number: int) -> Canvas:
        seconds, share = number / FPS, number / frames
        canvas = Canvas((58, 74, 128), (255, 178, 120), 640)
        x, y = 1240 - 40 * share, 470 - 230 * share
        canvas.lay((255, 214, 150), 0.75 * glow(x, y, 520))
        canvas.lay((255, 246, 222), disc(x, y, 74))
        for k, heights in enumerate(ridges):
            depth = (k + 1) / len(ridges)
            top = 430 + 96 * k - (150 - 12 * k) * heights(seconds * 12 * 1.9**k)
            first = int(top.min()) // 2 * 2
            below = DOWN[first:] - top
            cover = np.clip(below + 0.5, 0, 1)
            canvas.lay(mix(far, near, depth**0.8), cover, first)
            canvas.lay(mist, cover * (0.5 * (1 - depth) + 0.05) * np.clip(below / 260, 0, 1), first)
        return canvas

    return draw


def sea(frames: int) -> Callable[[int], Canvas]:
    """Look over moving waves to the moon."""
    horizon = 430
    random = np.random.default_rng(7)
    waves = [
        (random.uniform(-0.9, 0.9), random.uniform(0.5, 1) * 1.45**k, random.uniform(0, 2 * np.pi)) for k in range(11)
    ]
    stars = [(random.uniform(0, WIDTH), random.uniform(0, 400), random.uniform(0.7, 1.9)) for _ in range(90)]
    sky = sum(disc(x, y, radius) * random.uniform(0.2, 0.9) for x, y, radius in stars)
    depth = np.maximum(DOWN[horizon:] - horizon + 4, 1) / (HEIGHT - horizon)
    far = 1 / depth[::2]
    side = (ACROSS[::2] - WIDTH / 2) / WIDTH * 3.2 * far
    calm = np.clip(0.16 + depth, 0, 1)
    night = Canvas((6, 12, 38), (38, 78, 112), horizon)
    night.lay((220, 232, 255), sky)

    def draw(number: int) -> Canvas:
        seconds, share = number / FPS, number / frames
        x, y = 700 + 60 * share, 190 - 20 * share
        canvas = night.copy()
        canvas.lay((120, 170, 205), 0.55 * glow(x, y, 330))
        canvas.lay((244, 246, 236), disc(x, y, 62))
        slope = doubled(
            sum(
                np.cos(
                    side * (pitch * np.sin(turn)) + far * (pitch * np.cos(turn)) + seconds * 2.1 * pitch**0.5 + phase
                )
                / pitch**0.25
                for turn, pitch, phase in waves
            )
        )
        path = np.exp(-(((ACROSS - x) / (90 + 620 * depth)) ** 2))
        shine = np.clip(slope * 0.3 * calm + path * 0.78 - 0.35, 0, 1) ** 1.5
        canvas.lay((7, 26, 48), np.ones_like(slope), horizon)
        canvas.lay((58, 122, 150), np.clip(0.16 + slope * 0.07 * calm + 0.2 * (1 - depth), 0, 1), horizon)
        canvas.lay((238, 240, 222), np.clip(shine * 1.7, 0, 1), horizon)
        return canvas

    return draw


FILMS = {"mountains": mountains, "sea": sea}


def make(name: str) -> str:
    """Encode a film, and return what to say of it. An unfinished one does not get its name."""
    path, draw = FOLDER / f"{name}.mp4", FILMS[name](FRAMES)
    random = np.random.default_rng(1)
    noise = random.normal(0, GRAIN, (HEIGHT + 64, WIDTH + 64)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.mp4")
    began = time.monotonic()
    with av.open(part, "w") as container:
        stream = container.add_stream("libx264", FPS, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 6_000_000
        context = stream.codec_context
        context.time_base, context.gop_size, context.max_b_frames, context.thread_count = Fraction(1, FPS), 60, 2, 1
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries = context.color_trc = 1  # BT.709
        for number in range(FRAMES):
            down, across = random.integers(0, 64, 2)
            frame = draw(number).frame(noise[down : down + HEIGHT, across : across + WIDTH])
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(path)
    rate = path.stat().st_size * 8 * FPS / FRAMES / 1e6
    return f"{path.relative_to(FOLDER.parent.parent.parent)}: {FRAMES} frames, {rate:.1f} Mbit/s, {time.monotonic() - began:.0f} s"


def main() -> None:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for film in [pool.submit(make, name) for name in FILMS]:
            print(film.result())


if __name__ == "__main__":
    main()
