"""Options of FFmpeg's muxers, for chunks and for finished videos."""

from __future__ import annotations

_WITH_CLOCKS = ("mp4", "mov")


def muxer_options(container: str, timescale: int) -> dict[str, str]:
    """Return options for a file that is the same every time, and whose track and movie clocks count in these ticks.

    With its default clock of milliseconds, an MP4 or MOV file would round the movie's duration. Other containers have a
    fixed clock. The bit-exact flag leaves out library versions.
    """
    clocks = ("video_track_timescale", "movie_timescale") if container in _WITH_CLOCKS else ()
    return {**{name: str(timescale) for name in clocks}, "fflags": "+bitexact"}
