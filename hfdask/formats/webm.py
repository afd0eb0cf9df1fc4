"""WebM with VP9 and Opus. Its clock counts milliseconds, so a frame begins at the nearest one."""

from __future__ import annotations

from dataclasses import dataclass

from hfdask.core.model import EncoderSettings
from hfdask.formats.mux import muxer_options
from hfdask.formats.muxed import Muxed
from hfdask.formats.vp9 import VP9
from hfdask.media.sound_file import OPUS


@dataclass(frozen=True, kw_only=True)
class Matroska(Muxed):
    """A file of FFmpeg's muxer for WebM or Matroska, with the index in front of the data."""

    def muxer_options(self, settings: EncoderSettings, *, sound: bool) -> dict[str, str]:
        return muxer_options(self.muxer, settings.timescale) | {"cues_to_front": "1"}


WEBM = Matroska(name="webm", suffixes=(".webm",), codecs=(VP9,), sound=OPUS, muxer="webm")
