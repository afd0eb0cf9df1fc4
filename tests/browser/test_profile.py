"""Pages in a browser with a profile share files with this process, and nothing with each other."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from aftermath import until
from msgspec.structs import replace
from page_samples import SETTINGS, composition, write_site
from video_pages import SHAPE, open_fed, planes_of, read

import hfdask
from hfdask.browser import browser_thread, chromium
from hfdask.browser.page_opening import open_page
from hfdask.browser.session import PageSession
from hfdask.browser.slots import HEADER, Slots
from hfdask.browser.video_feed import Shown, VideoFeed
from hfdask.core import scratch
from hfdask.core.model import CaptureMode
from hfdask.errors import BrowserCrashError, UnsupportedFeatureError

pytestmark = pytest.mark.browser

VIDEO = '<video id="v" src="v.mp4" style="position:absolute;left:0;top:0"></video>'
PAGE = composition(VIDEO, root="data-duration=9 data-no-timeline")

WRITE = """(async () => {
  localStorage.a = sessionStorage.a = 1; document.cookie = "a=1; max-age=9999";
  await new Promise((done) => { const open = indexedDB.open("a", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("a").put(1, 1); open.onsuccess = () => done(open.result.close()) });
  for (const folder of [await navigator.storage.getDirectory(), await (await navigator.storageBuckets.open("a")).getDirectory()]) {
    const file = await (await folder.getFileHandle("a", { create: true })).createWritable(); await file.write("a"); await file.close() }
  await (await caches.open("a")).put("/a", new Response("a"));
  await fetch("a.txt");
  return 0 })()"""
READ = """(async () => {
  const names = async (folder) => { const found = []; for await (const [name] of folder) found.push(name); return found };
  return [localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length,
    await names(await navigator.storage.getDirectory()), await navigator.storageBuckets.keys(), await caches.keys(),
    await (await fetch("a.txt")).text()] })()"""
EMPTY = [0, 0, "", 0, [], [], []]


@asynccontextmanager
async def opened(folder: Path, browser: chromium.Chromium, mode: CaptureMode, text: str) -> AsyncIterator[PageSession]:
    files = write_site(folder, PAGE, {"a.txt": text})
    settings = msgspec.structs.replace(SETTINGS, capture_mode=mode)
    async with open_page(browser, files, settings, Fraction(30), profile=True) as session:
        await session.load("index.html")
        yield session


@pytest.mark.sample("canvas")
@pytest.mark.parametrize("mode", ["beginframe", "canvas"])
def test_a_page_finds_nothing_of_the_pages_before(mode, tmp_path):
    async def visit() -> list[Any]:
        found = []
        async with browser_thread().pool.lease(mode, profile=True) as (browser, _):
            for text in ("one", "two", "three"):
                async with opened(tmp_path / text, browser, mode, text) as session:
                    found.append(await session.evaluate(READ))
                    await session.evaluate(WRITE)
                    assert (await session.evaluate(READ))[:3] == [1, 1, "a=1"]
        return found

    assert browser_thread().run(visit(), 60) == [[*EMPTY, text] for text in ("one", "two", "three")]


def test_a_page_sees_nothing_of_the_slots(tmp_path):
    with open_fed(tmp_path, PAGE, ["v"], files={"a.txt": "x"}) as fed:
        assert read(fed.picture(0, {"v": 5})) == 5
        assert fed.value(READ) == [*EMPTY, "x"]
        urls = "performance.getEntriesByType('resource').map(({ name }) => name)"
        assert fed.value(urls) == ["http://composition.localhost/a.txt"]
        route = fed.feed.slots.setup()["route"]
        for url in (f"{route}/0-10", "/.hfdask/shared/0123/0-10"):
            assert fed.value(f"fetch({url!r}).then(({{ status }}) => status)") == 404


def test_a_page_that_does_not_know_the_token_is_served_no_slots(tmp_path):
    with open_fed(tmp_path, PAGE, ["v"], profile=False) as fed:
        assert read(fed.picture(0, {"v": 5})) == 5
        assert fed.value("performance.getEntriesByType('resource').length") == 0
        # Its own request is in that list from the end of its answer on.
        assert fed.value("fetch('/.hfdask/shared/0123456789abcdef/0-10').then(({ status }) => status)") == 404


def test_a_browser_with_a_profile_also_takes_pages_without(tmp_path):
    async def lease(profile: bool) -> tuple[int, bool]:
        async with browser_thread().pool.lease("beginframe", profile=profile) as (browser, warm):
            return browser.pid, warm

    hfdask.close_browsers()
    first, _ = browser_thread().run(lease(False), 60)
    second, _ = browser_thread().run(lease(True), 60)
    assert first != second
    assert browser_thread().run(lease(True), 60) == (second, True)
    assert browser_thread().run(lease(False), 60) == (second, True)


# Its folder


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder for files in memory that no other process uses."""
    folder = Path(tempfile.mkdtemp(prefix="hfdask-test-", dir="/dev/shm"))
    monkeypatch.setattr(scratch, "MEMORY", folder)
    hfdask.close_browsers()
    yield folder
    hfdask.close_browsers()
    shutil.rmtree(folder)


def lease_profile() -> Path:
    async def lease() -> Path:
        async with browser_thread().pool.lease("beginframe", profile=True) as (browser, _):
            assert browser.profile is not None
            return browser.profile.folder

    return browser_thread().run(lease(), 60)


def test_a_profile_is_in_memory_and_goes_with_its_browser(memory):
    folder = lease_profile()
    assert folder.is_relative_to(memory)
    assert (folder / "Default").is_dir()
    hfdask.close_browsers()
    assert not folder.exists()


def test_a_profile_is_in_the_scratch_folder_if_there_is_no_room(memory, monkeypatch):
    monkeypatch.setattr(chromium, "PROFILE_ROOM", 2**60)
    assert lease_profile().is_relative_to(scratch.scratch_folder())
    monkeypatch.setattr(scratch, "MEMORY", memory / "none")
    assert scratch.memory_folder(0) == scratch.scratch_folder()


@pytest.mark.slow
def test_the_profile_of_a_killed_process_is_removed_by_the_next_one(memory):
    code = f"""
import sys; from pathlib import Path; from hfdask.core import scratch; scratch.MEMORY = Path({str(memory)!r})
sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_profile import lease_profile
print(lease_profile(), flush=True); sys.stdin.read()"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    assert folder.is_dir()
    child.send_signal(signal.SIGKILL)
    child.communicate()

    def gone() -> bool:
        scratch.sweep(folder.parents[1])  # the next process does the same
        return not folder.exists()

    assert until(gone, 10)  # the browser may still be ending


# Its slots


def test_a_file_of_a_page_is_never_taken_for_the_slots(tmp_path):
    made = Slots(2 * mmap.PAGESIZE)
    for name, start in (("a", b"x" * 32), ("b", made.token.encode()), ("c", made.token.encode())):
        (tmp_path / name).write_bytes(start + bytes(made.size - 32 - (name == "c")))
    with (tmp_path / "b").open("rb") as file:
        assert made.map_file(tmp_path)
        made.view[HEADER] = 7
        assert file.read()[HEADER] == 7
    assert not any(set((tmp_path / name).read_bytes()[32:]) - {0} for name in "ac")
    assert not Slots(2 * mmap.PAGESIZE).map_file(tmp_path)


FIND = """(async () => { const source = `(async () => {
  const manager = navigator.storageBuckets, found = [];
  for (const name of await manager.keys()) {
    const folder = await (await manager.open(name)).getDirectory();
    for await (const [file] of folder) found.push(file) }
  postMessage(found) })()`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  return new Promise((done) => { worker.onmessage = ({ data }) => done(data) }) })()"""


@pytest.mark.parametrize("mode", [pytest.param("beginframe", marks=pytest.mark.slow), "canvas"])
def test_no_worker_of_a_page_finds_the_file_of_slots(mode, tmp_path):
    with open_fed(tmp_path, PAGE, ["v"], capture_mode=mode) as fed:
        assert read(fed.picture(0, {"v": 5})) == 5
        assert fed.value(FIND) == []
        assert read(fed.picture(1, {"v": 6})) == 6


def test_slots_without_room_for_their_file_are_served(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with open_fed(tmp_path, PAGE, ["v"]) as fed:
        assert fed.page.session.site.shared is not None
        assert [read(fed.picture(frame, {"v": 50 + frame})) for frame in range(3)] == [50, 51, 52]


def test_a_picture_waits_for_a_free_slot():
    feed = VideoFeed({"v": SHAPE})
    feed.slots.serve()
    first, second = feed.put("v", planes_of(1)), feed.put("v", planes_of(2))
    assert (first.slot, second.slot) == (0, 1)
    third: list[Any] = []
    thread = threading.Thread(target=lambda: third.append(feed.put("v", planes_of(3))))
    thread.start()
    feed.release({"v": Shown("playing", picture=first)})
    thread.join(0.1)
    assert thread.is_alive()  # the first picture may be shown again
    feed.release({"v": Shown("playing", picture=second)})
    thread.join(5)
    assert third[0].slot == 0


def test_a_closed_feed_takes_no_picture():
    feed = VideoFeed({"v": SHAPE})
    feed.slots.serve()
    feed.put("v", planes_of(1))
    feed.put("v", planes_of(2))
    waiting: list[Any] = []

    def put() -> None:
        with pytest.raises(BrowserCrashError, match="closed") as caught:
            feed.put("v", planes_of(3))
        waiting.append(caught)

    thread = threading.Thread(target=put)
    thread.start()
    feed.close()
    thread.join(5)
    assert waiting


def test_a_picture_larger_than_its_video_is_refused():
    feed = VideoFeed({"v": SHAPE})
    feed.slots.serve()
    with pytest.raises(UnsupportedFeatureError, match="one size"):
        feed.put("v", planes_of(1, 66, 32))


def test_rows_that_are_apart_in_memory_are_copied_without_their_padding():
    feed = VideoFeed({"v": SHAPE})
    feed.slots.serve()
    planes = planes_of(0b1010_0101)
    padded = tuple(np.pad(plane, ((0, 0), (0, 9)), constant_values=99)[:, :-9] for plane in planes.planes)
    picture = feed.put("v", replace(planes, planes=padded))
    written = bytes(feed.slots.view[picture.offset : picture.offset + picture.length])
    assert written == b"".join(plane.tobytes() for plane in planes_of(0b1010_0101).planes)
