"""H.265 by x265, in the form that players of Apple take (``hvc1``)."""

from __future__ import annotations

from hfdask.formats.codec import Codec


def _options(speed: str) -> dict[str, str]:
    # Without `info=0`, a message in the stream's header would contain the length of the chunk.
    once = ["info=0", "log-level=none", "pools=none", "frame-threads=1", "wpp=0"]
    structure = ["scenecut=0", "open-gop=0", "bframes=0", "repeat-headers=1", "rc-lookahead=10"]
    colour = ["range=limited", "colorprim=bt709", "transfer=bt709", "colormatrix=bt709"]
    return {"preset": speed, "x265-params": ":".join(once + structure + colour)}


H265 = Codec(
    name="h265",
    encoder="libx265",
    container="mp4",
    opaque="yuv420p",
    qualities={"draft": ("ultrafast", 21), "looks": ("medium", 16), "standard": ("medium", 19), "high": ("slow", 16)},
    options=_options,
    max_crf=51,
    tag="hvc1",
    min_side=64,  # x265 writes beyond its memory for some smaller ones
)
