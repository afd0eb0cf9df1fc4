"""From document to document: each one that the entry mounts or frames is read once, with its scripts and style sheets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from hfdask.lint.assets import candidates, image_size, is_library, leaves_project, read_text
from hfdask.lint.page import LintPage
from hfdask.lint.positions import Positions
from hfdask.lint.rules import RULES
from hfdask.lint.scripts import Hit, ScriptFacts, read_script
from hfdask.model import Finding
from hfdask.project import Project

MAX_DEPTH = 20
MAX_DOCUMENT = 2_000_000
"""Bytes of a document that is checked; looking for the lines of its elements takes about a second for each million."""
MAX_DOCUMENTS = 8_000_000
"""Bytes of all documents of a project together."""
_MAX_IMAGE = 4.0  # times the pixels of the video
_PROVIDERS = {"gsap": r"gsap|greensock|tweenmax", "lottie": "lottie", "THREE": r"\bthree\b|THREE"}


@dataclass
class Together:
    """What all documents of one page share: the entry's and everything that is mounted in it."""

    compositions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    registered: list[tuple[str, int, str, Hit]] = field(default_factory=list)
    registers_unknown: bool = False
    makers: list[tuple[str, int, Hit]] = field(default_factory=list)
    repeats: list[tuple[str, int, Hit]] = field(default_factory=list)
    uses: list[tuple[str, int, str, Hit]] = field(default_factory=list)
    plugins: list[tuple[str, int, str, Hit]] = field(default_factory=list)
    provided: list[str] = field(default_factory=list)
    animates: bool = False
    finite: bool = False
    unknown_scripts: bool = False


class Walk:
    """One check of one project."""

    def __init__(self, project: Project, page: LintPage, variables: dict[str, Any]) -> None:
        self.project = project
        self.files = dict(project.files())
        self.page = page
        self.variables = variables
        self.findings: list[Finding] = []
        self.read: set[str] = set()
        self.together = Together()
        self.size = (1920, 1080)
        self.declared: dict[str, list[str]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._shown: set[str] = set()
        self._left = MAX_DOCUMENTS
        self._unread: set[str] = set()

    def run(self) -> None:
        """Read everything; the answer is in ``findings``."""
        self._document(self.project.entry, "entry", ())
        if not self._unread:
            self._judge_together(self._facts[self.project.entry])

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
        rule = RULES[code]
        self.findings.append(
            Finding(
                code=code,
                severity="error" if (severity or rule.severity) == "error" else "warning",
                file=file,
                line=line,
                element=element or None,
                message=rule.message.format(**detail),
                remedy=rule.remedy.format(**detail),
            )
        )

    def _hit(
        self, file: str, first: int, hit: Hit, code: str | None = None, severity: str | None = None, **detail: Any
    ) -> None:
        self.add(
            code or hit.code, file, first + hit.row, hit.excerpt, severity or hit.severity, **{**hit.detail, **detail}
        )

    # Documents

    def _document(self, path: str, role: str, above: tuple[str, ...]) -> None:
        self.read.add(path)
        if self._is_too_large(path):
            return
        html = read_text(self.files, path)
        places = Positions(html)
        facts = self._inspect(html, path, role)
        self._facts[path] = facts
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
        self._scripts(facts, path, role, places)
        if role != "frame":
            self.together.compositions += [
                (path, item | {"line": places.line(item["at"])}) for item in facts["compositions"]
            ]
            self.together.finite |= facts["finite"]
        for host in facts["hosts"]:
            if not host["placeholder"]:
                self._mount(host, path, (*above, path), places)
        for use in facts["urls"]:
            if use["kind"] == "frame":
                self._frame(use, path, (*above, path))

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
        options["overrides"] = self.variables if role == "entry" else {}
        facts = self.page.inspect(html, **options)
        sheets = {href: sheet for href in facts["sheets"] if (sheet := self._existing(href, path, role == "sub"))}
        if sheets:  # once more, with the style sheets in place
            self.read |= set(sheets.values())
            options["sheets"] = {href: read_text(self.files, sheet) for href, sheet in sheets.items()}
            facts = self.page.inspect(html, **options)
        return facts

    def _mount(self, host: dict[str, Any], path: str, above: tuple[str, ...], places: Positions) -> None:
        src, tag, line = host["src"], host["at"]["tag"], places.line(host["at"])
        target = next(iter(candidates(src, "") or []), None)
        if target is None:
            self.add(
                "missing_or_empty_sub_composition",
                path,
                line,
                tag,
                src=src or "the empty path",
                problem="is no path in the project",
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
            self._document(target, "sub", above)
        if target in self._unread:
            return
        facts = self._facts[target]
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
            if name not in self.declared[target]:
                self.add("undeclared_variable", path, line, tag, id=name)

    def _frame(self, use: dict[str, Any], path: str, above: tuple[str, ...]) -> None:
        target = self._existing(use["url"], path, False)
        if (
            target
            and target.lower().endswith((".html", ".htm"))
            and target not in {*self._facts, *self._unread}
            and len(above) <= MAX_DEPTH
        ):
            self._document(target, "frame", above)

    # Files

    def _existing(self, url: str, base: str, also_root: bool) -> str | None:
        return next((path for path in candidates(url, base, also_root=also_root) or [] if path in self.files), None)

    def _url(self, use: dict[str, Any], path: str, role: str, places: Positions) -> None:
        url, kind = use["url"], use["kind"]
        base = path if use["sheet"] is None else self._existing(use["sheet"], path, role == "sub") or path
        options = candidates(url, base, also_root=role == "sub")
        if options is None:
            return
        line, tag = self._line_of(use, places), use["at"]["tag"]
        target = next((item for item in options if item in self.files), None)
        if target is None:
            self._missing(url, kind, options, base, line, tag)
        elif kind in ("image", "style") and target not in self._shown:
            self._shown.add(target)
            size = image_size(self.files[target])
            times = size[0] * size[1] / (self.size[0] * self.size[1]) if size else 0
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

    def _line_of(self, use: dict[str, Any], places: Positions) -> int | None:
        if use["row"] is None:
            return places.line(use["at"]) if use["sheet"] is None else None
        first = 1 if use["sheet"] else places.content_line(use["at"])
        return None if first is None else first + int(use["row"])

    def _missing(self, url: str, kind: str, options: list[str], base: str, line: int | None, tag: str | None) -> None:
        if any(os.path.isfile(self.project.folder / item) for item in options):  # of any name, however long
            kind = f"{kind}; it lies in a folder that is left out of plans"
        if leaves_project(url, base):
            self.add("invalid_parent_traversal_in_asset_path", base, line, tag, url=url)
        elif kind == "variable":
            self.add("unloadable_media_variable_default", base, line, tag, url=url)
        elif kind == "audio":
            self.add("audio_src_not_found", base, line, tag, url=url)
        else:
            self.add("missing_local_asset", base, line, tag, url=url, kind="image" if kind == "style" else kind)

    # Scripts

    def _scripts(self, facts: dict[str, Any], path: str, role: str, places: Positions) -> None:
        media = frozenset(facts["media"])
        for script in facts["scripts"]:
            if script["src"] is None:
                first = places.content_line(script["at"]) or 1
                if is_library("", script["text"]):
                    self._library(script["text"], role)
                else:
                    self._script(
                        script["text"], path, first, role, media, module=script["module"], also_root=role == "sub"
                    )
                continue
            self.together.provided.append(script["src"])
            target = self._existing(script["src"], path, role == "sub")
            if target:
                self._script_file(target, role, media, module=script["module"])
            else:
                self.together.unknown_scripts |= candidates(script["src"], path) is None

    def _script_file(self, target: str, role: str, media: frozenset[str], *, module: bool) -> None:
        if target in self.read:
            return
        self.read.add(target)
        text = read_text(self.files, target)
        if is_library(target, text):
            self._library(text, role)
        else:
            self._script(text, target, 1, role, media, module=module, also_root=False)

    def _library(self, text: str, role: str) -> None:
        if role != "frame":
            self.together.provided.append(text)
            self.together.registers_unknown |= "__timelines" in text

    def _script(
        self, text: str, file: str, first: int, role: str, media: frozenset[str], *, module: bool, also_root: bool
    ) -> None:
        facts = read_script(text, media)
        if (error := self.page.syntax_error(text, module=module)) is not None:  # nothing of it runs
            row = error[1] if error[1] is not None else facts.error_row
            lines = text.split("\n")
            row = min(row, len(lines) - 1)  # V8 knows more line ends
            hit = Hit("invalid_inline_script_syntax", row, lines[row].strip()[:120])
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
            if name.startswith((".", "/")):
                self._import(name, hit, file, first, role, media, also_root=also_root)
        if role != "frame":
            self._note(facts, file, first)

    def _import(
        self, name: str, hit: Hit, file: str, first: int, role: str, media: frozenset[str], *, also_root: bool
    ) -> None:
        target = self._existing(name, file, also_root)
        if target is None:
            self._hit(file, first, hit, url=name, kind="module")
        elif target.endswith((".js", ".mjs")):
            self._script_file(target, role, media, module=True)

    def _note(self, facts: ScriptFacts, file: str, first: int) -> None:
        together = self.together
        together.registered += [(file, first, name, hit) for name, hit in facts.registered.items()]
        together.registers_unknown |= facts.registers_unknown
        together.animates |= facts.animates
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
        without = {item["id"] for _, item in together.compositions if item["noTimeline"]}  # a host's or its file's say
        for path, item in together.compositions:
            if item["id"] in without or item["id"] in known or (adopted and item["isRoot"]):
                continue
            self.add("missing_data_no_timeline", path, item["line"], item["at"]["tag"], id=item["id"])
