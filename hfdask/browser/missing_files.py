"""Files that a page asked for in vain, in words: what it asked for, and who asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hfdask.browser.page_log import PageLog, plain
from hfdask.errors import AssetError, FontUnreadableError
from hfdask.network.messages import Refusal
from hfdask.page.server import ORIGIN

_SHOWN = 50
_KEPT = 1000
_MAX_NAME = 300  # of a URL, or of whoever asked for it


def described(log: PageLog, lost: Refusal, element: str = "") -> str:
    """A file that was asked for, as what, by whom, and why it did not come."""
    asker = ", ".join(_cut(each) for each in [log.asker(lost.url), element] if each)
    name = _cut(plain(lost.url).removeprefix(ORIGIN + "/"))
    return f"{name} (as {lost.kind})" + (f" in {asker}" if asker else "") + (f": {lost.reason}" if lost.reason else "")


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}\u2026"


def asset_error(log: PageLog, lost: Iterable[Refusal], elements: Mapping[str, str]) -> AssetError:
    """The error for files whose absence shows in the picture; ``elements`` are those that show them, by URL."""
    kinds = {each.error for each in lost}
    missing = sorted({described(log, each, elements.get(each.url, "")) for each in lost})
    listed = "; ".join(missing[:_SHOWN]) + (f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
    return (kinds.pop() if len(kinds) == 1 else AssetError)(
        f"the page asks for files that are not in the project: {listed}; add them to the project's folder, "
        "or set other places for them with replace_urls",
        missing=missing[:_KEPT],
    )


def unreadable_error(urls: Iterable[str]) -> FontUnreadableError:
    """The error for fonts that are there, but that Chromium cannot decode."""
    names = sorted({_cut(plain(url).removeprefix(ORIGIN + "/")) for url in urls})
    return FontUnreadableError(
        f"a font of the page cannot be decoded: {'; '.join(names[:_SHOWN])}; its text would be drawn in another one; replace "
        "the file with a valid one (TrueType, OpenType, WOFF or WOFF2)",
        fonts=names,
    )
