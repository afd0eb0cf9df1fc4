"""Make source videos, clips and a mix as plans have them, without any file."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import msgspec

from hfdask.core.model import Video, VideoIndex, canonical_json
from hfdask.core.sound import PlannedSound
from hfdask.core.video_clip import VideoClip
from hfdask.core.video_source import FrameIndex, KeyFrame, Ratio, TimeBase, VideoSource

CLIP = VideoClip(
    id="v",
    video=0,
    start=1.0,
    end=3.0,
    origin=1.0,
    pace=1.0,
    media_start=0.0,
    rate=1.0,
    ramp=(),
    loop=False,
    muted=True,
)

MIX = PlannedSound(
    key="d" * 64,
    sha256=hashlib.sha256(b"mix").hexdigest(),
    size=3,
    samples=32_000,
    gain=1.0,
    true_peak=-1.0,
    loudness=None,
    clipped=0,
    tracks=("song",),
)

SOURCE = VideoSource(
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    stream=0,
    width=64,
    height=36,
    display_width=64,
    display_height=36,
    rotation=0,
    flip=False,
    primaries="bt709",
    transfer="bt709",
    matrix="bt709",
    full_range=False,
    alpha=False,
    interlaced=False,
    time_base=TimeBase(num=1, den=30),
    lead=Ratio(num=0, den=1),
    playable=Ratio(num=2, den=1),
    rate=Ratio(num=30, den=1),
    variable=False,
    sound=False,
)


def regular(rate: int, count: int) -> tuple[VideoSource, FrameIndex]:
    """Return a source with frames at n / rate, from its time 0 on."""
    base = TimeBase(num=1, den=rate)
    playable = Ratio.of(Fraction(count, rate))
    source = msgspec.structs.replace(SOURCE, time_base=base, playable=playable, rate=Ratio(num=rate, den=1))
    index = FrameIndex(
        time_base=base,
        start=Ratio(num=0, den=1),
        origin=0,
        pts=tuple(range(count)),
        keys=(KeyFrame(frame=0, pts=0, dts=0),),
    )
    return source, index


def planned(content: bytes, rate: int = 30, count: int = 60, name: str = "a.mp4") -> tuple[Video, bytes]:
    """Return a plan's entry for a source with this content, and its stored index."""
    source, index = regular(rate, count)
    stored = canonical_json(index)
    video = Video(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        index=VideoIndex(sha256=hashlib.sha256(stored).hexdigest(), size=len(stored)),
        source=source,
        asked=False,
    )
    return video, stored
