"""MP4: an index in front of the data, and clocks in which every frame and every sample begin at a whole tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hfdask.core.model import EncoderSettings
from hfdask.formats.av1 import AV1
from hfdask.formats.conformance import require_index_first, verify
from hfdask.formats.format import Format, Planned
from hfdask.formats.h264 import H264
from hfdask.formats.h265 import H265
from hfdask.formats.join import FileJoin, JoinReport
from hfdask.formats.mux import muxer_options
from hfdask.media.sound_file import AAC, SoundFile, movie_timescale


@dataclass(frozen=True, kw_only=True)
class QuickTime(Format):
    """A file of FFmpeg's muxer ``muxer`` for MP4 or MOV."""

    muxer: str

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> FileJoin:
        options = muxer_options(self.muxer, settings.timescale) | {"movflags": "+faststart+use_metadata_tags"}
        if sound is not None:
            options["movie_timescale"] = str(movie_timescale(settings.timescale))
        return FileJoin(output, fps, self.codec_of(settings), settings, metadata, sound, self.muxer, options)

    def verify(self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None) -> None:
        require_index_first(path)
        verify(path, self.codec_of(planned.settings), planned, joined, sound)


MP4 = QuickTime(name="mp4", suffixes=(".mp4",), codecs=(H264, H265, AV1), sound=AAC, muxer="mp4")
