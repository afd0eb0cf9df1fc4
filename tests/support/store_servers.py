"""Object stores for tests: S3 by moto and GCS by an emulator, each in a thread of the test process, with faults on request."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from socketserver import BaseServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import pytest

# Without this gcsfs asks a gRPC service about each bucket, which no emulator has.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

BUCKET = "hfdask-tests"
SECRET = "hunter2-secret-access-key"


@dataclass
class Server:
    """A server, what it was asked, and what it should do instead: ``fault(method, path)`` may give an HTTP status."""

    protocol: str
    options: dict[str, Any]
    requests: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0
    fault: Callable[[str, str], int | None] = lambda method, path: None

    def url(self, name: str) -> str:
        return f"{self.protocol}://{BUCKET}/{name}"

    def reset(self) -> None:
        self.requests.clear()
        self.delay, self.fault = 0.0, lambda method, path: None

    def meet(self, method: str, path: str) -> int | None:
        self.requests.append((method, path))
        time.sleep(self.delay)
        return self.fault(method, path)


@contextmanager
def _serving(http: BaseServer) -> Iterator[None]:
    """Let a server answer for as long as the block runs."""
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()


def serve_s3() -> Iterator[Server]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: object, **__: object) -> None:
            pass

    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        status = server.meet(environ["REQUEST_METHOD"], environ["PATH_INFO"] + "?" + environ.get("QUERY_STRING", ""))
        if status is None:
            return moto(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(f"{status} Fault", [("Content-Type", "application/xml")])
        return [b"<Error><Code>%d</Code><Message>fault</Message></Error>" % status]

    http = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    options = {"key": "testing", "secret": SECRET, "endpoint_url": f"http://127.0.0.1:{http.server_port}"}
    server = Server("s3", options)
    with _serving(http):
        yield server


def serve_gcs() -> Iterator[Server]:
    from gcp_storage_emulator.exceptions import NotFound
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    class Handler(RequestHandler):
        def handle_one_request(self) -> None:
            self._met = False
            super().handle_one_request()

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            status = server.meet(self.command, self.path)
            if status is None and self._exists_already():
                status = 412
            if status is not None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_error(status)
            return status is None

        def _exists_already(self) -> bool:
            """The emulator does not know ``ifGenerationMatch=0``, by which GCS creates an object only if there is none."""
            url = urlparse(self.path)
            if parse_qs(url.query).get("ifGenerationMatch") != ["0"]:
                return False
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            self.rfile = Replayed(body, self.rfile)
            name = parse_qs(url.query).get("name") or [body.partition(b'"name": "')[2].partition(b'"')[0].decode()]
            bucket = unquote(url.path).split("/b/")[1].split("/")[0]
            try:
                self.storage.get_file_obj(bucket, name[0])
            except NotFound:
                return False
            return True

    class Http(HTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """gcsfs hangs up as soon as it knows enough."""

    storage = Storage(use_memory_fs=True)
    http = Http(("127.0.0.1", 0), partial(Handler, storage))
    server = Server("gs", {"token": "anon", "endpoint_url": f"http://127.0.0.1:{http.server_port}"})
    with _serving(http):
        yield server


class Replayed:
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, rest: Any) -> None:
        self.first, self.rest = first, rest

    def read(self, size: int = -1) -> bytes:
        taken, self.first = (self.first, b"") if size < 0 else (self.first[:size], self.first[size:])
        return taken + (self.rest.read(size - len(taken)) if size > len(taken) else b"")

    def readline(self, *size: int) -> bytes:
        assert not self.first
        return bytes(self.rest.readline(*size))

    def close(self) -> None:
        self.rest.close()

    @property
    def closed(self) -> bool:
        return bool(self.rest.closed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("cannot mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    yield from _with_bucket(serve_s3(), "s3")


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Server]:
    yield from _with_bucket(serve_gcs(), "gs")


def _with_bucket(serving: Iterator[Server], protocol: str) -> Iterator[Server]:
    import fsspec

    server = next(serving)
    fsspec.filesystem(protocol, **server.options).mkdir(BUCKET)
    yield server
    next(serving, None)


@pytest.fixture
def s3(s3_server: Server) -> Iterator[Server]:
    s3_server.reset()
    yield s3_server
    s3_server.reset()


@pytest.fixture
def gcs(gcs_server: Server) -> Iterator[Server]:
    gcs_server.reset()
    yield gcs_server
    gcs_server.reset()
