"""Chaos: whole renders, in which a process is killed, stopped or terminated at a random moment.

    python tests/faults/chaos.py --rounds 200 --seed 1
    python tests/faults/chaos.py --conditions [--chaos]

A scheduler and two workers with nannies run as processes of their own; each round a command line renders a small
composition on them, and something happens to one process of all. Where the command ends with an error that says so, or was
the victim itself, what is missing is started, and the same command must succeed. The video must be the same bytes as in
quiet, every command must end in time, with a typed error at most, and nothing may be left.

With ``--conditions`` each round is one of `conditions.CONDITIONS` instead: a full disk, a store that lies, and so on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import psutil
from aftermath import below, is_browser, isolate, left_in, left_on_machine, running, said, until
from cluster_processes import Processes
from distributed import Client

limit = 120.0
"""Seconds in which every command must end."""

PAGE = """<!doctype html><html><body>
<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="4" data-no-timeline>
<div class="clip" data-start="0" style="width:40px;height:40px;background:#36c;animation:go 4s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) rotate(90deg) } }</style>
<script>addEventListener('hf-seek', e => e.detail.waitUntil(new Promise(done => setTimeout(done, 40))))</script></div>
</body></html>"""

OPTIONS = [
    "--fps",
    "10",
    "--chunk-size",
    "5",
    "--frame-timeout",
    "5",
    "--load-timeout",
    "10",
    "--check",
    "off",
    "--json",
]

MAIN = "from hfdask.cli import main; main()"


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


@dataclass
class Ended:
    """How a command ended: ``ok``, the code of a typed error, ``killed``, ``mute`` (a status and no word), ``UNTYPED`` or ``HANGS``."""

    how: str
    seconds: float
    said: str = ""


@dataclass
class Round:
    """What happened in a round, and what was wrong with it."""

    number: int
    target: str
    fault: str
    moment: float = 0.0
    hit: bool = False
    commands: list[Ended] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    equal: bool = False

    @property
    def good(self) -> bool:
        return self.equal and not self.wrong and not self.left

    def __str__(self) -> str:
        ends = ", ".join(f"{end.how} after {end.seconds:.1f} s" for end in self.commands)
        hit = (
            f"{self.fault} {self.target} at {self.moment:.1f} s" if self.hit else f"{self.fault} {self.target}: missed"
        )
        bad = "; ".join([*self.wrong, *(f"left: {each}" for each in self.left)])
        return f"{self.number:4d} {'ok    ' if self.good else 'FAILED'} {hit}: {ends}" + (f": {bad}" if bad else "")


def start_command(
    source: Path,
    output: Path,
    *options: str,
    log: Path,
    code: str = MAIN,
    wrap: list[str] | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """``hfdask render`` in a process of its own; what it says goes to files beside ``log``."""
    with log.with_suffix(".out").open("wb") as out, log.with_suffix(".err").open("wb") as err:
        return subprocess.Popen(
            [
                *(wrap or []),
                sys.executable,
                "-X",
                "faulthandler",
                "-c",
                code,
                "render",
                str(source),
                "-o",
                str(output),
                *OPTIONS,
                *options,
            ],
            stdout=out,
            stderr=err,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def end_of(
    command: subprocess.Popen[bytes], began: float, log: Path, tick: Callable[[float], object] = lambda now: None
) -> Ended:
    """Wait for a command's end, with a ``tick`` now and then; one that takes too long is killed."""
    try:
        while command.poll() is None and time.monotonic() - began < limit:
            tick(time.monotonic() - began)
            time.sleep(0.02)
        command.wait(0)
    except subprocess.TimeoutExpired:
        command.send_signal(signal.SIGABRT)  # at which Python tells where each thread is
        time.sleep(1)
        kill_tree(command.pid)
        command.wait()
        stacks = log.with_suffix(".err").read_text("utf-8", "replace")
        return Ended("HANGS", limit, stacks)
    seconds, text = time.monotonic() - began, log.with_suffix(".err").read_text("utf-8", "replace")
    if command.returncode == 0:
        return Ended("ok", seconds, text)
    if command.returncode < 0:
        return Ended("killed", seconds, text)
    if not text:
        return Ended("mute", seconds)
    code = re.search(r"^([A-Z][A-Z_]+): ", text, re.MULTILINE)
    typed = code and "Traceback" not in text and code[1] not in ("HFDASK_ERROR", "INTERNAL_ERROR")
    return Ended(code[1] if code and typed else "UNTYPED", seconds, text)


def kill_tree(pid: int) -> None:
    """A process and all below it."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                each.kill()


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
            self._end_nannies()  # those of a scheduler that is gone have nobody to work for
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
    """The process that is meant, or all of a machine's; none where there is no such process now."""
    with suppress(psutil.Error, ValueError):  # one that has just ended
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
        self.at = chance.uniform(0, usual * 1.1)
        self.pause = chance.uniform(2, 20)
        self.stopped: list[psutil.Process] = []
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
                self._go_on = now + self.pause
        if self.stopped and now >= self._go_on and (self.round.fault == "stop" or self.target == "client"):
            self.release()

    def release(self) -> None:
        """Let go on what was stopped; what was frozen for ever is killed, as somebody would."""
        for process in self.stopped:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT if self.round.fault == "stop" else signal.SIGKILL)
        self.stopped = []


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def play(
    this: Round,
    cluster: Cluster | None,
    folder: Path,
    source: Path,
    quiet: str,
    usual: float,
    chance: random.Random,
    *options: str,
) -> Round:
    """One round on a cluster that is well."""
    strike = Strike(this, this.target, chance, usual)
    place = folder / f"round{this.number}"
    place.mkdir()
    output = place / "out.mp4"
    where = ["--scheduler", cluster.processes.address] if cluster else []
    for attempt in range(2):
        began = time.monotonic()
        command = start_command(source, output, *where, *options, log=folder / f"command{this.number}-{attempt}")
        tick = partial(strike.tick, cluster, command) if attempt == 0 else lambda now: None
        end = end_of(command, began, folder / f"command{this.number}-{attempt}", tick)
        this.commands.append(end)
        if end.how in ("HANGS", "UNTYPED", "mute"):
            this.wrong.append(f"command {attempt + 1}: {end.how}: {end.said[-1500:]}")
        strike.release()
        if cluster:
            cluster.heal()
        if end.how == "ok":
            break
    else:
        this.wrong.append(f"the second command ended with {this.commands[-1].how}: {this.commands[-1].said[-500:]}")
    this.equal = digest(output) == quiet
    this.left = leftovers(place, cluster, {"out.mp4"})
    return this


def group_of(pid: int) -> int | None:
    """A process's group; None if it has ended."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def leftovers(place: Path, cluster: Cluster | None, expected: set[str]) -> list[str]:
    """What a round has left: files of its own, processes that nobody owns, and more browsers than a worker keeps warm."""

    def processes() -> list[str]:
        owned = {root.pid for root in [cluster.scheduler, *cluster.nannies] if root} if cluster else set()
        kept = [each for pid in owned if psutil.pid_exists(pid) for each in [psutil.Process(pid), *below(pid)]]
        pids = {each.pid for each in kept}
        # A process of a browser whose parent is gone stays in the browser's group.
        groups = {group_of(each.pid) for each in kept if is_browser(each)}
        strays = [each for each in running(below()) if each.pid not in pids and group_of(each.pid) not in groups]
        stray = [f"{each.pid}: {said(each)[:120]}" for each in strays if said(each)]
        for worker in cluster.workers() if cluster else []:
            with suppress(psutil.Error):
                browsers = [each for each in below(worker.pid) if is_browser(each)]
                stray += [f"{len(browsers)} browsers of worker {worker.pid}"] if len(browsers) > 2 else []
        return stray

    def everything() -> list[str]:
        try:
            found = processes()
        except psutil.NoSuchProcess:
            return ["processes that just end"]
        names = {path.name for path in place.iterdir()} - expected
        return [
            *found,
            *(f"{place.name}/{name}" for name in sorted(names)),
            *left_in(place),
            *left_on_machine({"rounds"}),
        ]

    until(lambda: not everything(), 15)
    return everything()


def table(rounds: list[Round]) -> str:
    """The rounds by fault and target, as Markdown."""
    groups: dict[tuple[str, str], list[Round]] = defaultdict(list)
    for each in rounds:
        groups[each.fault, each.target].append(each)
    lines = [
        "| fault | target | rounds | recovered | typed errors | longest s | digest equal | left over |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (fault, target), group in sorted(groups.items()):
        first = [each.commands[0].how for each in group if each.commands]
        codes = sorted({how for how in first if how.isupper()})
        longest = max((end.seconds for each in group for end in each.commands), default=0.0)
        lines.append(
            f"| {fault} | {target} | {len(group)} | {first.count('ok')} | {', '.join(codes) or '-'} | {longest:.0f} | "
            f"{sum(each.equal for each in group)} | {sum(len(each.left) for each in group)} |"
        )
    return "\n".join(lines)


def play_rounds(rounds: int, seed: int, first: int, targets: list[str], faults: list[str], folder: Path) -> list[Round]:
    """Seeded rounds on one cluster, which is started again where it was hit."""
    source = folder / "project"
    source.mkdir(parents=True)
    (source / "index.html").write_text(PAGE)
    cluster, done, before = Cluster(folder), [], shared_memory()
    try:
        cluster.heal()
        quiet, usual = in_quiet(cluster, folder, source)
        for number in range(first, first + rounds):
            chance = random.Random(f"{seed}/{number}")
            this = Round(number, chance.choice(targets), chance.choice(faults))
            done.append(play(this, cluster, folder, source, quiet, usual, chance))
            print(this, flush=True)
    finally:
        cluster.close()
    until(lambda: not [each for each in running(below()) if said(each)], 15)
    left = [f"{each.pid}: {said(each)[:120]}" for each in running(below()) if said(each)]
    left += [
        *left_in(folder),
        *left_on_machine({"rounds"}),
        *(f"shared memory {name}" for name in shared_memory() - before),
    ]
    if left and done:
        done[-1].left += [f"at the end: {each}" for each in left]
        print(done[-1], flush=True)
    return done


def shared_memory() -> set[str]:
    """What is in the machine's shared memory."""
    return set(os.listdir("/dev/shm"))


def in_quiet(cluster: Cluster | None, folder: Path, source: Path) -> tuple[str, float]:
    """Digest of the video, and seconds that it takes when browsers are warm."""
    seconds = 0.0
    for number in range(2):
        began, log = time.monotonic(), folder / f"quiet{number}"
        where = ["--scheduler", cluster.processes.address] if cluster else []
        end = end_of(start_command(source, folder / "quiet.mp4", *where, log=log), began, log)
        assert end.how == "ok", end
        seconds = end.seconds
    return digest(folder / "quiet.mp4"), seconds


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first round, to play one again")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only these")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only these")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that a command may take")
    parser.add_argument("--conditions", action="store_true", help="renders under conditions instead")
    parser.add_argument("--chaos", action="store_true", help="with --conditions: something happens to a process, too")
    parser.add_argument("--only", action="append", help="with --conditions: only those whose name contains this")
    options = parser.parse_args()
    global limit  # noqa: PLW0603 - a setting of this run
    limit = options.limit
    folder = isolate()
    try:
        if options.conditions:
            from conditions import play_all

            rounds = play_all(folder / "rounds", options.seed, options.chaos, options.only or [""])
        else:
            rounds = play_rounds(
                options.rounds,
                options.seed,
                options.first,
                options.target or TARGETS,
                options.fault or list(FAULTS),
                folder / "rounds",
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failed = [each for each in rounds if not each.good]
    print(f"\n{table(rounds)}\n\nseed {options.seed}: {len(rounds)} rounds, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    import chaos  # the module that `conditions` imports, too

    sys.exit(chaos.main())
