"""Encode a plan's mix as it is delivered: at the planned length, and no louder than players can play it.

Lossy codecs raise peaks, so a mix within full scale may be beyond it when it is played. What decoders make of the encoded
sound is measured, and if it is too loud, the mix is lowered as a whole and encoded again.

The same mix gives the same bytes on all CPUs of one kind (docs/decisions/encoded-sound.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import Flags
from blake3 import blake3
from msgspec import Struct
from numpy.typing import NDArray

from hfdask.core.sound import CEILING, SAMPLE_RATE, PlannedSound
from hfdask.errors import EncodeError, PlanCorruptError, ProjectError
from hfdask.media.sound_file import AAC, Encoding, SoundFile
from hfdask.sound.loudness import Meter
from hfdask.sound.reader import read_sound
from hfdask.sound.streams import Stream
from hfdask.store import disk_full_at

TARGET = -1.5
"""True peak that a sound is lowered to if it is above the ceiling, in dBTP."""

CORRECTIONS = 3
"""Times that a sound is lowered, at most."""

Block = NDArray[np.float32]

INAUDIBLE = 10 ** (-80 / 10)
"""Energy of a sample that an encoded sound may be off the mix in any case."""


def can_encode(encoding: Encoding) -> bool:
    """Return true if this FFmpeg has the codec's encoder."""
    try:
        av.Codec(encoding.codec, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


class EncodedSound(Struct, frozen=True):
    """An encoded mix.

    Attributes
    ----------
    file : SoundFile
    lowered : float
        Decibels that the mix was lowered by; 0 if it was not.
    true_peak : float
        True peak of what decoders make of it, in dBTP.
    loudness : float or None
        Its integrated loudness in LUFS.
    """

    file: SoundFile
    lowered: float
    true_peak: float
    loudness: float | None


def encode_sound(
    mix: Path,
    planned: PlannedSound,
    folder: Path,
    encoding: Encoding = AAC,
    going: Callable[[], None] = lambda: None,
) -> EncodedSound:
    """Encode a mix, at a true peak of at most `CEILING`.

    Parameters
    ----------
    mix : Path
        The FLAC file of ``planned``.
    planned : PlannedSound
        The mix's length and gain.
    folder : Path
        Folder for the file.
    encoding : Encoding
    going : callable
        Called at each block; what it raises ends the work.

    Raises
    ------
    PlanCorruptError
        If the mix is not a FLAC file of the planned length.
    EncodeError
        If the encoder fails, its result does not match the mix, or it stays too loud.
    DiskFullError
    """
    output = folder / f"sound.{encoding.extension}"
    lowered = 0.0
    for _ in range(1 + CORRECTIONS):
        gain = planned.gain * 10 ** (-lowered / 20)
        with disk_full_at(output):
            file = _encode(_mix(mix, planned, gain, going), planned.samples, output, encoding)
        played = _measured(file, _mix(mix, planned, gain, going))
        if played.true_peak <= CEILING:
            return EncodedSound(file, lowered, played.true_peak, played.loudness)
        # In hundredths, as decoders on different CPUs differ by less.
        lowered = round(lowered + math.ceil((played.true_peak - TARGET) * 100) / 100, 2)
    raise EncodeError(
        f"the sound has a true peak of {played.true_peak:.2f} dBTP after it was lowered {CORRECTIONS} times, more than {CEILING:g}: "
        "lower the volume of its tracks",
        true_peak=played.true_peak,
    )


def _mix(path: Path, planned: PlannedSound, gain: float, going: Callable[[], None]) -> Iterator[Block]:
    """Yield the mix times a gain, in blocks.

    Raises
    ------
    PlanCorruptError
        If it cannot be read. If its length is not the planned one, only at the end.
    """
    total = 0
    try:
        for block in read_sound(path):
            going()
            total += block.shape[1]
            if total > planned.samples:
                break
            yield block * np.float32(gain)
    except ProjectError as error:
        raise PlanCorruptError(f"the mix {planned.path} is damaged: {error.message}; plan again") from error
    if total != planned.samples:
        found = "more than" if total > planned.samples else f"only {total} of"
        raise PlanCorruptError(f"the mix {planned.path} has {found} its {planned.samples} samples; plan again")


def _encode(blocks: Iterator[Block], samples: int, output: Path, encoding: Encoding) -> SoundFile:
    options = {"fflags": "+bitexact"}
    if encoding.container in ("mp4", "mov"):
        options["movie_timescale"] = str(SAMPLE_RATE)
    digest, priming = blake3(), 0
    try:
        with av.open(str(output), "w", format=encoding.container, options=options) as container:
            stream = container.add_stream(
                encoding.codec, rate=SAMPLE_RATE, layout="stereo", options={**encoding.options}
            )
            assert isinstance(stream, AudioStream)
            context = stream.codec_context
            context.time_base = Fraction(1, SAMPLE_RATE)
            context.flags |= Flags.bitexact
            if encoding.bit_rate is not None:
                context.bit_rate = encoding.bit_rate
            context.open()
            for frame in _frames(blocks, samples, context):
                for packet in stream.encode(frame):
                    priming = max(priming, -(packet.pts or 0))
                    digest.update(memoryview(packet))
                    container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise EncodeError(f"the sound could not be encoded as {encoding.codec}: {error}") from error
    codec = context.codec.canonical_name
    return SoundFile(path=output, codec=codec, samples=samples, priming=priming, digest=digest.hexdigest())


def _frames(blocks: Iterator[Block], samples: int, context: AudioCodecContext) -> Iterator[av.AudioFrame | None]:
    """Yield the samples in frames of an encoder's size, the last one shorter, and None at their end."""
    sound = Stream(blocks)
    for begin in range(0, samples, context.frame_size or SAMPLE_RATE):
        block = sound.read(min(context.frame_size or SAMPLE_RATE, samples - begin)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), begin
        yield frame
    yield None


def _measured(file: SoundFile, mix: Iterator[Block]) -> Meter:
    """Measure what decoders make of an encoded mix.

    Raises
    ------
    EncodeError
        If it is farther from the mix than silence is: for example, if it is a millisecond late.
    """
    meter, error, energy = Meter(), 0.0, 0.0
    try:
        decoded = Stream(read_sound(file.path))
        for wanted in mix:
            played = decoded.read(wanted.shape[1])
            meter.add(played)
            error += float(np.square(played - wanted).sum())
            energy += float(np.square(wanted, dtype=np.float64).sum())
    except ProjectError as fault:
        raise EncodeError(f"the encoded sound cannot be decoded: {fault.message}") from fault
    if error > energy + file.samples * INAUDIBLE:
        raise EncodeError("the encoded sound does not match the mix")
    return meter
