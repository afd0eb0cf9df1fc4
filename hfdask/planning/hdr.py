"""What HDR output cannot show as the page would, found while planning."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hfdask.config import RenderConfig
from hfdask.errors import UnsupportedFeatureError
from hfdask.planning.sources import FoundVideo


def hdr_warnings(options: RenderConfig, videos: Sequence[FoundVideo], unlike: Collection[str]) -> list[str]:
    """Return warnings about a page that is rendered in HDR.

    Parameters
    ----------
    options : RenderConfig
        Options of the plan.
    videos : sequence of FoundVideo
        Its source videos.
    unlike : collection of str
        Content that looks different in HDR, in words.

    Raises
    ------
    UnsupportedFeatureError
        If an HDR video has alpha.
    """
    if not options.hdr:
        return []
    natives = [video for video in videos if video.source.hdr]
    for video in natives:
        if video.source.alpha:
            raise UnsupportedFeatureError(
                f"{video.name} is in HDR and has alpha, which this version does not compose: encode it without alpha, or leave "
                "out hdr",
                features=[video.name],
            )
    warnings = [f"in HDR, {what} does not change an HDR video as it should; leave it out" for what in sorted(unlike)]
    warnings += [
        f"{video.name} has the primaries {video.source.primaries}, which are taken for BT.2020"
        for video in natives
        if video.source.primaries != "bt2020"
    ]
    if not natives:
        warnings.append("no video of the page is in HDR, so the output is in HLG and has only colors of SDR")
    return warnings
