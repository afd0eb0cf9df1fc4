"""Mixes as plans have them: FLAC files of 24 bits, 48 kHz and two channels, with what is known of them."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE, PlannedSound

Samples = NDArray[np.float64]
"""Samples of both channels, shape (2, n)."""

CLICK = 0.8 * np.exp(-np.arange(240) / 40) * np.cos(np.arange(240) * 0.5)
"""A burst of 5 ms that begins at its highest sample."""


def silence(samples: int) -> Samples:
    return np.zeros((2, samples))


def clicks(samples: int, *at: int) -> Samples:
    """Return silence with clicks that begin at these samples; the last one may be cut off."""
    sound = silence(samples)
    for begin in at:
        sound[:, begin : begin + len(CLICK)] += CLICK[: samples - begin]
    return sound


def tone(samples: int, frequency: float, level: float, phase: float = 0.0) -> Samples:
    """Return a sine in both channels; ``level`` is its linear amplitude."""
    return np.tile(level * np.sin(2 * np.pi * frequency / SAMPLE_RATE * np.arange(samples) + phase), (2, 1))


def noise(samples: int, level: float, seed: int = 0) -> Samples:
    """Return white noise; ``level`` is its RMS."""
    return level * np.random.default_rng(seed).standard_normal((2, samples))


def write_flac(path: Path, sound: Samples, rate: int = SAMPLE_RATE, layout: str = "stereo") -> None:
    """Write samples as FLAC with 24 bits, rounded."""
    with av.open(str(path), "w", format="flac", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("flac", rate=rate, layout=layout)
        stream.codec_context.format = "s32"
        stream.codec_context.options = {"compression_level": "0"}
        whole = np.clip(np.rint(sound * 2**23), -(2**23), 2**23 - 1).astype(np.int32) * 2**8
        for begin in range(0, sound.shape[1], 4096):
            part = np.ascontiguousarray(whole[:, begin : begin + 4096].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(part, format="s32", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), begin
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def mixed(path: Path, sound: Samples, gain: float = 1.0, tracks: tuple[str, ...] = ("song",)) -> PlannedSound:
    """Write a mix, divided by its gain, and return its entry in a plan. Its levels are of the samples alone."""
    write_flac(path, sound / gain)
    peak = float(np.abs(sound).max())
    content = path.read_bytes()
    return PlannedSound(
        key=hashlib.sha256(sound.tobytes()).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        samples=sound.shape[1],
        gain=gain,
        true_peak=20 * float(np.log10(peak)) if peak else -200.0,
        loudness=-20.0 if peak else None,
        clipped=int((np.abs(sound) > 1).sum()),
        tracks=tracks,
    )


def played(path: Path) -> Samples:
    """Return what PyAV decodes of a file's sound, up to the stream's duration, by the times of the frames."""
    to_float = av.AudioResampler(format="dblp", layout="stereo", rate=SAMPLE_RATE)
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        length = stream.duration * stream.time_base * SAMPLE_RATE
        assert length.denominator == 1
        sound = np.zeros((2, int(length) + 4096))
        for frame in (each for decoded in file.decode(stream) for each in to_float.resample(decoded)):
            assert frame.pts is not None
            assert frame.time_base is not None
            begin = round(frame.pts * frame.time_base * SAMPLE_RATE)
            sound[:, begin : begin + frame.samples] = frame.to_ndarray()[:, : sound.shape[1] - begin]
    return sound[:, : int(length)]


def signal_to_noise(heard: Samples, wanted: Samples) -> float:
    """Return the energy of the wanted sound divided by the energy of the difference, in dB, for the worse channel."""
    ratios = np.square(wanted).sum(axis=1) / (np.square(heard - wanted).sum(axis=1) + 1e-12)
    return float(10 * np.log10(ratios.min()))
