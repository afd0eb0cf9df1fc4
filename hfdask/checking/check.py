"""Check a project before a render for what would break, differ from chunk to chunk, or be slow.

A check reads every document that the entry reaches. The browser parses them and lays them out, and a grammar reads the
scripts. Conditions on several documents are checked here: files, ids, libraries, the length of the video.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hfdask.browser.capabilities import capture_mode
from hfdask.checking import report as texts
from hfdask.checking.documents import ProjectCheck, ScaleFor
from hfdask.checking.page import LintPage, open_lint_page
from hfdask.checking.values import check_values
from hfdask.config import CheckLevel, RenderConfig
from hfdask.core.forks import worked
from hfdask.core.model import CaptureMode, pretty_json
from hfdask.core.results import Finding
from hfdask.core.values import Value
from hfdask.errors import CheckFailedError
from hfdask.project.files import Project, local_project
from hfdask.project.settings import with_project_file
from hfdask.store import StorageOptions

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


class CheckReport(Value, frozen=True):
    """The findings of a check. It shows as a table in a notebook and on a terminal.

    Attributes
    ----------
    project : str
        The project's folder.
    files : tuple of str
        Documents, scripts and style sheets that were read.
    findings : tuple of Finding
        All findings, the entry document's first.
    """

    project: str
    files: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that break the video, or make it differ from chunk to chunk."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that are slow, or likely mistakes."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def to_json(self) -> str:
        """Return everything as one JSON document."""
        return pretty_json(self).decode()

    def failing(self, level: CheckLevel) -> tuple[Finding, ...]:
        """Return the findings that fail a level: errors with ``strict``, all with ``strict-all``."""
        return {"strict": self.errors, "strict-all": self.findings}.get(level, ())

    def require(self, level: CheckLevel) -> None:
        """Raise an error if findings fail a level.

        Raises
        ------
        CheckFailedError
            ``details["findings"]`` lists them.
        """
        serious = self.failing(level)
        if serious:
            listed = "; ".join(f"{finding.place} {finding.code}: {finding.message}" for finding in serious[:10])
            more = f"; and {len(serious) - 10} more" if len(serious) > 10 else ""
            raise CheckFailedError(
                f"the check found {texts.count(serious)}: {listed}{more}", findings=msgspec.to_builtins(serious)
            )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from texts.by_file(self.findings, len(self.files))

    def __repr__(self) -> str:
        return f"<CheckReport of {self.project}: {texts.count(self.findings)} in {len(self.files)} files>"

    def _repr_html_(self) -> str:
        return texts.as_html(self.findings, repr(self))


@worked
def check(
    project: str | os.PathLike[str],
    *,
    entry: str | None = None,
    variables: dict[str, Any] | None = None,
    resolution: str | None = None,
    scale: float | str | Fraction | None = None,
    storage_options: StorageOptions | None = None,
) -> CheckReport:
    """Check a project for what would make its video wrong, different from chunk to chunk, or slow.

    Nothing of the project runs: documents are read, not loaded.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    entry : str, optional
        The entry document, relative to the project. Default: the entry in the project's ``hfdask.toml``, else
        ``index.html``.
    variables : dict, optional
        Values for a render, which win over ``hfdask.toml``; they are compared with the declarations.
    resolution, scale : optional
        Size of the video, as in `hfdask.RenderConfig`: pictures may be larger if the video is.
    storage_options : mapping, optional
        Arguments of the project's file system.

    Raises
    ------
    EntryNotFoundError, InvalidConfigError, BrowserError
    """
    asked = {"entry": entry, "variables": variables, "resolution": resolution, "scale": scale}
    given = {name: value for name, value in asked.items() if value is not None}
    with local_project(project, storage_options) as folder, open_lint_page(capture_mode("auto")) as page:
        options = RenderConfig.of(with_project_file(folder, given))
        return check_project(Project.find(folder, options.entry), page, options)


def check_project(found: Project, page: LintPage, options: RenderConfig) -> CheckReport:
    """Check a project in an open page."""
    return _read(found, page, options.scale_for).report(options.variables)


def check_frozen(
    frozen: Hashable, found: Project, mode: CaptureMode, browser: str, options: RenderConfig
) -> CheckReport:
    """Check a project whose files do not change any more; the files of some projects are remembered and read only once.

    ``frozen`` stands for the names and contents of the files, ``browser`` for the browser and its version.
    """
    size = (options.resolution, options.scale)
    reading = _Reading((frozen, mode, browser, size), found, mode, options.scale_for)
    return _read_once(reading).report(options.variables)


class _Read(Struct, frozen=True):
    """A project that was read: what is found in its files, and what its entry document declares."""

    project: Project
    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    declared: tuple[dict[str, Any], ...]

    def report(self, variables: dict[str, Any]) -> CheckReport:
        """Return all findings, also about these values."""
        entry = self.project.entry
        found = dict.fromkeys([*self.findings, *check_values(entry, self.declared, variables)])
        findings = sorted(found, key=lambda f: (f.file != entry, f.file, f.line or 0, f.code))
        return CheckReport(project=str(self.project.folder), files=self.files, findings=tuple(findings))


def _read(found: Project, page: LintPage, scale_for: ScaleFor) -> _Read:
    walk = ProjectCheck(found, page, scale_for)
    walk.run()
    declared = walk.declared.get(found.entry, [])
    return _Read(found, tuple(sorted(walk.read)), tuple(walk.findings), tuple(declared))


@dataclass(frozen=True)
class _Reading:
    key: Hashable
    project: Project = field(compare=False)
    mode: CaptureMode = field(compare=False)
    scale_for: ScaleFor = field(compare=False)


@lru_cache(maxsize=8)
def _read_once(reading: _Reading) -> _Read:
    with open_lint_page(reading.mode) as page:
        return _read(reading.project, page, reading.scale_for)
