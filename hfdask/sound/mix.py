"""Mix the tracks of a composition to one FLAC file (docs/compositions.md, 10).

The sound goes through all steps in blocks, so memory does not depend on the length. The ends of blocks change no sample.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hfdask.core.model import canonical_json
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.sound import SAMPLE_RATE, SoundTrack, Soundtrack, Treatment
from hfdask.errors import HfdaskError
from hfdask.sound.effects import ChainProcessor, tail
from hfdask.sound.flac import write_flac
from hfdask.sound.lanes import VOLUME, Volume
from hfdask.sound.loudness import Meter
from hfdask.sound.playback import Playback, on_track_clock, playback
from hfdask.sound.reader import read_sound
from hfdask.sound.streams import BLOCK, Recording, Stream, skipped
from hfdask.store import disk_full_at

MIXER_VERSION = 1
"""Raise this if the same soundtrack gives other samples."""

HIGHEST = 2.0**19
"""Highest sample of a mix, 114 dB above full scale. Effects may give more, which is clipped."""

Samples = NDArray[np.float64]
Source = Callable[[int], Iterator[NDArray[np.float32]]]


class MixReport(Struct, frozen=True):
    """Properties of a mix, with the names that they have in `hfdask.core.sound.PlannedSound`."""

    samples: int
    gain: float
    true_peak: float
    loudness: float | None
    clipped: int
    tracks: tuple[str, ...]


def soundtrack_key(soundtrack: Soundtrack) -> str:
    """Return the digest of all that decides the samples of a mix."""
    head = f"hfdask soundtrack, mixer {MIXER_VERSION}\n".encode()
    return hashlib.sha256(head + canonical_json(soundtrack)).hexdigest()


def mix(soundtrack: Soundtrack, open_source: Callable[[int], Path], output: Path) -> MixReport:
    """Mix all tracks, and write the mix as FLAC.

    Parameters
    ----------
    soundtrack : Soundtrack
    open_source : callable
        Returns the file of a source by its number. It is called when a track begins to play it.
    output : Path
        The file to write; its name does not matter.

    Returns
    -------
    MixReport

    Raises
    ------
    AssetError, NotMediaError, MediaTypeError, SoundSourceError, SoundReadError
        If a source cannot be decoded, as `hfdask.sound.reader.SoundFile`; a note names the track.
    DiskFullError
        If there is no space for the mix.

    Notes
    -----
    A scratch file takes 384 kB for each second of the mix, and of each source that more than one track plays.
    """
    meter = Meter()
    with scratch_subfolder("mix") as folder, ExitStack() as opened:
        tracks = _tracks(soundtrack, open_source, folder, opened)
        path = folder / "sum"
        with disk_full_at(path), path.open("wb") as file:
            for block in _mixed(soundtrack, tracks):
                samples = np.clip(np.nan_to_num(block, copy=False), -HIGHEST, HIGHEST).astype(np.float32)
                meter.add(samples)
                file.write(samples.T.tobytes())
        # A power of two scales without rounding. Full scale itself is stored one step of 24 bits lower.
        gain = 2.0 ** math.ceil(math.log2(max(1.0, meter.peak)))
        with disk_full_at(output), path.open("rb") as file:
            write_flac(output, _scaled(file, 1 / gain), soundtrack.samples)
    return MixReport(
        samples=soundtrack.samples,
        gain=gain,
        true_peak=meter.true_peak,
        loudness=meter.loudness,
        clipped=meter.clipped,
        tracks=tuple(track.id for track in tracks if track.is_heard),
    )


class _Part:
    """Sound that is a part of a sum: a track, or a group. It begins and ends somewhere in the mix."""

    def __init__(self, begin: int, end: int, sound: Callable[[], Iterator[Samples]]) -> None:
        self.begin, self.end = begin, end
        self.is_heard = False
        self._sound = sound
        self._stream: Stream | None = None

    def add_to(self, total: Samples, begin: int) -> None:
        """Add the samples of a block of the mix. The blocks must follow each other."""
        low, high = max(begin, self.begin), min(begin + total.shape[1], self.end)
        if low >= high:
            self._stream = None
            return
        if self._stream is None:
            self._stream = Stream(self._sound())
        samples = self._stream.read(high - low)
        self.is_heard = self.is_heard or bool(samples.any())
        total[:, low - begin : high - begin] += samples


class _Track(_Part):
    def __init__(self, track: SoundTrack, played: Playback, samples: int, source: Source) -> None:
        treatment = on_track_clock(track.treatment, track.pace)
        end = min(samples, played.end + tail(treatment.chain, treatment.lanes))
        super().__init__(played.begin, end, self._sounding)
        self.id, self.group = track.id, track.group
        self._track, self._playback, self._treatment, self._source = track, played, treatment, source

    def _sounding(self) -> Iterator[Samples]:
        try:
            sound = self._playback.sound(self._source)
            at = 0
            for block in _treated(sound, self._treatment, self._playback.clock, self.end - self.begin):
                if self._treatment.keys or any(lane.target == VOLUME for lane in self._treatment.lanes):
                    np.clip(block, -1, 1, out=block)
                yield block * self._fades(at, block.shape[1])
                at += block.shape[1]
        except HfdaskError as error:
            error.add_note(f"while mixing {self.id!r}")
            raise

    def _fades(self, begin: int, count: int) -> Samples | float:
        """Return the gains of the fades. They end with the track, so they silence its tail."""
        length = self._playback.end - self._playback.begin
        scale = SAMPLE_RATE / self._track.pace
        fade_in, fade_out = self._track.fade_in * scale, self._track.fade_out * scale
        if fade_in + fade_out > length:
            fade_in, fade_out = (fade * length / (fade_in + fade_out) for fade in (fade_in, fade_out))
        if not fade_in and not fade_out:
            return 1.0
        times = np.arange(begin, begin + count)
        gains = np.ones(count)
        if fade_in:
            gains *= np.clip(times / fade_in, 0, 1)
        if fade_out:
            gains *= np.clip((length - times) / fade_out, 0, 1)
        return gains


def _tracks(
    soundtrack: Soundtrack, open_source: Callable[[int], Path], folder: Path, opened: ExitStack
) -> list[_Track]:
    """Return the tracks that play. Sources that several of them play are recorded while the first one plays."""
    playing = [(track, playback(track, soundtrack.samples)) for track in soundtrack.tracks]
    uses = Counter(track.source for track, played in playing if played)
    recordings: dict[int, Recording] = {}

    def sound(source: int, begin: int) -> Iterator[NDArray[np.float32]]:
        if uses[source] == 1:
            return skipped(read_sound(open_source(source)), begin)
        if source not in recordings:
            recordings[source] = Recording(read_sound(open_source(source)), folder / f"source {source}")
            opened.callback(recordings[source].close)
        return recordings[source].blocks(begin)

    return [
        _Track(track, played, soundtrack.samples, partial(sound, track.source)) for track, played in playing if played
    ]


def _mixed(soundtrack: Soundtrack, tracks: Sequence[_Track]) -> Iterator[Samples]:
    """Yield the whole mix: first the tracks of each group, then groups and other tracks, then the effects of the mix."""
    parts: list[_Part] = [track for track in tracks if track.group is None]
    for number, group in enumerate(soundtrack.groups):
        members = [track for track in tracks if track.group == number]
        if members:
            parts.append(_Part(0, soundtrack.samples, partial(_bus, members, group.treatment, soundtrack.samples)))
    return _bus(parts, soundtrack.master, soundtrack.samples)


def _bus(parts: Sequence[_Part], treatment: Treatment, samples: int) -> Iterator[Samples]:
    return _treated(_summed(parts, samples), treatment, 0, samples)


def _summed(parts: Sequence[_Part], samples: int) -> Iterator[Samples]:
    for begin in range(0, samples, BLOCK):
        total = np.zeros((2, min(BLOCK, samples - begin)))
        for part in parts:
            part.add_to(total, begin)
        yield total


def _scaled(file: BinaryIO, factor: float) -> Iterator[NDArray[np.float32]]:
    while data := file.read(8 * BLOCK):
        yield np.frombuffer(data, np.float32).reshape(-1, 2).T * np.float32(factor)


def _treated(
    blocks: Iterator[NDArray[np.floating[Any]]], treatment: Treatment, clock: int, count: int
) -> Iterator[Samples]:
    """Yield samples after effects and volume. Effects that are late get silence after the end.

    ``clock`` is the number of the first sample on the clock of the lanes.
    """
    chain, volume = ChainProcessor(treatment.chain, treatment.lanes), Volume(treatment)
    stream = Stream(iter(blocks))
    for begin in range(-chain.latency, count, BLOCK):
        end = min(begin + BLOCK, count)
        read = begin + chain.latency
        block = chain.process(stream.read(end - begin), clock + read)[:, max(0, -begin) :]
        if block.shape[1]:
            yield block * volume.values(clock + max(0, begin), block.shape[1])
