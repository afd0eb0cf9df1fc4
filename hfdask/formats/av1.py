"""AV1 by SVT-AV1, without frames out of order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from hfdask.core.priority import without_real_time
from hfdask.formats.codec import Codec


def _options(speed: str) -> dict[str, str]:
    return {"preset": speed, "svtav1-params": "lp=1:scd=0:pred-struct=1"}


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
    qualities={"draft": ("10", 40), "standard": ("8", 25), "high": ("6", 20)},
    options=_options,
    max_crf=63,
    opening=_opening,
)
