"""Small pictures and chunks. PNGs are written with zlib alone, not by what is tested."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from hfdask.core.model import EncoderSettings
from hfdask.formats import conformance
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.format import Planned
from hfdask.formats.h264 import H264
from hfdask.formats.join import ChunkSource, JoinReport
from hfdask.formats.mp4 import MP4
from hfdask.formats.table import encoder_settings
from hfdask.media.captured import PngPicture
from hfdask.media.picture import BITEXACT, Pixels, frame_digest
from hfdask.media.sound_file import SoundFile

NTSC = Fraction(30000, 1001)
WIDTH, HEIGHT = 64, 48


def png(pixels: np.ndarray) -> bytes:
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">2I5B", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def to_rgb(frame: av.VideoFrame) -> Pixels:
    """Convert a decoded limited-range BT.709 frame to RGB, shape (height, width, 3)."""
    rgb = VideoReformatter().reformat(
        frame,
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=BITEXACT | Interpolation.FULL_CHR_H_INT,
        threads=1,
    )
    return np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)


def pixels_digest(pixels: np.ndarray) -> str:
    """The digest of a frame of RGB pixels, shape (height, width, 3 or 4), of uint8 or uint16."""
    kind = "rgb48le" if pixels.dtype == np.uint16 else "rgba" if pixels.shape[2] == 4 else "rgb24"
    return frame_digest(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind))


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return the planes of a frame without what pads their rows."""
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    return [
        np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes
    ]


def solid(colour: tuple[int, ...], width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width, len(colour)), colour, np.uint8)


def picture(frame: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A gradient with a square that moves, different in every frame."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 3 % 256, y * 4 % 256, (x + y + frame) % 256], -1).astype(np.uint8)
    left = frame * 3 % max(1, width - 8)
    pixels[4:12, left : left + 8] = (255, 200, 0)
    return pixels


def encode(
    path: Path,
    pictures: Sequence[np.ndarray],
    fps: Fraction = NTSC,
    quality: str = "draft",
    crf: int | None = None,
) -> list[str]:
    height, width = pictures[0].shape[:2]
    settings = encoder_settings(quality, crf, None, fps)
    with ChunkEncoder(path, settings, fps, width, height, len(pictures)) as encoder:
        return [encoder.encode(PngPicture(png(pixels))) for pixels in pictures]


def make_chunks(
    folder: Path,
    lengths: Sequence[int],
    fps: Fraction = NTSC,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> list[ChunkSource]:
    chunks, start = [], 0
    for index, frames in enumerate(lengths):
        path = folder / f"chunk_{index}.mp4"
        encode(path, [picture(i, *size) for i in range(start, start + frames)], fps)
        chunks.append(ChunkSource(path, start, frames))
        start += frames
    return chunks


def join(
    chunks: Sequence[ChunkSource], output: Path, fps: Fraction, settings: EncoderSettings, metadata: Mapping[str, str]
) -> JoinReport:
    with MP4.join(output, fps, settings, metadata) as joined:
        for chunk in chunks:
            joined.append(chunk)
        return joined.finish()


def verify(
    path: Path,
    *,
    frames: int,
    fps: Fraction,
    width: int,
    height: int,
    keyframes: Sequence[int],
    codec: str,
    pixel_format: str,
    digest: str,
    sound: SoundFile | None = None,
) -> None:
    """Check an MP4 file of H.264 as after assembly, against a plan with these values."""
    settings = msgspec.structs.replace(
        encoder_settings("draft", None, None, fps), codec=codec, pixel_format=pixel_format
    )
    planned = Planned(frames=frames, fps=fps, width=width, height=height, starts=tuple(keyframes), settings=settings)
    joined = JoinReport(
        frames=frames,
        chunks=len(keyframes),
        keyframes=tuple(keyframes),
        duration=frames / fps,
        size=0,
        digest=digest,
    )
    conformance.require_index_first(path)
    conformance.verify(path, H264, planned, joined, sound)
