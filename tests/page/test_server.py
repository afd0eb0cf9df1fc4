"""The loopback server, asked without a browser."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hfdask.browser import browser_thread
from hfdask.page.server import HOST, Miss, PageServer, Site

DATA = bytes(range(100))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_text("secret")
    (folder / "data").write_bytes(DATA)
    names = ["index.html", "a/b c.js", "ü.svg", "clip.MP4", "x.webp", "font.woff2", "noext", "odd.zzz", "s/../t.css"]
    site = Site(dict.fromkeys(names, folder / "data") | {"gone.png": folder / "gone.png"})

    async def start() -> PageServer:
        server = PageServer(socket.create_server(("127.0.0.1", 0)))
        server.site = site
        return server

    thread = browser_thread()
    server = thread.run(start(), 5)
    yield server

    async def stop() -> None:
        server.close()
        await asyncio.sleep(0)

    thread.run(stop(), 5)


def ask(
    server: PageServer, path: str, method: str = "GET", host: str = HOST, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": host, "Connection": "close", **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/index.html", "text/html; charset=utf-8"),
        ("/index.html?x=1#y", "text/html; charset=utf-8"),
        ("/a/b%20c.js", "text/javascript; charset=utf-8"),
        ("/%C3%BC.svg", "image/svg+xml"),
        ("/clip.MP4", "video/mp4"),
        ("/x.webp", "image/webp"),
        ("/font.woff2", "font/woff2"),
        ("/noext", "application/octet-stream"),
        ("/odd.zzz", "application/octet-stream"),
    ],
)
def test_listed_files_are_served_with_their_type(server: PageServer, path: str, kind: str) -> None:
    status, headers, body = ask(server, path)
    assert (status, headers["content-type"], body) == (200, kind, DATA)
    assert headers["cache-control"] == "max-age=86400"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/secret.txt",
        "/../secret.txt",
        "/a/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/a/..%5c..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/etc/passwd",
        "/a",
        "/a/",
        "/index.html/",
        "/INDEX.HTML",
        "/index.html%00",
        "/t.css",
        "/gone.png",
    ],
)
def test_nothing_else_exists(server: PageServer, path: str) -> None:
    status, _, body = ask(server, path)
    assert status == 404
    assert b"secret" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example", "composition.localhost.evil.example", ""])
def test_other_hosts_are_refused(server: PageServer, host: str) -> None:
    status, _, body = ask(server, "/index.html", host=host)
    assert status in (400, 421)
    assert DATA not in body


def test_the_port_of_the_host_does_not_matter(server: PageServer) -> None:
    assert ask(server, "/index.html", host=f"{HOST}:{server.port}")[0] == 200


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=10-", 206, 10, 99),
        ("bytes=-5", 206, 95, 99),
        ("bytes=90-500", 206, 90, 99),
    ],
)
def test_ranges(server: PageServer, wanted: str, status: int, first: int, last: int) -> None:
    answer, headers, body = ask(server, "/clip.MP4", Range=wanted)
    assert (answer, body) == (status, DATA[first : last + 1])
    assert headers["content-range"] == f"bytes {first}-{last}/100"
    assert headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=100-", 416), ("bytes=500-600", 416), ("bytes=0-1,5-6", 200), ("lines=1-2", 200), ("bytes=0-", 200)],
)
def test_ranges_that_are_none(server: PageServer, wanted: str, status: int) -> None:
    answer, headers, body = ask(server, "/clip.MP4", Range=wanted)
    assert answer == status
    assert headers.get("content-range") == ("bytes */100" if status == 416 else None)
    assert body == (b"" if status == 416 else DATA)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_reading_is_all_it_can_do(server: PageServer, method: str) -> None:
    assert ask(server, "/index.html", method, Content_Length="0")[0] == 405


def test_head_has_no_body(server: PageServer) -> None:
    status, headers, body = ask(server, "/index.html", "HEAD")
    assert (status, headers["content-length"], body) == (200, "100", b"")


def test_misses_are_noted_with_what_wanted_them(server: PageServer) -> None:
    server.site.misses.clear()
    ask(server, "/no%20where.png", Sec_Fetch_Dest="image")
    ask(server, "/data.json")
    ask(server, "/index.html", host="evil.example")
    assert server.site.misses == [Miss("no where.png", "image"), Miss("data.json", "empty")]


def test_a_changed_file_is_not_served_from_memory(server: PageServer, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    before, server.site = server.site, Site({"index.html": file})
    try:
        tags = []
        for content in (b"one", b"two"):
            file.write_bytes(content)
            status, headers, body = ask(server, "/index.html")
            assert (status, body) == (200, content)
            tags.append(headers.get("etag"))
        assert tags[0] is None or tags[0] != tags[1]
    finally:
        server.site = before
