"""Measure frames in each format, by quality or by rate factor: bytes, CPU, and in PSNR and SSIM how near they are to the page.

The same pictures, of ZIP files that hfdask made of compositions (``-o frames.zip``), are encoded as one chunk, joined to an output of the
format, and compared with it as by `hfdask.compare`: with what the codec got, in the planes of the format, and apart from that
their alpha, if a pixel is not opaque. CPU is of this thread and of all threads that the encoder starts, in the chunk and in the join.
Qualities of two codecs look alike if their SSIM is alike.
"""

from __future__ import annotations

import json
import math
import resource
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import hfdask
from hfdask.formats.animation import Animation
from hfdask.formats.codec import Codec
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.format import Format
from hfdask.formats.join import ChunkSource
from hfdask.formats.table import CODECS, FORMATS
from hfdask.media.captured import PngPicture
from hfdask.media.picture import decode_png
from hfdask.media.sequence import frame_name


@dataclass(frozen=True)
class Measured:
    """A format with a quality, or with its speed and a rate factor: kilobytes and CPU milliseconds a frame, dB, and SSIM.

    ``encode`` are milliseconds of a chunk, ``join`` of writing the output. PSNR is None for equal pictures, and of alpha also for opaque
    ones.
    """

    frames: str
    format: str
    codec: str
    alpha: bool
    quality: str
    crf: int | None
    kilobytes: float
    encode: float
    join: float
    psnr: float | None
    alpha_psnr: float | None
    ssim: float


def pictures_of(path: Path, first: int, count: int) -> list[bytes]:
    """Return some of the PNG files of a sequence."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        return [archive.read(name) for name in names[first : first + count]]


def is_clear(pngs: list[bytes]) -> bool:
    """Return true if a picture has a pixel that is not opaque."""
    return any(bool(np.any(decode_png(png, alpha=True)[..., 3] < 255)) for png in pngs)


def measured(
    name: str,
    pngs: list[bytes],
    format: Format,
    codec: Codec,
    quality: str,
    crf: int | None,
    fps: Fraction,
    *,
    alpha: bool,
) -> Measured:
    """Write pictures as an output, and compare its frames with them."""
    settings = format.settings(quality, crf, None, fps, codec=codec.name, alpha=alpha)
    pictures = [PngPicture(png, alpha=alpha) for png in pngs]
    size = pictures[0].frame.width, pictures[0].frame.height
    for picture in pictures:
        _ = picture.digest  # decoded and digested before the clock starts
    with tempfile.TemporaryDirectory(prefix="hfdask-") as folder:
        chunk, output, source = (
            Path(folder) / "chunk",
            Path(folder) / f"out{format.suffixes[0]}",
            Path(folder) / "source",
        )
        before = _cpu()
        with ChunkEncoder(chunk, settings, fps, *size, len(pictures)) as encoder:
            for picture in pictures:
                encoder.encode(picture)
        encoded = _cpu()
        with format.join(output, fps, settings, {}) as join:
            join.append(ChunkSource(chunk, 0, len(pictures)))
            written = join.finish().size
        joined = _cpu()
        source.mkdir()
        for number, png in enumerate(pngs):
            (source / frame_name(number)).write_bytes(png)
        near = hfdask.compare(source, output, fps=fps)
    count = len(pngs)
    return Measured(
        name,
        format.name,
        codec.name,
        alpha,
        quality,
        crf,
        round(written / 1000 / count, 2),
        round(1000 * (encoded - before) / count, 1),
        round(1000 * (joined - encoded) / count, 1),
        _decibels(near.mean_psnr),
        _decibels(near.mean_alpha_psnr),
        round(near.mean_ssim, 5),
    )


def _decibels(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def kinds(names: tuple[str, ...], *, alpha: bool) -> list[tuple[Format, Codec]]:
    """Return the formats to measure, with their codecs. HLS has the packets of MP4, so it is left out."""
    return [
        (format, codec)
        for format in FORMATS.values()
        if not format.names_files
        for codec in format.codecs
        if (not names or {format.name, codec.name} & {*names}) and (codec.transparent is not None or not alpha)
    ]


def shown(row: Measured) -> list[str]:
    """Return the cells of a row."""
    near = ["equal" if value is None else f"{value:g}" for value in (row.psnr, row.alpha_psnr)]
    costs = [f"{value:g}" for value in (row.kilobytes, row.encode, row.join)]
    factor = "" if row.crf is None else str(row.crf)
    return [
        row.frames,
        row.format,
        row.codec,
        row.quality,
        factor,
        *costs,
        near[0],
        near[1] if row.alpha else "",
        f"{row.ssim:g}",
    ]


HEAD = ("frames", "format", "codec", "quality", "crf", "kB", "encode ms", "join ms", "PSNR dB", "of alpha", "SSIM")
"""Columns; bytes and CPU are of a frame."""


@click.command()
@click.argument("sequences", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--first", default=30, show_default=True, help="First frame.")
@click.option("--count", default=24, show_default=True, help="Number of frames.")
@click.option("--fps", default=30, show_default=True, help="Frames a second.")
@click.option(
    "--only", "names", multiple=True, type=click.Choice([*FORMATS, *CODECS]), help="Format or codec.  [default: all]"
)
@click.option("--quality", "qualities", multiple=True, help="Quality.  [default: all of the codec]")
@click.option("--crf", "factors", multiple=True, type=int, help="Rate factor instead of the quality's.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON there.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def main(
    sequences: tuple[Path, ...],
    first: int,
    count: int,
    fps: int,
    names: tuple[str, ...],
    qualities: tuple[str, ...],
    factors: tuple[int, ...],
    output: Path | None,
    markdown: bool,
) -> None:
    """Measure formats on the pictures of SEQUENCES, ZIP files of PNG pictures. Formats without alpha get only opaque ones."""
    rows = []
    for path in sequences:
        pngs = pictures_of(path, first, count)
        alpha = is_clear(pngs)
        for format, codec in kinds(names, alpha=alpha):
            lossless = isinstance(format, Animation) and format.name == "gif"
            for quality in qualities or (("looks",) if lossless else codec.qualities):
                for crf in (factors if codec.max_crf else ()) or (None,):
                    row = measured(path.stem, pngs, format, codec, quality, crf, Fraction(fps), alpha=alpha)
                    rows.append(row)
                    click.echo(" ".join(shown(row)), err=True)
    if markdown:
        lines = [HEAD, ("---",) * len(HEAD), *map(shown, rows)]
        click.echo("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    else:
        table = Table(*HEAD)
        for row in rows:
            table.add_row(*shown(row))
        Console(width=140).print(table)
    if output is not None:
        output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
