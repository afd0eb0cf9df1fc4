"""Merge options of two sources: a project's file under a call, a config under keywords, a batch under a row.

An option replaces the one of the same name. It also replaces options that say the same in another way, or that do not fit it: else a
file with ``resolution`` would make ``--scale`` an error, and one with ``crf`` would decide in place of ``--quality``. Options
of one source that do not fit each other are an error all the same (`hfdask.config.RenderConfig`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hfdask.errors import InvalidConfigError
from hfdask.formats.codec import Codec
from hfdask.formats.format import Format
from hfdask.formats.table import FORMATS, format_named

_REPLACED_BY: Mapping[str, frozenset[str]] = {
    "resolution": frozenset({"scale"}),
    "scale": frozenset({"resolution"}),
    "crf": frozenset({"bitrate", "quality"}),
    "bitrate": frozenset({"crf", "quality"}),
    "chunk_size": frozenset({"target_chunk_frames", "max_chunks"}),
    "target_chunk_frames": frozenset({"chunk_size", "max_chunks"}),
    "max_chunks": frozenset({"chunk_size", "target_chunk_frames"}),
}


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of two sources, of which ``over`` wins.

    Parameters
    ----------
    under, over : mapping
        Fields of `hfdask.RenderConfig`. None stands for no value.
    """
    given = {name for name, value in over.items() if value is not None}
    left = {name: value for name, value in under.items() if not _REPLACED_BY.get(name, frozenset()) & given}
    with suppress(InvalidConfigError, TypeError):  # no format or codec, which the check of the merged options reports
        left = _fitting(left, over)
    return {**left, **over}


def _fitting(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``under`` that the format and the codec of ``over`` can have."""
    own = _codec(_format(under), under)
    left = dict(under)
    known = FORMATS.get(under.get("format") or "")
    if known is not None and not over.get("format") and over.get("codec") not in (None, *_names(known)):
        del left["format"]
    format = _format({**left, **over})
    if left.get("codec") not in _names(format):
        left.pop("codec", None)
    codec = _codec(format, {**left, **over})
    alpha = {**left, **over}.get("alpha")
    sounds = [each.name for each in (format.sound, *format.other_sounds) if each is not None]
    misfits = {
        "alpha": alpha and codec.transparent is None,
        "bitrate": codec.max_crf is None,
        "capture": left.get("capture") == "canvas" and codec.transparent is not None and alpha is not False,
        "crf": codec is not own,  # the same number means something else
        "loop": not format.loops,
        "sound_codec": left.get("sound_codec") not in sounds,
    }
    return {name: value for name, value in left.items() if not misfits.get(name)}


def _format(options: Mapping[str, Any]) -> Format:
    return format_named(options.get("format"), options.get("codec"))


def _codec(format: Format, options: Mapping[str, Any]) -> Codec:
    return format.codec_named(options.get("codec"))


def _names(format: Format) -> list[str]:
    return [codec.name for codec in format.codecs]
