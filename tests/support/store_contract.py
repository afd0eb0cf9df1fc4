"""What every store must do. A test class that inherits it and gives a `place` runs it all over one kind of store."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hfdask import errors
from hfdask.core.model import Artifact, Font
from hfdask.store import Snapshot, Store, concurrently, materialised, object_name, packing
from hfdask.store.objects import SMALL


@dataclass(frozen=True)
class Place:
    """A fresh URL, how to reach it, and whether of many who create a file only one can."""

    url: str
    options: dict[str, Any] | None = None
    exclusive: bool = True

    def store(self, name: str = "") -> Store:
        return Store(f"{self.url}/{name}" if name else self.url, self.options)


def artifact(path: str, content: bytes) -> Artifact:
    return Artifact(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def font(name: str, content: bytes) -> Font:
    """Return a font, such as planning adds to a project's files."""
    digest = hashlib.sha256(content).hexdigest()
    return Font(name=name, sha256=digest, size=len(content), family="f", style="s", canonical=False)


BINARY = bytes(range(256)) * 40 + b"\r\n--\r\n\n"


def noise(size: int) -> bytes:
    """Return random bytes that do not end with a line end: the GCS emulator's MIME parser takes that for its own."""
    return os.urandom(size - 1) + b"."


class StoreContract:
    """Override the fixture `place`."""

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    @pytest.fixture
    def store(self, place: Place) -> Store:
        return place.store()

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))

    def test_a_file_comes_back(self, store: Store, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(BINARY)
        store.put("a/b", b"bytes")
        store.put("a/c d+é%20", source)
        assert (store.read("a/b"), store.read("a/c d+é%20")) == (b"bytes", BINARY)
        assert (store.exists("a/b"), store.exists("a/x"), store.size("a/c d+é%20")) == (True, False, len(BINARY))
        assert store.fetch("a/b", tmp_path / "copy").read_bytes() == b"bytes"
        store.put("a/b", b"other, longer")
        assert (store.read("a/b"), store.size("a/b")) == (b"other, longer", 13)
        store.put("empty", b"")
        assert (store.read("empty"), store.size("empty")) == (b"", 0)

    def test_what_is_not_there(self, store: Store, tmp_path: Path) -> None:
        for action in (store.read, store.size, lambda name: store.fetch(name, tmp_path / "copy")):
            with pytest.raises(errors.MissingArtifactError):
                action("nothing")
        assert not (tmp_path / "copy").exists()
        assert not store.exists("nothing")
        store.delete("nothing")
        assert store.names() == {}

    def test_names_and_deleting(self, store: Store) -> None:
        store.put("a/b", b"x")
        store.put("a/c/d", b"xy")
        assert store.names() == {"a/b": 1, "a/c/d": 2}
        store.delete("a")
        assert not store.exists("a/b")
        assert store.names() == {}

    def test_another_process_s_files_are_seen(self, place: Place) -> None:
        ours, theirs = place.store(), place.store()
        assert (ours.exists("a/b"), ours.names()) == (False, {})
        theirs.put("a/b", b"x")
        assert (ours.exists("a/b"), ours.names(), ours.size("a/b")) == (True, {"a/b": 1}, 1)

    def test_writing_is_proven(self, store: Store) -> None:
        store.require_writable()
        assert store.names() == {}

    def test_only_one_creates(self, place: Place, store: Store) -> None:
        assert store.create("a", b"first")
        assert not store.create("a", b"second")
        assert store.read("a") == b"first"
        outcomes = concurrently(lambda number: store.create("b", b"%d" % number), range(8))
        assert sum(outcomes) == 1 or not place.exclusive
        assert store.read("b") in [b"%d" % number for number in range(8)]

    def test_a_plan_s_content_goes_there_and_back(
        self, place: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = {"a": b"a" * 10, "b": b"b" * 20, "same": b"a" * 10, "empty": b"", "large": noise(SMALL + 1)}
        objects = publish(store, contents, tmp_path)
        fetch_elsewhere(place, objects, contents, tmp_path, monkeypatch)
        before = store.names()
        assert publish(store, contents, tmp_path) == objects  # and planning again adds nothing
        assert store.names() == before
        assert len(before) == (4 if store.local else 2)

    def test_two_planners_at_once(
        self, place: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = {str(number): noise(1000) for number in range(20)} | {"large": noise(SMALL)}
        threads = [threading.Thread(target=publish, args=(place.store(), contents, tmp_path)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        objects = [artifact(path, content) for path, content in contents.items()]
        fetch_elsewhere(place, objects, contents, tmp_path, monkeypatch)

    @pytest.mark.parametrize("size", [20, SMALL])
    def test_other_content_under_an_object_s_name(self, size: int, store: Store, tmp_path: Path) -> None:
        content = noise(size)
        store.put(object_name(artifact("a", content).sha256), content[:-1])
        with pytest.raises(errors.ArtifactDigestError) as caught:
            publish(store, {"a": content}, tmp_path)
        assert "delete it" in caught.value.message
        assert not caught.value.retryable

    def test_damaged_and_missing_content(
        self, place: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = {"a": b"a" * 10, "b": b"b" * 20, "large": noise(SMALL)}
        objects = publish(store, contents, tmp_path)
        monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "elsewhere"))
        for name, size in store.names().items():
            store.put(name, b"x" * size)
        for number in (0, 2):
            with pytest.raises(errors.ArtifactDigestError), materialised(store, objects, [objects[number]]):
                pass
        for name in store.names():
            store.delete(name)
        for number in (0, 2):
            with pytest.raises(errors.MissingArtifactError), materialised(store, objects, [objects[number]]):
                pass

    def test_only_what_is_wanted_is_fetched(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = {name: noise(1000) for name in "abcd"}
        objects = [(artifact if name in "ab" else font)(name, content) for name, content in contents.items()]
        publish(store, contents, tmp_path, objects)
        monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "elsewhere"))
        wanted = objects[:2]
        asked = spy(store, monkeypatch)
        with materialised(store, objects, wanted) as files:
            assert {path.read_bytes() for path in files.values()} == {contents["a"], contents["b"]}
        packs = [pack for pack in packing(objects) if {objects[0].sha256} & {digest for digest, _ in pack.members}]
        assert asked == ([] if store.local else [packs[0].name])
        assert {digest for digest, _ in packs[0].members} == {each.sha256 for each in wanted}

    def test_the_project_is_published_once(self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It can be stored before the rest of the plan is known."""
        contents = {name: noise(1000) for name in "abcd"} | {"large": noise(SMALL), "other": noise(SMALL)}
        objects = [(artifact if name in ("a", "b", "large") else font)(name, c) for name, c in contents.items()]
        project = [each for each in objects if each.of_project]
        store = place.store()
        sent: list[str] = []
        create = Store.create

        def noted(self: Store, name: str, source: Path | bytes) -> bool:
            sent.append(name)
            return create(self, name, source)

        monkeypatch.setattr(Store, "create", noted)
        with Snapshot(store) as snapshot:
            snapshot.add_all(contents.values())
            snapshot.publish(project)
            first, sent[:] = list(sent), []
            snapshot.publish(objects, project)
        assert not {*first} & {*sent}
        if not store.local:
            assert len(first) == len(sent) == 2  # a pack and a large one each
        fetch_elsewhere(place, objects, contents, tmp_path, monkeypatch)


def spy(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are fetched from now on."""
    asked: list[str] = []
    original = Store._get

    def get(self: Store, name: str, *args: Any) -> None:
        asked.append(name)
        original(self, name, *args)

    monkeypatch.setattr(Store, "_get", get)
    return asked


def publish(
    store: Store, contents: dict[str, bytes], folder: Path, objects: Sequence[Artifact | Font] = ()
) -> Sequence[Artifact | Font]:
    """Plan this content; half of it from files."""
    objects = objects or [artifact(path, content) for path, content in contents.items()]
    with Snapshot(store) as snapshot:
        for number, content in enumerate(contents.values()):
            source = folder / f"source-{threading.get_ident()}"
            source.write_bytes(content)
            snapshot.add(source if number % 2 else content)
        snapshot.publish(objects)
    return objects


def fetch_elsewhere(
    place: Place,
    objects: Sequence[Artifact | Font],
    contents: dict[str, bytes],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All content as a machine gets it that has nothing yet."""
    monkeypatch.setenv("HFDASK_CACHE", str(folder / "elsewhere"))
    with materialised(place.store(), objects, objects) as files:
        assert {each.path: files[each.sha256].read_bytes() for each in objects} == contents
