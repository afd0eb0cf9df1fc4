"""The loopback server, which serves exactly the plan's files to one browser.

It looks URL paths up in a table, so there is no path to traverse: a name that is not in the table does not exist, with
any `..`, encodings or links. It answers only requests to the composition's constant host. Only its browser can reach it.
If the system does not support that, it closes all other connections before they send anything.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import posixpath
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

HOST = "composition.localhost"
ORIGIN = f"http://{HOST}"
"""The page's origin, the same in every process. It is a loopback name, so the page is a secure context."""
_FED = ("video",)
"""Destinations of requests of elements that are fed, whose files are decoded outside of the page."""

FILE_LIST = "/.hfdask/files.json"
SHARED = "/.hfdask/shared"
HOST_PAGE = "/.hfdask/host.html"
"""An empty document, for the host of a composition that is captured from a canvas."""

# Types that Python's table lacks, or takes from the host's /etc/mime.types, which must not affect a render.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".wasm": "application/wasm",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".txt": "text/plain; charset=utf-8",
}
_BUILT_IN_TYPES = mimetypes.MimeTypes()


def content_type(name: str) -> str:
    """Return the type of a file by its name alone, the same on every machine."""
    extension = posixpath.splitext(name)[1].lower()
    known = _TYPES.get(extension) or _BUILT_IN_TYPES.guess_type("x" + extension)[0]
    return known or "application/octet-stream"


class Miss(Struct, frozen=True):
    """A request for a missing file; ``wanted_as`` is Fetch's destination (image, script, empty, ...)."""

    path: str
    wanted_as: str


class SharedMemory(Struct, frozen=True):
    """Bytes that only those may read who know the token."""

    token: str
    view: memoryview


def shared_route(token: str) -> str:
    """Return the URL of shared memory; ``/START-END`` follows."""
    return f"{ORIGIN}{SHARED}/{token}"


class Site(Struct):
    """The files of a page by URL path without the leading slash, the files that it asked for, and missing files.

    Files that elements play do not count as asked for. ``shared`` is memory that the runtime reads.
    """

    files: Mapping[str, Path]
    served: set[str] = field(default_factory=set)
    misses: list[Miss] = field(default_factory=list)
    shared: SharedMemory | None = None


class PageServer:
    """A loopback HTTP server whose content is the current `Site`. Create and close it on an event loop.

    Parameters
    ----------
    listener
        The socket to listen on; the server closes it.
    admits
        Returns true for connections to serve; others are closed. Without it all are served.
    """

    def __init__(self, listener: socket.socket, admits: Callable[[socket.socket], bool] | None = None) -> None:
        self.site = Site({})
        self._server = _Server(
            Application(
                [
                    (re.escape(FILE_LIST), _FileList, {"server": self}),
                    (re.escape(HOST_PAGE), _HostPage),
                    (re.escape(SHARED) + r"/(\w+)/(\d+)-(\d+)", _Shared, {"server": self}),
                    (r"/(.*)", _PlanFiles, {"path": "/", "server": self}),
                ],
                log_function=_quiet,
            )
        )
        self._server.admits = admits
        self.port: int = listener.getsockname()[1]
        listener.setblocking(False)
        self._server.add_socket(listener)

    def close(self) -> None:
        """Stop listening; running responses end with the browser."""
        self._server.stop()


class _Server(HTTPServer):
    """Close connections that may not be served, before they send anything."""

    admits: Callable[[socket.socket], bool] | None = None

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        if self.admits is None or self.admits(stream.socket):
            super().handle_stream(stream, address)
        else:
            stream.close()


class _Guarded(RequestHandler):
    """Answer only requests to the composition's host name."""

    def prepare(self) -> None:
        if self.request.host_name != HOST:
            raise HTTPError(421)


class _FileList(_Guarded):
    """Serve the names of all files, so that the runtime never asks for a missing one."""

    def initialize(self, server: PageServer) -> None:
        self._page_server = server

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(sorted(self._page_server.site.files)))


class _HostPage(_Guarded):
    """Serve an empty document."""

    def get(self) -> None:
        self.set_header("Content-Type", content_type(HOST_PAGE))
        self.set_header("Cache-Control", "no-store")
        self.write("<!doctype html><title>host</title>")


class _Shared(_Guarded):
    """Serve a part of the memory that this process shares with the runtime."""

    def initialize(self, server: PageServer) -> None:
        self._page_server = server

    def get(self, token: str, start: str, end: str) -> None:
        shared = self._page_server.site.shared
        if shared is None or not secrets.compare_digest(token, shared.token):
            raise HTTPError(404)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Cache-Control", "no-store")
        self.write(bytes(shared.view[int(start) : int(end)]))

    def compute_etag(self) -> None:
        return None


class _PlanFiles(_Guarded, StaticFileHandler):
    """Tornado's file handler (ranges, types, conditional requests) over a table of files."""

    def initialize(self, path: str, server: PageServer) -> None:  # type: ignore[override]
        super().initialize(path)
        self._page_server = server
        self._left = asyncio.Event()

    async def get(self, path: str, include_body: bool = True) -> None:
        # The page server does not serve videos: they get their pictures from the feed. But a video that is not in the
        # page yet requests its file. An answer would fire an error event, so the request gets no answer. Nor does a sound
        # that is not in the page get one, if its file is only heard, so that no chunk has it.
        wanted_as = self.request.headers.get("Sec-Fetch-Dest")
        if wanted_as == "video" or (wanted_as == "audio" and self._is_elsewhere(path)):
            await self._left.wait()
            return
        await super().get(path, include_body)

    def _is_elsewhere(self, path: str) -> bool:
        file = self._page_server.site.files.get(path)
        return file is not None and not file.is_file()

    def on_connection_close(self) -> None:
        self._left.set()

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        site = self._page_server.site
        file = site.files.get(absolute_path)
        if file is None or not file.is_file():  # also a file that was deleted, or the page would go on without it
            site.misses.append(Miss(absolute_path, self.request.headers.get("Sec-Fetch-Dest", "empty")))
            raise HTTPError(404)
        self._name = absolute_path
        if self.request.headers.get("Sec-Fetch-Dest") not in _FED:
            site.served.add(absolute_path)
        return str(file)

    def get_content_type(self) -> str:
        return content_type(self._name)

    def compute_etag(self) -> None:
        # Tornado's version reads the whole file, and caches the result even if the file changes. Nothing revalidates.
        return None

    def set_extra_headers(self, path: str) -> None:
        # A picture that shows again within a render must not be fetched again. No cache outlives the page's context.
        self.set_header("Cache-Control", "max-age=86400")


def _quiet(handler: Any) -> None:
    """Log nothing; missing files are in `Site.misses`."""
