"""Ask the browser, during planning, which fonts draw a page's text.

The browser is asked about an element only if it has letters or words that are new to its font. So if nothing is new, a
look at the page costs a walk through its elements. The fonts that set line heights, and the fonts of canvases, belong to no
element's text. For these, elements are added to the page at the very end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from hfdask.browser.answers import Abouts, Lacking, Lackings, Names, PlatformFonts, understood
from hfdask.browser.session import PageSession
from hfdask.errors import ScriptError, SystemFontError
from hfdask.fonts.configuration import FontSetup
from hfdask.fonts.families import STANDARD, meant
from hfdask.fonts.fontconfig import Face
from hfdask.planning.glyphs import without_glyph
from hfdask.text import legible


class Use(Struct, frozen=True):
    """Text of an element, and a font that draws it; ``families`` is what the style sheet asks for."""

    element: str
    families: str
    family: str
    postscript: str
    custom: bool


class Typefaces:
    """Collect the fonts of one page that was opened with ``reads_text``: call `look` after each seek, `finish` last.

    After `finish`, ``lacking`` has the letters without a glyph that were visible in some frame, and ``declared`` the families of the
    page's own faces, in lower case.
    """

    def __init__(self, session: PageSession) -> None:
        self._session = session
        self._uses: dict[Use, None] = {}
        self.lacking: tuple[Lacking, ...] = ()
        self.declared: frozenset[str] = frozenset()

    async def look(self, *, always: bool = True) -> None:
        """Ask about text that is new since the last look; unless ``always``, only if the last seeks changed what text depends on.

        Not noticed are styles of rules that a script sets one by one, and rules that apply because an element has
        another size. To find these costs a walk through the page.
        """
        if not (always or self._session.may_have_new_text):
            return
        self._session.may_have_new_text = False
        async with self._session.deadline_for_fonts():
            await self._ask("__hfdaskText.fresh()" if always else "__hfdaskText.freshSince()")

    async def finish(self) -> tuple[Use, ...]:
        """Return all uses that were found. This adds elements to the page, so no frame can be captured afterwards."""
        async with self._session.deadline_for_fonts():
            await self._ask("__hfdaskText.samples()")
            self.lacking = understood(await self._value("__hfdaskText.lacking()"), Lackings, "its letters")
            declared = understood(await self._value("__hfdaskText.declared()"), Names, "its font faces")
            self.declared = frozenset(declared)
        return tuple(self._uses)

    async def _ask(self, expression: str) -> None:
        send = self._session.send
        about = understood(await self._value(expression), Abouts, "its text")
        if not about:
            return
        found = await self._evaluated("__hfdaskText.found()", by_value=False)
        properties = await send("Runtime.getProperties", {"objectId": found["objectId"], "ownProperties": True})
        handles = {
            item["name"]: item["value"]["objectId"]
            for item in properties["result"]
            if item["name"].isdecimal() and "objectId" in item.get("value", {})
        }
        if handles.keys() != {str(number) for number in range(len(about))}:
            raise ScriptError("the page's report of its text is invalid: some entries are not elements")
        await send("DOM.enable")
        await send("CSS.enable")
        await send("DOM.getDocument", {"depth": 0})
        fonts = await asyncio.gather(*(self._fonts(handles[str(number)]) for number in range(len(about))))
        await send("CSS.disable")
        await send("DOM.disable")
        suspects = [
            (number, cluster, any(font.is_custom_font for font in fonts[number]))
            for number, what in enumerate(about)
            for cluster in without_glyph(what.clusters, self._session.chromium.fonts)
        ]
        if suspects:
            await self._value(f"__hfdaskText.suspect({json.dumps(suspects)})")
        for what, used in zip(about, fonts, strict=True):
            for font in used:
                self._uses[
                    Use(what.element, what.families, font.family_name, font.post_script_name, font.is_custom_font)
                ] = None

    async def _value(self, expression: str) -> Any:
        return (await self._evaluated(f"__hfdask.tell({expression})", by_value=True)).get("value")

    async def _evaluated(self, expression: str, *, by_value: bool) -> dict[str, Any]:
        asked = {**self._session.in_page(expression), "returnByValue": by_value}
        answer = await self._session.send("Runtime.evaluate", asked)
        if "exceptionDetails" in answer:
            said = str(answer["result"].get("description"))
            raise ScriptError(f"reading the page's text failed: {legible(said)[:2000]}")
        return dict(answer["result"])

    async def _fonts(self, handle: str) -> PlatformFonts:
        node = await self._session.send("DOM.requestNode", {"objectId": handle})
        answer = await self._session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})
        return understood(answer["fonts"], PlatformFonts, "the fonts of its text")


def faces_of(uses: Iterable[Use], world: FontSetup) -> dict[Face, Use]:
    """Map each installed face that the page uses to one use of it. Web fonts do not count."""
    found: dict[Face, Use] = {}
    for use in uses:
        if use.custom:
            continue
        alike = [face for face in world.faces if face.postscript and face.postscript == use.postscript]
        alike = alike or [face for face in world.faces if use.family in face.families]
        ours = [face for face in alike if face.file in world.own]
        for face in ours or alike:
            found.setdefault(face, use)
    return found


def spare_face(uses: Iterable[Use], world: FontSetup) -> list[Face]:
    """Return a face for a page that uses only web fonts.

    Chromium sometimes fails to load these if it has no other font. Only a canonical face is taken, since it is probably
    never drawn.
    """
    spare = sorted((face for face in world.faces if face.file in world.own), key=lambda face: face.file.name)
    return spare[:1] if any(use.custom for use in uses) else []


def require_own(faces: dict[Face, Use], world: FontSetup) -> None:
    """Raise an error for fonts of this machine (docs/compositions.md, 11).

    Raises
    ------
    SystemFontError
        With family, element and remedy of the first few.
    """
    uses = [use for face, use in faces.items() if face.file not in world.own]
    if not uses:
        return
    shown = "; ".join(f"{use.element} asks for {_asked(use)} and is drawn in {use.family}" for use in uses[:3]) + (
        f"; and {len(uses) - 3} more" if len(uses) > 3 else ""
    )
    raise SystemFontError(
        f"text is drawn in fonts of this machine: {shown}; add an @font-face for it to the project, run "
        "`hfdask install-fonts`, or render with fonts='embed'",
        families=sorted({use.family for use in uses}),
        elements=[use.element for use in uses],
    )


def _asked(use: Use) -> str:
    return "no font" if use.families == STANDARD else use.families


def _first(use: Use) -> str:
    """Return the family that a style sheet prefers."""
    return use.families.split(",")[0].strip().strip("\"'")


_GENERIC = frozenset({STANDARD, "math", "emoji", "fangsong"})


def absent_families(uses: Iterable[Use], declared: frozenset[str], world: FontSetup) -> list[str]:
    """Return warnings for families that a style sheet prefers, but neither the page (``declared``) nor this machine has."""
    known = declared | _GENERIC | {name.casefold() for name in world.stand_ins}
    known |= {family.casefold() for face in world.faces for family in face.families}
    wanted = {_first(use) for use in uses if not use.custom}
    return [
        f"neither the project nor the planning machine has the font {family}, so its text is drawn in another one: add an @font-face "
        "for it to the project, or install it"
        for family in sorted(wanted)
        if not (family.casefold() in known or meant(family))
    ]


def missing_canonical(faces: dict[Face, Use], world: FontSetup) -> list[str]:
    """Return warnings for canonical families that are not installed, so that a font of this machine replaces them."""
    here = {face.families[0] for face in world.faces if face.file in world.own}
    wanted: dict[str, str] = {}
    for face, use in faces.items():
        canonical = meant(_first(use))
        if face.file not in world.own and canonical and canonical.family not in here:
            wanted.setdefault(canonical.family, use.family)
    return [
        f"the planning machine has no {family} and uses {instead} instead: run `hfdask install-fonts`"
        for family, instead in sorted(wanted.items())
    ]
