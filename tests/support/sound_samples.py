"""Make small files of sound: clicks and tones at known samples, in all formats. All are written by PyAV, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

RATE = 48_000

Samples = NDArray[np.float32]

FORMATS = {  # suffix, codec, options of the container
    "wav": (".wav", "pcm_s24le", {}),
    "flac": (".flac", "flac", {}),
    "alac": (".m4a", "alac", {}),
    "mp3": (".mp3", "libmp3lame", {}),
    "mp3 without header": (".mp3", "libmp3lame", {"write_xing": "0"}),
    "aac": (".m4a", "aac", {"movie_timescale": "48000"}),
    "adts": (".aac", "aac", {}),
    "fragmented": (".mp4", "aac", {"movflags": "frag_keyframe+empty_moov+delay_moov", "frag_duration": "500000"}),
    "opus": (".ogg", "libopus", {}),
    "opus in webm": (".webm", "libopus", {}),
    "opus in mp4": (".mp4", "libopus", {"movie_timescale": "48000"}),
    "vorbis": (".ogg", "vorbis", {}),
    "vorbis in webm": (".webm", "vorbis", {}),
}


def silence(seconds: float, channels: int = 2, rate: int = RATE) -> Samples:
    return np.zeros((channels, round(seconds * rate)), np.float32)


def clicks(seconds: float, at: Iterable[int], channels: int = 2, rate: int = RATE, level: float = 0.8) -> Samples:
    """Return short clicks whose peaks are at the given samples. `click_times` finds them, also after lossy coding."""
    samples = silence(seconds, channels, rate)
    shape = level * np.hanning(9)
    for peak in at:
        samples[:, peak - 4 : peak + 5] += shape.astype(np.float32)
    return samples


def tone(frequency: float, seconds: float, level: float = 0.5, channels: int = 2, rate: int = RATE) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return np.tile((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), (channels, 1))


def click_times(samples: NDArray[np.floating[Any]], near: Iterable[int], reach: int = 2000) -> list[int]:
    """Return the sample of the highest peak near each of the given samples."""
    return [int(np.argmax(samples[0, max(0, at - reach) : at + reach])) + max(0, at - reach) for at in near]


def tone_of(samples: NDArray[np.floating[Any]], rate: int = RATE) -> tuple[float, float]:
    """Return frequency and level of the strongest tone of the first channel. The frequency is good to 0.01 Hz."""
    row = np.asarray(samples[0], float)
    window = np.hanning(len(row) + 1)[:-1]
    size = 8 * len(row)
    spectrum = np.abs(np.fft.rfft(row * window, size))
    top = int(np.argmax(spectrum))
    left, middle, right = np.log(spectrum[top - 1 : top + 2])
    frequency = (top + (left - right) / (2 * (left - 2 * middle + right))) * rate / size
    turning = np.exp(-2j * np.pi * frequency * np.arange(len(row)) / rate)
    return float(frequency), float(2 * abs((row * window * turning).sum()) / window.sum())


def write_sound(
    path: Path,
    samples: Samples,
    codec: str = "pcm_s24le",
    *,
    rate: int = RATE,
    layout: str | None = None,
    options: Mapping[str, str] | None = None,
    start: Fraction = Fraction(0),
    picture: bool = False,
) -> Path:
    """Write samples of shape (channels, samples) to a file.

    ``start`` is the second at which the sound begins in the file. With ``picture``, a black video of the same length
    begins at second 0.
    """
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w", options={"fflags": "+bitexact", **(options or {})}) as file:
        video = file.add_stream("libvpx" if path.suffix == ".webm" else "libx264", rate=10) if picture else None
        stream = file.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.bit_rate, context.time_base = 192_000, Fraction(1, rate)
        if codec == "vorbis":
            context.options = {"strict": "experimental"}
        context.open()
        if isinstance(video, av.VideoStream):
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for number in range(round(samples.shape[1] / rate * 10)):
                black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
                black.pts, black.time_base = number, Fraction(1, 10)
                file.mux(video.encode(black))
            file.mux(video.encode(None))
        size = context.frame_size or 1024
        for begin in range(0, samples.shape[1], size):
            frame = _frame(samples[:, begin : begin + size], context.format.name, layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = begin + round(start * rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def sound_in(folder: Path, form: str, samples: Samples, *, rate: int = RATE) -> Path:
    """Write samples in one of `FORMATS`."""
    suffix, codec, options = FORMATS[form]
    return write_sound(folder / f"sound{suffix}", samples, codec, rate=rate, options=options)


def _frame(block: Samples, form: str, layout: str) -> AudioFrame:
    kind, planar = form.removesuffix("p"), form.endswith("p")
    data: NDArray[Any] = block.astype(np.float32)
    if kind == "s16":
        data = (np.clip(block, -1, 1 - 2**-15) * 2.0**15).round().astype(np.int16)
    elif kind == "s32":
        data = (np.clip(block.astype(float), -1, 1 - 2**-23) * 2.0**23).round().astype(np.int32) << 8
    return AudioFrame.from_ndarray(
        np.ascontiguousarray(data if planar else data.T.reshape(1, -1)), format=form, layout=layout
    )
