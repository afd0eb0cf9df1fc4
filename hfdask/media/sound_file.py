"""An encoded sound, and its copy into a container.

A sound is encoded once, apart from any video (`hfdask.sound.encode`). Here its packets are copied, and nothing knows of
pictures. So a container gets them between the packets of a video, or alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from msgspec import Struct, field

from hfdask.core.sound import SAMPLE_RATE

_MAX_TIMESCALE = 2**31 - 1


class Encoding(Struct, frozen=True):
    """A codec with its settings, and the container of its file.

    ``bit_rate`` is in bits a second. ``extension`` is the file's, without a dot. ``name`` is the value of the option
    ``sound_codec``.
    """

    codec: str
    container: str
    extension: str
    bit_rate: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


# With noise substitution, each decoder would make other noise, and other noise again after a seek.
AAC = Encoding("aac", "mp4", "m4a", 192_000, {"aac_pns": "0"}, "aac")
"""AAC-LC for MP4 and MOV. The muxer writes an edit list, which hides the encoder's priming from players."""

OPUS = Encoding("libopus", "ogg", "ogg", 128_000, name="opus")
"""Opus for WebM, in a file that says how many samples at its end are skipped."""

PCM = Encoding("pcm_s24le", "mov", "mov", name="pcm")
"""Samples as they are, in 24 bits, for MOV."""

WAV = Encoding("pcm_s24le", "wav", "wav", name="pcm")
"""Samples as they are, in 24 bits, in a file beside pictures."""


class SoundFile(Struct, frozen=True):
    """An encoded sound in a separate file.

    Attributes
    ----------
    path : Path
        The file.
    codec : str
        FFmpeg's name of the codec.
    samples : int
        Samples of each channel that are played.
    priming : int
        Samples before them that decoders make and players skip.
    digest : str
        BLAKE3 (hex) of the bytes of all packets.
    """

    path: Path
    codec: str
    samples: int
    priming: int
    digest: str


class SoundCopy:
    """Copy the packets of a sound into a container that is being written. Close it after the container.

    Parameters
    ----------
    sound : SoundFile
    container : OutputContainer
        It gets a stream for the sound at once, so nothing may have been written to it.

    Raises
    ------
    av.FFmpegError
        If the sound cannot be read, or its stream cannot be added.
    """

    def __init__(self, sound: SoundFile, container: OutputContainer) -> None:
        self._source = av.open(str(sound.path))
        self._container = container
        stream = self._source.streams.audio[0]
        self._stream = container.add_stream_from_template(stream)
        self._stream.time_base = Fraction(1, SAMPLE_RATE)
        self._packets: Iterator[Packet[AudioStream]] = (each for each in self._source.demux(stream) if each.size)
        self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the sound's file."""
        self._source.close()

    def write(self, until: Fraction | None = None) -> None:
        """Write all packets that begin up to a time in seconds; without a time, all that are left."""
        while (packet := self._next) is not None:
            if until is not None and (packet.pts or 0) * packet.time_base > until:
                return
            packet.stream = self._stream
            self._container.mux(packet)
            self._next = next(self._packets, None)


def movie_timescale(video_timescale: int) -> int:
    """Return ticks a second in which frames and samples both begin at whole ticks.

    If there would be too many for the container, the video's own ticks are returned. They are shorter than a sample.
    """
    both = math.lcm(video_timescale, SAMPLE_RATE)
    return both if both <= _MAX_TIMESCALE else video_timescale
