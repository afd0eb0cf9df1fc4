"""Fonts for tests: tiny ones whose letters are boxes, and a machine that has these and no other fonts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from hfdask.fonts import configuration as fonts

EM = 1000
LATIN = "".join(map(chr, range(0x20, 0x7F)))


def build_font(
    path: Path, family: str, *, style: str = "Regular", weight: int = 400, width: int = EM // 2, text: str = LATIN
) -> Path:
    """A font whose every character but the space is a filled box, ``width`` thousandths of the font size wide."""
    characters = sorted({ord(character) for character in text} | {0x20})
    names = {code: f"u{code:04X}" for code in characters}
    pen = TTGlyphPen(None)
    for method, point in (("moveTo", (0, 0)), ("lineTo", (0, 800)), ("lineTo", (width, 800)), ("lineTo", (width, 0))):
        getattr(pen, method)(point)
    pen.closePath()
    box, blank = pen.glyph(), TTGlyphPen(None).glyph()
    order = [".notdef", *names.values()]
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf({name: blank if name in (".notdef", "u0020") else box for name in order})
    builder.setupHorizontalMetrics(dict.fromkeys(order, (width, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": style, "psName": f"{family.replace(' ', '')}-{style}"})
    builder.setupOS2(usWeightClass=weight, sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    builder.save(path)
    return path


def canonical_fonts(folder: Path) -> Path:
    """Make some of the files of `hfdask install-fonts`; 900 is a separate family, as in the real one."""
    for name, family, weight in (
        ("inter-400.ttf", "Inter", 400),
        ("inter-700.ttf", "Inter", 700),
        ("inter-900.ttf", "Inter Black", 900),
        ("roboto-400.ttf", "Roboto", 400),
        ("jetbrains-mono-400.ttf", "JetBrains Mono", 400),
        ("eb-garamond-400.ttf", "EB Garamond", 400),
    ):
        style = {400: "Regular", 700: "Bold", 900: "Heavy"}[weight]
        build_font(folder / name, family, style=style, weight=weight, width=400 + weight // 10)
    return folder


def machine_folder(folder: Path) -> Path:
    """Make a machine's fonts: for generic names, a face that no text asks for, and a face for Japanese."""
    build_font(folder / "serif.ttf", "Liberation Serif", width=300)
    build_font(folder / "mono.ttf", "Liberation Mono", width=600)
    build_font(folder / "sans.ttf", "DejaVu Sans", width=550, text=LATIN + "→✓")
    build_font(folder / "house.ttf", "House Font", width=700)
    build_font(folder / "unused.ttf", "Unused Font", width=200)
    build_font(folder / "kanji.ttf", "Kanji Font", width=900, text="日本語")
    return folder


def configuration(path: Path, folder: Path | None, rules: str = "") -> Path:
    """A machine's own fontconfig configuration."""
    inside = f"<dir>{folder}</dir>" if folder else ""
    path.write_text(f"<fontconfig>{inside}<cachedir>{path.parent}/cache</cachedir>{rules}</fontconfig>")
    return path


@contextlib.contextmanager
def machine(path: Path, canonical: Path) -> Iterator[None]:
    """Make this process's machine one with this fontconfig configuration and these canonical fonts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FONTCONFIG_FILE", str(path))
        patch.setenv("HFDASK_FONTS", str(canonical))
        fonts._machine_fonts.cache_clear()
        try:
            yield
        finally:
            fonts._machine_fonts.cache_clear()
