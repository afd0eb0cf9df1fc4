"""ProRes 4444, with and without alpha: every picture stands for itself, for video editors."""

from __future__ import annotations

from hfdask.formats.codec import Codec, Copies


def _options(speed: str) -> dict[str, str]:
    return {"profile": "4444", "vendor": "apl0"}


PRORES = Codec(
    name="prores",
    encoder="prores_ks",
    container="mov",
    opaque="yuv444p10le",
    transparent="yuva444p10le",
    qualities=dict.fromkeys(("draft", "looks", "standard", "high"), ("", 0)),
    options=_options,
    tag="ap4h",
    intra=True,
    repeater=lambda _: Copies(),
    decoded={"yuv444p10le": "yuv444p12le", "yuva444p10le": "yuva444p12le"},
)
