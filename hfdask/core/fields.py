"""Types for the fields of stored documents: digests, names, paths, sizes and texts.

A stored document is not trusted. A worker uses its strings as file names, keys of a store, URLs and headers. So each
field has a type that admits only valid values, and msgspec checks it whenever a document is decoded. Patterns end with
``\\Z``, because ``$`` also matches before a newline at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta

MIN_SIDE, MAX_SIDE = 16, 7680
"""Pixels."""

LEFT_OUT = frozenset({"node_modules", ".git", ".cache", "output", "failures", "dist", ".next", ".turbo", ".hfdask"})
"""Folders at the top of a project that are never part of a composition."""

MAX_LOOP = 65_535
"""Times that an animation can be shown, at most."""

MAX_FRAMES = 86_400 * 240
"""Frames of the longest video: 24 hours at 240 frames a second."""

MAX_CHUNKS = 20_000
"""Chunks of a plan."""

MAX_RECORD_FRAMES = 2_000_000
"""Frames of a chunk."""

MAX_FILES = 100_000
"""Files of a project, and recorded responses of a plan."""

MAX_TEXT = 10_000
"""Characters of a message, a warning or an element's name."""

MAX_TEXTS = 10_000
"""Texts of one list."""

MAX_DEPTH = 64
"""Lists and objects inside each other in a value of a variable."""

MAX_PATH = 4096
"""Characters of a path or URL."""

_VISIBLE = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f\x7f\ud800-\udfff]+"

_DIGEST = re.compile(r"^[0-9a-f]{64}\Z")
Digest = Annotated[str, Meta(pattern=_DIGEST.pattern)]
"""sha256 in lower-case hex digits."""

FrameDigest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""Digest of one frame or of many; see `hfdask.media.picture.frame_digest`."""

_PATH = re.compile(rf"^{_SEGMENT}(?:/{_SEGMENT})*\Z")
Path = Annotated[str, Meta(pattern=_PATH.pattern, max_length=MAX_PATH)]
"""A relative path in normal form: no empty segments, no ``.`` or ``..``, no control characters."""

_FONT = re.compile(r"^[a-z0-9][a-z0-9-]{0,79}(?:\.[a-z0-9]{1,8})?\Z")
FontName = Annotated[str, Meta(pattern=_FONT.pattern)]
"""A font's file name."""

Line = Annotated[str, Meta(pattern=rf"^{_VISIBLE}*\Z", max_length=500)]
"""Text on one line that is valid in XML, such as a version, a family or a worker's name."""

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
"""Text of a page or a library."""

_URL = re.compile(rf"^{_VISIBLE}{{0,{MAX_PATH}}}\Z")
Url = Annotated[str, Meta(pattern=_URL.pattern)]
"""Place of a file of a render: any fsspec URL or path."""

WebUrl = Annotated[
    str,
    Meta(pattern=r"^https?://[^\s\x00-\x20\x7f/?#@*\\\ud800-\udfff]+(?:/[^\s\x00-\x20\x7f?#\ud800-\udfff]*)?\Z"),
    Meta(max_length=2 * MAX_PATH),
]
"""A web address without user, query and fragment."""

Method = Annotated[str, Meta(pattern=r"^(?:GET|HEAD|POST|OPTIONS)\Z")]
Status = Annotated[int, Meta(ge=100, le=599)]

HEADERS = frozenset(
    {
        "content-type",
        "content-disposition",
        "location",
        "timing-allow-origin",
        "x-content-type-options",
        "x-frame-options",
    }
    | {"cross-origin-resource-policy", "cross-origin-embedder-policy", "access-control-expose-headers"}
    | {f"access-control-allow-{what}" for what in ("origin", "credentials", "headers", "methods")}
)
"""Response headers that a plan carries: headers that a page can notice, and a redirect's location. Never cookies."""

HeaderName = Annotated[str, Meta(pattern=rf"^(?:{'|'.join(sorted(HEADERS))})\Z")]
_VALUE = re.compile(r"^[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]{0,8192}\Z")
HeaderValue = Annotated[str, Meta(pattern=_VALUE.pattern)]

EncoderName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}\Z")]
"""Name of a format, an encoder, a pixel format, a container, or an option of an encoder."""

Size = Annotated[int, Meta(ge=0, le=2**40)]
"""Bytes of a file."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
Frame = Annotated[int, Meta(ge=0, le=MAX_FRAMES)]
ChunkIndex = Annotated[int, Meta(ge=0, lt=MAX_CHUNKS)]
Loop = Annotated[int, Meta(ge=0, le=MAX_LOOP)]
Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Moment = Annotated[float, Meta(ge=0, le=1e11)]
"""Seconds since 1970."""

Timeout = Annotated[float, Meta(gt=0, le=3600)]
RatePart = Annotated[int, Meta(ge=1, le=10**9)]


def clipped(texts: Iterable[str]) -> tuple[str, ...]:
    """Cut a list of texts, and each text, to the maximum that a document may hold."""
    listed = list(texts)
    kept = [text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…" for text in listed[:MAX_TEXTS]]
    if len(listed) > MAX_TEXTS:
        kept[-1] = f"and {len(listed) - MAX_TEXTS + 1} more"
    return tuple(kept)


def is_digest(text: str) -> bool:
    """Return true if the text is a `Digest`, which is safe as a part of a path."""
    return _DIGEST.match(text) is not None


def is_path(text: str) -> bool:
    """Return true if the text is a `Path`."""
    return len(text) <= MAX_PATH and _PATH.match(text) is not None


def is_plain(text: str) -> bool:
    """Return true if a path or URL has no control characters and can be stored."""
    return _URL.match(text) is not None


def is_font_name(text: str) -> bool:
    """Return true if the text is a `FontName`, which is safe as a file name."""
    return _FONT.match(text) is not None


def line(text: str) -> str:
    """Make a `Line` of a text: replace characters that it may not contain, and cut it."""
    return re.sub(rf"(?!{_VISIBLE})(?s:.)", "\N{REPLACEMENT CHARACTER}", text)[:500]


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a plan carries (names in lower case), without a redirect's location."""
    return {
        name: value for name, value in headers.items() if name in HEADERS and name != "location" and _VALUE.match(value)
    }


def misfit(value: Any) -> str:
    """Return why a JSON value cannot be stored, or "": too deep, too large a number, or half of a character."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list | tuple):
            if depth > MAX_DEPTH:
                return f"it is more than {MAX_DEPTH} levels deep"
            inside = [*item, *item.values()] if isinstance(item, dict) else item
            waiting.extend((each, depth + 1) for each in inside)
        elif isinstance(item, int) and not -(2**63) <= item < 2**63:
            return f"a number of {item.bit_length()} bits is too large"
        elif isinstance(item, str) and not _encodes(item):
            return f"{item[:50]!r} has half of a character (a lone surrogate)"
    return ""


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
