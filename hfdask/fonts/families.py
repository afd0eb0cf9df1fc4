"""The table of font families that names stand for, the same on every machine (docs/compositions.md, 11).

Without one table, a composition that asks for Helvetica or Segoe UI would look different on every machine. So names of
proprietary and system fonts stand for free *canonical* families, which `hfdask install-fonts` installs. If a canonical
family is missing, and for the browser's names of undeclared and generic fonts, the first installed family of a short
list is used, never the choice of the machine's own configuration.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct

Genre = Literal["sans", "serif", "mono"]


class Canonical(Struct, frozen=True):
    """A family from the npm package ``@fontsource/<slug>``, and the names that stand for it."""

    family: str
    weights: tuple[int, ...]
    genre: Genre
    aliases: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        return self.family.lower().replace(" ", "-")

    def files(self) -> dict[str, int]:
        """Return the weights by file names of the faces."""
        return {f"{self.slug}-{weight}.ttf": weight for weight in self.weights}


_THREE, _TWO, _ONE = (400, 700, 900), (400, 700), (400,)
CANONICAL = (
    Canonical(
        "Inter",
        _THREE,
        "sans",
        (
            *("Helvetica", "Helvetica Neue", "Helvetica Bold", "Arial", "SF Pro", "SF Pro Display", "SF Pro Text"),
            *("Avenir", "Avenir Next", "Lucida Grande", "Geneva", "Optima", "Verdana", "Tahoma", "Trebuchet MS"),
            *("Calibri", "Candara", "Corbel", "Lucida Sans", "Lucida Sans Unicode", "Noto Sans", "DejaVu Sans"),
            *("Liberation Sans", "-apple-system", "BlinkMacSystemFont", "ui-sans-serif", "ui-rounded"),
        ),
    ),
    Canonical("Montserrat", _THREE, "sans", ("Futura", "DIN Alternate", "Arial Black")),
    Canonical("Outfit", _THREE, "sans"),
    Canonical("Nunito", _THREE, "sans"),
    Canonical("Playfair Display", _THREE, "serif"),
    Canonical("Roboto", _THREE, "sans", ("Segoe UI",)),
    Canonical("Lato", _THREE, "sans"),
    Canonical("Poppins", _THREE, "sans"),
    Canonical("Oswald", _TWO, "sans"),
    Canonical("Space Mono", _TWO, "mono"),
    Canonical("IBM Plex Mono", _TWO, "mono"),
    Canonical(
        "JetBrains Mono",
        _TWO,
        "mono",
        (
            *("Courier", "Courier New", "SF Mono", "Menlo", "Monaco", "Consolas", "Lucida Console"),
            *("Lucida Sans Typewriter", "Andale Mono", "DejaVu Sans Mono", "Liberation Mono"),
        ),
    ),
    Canonical(
        "EB Garamond",
        _TWO,
        "serif",
        (
            *("Garamond", "Georgia", "Palatino", "Palatino Linotype", "Book Antiqua", "Cambria", "Times"),
            *("Times New Roman", "DejaVu Serif", "Liberation Serif"),
        ),
    ),
    Canonical("Source Code Pro", _TWO, "mono"),
    Canonical("Noto Sans JP", _TWO, "sans", ("Noto Sans Japanese",)),
    Canonical("Open Sans", _TWO, "sans"),
    Canonical("League Gothic", _ONE, "sans", ("Bebas Neue",)),
    Canonical("Archivo Black", _ONE, "sans"),
)

STANDARD = "hfdask-standard"
"""The family of text without a declared one. No style sheet uses this name, so it can be recognised."""

# The names that the browser asks for if a style sheet has one of CSS's generic families.
GENERIC: dict[str, str] = {
    "standard": STANDARD,
    "serif": "hfdask-serif",
    "sansSerif": "hfdask-sans-serif",
    "fixed": "hfdask-monospace",
    "cursive": "hfdask-cursive",
    "fantasy": "hfdask-fantasy",
}
# Inter replaces families without a particular look; a serif or monospaced family stays serif or monospaced.
_INTER = ("hfdask-sans-serif", "hfdask-cursive", "hfdask-fantasy", "system-ui", "sans-serif", "sans")
_BY_GENRE: dict[str, Genre] = {
    STANDARD: "serif",
    "hfdask-serif": "serif",
    "hfdask-monospace": "mono",
    "ui-serif": "serif",
    "ui-monospace": "mono",
    "monospace": "mono",
    "serif": "serif",
}
_PREFERRED: dict[Genre, tuple[str, ...]] = {
    "sans": ("Liberation Sans", "Arimo", "DejaVu Sans", "Noto Sans", "FreeSans", "Open Sans", "Ubuntu"),
    "serif": ("Liberation Serif", "Tinos", "DejaVu Serif", "Noto Serif", "FreeSerif", "EB Garamond"),
    "mono": ("Liberation Mono", "Cousine", "DejaVu Sans Mono", "Noto Sans Mono", "FreeMono", "JetBrains Mono"),
}


def stand_ins(available: Collection[str], installed: Collection[str]) -> dict[str, str]:
    """Map names to families, given the families of a machine and the installed canonical ones.

    Names map only to families in ``available``. For a name without one the browser tries the next family, as for any
    unknown name.
    """
    known = {name.casefold(): name for name in available}

    def first(genre: Genre) -> str | None:
        order = (*_PREFERRED[genre], *(() if genre == "sans" else _PREFERRED["sans"]))
        return next(
            (known[name.casefold()] for name in order if name.casefold() in known), min(available, default=None)
        )

    table: dict[str, str | None] = {name: first(genre) for name, genre in _BY_GENRE.items()}
    for canonical in CANONICAL:
        target = canonical.family if canonical.family in installed else first(canonical.genre)
        names = (*canonical.aliases, *(_INTER if canonical.family == "Inter" else ()))
        for name in names:
            # A machine's own font of this name is preferred to other fonts of its kind, but not to the canonical
            # family.
            own = known.get(name.casefold())
            table[name] = target if canonical.family in installed else own or target
    return {name: target for name, target in sorted(table.items()) if target and target != name}


def meant(name: str) -> Canonical | None:
    """Return the canonical family that a name in a style sheet stands for."""
    folded = name.casefold()
    return _MEANT.get(folded)


_MEANT = {
    name.casefold(): canonical
    for canonical in CANONICAL
    for name in (
        canonical.family,
        *canonical.aliases,
        *(("sans-serif", "system-ui", "cursive", "fantasy") if canonical.family == "Inter" else ()),
    )
}
