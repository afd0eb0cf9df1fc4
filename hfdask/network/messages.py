"""Types of requests and answers that recording and replay share.

A request is identified by a digest, because URLs may contain secrets: signatures, tokens, passwords. Manifests, logs
and errors only contain URLs without their queries.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from hfdask.errors import AssetError

# Fetch destinations and resource types that are missed in the picture. A script's own fetch() may handle a failure.
VISIBLE = frozenset(
    {"image", "script", "style", "stylesheet", "font", "video", "audio", "media", "track", "texttrack"}
    | {"iframe", "document", "object", "embed"}
)

# If these cannot be fetched, planning finds their families elsewhere (docs/compositions.md, 11), and the plan carries
# them.
_FONT_SERVICES = ("https://fonts.googleapis.com/",)

_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>@]*@)?([^\s?#'\"<>()]*)(\?[^\s'\"<>()]*)?(#[^\s'\"<>()]*)?", re.I
)


def redact(url: str) -> str:
    """Return a URL for people: without user, query and fragment; of a ``data:`` URL only its type."""
    if url.startswith("data:"):
        return url.partition(",")[0][:80] + ",…"
    try:
        parts = urlsplit(url)
    except ValueError:  # Python accepts fewer hosts than a browser
        return url.partition(":")[0][:20] + ":…"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def redact_text(text: str) -> str:
    """Redact every URL in a message of the page."""
    return _URL.sub(lambda match: match[1] + match[2] + ("?…" if match[3] else ""), text)


class Limits(Struct, frozen=True):
    """Limits of one planning: unpacked bytes of a response and of all, seconds of a response with its retries."""

    response: int = 64_000_000
    total: int = 256_000_000
    requests: int = 10_000
    seconds: float = 20.0
    redirects: int = 5
    attempts: int = 3
    back_off: float = 0.3


@dataclass(frozen=True)
class Request:
    """A request to another origin; ``kind`` is CDP's resource type in lower case."""

    method: str
    url: str = field(repr=False)
    kind: str = "other"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Read the request of a CDP ``Fetch.requestPaused`` event."""
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
    """A response, with only the headers that a page can notice."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """A request that failed, and why; ``error`` is the kind of error if the picture lacks something without it."""

    url: str = field(repr=False)
    kind: str
    reason: str
    error: type[AssetError] = AssetError

    @property
    def shows(self) -> bool:
        """True if the picture lacks something without it."""
        service = self.kind in ("style", "stylesheet") and self.url.startswith(_FONT_SERVICES)
        return self.kind in VISIBLE and not service


class Source(Protocol):
    """A source of answers: the network during planning, the plan in chunks."""

    patterns: list[str]
    """CDP URL patterns of the requests to answer."""

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises
        ------
        AssetError
            If there is none; the message is the reason, without the URL.
        """
