"""Measure GIF and animated WebP: bytes and CPU of the join a frame, and PSNR against the page.

The pictures come from a ZIP file that hfdask made of a composition (``-o frames.zip --no-alpha``). They are joined from one chunk of PNG
files, as by an assembly, and Pillow decodes the result.
"""

from __future__ import annotations

import resource
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from hfdask.formats.animation import Animation
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.join import ChunkSource
from hfdask.formats.table import FORMATS
from hfdask.media.captured import PngPicture
from hfdask.media.picture import Pixels, decode_png, psnr


def joined(pngs: list[bytes], format: Animation, quality: str, fps: Fraction, folder: Path) -> tuple[Path, float]:
    """Write an animation; return its file, and the CPU seconds of the join."""
    settings = format.settings(quality, None, None, fps, alpha=False)
    pictures = [PngPicture(png) for png in pngs]
    chunk, output = folder / "chunk", folder / f"out{format.suffixes[0]}"
    width, height = pictures[0].frame.width, pictures[0].frame.height
    with ChunkEncoder(chunk, settings, fps, width, height, len(pictures)) as encoder:
        for picture in pictures:
            encoder.encode(picture)
    before = resource.getrusage(resource.RUSAGE_SELF)
    with format.join(output, fps, settings, {}) as join:
        join.append(ChunkSource(chunk, 0, len(pictures)))
        join.finish()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return output, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shown(path: Path, frames: int, fps: Fraction) -> list[Pixels]:
    """Return the picture that is shown at each frame; equal ones may be one in the file."""
    pictures: list[tuple[float, Pixels]] = []
    begin = 0.0
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pictures.append((begin, np.asarray(image.convert("RGB"))))
            begin += image.info["duration"] / 1000
    return [
        next(pixels for start, pixels in reversed(pictures) if start <= number / fps + 0.006)
        for number in range(frames)
    ]


@click.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--frames", default=60, show_default=True, help="Frames of each sequence.")
@click.option("--fps", default=15, show_default=True, help="Frames a second.")
def main(archives: tuple[Path, ...], frames: int, fps: int) -> None:
    """Measure the animations of the pictures in ARCHIVES."""
    table = Table("pictures", "format", "quality", "kB a frame", "CPU ms a frame", "PSNR in dB")
    formats = [each for each in FORMATS.values() if isinstance(each, Animation)]
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            pngs = [archive.read(name) for name in archive.namelist() if name.endswith(".png")][:frames]
        right = [decode_png(png) for png in pngs]
        for format in formats:
            for quality in ("standard",) if format.name == "gif" else ("draft", "standard", "high"):
                with tempfile.TemporaryDirectory() as folder:
                    output, seconds = joined(pngs, format, quality, Fraction(fps), Path(folder))
                    seen = shown(output, len(pngs), Fraction(fps))
                    size = output.stat().st_size
                near = float(np.mean([min(99.0, psnr(one, other)) for one, other in zip(right, seen, strict=True)]))
                table.add_row(
                    path.stem,
                    format.name,
                    quality,
                    f"{size / len(pngs) / 1000:.1f}",
                    f"{1000 * seconds / len(pngs):.0f}",
                    f"{near:.1f}",
                )
    Console().print(table)


if __name__ == "__main__":
    main()
