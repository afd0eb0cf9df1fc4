"""The memory of browsers: measured, bounded, and never at the worker's cost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT
from slow import sampled

import hfdask
from hfdask import errors
from hfdask.browser.loop import browser_thread, browser_usage
from hfdask.browser.memory import BYTES_VARIABLE, LEAST, browser_limit

pytestmark = pytest.mark.browser

LIMIT = 450 * 2**20

# `eat(n)` keeps n MiB more, and really has them: pages of zeros take no memory.
PAGE = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<div class="clip" data-start="0" style="width:40px;height:40px;background:#36c;animation:go 1s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) } }</style>
<script>
const kept = [], pause = (ms) => new Promise((done) => setTimeout(done, ms));
function eat(n) { for (; n > 0; n -= 10) kept.push(new Uint8Array(10 * 2 ** 20).fill(n)); }
addEventListener('hf-seek', (event) => { const frame = Math.round(event.detail.time * 30); HERE });
</script></div>"""


@pytest.fixture
def limit(monkeypatch) -> int:
    monkeypatch.setenv(BYTES_VARIABLE, str(LIMIT))
    return LIMIT


@pytest.fixture
def planned(project, tmp_path):
    def make(here: str, chunk_size: int = 10) -> hfdask.Plan:
        return hfdask.plan(project(PAGE.replace("HERE", here)), tmp_path / "plan", chunk_size=chunk_size, sweep=0)

    return make


@pytest.mark.slow
def test_a_page_that_eats_memory_is_a_typed_error_and_the_next_chunk_renders(limit, planned, tmp_path):
    plan = planned("if (frame === 15) { eat(1500); event.detail.waitUntil(pause(5000)); }")
    began = time.monotonic()
    with pytest.raises(errors.BrowserMemoryError) as caught:
        hfdask.render_chunk(plan.url, 1, tmp_path / "1.mp4")
    assert time.monotonic() - began < 15
    assert caught.value.code == "BROWSER_OUT_OF_MEMORY"
    assert caught.value.retryable
    assert caught.value.details["bytes"] > caught.value.details["limit"] == limit
    assert BYTES_VARIABLE in caught.value.message
    # Its memory is free again at once, also the memory of the page's own process.
    assert sum(child.memory_info().rss for child in psutil.Process().children(recursive=True)) < 1500 * 2**20
    chunk = hfdask.render_chunk(plan.url, 2, tmp_path / "2.mp4")
    assert chunk.frames == 10
    assert 50 * 2**20 < chunk.browser_bytes < limit


@pytest.mark.slow
def test_a_chunk_whose_page_leaks_goes_on_in_a_new_browser(planned, tmp_path, monkeypatch):
    # A frame takes long, so that the memory is measured between frames.
    plan = planned("eat(40); event.detail.waitUntil(pause(200))", chunk_size=15)
    quiet = hfdask.render_chunk(plan.url, 0, tmp_path / "quiet.mp4")
    monkeypatch.setenv(BYTES_VARIABLE, str(LIMIT))
    chunk = hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4")
    assert quiet.browser_bytes > chunk.browser_bytes > LIMIT
    assert quiet.messages == 0 < chunk.messages  # how many browsers it takes, the time between two looks decides
    assert chunk.digest == quiet.digest


@pytest.mark.slow
def test_what_a_page_leaks_ends_with_its_chunk(limit, planned, tmp_path):
    plan = planned("eat(20); event.detail.waitUntil(pause(60))", chunk_size=5)
    chunks = [hfdask.render_chunk(plan.url, index, tmp_path / f"{index}.mp4") for index in range(6)]
    assert [chunk.messages for chunk in chunks] == [0] * 6
    assert all(chunk.warm for chunk in chunks[1:])
    assert max(chunk.browser_bytes for chunk in chunks) < limit
    browsers, bytes_now = browser_usage()
    assert browsers >= 1
    assert bytes_now < browsers * limit / 2


@pytest.mark.slow
def test_a_browser_that_stays_large_is_not_used_again(limit, planned, tmp_path, monkeypatch):
    plan = planned("")
    hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    assert hfdask.render_chunk(plan.url, 1, tmp_path / "1.mp4").warm
    monkeypatch.setenv(BYTES_VARIABLE, str(200 * 2**20))  # an idle browser takes more than half of it
    assert hfdask.render_chunk(plan.url, 1, tmp_path / "2.mp4").warm
    assert not hfdask.render_chunk(plan.url, 2, tmp_path / "3.mp4").warm


def test_the_kernel_prefers_chromium_to_us():
    thread = browser_thread()

    async def scores() -> list[int]:
        async with thread.pool.lease("beginframe") as (chromium, _):
            page = await chromium.playwright.new_page()
            browser = psutil.Process(chromium.pid)
            found = [oom_score_adj(each.pid) for each in (browser, *browser.children(recursive=True))]
            await page.context.close()
            return found

    found = thread.run(scores(), 30)
    assert len(found) >= 5  # browser, zygotes, GPU, page
    assert min(found) > oom_score_adj("self")


def oom_score_adj(pid: int | str) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.slow
def test_chunks_end_when_the_browsers_are_closed_under_them(planned, tmp_path):
    plan = planned("event.detail.waitUntil(pause(100))", chunk_size=30)

    class Closing(hfdask.Observer):
        def progress(self, done: int, total: int) -> None:
            if done == 3:
                threading.Thread(target=hfdask.close_browsers).start()

    began = time.monotonic()
    with pytest.raises(errors.BrowserCrashError):
        hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4", observer=Closing())
    assert time.monotonic() - began < 15
    assert hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4").frames == 30


def test_the_limit_is_given_or_a_share_of_what_there_is(monkeypatch):
    monkeypatch.delenv(BYTES_VARIABLE, raising=False)
    assert browser_limit(8 * 2**30, 1) == 6 * 2**30
    assert browser_limit(2**20, 1) == LEAST
    assert browser_limit(None, 1) == max(LEAST, MEMORY_LIMIT // CPU_COUNT * 3 // 4)
    assert browser_limit(None, 10 * CPU_COUNT) <= max(LEAST, browser_limit(None, 1) // 10)
    monkeypatch.setenv(BYTES_VARIABLE, "1000000")
    assert browser_limit(8 * 2**30, 1) == 1000000


def test_the_share_of_a_machine_is_known_without_the_packages_that_have_the_rules():
    code = "import sys; from hfdask.browser.memory import browser_limit as limit; print(limit(None, 1), {'dask', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(browser_limit(None, 1)), "set()"]


@pytest.mark.parametrize("text", sampled(["1GB", "-5", "0", "1e9"]))
def test_a_limit_that_is_no_number_of_bytes_is_refused(text, planned, tmp_path, monkeypatch):
    plan = planned("")
    monkeypatch.setenv(BYTES_VARIABLE, text)
    with pytest.raises(errors.InvalidConfigError, match=BYTES_VARIABLE):
        hfdask.render_chunk(plan.url, 0, tmp_path / "out.mp4")
