"""The hand-over from a driver to the worker that plans, and the retries of tasks."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from hfdask import errors
from hfdask.cluster.handover import handed_over, received
from hfdask.cluster.retries import BACK_OFF, retry_delay
from hfdask.config import RenderConfig
from hfdask.planning.planning import FrozenProject, freeze
from hfdask.store import Location, Snapshot


@pytest.fixture(params=["local", "memory"])
def plan(request, tmp_path, monkeypatch) -> Location:
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    return Location.of(tmp_path / "plan" if request.param == "local" else f"memory://{uuid.uuid4().hex}/plan")


def frozen(folder: Path, plan: Location) -> tuple[FrozenProject, dict[str, Path]]:
    with Snapshot(plan.store()) as snapshot:
        found = freeze(folder, RenderConfig(), snapshot)
        return found, {each.path: snapshot.file(each.sha256) for each in found.artifacts}


def test_the_project_and_what_replaces_urls_arrive(plan, project, tmp_path):
    source = project(**{"vendor/a/b.js": "inside", "node_modules/c.js": "skipped"})
    (tmp_path / "elsewhere" / "d").mkdir(parents=True)
    (tmp_path / "elsewhere" / "d" / "e.js").write_text("outside")
    made, files = frozen(source, plan)
    replace_urls = {
        "https://a.example": str(source / "vendor"),
        "https://b.example": str(source / "vendor" / "a" / "b.js"),
        "https://c.example": str(source / "node_modules"),
        "https://d.example": str(tmp_path / "elsewhere"),
        "https://e.example": str(tmp_path / "elsewhere" / "d" / "e.js"),
        "https://f.example": "https://g.example",
        "https://h.example": str(source),
    }
    with handed_over(plan, made, replace_urls) as folder:
        (source / "vendor" / "a" / "b.js").write_text("edited meanwhile")
        with received(folder) as (project_there, replaced):
            places = {prefix[8]: Path(place) for prefix, place in replaced(files).items()}
            assert project_there == made
            assert (places["a"] / "a" / "b.js").read_text() == places["b"].read_text() == "inside"
            assert (places["c"] / "c.js").read_text() == "skipped"
            assert (places["d"] / "d" / "e.js").read_text() == places["e"].read_text() == "outside"
            assert (places["h"] / "vendor" / "a" / "b.js").read_text() == "inside"
            assert "f" not in places
    assert not [name for name in plan.store().names() if name.startswith("planning")]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "elsewhere/x", "project/../../x"])
def test_a_changed_note_leads_nowhere_else(name, plan, project):
    made, files = frozen(project(), plan)
    with handed_over(plan, made, {}) as folder:
        document = json.loads(folder.store().read("project.json"))
        document["replacing"] = {"https://a.example": name}
        folder.store().put("project.json", json.dumps(document).encode())
        with pytest.raises(errors.PlanCorruptError), received(folder) as (_, replaced):
            replaced(files)


def test_what_does_not_exist_is_not_handed_over(plan, project, tmp_path):
    made, _ = frozen(project(), plan)
    with (
        pytest.raises(errors.InvalidConfigError, match="does not exist"),
        handed_over(plan, made, {"https://a.example": str(tmp_path / "no")}),
    ):
        pass


def test_when_a_task_is_tried_again():
    heals, lost, lasts = errors.StoreError("x"), errors.WorkerLostError("x"), errors.ScriptError("x")
    assert [retry_delay(heals, count, 2, killed=False) for count in (1, 2, 3)] == [BACK_OFF, 2 * BACK_OFF, None]
    assert [retry_delay(lost, count, 5, killed=True) for count in (1, 2)] == [BACK_OFF, None]
    assert retry_delay(lost, 1, 0, killed=True) is None
    assert retry_delay(lasts, 1, 5, killed=False) is None
