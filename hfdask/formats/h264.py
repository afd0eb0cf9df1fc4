"""H.264 by x264: closed groups of pictures without frames out of order, the same bytes on every CPU.

x264's output depends on the number of threads and, by default, on the CPU's instruction sets; both are fixed here. A second thread
costs no CPU and 1 % of size, and lets a film, or the last chunk of a render, use a second core. `medium` looks for motion without
counting the bits of each choice, which costs a third of the CPU and makes only gradients smaller (docs/decisions/x264-motion.md).
Repeated pictures are written without the encoder (`hfdask.media.h264_skip`).
"""

from __future__ import annotations

from typing import Any

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from hfdask.formats.codec import Codec
from hfdask.media.h264_skip import SkipWriter


class _Skips:
    """Repeat a picture by a slice that skips all of it."""

    def __init__(self, context: VideoCodecContext) -> None:
        self._writer = SkipWriter.of(bytes(context.extradata or b""))

    def repeated(self, number: int, before: bytes) -> bytes:
        return self._writer.picture(number)

    def numbered(self, packet: Packet[Any], number: int) -> bytes:
        return self._writer.numbered(bytes(packet), number)


def _options(speed: str) -> dict[str, str]:
    quantiser = ["aq-mode=3"]
    if speed != "ultrafast":  # ultrafast leaves both features off, and these would switch them on
        quantiser += ["aq-strength=0.8", "deblock=1,1"]
    motion = ["subme=4"] if speed == "medium" else []
    colour = ["colorprim=bt709", "transfer=bt709", "colormatrix=bt709"]
    structure = [
        "scenecut=0",
        "open-gop=0",
        "bframes=0",
        "ref=1",
        "rc-lookahead=10",
        "repeat-headers=1",
        "cpu-independent=1",
    ]
    return {"preset": speed, "x264-params": ":".join(quantiser + motion + colour + structure)}


H264 = Codec(
    name="h264",
    encoder="libx264",
    container="mp4",
    opaque="yuv420p",
    qualities={"draft": ("ultrafast", 28), "looks": ("medium", 16), "standard": ("medium", 18), "high": ("slow", 15)},
    options=_options,
    max_crf=51,
    threads=2,
    repeater=_Skips,
)
"""x264's presets and constant rate factors."""
