"""Hundreds of chunks on warm workers: at the end they use the same resources as at the beginning."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pytest
from cluster_processes import in_processes

import hfdask
from hfdask.browser import browser_thread
from hfdask.core.scratch import scratch_folder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROUNDS, CHUNKS = 6, 52

PAGE = """<div id="root" data-composition-id="c" data-width="320" data-height="180" data-duration="4.16" data-no-timeline>
<p class="clip" data-start="0" style="animation:go 4s linear both">some words</p><canvas id="v" width="100" height="100"></canvas>
<style>@keyframes go { to { transform: translateX(100px) } }</style>
<script>addEventListener('hf-seek', (event) => {
  const g = v.getContext('2d'); g.fillStyle = `hsl(${event.detail.time * 90} 80% 50%)`; g.fillRect(0, 0, 100, 100);
});</script></div>"""


@dataclass(frozen=True)
class Holdings:
    """Resources of a worker's idle processes; memory in MB, private to each of them."""

    worker: float
    driver: float
    chromium: float
    processes: int
    files: int
    sockets: int
    threads: int
    contexts: int
    scratch: int
    profiles: int


def holdings() -> Holdings:
    """Of the process that this runs in: a worker's."""
    me = psutil.Process()
    tree = me.children(recursive=True)
    drivers = [each for each in tree if each.name().startswith("node")]
    browsers = [each for each in tree if each not in drivers]
    return Holdings(
        worker=private(me),
        driver=sum(map(private, drivers)),
        chromium=sum(map(private, browsers)),
        processes=len(tree),
        files=sum(each.num_fds() for each in (me, *drivers)),
        sockets=len(me.net_connections("all")),
        threads=me.num_threads(),
        contexts=sum(len(each.playwright.contexts) for each in browser_thread().pool._launched if each.alive),
        scratch=sum(1 for _ in scratch_folder().rglob("*")),
        profiles=len(list(Path(tempfile.gettempdir()).glob("playwright_*"))),
    )


def private(process: psutil.Process) -> float:
    memory = process.memory_info()
    return float(memory.rss - memory.shared) / 1e6


def test_three_hundred_chunks_leave_two_workers_as_they_were(project, tmp_path, monkeypatch):
    folder = tmp_path / "tmp"  # of the workers alone
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    source = project(PAGE)
    rounds: list[Mapping[str, Holdings]] = []
    with in_processes() as client:
        digests = set()
        for number in range(ROUNDS):
            video = hfdask.render(source, tmp_path / f"{number}.mp4", client=client, fps=25, chunk_size=2)
            assert len(video.chunks) == CHUNKS
            assert not any(chunk.reused or chunk.attempt for chunk in video.chunks)
            digests.add(video.digest)
            rounds.append(client.run(holdings))
            show(number, rounds[-1])
        assert len(digests) == 1
        tree = [psutil.Process(pid) for pid in client.run(os.getpid).values()]
        tree += [child for each in tree for child in each.children(recursive=True)]
    _, alive = psutil.wait_procs(tree, timeout=10)
    assert not alive
    for worker in rounds[0]:
        # A browser may just have been replaced at the end of a round, so the most of a half counts.
        early, late = most(rounds[: ROUNDS // 2], worker), most(rounds[ROUNDS // 2 :], worker)
        # The driver's garbage is collected when node likes: its size goes up and down, to 140 MB also in 1,000 chunks.
        for name, slack in (("worker", 1.1), ("chromium", 1.1), ("driver", 1.5)):
            assert late[name] < slack * early[name] + 5, (name, early, late)
        for name in ("processes", "files", "sockets", "threads", "scratch", "profiles"):
            assert late[name] <= early[name] + 2, (name, early, late)
        assert late["contexts"] == 0


def most(rounds: Sequence[Mapping[str, Holdings]], worker: str) -> dict[str, float]:
    found = [asdict(each[worker]) for each in rounds]
    return {name: max(each[name] for each in found) for name in found[0]}


def show(number: int, found: Mapping[str, Holdings]) -> None:
    for each in found.values():
        print(f"after {(number + 1) * CHUNKS:4d} chunks:", *(f"{k} {v:.0f}" for k, v in asdict(each).items()))
