"""Measure what a mix costs: CPU and wall as a share of the film's length, and the memory of the process.

Twelve tracks play for the whole film, each from another file: AAC, MP3 and FLAC, at 44.1 and 48 kHz. Each case runs in a new process,
and the cases take turns.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import click
import numpy as np
from av.audio.frame import AudioFrame
from rich.console import Console
from rich.table import Table

from hfdask.core.sound import Effect, Lane, LanePoint, SoundSource, SoundTrack, Soundtrack, Treatment
from hfdask.core.video_clip import RatePoint
from hfdask.sound.mix import MIXER_VERSION, mix

TRACKS = 12
FILES = (("music.m4a", "aac", 48_000), ("voice.mp3", "libmp3lame", 44_100), ("noise.flac", "flac", 44_100))
CASES = ("plain", "volume lanes", "effects", "rates", "a speed ramp")
GOAL_SHARE, GOAL_MEMORY = 0.1, 300


def _music(rate: int, seconds: int) -> Iterator[np.ndarray]:
    """Yield chords with noise, a second at a time."""
    random = np.random.default_rng(1)
    time_ = np.arange(rate) / rate
    for second in range(seconds):
        tones = sum(0.1 * np.sin(2 * np.pi * (110 * 2 ** ((second * step) % 24 / 12)) * time_) for step in (1, 3, 5))
        yield (tones + 0.02 * random.standard_normal((2, rate))).astype(np.float32)


def _write(path: Path, codec: str, rate: int, seconds: int) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        context = stream.codec_context
        context.bit_rate = 192_000
        context.open()
        resampler = av.AudioResampler(format=context.format.name, layout="stereo", frame_size=context.frame_size)
        at = 0
        for block in _music(rate, seconds):
            frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            at += rate
            for part in resampler.resample(frame):
                file.mux(stream.encode(part))
        for part in resampler.resample(None):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))


def _track(case: str, number: int, seconds: int) -> SoundTrack:
    lanes, chain, rate, ramp = (), (), 1.0, ()
    if case == "volume lanes":
        points = tuple(
            LanePoint(t=float(t), v=0.2 + t % 2 * 0.6, curve=0.5) for t in range(0, seconds, max(1, seconds // 60))
        )
        lanes = (Lane(target="volume", points=points),)
    elif case == "effects":
        chain = (
            Effect(id="e", type="peaking", parameters={"frequency": 1000.0, "gain": 6.0}),
            Effect(id="c", type="compressor", parameters={"threshold": -20.0}),
        )
    elif case == "rates":
        rate = 1.25
    elif case == "a speed ramp":
        ramp = tuple(RatePoint(t=float(t), v=1.0 + t // 10 % 2 * 0.5) for t in range(0, seconds, 10))
    return SoundTrack(
        id=f"t{number}",
        source=number,
        start=0.0,
        end=float(seconds),
        origin=0.0,
        pace=1.0,
        media_start=0.0,
        rate=rate,
        ramp=ramp,
        treatment=Treatment(chain=chain, lanes=lanes, volume=0.2),
    )


def _run(case: str, folder: Path, seconds: int, tracks: int) -> dict[str, float]:
    """Mix once in this process."""
    files = [folder / f"{number}{Path(FILES[number % 3][0]).suffix}" for number in range(tracks)]
    soundtrack = Soundtrack(
        version=MIXER_VERSION,
        samples=seconds * 48_000,
        sources=tuple(SoundSource(name=path.name, sha256="0" * 64, size=path.stat().st_size) for path in files),
        tracks=tuple(_track(case, number, seconds) for number in range(tracks)),
    )
    wall, cpu = time.perf_counter(), time.process_time()
    mix(soundtrack, files.__getitem__, folder / "mix.flac")
    return {
        "wall": (time.perf_counter() - wall) / seconds,
        "cpu": (time.process_time() - cpu) / seconds,
        "memory": _peak(),
    }


def _peak() -> float:
    """Return the most memory that this process had, in MB. ``getrusage`` counts the memory of the parent too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


@click.command()
@click.option("--seconds", default=600, help="Length of the film.")
@click.option("--tracks", default=TRACKS, help="Tracks that play at the same time.")
@click.option("--repeat", default=1, help="Runs of each case.")
@click.option("--case", "cases", multiple=True, type=click.Choice(CASES), help="Only these cases.")
@click.option("--run-in", hidden=True, type=click.Path(path_type=Path))
def main(seconds: int, tracks: int, repeat: int, cases: tuple[str, ...], run_in: Path | None) -> None:
    """Mix twelve tracks of ten minutes, and print what it costs."""
    if run_in is not None:
        print(json.dumps(_run(cases[0], run_in, seconds, tracks)))
        return
    cases = cases or CASES
    results: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory(prefix="hfdask-mix-") as name:
        folder = Path(name)
        for file, codec, rate in FILES:
            _write(folder / file, codec, rate, seconds)
        for number in range(tracks):
            file = folder / FILES[number % 3][0]
            shutil.copy(file, folder / f"{number}{file.suffix}")
        for _ in range(repeat):
            for case in cases:
                options = ["--seconds", str(seconds), "--tracks", str(tracks), "--case", case, "--run-in", name]
                output = subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE).stdout
                results[case].append(json.loads(output))
    table = Table("case", "wall / length", "CPU / length", "MB at most", title=f"{tracks} tracks of {seconds} s")
    for case, runs in results.items():
        values = {key: median(run[key] for run in runs) for key in runs[0]}
        table.add_row(case, f"{values['wall']:.3f}", f"{values['cpu']:.3f}", f"{values['memory']:.0f}")
    console = Console()
    console.print(table)
    console.print(f"goals: wall at most {GOAL_SHARE} of the length, memory at most {GOAL_MEMORY} MB")


if __name__ == "__main__":
    main()
