"""Every format with every codec, with and without alpha: chunks, outputs, and the pictures that players show."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from media_samples import picture

from hfdask.core.model import EncoderSettings
from hfdask.formats.animation import Animation
from hfdask.formats.codec import Codec
from hfdask.formats.decoding import decoder_of
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.format import Format, Planned
from hfdask.formats.hls import HLS
from hfdask.formats.join import ChunkSource, frame_tick
from hfdask.formats.table import FORMATS
from hfdask.media.captured import Picture
from hfdask.media.picture import Pixels, decode_frame, encode_png
from hfdask.media.sound_file import SoundFile

WIDTH, HEIGHT = 80, 64
RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001)]


@dataclass(frozen=True)
class Variant:
    """A format with one of its codecs, with or without alpha."""

    format: Format
    codec: Codec
    alpha: bool

    def __str__(self) -> str:
        return f"{self.format.name}-{self.codec.name}{'-alpha' if self.alpha else ''}"

    def settings(self, fps: Fraction, quality: str = "draft") -> EncoderSettings:
        return self.format.settings(quality, None, None, fps, codec=self.codec.name, alpha=self.alpha)

    def output(self, folder: Path, name: str = "out") -> Path:
        return folder / (name + self.format.suffixes[0])


# Animations are encoded when they are joined: `tests/formats/test_animated_formats.py`.
VARIANTS = [
    Variant(format, codec, alpha)
    for format in FORMATS.values()
    for codec in format.codecs
    for alpha in (False, True)
    if (not alpha or codec.transparent is not None) and not isinstance(format, Animation)
]

WITH_SOUND = [
    each
    for each in VARIANTS
    if each.format.sound is not None
    and each.codec == each.format.codecs[0]
    and not each.alpha
    and each.format is not HLS
]
"""One of each format that has sound. Segments have no list of edits: `tests/formats/test_hls.py`."""


class ArrayPicture(Picture):
    """A picture of pixels that a test has made."""

    def __init__(self, pixels: Pixels) -> None:
        self._frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24")

    @property
    def frame(self) -> av.VideoFrame:
        return self._frame

    @property
    def png(self) -> bytes:
        return encode_png(self._frame)


def sample(number: int, *, alpha: bool, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A gradient with a square that moves. With alpha, a part of it is half transparent, and a part cannot be seen."""
    pixels = picture(number, width, height)
    if not alpha:
        return pixels
    opacity = np.full((height, width, 1), 255, np.uint8)
    opacity[16:32, :32], opacity[32:] = 128, 0
    return np.ascontiguousarray(np.concatenate([pixels, opacity], axis=2))


def encoded(
    variant: Variant,
    path: Path,
    pictures: Sequence[Pixels],
    fps: Fraction,
    quality: str = "draft",
) -> None:
    height, width = pictures[0].shape[:2]
    with ChunkEncoder(path, variant.settings(fps, quality), fps, width, height, len(pictures)) as encoder:
        for pixels in pictures:
            encoder.encode(ArrayPicture(pixels))


def chunks_of(
    variant: Variant, folder: Path, lengths: Sequence[int], fps: Fraction, show: Callable[[int], Pixels]
) -> list[ChunkSource]:
    chunks, start = [], 0
    for length in lengths:
        path = folder / f"{start}-{length}.chunk"
        encoded(variant, path, [show(number) for number in range(start, start + length)], fps)
        chunks.append(ChunkSource(path, start, length))
        start += length
    return chunks


def joined(
    variant: Variant,
    chunks: Sequence[ChunkSource],
    output: Path,
    fps: Fraction,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    sound: SoundFile | None = None,
) -> Path:
    """Join chunks, verify the output as assembly does, and put its other files beside it."""
    settings = variant.settings(fps)
    format = variant.format.named(output.name)
    planned = Planned(
        frames=chunks[-1].start + chunks[-1].frames,
        fps=fps,
        width=size[0],
        height=size[1],
        starts=tuple(chunk.start for chunk in chunks),
        settings=settings,
    )
    with format.join(output, fps, settings, {}, None if sound is None else lambda: sound) as join:
        for chunk in chunks:
            join.append(chunk)
        report = join.finish()
        format.verify(output, planned, report, sound)
        for name, file in report.beside.items():
            (output.parent / name).parent.mkdir(exist_ok=True)
            shutil.copy(file, output.parent / name)
    return output


def frames_of(path: Path, codec: Codec) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Yield the frames of a chunk or an output, each with its time in seconds; pictures in a ZIP file have none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
                yield Fraction(-1), decode_frame(archive.read(name), alpha=True)
        return
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = decoder_of(stream.codec_context, codec)
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                yield (frame.pts or 0) * (stream.time_base or Fraction(0)), frame


def rgba(frame: av.VideoFrame) -> Pixels:
    """Convert a decoded frame to RGBA as a player does. Players take BT.709, limited, from the tags."""
    if frame.format.name == "rgba":
        return np.asarray(frame.to_ndarray(), dtype=np.uint8)
    wide = frame.reformat(
        format="rgba",
        src_colorspace="ITU709",
        src_color_range="JPEG" if frame.format.is_rgb else "MPEG",
        dst_color_range="JPEG",
        interpolation="BICUBIC",
    )
    return np.asarray(wide.to_ndarray(), dtype=np.uint8)


def planes(frame: av.VideoFrame) -> bytes:
    """Return the pixels of a decoded frame, without padding."""
    parts = [frame.format.name.encode()]
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        wide = 4 if frame.format.name == "rgba" else 3 if frame.format.name == "rgb24" else -(-component.bits // 8)
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        parts.append(rows[:, : plane.width * wide].tobytes())
    return b"".join(parts)


def right_times(frames: int, fps: Fraction, codec: Codec) -> list[Fraction]:
    """Return the times at which frames are to be shown: at the nearest tick of a fixed clock."""
    if codec.clock is None:
        return [number / fps for number in range(frames)]
    return [Fraction(frame_tick(number, fps, codec.clock), codec.clock) for number in range(frames)]
