"""An FFmpeg of another build than PyAV's, as people have it on their machines: the program that imageio-ffmpeg brings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from mix_samples import Samples

from hfdask.core.sound import SAMPLE_RATE


def heard(path: Path) -> Samples:
    """Decode a file's sound.

    Raises
    ------
    AssertionError
        If FFmpeg has anything to say about the file's sound or pictures.
    """
    sound = ["-map", "0:a", "-f", "f64le", "-ac", "2", "-ar", str(SAMPLE_RATE), "pipe:1"]
    pictures = ["-map", "0:v?", "-f", "null", "-"]
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "warning", "-i", str(path), *sound, *pictures]
    run = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (run.returncode, run.stderr.decode()) == (0, "")
    return np.frombuffer(run.stdout).reshape(-1, 2).T


def shown(path: Path, *options: str) -> int:
    """Decode a file's pictures, and return their number. ``options`` are of its reading.

    Raises
    ------
    AssertionError
        If FFmpeg has anything to say about the file.
    """
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "warning", *options, "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-map", "0:v", "-f", "framehash", "pipe:1"]
    run = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (run.returncode, run.stderr.decode()) == (0, "")
    return sum(not line.startswith(b"#") for line in run.stdout.splitlines())
