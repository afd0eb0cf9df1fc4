"""Manipulated stores and projects: too long, too many, not regular files, or other content than named."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import time
import uuid
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import pytest
from faulty_store import FaultyFileSystem
from store_contract import artifact, publish

from hfdask import errors
from hfdask.core.fields import MAX_CHUNKS, MAX_RECORD_FRAMES
from hfdask.core.frames import MAX_DURATION, chunk_ranges, frame_count
from hfdask.core.model import Artifact
from hfdask.project import files as project
from hfdask.project.files import Project, files_below, freeze_files
from hfdask.store import Cache, Snapshot, Store, content, materialised, object_name, packing

NO_DIGESTS = [
    "",
    "..",
    "/etc/passwd",
    "../../x",
    "a" * 63,
    "a" * 64 + "\n",
    "A" * 64,
    "\u0661" * 64,
    "a" * 62 + "/x",
    None,
    5,
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def memory() -> Store:
    return Store(f"memory://{uuid.uuid4().hex}")


@pytest.mark.parametrize("text", NO_DIGESTS)
def test_nothing_but_a_digest_names_an_object(text, tmp_path):
    cache = Cache(tmp_path / "c")
    for call in (object_name, cache.path, lambda digest: cache.has(digest, 1)):
        with pytest.raises(errors.PlanCorruptError):
            call(text)
    with pytest.raises(errors.PlanCorruptError), cache.lease() as keep:
        keep([text])


class TestCache:
    def test_what_somebody_put_there_is_not_used(self, memory, tmp_path):
        [wanted] = publish(memory, {"a": b"right"}, tmp_path)
        cache = Cache()
        path = cache.path(wanted.sha256)
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"wrong")  # of the right size
        with materialised(memory, [wanted], [wanted]) as found:
            assert found[wanted.sha256].read_bytes() == b"right"

    @pytest.mark.parametrize("how", ["replaced", "rewritten"])
    def test_a_change_after_it_was_checked_is_found(self, how, memory, tmp_path):
        [wanted] = publish(memory, {"a": b"right"}, tmp_path)
        with materialised(memory, [wanted], [wanted]) as found:
            path = found[wanted.sha256]
        if how == "replaced":
            (tmp_path / "other").write_bytes(b"wrong")
            os.replace(tmp_path / "other", path)
        else:
            path.chmod(0o600)
            path.write_bytes(b"wrong")
        with materialised(memory, [wanted], [wanted]) as found:
            assert found[wanted.sha256].read_bytes() == b"right"

    def test_an_object_is_hashed_once_a_process(self, memory, tmp_path, monkeypatch):
        planned = publish(memory, {name: name.encode() * 100 for name in "abc"}, tmp_path)
        monkeypatch.setattr(content, "_checked", {})  # as in the next process
        hashed: list[Path] = []
        digest = content.file_digest
        monkeypatch.setattr(content, "file_digest", lambda path: hashed.append(path) or digest(path))
        for _ in range(3):
            with materialised(memory, planned, planned) as found:
                assert len(found) == 3
        assert len(hashed) == 3

    def test_the_least_recently_used_goes_first(self, tmp_path):
        cache = Cache(tmp_path / "c", limit=250)
        digests = []
        for number in range(3):
            data = bytes([number]) * 100
            digests.append(hashlib.sha256(data).hexdigest())
            with cache.exclusive(str(number)) as path:
                path.write_bytes(data)
                cache.commit(path, digests[-1])
            with cache.lease() as keep:
                keep(digests[:1])  # the first one is in use again and again
        cache.evict()
        assert [cache.has(digest, 100) for digest in digests] == [True, False, True]


class Endless(FaultyFileSystem):
    """A store that gives more than was put there, and does not say so; ``sent`` are the bytes that went out."""

    protocol = "endless"
    sent = 0
    told: int | None = None

    def get_file(self, rpath: str, lpath: str, callback: Any = None, **kwargs: Any) -> None:
        callback.set_size(type(self).told)
        with open(lpath, "wb") as file:
            for _ in range(1000):
                file.write(b"\0" * 10**5)
                type(self).sent += 10**5
                callback.relative_update(10**5)


fsspec.register_implementation("endless", Endless, clobber=True)


class TestTooLong:
    @pytest.fixture(autouse=True)
    def _fresh(self):
        Endless.sent, Endless.told = 0, None

    @pytest.mark.parametrize("told", [None, 10, 10**8])
    def test_a_transfer_stops_at_what_was_planned(self, told, tmp_path):
        Endless.told = told
        with pytest.raises(errors.ArtifactDigestError):
            Store("endless://x").fetch("a", tmp_path / "a", 10, "a" * 64, reads=2)
        assert Endless.sent <= 2 * 10**5
        assert not (tmp_path / "a").exists()

    def test_a_document_is_read_up_to_its_limit(self):
        with pytest.raises(errors.PlanCorruptError):
            Store("endless://x").read("a", limit=10**5)
        assert Endless.sent <= 2 * 10**5

    @pytest.mark.parametrize("kind", ["memory", "local", "s3", "gs"])
    def test_objects(self, kind, tmp_path, request):
        where = {"memory": lambda: f"memory://{uuid.uuid4().hex}", "local": lambda: str(tmp_path / "plan")}
        if kind in where:
            store = Store(where[kind]())
        else:
            server = request.getfixturevalue({"s3": "s3", "gs": "gcs"}[kind])
            store = Store(server.url("long"), server.options)
        wanted = artifact("a", b"right")
        store.put(object_name(wanted.sha256), b"right" + b"\0" * 10**6)
        with pytest.raises(errors.ArtifactDigestError), materialised(store, [wanted], [wanted]):
            pass
        with pytest.raises(errors.PlanCorruptError):
            store.read(object_name(wanted.sha256), limit=10**6)
        assert len(store.read(object_name(wanted.sha256), limit=10**6 + 5)) == 10**6 + 5


def _info(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


class TestPacks:
    """The headers of a tar are never read."""

    @pytest.fixture
    def planned(self, memory, tmp_path) -> list[Artifact]:
        return publish(memory, {"a": b"a" * 10, "b": b"b" * 20}, tmp_path)

    def put(self, store: Store, planned: list[Artifact], data: bytes) -> None:
        [pack] = packing(planned)
        store.put(pack.name, data)
        for each in planned:
            Cache().path(each.sha256).unlink(missing_ok=True)

    def test_the_size_of_a_pack_is_known(self, memory, planned):
        [pack] = packing(planned)
        data = memory.read(pack.name)
        assert pack.size == len(data)
        for (digest, size), position in zip(pack.members, pack.positions, strict=True):
            assert hashlib.sha256(data[position : position + size]).hexdigest() == digest

    @pytest.mark.parametrize(
        ("kind", "link"),
        [
            (tarfile.SYMTYPE, "/etc/passwd"),
            (tarfile.LNKTYPE, "../../etc/passwd"),
            (tarfile.CHRTYPE, ""),
            (tarfile.FIFOTYPE, ""),
            (tarfile.DIRTYPE, ""),
            (tarfile.XHDTYPE, ""),
            (tarfile.GNUTYPE_SPARSE, ""),
            (tarfile.GNUTYPE_LONGNAME, ""),
        ],
    )
    def test_members_that_are_no_files(self, kind, link, memory, planned, tmp_path):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in (planned[0].sha256, planned[1].sha256, "../../escaped", str(tmp_path / "escaped")):
                tar.addfile(_info(name, type=kind, linkname=link))
        self.put(memory, planned, out.getvalue())
        with pytest.raises(errors.ArtifactDigestError), materialised(memory, planned, planned):
            pass
        assert not list(tmp_path.rglob("escaped"))

    @pytest.mark.parametrize(
        "data", [b"", b"junk", b"\0" * 10240, b"x" * 10**7], ids=["empty", "junk", "zeros", "long"]
    )
    def test_no_tar(self, data, memory, planned):
        self.put(memory, planned, data)
        with pytest.raises(errors.ArtifactDigestError), materialised(memory, planned, planned):
            pass

    def test_a_right_member_of_a_spoilt_pack_is_right(self, memory, planned):
        [pack] = packing(planned)
        data = bytearray(memory.read(pack.name))
        data[:512] = b"\xff" * 512  # a header that no tar has
        self.put(memory, planned, bytes(data))
        with materialised(memory, planned, planned) as found:
            assert {path.read_bytes() for path in found.values()} == {b"a" * 10, b"b" * 20}

    def test_a_plan_of_very_many_objects_is_packed_soon(self):
        many = [Artifact(path=str(n), sha256=f"{n:064x}", size=0) for n in range(50_000)]
        began = time.monotonic()
        assert sum(len(pack.members) for pack in packing(many)) == len(many)
        assert time.monotonic() - began < 20  # it took minutes when sizes were added up again for each


class TestProjects:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / "p"
        folder.mkdir()
        (folder / "index.html").write_text("<p>x")
        return folder

    def freeze(self, folder: Path) -> tuple[Artifact, ...]:
        with Snapshot(Store(folder.parent / "plan")) as snapshot:
            return freeze_files(Project.find(folder, "index.html"), snapshot)

    @pytest.mark.parametrize("files", [0, 1])
    def test_links_that_double_at_each_step(self, files, folder):
        for level in range(40):
            step = folder / f"step{level}"
            step.mkdir()
            for number in range(files):
                (step / f"{number}.txt").write_text("x")
            for name in ("l", "r"):
                (step / name).symlink_to(folder / f"step{level + 1}")
        (folder / "step40").mkdir()
        began = time.monotonic()
        with pytest.raises(errors.ProjectError, match="links"):
            files_below(folder)
        assert time.monotonic() - began < 60

    def test_very_many_files(self, folder, monkeypatch):
        monkeypatch.setattr(project, "MAX_FILES", 20)
        for number in range(19):
            (folder / f"{number}.txt").write_text("x")
        assert len(files_below(folder)) == 20
        (folder / "more.txt").write_text("x")
        with pytest.raises(errors.ProjectError, match="more than 20"):
            files_below(folder)

    def test_a_tree_deeper_than_pythons_stack(self, folder):
        here = os.open(folder, os.O_RDONLY)
        try:
            for _ in range(1500):
                os.mkdir("d", dir_fd=here)
                below = os.open("d", os.O_RDONLY, dir_fd=here)
                os.close(here)
                here = below
        finally:
            os.close(here)
        try:
            assert [path for path, _ in files_below(folder)] == ["index.html"]
        finally:
            subprocess.run(["rm", "-rf", folder / "d"], check=True)  # pytest cannot remove so deep a tree

    def test_what_is_no_file_is_left_out(self, folder):
        os.mkfifo(folder / "pipe")
        (folder / "zero").symlink_to("/dev/zero")
        (folder / "loop").symlink_to("loop")
        (folder / "dangling").symlink_to("nothing")
        (folder / "up").symlink_to("..")
        (folder / "secret").symlink_to("/etc/passwd")
        assert [each.path for each in self.freeze(folder)] == ["index.html"]

    @pytest.mark.parametrize("name", [b"a\nb.css", b"a\x1b[2J.css", b"\xff\xfe.css", b"a\r.css"])
    def test_names_that_no_plan_can_hold(self, name, folder):
        with open(os.fsencode(folder) + b"/" + name, "wb"):
            pass
        with pytest.raises(errors.ProjectError, match="rename") as caught:
            self.freeze(folder)
        caught.value.message.encode()  # can be shown

    @pytest.mark.parametrize(
        "name", ["a b.css", "ä.css", "%2e%2e", "a\\b.css", "...", "日本.css", "a;b?c#d.css", "<x>&.css"]
    )
    def test_names_that_are_only_odd(self, name, folder):
        (folder / name).write_text("x")
        assert name in [each.path for each in self.freeze(folder)]

    def test_a_file_that_cannot_be_read(self, folder, monkeypatch):
        def refuse(self: Snapshot, source: Path) -> tuple[str, int]:
            raise PermissionError(13, "Permission denied", str(source))

        monkeypatch.setattr(Snapshot, "add", refuse)
        with pytest.raises(errors.ProjectError, match=r"index\.html of the project cannot be read"):
            self.freeze(folder)

    @pytest.mark.parametrize(
        "entry", ["", ".", "..", "/etc/passwd", "../p/index.html", "a\0b", "x" * 300, "x" * 5000, "\udcff"]
    )
    def test_entries_that_are_none(self, entry, folder):
        with pytest.raises(errors.EntryNotFoundError):
            Project.find(folder, entry)

    def test_an_entry_longer_than_any_page(self, folder):
        with (folder / "index.html").open("wb") as file:
            file.truncate(2**40)  # a hole, which takes no room
        with pytest.raises(errors.ProjectError, match="bytes"):
            Project.find(folder, "index.html")


class TestLongVideos:
    """24 hours at 240 frames a second."""

    FRAMES = frame_count(MAX_DURATION, Fraction(240))

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"size": 3600},
            {"target": 3600},
            {"target": 1},
            {"workers": 10},
            {"workers": 10**9},
            {"max_chunks": 10**9},
            {"size": 1, "max_chunks": 100},
        ],
    )
    def test_ranges_are_as_many_as_a_plan_holds(self, how):
        ranges = chunk_ranges(self.FRAMES, **how)
        assert len(ranges) <= MAX_CHUNKS
        assert max(end - start for start, end in ranges) <= MAX_RECORD_FRAMES
        assert (ranges[0][0], ranges[-1][1]) == (0, self.FRAMES)

    @pytest.mark.parametrize("how", [{"size": 1}, {"size": 1000}, {"max_chunks": 1}])
    def test_what_no_plan_can_hold_is_refused(self, how):
        with pytest.raises(errors.InvalidConfigError, match="give"):
            chunk_ranges(self.FRAMES, **how)


def test_objects_named_twice_are_used_once(memory, tmp_path):
    [wanted] = publish(memory, {"a": b"right"}, tmp_path)
    again = Artifact(path="b", sha256=wanted.sha256, size=wanted.size)
    with materialised(memory, [wanted, again], [wanted, again]) as found:
        assert len(found) == 1
