"""Decode the sound of a file from its beginning, in order.

Decoders keep a state, so a sample after a seek differs from the same sample of a full decode. Time stamps are rounded in
some containers, and are off by the decoder's delay in others. So nothing here seeks, and samples follow each other
without gaps unless a time stamp jumps by more than `GAP` (docs/decisions/sound-decoding.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags, ThreadType
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE
from hfdask.errors import MediaTypeError, SoundReadError, SoundSourceError
from hfdask.media.payload import check_payload, why_unopened
from hfdask.media.video_file import earliest_start, open_media, packets_of, read_only
from hfdask.sound.resample import Resampler, stereo

GAP = Fraction(1, 20)
"""Seconds. If a time stamp is later than the samples before it by more than this, silence is put between them."""

MAX_RATE = 768_000
"""Samples a second of a source."""

MAX_LATE = 86_400
"""Seconds. If a time stamp jumps further than this, it is wrong, and does not count."""

HIGHEST = 64.0
"""Highest sample of a source with floating point numbers, 36 dB above full scale. Higher ones are clipped."""

BATCH = Fraction(1, 2)
"""Seconds of a source that are converted at once."""

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive samples of a source at its own rate.

    Attributes
    ----------
    rate : int
        Samples a second.
    layout : tuple of str
        Names of its channels.
    samples : array of float32, shape (channels, samples)
    silence : int
        Samples of silence before it.
    """

    rate: int
    layout: tuple[str, ...]
    samples: Block
    silence: int = 0


class SoundFile:
    """The sound of a file. Use it in a ``with`` statement.

    Parameters
    ----------
    path : Path
        The file; its name does not matter.

    Attributes
    ----------
    stream : AudioStream
        The stream that is heard: the default one, else the first.
    lead : Fraction
        Seconds from the beginning of the file to its first sample. It is known after the first part was read.
    damaged : int
        Packets that could not be decoded so far. Silence takes their place.

    Raises
    ------
    AssetError
        If there is no such file.
    NotMediaError
        If it holds HTML, XML or JSON.
    MediaTypeError
        If it is a picture, or has no sound.
    SoundSourceError
        If its sound cannot be decoded. ``details["reason"]`` is ``empty``, ``container``, ``truncated``, ``codec``,
        ``encrypted``, ``channels``, ``rate`` or ``damaged``.
    SoundReadError
        If this machine cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lead = Fraction(0)
        self.damaged = 0
        self._file = _opened(path)
        self._start = earliest_start(self._file)
        try:
            self.stream = self._default_stream()
        except BaseException:
            self._file.close()
            raise
        read_only(self._file, self.stream)
        context: Any = self.stream.codec_context
        context.thread_type, context.thread_count = ThreadType.NONE, 1
        context.flags |= Flags.bitexact

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def format(self) -> str:
        """Return FFmpeg's name of the container."""
        return self._file.format.name

    @property
    def promised(self) -> Fraction | None:
        """Return the second at which the sound ends, as the stream's header says, or None if it does not."""
        if self.stream.duration is None or self.stream.time_base is None:
            return None
        begin = self.stream.start_time or 0
        return (begin + self.stream.duration) * self.stream.time_base - self._start

    def parts(self) -> Iterator[Part]:
        """Yield all samples from second 0 of the file on, at the source's own rate. Call this once.

        The first part's silence is not the lead: see `lead`.
        """
        position: Fraction | None = None
        for frame in self._frames():
            rate, samples = frame.sample_rate, _floats(frame)
            silence = 0
            time = self._time(frame)
            if position is None:
                position = Fraction(0) if time is None else time
                self.lead = max(Fraction(0), position)
                if position < 0:
                    samples = samples[:, round(-position * rate) :]
                    position = Fraction(0)
            elif time is not None and GAP < time - position < MAX_LATE:
                silence = round((time - position) * rate)
                position += Fraction(silence, rate)
            samples = samples[:, : self._room(position, rate)]
            position += Fraction(samples.shape[1], rate)
            if samples.shape[1]:
                yield Part(rate, _names(self.path, frame), samples, silence)

    def _frames(self) -> Iterator[AudioFrame]:
        """Decode all packets. The frames of a damaged packet are silent."""
        context = self.stream.codec_context
        decoded = 0
        last: AudioFrame | None = None
        try:
            for packet in chain(packets_of(self._file, self.stream), (None,)):
                if packet is not None and packet.has_sidedata("encryption_info"):
                    raise refused(self.path, "encrypted", "it is encrypted; use a copy without protection")
                try:
                    frames = context.decode(packet)
                except (av.error.InvalidDataError, av.error.PatchWelcomeError):
                    self.damaged += 1
                    frames = [_silent(last)] if last is not None and packet is not None else []
                for frame in frames:
                    if not 0 < frame.sample_rate <= MAX_RATE:
                        raise refused(
                            self.path, "rate", f"it has {frame.sample_rate} samples a second; convert it to 48000"
                        )
                    decoded += 1
                    yield frame
                    last = frame
        except av.FFmpegError as error:
            raise _unreadable(self.path, error) from error
        if not decoded:
            reason = "damaged" if self.damaged else "truncated"
            raise refused(self.path, reason, "none of its sound can be decoded; copy or encode it again")

    def _time(self, frame: AudioFrame) -> Fraction | None:
        base = frame.time_base or self.stream.time_base
        return None if frame.pts is None or base is None else frame.pts * base - self._start

    def _room(self, position: Fraction, rate: int) -> int | None:
        """Return how many samples are left up to the end of the stream. Only MP4 and MOV have it exactly.

        The header of a fragmented file is completed while the file is read.
        """
        promised = self.promised
        if "mp4" not in self.format or not self.stream.duration or promised is None:
            return None
        return max(0, round((promised - position) * rate))

    def _default_stream(self) -> AudioStream:
        streams = self._file.streams.audio
        if not self._file.streams:
            raise refused(self.path, "truncated", "it has no tracks, so it was cut; copy or record it again")
        if not streams:
            raise MediaTypeError(
                f"{self.path} has no sound; use a file with an audio track", path=str(self.path), found="no sound"
            )
        stream = next((each for each in streams if each.disposition & Disposition.default), streams[0])
        if stream.codec_context is None:
            raise refused(self.path, "codec", "the codec of its sound is unknown; encode it as AAC, Opus or FLAC")
        return stream


def read_sound(path: Path) -> Iterator[Block]:
    """Yield the sound of a file from its second 0 on: consecutive blocks of shape (2, samples) at `SAMPLE_RATE`.

    Raises
    ------
    AssetError, NotMediaError, MediaTypeError, SoundSourceError, SoundReadError
        As `SoundFile`.
    """
    with SoundFile(path) as file:
        resampler: Resampler | None = None
        first = True
        for part in _batches(file.parts()):
            if first:
                yield from _silence(round(file.lead * SAMPLE_RATE))
                first = False
            if resampler is None or resampler.rate != part.rate:
                if resampler is not None:
                    yield from resampler.end()
                resampler = Resampler(part.rate)
            for quiet in _silence(part.silence):
                yield from resampler.add(quiet)
            yield from resampler.add(stereo(part.samples, part.layout))
        if resampler is not None:
            yield from resampler.end()


def refused(path: Path, reason: str, why: str) -> SoundSourceError:
    """Make the error of a source that cannot be used."""
    return SoundSourceError(f"the sound of {path} cannot be used: {why}", path=str(path), reason=reason)


def _opened(path: Path) -> InputContainer:
    try:
        if not check_payload(path, "sound"):
            raise refused(path, "empty", "it has no bytes; copy it again")
        try:
            return open_media(path)
        except av.FFmpegError as error:
            why = why_unopened(path, error, "a WAV, MP3, M4A, FLAC, Ogg or video file")
            raise refused(path, *why) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SoundReadError:
    return SoundReadError(f"{path} cannot be read: {error}", path=str(path))


def _batches(parts: Iterable[Part]) -> Iterator[Part]:
    """Join parts that follow each other, because each conversion has a fixed cost."""
    held: list[Part] = []
    for part in parts:
        alike = held and (held[0].rate, held[0].layout) == (part.rate, part.layout)
        if held and (not alike or part.silence or sum(each.samples.shape[1] for each in held) >= BATCH * part.rate):
            yield _joined(held)
            held = []
        held.append(part)
    if held:
        yield _joined(held)


def _joined(parts: list[Part]) -> Part:
    samples = np.concatenate([part.samples for part in parts], axis=1)
    return Part(parts[0].rate, parts[0].layout, samples, parts[0].silence)


def _silence(count: int) -> Iterator[Block]:
    for begin in range(0, count, SAMPLE_RATE):
        yield np.zeros((2, min(SAMPLE_RATE, count - begin)), np.float32)


def _floats(frame: AudioFrame) -> Block:
    """Return the samples of a frame, one row for each channel, with full scale at 1."""
    data: NDArray[Any] = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        data = data.reshape(-1, channels).T
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - np.float32(128)) / np.float32(128)
    if data.dtype.kind == "i":
        return data.astype(np.float32) / np.float32(2.0 ** (8 * data.dtype.itemsize - 1))
    if not np.abs(data).max(initial=0) <= HIGHEST:  # or it is not a number
        data = np.clip(np.nan_to_num(data, nan=0, posinf=0, neginf=0), -HIGHEST, HIGHEST)
    return data.astype(np.float32)


def _silent(like: AudioFrame) -> AudioFrame:
    zeros = np.zeros_like(like.to_ndarray())
    if zeros.dtype == np.uint8:
        zeros += 128
    frame = AudioFrame.from_ndarray(zeros, format=like.format.name, layout=like.layout.name)
    frame.sample_rate = like.sample_rate
    return frame


_USUAL = {3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def _names(path: Path, frame: AudioFrame) -> tuple[str, ...]:
    """Return the names of a frame's channels. If the file does not name them, the usual order for their number counts."""
    layout = frame.layout
    if layout.nb_channels > 2 and not any(channel.name in ("FL", "FR", "DL", "DR") for channel in layout.channels):
        if layout.nb_channels not in _USUAL:
            raise refused(
                path, "channels", f"it has {layout.nb_channels} channels without names; mix it to two channels"
            )
        layout = av.AudioLayout(_USUAL[layout.nb_channels])
    return tuple(channel.name for channel in layout.channels)
