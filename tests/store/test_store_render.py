"""Whole renders on object stores: the same pixels as on local disks, and no credential anywhere."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import uuid
from importlib import import_module

import fsspec
import pytest
from samples import BOX
from store_contract import Place
from store_servers import SECRET

import hfdask
from hfdask import errors
from hfdask.formats.join import FileJoin
from hfdask.store import Store, file_digest

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")


@pytest.fixture(params=["memory", "s3", "gcs"])
def place(request) -> Place:
    if request.param == "memory":
        return Place(f"memory://{uuid.uuid4().hex}")
    server = request.getfixturevalue(request.param)
    return Place(
        server.url(uuid.uuid4().hex), {**server.options, **({"token": SECRET} if request.param == "s3" else {})}
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))


def test_file_urls_lead_everywhere(project, tmp_path):
    odd = tmp_path / "a b#c%20é"
    odd.mkdir()
    source = project(
        '<script src="https://cdn.example/lib/x.js"></script>' + BOX, **{"hfdask.toml": "[render]\nfps = 10"}
    )
    source = source.rename(odd / "project")
    (odd / "vendor").mkdir()
    (odd / "vendor" / "x.js").write_text("// library")

    def uri(name: str) -> str:
        return (odd / name).as_uri()

    replaced = {"https://cdn.example/lib": uri("vendor")}
    assert hfdask.check(uri("project")).findings == ()
    assert hfdask.still(uri("project"), 0, uri("still.png"), replace_urls=replaced) == 0
    options = {"plan_dir": uri("plan"), "replace_urls": replaced, "chunk_size": 5, "certificate": True}
    result = hfdask.render(uri("project"), uri("out/a.mp4"), **options)
    assert (result.output, result.frames) == (str(odd / "out" / "a.mp4"), 10)
    assert hfdask.verify(uri("out/a.mp4"), sample=1).frames == 10
    assert hfdask.Plan.open(result.plan_url).hash == hfdask.Plan.open(uri("plan")).hash
    again = hfdask.render(uri("project"), odd / "out" / "b.mp4", **options)
    assert all(chunk.reused for chunk in again.chunks)
    made = hfdask.plan(uri("project/index.html"), odd / "own plan", replace_urls=replaced)
    chunks = [hfdask.render_chunk(made.url, 0, uri("chunks/0.mp4"))]
    hfdask.assemble(made.url, [uri("chunks/0.mp4")], uri("c.mp4"))
    assert hfdask.assemble(made.url, chunks, uri("d.mp4")).digest == result.digest
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]


@pytest.mark.sample("s3")
def test_everything_on_an_object_store(place, project, tmp_path, caplog, monkeypatch):
    source = project(**{"assets/a.txt": "a", "assets/b.bin": bytes(2_000_000)})
    local = hfdask.plan(source, tmp_path / "plan", chunk_size=10)
    chunks = [hfdask.render_chunk(local.url, index, tmp_path / f"{index}.mp4") for index in range(3)]
    wanted = hfdask.assemble(local.url, chunks, tmp_path / "out.mp4")

    caplog.set_level(logging.DEBUG, "hfdask")
    upload = place.store("project")
    for path in source.rglob("*"):
        if path.is_file():
            upload.put(path.relative_to(source).as_posix(), path)
    options = place.options
    plan = hfdask.plan(f"{place.url}/project", f"{place.url}/plan", chunk_size=10, storage_options=options)
    assert plan.hash == local.hash
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "another machine"))
    chunks = [
        hfdask.render_chunk(plan.url, index, f"{place.url}/chunks/{index}.mp4", storage_options=options)
        for index in range(3)
    ]
    again = hfdask.render_chunk(plan.url, 0, f"{place.url}/chunks/0.mp4", storage_options=options)
    assert (again.reused, [chunk.reused for chunk in chunks]) == (True, [False] * 3)
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "a third machine"))
    urls = [chunk.url for chunk in chunks]
    result = hfdask.assemble(plan.url, urls, f"{place.url}/out/video.mp4", storage_options=options, strict=True)
    assert (result.digest, result.size) == (wanted.digest, wanted.size)
    assert not (tmp_path / "a third machine").exists()  # assembly needs none of the page's files

    copy = place.store("out").fetch("video.mp4", tmp_path / "copy.mp4")
    assert file_digest(copy) == file_digest(tmp_path / "out.mp4")
    names = place.store().names()
    assert {name.partition("/")[0] for name in names} == {"project", "plan", "chunks", "out"}
    assert [name for name in names if name.startswith("out/")] == ["out/video.mp4"]
    written = b"".join(place.store().read(name) for name in names if not name.startswith("project/"))
    said = [
        caplog.text,
        *names,
        repr(plan),
        repr(result),
        *(repr(each.key) for each in hfdask.delayed_chunks(plan)),
        *map(repr, chunks),
    ]
    for secret in (SECRET, "endpoint_url"):
        assert secret.encode() not in written
        assert secret not in "".join(said)
    assert SECRET.encode() not in pickle.dumps([chunks, result])


def test_a_cluster_renders_from_s3(s3, project, tmp_path):
    url = s3.url(uuid.uuid4().hex)
    result = hfdask.render(project(), f"{url}/video.mp4", chunk_size=15, storage_options=s3.options)
    assert result.output == f"{url}/video.mp4"
    assert Store(url, s3.options).names() == {"video.mp4": result.size}


def test_an_output_that_cannot_be_sent_is_not_there(s3, project, tmp_path):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=30)
    chunk = hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    url = s3.url(uuid.uuid4().hex)
    s3.fault = lambda method, path: 403 if method in ("PUT", "POST") else None
    with pytest.raises(errors.StoreRefusedError) as caught:
        hfdask.assemble(plan.url, [chunk], f"{url}/video.mp4", storage_options=s3.options)
    assert SECRET not in str(caught.value)
    s3.fault = lambda method, path: None
    assert Store(url, s3.options).names() == {}


def test_a_disk_that_is_full(project, tmp_path, monkeypatch):
    """Errors of encoder and muxer on a full disk become `DiskFullError`, and nothing is left."""
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=30)
    whole = hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")

    def fail(*_: object) -> None:
        raise errors.EncodeError("cannot be written") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(import_module("hfdask.rendering.pipeline"), "_encode", fail)
    with pytest.raises(errors.DiskFullError):
        hfdask.render_chunk(plan.url, 0, tmp_path / "out" / "0.mp4")
    monkeypatch.setattr(FileJoin, "append", fail)
    with pytest.raises(errors.DiskFullError):
        hfdask.assemble(plan.url, [whole], tmp_path / "out" / "video.mp4")
    assert not list((tmp_path / "out").rglob("*"))


def test_an_output_on_a_small_disk(small_disk, project, tmp_path):
    html = BOX.replace("data-no-timeline", "data-no-timeline data-noise")
    plan = hfdask.plan(project(html), tmp_path / "plan", chunk_size=30, crf=0)
    chunk = hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    disk = os.statvfs(small_disk)
    assert chunk.size > 2 * disk.f_bsize
    (small_disk / "other").write_bytes(bytes((disk.f_bavail - 1) * disk.f_bsize))
    with pytest.raises(errors.DiskFullError):
        hfdask.assemble(plan.url, [chunk], small_disk / "video.mp4")
    with pytest.raises(errors.DiskFullError):
        hfdask.render_chunk(plan.url, 0, small_disk / "0.mp4")
    assert not [path.name for path in small_disk.iterdir() if "mp4" in path.suffixes or "tmp" in path.suffixes]
    assert not (small_disk / "0.mp4.json").exists()


def test_the_project_s_files_are_sent_before_the_manifest(s3, project):
    url = s3.url(uuid.uuid4().hex)
    s3.fault = lambda method, path: 403 if "/packs/" in path or "/objects/" in path else None
    with pytest.raises(errors.StoreRefusedError):
        hfdask.plan(project(**{"a.txt": "a"}), url, storage_options=s3.options)
    s3.fault = lambda method, path: None
    with pytest.raises(errors.MissingArtifactError):
        hfdask.Plan.open(url, s3.options)
    assert fsspec.filesystem("s3", **s3.options).find(url) == []
