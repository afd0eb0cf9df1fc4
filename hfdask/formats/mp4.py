"""MP4: an index in front of the data, and clocks in which every frame and every sample begin at a whole tick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hfdask.core.model import EncoderSettings
from hfdask.formats.av1 import AV1
from hfdask.formats.conformance import require_index_first
from hfdask.formats.format import Planned
from hfdask.formats.h264 import H264
from hfdask.formats.h265 import H265
from hfdask.formats.join import Going, JoinReport, proceed
from hfdask.formats.mux import muxer_options
from hfdask.formats.muxed import Muxed
from hfdask.media.sound_file import AAC, SoundFile, movie_timescale


@dataclass(frozen=True, kw_only=True)
class QuickTime(Muxed):
    """A file of FFmpeg's muxer for MP4 or MOV."""

    def muxer_options(self, settings: EncoderSettings, *, sound: bool) -> dict[str, str]:
        options = muxer_options(self.muxer, settings.timescale) | {"movflags": "+faststart+use_metadata_tags"}
        return options | ({"movie_timescale": str(movie_timescale(settings.timescale))} if sound else {})

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        require_index_first(path)
        super().verify(path, planned, joined, sound, going)


MP4 = QuickTime(name="mp4", suffixes=(".mp4",), codecs=(H264, H265, AV1), sound=AAC, muxer="mp4")
