"""Tables of all formats and codecs, and what options mean for them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from hfdask.core.model import EncoderSettings, VideoTransfer
from hfdask.errors import InvalidConfigError, PlanCorruptError
from hfdask.formats.codec import Codec
from hfdask.formats.format import Format
from hfdask.formats.gif import GIF
from hfdask.formats.hls import HLS
from hfdask.formats.mov import MOV
from hfdask.formats.mp4 import MP4
from hfdask.formats.png_sequence import PNG_SEQUENCE
from hfdask.formats.webm import WEBM
from hfdask.formats.webp import WEBP

FORMATS: Mapping[str, Format] = {each.name: each for each in (MP4, WEBM, MOV, PNG_SEQUENCE, GIF, WEBP, HLS)}
"""All formats by name. The first one is the default."""

CODECS: Mapping[str, Codec] = {codec.name: codec for format in FORMATS.values() for codec in format.codecs}
"""All codecs by name."""

_ENCODERS = {codec.encoder: codec for codec in CODECS.values()}
_SUFFIXES = {suffix: format for format in FORMATS.values() for suffix in format.suffixes}
OUTPUT_SUFFIXES = tuple(_SUFFIXES)
"""All endings of outputs, in lower case and with a dot."""


def format_named(name: str | None, codec: str | None = None) -> Format:
    """Return the format of this name; without a name, the first format that has the codec; without both, the default.

    Raises
    ------
    InvalidConfigError
        If there is none.
    """
    if name is not None:
        if name not in FORMATS:
            raise InvalidConfigError(f"format must be one of {', '.join(FORMATS)}, not {name!r}", field="format")
        return FORMATS[name]
    if codec is None:
        return MP4
    found = (each for each in FORMATS.values() if any(known.name == codec for known in each.codecs))
    try:
        return next(found)
    except StopIteration:
        raise InvalidConfigError(f"codec must be one of {', '.join(CODECS)}, not {codec!r}", field="codec") from None


def with_format_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the format that the name of an output ends as, if they have none and there is one."""
    named = _SUFFIXES.get(PurePosixPath(name).suffix.lower())
    if named is None or options.get("format") is not None:
        return dict(options)
    return {**options, "format": named.name}


def format_of(name: str) -> Format | None:
    """Return the format that an output of this name has by its ending, or as a folder; None if there is none."""
    folders = (each for each in FORMATS.values() if each.is_folder(name))
    found = _SUFFIXES.get(PurePosixPath(name).suffix.lower()) or next(folders, None)
    return None if found is None else found.named(name)


def folder_named(name: str) -> bool:
    """Return true if an output of this name is a folder."""
    return (found := format_of(name)) is not None and found.is_folder(name)


def codec_of(settings: EncoderSettings) -> Codec:
    """Return the codec of some settings.

    Raises
    ------
    PlanCorruptError
        If there is none.
    """
    try:
        return _ENCODERS[settings.codec]
    except KeyError:
        raise PlanCorruptError(f"there is no codec with the encoder {settings.codec}; plan again") from None


def encoder_settings(
    quality: str,
    crf: int | None,
    bitrate: str | None,
    fps: Fraction,
    *,
    format: str | None = None,
    codec: str | None = None,
    alpha: bool | None = None,
    transfer: VideoTransfer = "bt709",
) -> EncoderSettings:
    """Return complete settings of a video's encoder.

    Parameters
    ----------
    quality, crf, bitrate, fps
        As in `hfdask.formats.codec.Codec.settings`.
    format, codec : str, optional
        Names. Default: the default format, and the first codec of the format.
    alpha : bool, optional
        True to keep alpha. Default: if the codec can.
    transfer : {"bt709", "pq", "hlg"}
        Transfer function of the pictures; ``bt709`` for SDR.

    Raises
    ------
    InvalidConfigError
        If the options do not fit each other.
    """
    return format_named(format, codec).settings(quality, crf, bitrate, fps, codec=codec, alpha=alpha, transfer=transfer)


def known_settings(format: str, settings: EncoderSettings, fps: Fraction) -> bool:
    """Return true if `encoder_settings` could have made these settings for a format of this name."""
    known = FORMATS.get(format)
    return known is not None and any(
        codec.encoder == settings.codec and codec.knows(settings, fps) for codec in known.codecs
    )


def known_sound(format: str, name: str | None) -> bool:
    """Return true if a format of this name has a codec of sound of this name; None stands for its default."""
    known = FORMATS.get(format)
    if known is None:
        return False
    try:
        known.sound_named(name)
    except InvalidConfigError:
        return False
    return True
