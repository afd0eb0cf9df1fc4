"""A scheduler, workers, and the processes of their browsers, of which one is hit at a random moment."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from aftermath import below, is_browser, said, until
from cluster_processes import Processes
from commands import kill_tree
from distributed import Client
from rounds import Round


def _typed_process(kind: str) -> Callable[[psutil.Process], bool]:
    return lambda process: kind in said(process)


BROWSER_PROCESSES: dict[str, Callable[[psutil.Process], bool]] = {
    "browser": is_browser,
    "zygote": _typed_process("--type=zygote"),
    "renderer": _typed_process("--type=renderer"),
    "gpu process": _typed_process("--type=gpu-process"),
    "network service": _typed_process("network.mojom.NetworkService"),
    "driver": _typed_process("run-driver"),
}
TARGETS = [*BROWSER_PROCESSES, "worker", "nanny", "machine", "scheduler", "client"]
FAULTS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "freeze": signal.SIGSTOP, "terminate": signal.SIGTERM}
"""What ``stop`` stops goes on after a while, what ``freeze`` stops does not."""


class Cluster:
    """A scheduler and two nannies with a worker each; what is missing is started again."""

    def __init__(self, folder: Path) -> None:
        self.processes = Processes(folder)
        self.scheduler: subprocess.Popen[str] | None = None
        self.nannies: list[subprocess.Popen[str]] = []

    def heal(self) -> None:
        """Let all be there and answer; what was hit may take a moment to end."""
        for _ in range(9):
            try:
                return self._heal()
            except OSError:
                time.sleep(1)
        return self._heal()

    def _heal(self) -> None:
        if self.scheduler is None or self.scheduler.poll() is not None:
            self._end_nannies()  # nannies of a scheduler that is gone
            self.scheduler = self.processes.scheduler()
        self.nannies = [nanny for nanny in self.nannies if nanny.poll() is None]
        self.nannies += [self.processes.worker() for _ in range(2 - len(self.nannies))]
        with Client(self.processes.address, set_as_default=False, timeout=30) as client:
            client.wait_for_workers(2, timeout=60)

    def _end_nannies(self) -> None:
        for nanny in self.nannies:
            if nanny.poll() is None:
                nanny.terminate()
        until(lambda: all(nanny.poll() is not None for nanny in self.nannies), 15)
        for nanny in self.nannies:
            if nanny.poll() is None:
                kill_tree(nanny.pid)
                nanny.wait()
        self.nannies = []

    def workers(self) -> list[psutil.Process]:
        found = []
        for nanny in self.nannies:
            with suppress(ValueError, psutil.Error):
                found.append(self.processes.below_nanny(nanny))
        return found

    def close(self) -> None:
        """End everything, in the order in which it depends on each other."""
        self._end_nannies()
        if self.scheduler is not None and self.scheduler.poll() is None:
            self.scheduler.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.scheduler.wait(10)
            kill_tree(self.scheduler.pid)
        for process in self.processes.all:
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.scheduler, self.processes.all = None, []


def victims(
    target: str, cluster: Cluster | None, client: subprocess.Popen[bytes], chance: random.Random
) -> list[psutil.Process]:
    """Return the target process, or all of a machine's; empty if there is none now."""
    with suppress(psutil.Error, ValueError):  # a process that has just ended
        if target == "client":
            return [psutil.Process(client.pid)] if client.poll() is None else []
        if target in BROWSER_PROCESSES:
            roots = [client.pid, *(worker.pid for worker in cluster.workers())] if cluster else [client.pid]
            found = [
                each
                for each in below(*(pid for pid in roots if psutil.pid_exists(pid)))
                if BROWSER_PROCESSES[target](each)
            ]
            return [chance.choice(found)] if found else []
        assert cluster is not None
        if target == "scheduler":
            assert cluster.scheduler is not None
            return [psutil.Process(cluster.scheduler.pid)]
        nanny = chance.choice(cluster.nannies)
        if target == "worker":
            return [cluster.processes.below_nanny(nanny)]
        return [psutil.Process(nanny.pid), *(below(nanny.pid) if target == "machine" else ())]
    return []


class Strike:
    """One fault, at its moment; what was stopped is let go or killed at the end of the round."""

    def __init__(self, this: Round, target: str, chance: random.Random, usual: float) -> None:
        self.round, self.target, self.chance = this, target, chance
        self.at = chance.uniform(0, usual)
        self.pause = chance.uniform(2, 20)
        self.stopped: list[psutil.Process] = []
        self._ending: list[psutil.Process] = []
        self._go_on = 0.0

    def tick(self, cluster: Cluster | None, client: subprocess.Popen[bytes], now: float) -> None:
        """To be called often; ``now`` are the seconds since the command began."""
        if not self.round.hit and now >= self.at:
            hit = victims(self.target, cluster, client, self.chance)
            for process in hit:
                with suppress(psutil.Error):
                    process.send_signal(FAULTS[self.round.fault])
            if hit:
                self.round.hit, self.round.moment = True, now
                self.stopped = hit if self.round.fault in ("stop", "freeze") else []
                self._ending = hit if self.round.fault != "stop" else []
                self._go_on = now + self.pause
        if self.stopped and now >= self._go_on and (self.round.fault == "stop" or self.target == "client"):
            self.release()

    def release(self) -> None:
        """Continue stopped processes, and kill processes that were stopped for good."""
        for process in self.stopped:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT if self.round.fault == "stop" else signal.SIGKILL)
        self.stopped = []

    def settle(self) -> None:
        """Let go on what was stopped, and wait until what was killed has ended: a nanny that ends slowly has lost its worker."""
        self.release()
        psutil.wait_procs(self._ending, 20)
