"""Read when the sound of a file ends, by decoding it once. Headers are often wrong about it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from msgspec import Struct

from hfdask.errors import MediaTypeError
from hfdask.sound.reader import GAP, SoundFile

_EXACT = ("mp4", "flac")
"""Containers whose header gives the length of the sound, so that a cut file can be recognised."""


class SoundFacts(Struct, frozen=True):
    """Properties of a file's sound.

    Attributes
    ----------
    channels, rate : int
        Of the source. A mix has two channels and 48 kHz.
    codec : str
        FFmpeg's name of it.
    lead : Fraction
        Seconds from the beginning of the file to its first sample.
    seconds : Fraction
        Seconds from the beginning of the file to the end of its sound.
    missing : Fraction
        Seconds at the end that the header promises and the file does not have, because it was cut. They are silent.
    damaged : int
        Packets that cannot be decoded. They are silent.
    """

    channels: int
    rate: int
    codec: str
    lead: Fraction
    seconds: Fraction
    missing: Fraction
    damaged: int

    @property
    def warning(self) -> str | None:
        """Return what is wrong with the file, or None."""
        faults = []
        if self.missing:
            faults.append(f"its last {float(self.missing):.2f} s are missing, so it was cut off")
        if self.damaged:
            faults.append(f"{self.damaged} of its packets are damaged")
        return f"{' and '.join(faults)}: silence takes their place; copy the file again" if faults else None


def probe_sound(path: Path) -> SoundFacts | None:
    """Read the properties of a file's sound, or return None if it has pictures but no sound.

    The sound ends at the time that the stream's header gives, unless its samples end more than 50 ms before or after it.

    Raises
    ------
    AssetError
        If there is no such file.
    NotMediaError
        If it holds HTML, XML or JSON.
    MediaTypeError
        If it is a still picture.
    SoundSourceError
        If its sound cannot be decoded. ``details["reason"]`` is as in `hfdask.sound.reader.SoundFile`.
    SoundReadError
        If this machine cannot read it.

    Notes
    -----
    The whole sound is decoded: 10 minutes take about a second. Memory does not depend on the length.
    """
    try:
        file = SoundFile(path)
    except MediaTypeError as error:
        if error.details.get("found") == "no sound":
            return None
        raise
    with file:
        channels = rate = 0
        decoded = Fraction(0)
        for part in file.parts():
            if not rate:
                channels, rate, decoded = len(part.layout), part.rate, file.lead
            decoded += Fraction(part.silence + part.samples.shape[1], part.rate)
        promised = file.promised
        declared = promised is not None and file.format != "aac" and abs(promised - decoded) <= GAP
        missing = Fraction(0)
        if promised is not None and promised - decoded > GAP and set(_EXACT) & set(file.format.split(",")):
            missing = promised - decoded
        return SoundFacts(
            channels=channels,
            rate=rate,
            codec=file.stream.codec_context.name,
            lead=file.lead,
            seconds=promised if declared and promised is not None else decoded,
            missing=missing,
            damaged=file.damaged,
        )
