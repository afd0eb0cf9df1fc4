"""Read each document that the entry mounts or frames once, with its scripts and style sheets, and check it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from hfdask.checking.assets import (
    Bases,
    base_of,
    candidates,
    image_size,
    imported,
    is_library,
    is_path,
    leaves_project,
    read_text,
    sound_length,
    video_length,
)
from hfdask.checking.page import LintPage
from hfdask.checking.positions import Positions
from hfdask.checking.rules import finding_of
from hfdask.checking.scripts import ScriptFacts, ScriptFinding, read_script
from hfdask.core.frames import parse_fps
from hfdask.core.results import Finding
from hfdask.errors import InvalidConfigError, SoundMarkupError
from hfdask.project.files import SKIPPED, Project
from hfdask.sound.markup import chain_from_json, idle_targets

MAX_DEPTH = 20
MAX_DOCUMENT = 2_000_000
"""Maximum size of a checked document in bytes; finding the lines of its elements takes about a second per million."""
MAX_DOCUMENTS = 8_000_000
"""Maximum size of all documents of a project together, in bytes."""
_MAX_IMAGE = 4.0  # times the pixels of the video
_PROVIDERS = {"gsap": r"gsap|greensock|tweenmax", "lottie": "lottie", "THREE": r"\bthree\b|THREE"}
_PAGE = frozenset({"entry", "sub"})
"""Roles of the documents that share a page."""
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}", re.IGNORECASE)


class PageFacts(Struct):
    """Facts that all documents of one page share: the entry and the documents that are mounted in it."""

    compositions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    references: list[tuple[str, int | None, dict[str, Any]]] = field(default_factory=list)
    scenes: dict[str, set[str]] = field(default_factory=dict)
    """Ids that a document's inline scripts register; a scene's ids count for each of its hosts."""
    simulations: list[tuple[str, int, str, ScriptFinding]] = field(default_factory=list)
    registered: list[tuple[str, int, str, ScriptFinding]] = field(default_factory=list)
    registers_unknown: bool = False
    makers: list[tuple[str, int, ScriptFinding]] = field(default_factory=list)
    repeats: list[tuple[str, int, ScriptFinding]] = field(default_factory=list)
    uses: list[tuple[str, int, str, ScriptFinding]] = field(default_factory=list)
    plugins: list[tuple[str, int, str, ScriptFinding]] = field(default_factory=list)
    provided: list[str] = field(default_factory=list)
    animates: bool = False
    finite: bool = False
    unknown_scripts: bool = False


ScaleFor = Callable[[int, int], Fraction]
"""Gives the scale of a composition of some width and height, or raises `InvalidConfigError`."""


class ProjectCheck:
    """One check of one project; `run` it once."""

    def __init__(self, project: Project, page: LintPage, scale_for: ScaleFor) -> None:
        self.project = project
        self._scale_for = scale_for
        self.files = dict(project.files())
        self.page = page
        self.findings: list[Finding] = []
        self.read: set[str] = set()
        self.together = PageFacts()
        self.size = (1920, 1080)
        self.declared: dict[str, list[dict[str, Any]]] = {}
        """The variables that a document declares: ``id``, ``type``, and the ``values`` of an enum."""
        self._facts: dict[str, dict[str, Any]] = {}
        self._places: dict[str, Positions] = {}
        self._sheets: dict[str, dict[str, str]] = {}
        self._page_base: str | None = project.entry
        self._imports: dict[str, str] = {}
        self._shown: set[str] = set()
        self._lengths: dict[tuple[str, str], Fraction | None] = {}
        self._unseen: set[tuple[str, str, int]] = set()
        self._left = MAX_DOCUMENTS
        self._unread: set[str] = set()
        self._faces: list[tuple[dict[str, Any], str, str, Positions]] = []

    def run(self) -> None:
        """Read all documents; the result is in ``findings``."""
        self._document(self.project.entry, "entry", ())
        for face in self._faces:
            self._face(*face)
        if not self._unread:
            self._judge_together(self._facts[self.project.entry])

    def _video_pixels(self) -> float:
        """Return the number of pixels of the video, or of the composition if the video cannot have the size that is asked for."""
        pixels = math.prod(self.size)
        try:
            return float(pixels * self._scale_for(*self.size) ** 2)
        except InvalidConfigError:
            return pixels

    def add(
        self,
        code: str,
        file: str,
        line: int | None = None,
        element: str | None = None,
        severity: str | None = None,
        **detail: Any,
    ) -> None:
        """Report a finding of a known code."""
        self.findings.append(finding_of(code, file, line, element, severity, **detail))

    def _hit(
        self,
        file: str,
        first: int,
        hit: ScriptFinding,
        code: str | None = None,
        severity: str | None = None,
        **detail: Any,
    ) -> None:
        self.add(
            code or hit.code, file, first + hit.row, hit.excerpt, severity or hit.severity, **{**hit.detail, **detail}
        )

    # Documents

    def _document(self, path: str, role: str, above: tuple[str, ...], start: float = 0.0) -> None:
        self.read.add(path)
        if self._is_too_large(path):
            return
        html = read_text(self.files, path)
        places = Positions(html)
        facts = self._inspect(html, path, role)
        self._facts[path] = facts
        self._places[path] = places
        self.declared[path] = facts["variables"]
        if role == "entry" and facts["size"]:
            self.size = (int(facts["size"][0]), int(facts["size"][1]))
        for found in facts["findings"]:
            at = found["at"]
            self.add(found["code"], path, places.line(at), at and at["tag"], **found["detail"])
        for name, tag, line in places.self_closing:
            self.add("self_closing_media_tag", path, line, tag, name=name)
        for use in facts["urls"]:
            self._url(use, path, role, places)
        self._faces += [(face, path, role, places) for face in facts["faces"]]
        self._in_points(facts, path, role, places)
        self._effects(facts, path, places)
        self._scripts(facts, path, role, places)
        if role in _PAGE:
            self.together.compositions += [
                (path, item | {"line": places.line(item["at"])}) for item in facts["compositions"]
            ]
            self.together.finite |= facts["finite"]
            self.together.ids.update(facts["ids"])
            self.together.references += [(path, places.line(item["at"]), item) for item in facts["references"]]
        if role == "entry":
            self._rate(facts, path)
            self._animations(path, 0.0)
        for host in facts["hosts"]:
            if not host["placeholder"]:
                self._mount(host, path, (*above, path), start, places)
        for use in facts["urls"]:
            if use["kind"] == "frame":
                self._frame(use, path, (*above, path))

    def _rate(self, facts: dict[str, Any], path: str) -> None:
        if facts["fps"] is None:
            return
        try:
            parse_fps(facts["fps"]["text"])
        except InvalidConfigError as error:
            at = facts["fps"]["at"]
            self.add("invalid_frame_rate", path, self._places[path].line(at), at["tag"], problem=error.message)

    def _animations(self, path: str, start: float) -> None:
        """Find CSS animations that end before their clip shows. The document's composition begins at ``start``."""
        for item in self._facts[path]["animations"]:
            ends, shown = item["ends"], item["shown"] + (0.0 if item["own"] else start)
            key = (path, item["at"]["key"], item["at"]["nth"])
            if ends <= shown and key not in self._unseen:
                self._unseen.add(key)
                line, tag = self._places[path].line(item["at"]), item["at"]["tag"]
                self.add(
                    "animation_before_clip", path, line, tag, name=item["name"], ends=f"{ends:g}", shown=f"{shown:g}"
                )

    def _is_too_large(self, path: str) -> bool:
        size = self.files[path].stat().st_size
        self._left -= min(size, MAX_DOCUMENT)
        if size <= MAX_DOCUMENT and self._left >= 0:
            return False
        self._unread.add(path)
        self.add("document_too_large", path, megabytes=round(size / 1e6, 1))
        return True

    def _inspect(self, html: str, path: str, role: str) -> dict[str, Any]:
        options: dict[str, Any] = {"role": role, "width": self.size[0], "height": self.size[1]}
        facts = self.page.inspect(html, **options)
        if role == "entry":
            self._page_base, self._imports = base_of(facts["base"], path), facts["imports"]
        found = {
            item["url"]: self._existing(item["url"], self._bases(facts, path, role, late=item["late"]))
            for item in facts["sheets"]
        }
        sheets = self._sheets[path] = {href: sheet for href, sheet in found.items() if sheet}
        if sheets:  # once more, with the style sheets in place
            self.read |= set(sheets.values())
            options["sheets"] = {href: read_text(self.files, sheet) for href, sheet in sheets.items()}
            facts = self.page.inspect(html, **options)
        return facts

    def _bases(self, facts: dict[str, Any], path: str, role: str, *, late: bool = True) -> Bases:
        """Return the bases of URLs in a document (docs/compositions.md, 4.4)."""
        if role == "sub":
            return (path, self._page_base)
        return (base_of(facts["base"] if late else None, path),)

    def _mount(self, host: dict[str, Any], path: str, above: tuple[str, ...], start: float, places: Positions) -> None:
        src, tag, line = host["src"], host["at"]["tag"], places.line(host["at"])
        target = next(iter(candidates(src, "") or []), None)
        if target is None:
            self.add(
                "missing_or_empty_sub_composition",
                path,
                line,
                tag,
                src=src or "the empty path",
                problem="is not a path in the project",
            )
            return
        if target in above:
            self.add("sub_composition_cycle", path, line, tag, src=src)
            return
        if target not in self.files:
            self.add("missing_or_empty_sub_composition", path, line, tag, src=src, problem="is not in the project")
            return
        if len(above) > MAX_DEPTH:
            self.add("sub_composition_too_deep", path, line, tag, src=src, depth=MAX_DEPTH)
            return
        if target not in self._facts and target not in self._unread:
            self._document(target, "sub", above, start + host["start"])
        if target in self._unread:
            return
        facts = self._facts[target]
        self._animations(target, start + host["start"])
        if not facts["compositions"]:
            self.add(
                "missing_or_empty_sub_composition",
                path,
                line,
                tag,
                src=src,
                problem="has no element with a data-composition-id",
            )
        for name in host["values"] or {}:
            if name not in {each["id"] for each in self.declared[target]}:
                self.add("undeclared_variable", path, line, tag, id=name)

    def _frame(self, use: dict[str, Any], path: str, above: tuple[str, ...]) -> None:
        target = self._existing(use["url"], self._bases(self._facts[path], path, "frame"))
        if (
            target
            and target.lower().endswith((".html", ".htm"))
            and target not in {*self._facts, *self._unread}
            and len(above) <= MAX_DEPTH
        ):
            self._document(target, "frame", above)

    # Files

    def _existing(self, url: str, bases: Bases) -> str | None:
        return next((path for path in candidates(url, *bases) or [] if path in self.files), None)

    def _is_elsewhere(self, url: str, bases: Bases) -> bool:
        """Return true if a URL is, or may be, outside of the project."""
        return candidates(url, *bases) is None or (None in bases and self._existing(url, bases) is None)

    def _bases_of_use(self, use: dict[str, Any], path: str, role: str) -> Bases:
        if use["sheet"] is None:
            return self._bases(self._facts[path], path, role, late=use["late"])
        sheet = self._sheets[path].get(use["sheet"], path)
        return (sheet, self._page_base) if role == "sub" else (sheet,)

    def _face(self, face: dict[str, Any], path: str, role: str, places: Positions) -> None:
        """Check a font with several sources: report missing ones before an existing one, if any text asks for the font."""
        lost: list[dict[str, Any]] = []
        local = False
        for source in face["sources"]:
            if "local" in source:
                local = True
                continue
            bases = self._bases_of_use(source, path, role)
            if self._is_elsewhere(source["url"], bases) or self._existing(source["url"], bases):
                break
            lost.append(source)
        used = not local and bool(lost) and (self._is_named(face["family"]) if face["used"] is None else face["used"])
        for source in lost:
            self._url(source, path, role, places, severity=None if used else "warning")

    def _is_named(self, family: str) -> bool:
        """Return true if a document, style sheet or script names a font outside of its own ``@font-face`` rules."""
        return re.search(rf"(?<![\w-]){re.escape(family)}(?![\w-])", self._outside_faces, re.IGNORECASE) is not None

    @cached_property
    def _outside_faces(self) -> str:
        """The text of all files that were read, without ``@font-face`` rules. Use it when all documents have been read."""
        return "\n".join(_FONT_FACE.sub("", read_text(self.files, path)) for path in sorted(self.read))

    def _url(self, use: dict[str, Any], path: str, role: str, places: Positions, severity: str | None = None) -> None:
        url, kind = use["url"], use["kind"]
        bases = self._bases_of_use(use, path, role)
        if self._is_elsewhere(url, bases):
            return
        line, tag = self._line_of(use, places), use["at"]["tag"]
        target = self._existing(url, bases)
        base = path if use["sheet"] is None else bases[0] or path
        if target is None:
            self._missing(url, kind, bases, base, line, tag, severity)
        elif kind in ("image", "style") and target not in self._shown:
            self._shown.add(target)
            size = image_size(self.files[target])
            times = size[0] * size[1] / self._video_pixels() if size else 0
            if size and times > _MAX_IMAGE:
                megabytes = round(size[0] * size[1] * 4 / 1e6)
                self.add(
                    "expensive_image",
                    base,
                    line,
                    tag,
                    url=url,
                    width=size[0],
                    height=size[1],
                    times=round(times, 1),
                    megabytes=megabytes,
                )

    def _in_points(self, facts: dict[str, Any], path: str, role: str, places: Positions) -> None:
        """Check that media begin before the end of their sources, if these are in the project."""
        for item in facts["inPoints"]:
            target = self._existing(item["url"], self._bases(facts, path, role, late=item["late"]))
            if target is None:
                continue
            tag = item["tag"]
            if (target, tag) not in self._lengths:
                self._lengths[target, tag] = (sound_length if tag == "audio" else video_length)(self.files[target])
            length = self._lengths[target, tag]
            if length is not None and item["seconds"] >= length:
                start, end = f"{item['seconds']:g}", f"{float(length):g}"
                line, opening = places.line(item["at"]), item["at"]["tag"]
                code = f"{tag}_media_start_at_or_past_eof"
                self.add(code, path, line, opening, url=item["url"], start=start, end=end)

    def _effects(self, facts: dict[str, Any], path: str, places: Positions) -> None:
        """Check the effects and lanes of sounds, as the mixer reads them."""
        for item in facts["effects"]:
            line, tag = places.line(item["at"]), item["at"]["tag"]
            chain, automation = ((item[name] or "").strip() for name in ("chain", "automation"))
            try:
                effects = chain_from_json(chain) if chain else ()
            except SoundMarkupError as error:
                self.add("audio_effects_invalid", path, line, tag, problem=error.message)
                continue
            try:
                idle = idle_targets(automation, effects) if automation else ()
            except SoundMarkupError as error:
                if not item["isRead"]:
                    self.add("media_automation_invalid", path, line, tag, problem=error.message)
                continue
            for target in idle:
                self.add("audio_lane_idle", path, line, tag, target=target)

    def _line_of(self, use: dict[str, Any], places: Positions) -> int | None:
        if use["row"] is None:
            return places.line(use["at"]) if use["sheet"] is None else None
        first = 1 if use["sheet"] else places.content_line(use["at"])
        return None if first is None else first + int(use["row"])

    def _missing(
        self, url: str, kind: str, bases: Bases, file: str, line: int | None, tag: str | None, severity: str | None
    ) -> None:
        options = candidates(url, *bases) or []
        if any(item.partition("/")[0] in SKIPPED for item in options):
            kind = f"{kind}; its folder is left out of plans"
        if bases[0] is not None and leaves_project(url, bases[0]):
            self.add("invalid_parent_traversal_in_asset_path", file, line, tag, url=url)
        elif kind == "variable":
            self.add("unloadable_media_variable_default", file, line, tag, url=url)
        elif kind == "audio":
            self.add("audio_src_not_found", file, line, tag, url=url)
        else:
            kind = "image" if kind == "style" else kind
            self.add("missing_local_asset", file, line, tag, severity, url=url, kind=kind)

    # Scripts

    def _scripts(self, facts: dict[str, Any], path: str, role: str, places: Positions) -> None:
        media = frozenset(facts["media"])
        for script in facts["scripts"]:
            bases = self._bases(facts, path, role, late=script["late"])
            module = script["module"]
            if script["src"] is None:
                first = places.content_line(script["at"]) or 1
                if is_library("", script["text"]):
                    self._library(script["text"], role)
                else:
                    self._script(script["text"], path, first, role, media, module=module, bases=bases)
                continue
            self.together.provided.append(script["src"])
            target = self._existing(script["src"], bases)
            if target:
                self._script_file(target, role, media, module=module)
            else:
                self.together.unknown_scripts |= self._is_elsewhere(script["src"], bases)

    def _script_file(self, target: str, role: str, media: frozenset[str], *, module: bool) -> None:
        if target in self.read:
            return
        self.read.add(target)
        text = read_text(self.files, target)
        if is_library(target, text):
            self._library(text, role)
        else:
            self._script(text, target, 1, role, media, module=module, bases=(target,))

    def _library(self, text: str, role: str) -> None:
        if role in _PAGE:
            self.together.provided.append(text)
            self.together.registers_unknown |= "__timelines" in text

    def _script(
        self, text: str, file: str, first: int, role: str, media: frozenset[str], *, module: bool, bases: Bases
    ) -> None:
        facts = read_script(text, media)
        if (error := self.page.syntax_error(text, module=module)) is not None:  # nothing of it runs
            row = error[1] if error[1] is not None else facts.error_row
            lines = text.split("\n")
            row = min(row, len(lines) - 1)  # V8 knows more line ends
            hit = ScriptFinding("invalid_inline_script_syntax", row, lines[row].strip()[:120])
            self._hit(file, first, hit, problem=error[0])
            return
        for hit in facts.hits:
            if hit.code == "gsap_infinite_repeat":
                self.together.repeats.append((file, first, hit))
            else:
                self._hit(file, first, hit)
        invalid = set(self.page.invalid_selectors([selector for selector, _ in facts.selectors]))
        for selector, hit in facts.selectors:
            if selector in invalid:
                self._hit(file, first, hit)
        for name, hit in facts.imports:
            self._import(name, hit, file, first, role, media, bases)
        if role in _PAGE:
            self._note(facts, file, first)
            if file in self._facts and not module:
                self.together.scenes.setdefault(file, set()).update(facts.registered)

    def _import(
        self, name: str, hit: ScriptFinding, file: str, first: int, role: str, media: frozenset[str], bases: Bases
    ) -> None:
        url = imported(name, self._imports, self._page_base) if role in _PAGE else None
        if url is not None:
            bases = (self._page_base,)
        elif not is_path(name):
            return
        if self._is_elsewhere(url or name, bases):
            return
        target = self._existing(url or name, bases)
        if target is None:
            self._hit(file, first, hit, url=url or name, kind="module")
        elif target.endswith((".js", ".mjs")):
            self._script_file(target, role, media, module=True)

    def _note(self, facts: ScriptFacts, file: str, first: int) -> None:
        together = self.together
        together.registered += [(file, first, name, hit) for name, hit in facts.registered.items()]
        together.registers_unknown |= facts.registers_unknown
        together.animates |= facts.animates
        together.unknown_scripts |= facts.adds_scripts
        together.simulations += [(file, first, library, hit) for library, hit in facts.simulations]
        together.provided += [name for name, _ in facts.imports]
        together.uses += [(file, first, name, hit) for name, hit in facts.globals.items()]
        together.plugins += [(file, first, name, hit) for name, hit in facts.plugins.items()]
        together.provided += [f"global {name}" for name in facts.declares]
        if facts.makes_timeline:
            together.makers.append((file, first, facts.makes_timeline))

    # Across documents

    def _judge_together(self, entry: dict[str, Any]) -> None:
        together = self.together
        for file, first, hit in together.repeats:
            self._hit(file, first, hit, severity=None if entry["duration"] else "error")
        if not together.unknown_scripts:
            self._judge_libraries()
        known = {name for _, _, name, _ in together.registered}
        root = next((item["id"] for _, item in together.compositions if item["isRoot"]), "")
        self._judge_references()
        for file, first, library, hit in together.simulations:
            if self._provides(library):  # else it may be the author's own
                self._hit(file, first, hit)
        self._judge_timelines(known, root)
        sources = (
            known or together.registers_unknown or together.animates or together.finite or together.unknown_scripts
        )
        if entry["compositions"] and not entry["duration"] and not sources:
            path, item = together.compositions[0]
            self.add("root_composition_missing_duration_source", path, item["line"], item["at"]["tag"])

    def _judge_libraries(self) -> None:
        codes = {"gsap": "missing_gsap_script", "lottie": "missing_lottie_script", "THREE": "missing_three_script"}
        for file, first, name, hit in self.together.uses:
            if not self._provides(_PROVIDERS[name]):
                self._hit(file, first, hit, code=codes[name])
        for file, first, name, hit in self.together.plugins:
            if not self._provides(re.escape(name)):
                self._hit(file, first, hit)

    def _provides(self, pattern: str) -> bool:
        return any(re.search(pattern, text, re.IGNORECASE) for text in self.together.provided)

    def _scene_of(self, path: str, item: dict[str, Any]) -> tuple[str, str]:
        """Return the document with the scripts of a composition, and the id that they use: for a host its file's."""
        if item["src"] is None:
            return path, item["declared"] or item["id"]
        target = next(iter(candidates(item["src"], "") or []), path)
        ids = [inner["id"] for inner in self._facts[target]["compositions"]] if target in self._facts else []
        return target, item["id"] if item["id"] in ids else next(iter(ids), item["id"])

    def _judge_references(self) -> None:
        for file, line, item in self.together.references:
            if item["id"] not in self.together.ids:
                self.add("unknown_start_reference", file, line, item["at"]["tag"], id=item["id"])

    def _judge_timelines(self, known: set[str], root: str) -> None:
        together = self.together
        ids = {item["id"] for _, item in together.compositions}
        if not ids:
            return
        alone = len(known) == 1 and not together.registers_unknown  # the only one drives the root under any name
        for file, first, name, hit in together.registered:
            if name not in ids:
                self._hit(file, first, hit, severity="warning" if alone else None, ids=", ".join(sorted(ids)))
        if together.registers_unknown:
            return
        if not known:
            for file, first, hit in together.makers:
                self._hit(file, first, hit, id=root)
        adopted = alone and not known & ids
        # If a host has no value, its file may have one.
        without = {(path, item["id"]) for path, item in together.compositions if item["noTimeline"]}
        named = {name for _, name in without}
        for path, item in together.compositions:
            scene = file, name = self._scene_of(path, item)
            has_own = item["id"] in known or name in together.scenes.get(file, ())
            if has_own or item["id"] in named or scene in without or (adopted and item["isRoot"]):
                continue
            if name != item["id"] and name not in known:  # reported in the scene's own document
                continue
            self.add("missing_data_no_timeline", path, item["line"], item["at"]["tag"], id=item["id"])
