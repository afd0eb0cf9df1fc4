"""Stores: a name holds a whole file or nothing, and messages hold no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfdask import errors
from hfdask.store import Store, split_url


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path) -> Store:
    return Store(str(tmp_path / "store") if request.param == "file" else f"memory://{tmp_path.name}/store")


def test_a_file_comes_back(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    store.write("a/b", b"bytes")
    store.put("a/c", source)
    assert (store.read("a/b"), store.read("a/c")) == (b"bytes", b"from a file")
    assert (store.exists("a/b"), store.exists("a/x"), store.size("a/c")) == (True, False, 11)
    assert store.fetch("a/c").read_bytes() == b"from a file"
    store.write("a/b", b"other")
    assert store.read("a/b") == b"other"


def test_what_is_not_there(store):
    for action in (store.read, store.size, store.fetch):
        with pytest.raises(errors.MissingArtifactError):
            action("nothing")
    store.delete("nothing")


def test_deleting(store):
    store.write("a/b", b"x")
    store.delete("a")
    assert not store.exists("a/b")


def test_writing_is_proven(store):
    store.require_writable()
    store.write("a", b"")
    assert [Path(name).name for name in store.fs.ls(store.path, detail=False)] == ["a"]


def test_a_failed_write_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(errors.MissingArtifactError):
        store.put("a", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises((errors.StoreError, errors.MissingArtifactError)):
        store.write("file/below", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_urls_are_absolute_and_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, name = split_url("video.mp4")
    assert (store.url, name) == (f"file://{tmp_path}", "video.mp4")
    store, name = split_url("memory://folder/video.mp4")
    assert (store.url, name) == ("memory:///folder", "video.mp4")
    with pytest.raises(errors.InvalidConfigError):
        split_url("folder/")


@pytest.mark.parametrize("url", ["nosuch://a/b", "nosuch://user:hunter2@host/b?sig=hunter2"])
def test_unknown_schemes_are_refused_without_secrets(url):
    with pytest.raises(errors.InvalidConfigError) as caught:
        Store(url)
    assert "hunter2" not in str(caught.value)
