"""Sizes of videos: names of common ones, and the scale from a composition's size to a video's.

A page is laid out at the size of its composition, and drawn larger or smaller by one exact factor. Both sides of the
video must be whole numbers of pixels then, so the shape of the picture never changes.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from hfdask.core.fields import MAX_SIDE, MIN_SIDE
from hfdask.core.values import Value
from hfdask.errors import InvalidConfigError

MIN_SCALE, MAX_SCALE = Fraction(1, 2), Fraction(8)
"""Range of scales. Chromium draws nothing smaller than half the size."""

_LANDSCAPE = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "hd": (1920, 1080),
    "1440p": (2560, 1440),
    "4k": (3840, 2160),
    "uhd": (3840, 2160),
}
_ORIENTATIONS = ("landscape", "portrait", "square")
_PIXELS = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,20}|/[1-9][0-9]{0,5})?")


class Scale(Value, frozen=True):
    """Pixels of a picture for each pixel of a page, as an exact fraction."""

    num: Annotated[int, Meta(ge=1, le=MAX_SIDE)]
    den: Annotated[int, Meta(ge=1, le=MAX_SIDE)]

    @classmethod
    def of(cls, scale: Fraction) -> Scale:
        return cls(num=scale.numerator, den=scale.denominator)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.num, self.den)

    def __str__(self) -> str:
        return str(self.fraction)


UNSCALED = Scale(num=1, den=1)
"""The scale of a page that is drawn at the size at which it is laid out."""


def parse_scale(value: str | int | float | Fraction) -> Fraction:
    """Read a scale: a number from 1/2 to 8, such as ``2``, ``"1.5"`` or ``"2/3"``.

    Raises
    ------
    InvalidConfigError
        For anything else.
    """
    exact = None
    if isinstance(value, Fraction):
        exact = value
    elif not isinstance(value, bool) and _NUMBER.fullmatch(text := str(value).strip()):
        exact = Fraction(text)
    if exact is None or not MIN_SCALE <= exact <= MAX_SCALE:
        raise InvalidConfigError(
            f"scale must be a number from {MIN_SCALE} to {MAX_SCALE}, such as 2, 1.5 or 2/3, not {str(value)[:50]!r}",
            field="scale",
        )
    return exact


def parse_resolution(text: str, width: int, height: int) -> tuple[int, int]:
    """Return the size that a resolution means for a composition of ``width`` by ``height`` pixels.

    Parameters
    ----------
    text : str
        ``"1920x1080"``, or a name: ``720p``, ``1080p`` or ``hd``, ``1440p``, ``4k`` or ``uhd``. A name is landscape,
        portrait or square as the composition is, unless it says so itself: ``portrait-4k`` or ``4k-portrait``. The
        orientation alone means 1080p.

    Raises
    ------
    InvalidConfigError
        If it is neither.
    """
    name = text.strip().lower()
    if match := _PIXELS.fullmatch(name):
        return int(match[1]), int(match[2])
    orientation = "square" if width == height else "landscape" if width > height else "portrait"
    words = name.split("-")
    told = [word for word in words if word in _ORIENTATIONS]
    sizes = [_LANDSCAPE[word] for word in words if word in _LANDSCAPE]
    if len(told) > 1 or len(sizes) > 1 or len(told) + len(sizes) != len(words):
        raise InvalidConfigError(
            f"resolution must be WIDTHxHEIGHT or one of {', '.join(_LANDSCAPE)}, with -landscape, -portrait or -square "
            f"behind it if wanted, not {text[:50]!r}",
            field="resolution",
        )
    long, short = sizes[0] if sizes else _LANDSCAPE["1080p"]
    sides = {"landscape": (long, short), "portrait": (short, long), "square": (short, short)}
    return sides[told[0] if told else orientation]


def scale_of(
    width: int, height: int, resolution: str | None = None, scale: str | int | float | Fraction | None = None
) -> Fraction:
    """Return the exact factor from a composition's size to the video's; 1 without options.

    Parameters
    ----------
    width, height : int
        Size of the composition in pixels.
    resolution : str, optional
        As for `parse_resolution`.
    scale : number or str, optional
        As for `parse_scale`; not together with ``resolution``.

    Raises
    ------
    InvalidConfigError
        If the video would have another shape than the composition, sides that are not whole numbers of pixels, or sides
        or a scale out of range. The message has the nearest size that fits.
    """
    if resolution is not None:
        return _scale_to(width, height, resolution)
    if scale is None:
        return Fraction(1)
    exact = parse_scale(scale)
    if (exact * width).denominator != 1 or (exact * height).denominator != 1:
        raise InvalidConfigError(
            f"scale {scale} makes {float(exact * width):g}x{float(exact * height):g} pixels of a composition of "
            f"{width}x{height}, and sides must be whole numbers; {_nearest(width, height, exact)}",
            field="scale",
        )
    _require_sides(width, height, exact, "scale")
    return exact


def _scale_to(width: int, height: int, resolution: str) -> Fraction:
    target = parse_resolution(resolution, width, height)
    shown = f"{target[0]}x{target[1]}"
    named = resolution if resolution == shown else f"{resolution} ({shown})"
    exact = Fraction(target[0], width)
    if exact != Fraction(target[1], height):
        inside = min(exact, Fraction(target[1], height))
        raise InvalidConfigError(
            f"resolution {named} has another shape than the composition of {width}x{height} pixels; "
            f"{_nearest(width, height, inside)}",
            field="resolution",
        )
    if not MIN_SCALE <= exact <= MAX_SCALE:
        raise InvalidConfigError(
            f"resolution {named} is {float(exact):.3g} times the composition of {width}x{height} pixels, and must be "
            f"{MIN_SCALE} to {MAX_SCALE} times; {_nearest(width, height, exact)}",
            field="resolution",
        )
    _require_sides(width, height, exact, "resolution")
    return exact


def _require_sides(width: int, height: int, scale: Fraction, field: str) -> None:
    sides = scale * width, scale * height
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise InvalidConfigError(
            f"{field} makes a video of {sides[0]}x{sides[1]} pixels; sides must be from {MIN_SIDE} to {MAX_SIDE}; "
            f"{_nearest(width, height, scale)}",
            field=field,
        )


def _nearest(width: int, height: int, wanted: Fraction) -> str:
    """Name the largest size of the composition's shape that is not larger than wanted, or else the smallest one."""
    step = Fraction(1, math.gcd(width, height))
    largest = min(MAX_SCALE, Fraction(MAX_SIDE, max(width, height)))
    smallest = max(MIN_SCALE, Fraction(MIN_SIDE, min(width, height)))
    even = [unit for unit in (step, 2 * step) if not any((unit * side).numerator % 2 for side in (width, height))]
    for unit in (*even, step):  # even sides if there are any, because most videos need them
        number = max(math.ceil(smallest / unit), min(math.floor(wanted / unit), math.floor(largest / unit)))
        if smallest <= (fits := unit * number) <= largest:
            return f"{fits * width}x{fits * height} (scale {fits}) fits"
    return "no other size fits"
