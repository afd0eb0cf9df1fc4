"""A chunk that is withdrawn while its files are uploaded leaves none if its plan is gone."""

from __future__ import annotations

import shutil
import threading

import pytest
from cluster_processes import in_this_process

import hfdask
from hfdask.cluster.tasks import WorkerObserver, render_chunk_task
from hfdask.errors import RenderCancelledError, StoreError
from hfdask.rendering.record import _upload
from hfdask.store import Location, Store

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.mark.parametrize("plan_stays", [False, True], ids=["the plan is gone", "the plan is there"])
def test_a_chunk_that_is_withdrawn_before_its_record_leaves_files_only_to_its_plan(
    project, tmp_path, monkeypatch, plan_stays
):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=30)
    withdrawn = threading.Event()

    def upload_and_withdraw(*arguments):
        _upload(*arguments)
        withdrawn.set()
        if not plan_stays:
            shutil.rmtree(tmp_path / "plan")

    monkeypatch.setattr("hfdask.rendering.record._upload", upload_and_withdraw)
    monkeypatch.setattr(WorkerObserver, "cancelled", lambda self: withdrawn.is_set())
    output = Location.at(Store(tmp_path / "out"), "0.mp4")
    with in_this_process() as client:
        task = client.submit(render_chunk_task, plan.location, plan.hash, 0, output, True, 0, "", None)
        with pytest.raises(RenderCancelledError):
            task.result(60)
    left = sorted(path.name for path in (tmp_path / "out").glob("*"))
    assert left == (["0.mp4", "0.mp4.frames.json", "0.mp4.last.png"] if plan_stays else [])


def test_a_chunk_whose_upload_fails_because_its_plan_is_removed_leaves_no_file(project, tmp_path, monkeypatch):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=30)

    def upload_and_fail(*arguments):
        _upload(*arguments)
        shutil.rmtree(tmp_path / "plan")
        raise StoreError("the last file could not be moved into place")

    monkeypatch.setattr("hfdask.rendering.record._upload", upload_and_fail)
    output = Location.at(Store(tmp_path / "out"), "0.mp4")
    with in_this_process() as client:
        task = client.submit(render_chunk_task, plan.location, plan.hash, 0, output, True, 0, "", None)
        with pytest.raises(StoreError, match="the last file"):
            task.result(60)
    assert list((tmp_path / "out").glob("*")) == []
