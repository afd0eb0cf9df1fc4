"""Draw a contact sheet: small pictures in rows, each with a line of text below it.

Pillow draws it, with the font that it brings along, so a sheet looks the same on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont

from hfdask.errors import InvalidConfigError
from hfdask.media.picture import Pixels

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Pillow's names of the formats, by suffix."""

MAX_SIDE = 16_383
"""Pixels of a sheet's longer side, at most: the limit of WebP."""

_BACKGROUND, _TEXT = (24, 24, 27), (228, 228, 231)
_GAP = 12
_SETTINGS: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "JPEG": {"quality": 92, "subsampling": 0},
    "WEBP": {"quality": 90, "method": 4},
}


class Tile(Struct, frozen=True):
    """A small picture, of shape (height, width, 3), and the text below it."""

    pixels: Pixels
    text: str


def shrunk(pixels: Pixels, width: int) -> Pixels:
    """Scale a picture to a width, with the same shape.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    width : int
    """
    size = width, _height(pixels.shape[1], pixels.shape[0], width)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), dtype=np.uint8)


def require_room(size: tuple[int, int], count: int, columns: int, width: int) -> None:
    """Check that a sheet can be encoded.

    Parameters
    ----------
    size : (int, int)
        Width and height of the pictures before they are scaled.
    count, columns, width : int
        Number of pictures, of columns, and width of a picture on the sheet.

    Raises
    ------
    InvalidConfigError
    """
    sides = _sides(width, _height(*size, width), count, columns)
    if max(sides) > MAX_SIDE:
        raise InvalidConfigError(
            f"a sheet of {count} pictures in {columns} columns would have {sides[0]}x{sides[1]} pixels, more than "
            f"{MAX_SIDE} on a side; choose fewer or smaller pictures, or another number of columns",
            field="tile",
        )


def draw_sheet(tiles: Sequence[Tile], columns: int, suffix: str) -> bytes:
    """Return a contact sheet of pictures of one size, row by row, as a file of the format of ``suffix``."""
    height, width, _ = tiles[0].pixels.shape
    sheet = Image.new("RGB", _sides(width, height, len(tiles), columns), _BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_font_size(width))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * (height + _line(width) + _GAP)
        sheet.paste(Image.fromarray(tile.pixels), (left, top))
        pen.text((left, top + height + _line(width) / 2), tile.text, _TEXT, font, anchor="lm")
    kind = FORMATS[suffix]
    file = io.BytesIO()
    sheet.save(file, kind, **_SETTINGS[kind])
    return file.getvalue()


def _height(of_width: int, of_height: int, width: int) -> int:
    """Return the height of a picture that is scaled to a width."""
    return max(1, round(of_height * width / of_width))


def _sides(width: int, height: int, count: int, columns: int) -> tuple[int, int]:
    across, down = min(columns, count), -(-count // columns)
    return _GAP + across * (width + _GAP), _GAP + down * (height + _line(width) + _GAP)


def _font_size(width: int) -> int:
    return max(9, min(28, width // 18))


def _line(width: int) -> int:
    """Return the height of a line of text, in pixels."""
    return 2 * _font_size(width)
