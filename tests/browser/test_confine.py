"""The network around a page: it reaches nothing, from any realm, and only its browser reaches its files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from listeners import Listeners, addresses
from playwright.async_api import Error as PlaywrightError
from reaching import inner, script

import hfdask
from hfdask import errors
from hfdask.browser import browser_thread, chromium, confine
from hfdask.browser.chromium import Chromium
from hfdask.cli import main
from hfdask.page.server import HOST, ORIGIN, Site

pytestmark = pytest.mark.browser

# What shows in no picture, and so does not end the planning at once.
QUIET = [
    "fetch",
    "secure",
    "later",
    "request",
    "socket",
    "stream",
    "events",
    "beacon",
    "transport",
    "hashed",
    "raw",
    "datagram",
]
QUIET += ["stun", "turn", "relay", "peer", "tcpPeer"]
PAGE = """<!doctype html><html><body><div data-composition-id="c" data-width="64" data-height="64" data-duration="0.4"
 data-no-timeline>{body}</div></body></html>"""
# Time for what was sent, and for what is sent again.
WAIT = """const later = new Promise((go) => { new Worker(URL.createObjectURL(new Blob(["setTimeout(() => postMessage(1), 1500)"])))
 .onmessage = go });
addEventListener("hf-seek", (e) => e.detail.waitUntil(later));"""


@pytest.fixture
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Browsers that start are confined by this; none that was started otherwise is used."""
    hfdask.close_browsers()
    monkeypatch.setattr(confine, "WANTED", request.param)
    yield request.param
    hfdask.close_browsers()


by = pytest.mark.parametrize


def with_browser(use: Callable[[Chromium], Any]) -> Any:
    async def run() -> Any:
        async with browser_thread().pool.lease("beginframe") as (browser, _):
            return await use(browser)

    return browser_thread().run(run(), 60)


# The reach of a page


def reached(folder: Path, *, runtime: bool, seconds: float = 8, enough: str = "") -> list[str]:
    """Return what arrives on this machine from a page that tries everything, in a browser without planning's rules.

    Wait so long, or until something of the protocol ``enough`` has come.
    """
    with Listeners() as listeners:
        places = [
            f"[{each}]:{listeners.port}" if ":" in each else f"{each}:{listeners.port}"
            for each in addresses()
            if "%" not in each
        ]
        page = script(places)
        (folder / "index.html").write_text(f"<!doctype html><body><script>{page}</script>")
        (folder / "inner.html").write_text(inner(places))
        (folder / "sw.js").write_text("")

        async def show(browser: Chromium) -> None:
            context = await browser.playwright.new_context()
            if runtime:
                await context.add_init_script(connections())
            page = await context.new_page()
            browser.server.site = Site({name: folder / name for name in ("index.html", "inner.html", "sw.js")})
            await page.goto(f"{ORIGIN}/index.html", wait_until="commit")
            end = time.monotonic() + seconds
            while time.monotonic() < end and enough not in dict(listeners.arrived):
                await asyncio.sleep(0.1)
            assert await page.evaluate("told.top")  # or it would have tried nothing
            await context.close()

        with_browser(show)
    return sorted({f"{protocol} {said[:4]!r}" for protocol, said in listeners.arrived})


def connections() -> str:
    """The part of the runtime that takes peer connections away, alone."""
    file = Path(hfdask.__file__).parent / "page/runtime/connections.js"
    return f"(() => {{ {file.read_text()} }})()"


@pytest.mark.slow
@by("confined", ["nothing"], indirect=True)
def test_such_a_page_does_reach_this_machine_in_a_bare_browser(confined, tmp_path, monkeypatch) -> None:
    flags = tuple(each for each in chromium._FLAGS if "webrtc" not in each)
    monkeypatch.setattr(chromium, "_FLAGS", flags)
    assert any(each.startswith("udp") for each in reached(tmp_path, runtime=False, seconds=40, enough="udp"))


@pytest.mark.slow
@by(
    ("confined", "runtime", "flags"),
    [("nothing", True, False), ("filters", False, False), ("namespace", False, False), ("nothing", False, True)],
    indirect=["confined"],
)
def test_each_layer_alone_keeps_it_in(confined, runtime, flags, tmp_path, monkeypatch) -> None:
    if not flags:
        monkeypatch.setattr(chromium, "_FLAGS", tuple(each for each in chromium._FLAGS if "webrtc" not in each))
    arrived = reached(tmp_path, runtime=runtime)
    # A question for the name "~NOTFOUND", which says nothing of the page's.
    assert arrived in ([], [r"mdns b'\x00\x00\x00\x00'"] if flags else [])


@by(
    "confined",
    ["namespace", pytest.param("filters", marks=pytest.mark.slow), pytest.param("nothing", marks=pytest.mark.slow)],
    indirect=True,
)
def test_nothing_arrives_while_planning_and_from_chunks(confined, project, tmp_path) -> None:
    with Listeners() as listeners:
        places = [f"127.0.0.1:{listeners.port}", f"[::1]:{listeners.port}"]
        body = f"<script>{script(places, QUIET)}{WAIT}</script>"
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "index.html").write_text(PAGE.format(body=body))
        (folder / "inner.html").write_text(inner(places, QUIET))
        plan = hfdask.plan(folder, tmp_path / "plan", fps=5, check="off", sweep=0, page_errors="warn")
        hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    assert any("/socket" in said for said in plan.messages)  # or it would have tried nothing
    assert listeners.arrived == []


@pytest.mark.slow
@by("confined", ["namespace", "filters", "nothing"], indirect=True)
def test_nothing_arrives_from_a_page_that_shows_what_it_asks_for(confined, tmp_path) -> None:
    with Listeners() as listeners:
        places = [f"127.0.0.1:{listeners.port}", f"[::1]:{listeners.port}"]
        page = script(places)
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "index.html").write_text(PAGE.format(body=f"<script>{page}{WAIT}</script>"))
        (folder / "inner.html").write_text(inner(places))
        (folder / "sw.js").write_text("")
        with pytest.raises(errors.AssetError):
            hfdask.plan(folder, tmp_path / "plan", fps=5, check="off", page_errors="warn")
        time.sleep(0.5)
    assert listeners.arrived == []


@pytest.mark.slow
@by("confined", ["namespace", "filters", "nothing"], indirect=True)
def test_a_page_cannot_tell_how_it_is_kept_in(confined, project, tmp_path) -> None:
    body = "<script>if (!navigator.onLine || navigator.connection?.downlink !== 10) throw Error('offline')</script>"
    hfdask.plan(
        project(body + "<div data-composition-id=c data-width=64 data-height=64 data-duration=1 data-no-timeline>"),
        tmp_path / "plan",
        sweep=0,
    )


# Who can reach its files

STRANGER = """
import encodings.idna, os, socket, sys
user, port, request = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
if user: os.setgroups([]); os.setgid(user); os.setuid(user)
heard = b""
try:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        while piece := connection.recv(9999): heard += piece
except OSError as error:
    print(error)
sys.stdout.write(heard.decode())
"""
NOBODY = 65534


def ask(port: int, path: str, user: int = 0) -> str:
    """Return the page server's answer to a process of another user, or of this one."""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Dest: image\r\nConnection: close\r\n\r\n"
    command = [sys.executable, "-c", STRANGER, str(user), str(port), request]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.mark.sample("namespace-0")
@by("user", [0, pytest.param(NOBODY, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))])
@by("confined", ["namespace", pytest.param("filters", marks=pytest.mark.slow)], indirect=True)
def test_a_stranger_gets_no_file_and_leaves_no_trace(confined, user, tmp_path) -> None:
    (tmp_path / "index.html").write_text("<p>the page's own")

    async def show(browser: Chromium) -> None:
        site = browser.server.site = Site({"index.html": tmp_path / "index.html"})
        for path in ("/index.html", "/no.png", "/.hfdask/files.json"):
            heard = await asyncio.to_thread(ask, browser.server.port, path, user)
            assert "HTTP" not in heard
            assert "own" not in heard
        assert (site.served, site.misses) == (set(), [])
        page = await browser.playwright.new_page()
        await page.goto(f"{ORIGIN}/index.html")
        assert "own" in await page.content()
        assert site.served == {"index.html"}
        await page.context.close()

    with_browser(show)


@pytest.mark.sample("filters")
@by("confined", ["namespace", "filters"], indirect=True)
def test_another_browser_is_a_stranger_too(confined, tmp_path) -> None:
    (tmp_path / "index.html").write_text("<p>the page's own")

    async def show(browser: Chromium) -> None:
        site = browser.server.site = Site({"index.html": tmp_path / "index.html"})

        async def look(other: Chromium) -> None:
            page = await other.playwright.new_page()
            with pytest.raises(PlaywrightError, match="ERR_"):
                await page.goto(f"http://127.0.0.1:{browser.server.port}/index.html")
            await page.context.close()

        async with browser_thread().pool.lease("beginframe") as (other, _):
            await look(other)
        assert site.served == set()

    with_browser(show)


@pytest.mark.slow
@by("confined", ["namespace", "filters"], indirect=True)
def test_strangers_do_not_break_a_render(confined, project, tmp_path) -> None:
    still = "<div data-composition-id=c data-width=64 data-height=64 data-duration=.4 data-no-timeline>"
    plan = hfdask.plan(project(f"{still}<script>{WAIT}</script>"), tmp_path / "plan", fps=5, check="off", sweep=0)
    alone = hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    ports = [browser.server.port for browser in browser_thread().pool._idle]
    ended = threading.Event()

    def knock() -> None:
        while not ended.is_set():
            for port in ports:
                ask(port, "/stranger.png")

    strangers = threading.Thread(target=knock)
    strangers.start()
    try:
        again = hfdask.render_chunk(plan.url, 0, tmp_path / "1.mp4")
    finally:
        ended.set()
        strangers.join()
    assert (again.digest, again.messages) == (alone.digest, alone.messages)


# The environment of a browser


@by("confined", ["namespace", "filters"], indirect=True)
def test_a_browser_has_neither_our_sockets_nor_our_secrets(confined, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    monkeypatch.setenv("MY_TOKEN", "made-up-secret")

    async def look(browser: Chromium) -> None:
        listener = f"socket:[{os.fstat(browser.confined.listener.fileno()).st_ino}]"
        process = psutil.Process(browser.pid)
        for each in (process.parent(), process, *process.children(recursive=True)):
            assert each is not None
            assert "made-up-secret" not in str(each.environ()) + str(each.cmdline())
            assert "HFDASK" not in str(each.environ())
            assert listener not in list(confine._links(each.pid))

    with_browser(look)


@by("confined", ["namespace"], indirect=True)
def test_a_namespace_ends_with_its_browser(confined) -> None:
    async def look(browser: Chromium) -> tuple[str, str]:
        return os.readlink(f"/proc/{browser.pid}/ns/net"), os.readlink("/proc/self/ns/net")

    theirs, ours = with_browser(look)
    assert theirs != ours
    hfdask.close_browsers()
    assert theirs not in {os.readlink(file) for file in Path("/proc").glob("[0-9]*/ns/net") if file.exists()}


@pytest.mark.sample("filters-seccomp")
@by(("wanted", "said"), [("namespace", "private namespace"), ("filters", "seccomp"), ("nothing", "browser flags only")])
def test_the_doctor_says_what_keeps_a_browser_in(wanted, said, monkeypatch) -> None:
    monkeypatch.setattr(confine, "WANTED", wanted)
    report = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert said in report["facts"]["network"]
    assert any("network namespace" in warning for warning in report["warnings"]) == (wanted != "namespace")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_system_without_namespaces(project, tmp_path) -> None:
    limits = "for limit in user net; do echo 0 > /proc/sys/user/max_${limit}_namespaces; done"
    work = f"import hfdask; from hfdask.browser import confine; print(confine.try_out()); hfdask.render({str(project())!r}, {str(tmp_path / 'a.mp4')!r})"
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        f'{limits} && exec "$0" -c "$1"',
        sys.executable,
        work,
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout == "no UDP (seccomp), one TCP port (Landlock)\n", said.stderr
    assert (tmp_path / "a.mp4").stat().st_size


def test_a_system_that_tells_nobody_apart(monkeypatch) -> None:
    monkeypatch.setattr(confine, "WANTED", "filters")
    monkeypatch.setattr(confine, "_CONNECTIONS", "/proc/nowhere")
    with pytest.raises(errors.BrowserLaunchError, match="allow unprivileged user namespaces"):
        confine.try_out()


def test_a_launcher_whose_folder_has_a_long_name(monkeypatch, tmp_path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(confine, "scratch_folder", lambda: folder)
    assert confine.try_out().layers
    assert list(folder.iterdir()) == []
