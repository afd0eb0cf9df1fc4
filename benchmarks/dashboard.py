"""The cost of the dashboard's page: CPU seconds of scheduler and workers without it, with it, and while it is open.

The three ways take turns on one cluster of separate processes. There are two kinds of work: real chunks of pictures that a
fake browser draws, so that workers do little besides; and chunks that sleep, so that the scheduler does little besides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median

import psutil
from distributed import Client, Worker, WorkerPlugin
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from fake_browser import FakeBrowsers, faked
from sleeping import install, sleep_instead_of_rendering, sleeping_plan

import hfdask
from hfdask.browser.discovery import find_browser
from hfdask.cluster.chunk_run import ChunkRun
from hfdask.dashboard.plugin import NAME

_SUPPORT = sys.path[0]

WAYS = ("no page", "page closed", "page open")

_PAGE = """<!doctype html><div data-composition-id="c" data-width="640" data-height="360" data-duration="10" data-no-timeline
 data-seek-ms="15"><div class="clip" data-start="0" data-duration="10" style="animation:go 10s"></div></div>"""
_DASK = str(Path(sys.executable).parent / "dask")


class SleepingChunks(WorkerPlugin):
    """Chunks sleep for 0.2 s."""

    def setup(self, worker: Worker) -> None:
        import hfdask.cluster.client_state

        install(sleep_instead_of_rendering(lambda video, index: 0.2))
        hfdask.cluster.client_state.environment_differences = lambda planned: {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=1000, help="that sleep, in each run")
    args = parser.parse_args()
    binary = str(find_browser().path)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="hfdask-dashboard-") as scratch:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        report = {
            "rendered": in_turns(
                browser, args.repeat, FakeBrowsers(), 1, lambda client, run: render(client, scratch, run)
            ),
            "sleeping": in_turns(
                browser, args.repeat, SleepingChunks(), 16, lambda client, run: sleep(client, run, args.chunks)
            ),
        }
        browser.close()
    print(json.dumps(report, indent=2))


def in_turns(
    browser: Browser, repeat: int, plugin: WorkerPlugin, threads: int, work: Callable[[Client, int], None]
) -> dict[str, dict[str, list[float] | float]]:
    """Do the work in each of the ways, `repeat` times; return CPU seconds of the scheduler and of the workers."""
    found: dict[str, dict[str, list[float]]] = {way: {"scheduler": [], "workers": []} for way in WAYS}
    with cluster(threads) as (client, scheduler, workers):
        client.register_plugin(plugin)
        work(client, 0)  # to warm up
        for run in range(1, repeat + 1):
            for number, way in enumerate(WAYS):
                url = hfdask.show_dashboard(client)
                if way == "no page":
                    client.unregister_scheduler_plugin(NAME)
                with page(browser, url) if way == "page open" else nullcontext():
                    before = cpu(scheduler), cpu(*workers)
                    work(client, run * len(WAYS) + number)
                    found[way]["scheduler"].append(round(cpu(scheduler) - before[0], 3))
                    found[way]["workers"].append(round(cpu(*workers) - before[1], 3))
    return {
        way: {f"{role}, CPU s": each for role, each in roles.items()}
        | {f"{role}, median": median(each) for role, each in roles.items()}
        for way, roles in found.items()
    }


@contextmanager
def cluster(threads: int) -> Iterator[tuple[Client, psutil.Process, list[psutil.Process]]]:
    """Start a scheduler with a dashboard and two workers."""
    with ExitStack() as held, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        scheduler = held.enter_context(
            started("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", f"--scheduler-file={file}")
        )  # fmt: skip
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        for _ in range(2):
            held.enter_context(started("worker", address, "--nthreads", str(threads), "--no-nanny", "--no-dashboard"))
        with Client(address, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(2, timeout=60)
            yield client, scheduler, [psutil.Process(pid) for pid in client.run(os.getpid).values()]


@contextmanager
def started(*command: str) -> Iterator[psutil.Process]:
    """Run a command of Dask until the block ends."""
    paths = os.pathsep.join(path for path in (_SUPPORT, os.environ.get("PYTHONPATH")) if path)
    process = psutil.Popen([_DASK, *command], stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def page(browser: Browser, url: str) -> Iterator[None]:
    """Keep the page open."""
    tab = browser.new_page()
    tab.goto(url)
    tab.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
    yield
    tab.close()


def cpu(*processes: psutil.Process) -> float:
    """Return the CPU seconds of processes since they began."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def render(client: Client, scratch: str, run: int) -> None:
    """Render 300 frames in 10 chunks."""
    project = Path(scratch) / f"project-{run}"
    project.mkdir()
    (project / "index.html").write_text(_PAGE)
    with faked():
        video = hfdask.render(project, f"{scratch}/{run}.mp4", client=client, chunk_size=30, quality="draft")
    assert (video.frames, len(video.chunks)) == (300, 10)


def sleep(client: Client, run: int, chunks: int) -> None:
    """Let chunks of 20 videos sleep, four videos at a time."""

    def one(number: int) -> None:
        plan = sleeping_plan(f"{run}/{number}", chunks // 20)
        results = ChunkRun(client, plan, plan.chunks_url, name=plan.url, retries=0).results(range(chunks // 20))
        assert len(list(results)) == chunks // 20

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(20)))


if __name__ == "__main__":
    main()
