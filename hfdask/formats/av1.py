"""AV1 by SVT-AV1. Its packets are in the order in which they are shown, although pictures may refer to later ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from hfdask.core.priority import without_real_time
from hfdask.formats.codec import Codec


def _options(speed: str) -> dict[str, str]:
    return {"preset": speed, "svtav1-params": "lp=1:scd=0"}


@contextlib.contextmanager
def _opening() -> Iterator[None]:
    os.environ.setdefault("SVT_LOG", "1")  # errors only; there is no option for it
    with without_real_time():
        yield


AV1 = Codec(
    name="av1",
    encoder="libsvtav1",
    container="mp4",
    opaque="yuv420p",
    qualities={"draft": ("10", 45), "looks": ("8", 10), "standard": ("8", 18), "high": ("6", 10)},
    options=_options,
    max_crf=63,
    decoder="libdav1d",
    opening=_opening,
)
