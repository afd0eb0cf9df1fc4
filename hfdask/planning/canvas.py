"""Guess the canvas of a page from its markup, so that most pages are loaded once.

Layout depends on the size of the window, and scripts on the frame rate, but only the loaded page knows both: scripts
may set them. So planning loads the page with what the first root in its markup declares, and again only if the page
reports something else. A wrong guess costs a load, and changes no plan.
"""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction

from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.frames import parse_fps
from hfdask.errors import InvalidConfigError

SIDES = ("width", "height")
DEFAULT_SIZE = (1920, 1080)
DEFAULT_FPS = Fraction(30)

# Two patterns in turn: one for both would take quadratic time for a tag that names the attribute again and again.
_TAG = re.compile(r"<[a-z][^<>]*>", re.IGNORECASE)
_VIDEO = re.compile(r"<video[\s>]", re.IGNORECASE)
_IS_ROOT = re.compile(r"\sdata-composition-id\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""\sdata-(width|height|fps|duration)\s*=\s*(["']?)([0-9./]{1,20})\2(?=[\s/>])""", re.IGNORECASE
)


def declared_canvas(html: str) -> tuple[int, int, Fraction]:
    """Return width, height and frame rate of the first root in a document's markup; defaults for what it lacks."""
    declared = _declared(html)
    width, height = (_side(declared.get(name, ""), default) for name, default in zip(SIDES, DEFAULT_SIZE, strict=True))
    fps = DEFAULT_FPS
    with suppress(InvalidConfigError):
        fps = parse_fps(declared.get("fps", ""))
    return width, height, fps


def declared_duration(html: str) -> float:
    """Return the duration in seconds of the first root in a document's markup; 0 if it declares none."""
    with suppress(ValueError):
        return float(_declared(html).get("duration", ""))
    return 0.0


def declares_video(html: str) -> bool:
    """Return true if a document's markup has a ``<video>``."""
    return _VIDEO.search(html) is not None


def _declared(html: str) -> dict[str, str]:
    root = next((tag[0] for tag in _TAG.finditer(html) if _IS_ROOT.search(tag[0])), "")
    return {name.lower(): value for name, _, value in _ATTRIBUTE.findall(root)}


def _side(text: str, default: int) -> int:
    return int(text) if text.isdigit() and MIN_SIDE <= int(text) <= MAX_SIDE else default
