"""Write a mix as FLAC with 24 bits."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE
from hfdask.sound.streams import Stream

_FULL = 2**23


def write_flac(path: Path, blocks: Iterator[NDArray[np.float32]], samples: int) -> None:
    """Write samples between -1 and 1. The same samples give the same bytes.

    Parameters
    ----------
    path : Path
        The file to write; its name does not matter.
    blocks : iterator of arrays of shape (2, samples)
    samples : int
        Their number.
    """
    sound = Stream(blocks)
    with av.open(str(path), "w", format="flac", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("flac", rate=SAMPLE_RATE, layout="stereo", format="s32")
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= Flags.bitexact
        context.time_base = Fraction(1, SAMPLE_RATE)
        context.open()
        for begin in range(0, samples, context.frame_size):
            block = sound.read(min(context.frame_size, samples - begin))
            whole = np.clip(np.rint(block * _FULL), -_FULL, _FULL - 1).astype(np.int32) << 8
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(whole.T).reshape(1, -1), format="s32", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, begin, Fraction(1, SAMPLE_RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
