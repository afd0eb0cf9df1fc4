"""AV1 by SVT-AV1."""

from __future__ import annotations

from hfdask.core.priority import without_real_time
from hfdask.formats.codec import Codec


def _options(speed: str) -> dict[str, str]:
    return {"preset": speed, "svtav1-params": "lp=1:scd=0:pred-struct=1"}


AV1 = Codec(
    name="av1",
    encoder="libsvtav1",
    container="mp4",
    opaque="yuv420p",
    qualities={"draft": ("10", 40), "standard": ("8", 25), "high": ("6", 20)},
    options=_options,
    max_crf=63,
    opening=without_real_time,
)
