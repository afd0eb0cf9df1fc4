"""Chaos: whole renders, in which a process is killed, stopped or terminated at a random moment.

    python tests/faults/chaos.py --rounds 200 --seed 1
    python tests/faults/chaos.py --conditions [--chaos]

A scheduler and two workers with nannies run as separate processes. Each round a command line renders a small composition
on them, and a fault happens to one of all processes. If the command ends with an error that says so, or was the victim
itself, the missing processes are started, and the same command must succeed. The video must have the same bytes as without
faults, every command must end in time, with a typed error at most, and nothing may be left.

With ``--conditions`` each round is one of `conditions.CONDITIONS` instead: a full disk, a store that lies, and so on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import commands
import psutil
from aftermath import below, is_browser, isolate, left_in, left_on_machine, running, said, until
from commands import end_of, start_command
from rounds import Round, table
from victims import FAULTS, TARGETS, Cluster, Strike

PAGE = """<!doctype html><html><body>
<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="4" data-no-timeline>
<div class="clip" data-start="0" style="width:40px;height:40px;background:#36c;animation:go 4s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) rotate(90deg) } }</style>
<script>addEventListener('hf-seek', e => e.detail.waitUntil(new Promise(done => setTimeout(done, 40))))</script></div>
</body></html>"""


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
            this.wrong.append(f"command {attempt + 1}: {end.how}: {end.said[-6000:]}")
        strike.settle()
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
    """List what a round has left: its files, processes without an owner, and more browsers than a worker keeps warm."""

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


def play_rounds(rounds: int, seed: int, first: int, targets: list[str], faults: list[str], folder: Path) -> list[Round]:
    """Play seeded rounds on one cluster, whose dead processes are started again."""
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
            usual = min([usual, *(end.seconds for end in this.commands if end.how == "ok")])
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
    """List the machine's shared memory, without semaphores: Dask's nannies have them, and leave them if they are killed."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.")}


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
    parser.add_argument("--limit", type=float, default=commands.limit, help="seconds that a command may take")
    parser.add_argument("--conditions", action="store_true", help="renders under conditions instead")
    parser.add_argument("--chaos", action="store_true", help="with --conditions: something happens to a process, too")
    parser.add_argument("--only", action="append", help="with --conditions: only those whose name contains this")
    options = parser.parse_args()
    commands.limit = options.limit
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
    sys.exit(main())
