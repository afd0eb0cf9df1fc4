"""Messages about missing files: what the page asked for, and which element or script did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from hfdask.browser.page_log import PageLog, plain
from hfdask.core.fields import LEFT_OUT
from hfdask.errors import AssetError, FontUnreadableError
from hfdask.network.messages import Refusal
from hfdask.page.server import ORIGIN, Miss

_SHOWN = 50
_KEPT = 1000
_MAX_NAME = 300  # characters of a URL, or of a place that asked for it


def described(log: PageLog, lost: Refusal, element: str = "") -> str:
    """Describe a missing file: its name, its use, what asked for it, and why it is missing."""
    asker = ", ".join(_cut(each) for each in [log.asker(lost.url), element] if each)
    name = _cut(plain(lost.url).removeprefix(ORIGIN + "/"))
    return f"{name} (as {lost.kind})" + (f" in {asker}" if asker else "") + (f": {lost.reason}" if lost.reason else "")


def refusals_of(misses: Iterable[Miss]) -> list[Refusal]:
    """Return the requests for files that the project does not have. A file in a folder that is left out has that reason."""
    return [Refusal(f"{ORIGIN}/{quote(miss.path)}", miss.wanted_as, _why_missing(miss.path)) for miss in misses]


def _why_missing(path: str) -> str:
    folder, _, inside = path.partition("/")
    return f"the folder {folder} at the top of a project is left out" if inside and folder in LEFT_OUT else ""


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}\u2026"


def asset_error(log: PageLog, lost: Iterable[Refusal], elements: Mapping[str, str]) -> AssetError:
    """Return the error for files that the picture lacks; ``elements`` are the elements that show them, by URL."""
    kinds = {each.error for each in lost}
    missing = sorted({described(log, each, elements.get(each.url, "")) for each in lost})
    listed = "; ".join(missing[:_SHOWN]) + (f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
    return (kinds.pop() if len(kinds) == 1 else AssetError)(
        f"the page asks for files that are not in the project: {listed}; add them to the project's folder, "
        "or set other places for them with replace_urls",
        missing=missing[:_KEPT],
    )


def unreadable_error(urls: Iterable[str]) -> FontUnreadableError:
    """Return the error for fonts that exist, but that Chromium cannot decode."""
    names = sorted({_cut(plain(url).removeprefix(ORIGIN + "/")) for url in urls})
    return FontUnreadableError(
        f"a font of the page cannot be decoded: {'; '.join(names[:_SHOWN])}; its text would be drawn in another one; replace "
        "the file with a valid one (TrueType, OpenType, WOFF or WOFF2)",
        fonts=names,
    )
