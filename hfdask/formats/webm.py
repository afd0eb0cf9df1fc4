"""WebM with VP9 and Opus. Its clock counts milliseconds, so a frame begins at the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hfdask.core.model import EncoderSettings
from hfdask.formats.conformance import verify
from hfdask.formats.format import Format, Planned
from hfdask.formats.join import FileJoin, JoinReport
from hfdask.formats.mux import muxer_options
from hfdask.formats.vp9 import VP9
from hfdask.media.sound_file import OPUS, SoundFile


@dataclass(frozen=True, kw_only=True)
class Matroska(Format):
    """A file of FFmpeg's muxer ``muxer`` for WebM or Matroska, with the index in front of the data."""

    muxer: str

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> FileJoin:
        options = muxer_options(self.muxer, settings.timescale) | {"cues_to_front": "1"}
        return FileJoin(output, fps, self.codec_of(settings), settings, metadata, sound, self.muxer, options)

    def verify(self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None) -> None:
        verify(path, self.codec_of(planned.settings), planned, joined, sound)


WEBM = Matroska(name="webm", suffixes=(".webm",), codecs=(VP9,), sound=OPUS, muxer="webm")
