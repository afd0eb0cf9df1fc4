"""Failures of the store layer: faults, secrets, limits, full disks, and the cache that processes share."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
import uuid
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from aftermath import until
from faulty_store import FOR_EVER, raising
from hypothesis import given
from hypothesis import strategies as st
from store_contract import Place, StoreContract, artifact, font, noise, publish
from store_servers import SECRET

from hfdask import errors
from hfdask.core.model import Artifact
from hfdask.project.files import Project, local_project
from hfdask.store import Cache, Store, calls, concurrently, content, materialised, objects, packing, split_url
from hfdask.store import cache as cache_module
from hfdask.store import store as files
from hfdask.store.allowlist import require_allowed
from hfdask.store.failures import heals


class TestUnknownFileSystem(StoreContract):
    """A file system that is not an object store gets its files under another name first."""

    @pytest.fixture
    def place(self, faulty) -> Place:
        return Place(f"faulty://{uuid.uuid4().hex}/store", exclusive=False)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))


HEALING = {
    "reset": raising(ConnectionResetError("reset")),
    "time-out": raising(TimeoutError()),
    "busy": raising(OSError(errno.EBUSY, "slow down")),
    "stalls": lambda: time.sleep(0.3),
}


@pytest.mark.parametrize("times", [1, 3, FOR_EVER])
@pytest.mark.parametrize("fault", HEALING)
def test_a_fault_that_heals(fault, times, faulty, tmp_path):
    store = Store(f"faulty://{uuid.uuid4().hex}")
    store.put("a", b"content")
    for action in (lambda: store.read("a"), lambda: store.put("b", b"x")):
        faulty.fault, faulty.left = HEALING[fault], times
        began = time.monotonic()
        if times == FOR_EVER:
            with pytest.raises(errors.StoreError) as caught:
                action()
            assert caught.value.retryable
            assert caught.value.__cause__ is caught.value.__context__ is None
        else:
            action()
        assert time.monotonic() - began < 3
        faulty.left = 0
    if times != FOR_EVER:
        assert (store.read("a"), store.read("b")) == (b"content", b"x")
    assert until(lambda: not [name for name in store.names() if name.endswith(".tmp")], 5)


@pytest.mark.parametrize("times", [1, 2, 3, FOR_EVER])
@pytest.mark.parametrize("fault", ["truncates", "truncates and does not know", "lies"])
def test_a_read_that_is_not_what_is_there(fault, times, faulty, tmp_path):
    store = Store(f"faulty://{uuid.uuid4().hex}")
    contents = {"a": b"a" * 100, "b": b"b" * 200, "large": noise(objects.SMALL)}
    planned = publish(store, contents, tmp_path)
    for each in planned[::2]:  # one in a pack, one alone
        os.environ["HFDASK_CACHE"] = str(tmp_path / uuid.uuid4().hex)
        faulty.fault, faulty.left = fault, times
        if times != FOR_EVER:
            with materialised(store, planned, [each]) as files:
                assert files[each.sha256].read_bytes() == contents[each.path]
        else:
            kind = errors.StoreError if fault == "truncates" else errors.ArtifactDigestError
            with pytest.raises(kind), materialised(store, planned, [each]):
                pass
            assert not list(Path(os.environ["HFDASK_CACHE"]).glob("partial/*"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermissionError("no"), errors.StoreRefusedError),
        (OSError("Forbidden: b/o"), errors.StoreRefusedError),
        (ValueError("Bad Request"), errors.StoreRefusedError),
        (OSError(errno.ENOSPC, "full"), errors.DiskFullError),
        (FileNotFoundError("gone"), errors.MissingArtifactError),
    ],
)
def test_what_does_not_heal_is_tried_once(error, kind, faulty):
    store = Store(f"faulty://{uuid.uuid4().hex}")
    store.put("a", b"content")
    faulty.calls.clear()
    faulty.fault, faulty.left = raising(error), FOR_EVER
    with pytest.raises(kind):
        store.read("a")
    assert faulty.calls["get"] == 1


def test_which_errors_heal():
    def with_status(status: int) -> Exception:
        error = Exception("http")
        error.status = status  # type: ignore[attr-defined]
        return error

    translated = OSError(errno.EIO, "said botocore")
    translated.__cause__ = type("ClientError", (Exception,), {})()
    translated.__cause__.response = {"ResponseMetadata": {"HTTPStatusCode": 400}}  # type: ignore[union-attr]
    assert [heals(with_status(status)) for status in (408, 429, 500, 503, 400, 401, 403, 404, 412, 501)] == [
        True
    ] * 4 + [False] * 6
    assert not heals(translated)
    assert heals(OSError(errno.EIO, "disk"))
    assert heals(type("ClientPayloadError", (Exception,), {"__module__": "aiohttp.client_exceptions"})("cut"))
    assert not heals(KeyError("bug"))


def test_a_failed_write_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(errors.StoreRefusedError):
        store.put("a", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StoreRefusedError):
        store.put("file/below", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_urls_are_absolute_and_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, name = split_url("video.mp4")
    assert (store.url, name) == (f"file://{tmp_path}", "video.mp4")
    store, name = split_url("memory://folder/video.mp4")
    assert (store.url, name) == ("memory:///folder", "video.mp4")
    with pytest.raises(errors.InvalidConfigError):
        split_url("folder/")


@pytest.mark.parametrize("name", ["a b", "a#b?c", "100%", "a%20b", "%25", "é ü", "日本", "~", "a;b&c"])
def test_file_urls_are_decoded_and_paths_are_not(name, tmp_path):
    there = tmp_path / name / f"{name}.mp4"
    Store(there.parent).put(there.name, b"content")
    uri = there.as_uri()
    spellings = [
        str(there),
        uri,
        uri.replace("file:///", "file://localhost/"),
        uri.replace("file:///", "file:/"),
        uri.replace("file:", "FILE:"),
        Store(there.parent).url_of(there.name),
    ]
    for url in spellings:
        store, found = split_url(url)
        assert (store.path, found, store.read(found)) == (str(there.parent), there.name, b"content")
        assert store.shown(found) == str(there)
        assert Store(store.url).path == str(there.parent)
    assert list(tmp_path.iterdir()) == [there.parent]


def test_other_urls_are_taken_as_they_are():
    for url in ("memory://a%20b/c%23.mp4", "memory://file:/a%20b/c%23.mp4"):
        store, name = split_url(url)
        store.put(name, b"content")
        assert Store(url.rpartition("/")[0]).names() == {"c%23.mp4": 7}
        assert "%20" in store.path
    store, name = split_url("memory://alone.mp4")
    assert (store.fs.protocol, name) == ("memory", "alone.mp4")


def test_names_at_the_top_of_an_archive_are_whole(tmp_path):
    with zipfile.ZipFile(tmp_path / "project.zip", "w") as archive:
        archive.writestr("index.html", "page")
        archive.writestr("media/a.txt", "text")
    top = Store(f"zip://::{tmp_path}/project.zip")
    assert top.names() == {"index.html": 4, "media/a.txt": 4}
    assert top.read("media/a.txt") == b"text"
    assert Store(f"zip://media::{tmp_path}/project.zip").names() == {"a.txt": 4}


def test_a_path_that_looks_like_joined_urls_is_refused(tmp_path):
    with pytest.raises(errors.InvalidConfigError, match="a path with '::'"):
        split_url(f"{tmp_path}/::x/out.mp4")


def test_what_a_file_url_hides_is_refused(tmp_path):
    for url in ("file:///tmp/a%00b/c", "file:///tmp/%0A/c", "file:///tmp/%FF/c"):
        with pytest.raises(errors.InvalidConfigError):
            split_url(url)


def test_the_first_error_ends_many_calls():
    ran = []

    def call(number: int) -> None:
        ran.append(number)
        time.sleep(0.01)
        if number == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        concurrently(call, range(1000), threads=4)
    assert len(ran) < 50


class TestSecrets:
    """Nothing that leaves the store layer holds a credential."""

    def assert_clean(self, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
        assert isinstance(error, errors.HfdaskError)
        logging.getLogger("test").error("failed", exc_info=error)
        told = [repr(error), str(error), str(error.details), caplog.text, *traceback.format_exception(error)]
        told += [repr(each) for each in (error.__cause__, error.__context__)]
        assert SECRET.encode() not in pickle.dumps(error)
        assert SECRET not in "".join(told)

    @pytest.mark.parametrize("url", [f"nosuch://a/b?sig={SECRET}", f"nosuch://user:{SECRET}@host/b"])
    def test_unknown_schemes(self, url, caplog):
        with pytest.raises(errors.InvalidConfigError) as caught:
            Store(url)
        self.assert_clean(caught.value, caplog)

    @pytest.mark.parametrize(
        "text",
        [
            f"https://bucket/x?X-Amz-Signature={SECRET}",
            f"https://user:{SECRET}@host/x",
            f"headers: Authorization: Bearer {SECRET}",
            f"AccountKey={SECRET};EndpointSuffix",
            f"Access token: {SECRET}",
            f"the option {SECRET} is wrong",
            f"the nested {SECRET}-too is wrong",
        ],
    )
    @pytest.mark.parametrize("kind", [OSError, PermissionError, FileNotFoundError, ValueError, ConnectionError])
    def test_errors_of_file_systems(self, kind, text, faulty, caplog):
        store = Store("faulty://a", {"anything": SECRET, "client_kwargs": {"deep": [f"{SECRET}-too"]}})
        faulty.fault, faulty.left = raising(kind(text)), FOR_EVER
        for action in (lambda: store.read("a"), lambda: store.put("a", b""), store.require_writable):
            with pytest.raises(errors.HfdaskError) as caught:
                action()
            self.assert_clean(caught.value, caplog)
        assert SECRET not in repr(store)

    def test_credentials_of_the_environment(self, faulty, caplog, monkeypatch):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        faulty.fault, faulty.left = raising(OSError(f"signed with {SECRET}")), FOR_EVER
        with pytest.raises(errors.StoreRefusedError) as caught:
            Store("faulty://a").read("a")
        self.assert_clean(caught.value, caplog)

    @pytest.mark.sample("404")
    @pytest.mark.parametrize("status", [400, 403, 404])
    def test_a_real_client(self, status, s3, caplog):
        s3.fault = lambda method, path: status
        store = Store(s3.url("x"), {**s3.options, "token": SECRET})
        for action in (lambda: store.read("a"), lambda: store.put("a", b""), store.require_writable, store.names):
            with pytest.raises(errors.HfdaskError) as caught:
                action()
            self.assert_clean(caught.value, caplog)

    def test_credentials_that_do_not_parse(self, caplog):
        with pytest.raises(errors.HfdaskError) as caught:
            Store("gs://bucket/x", {"token": f"/nowhere/{SECRET}"}).read("a")
        self.assert_clean(caught.value, caplog)


class TestAllowed:
    @pytest.mark.parametrize(
        "url",
        [
            "s3://bucket/a",
            "s3://bucket/a/b",
            "s3a://bucket/a/b/",
            "memory://x/y",
            "/data/a",
            "file:///data/a",
            "/data/./a",
            "ftp://somebody@files.example/a/b",
            "http://files.example/a?b=/../../c",
        ],
    )
    def test_inside(self, url, monkeypatch):
        monkeypatch.setenv(
            "HFDASK_ALLOWED_URLS",
            "s3://bucket/a/, memory://x file:///data http://files.example/a ftp://files.example/a",
        )
        require_allowed(url)

    @pytest.mark.parametrize(
        "options",
        [
            {"endpoint_url": "http://other:9000"},
            {"client_kwargs": {"endpoint_url": "http://other:9000"}},
            {"client_kwargs": {"verify": False}},
            {"config_kwargs": {"proxies": {"https": "http://other"}}},
            {"host": "other"},
            {"proxy": "http://other"},
            {"fs": object()},
            {"session": object()},
            {"target_options": {"endpoint_url": "http://other"}},
            {"target_protocol": "file"},
            {"fo": "file:///etc/passwd"},
            {"token": {"token_uri": "http://other/", "private_key": "x"}},
            {"token": ["http://other/"]},
            {"key": "http://other/"},
            {"requests_timeout": 5, "endpoint_url": "http://store:9001"},
            {"endpoint_url": ["http://store:9000"]},
            {"account_name": "other"},
        ],
    )
    def test_options_that_lead_elsewhere(self, options, monkeypatch):
        monkeypatch.setenv("HFDASK_ALLOWED_URLS", "s3://bucket/a/, endpoint_url=http://store:9000")
        for action in (Store, split_url):
            with pytest.raises(errors.StoreNotAllowedError) as caught:
                action("s3://bucket/a/b", options)
            assert "other" not in caught.value.message.replace("another", "")

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"key": "a", "secret": "b", "token": "c", "anon": False, "config_kwargs": {"connect_timeout": 5}},
            {"token": {"type": "service_account", "private_key": "x"}},
            {"endpoint_url": "http://store:9000"},
            {"client_kwargs": {"endpoint_url": "http://store:9000", "region_name": "eu-west-1"}},
        ],
    )
    def test_options_that_are_allowed(self, options, monkeypatch):
        entries = "endpoint_url=http://store:9000, client_kwargs.endpoint_url=http://store:9000"
        monkeypatch.setenv("HFDASK_ALLOWED_URLS", f"s3://bucket/a/ {entries}")
        require_allowed("s3://bucket/a/b", options)
        monkeypatch.delenv("HFDASK_ALLOWED_URLS")
        require_allowed("s3://bucket/a/b", {"endpoint_url": "http://anything", **options})

    @pytest.mark.parametrize(
        "url",
        [
            "s3://bucket/ab",
            "s3://bucket",
            "s3://bucket/a/../b",
            "s3://bucket/a/%2e%2e/b",
            "s3://bucket/a/%2E%2E%2Fb",
            "s3://other/a",
            "gs://bucket/a",
            "memory://xy",
            "/data/../etc",
            "/database",
            "relative",
            "simplecache::s3://bucket/a",
            "zip://x::s3://bucket/a",
            "simplecache://bucket/a",
            "s3://bucket/a/%252e%252e/b",
            "s3://bucket/a?/../../b",
            "file:///data?/../etc",
            "file:///data/%2e%2e/etc",
            "file:/data%2F..%2Fetc",
            "file://localhost/etc",
            "http://files.example/a/../b",
            "http://files.example@other.example/a",
            "http://other.example/?http://files.example/a",
            "ftp://other.example/a",
            "ftp://files.example:2121/a",
            "ftp://files.example@other.example/a",
        ],
    )
    def test_outside(self, url, monkeypatch):
        monkeypatch.setenv(
            "HFDASK_ALLOWED_URLS",
            "s3://bucket/a/, memory://x file:///data http://files.example/a ftp://files.example/a",
        )
        for action in (Store, split_url):
            with pytest.raises(errors.StoreNotAllowedError):
                action(url + ("/x" if action is split_url else ""))

    def test_links_lead_outside(self, tmp_path, monkeypatch):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "link").symlink_to(tmp_path)
        monkeypatch.setenv("HFDASK_ALLOWED_URLS", str(tmp_path / "in"))
        Store(tmp_path / "in" / "deeper")
        with pytest.raises(errors.StoreNotAllowedError):
            Store(tmp_path / "in" / "link" / "x")

    def test_nothing_is_touched(self, s3, monkeypatch):
        monkeypatch.setenv("HFDASK_ALLOWED_URLS", "")
        with pytest.raises(errors.StoreNotAllowedError):
            Store(s3.url("x"), s3.options)
        assert s3.requests == []


sizes = st.integers(0, 40)


@given(st.lists(st.tuples(st.integers(0, 30), sizes, st.booleans()), max_size=40))
def test_packing(listed):
    planned = [
        (artifact if of_project else font)(str(i), b"%d" % content + b"x" * size)
        for i, (content, size, of_project) in enumerate(listed)
    ]
    before = objects.SMALL, objects.PACK
    objects.SMALL, objects.PACK = 30, 60
    try:
        packs = packing(planned)
        assert packing(reversed(planned)) == packs
    finally:
        objects.SMALL, objects.PACK = before
    members = [member for pack in packs for member in pack.members]
    assert len(members) == len(set(members))
    assert all(size < 30 for _, size in members)
    assert all(len(pack.members) > 1 and sum(size for _, size in pack.members) <= 60 for pack in packs)
    of_project = {each.sha256 for each in planned if each.of_project}
    for pack in packs:
        assert len({digest in of_project for digest, _ in pack.members}) == 1


class TestCache:
    def filled(self, cache: Cache, count: int) -> list[Artifact]:
        """Objects of 100 bytes, the first one used longest ago."""
        planned = [artifact(str(number), b"%03d" % number + b"x" * 97) for number in range(count)]
        for number, each in enumerate(planned):
            with cache.exclusive(each.sha256) as path:
                path.write_bytes(b"%03d" % number + b"x" * 97)
                final = cache.commit(path, each.sha256)
            os.utime(final, (number, number))
        return planned

    def kept(self, cache: Cache, planned: list[Artifact]) -> list[int]:
        return [number for number, each in enumerate(planned) if cache.has(each.sha256, each.size)]

    def test_the_least_recently_used_go(self, tmp_path):
        cache = Cache(tmp_path / "c", limit=350)
        planned = self.filled(cache, 6)
        with cache.lease() as keep:
            keep([planned[1].sha256])
        assert cache.evict() == 300
        assert self.kept(cache, planned) == [1, 4, 5]

    def test_what_is_in_use_stays(self, tmp_path):
        cache = Cache(tmp_path / "c", limit=100)
        planned = self.filled(cache, 4)
        with cache.lease() as keep:
            keep(each.sha256 for each in planned[:2])
            assert Cache(tmp_path / "c", limit=100).evict() == 200
            assert self.kept(cache, planned) == [0, 1]
        assert cache.evict(0) == 0
        assert list((tmp_path / "c" / "leases").iterdir()) == []

    def test_a_dead_process_keeps_nothing(self, tmp_path):
        cache = Cache(tmp_path / "c", limit=0)
        planned = self.filled(cache, 2)
        code = (
            "import os, sys, signal; from pathlib import Path; from hfdask.store import Cache\n"
            "cache = Cache(Path(sys.argv[1]))\n"
            "with cache.lease() as keep, cache.exclusive('part') as path:\n"
            "    keep(sys.argv[2:]); path.write_bytes(b'half'); print('ready', flush=True); signal.pause()"
        )
        arguments = [sys.executable, "-c", code, str(tmp_path / "c"), *(each.sha256 for each in planned)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert cache.evict() == 200
            assert (tmp_path / "c" / "partial" / "part").read_bytes() == b"half"
            process.kill()
        assert cache.evict() == 0
        assert not list((tmp_path / "c" / "partial").iterdir())

    def test_a_process_that_stopped_while_it_fetched_is_not_waited_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cache_module, "STALLED", 0.3)
        store = Store(f"memory://{uuid.uuid4().hex}")
        wanted = noise(objects.SMALL)
        planned = publish(store, {"large": wanted}, tmp_path)
        cache = Cache(tmp_path / "elsewhere")
        monkeypatch.setenv("HFDASK_CACHE", str(cache.folder))
        with cache.exclusive(planned[0].sha256) as held:
            held.write_bytes(b"half")
            with materialised(store, planned, planned) as files:
                assert files[planned[0].sha256].read_bytes() == wanted
            assert held.read_bytes() == b"half"

    def test_one_that_still_fetches_is_waited_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cache_module, "STALLED", 0.5)
        cache, places = Cache(tmp_path / "c"), []

        def next_one() -> None:
            with cache.exclusive("part") as path:
                places.append(path)

        with cache.exclusive("part") as first:
            waiting = threading.Thread(target=next_one)
            waiting.start()
            for count in range(10):
                first.write_bytes(bytes(count))
                time.sleep(0.1)
        waiting.join()
        assert places == [first]

    def test_a_process_that_stopped_with_the_cache_locked_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cache_module, "STALLED", 0.3)
        cache = Cache(tmp_path / "c")
        descriptor = os.open(tmp_path / "c" / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(errors.StoreError, match=r"locked for 0\.3 s.*HFDASK_CACHE"), cache.lease():
            pass
        os.close(descriptor)
        with cache.lease():
            pass

    def test_a_torn_object_is_fetched_again(self, tmp_path):
        store = Store(f"memory://{uuid.uuid4().hex}")
        planned = publish(store, {"a": b"content"}, tmp_path)
        path = Cache().path(planned[0].sha256)
        path.chmod(0o600)
        path.write_bytes(b"con")
        with materialised(store, planned, planned) as files:
            assert files[planned[0].sha256].read_bytes() == b"content"

    def test_many_threads_fetch_once(self, faulty, tmp_path, monkeypatch):
        monkeypatch.setattr(calls, "STALL", 5)
        store = Store(f"faulty://{uuid.uuid4().hex}")
        planned = publish(store, {"a": b"a", "b": b"b", "large": noise(objects.SMALL)}, tmp_path)
        monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "elsewhere"))
        faulty.calls.clear()
        faulty.fault, faulty.left = lambda: time.sleep(0.1), FOR_EVER
        digested: Counter[str] = Counter()
        for module, name in ((objects, "measured"), (files, "file_digest"), (content, "file_digest")):
            original = getattr(module, name)
            monkeypatch.setattr(module, name, lambda source, do=original: digested.update("x") or do(source))

        def use(_: int) -> bytes:
            with materialised(store, planned, planned) as found:
                return b"".join(found[each.sha256].read_bytes() for each in planned)

        assert len(set(concurrently(use, range(12)))) == 1
        assert faulty.calls["get"] == 2
        assert digested["x"] == 3

    @pytest.mark.slow
    def test_processes_fetch_once(self, s3, tmp_path, monkeypatch):
        url = s3.url(uuid.uuid4().hex)
        planned = publish(Store(url, s3.options), {"a": b"a", "b": b"b", "large": noise(objects.SMALL)}, tmp_path)
        code = (
            "import sys, json; from hfdask.store import Store, materialised; from hfdask.core.model import Artifact\n"
            "url, options, listed = json.loads(sys.argv[1])\n"
            "planned = [Artifact(path=p, sha256=d, size=s) for p, d, s in listed]; sys.stdin.readline()\n"
            "with materialised(Store(url, options), planned, planned) as files:\n"
            "    assert all(files[each.sha256].stat().st_size == each.size for each in planned)"
        )
        import json

        argument = json.dumps([url, s3.options, [(each.path, each.sha256, each.size) for each in planned]])
        environment = {**os.environ, "HFDASK_CACHE": str(tmp_path / "shared")}
        s3.requests.clear()
        s3.delay = 0.1
        workers = [
            subprocess.Popen([sys.executable, "-c", code, argument], env=environment, stdin=subprocess.PIPE)
            for _ in range(2)
        ]
        for worker in workers:
            worker.communicate(b"\n", timeout=60)
        assert [worker.returncode for worker in workers] == [0, 0]
        assert sorted(path.split("/")[3] for method, path in s3.requests if method == "GET") == ["objects", "packs"]

    @pytest.mark.parametrize("text", ["-1", "5 GB", "x"])
    def test_a_limit_that_is_none(self, text, tmp_path, monkeypatch):
        monkeypatch.setenv("HFDASK_CACHE_BYTES", text)
        with pytest.raises(errors.InvalidConfigError):
            Cache(tmp_path / "c").evict()

    def test_a_limit_from_the_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HFDASK_CACHE_BYTES", "250")
        cache = Cache(tmp_path / "c")
        self.filled(cache, 4)
        assert cache.evict() == 200


def test_a_full_disk(small_disk, tmp_path, monkeypatch):
    store = Store(small_disk)
    store.put("small", b"x")
    (tmp_path / "large").write_bytes(bytes(2 * 2**20))
    for source in (bytes(2 * 2**20), tmp_path / "large"):
        with pytest.raises(errors.DiskFullError):
            store.put("large", source)
        with pytest.raises(errors.DiskFullError):
            store.create("large", source)
    assert os.listdir(small_disk) == ["small"]


def test_a_full_cache_makes_room(small_disk, tmp_path, monkeypatch):
    monkeypatch.setenv("HFDASK_CACHE", str(small_disk))
    store = Store(f"memory://{uuid.uuid4().hex}")
    for _ in range(3):
        publish(store, {"a": noise(600_000)}, tmp_path)
    assert len(list(small_disk.glob("hfdask-*/objects/*/*"))) == 1
    with pytest.raises(errors.DiskFullError, match="HFDASK_CACHE"):
        publish(store, {"a": bytes(2 * 2**20)}, tmp_path)
    assert not list(small_disk.glob("partial/*"))


class TestProjects:
    """Projects at URLs."""

    @pytest.fixture(params=["memory", "s3", "gcs"])
    def place(self, request) -> Place:
        if request.param == "memory":
            return Place(f"memory://{uuid.uuid4().hex}/p")
        server = request.getfixturevalue(request.param)
        return Place(server.url(f"{uuid.uuid4().hex}/p"), server.options)

    def test_all_files_that_belong_to_it_come(self, place):
        store = place.store()
        for name in ("index.html", "assets/deep/a b.txt", "node_modules/x.js", ".git/config", "assets/dist/y.js"):
            store.put(name, name.encode())
        with local_project(place.url, place.options) as folder:
            found = dict(Project.find(folder, "index.html").files())
            assert {name: path.read_bytes().decode() for name, path in found.items()} == {
                name: name for name in ("index.html", "assets/deep/a b.txt", "assets/dist/y.js")
            }
        assert not Path(folder).exists()
        with local_project(place.url + "/index.html", place.options) as document:
            assert Project.find(document, "other.html").entry == "index.html"

    def test_nothing_there(self, place):
        with pytest.raises(errors.EntryNotFoundError), local_project(place.url, place.options):
            pass

    def test_names_that_no_folder_can_hold(self, faulty, monkeypatch):
        names = {"index.html": 1, "../out.txt": 1, "a//b": 1, "/etc/x": 1, "a/../../c": 1, "": 1}
        monkeypatch.setattr(Store, "names", lambda self: names)
        Store("faulty://p").put("index.html", b"x")
        with local_project("faulty://p") as folder:
            assert [path.name for path in Path(folder).rglob("*")] == ["index.html"]
            names["index.html/below"] = 1
        with pytest.raises(errors.ProjectError, match="a file and a folder"), local_project("faulty://p"):
            pass

    def test_a_local_path_stays_what_it_is(self, tmp_path):
        with local_project(tmp_path) as folder:
            assert Path(folder) == tmp_path
        with local_project(f"file://{tmp_path}") as folder:
            assert Path(folder) == tmp_path


def test_many_small_files_take_few_requests(s3, tmp_path, monkeypatch):
    contents = {str(number): b"%d" % number * 50 for number in range(500)}
    store = Store(s3.url(uuid.uuid4().hex), s3.options)
    planned = [artifact(path, content) for path, content in contents.items()]
    publish(store, contents, tmp_path, planned)
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "elsewhere"))
    with materialised(store, planned, planned) as files:
        assert all(files[each.sha256].read_bytes() == contents[each.path] for each in planned)
    assert len(s3.requests) < 5


@pytest.mark.parametrize("times", [3, FOR_EVER])
def test_a_project_that_arrives_cut_short(times, faulty):
    url = f"faulty://{uuid.uuid4().hex}"
    Store(url).put("index.html", b"x" * 1000)
    faulty.befall("truncates and does not know", times, "get", "index")
    if times == 3:
        with local_project(url) as folder:
            assert (Path(folder) / "index.html").read_bytes() == b"x" * 1000
    else:
        with pytest.raises(errors.StoreError, match="5 of 1000 bytes"), local_project(url):
            pass


def test_nothing_waits_for_a_thread_that_hangs(faulty):
    """A process ends though a file system never came back."""
    faulty.fault, faulty.left = lambda: threading.Event().wait(5), FOR_EVER
    with pytest.raises(errors.StoreError):
        Store("faulty://a").read("a")
    hanging = [thread for thread in threading.enumerate() if thread.name.startswith("hfdask-get")]
    assert hanging
    assert all(thread.daemon for thread in hanging)


def test_objects_need_no_more_than_their_protocol(tmp_path):
    """Anything with a path, a digest, a size and chunks can travel in a plan."""
    content = b"content"
    each = SimpleNamespace(
        **{name: getattr(artifact("a", content), name) for name in ("path", "sha256", "size", "of_project", "shared")}
    )
    store = Store(f"memory://{uuid.uuid4().hex}")
    publish(store, {"a": content}, tmp_path, [each])  # type: ignore[list-item]
    with materialised(store, [each], [each]) as files:
        assert files[each.sha256].read_bytes() == content


@pytest.mark.parametrize("error", [FileNotFoundError("b"), OSError(errno.ENOTEMPTY, "not empty")], ids=["gone", "new"])
def test_a_folder_in_which_another_process_is_at_work_is_removed_as_a_whole(tmp_path, monkeypatch, error):
    store = Store(tmp_path)
    for name in ("a", "b", "c"):
        store.put(f"folder/{name}", b"")
    tries = []

    def rm(self, path, recursive):
        tries.append(path)
        if len(tries) == 1:
            os.remove(f"{path}/a")
            raise error
        remove(self, path, recursive=recursive)

    remove = type(store.fs).rm
    monkeypatch.setattr(type(store.fs), "rm", rm)
    store.delete("folder")
    assert len(tries) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_removed_is_an_error(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.put("folder/a", b"")

    def rm(self, path, recursive):
        raise OSError(errno.ENOTEMPTY, "not empty", path)

    monkeypatch.setattr(type(store.fs), "rm", rm)
    with pytest.raises(errors.HfdaskError):
        store.delete("folder")


@pytest.mark.parametrize("fails", [False, True])
def test_the_error_of_a_block_is_not_replaced_by_that_of_its_end(tmp_path, monkeypatch, fails: bool):
    store = Store(tmp_path)
    monkeypatch.setattr(type(store.fs), "rm", _read_only)
    store.put("folder/a", b"")
    with pytest.raises(errors.HfdaskError) as caught, store.removed_at_end("folder"):
        store.put("/" if fails else "folder/b", b"")
    assert ("Read-only" in str(caught.value)) == (not fails)
    assert str(caught.value).endswith("check its permissions, and if its disk can be written")


def _read_only(self: object, path: str, **_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system", path)


def test_a_folder_is_removed_at_the_end_of_its_block(tmp_path):
    store = Store(tmp_path)
    with store.removed_at_end("folder"):
        store.put("folder/a", b"")
    assert list(tmp_path.iterdir()) == []
