"""The fonts of a browser: this machine's during planning, and the plan's during rendering.

Chromium gets all fonts except a page's own from fontconfig, so one generated configuration decides all of them. It
contains our table of stand-ins and our drawing settings, and nothing of the machine's own configuration. Only its
folders differ: for planning the machine's folders, for rendering a folder with the plan's files. Fontconfig takes the
best font that it has. The best of many fonts is also the best of the few fonts in the plan, so both draw the
same.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec import Struct

from hfdask.core.fields import is_font_name, line
from hfdask.core.model import Font, FontSet, canonical_json
from hfdask.core.scratch import scratch_folder
from hfdask.errors import PlanCorruptError
from hfdask.fonts.families import CANONICAL, Canonical, stand_ins
from hfdask.fonts.fontconfig import Face, faces, machine_folders
from hfdask.fonts.install import installed_files
from hfdask.store import file_digest

# Families that are searched first for characters that a text's own fonts lack.
_FALLBACKS = ("Noto Sans", "DejaVu Sans", "Liberation Sans", "Noto Color Emoji")
_SETTINGS = {
    "antialias": ("bool", "true"),
    "hinting": ("bool", "false"),
    "autohint": ("bool", "false"),
    "hintstyle": ("const", "hintnone"),
    "rgba": ("const", "none"),
    "lcdfilter": ("const", "lcdnone"),
}
_PROLOGUE = '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">\n'
# CSS's weights on fontconfig's scale.
_WEIGHTS = {400: 80, 700: 200, 900: 210}
_NEWEST = 2**31 - 1

_BY_FILE: dict[str, tuple[Canonical, int]] = {
    name: (canonical, weight) for canonical in CANONICAL for name, weight in canonical.files().items()
}


class FontSetup(Struct, frozen=True):
    """All fonts of a browser besides a page's own. Browsers with the same ``key`` draw the same.

    ``own`` are faces of canonical families, whose licence allows redistribution; the others are the machine's.
    """

    key: str
    configuration: Path
    stand_ins: Mapping[str, str]
    faces: tuple[Face, ...] = ()
    own: frozenset[Path] = frozenset()


_lock = threading.Lock()


def machine_fonts() -> FontSetup:
    """Return the fonts for planning: installed canonical families, and this machine's fonts.

    Raises
    ------
    BrowserNotFoundError
        If there is no fontconfig.
    """
    with _lock:
        return _machine_fonts(os.getpid(), tuple(installed_files()))


@functools.cache
def _machine_fonts(_: int, installed: tuple[Path, ...]) -> FontSetup:
    folder = scratch_folder() / f"fonts-machine-{uuid.uuid4().hex[:8]}"
    own = folder / "files"
    own.mkdir(parents=True)
    for file in installed:
        (own / file.name).symlink_to(file)
    folders, caches = machine_folders()
    names = [file.name for file in installed]
    configuration = _write(folder, [own, *folders], caches, names, {})
    found = tuple(faces(configuration))
    available = {family for face in found for family in face.families}
    table = stand_ins(available, {_BY_FILE[name][0].family for name in names})
    _write(folder, [own, *folders], caches, names, table)
    return FontSetup(folder.name, configuration, table, found, frozenset(own / name for name in names))


def plan_fonts(fonts: FontSet, files: Mapping[str, Path]) -> FontSetup:
    """Return the fonts for rendering: the files of a plan, by the names of its fonts, and no other font.

    Raises
    ------
    PlanCorruptError
        If the name of a font is not valid.
    """
    for font in fonts.files:
        if not is_font_name(font.name) or (font.canonical and font.name not in _BY_FILE):
            raise PlanCorruptError(f"the plan's font {font.name[:80]!r} is not a valid file name; plan again")
    key = hashlib.sha256(canonical_json(fonts)).hexdigest()[:16]
    folder = scratch_folder() / f"fonts-{key}"
    configuration = folder / "fonts.conf"
    with _lock:
        if not configuration.exists():  # it is written last
            (folder / "files").mkdir(parents=True, exist_ok=True)
            for font in fonts.files:
                shutil.copyfile(files[font.name], folder / "files" / font.name)
            own = [font.name for font in fonts.files if font.canonical]
            _write(folder, [folder / "files"], [], own, fonts.stand_ins)
    return FontSetup(key, configuration, fonts.stand_ins)


def plan_font_set(world: FontSetup, used: Iterable[Face]) -> tuple[FontSet, dict[str, Path]]:
    """Return the fonts that a plan carries for these faces, and their files.

    Names are numbered in the order of the machine's fonts, so that browsers of the plan choose the same of two equally
    good fonts.
    """
    wanted = {face.file for face in used}
    files: dict[Path, Face] = {}
    for face in world.faces:
        if face.file in wanted:
            files.setdefault(face.file, face)
    fonts: list[Font] = []
    sources: dict[str, Path] = {}
    for file, face in files.items():
        canonical = file in world.own
        digest = file_digest(file)
        name = file.name if canonical else f"machine-{len(sources):03}-{digest[:12]}{_ending(file)}"
        if digest in {font.sha256 for font in fonts}:
            continue
        fonts.append(
            Font(
                name=name,
                sha256=digest,
                size=file.stat().st_size,
                family=line(_BY_FILE[name][0].family if canonical else face.families[0]),
                style=line(face.style),
                canonical=canonical,
            )
        )
        sources[name] = file
    families = {family for face in world.faces if face.file in files for family in face.families}
    table = {name: family for name, family in world.stand_ins.items() if family in families and family == line(family)}
    return FontSet(files=tuple(fonts), stand_ins=table), sources


def _ending(file: Path) -> str:
    ending = file.suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending, re.ASCII) else ""


def _write(
    folder: Path, folders: Iterable[Path], caches: Iterable[Path], own: Iterable[str], table: Mapping[str, str]
) -> Path:
    """Write a configuration. Our cache folder comes first, because fontconfig writes to the first one."""
    root = Element("fontconfig")
    for place in folders:
        _text(root, "dir", str(place))
    for place in (folder / "cache", *caches):
        _text(root, "cachedir", str(place))
    scalable = SubElement(SubElement(SubElement(root, "selectfont"), "rejectfont"), "pattern")
    _text(SubElement(scalable, "patelt", name="scalable"), "bool", "false")
    for name in own:
        _declare(root, folder / "files" / name, name)
    for name in _in_order(table):
        _edit(_match_family(root, name), "family", "assign", "string", table[name], binding="same")
    for canonical in CANONICAL:
        if 900 in canonical.weights:
            _heaviest(root, canonical.family)
    last = SubElement(root, "match", target="pattern")
    for family in _FALLBACKS:
        _edit(last, "family", "append_last", "string", family, binding="weak")
    for target in ("pattern", "font"):
        drawing = SubElement(root, "match", target=target)
        for name, (kind, value) in _SETTINGS.items():
            _edit(drawing, name, "assign", kind, value)
    indent(root)
    path = folder / "fonts.conf"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f"{_PROLOGUE}{tostring(root, 'unicode')}\n", "utf-8", "surrogateescape")
    return temporary.replace(path)


def _in_order(table: Mapping[str, str]) -> list[str]:
    """Order the rules, since a rule applies to results of earlier ones: a name that is also a stand-in comes first."""
    targets = {family.casefold() for family in table.values()}
    return sorted(table, key=lambda name: (name.casefold() not in targets, name))


def _declare(root: Element, path: Path, name: str) -> None:
    """Add a rule that sets family and weight of one of our files: some fonts name their heaviest face as a family.

    The version makes it win against a copy of the same font on the machine.
    """
    canonical, weight = _BY_FILE[name]
    rule = SubElement(root, "match", target="scan")
    _text(SubElement(rule, "test", name="file"), "string", str(path))
    _edit(rule, "family", "assign", "string", canonical.family, binding="same")
    _edit(rule, "weight", "assign", "int", str(_WEIGHTS[weight]))
    _edit(rule, "fontversion", "assign", "int", str(_NEWEST))


def _heaviest(root: Element, family: str) -> None:
    """Add a rule for weight 800: CSS takes 900 for it, but fontconfig finds 700 as near."""
    rule = _match_family(root, family)
    _text(SubElement(rule, "test", name="weight", compare="more"), "int", str(_WEIGHTS[700]))
    _edit(rule, "weight", "assign", "int", str(_WEIGHTS[900]))


def _match_family(root: Element, family: str) -> Element:
    rule = SubElement(root, "match", target="pattern")
    _text(SubElement(rule, "test", name="family", qual="any"), "string", family)
    return rule


def _edit(rule: Element, name: str, mode: str, kind: str, value: str, **binding: str) -> None:
    _text(SubElement(rule, "edit", {"name": name, "mode": mode, **binding}), kind, value)


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text
