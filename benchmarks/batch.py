"""Batches: many short videos on this machine, and ten thousand rows on two hundred workers that only sleep.

    python benchmarks/batch.py                               # 50 videos of two seconds, 640x360
    python benchmarks/batch.py --peer 'peer.sh {project} {output}' --peer-rows 3
    python benchmarks/batch.py --simulate 1000 10000         # rows on simulated workers: scheduler and driver
    python benchmarks/batch.py --windows                     # simulated workers: which window keeps them busy

The videos are made by one command, `hfdask batch`. The peer is any command that renders one project to one video. It is called once a row, with
the row's title written into the page.
In a simulation the scheduler, the workers (in a few processes, a thread each) and the driver are separate processes, so
that each one's CPU time and memory are known.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from process_tree import Usage, measure
from scaling import Role, prepare, serve_workers

HOSTS = 4
"""Processes among which simulated workers are divided."""

TITLE = """<!doctype html>
<html><body style="margin: 0">
<div data-composition-id="card" data-width="640" data-height="360" data-duration="2" data-no-timeline
     data-composition-variables='[{"id": "title", "type": "string", "default": "Nobody"}]'>
  <style>
    body { background: #124; color: #fd5; font: 48px sans-serif }
    h1 { position: absolute; top: 120px; width: 640px; text-align: center; animation: rise 1s both }
    @keyframes rise { from { transform: translateY(40px); opacity: 0 } }
  </style>
  <h1 class="clip" data-start="0" data-duration="2" data-var-text="title">Nobody</h1>
</div>
</body></html>
"""


def main() -> int:
    """Run what the arguments ask for, and print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument(
        "--arguments", default="--quality standard --crf 16", help="Of hfdask batch. Default: x264 as the peer has it."
    )
    parser.add_argument("--peer", help="Command with {project} and {output}, called once a row.")
    parser.add_argument("--peer-rows", type=int, default=3)
    parser.add_argument(
        "--simulate", type=int, nargs="+", metavar="ROWS", help="Numbers of rows, each in a new cluster."
    )
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0, help="For which a simulated row sleeps.")
    parser.add_argument("--windows", action="store_true", help="Try windows of one to three rows a slot.")
    parser.add_argument("--rounds", type=int, default=3, help="Of all windows.")
    options = parser.parse_args()
    if options.windows:
        for shares in _windows(options.workers, options.seconds, options.rounds):
            _print(shares)
        return 0
    if options.simulate:
        for rows in options.simulate:
            _print(_simulated(rows, options.workers, options.seconds))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _print(_real(Path(folder), options))
        if options.peer:
            _print(_peer(Path(folder), options))
    return 0


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2), flush=True)


# Real videos


def _project(folder: Path, html: str = TITLE) -> Path:
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(html, "utf-8")
    return folder


def _real(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    rows = folder / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"title": f"Person {number}"}) + "\n" for number in range(options.rows)), "utf-8"
    )
    output = folder / "out" / "{index}.mp4"
    command = [sys.executable, "-m", "hfdask", "batch", str(_project(folder / "card")), str(rows), "-o", str(output)]
    usage = _measured([*command, "--json", *shlex.split(options.arguments)])
    made = json.loads(usage.out)["rows"]
    seconds = [row["seconds"] for row in made]
    return {
        "videos": len(made),
        "frames": sum(row["frames"] for row in made),
        "wall s": round(usage.wall, 2),
        "videos a second": round(len(made) / usage.wall, 3),
        "wall s a video": round(usage.wall / len(made), 3),
        "CPU s a video": round(usage.cpu / len(made), 3),
        "task s: median, most": [round(median(seconds), 3), round(max(seconds), 3)],
        "memory MB": round(usage.memory / 1e6),
    }


def _peer(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    usages = []
    for number in range(options.peer_rows):
        html = TITLE.replace("Nobody", f"Person {number}")
        values = {"project": _project(folder / f"peer-{number}", html), "output": folder / f"peer-{number}.mp4"}
        usages.append(_measured([part.format(**values) for part in shlex.split(options.peer)]))
        assert values["output"].stat().st_size
    return {
        "peer's videos": len(usages),
        "wall s a video": [round(usage.wall, 2) for usage in usages],
        "CPU s a video": [round(usage.cpu, 2) for usage in usages],
    }


def _measured(command: Sequence[str]) -> Usage:
    usage = measure(command, timeout=3600)
    if usage.status:
        sys.exit(f"{command[0]} ended with status {usage.status}: {usage.err[-2000:]}")
    return usage


# Simulated workers


@contextmanager
def _cluster(workers: int, seconds: float) -> Iterator[tuple[Role, str, str]]:
    """Yield the scheduler's process and address, and a scratch folder."""
    with ExitStack() as held:
        scratch = held.enter_context(tempfile.TemporaryDirectory(prefix="hfdask-batch-"))
        scheduler = held.enter_context(Role(_scheduler))
        address = scheduler.hear()
        shares = [len(range(first, workers, HOSTS)) for first in range(HOSTS)]
        hosts = [held.enter_context(Role(_workers, address, share, seconds, scratch)) for share in shares]
        for host in hosts:
            host.hear()
        yield scheduler, address, scratch
        for role in (*hosts, scheduler):
            role.pipe.send("stop")


def _simulated(rows: int, workers: int, seconds: float) -> dict[str, Any]:
    with _cluster(workers, seconds) as (scheduler, address, scratch):
        idle, cpu = scheduler.share_of_a_core(5), scheduler.cpu()
        with Role(_drive, address, rows, scratch, None) as driver:
            answer = driver.hear()
        cpu, memory = scheduler.cpu() - cpu, scheduler.memory()
    wall = answer["wall s"]
    return {
        "rows": rows,
        "workers": workers,
        "sleep s": seconds,
        **answer,
        "busy share of the workers": round(rows * seconds / workers / wall, 3),
        "scheduler CPU ms a video": round(cpu / rows * 1000, 2),
        "scheduler CPU ms a video, without heartbeats": round((cpu - idle * wall) / rows * 1000, 2),
        "scheduler MB at the end": round(memory / 1e6),
    }


def _windows(workers: int, seconds: float, rounds: int) -> Iterator[dict[str, Any]]:
    """Try windows in turn on one cluster; yield the busy share of the workers after each round: the median, and all rounds."""
    shares: dict[float, list[float]] = {factor: [] for factor in (1.0, 1.25, 1.5, 2.0, 3.0)}
    rows = workers * 12
    with _cluster(workers, seconds) as (_, address, scratch):
        for _ in range(rounds):
            for factor, found in shares.items():
                with Role(_drive, address, rows, scratch, factor) as driver:
                    found.append(round(rows * seconds / workers / driver.hear()["wall s"], 3))
            yield {f"{factor} rows a slot": [median(found), *found] for factor, found in shares.items()}


def _scheduler(pipe: Connection) -> None:
    from distributed import Scheduler

    prepare()

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False, dashboard_address=":0") as scheduler:
            pipe.send(scheduler.address)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(serve())


def _workers(pipe: Connection, address: str, count: int, seconds: float, scratch: str) -> None:
    """All workers on one loop, each with a thread that sleeps."""
    from batches import install, sleeping_row
    from fake_browser import faked

    prepare()
    install(sleeping_row(lambda variables: seconds))

    with faked():
        asyncio.run(serve_workers(pipe, address, count, scratch))


def _drive(pipe: Connection, address: str, rows: int, scratch: str, factor: float | None) -> None:
    """A user's process, whose rows come from a generator, so that it does not hold them itself."""
    from distributed import Client
    from fake_browser import faked

    import hfdask.batch.driver

    prepare()
    if factor is not None:
        hfdask.batch.driver.task_window = lambda slots: int(factor * slots)

    def values() -> Iterator[dict[str, Any]]:
        for number in range(rows):
            yield {"id": number, "title": f"Person {number}", "text": f"{number} " * 50}

    process = psutil.Process()
    with faked(), Client(address, set_as_default=False) as client:
        project = _project(Path(scratch, f"project-{rows}-{time.time_ns()}"))
        before, cpu, began = process.memory_info().rss, sum(process.cpu_times()[:2]), time.perf_counter()
        batch = hfdask.render_batch(
            project, values(), f"{project}/out/{{id}}.mp4", client=client, manifest=f"{project}/batch.jsonl"
        )
        checked, memory_checked = time.perf_counter() - began, process.memory_info().rss
        while not batch.wait(1.0):
            pass
        wall = time.perf_counter() - began - checked
        memory = process.memory_info().rss
        assert batch.progress.rendered == rows, batch.progress
        pipe.send(
            {
                "check s": round(checked, 2),
                "wall s": round(wall, 2),
                "driver CPU ms a video": round((sum(process.cpu_times()[:2]) - cpu) / rows * 1000, 2),
                "driver MB: start, checked, peak, end": [
                    round(size / 1e6)
                    for size in (
                        before,
                        memory_checked,
                        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                        memory,
                    )
                ],
            }
        )


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
