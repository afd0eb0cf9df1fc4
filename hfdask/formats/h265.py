"""H.265 by x265, in the form that players of Apple take (``hvc1``), and HDR10 or HLG with 10 bits."""

from __future__ import annotations

from hfdask.formats.codec import Codec, HdrWay
from hfdask.formats.hdr import light_options
from hfdask.media.transfers import HdrTransfer

_CURVES = {"pq": "smpte2084", "hlg": "arib-std-b67"}


def _options(speed: str, color: list[str]) -> dict[str, str]:
    # Without `info=0`, a message in the stream's header would contain the length of the chunk.
    once = ["info=0", "log-level=none", "pools=none", "frame-threads=1", "wpp=0"]
    structure = ["scenecut=0", "open-gop=0", "bframes=0", "repeat-headers=1", "rc-lookahead=10"]
    return {"preset": speed, "x265-params": ":".join([*once, *structure, "range=limited", *color])}


def _sdr(speed: str) -> dict[str, str]:
    return _options(speed, ["colorprim=bt709", "transfer=bt709", "colormatrix=bt709"])


def _hdr(speed: str, transfer: HdrTransfer) -> dict[str, str]:
    color = ["colorprim=bt2020", f"transfer={_CURVES[transfer]}", "colormatrix=bt2020nc"]
    return _options(speed, [*color, *light_options()])


H265 = Codec(
    name="h265",
    encoder="libx265",
    container="mp4",
    opaque="yuv420p",
    qualities={"draft": ("ultrafast", 21), "looks": ("medium", 16), "standard": ("medium", 19), "high": ("slow", 16)},
    options=_sdr,
    hdr=HdrWay(pixel_format="yuv420p10le", options=_hdr, speeds={"draft": "fast"}),
    max_crf=51,
    tag="hvc1",
    min_side=64,  # x265 writes beyond its memory for some smaller ones
)
