"""Find letters for which no font has a glyph, so that a browser draws a box or nothing.

A browser searches all of its fonts before it draws a box. So if fontconfig knows a character, some font draws it. If
not, only the page's own fonts can, and the page is asked about those. A letter is what readers see as one: with its
accents, joiners and selectors, in any spelling that the fonts have.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from hfdask.browser.answers import Lacking
from hfdask.errors import MissingGlyphError
from hfdask.fonts.configuration import FontSetup
from hfdask.fonts.fontconfig import Characters

_SHOWN = 10
# Characters that draw nothing by themselves, or that a shaper replaces.
_INVISIBLE = ("Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp")
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))
_INSTEAD = {"\u2011": "\u2010-", "\u2010": "-"}
_EAST_ASIAN = {"Hani", "Hira", "Kana", "Hang", "Bopo"}
_PICTURES = "Common: emoji or symbols"
_PRIVATE = "Unknown: private use"


@functools.cache
def _characters(configuration: Path, _: str) -> Characters:
    return Characters(configuration)


def without_glyph(clusters: Iterable[str], world: FontSetup) -> list[str]:
    """Return the letters for which these fonts have no glyph, in any of their spellings."""
    known = _characters(world.configuration, world.key)

    def has(character: str) -> bool:
        if unicodedata.category(character) in _INVISIBLE or any(ord(character) in each for each in _SELECTORS):
            return True
        return character in known or any(other in known for other in _INSTEAD.get(character, ""))

    def is_drawn(cluster: str) -> bool:
        return all(map(has, cluster)) or any(
            all(map(has, unicodedata.normalize(form, cluster))) for form in ("NFC", "NFD")
        )

    return [cluster for cluster in clusters if not is_drawn(cluster)]


def glyph_warnings(lacking: Sequence[Lacking], world: FontSetup) -> list[str]:
    """Return a warning for each script with missing letters: which, in which element, and what to install."""
    scripts: dict[str, list[Lacking]] = {}
    for each in lacking:
        scripts.setdefault(_script(each.cluster, world), []).append(each)
    return [_warning(script, found) for script, found in sorted(scripts.items())]


def require_glyphs(lacking: Sequence[Lacking], world: FontSetup) -> None:
    """Raise an error if there are letters without a glyph.

    Raises
    ------
    MissingGlyphError
        With the text of the warnings.
    """
    if warnings := glyph_warnings(lacking, world):
        raise MissingGlyphError(
            "; ".join(warnings),
            characters=list(dict.fromkeys(each.cluster for each in lacking)),
            elements=list(dict.fromkeys(each.element for each in lacking)),
        )


def _warning(script: str, found: list[Lacking]) -> str:
    letters = list(dict.fromkeys(each.cluster for each in found))
    elements = list(dict.fromkeys(each.element for each in found))
    shown = ", ".join(f"{letter} ({_escaped(letter)})" for letter in letters[:_SHOWN])
    more = f" and {len(letters) - _SHOWN} more" if len(letters) > _SHOWN else ""
    places = elements[0] + (f" and {len(elements) - 1} more elements" if len(elements) > 1 else "")
    return f"no font has {shown}{more} ({script}) in {places}, so boxes are drawn: {_remedy(script, letters)}"


def _escaped(letter: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in letter)


def _script(cluster: str, world: FontSetup) -> str:
    from fontTools import unicodedata as unicode  # slow to import, and needed only here

    lacking = next((each for each in cluster if without_glyph([each], world)), cluster[0])
    name: str = unicode.script_name(unicode.script(lacking))
    if unicodedata.category(lacking) == "Co":
        return _PRIVATE
    if name in ("Common", "Inherited") and unicodedata.category(lacking) in ("So", "Sk", "Mn", "Me"):
        return _PICTURES
    return name.replace("_", " ")


def _remedy(script: str, letters: list[str]) -> str:
    from fontTools import unicodedata as unicode

    if script == _PRIVATE:
        return "add the @font-face that these characters are made for to the project, such as an icon font"
    package = "fonts-noto-color-emoji or fonts-noto-core" if script == _PICTURES else "fonts-noto-core"
    if _EAST_ASIAN & {
        each for letter in letters for character in letter for each in unicode.script_extension(character)
    }:
        package = "fonts-noto-cjk"
    return f"add an @font-face that has them to the project, or install a font for them (Debian: apt-get install {package})"
