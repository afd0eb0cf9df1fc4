"""A batch compares its project once in both ways of capture, instead of each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cluster_processes import in_this_process
from distributed import Client
from page_samples import composition

import hfdask
import hfdask.batch.tasks
from hfdask import errors
from hfdask.batch import driver
from hfdask.browser.loading import Loaded
from hfdask.browser.session import PageSession

pytestmark = pytest.mark.browser

# 30 frames of 64x64, which are worth a capture from a canvas, but no separate comparison.
ROOT = """data-duration="1" data-no-timeline data-composition-variables='[{"id": "kind", "type": "string", "default": "%s"}]'"""
BODY = """<p style="position:absolute;animation:go 1s linear both" data-var-text="kind">text</p>
<style>@keyframes go { to { transform: translateX(20px) } }</style>"""
SCRIPT = """const { kind } = __hyperframes.getVariables();
if (kind === "wrong") throw new Error("wrong kind");
if (kind === "glass") root.insertAdjacentHTML("beforeend", '<div style="backdrop-filter:blur(2px)">x</div>');
if (kind === "framed" && top !== window) root.style.background = "#00f";"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways of capture of the pages that are loaded, in order; batches of two rows are compared."""
    load, modes = PageSession.load, list[str]()

    async def noting(session: PageSession, entry: str) -> Loaded:
        modes.append(session.settings.capture_mode)
        return await load(session, entry)

    monkeypatch.setattr(PageSession, "load", noting)
    monkeypatch.setattr(driver, "COMPARED_FROM", 2)
    return modes


def batch(project: Any, client: Client, tmp_path: Any, default: str, *kinds: str, **options: Any) -> Any:
    source = project(composition(BODY, SCRIPT, root=ROOT % default))
    rows = [{"kind": kind} for kind in kinds]
    return hfdask.render_batch(
        source, rows, tmp_path / "out" / "{kind}.mp4", client=client, check="off", **options
    ).result(120)


def test_rows_of_a_project_that_looks_the_same_are_captured_from_a_canvas(project, client, tmp_path, opened):
    table = batch(project, client, tmp_path, "plain", "one", "two")
    assert (sorted(opened[:2]), opened[2:]) == (["beginframe", "canvas"], ["canvas"] * 2)
    assert set(table["status"]) == {"rendered"}
    alone = hfdask.render(
        tmp_path / "project",
        tmp_path / "alone.mp4",
        variables={"kind": "two"},
        capture="canvas",
        check="off",
        chunk_size=30,
    )
    assert table["digest"][1] == alone.digest


@pytest.mark.slow
def test_a_row_with_content_that_is_drawn_wrong_keeps_its_pictures(project, client, tmp_path, opened):
    table = batch(project, client, tmp_path, "plain", "one", "glass")
    assert set(table["status"]) == {"rendered"}
    assert sorted(opened[2:]) == ["beginframe", "canvas", "canvas"]  # the second row was loaded twice


@pytest.mark.slow
def test_finished_rows_need_no_comparison(project, client, tmp_path, opened):
    batch(project, client, tmp_path, "plain", "one", "two")
    opened.clear()
    again = hfdask.render_batch(
        tmp_path / "project",
        [{"kind": "one"}, {"kind": "two"}],
        tmp_path / "out" / "{kind}.mp4",
        client=client,
        check="off",
    )
    assert set(again.result(60)["status"]) == {"reused"}
    assert opened == []


def test_a_comparison_that_fails_is_a_warning(project, client, tmp_path, opened, monkeypatch):
    def fails(*_: object) -> bool:
        raise errors.CaptureError("no pictures")

    monkeypatch.setattr(hfdask.batch.tasks, "looks_alike", fails)
    source = project(composition(BODY, SCRIPT, root=ROOT % "plain"))
    rows = [{"kind": "one"}, {"kind": "two"}]
    made = hfdask.render_batch(source, rows, tmp_path / "{kind}.mp4", client=client, check="off", retries=0)
    assert set(made.result(60)["status"]) == {"rendered"}
    assert made.warnings == ["the project was not compared for a capture from a canvas: no pictures"]
    assert opened == ["beginframe"] * 2


@pytest.mark.sample("wrong-1")
@pytest.mark.parametrize(("default", "before"), [("framed", 2), ("wrong", 1)])
def test_a_project_that_looks_otherwise_or_fails_does_not_count(default, before, project, client, tmp_path, opened):
    table = batch(project, client, tmp_path, default, "one", "two")
    assert set(table["status"]) == {"rendered"}
    assert opened[before:] == ["beginframe"] * 2


@pytest.mark.sample("kinds1-options1")
@pytest.mark.parametrize(("kinds", "options"), [(["one"], {}), (["one", "two"], {"capture": "beginframe"})])
def test_few_rows_and_rows_whose_capture_is_given_are_not_compared(kinds, options, project, client, tmp_path, opened):
    table = batch(project, client, tmp_path, "plain", *kinds, **options)
    assert set(table["status"]) == {"rendered"}
    assert opened == ["beginframe"] * len(kinds)
