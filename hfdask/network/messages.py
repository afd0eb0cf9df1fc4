"""The words that planning and rendering share about a page's requests to other origins.

A request is known by a digest of what was asked, because URLs may hold secrets: signatures, tokens, passwords. People
see a URL without its query, and no manifest, log or error ever holds more.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from hfdask.errors import AssetError

# Fetch destinations and resource types whose absence shows in the picture; a script's own fetch() may handle a miss.
VISIBLE = frozenset(
    {"image", "script", "style", "stylesheet", "font", "video", "audio", "media", "track", "texttrack"}
    | {"iframe", "document", "object", "embed"}
)

# Their families are found elsewhere where they cannot be fetched (docs/compositions.md, 10), and then by fonts that a plan carries.
_FONT_SERVICES = ("https://fonts.googleapis.com/",)

_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>@]*@)?([^\s?#'\"<>()]*)(\?[^\s'\"<>()]*)?(#[^\s'\"<>()]*)?", re.I
)


def redact(url: str) -> str:
    """A URL for people: without user, query and fragment; of a ``data:`` URL only its type."""
    if url.startswith("data:"):
        return url.partition(",")[0][:80] + ",…"
    try:
        parts = urlsplit(url)
    except ValueError:  # Python knows fewer hosts than a browser does
        return url.partition(":")[0][:20] + ":…"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def redact_text(text: str) -> str:
    """A message of the page, with every URL in it redacted."""
    return _URL.sub(lambda match: match[1] + match[2] + ("?…" if match[3] else ""), text)


@dataclass(frozen=True)
class Request:
    """What a page asked of another origin; ``kind`` is CDP's resource type in lower case."""

    method: str
    url: str = field(repr=False)
    kind: str = "other"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """The request of a CDP ``Fetch.requestPaused`` event."""
        asked = event["request"]
        entries = asked.get("postDataEntries") or []
        body = b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        return cls(asked["method"], asked["url"], event["resourceType"].lower(), headers, body)

    @property
    def key(self) -> str:
        """sha256 (hex) of method, URL and body: the name of its answer."""
        parts = (self.method, self.url, hashlib.sha256(self.body).hexdigest())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """A response, with only those headers that a page can tell apart."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """A request that got nothing, and why; ``error`` is the kind of error that it is where it shows."""

    url: str = field(repr=False)
    kind: str
    reason: str
    error: type[AssetError] = AssetError

    @property
    def shows(self) -> bool:
        """Whether the picture lacks something without it."""
        service = self.kind in ("style", "stylesheet") and self.url.startswith(_FONT_SERVICES)
        return self.kind in VISIBLE and not service


class Source(Protocol):
    """Where answers come from: the network while a plan is made, the plan from then on."""

    patterns: list[str]
    """CDP URL patterns of the requests that come here."""

    async def answer(self, request: Request) -> Answer:
        """The answer to a request.

        Raises
        ------
        AssetError
            Where there is none; the message is the reason, without the URL.
        """
