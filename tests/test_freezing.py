"""A project is frozen before anything looks at it: later changes are in no plan, and in no finding."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from samples import BOX

import hfdask
from hfdask import errors

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("nothing_left")]

OTHER = f"<!DOCTYPE html><html><body><img src='missing.gif'>{BOX}</body></html>"


class Editor(hfdask.Observer):
    """Saves another document when a stage begins."""

    def __init__(self, stage: str, document: Path) -> None:
        self.stage, self.document = stage, document
        self.seen: list[str] = []

    def meter(self, stage):
        self.seen.append(stage)
        if stage == self.stage:
            self.document.write_text(OTHER)
        return nullcontext()


# A stage that reads the folder after the check began would see it, so the earlier stage stands for the later one.
@pytest.mark.slow
@pytest.mark.parametrize("stage", ["check", "probe"])
def test_what_is_saved_while_planning_is_not_seen(stage, project, tmp_path):
    source = project()
    (source / "index.html").write_text(BOX)
    wanted = hfdask.plan(source, tmp_path / "before", sweep=2)
    editor = Editor(stage, source / "index.html")
    made = hfdask.plan(source, tmp_path / "plan", observer=editor, sweep=2)
    assert (source / "index.html").read_text() == OTHER
    assert editor.seen == ["compile", "check", "probe", "freeze", "freeze"]
    assert (made.hash, made.findings) == (wanted.hash, wanted.findings)
    assert made.manifest.page.fragment
    with pytest.raises(errors.AssetError, match=r"missing\.gif"):  # the next plan sees it
        hfdask.plan(source, tmp_path / "after")
