"""Measure frames in each codec, by quality or by rate factor: bytes, CPU, and in PSNR and SSIM how near they are to the page.

The same pictures, of a ZIP file that hfdask made of a composition (``-o frames.zip --no-alpha``), are encoded by each codec as one
chunk, and compared with what the codec got: the picture in its pixel format, as in `hfdask.compare`. CPU is of this thread and of all
threads that the encoder starts. Qualities of two codecs look alike if their SSIM is alike.
"""

from __future__ import annotations

import json
import resource
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import click
from rich.console import Console
from rich.table import Table

from hfdask.formats.codec import Codec
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.join import decoder_for
from hfdask.formats.table import CODECS
from hfdask.media.captured import PngPicture
from hfdask.media.compare import _Meter
from hfdask.media.picture import Converter

FPS = Fraction(30)


@dataclass(frozen=True)
class Measured:
    """A codec with a quality, or with its speed and a rate factor: kilobytes and CPU milliseconds a frame, dB, and SSIM."""

    frames: str
    codec: str
    alpha: bool
    quality: str
    crf: int | None
    kilobytes: float
    milliseconds: float
    psnr: float
    ssim: float


def pictures_of(path: Path, first: int, count: int) -> list[bytes]:
    """Return some of the PNG files of a sequence."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        return [archive.read(name) for name in names[first : first + count]]


def measured(path: Path, pngs: list[bytes], codec: Codec, quality: str, crf: int | None, *, alpha: bool) -> Measured:
    """Encode pictures as a chunk, and compare its frames with them."""
    settings = codec.settings(quality, crf, None, FPS, alpha=alpha)
    pictures = [PngPicture(png, alpha=alpha) for png in pngs]
    size = pictures[0].frame.width, pictures[0].frame.height
    for picture in pictures:
        _ = picture.digest  # decoded and digested before the clock starts
    with tempfile.TemporaryDirectory(prefix="hfdask-") as folder:
        chunk = Path(folder) / "chunk"
        before = _cpu()
        with ChunkEncoder(chunk, settings, FPS, *size, len(pictures)) as encoder:
            for picture in pictures:
                encoder.encode(picture)
        seconds = _cpu() - before
        meter, number = None, 0
        converter = Converter(settings.pixel_format.replace("yuva", "yuv").replace("rgba", "rgb24"))
        with av.open(str(chunk)) as container:
            stream = container.streams.video[0]
            decoder = decoder_for(stream, codec)
            for packet in container.demux(stream):
                for frame in decoder.decode(packet if packet.size else None):
                    wanted = converter.convert(PngPicture(pngs[number]).frame)
                    meter = meter or _Meter(wanted, frame)
                    meter.push(wanted, frame)
                    number += 1
        assert meter is not None
        result = meter.finish(number, number)
        return Measured(
            path.stem,
            codec.name,
            alpha,
            quality,
            crf,
            round(chunk.stat().st_size / 1000 / number, 2),
            round(1000 * seconds / number, 1),
            round(result.mean_psnr, 2),
            round(result.mean_ssim, 5),
        )


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.argument("sequences", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--first", default=30, show_default=True, help="First frame.")
@click.option("--count", default=24, show_default=True, help="Number of frames.")
@click.option("--codec", "names", multiple=True, type=click.Choice([*CODECS]), help="Codec.  [default: all]")
@click.option("--quality", "qualities", multiple=True, help="Quality.  [default: all of the codec]")
@click.option("--crf", "factors", multiple=True, type=int, help="Rate factor instead of the quality's.")
@click.option("--alpha/--no-alpha", default=False, help="Keep alpha.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON there.")
def main(
    sequences: tuple[Path, ...],
    first: int,
    count: int,
    names: tuple[str, ...],
    qualities: tuple[str, ...],
    factors: tuple[int, ...],
    alpha: bool,
    output: Path | None,
) -> None:
    """Measure codecs on the pictures of SEQUENCES, ZIP files of PNG pictures."""
    table = Table("frames", "codec", "quality", "crf", "kB a frame", "CPU ms a frame", "PSNR dB", "SSIM")
    rows = []
    for path in sequences:
        pngs = pictures_of(path, first, count)
        for codec in CODECS.values():
            if (names and codec.name not in names) or (alpha and codec.transparent is None):
                continue
            for quality in qualities or codec.qualities:
                for crf in factors or (None,):
                    row = measured(path, pngs, codec, quality, crf, alpha=alpha)
                    rows.append(row)
                    factor = "" if crf is None else str(crf)
                    numbers = (f"{value:g}" for value in (row.kilobytes, row.milliseconds, row.psnr, row.ssim))
                    table.add_row(row.frames, row.codec, row.quality, factor, *numbers)
    Console(width=120).print(table)
    if output is not None:
        output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
