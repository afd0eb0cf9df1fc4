"""MOV with ProRes 4444, for video editors."""

from __future__ import annotations

from hfdask.formats.mp4 import QuickTime
from hfdask.formats.prores import PRORES
from hfdask.media.sound_file import AAC, PCM

MOV = QuickTime(name="mov", suffixes=(".mov",), codecs=(PRORES,), sound=PCM, other_sounds=(AAC,), muxer="mov")
