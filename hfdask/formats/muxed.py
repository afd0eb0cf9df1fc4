"""Outputs that are one file of a muxer of FFmpeg."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hfdask.core.model import EncoderSettings
from hfdask.formats.conformance import verify
from hfdask.formats.format import Format, Planned
from hfdask.formats.join import FileJoin, Going, JoinReport, proceed
from hfdask.media.sound_file import SoundFile


@dataclass(frozen=True, kw_only=True)
class Muxed(Format):
    """A file of FFmpeg's muxer ``muxer``."""

    muxer: str

    @abstractmethod
    def muxer_options(self, settings: EncoderSettings, *, sound: bool) -> dict[str, str]:
        """Return the muxer's options for a file with or without sound."""

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> FileJoin:
        options = self.muxer_options(settings, sound=sound is not None)
        return FileJoin(output, fps, self.codec_of(settings), settings, metadata, sound, self.muxer, options)

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        verify(path, self.codec_of(planned.settings), planned, joined, sound, going)
