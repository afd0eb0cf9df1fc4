"""Planning of a real page on a worker: the same plan, errors and notes as on the driver."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cluster_processes import in_processes
from distributed import Client
from samples import BOX

import hfdask
from hfdask import errors

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def two() -> Iterator[Client]:
    with in_processes() as client:
        yield client


@pytest.mark.slow
def test_the_entry_document_itself_and_what_the_check_found(project, two, tmp_path):
    source = project(BOX + "<script>const n = Date.now() + Math.random()</script><img src='a.gif'>")
    (source / "index.html").rename(source / "main.html")
    (source / "a.gif").write_bytes(b"GIF89a\1\0\1\0\0\0\0;")
    here = hfdask.plan(source / "main.html", tmp_path / "here", workers=2)
    video = hfdask.render(source / "main.html", tmp_path / "out.mp4", client=two, plan_on="worker")
    assert video.planned_on
    assert video.plan_hash == here.hash
    assert video.findings == here.findings


@pytest.mark.slow
def test_errors_of_it_come_back_typed_with_what_the_check_says(project, two, tmp_path):
    html = BOX + "<script>document.querySelector('#none').click()</script>"
    with pytest.raises(errors.ScriptError) as caught:
        hfdask.render(project(html), tmp_path / "out" / "out.mp4", client=two, plan_on="worker")
    assert caught.value.details["worker"] in two.nthreads()
    with pytest.raises(errors.ScriptError) as here:
        hfdask.plan(project(html), tmp_path / "here")
    assert getattr(caught.value, "__notes__", []) == getattr(here.value, "__notes__", [])
    assert not os.listdir(tmp_path / "out")
