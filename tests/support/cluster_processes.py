"""A scheduler, workers and clients as separate processes, to be killed at any time."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from aftermath import below, said
from distributed import Client, LocalCluster

SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"
RENDER = """
    import json, sys, hfdask
    from distributed import Client
    address, source, output, options = sys.argv[1:]
    with Client(address, set_as_default=False, timeout=5) as client:
        try:
            video = hfdask.render(source, output, client=client, **json.loads(options))
            print(json.dumps({"digest": video.digest, "reused": sum(chunk.reused for chunk in video.chunks)}))
        except hfdask.HfdaskError as error:
            print(json.dumps({"code": error.code, "said": str(error)}))
"""


@contextmanager
def in_this_process(threads: int = 2) -> Iterator[Client]:
    """A client of a cluster whose one worker is in this process, so that its tasks can be replaced."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=threads,
            processes=False,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def over_tcp(workers: int = 2) -> Iterator[LocalCluster]:
    """Yield a cluster whose workers are in this process, but are reached like workers on other machines."""
    with (
        dask.config.set({"distributed.scheduler.worker-saturation": 1.0}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address=":0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def in_processes(workers: int = 2, threads: int = 1) -> Iterator[Client]:
    """Yield a client of a cluster whose workers are separate processes, with nannies."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=threads, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def workers_of(client: Client) -> dict[str, Any]:
    """Return what the scheduler knows of each worker, by address.

    `Client.scheduler_info` reads a cache, which another thread replaces every two seconds by one without workers.
    """
    told = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.identity(n_workers=-1)["workers"])
    return dict(told)


class Processes:
    """Started processes; all that still run are killed at the end."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.folder = folder
        self.all: list[subprocess.Popen[str]] = []

    def _start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
        )
        self.all.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[str]:
        """At the same address every time."""
        return self._start(SCHEDULER, "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def worker(self) -> subprocess.Popen[str]:
        """A nanny, with a worker of one thread below it."""
        return self._start(
            WORKER, self.address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "30", "--host", "127.0.0.1"
        )

    def render(self, source: Path, output: Path, **options: Any) -> subprocess.Popen[str]:
        """A client that renders."""
        return self._start(RENDER, self.address, str(source), str(output), json.dumps(options))

    @staticmethod
    def below_nanny(nanny: subprocess.Popen[str]) -> psutil.Process:
        """The process of the nanny's worker."""
        [worker] = [each for each in below(nanny.pid) if "spawn_main" in said(each)]
        return worker

    @staticmethod
    def answer(client: subprocess.Popen[str], seconds: float = 120) -> dict[str, Any]:
        """Return a client's answer at its end."""
        client.wait(seconds)
        assert client.stdout
        answer: dict[str, Any] = json.loads(client.stdout.read())
        return answer

    def kill(self, *processes: subprocess.Popen[str]) -> None:
        """All at once, without a chance to tidy up."""
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            assert process.stdout
            process.stdout.close()
            self.all.remove(process)


@pytest.fixture
def cluster_processes(tmp_path: Path) -> Iterator[Processes]:
    running = Processes(tmp_path)
    yield running
    for process in running.all:
        process.send_signal(signal.SIGCONT)  # it may be stopped
    running.kill(*list(running.all))
