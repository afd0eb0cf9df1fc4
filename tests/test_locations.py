"""Locations of plans and outputs: the server stays in the URL, and no credential does."""

from __future__ import annotations

import logging
import os
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
from distributed import Client, LocalCluster
from fake_browser import FakeBrowsers
from fsspec.implementations.ftp import FTPFileSystem
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
from store_contract import Place, StoreContract

import hfdask
from hfdask import errors
from hfdask.manifest.location import PlanLocation
from hfdask.store import Location, Store, concurrently
from hfdask.store.urls import parted_url

USER, PASSWORD = "ann", "hunter2hunter2"


@dataclass(frozen=True)
class Server:
    folder: Path
    port: int
    ftp: FTPServer

    def url(self, name: str) -> str:
        return f"ftp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"


@pytest.fixture
def ftp(tmp_path) -> Iterator[Server]:
    folder = tmp_path / "ftp"
    folder.mkdir()
    accounts = DummyAuthorizer()
    accounts.add_user(USER, PASSWORD, str(folder), perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": accounts, "auth_failed_timeout": 0})
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    server = FTPServer(("127.0.0.1", 0), handler)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Server(folder, server.address[1], server)
    finally:
        stop.set()
        thread.join()


class TestFtp(StoreContract):
    @pytest.fixture
    def place(self, ftp) -> Place:
        return Place(ftp.url("deep/er"), exclusive=False)

    def test_many_threads_have_a_connection_each(self, place):
        store = place.store()
        contents = {f"{k % 5}/{k}": bytes([k]) * 50_000 for k in range(40)}
        concurrently(lambda item: store.put(*item), contents.items(), threads=8)
        assert concurrently(store.read, contents, threads=8) == list(contents.values())

    def test_a_connection_that_was_cut_is_not_used_again(self, place, ftp):
        store = place.store()
        store.put("a", b"x")
        for handler in list(ftp.ftp.ioloop.socket_map.values()):
            if isinstance(handler, FTPHandler):
                handler.close()
        assert store.read("a") == b"x"

    def test_a_folder_goes_with_all_that_is_in_it(self, place):
        store = place.store()
        for name in ("a/b/c", "a/d", "e"):
            store.put(name, b"x")
        store.delete("a")
        assert store.names() == {"e": 1}
        store.delete()
        assert not store.exists("")


HOSTS = [
    # URL, the URL that is shown, path in the file system, options that were in the URL
    (
        "ftp://ann:pw@host.example/plans/a",
        "ftp://host.example/plans/a",
        "/plans/a",
        {"username": "ann", "password": "pw"},
    ),
    ("ftp://host.example:2121/plans/a/", "ftp://host.example:2121/plans/a", "/plans/a", {}),
    ("ftp://ann@host.example", "ftp://host.example", "", {"username": "ann"}),
    (
        "hdfs://ann@name:8020/plans/a?replication=2",
        "hdfs://name:8020/plans/a",
        "/plans/a",
        {"user": "ann", "replication": 2},
    ),
    ("webhdfs://ann:pw@name:50070/a", "webhdfs://name:50070/a", "/a", {"user": "ann", "password": "pw"}),
    ("memory://plans/a", "memory:///plans/a", "/plans/a", {}),
]


@pytest.mark.parametrize(("url", "shown", "path", "credentials"), HOSTS)
def test_the_server_stays_in_the_url(url, shown, path, credentials):
    kind = fsspec.get_filesystem_class(url.partition(":")[0])
    found = kind._strip_protocol(url).rstrip("/")
    short = f"{url.partition(':')[0]}://{found}"
    assert (*parted_url(kind, url, short), found) == (shown, credentials, path)
    assert parted_url(kind, shown, short) == (shown, {})


class _Sftp(FTPFileSystem):
    """SFTP's and SMB's rules for URLs, without their libraries: they equal FTP's."""

    protocol = ("sftp", "ssh")


class _Azure(fsspec.AbstractFileSystem):
    """The rules for URLs of adlfs: the container stands in the place of a user, or comes first in the path."""

    protocol = ("abfs", "az")

    @classmethod
    def _strip_protocol(cls, path):
        rest = path.partition("://")[2] or path
        authority, _, inside = rest.partition("/")
        container, at, _ = authority.rpartition("@")
        return f"{container}/{inside}" if at else inside if ".core." in authority else rest

    @staticmethod
    def _get_kwargs_from_urls(path):
        server = path.partition("://")[2].partition("/")[0].rpartition("@")[2]
        return {"account_name": server.partition(".")[0]} if ".core." in server else {}


@pytest.mark.parametrize(
    ("kind", "url", "shown", "credentials"),
    [
        (_Sftp, "sftp://ann:pw@host:22/a", "sftp://host:22/a", {"username": "ann", "password": "pw"}),
        (_Sftp, "ssh://host/a", "ssh://host/a", {}),
        (_Azure, "abfs://box@acct.dfs.core.windows.net/a", "abfs://box@acct.dfs.core.windows.net/a", {}),
        (_Azure, "az://acct.blob.core.windows.net/box/a/", "az://acct.blob.core.windows.net/box/a", {}),
        (_Azure, "abfs://box/a", "abfs://box/a", {}),
    ],
)
def test_accounts_and_containers_stay_in_the_url(kind, url, shown, credentials):
    path = kind._strip_protocol(url).rstrip("/")
    assert parted_url(kind, url, f"{url.partition(':')[0]}://{path}") == (shown, credentials)


def test_credentials_travel_but_are_never_in_text(ftp):
    place = PlanLocation.of(ftp.url("plan"), {"timeout": 20})
    assert place.url == f"ftp://127.0.0.1:{ftp.port}/plan"
    assert place.manifest == f"{place.url}/plan.json"
    for text in (repr(place), str(place), repr(place.storage_options), repr(place.store())):
        assert PASSWORD not in text
        assert USER not in text
    there = pickle.loads(pickle.dumps(place))
    assert there == place
    there.store().put("a", b"x")
    assert Store(ftp.url("plan")).read("a") == b"x"


def test_credentials_go_to_their_own_server_only(ftp):
    place = PlanLocation.of(ftp.url("plan"), {"timeout": 20})
    assert place.options_for(f"{place.url}/chunks") == {"timeout": 20, "username": USER, "password": PASSWORD}
    assert place.options_for("ftp://127.0.0.1:1/plan") == {"timeout": 20}
    assert Location.of("memory://a").options_for("s3://bucket/a") is None


def test_a_wrong_password_is_refused_without_being_told(ftp):
    with pytest.raises(errors.InvalidConfigError) as caught:
        Store(f"ftp://{USER}:{PASSWORD}x@127.0.0.1:{ftp.port}/a")
    assert PASSWORD not in f"{caught.value!r} {caught.value.details}"


@pytest.mark.usefixtures("fake_browser", "nothing_left")
class TestRendersOverFtp:
    """All of a render is behind FTP, and only the URLs that the caller gave say who may read it."""

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))

    def test_the_primitives(self, ftp, project, tmp_path):
        source = project(**{"hfdask.toml": "[render]\nfps = 10"})
        local = hfdask.render(source, tmp_path / "local.mp4", chunk_size=10)
        plan = hfdask.plan(source, ftp.url("plan"), chunk_size=4)
        assert plan.url == f"ftp://127.0.0.1:{ftp.port}/plan"
        assert PASSWORD not in repr(plan)
        chunks = [hfdask.render_chunk(ftp.url("plan"), k, f"{plan.url}/chunks/{k}.mp4") for k in range(3)]
        video = hfdask.assemble(ftp.url("plan"), chunks, ftp.url("out/a.mp4"), certificate=True)
        assert (video.digest, video.plan_url) == (local.digest, plan.url)
        assert hfdask.verify(ftp.url("out/a.mp4"), sample=2).frames == 10
        options = plan.storage_options
        again = [
            hfdask.render_chunk(plan.url, k, f"{plan.url}/chunks/{k}.mp4", storage_options=options) for k in range(3)
        ]
        assert all(chunk.reused for chunk in again)
        assert not [path for path in ftp.folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]

    @pytest.mark.slow
    def test_a_cluster_of_processes(self, ftp, project):
        source = project(**{"hfdask.toml": "[render]\nfps = 10"})
        options: Any = {"chunk_size": 5, "assemble_on": "worker", "plan_on": "worker"}
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            client.register_plugin(FakeBrowsers())
            result = hfdask.render(source, ftp.url("out/a.mp4"), client=client, **options)
        assert result.output == f"ftp://127.0.0.1:{ftp.port}/out/a.mp4"
        assert result.assembled_on
        assert result.planned_on
        assert [path.name for path in ftp.folder.rglob("*") if path.is_file()] == ["a.mp4"]
        assert result.size == (ftp.folder / "out" / "a.mp4").stat().st_size

    @pytest.mark.slow
    def test_a_worker_that_plans_is_sent_nothing_twice(self, ftp, project, monkeypatch):
        """The driver stores the project once; the worker adds fonts, responses and the plan."""
        source = project(**{"a.txt": "a" * 1000, "large.bin": os.urandom(1_200_000)})
        arrived: set[str] = set()

        def note(self: FTPHandler, file: str) -> None:
            arrived.add(Path(file).name)

        monkeypatch.setattr(FTPHandler, "on_file_received", note)
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            client.register_plugin(FakeBrowsers())
            options: Any = {"plan_on": "worker", "plan_dir": ftp.url("plan"), "chunk_size": 30}
            result = hfdask.render(source, ftp.url("out/a.mp4"), client=client, **options)
        sent = [found[1] for name in arrived if (found := re.fullmatch(r"\.(\w{64}(?:\.tar)?)\.\w{12}\.tmp", name))]
        assert len(sent) == len({*sent}) == 2  # the project's large file, and its small ones
        assert hfdask.plan(source, ftp.folder / "local", chunk_size=30).hash == result.plan_hash
        assert sorted(os.listdir(ftp.folder / "plan")) == ["chunks", "objects", "packs", "plan.json", "sweep.json"]
