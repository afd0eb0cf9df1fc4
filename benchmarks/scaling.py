"""Many renders on many workers, simulated: the work of scheduler and driver for a chunk, and its order.

The scheduler, the workers (in a few processes, a thread each) and every submitter are separate processes, so that
each one's CPU time is known. Chunks sleep (`sleeping`); all else is the code that real renders run from
`hfdask.cluster.chunk_run` on. Time is compressed: chunks sleep, and progress events come, by a factor faster.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import json
import logging
import math
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean, median
from typing import Any

import dask
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from sleeping import install, realistic_seconds, sleep_instead_of_rendering, sleeping_plan

from hfdask.batch.window import window

_spawn = multiprocessing.get_context("spawn")

HOSTS = 4
"""Processes among which the workers are divided."""

SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    # What real workers do on machines of their own would be 200 times on this one.
    "distributed.admin.system-monitor.interval": "10 s",
    "distributed.worker.memory.monitor-interval": "10 s",
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
}


@dataclass(frozen=True)
class Submitter:
    """One user: ``window`` is how many of the renders are under way at a time, ``delay`` seconds after the start."""

    name: str
    renders: int
    chunks: int
    window: int
    delay: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--renders", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=16, help="of each render")
    parser.add_argument("--window", type=int, help="renders under way at a time; default: all")
    parser.add_argument("--compress", type=float, default=8.0, help="how many times faster than real")
    parser.add_argument("--second", type=int, default=0, help="renders of a second submitter")
    parser.add_argument("--second-after", type=float, default=20.0, help="seconds after the first")
    parser.add_argument("--windows", action="store_true", help="only reckon what windows keep the workers busy")
    parser.add_argument("--json", type=Path, help="write every number there")
    args = parser.parse_args()
    if args.windows:
        print(json.dumps(windows(args.workers, args.chunks, args.renders), indent=2))
        return
    in_flight = args.window or args.renders
    submitters = [Submitter("A", args.renders, args.chunks, in_flight)]
    if args.second:
        submitters.append(Submitter("B", args.second, args.chunks, in_flight, args.second_after))
    report = simulate(args.workers, submitters, args.compress)
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def simulate(workers: int, submitters: list[Submitter], compress: float) -> dict[str, Any]:
    """Run everything once; the answer is what was measured."""
    with ExitStack() as roles:
        scratch = roles.enter_context(tempfile.TemporaryDirectory(prefix="hfdask-scaling-"))
        scheduler = roles.enter_context(Role(_scheduler))
        address = scheduler.hear()
        shares = [len(range(first, workers, HOSTS)) for first in range(HOSTS)]
        hosts = [roles.enter_context(Role(_workers, address, share, compress, scratch)) for share in shares if share]
        for host in hosts:
            host.hear()
        idle = scheduler.share_of_a_core(10.0)
        before, hosts_before, memory = scheduler.cpu(), sum(host.cpu() for host in hosts), scheduler.memory()
        began = time.time()
        drivers = [roles.enter_context(Role(_submit, address, submitter, compress)) for submitter in submitters]
        peak = memory
        while not all(driver.pipe.poll() for driver in drivers):
            peak = max(peak, scheduler.memory())
            time.sleep(0.25)
        answers = [driver.hear() for driver in drivers]
        ended = max(answer["ended"] for answer in answers)
        cpu, hosts_cpu = scheduler.cpu() - before, sum(host.cpu() for host in hosts) - hosts_before
        scheduler.pipe.send("state")
        state = scheduler.hear()
        for host in hosts:
            host.pipe.send("stop")
        runs = [run for host in hosts for run in host.hear()]
        for host in hosts:
            host.process.join(20)
        scheduler.pipe.send("stop")
    return {
        "workers": workers,
        "compress": compress,
        "chunks": len(runs),
        "wall s": round(ended - began, 1),
        "chunks a second": round(len(runs) / (ended - began), 1),
        "busy share of the workers": round(sum(end - begin for *_, begin, end in runs) / (ended - began) / workers, 3),
        "scheduler": {
            "idle, share of a core": round(idle, 3),
            "CPU ms a chunk": round(cpu / len(runs) * 1000, 2),
            "CPU ms a chunk less idle": round((cpu - idle * (ended - began)) / len(runs) * 1000, 2),
            "memory MB: start, peak, end": [_mb(memory), _mb(peak), state.pop("memory")],
            **state,
        },
        "workers' CPU ms a chunk": round(hosts_cpu / len(runs) * 1000, 2),
        "free worker to next chunk, ms": _gaps(runs),
        "submitters": {submitter.name: _told(answer) for submitter, answer in zip(submitters, answers, strict=True)},
        **(_shares(runs, answers, submitters) if len(submitters) > 1 else {}),
    }


def prepare() -> None:
    """Allow many open files and silence the log, in every process of the simulation."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    logging.disable(logging.CRITICAL)
    dask.config.set(SETTINGS)


def windows(workers: int, chunks: int, renders: int) -> dict[str, dict[str, float]]:
    """Compute the share of time in which workers are busy, by window and by seconds of planning. It does not simulate."""
    sizes = sorted({math.ceil(factor * workers / chunks) for factor in (1.5, 2, 2.5, 3, 4)} | {window(workers, chunks)})
    return {
        f"window {size}": {
            f"planning {planning} s": round(_busy(workers, chunks, renders, size, planning), 3)
            for planning in (0, 3, 10)
        }
        for size in sizes
    }


def _busy(workers: int, chunks: int, renders: int, size: int, planning: float) -> float:
    """Without a computer in the way: events are ends of planning (no chunk) and of chunks, the first render goes first."""
    numbers = iter(range(renders))
    events: list[tuple[float, int, int]] = [(planning, number, -1) for number in itertools.islice(numbers, size)]
    waiting: list[tuple[int, int]] = []
    missing: dict[int, int] = {}
    spans: list[tuple[float, float]] = []
    free, now = workers, 0.0
    while events:
        now, render, chunk = heapq.heappop(events)
        if chunk < 0:
            missing[render] = chunks
            for index in range(chunks):
                heapq.heappush(waiting, (render, index))
        else:
            free, missing[render] = free + 1, missing[render] - 1
            if not missing[render] and (following := next(numbers, None)) is not None:
                heapq.heappush(events, (now + planning, following, -1))
        while free and waiting:
            free, (first, index) = free - 1, heapq.heappop(waiting)
            spans.append((now, now + realistic_seconds(f"A/{first:05d}", index)))
            heapq.heappush(events, (spans[-1][1], first, index))
    since, until = 0.2 * now, 0.8 * now
    return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in spans) / (until - since) / workers


class Role:
    """A separate process, with a pipe to it."""

    def __init__(self, target: Any, *args: Any) -> None:
        self.pipe, there = _spawn.Pipe()
        self.process = _spawn.Process(target=target, args=(there, *args), daemon=True)
        self.process.start()
        there.close()
        self._seen = psutil.Process(self.process.pid)

    def __enter__(self) -> Role:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.join(0 if error[0] else 20)
        if self.process.is_alive():
            self.process.kill()

    def hear(self) -> Any:
        return self.pipe.recv()

    def cpu(self) -> float:
        return sum(self._seen.cpu_times()[:2])

    def memory(self) -> int:
        return int(self._seen.memory_info().rss)

    def share_of_a_core(self, seconds: float) -> float:
        before = self.cpu()
        time.sleep(seconds)
        return (self.cpu() - before) / seconds


def _scheduler(pipe: Connection) -> None:
    from distributed import Scheduler

    prepare()

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            pipe.send(scheduler.address)
            while await asyncio.to_thread(pipe.recv) == "state":
                topics = scheduler._broker._topics
                await asyncio.sleep(1)  # what it still forgets
                pipe.send(
                    {
                        "memory": _mb(psutil.Process().memory_info().rss),
                        "topics": len(topics),
                        "events published": sum(topic.count for topic in topics.values()),
                        "events kept": sum(len(topic.events) for topic in topics.values()),
                        "spans": len(scheduler.extensions["spans"].spans),
                        "tasks": len(scheduler.tasks),
                    }
                )

    asyncio.run(serve())


async def serve_workers(pipe: Connection, address: str, count: int, scratch: str) -> None:
    """Run workers, each with a thread, on one loop until the pipe says something."""
    from distributed import Worker

    workers: list[Worker] = []
    for first in range(0, count, 20):
        more = [Worker(address, nthreads=1, local_directory=scratch, dashboard=False) for _ in range(20)]
        workers += more[: count - first]
        await asyncio.gather(*workers[first:])
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    await asyncio.gather(*(worker.close(nanny=False) for worker in workers))


def _workers(pipe: Connection, address: str, count: int, compress: float, scratch: str) -> None:
    """All workers on one loop; each chunk's times go to the pipe at the end."""
    import hfdask.cluster.client_state

    prepare()
    runs: list[tuple[str, int, str, float, float]] = []
    install(
        sleep_instead_of_rendering(
            lambda video, index: realistic_seconds(video, index) / compress, lambda *run: runs.append(run)
        )
    )
    hfdask.cluster.client_state.environment_differences = lambda planned: {}

    asyncio.run(serve_workers(pipe, address, count, scratch))
    pipe.send(runs)


def _submit(pipe: Connection, address: str, who: Submitter, compress: float) -> None:
    """One user's process: as many threads as there may be renders under way, as the driver has."""
    from distributed import Client

    from hfdask.cluster import chunk_run as chunks
    from hfdask.cluster.tasks import event_seconds

    prepare()
    chunks.event_seconds = lambda slots: event_seconds(slots) / compress
    videos: list[dict[str, Any]] = []
    turn, numbers = threading.Lock(), iter(range(who.renders))

    def renders(client: Client) -> None:
        while True:
            with turn:
                number = next(numbers, None)
                if number is None:
                    return
                plan = sleeping_plan(f"{who.name}/{number:05d}", who.chunks)
                video: dict[str, Any] = {"number": number, "submitted": time.time(), "order": []}
                videos.append(video)
            run = chunks.ChunkRun(client, plan, plan.chunks_url, name=plan.url, retries=2)
            for result in run.results(range(who.chunks)):
                video["order"].append(result.index)
                video.setdefault("first", time.time())
            video["finished"] = time.time()

    with Client(address, set_as_default=False) as client:
        client.scheduler_info()
        time.sleep(who.delay)
        process = psutil.Process()
        cpu, memory, began = sum(process.cpu_times()[:2]), process.memory_info().rss, time.time()
        threads = [threading.Thread(target=renders, args=(client,)) for _ in range(who.window)]
        for thread in threads:
            thread.start()
        most = threading.active_count()
        for thread in threads:
            thread.join()
        pipe.send(
            {
                "began": began,
                "ended": time.time(),
                "cpu": sum(process.cpu_times()[:2]) - cpu,
                "threads": most,
                "memory": [
                    memory,
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    process.memory_info().rss,
                ],
                "handlers": len(client._event_handlers),
                "videos": videos,
            }
        )


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    videos = answer["videos"]
    chunks = sum(len(video["order"]) for video in videos)
    ends = [video["finished"] for video in sorted(videos, key=lambda video: video["number"])]
    spans = [video["finished"] - video["first"] for video in videos]
    return {
        "wall s": round(answer["ended"] - answer["began"], 1),
        "CPU ms a chunk": round(answer["cpu"] / chunks * 1000, 2),
        "CPU ms a render": round(answer["cpu"] / len(videos) * 1000, 1),
        "threads": answer["threads"],
        "memory MB: start, peak, end": [_mb(size) for size in answer["memory"]],
        "event handlers left": answer["handlers"],
        "submit all s": round(max(v["submitted"] for v in videos) - answer["began"], 2),
        "first video after s": round(min(ends) - answer["began"], 2),
        "order": {
            "rank correlation of submitted and finished": round(_rank_correlation(ends), 4),
            "pairs the wrong way round": round(_inversions(ends), 4),
            "first to last chunk of a video s": [round(median(spans), 2), round(max(spans), 2)],
            "chunks in order within a video": round(mean(_rank_correlation(_places(v["order"])) for v in videos), 3),
        },
    }


def _places(order: list[int]) -> list[float]:
    return [float(order.index(index)) for index in sorted(order)]


def _ranks(values: list[float]) -> list[int]:
    ranks = [0] * len(values)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        ranks[place] = rank
    return ranks


def _rank_correlation(values: list[float]) -> float:
    """Spearman's, of the values with their places."""
    n = len(values)
    if n < 2:
        return 1.0
    return 1 - 6 * sum((place - rank) ** 2 for place, rank in enumerate(_ranks(values))) / (n * (n * n - 1))


def _inversions(values: list[float]) -> float:
    """Share of all pairs of which the later finished first."""
    pairs = len(values) * (len(values) - 1) / 2
    return sum(a > b for a, b in itertools.combinations(values, 2)) / pairs if pairs else 0.0


def _gaps(runs: list[tuple[str, int, str, float, float]]) -> dict[str, float]:
    """Return how long workers waited between two chunks, while there were chunks for all of them."""
    last = max(begin for *_, begin, _ in runs)
    by_worker: dict[str, list[tuple[float, float]]] = {}
    for _, _, worker, begin, end in sorted(runs, key=lambda run: run[3]):
        by_worker.setdefault(worker, []).append((begin, end))
    gaps = sorted(
        (after[0] - before[1]) * 1000
        for spans in by_worker.values()
        for before, after in itertools.pairwise(spans)
        if after[0] < last - 1
    )
    return {
        name: round(gaps[int(part * (len(gaps) - 1))], 1)
        for name, part in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def _shares(runs: list[Any], answers: list[dict[str, Any]], submitters: list[Submitter]) -> dict[str, Any]:
    """Of the workers' busy time while both had chunks, how much each got, in tenths of that time."""
    begin, end = max(a["began"] for a in answers), min(a["ended"] for a in answers)
    tenth = (end - begin) / 10
    shares = []
    for number in range(10):
        left, right = begin + number * tenth, begin + (number + 1) * tenth
        busy = dict.fromkeys((who.name for who in submitters), 0.0)
        for video, _, _, since, until in runs:
            busy[video.split("/")[0]] += max(0.0, min(until, right) - max(since, left))
        shares.append(round(busy[submitters[1].name] / (sum(busy.values()) or 1.0), 2))
    return {"share of the second, by tenths of the time that both had chunks": shares}


def _mb(size: float) -> int:
    return round(size / 1e6)


if __name__ == "__main__":
    sys.exit(main())
