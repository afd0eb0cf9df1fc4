"""Conditions under which a render must end right, or with a typed error, in bounded time, and leave nothing.

Each round renders once under a condition, and after an error once more without it: then the video must exist. The rounds are
like `chaos`'s, on a cluster embedded in the command's own process.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos import PAGE, digest, in_quiet, leftovers
from commands import MAIN, end_of, start_command
from jumping_clock import YEAR, Offset
from rounds import Round
from victims import BROWSER_PROCESSES, FAULTS, Strike

SUPPORT = Path(__file__).parents[1] / "support"


@dataclass
class Scene:
    """The folders of a round; ``disk`` is full and has some kilobytes, and ``plan`` is a folder that the command keeps."""

    place: Path
    command: subprocess.Popen[bytes] | None = None
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def disk(self) -> Path:
        return self.place / "disk"

    @property
    def plan(self) -> Path:
        return self.place / "plan"

    @property
    def output(self) -> Path:
        return self.place / "out.mp4"

    @property
    def clock(self) -> Path:
        return self.place / "clock"


@dataclass
class Condition:
    """A condition: in the command's process, around it, and at a random moment while it runs.

    Attributes
    ----------
    name : str
    prelude : str
        Python that runs before the command, and may name fields of the scene.
    wrap : list of str
        A command that runs the command.
    env, options : callable
        Given the scene.
    blow : callable, optional
        What happens to the scene at a moment.
    output : callable
        Returns the URL of the video.
    mute : bool
        True if it may end with a status alone, because its output is not read.
    """

    name: str
    prelude: str = ""
    wrap: list[str] = field(default_factory=list)
    env: Callable[[Scene], dict[str, str]] = lambda scene: {}
    options: Callable[[Scene], list[str]] = lambda scene: []
    blow: Callable[[Scene], object] | None = None
    output: Callable[[Scene], Path] = lambda scene: scene.output
    mute: bool = False


def faulty(fault: str, times: str = "1", methods: str = "(faulty_store.READS, faulty_store.WRITES)") -> str:
    """Return code for a memory store with a fault that hits each file ``times`` times, in reading and in writing."""
    return f"""
import errno, sys, time
sys.path.insert(0, {str(SUPPORT)!r})
import faulty_store
from faulty_store import FOR_EVER, FaultyFileSystem, raising
from hfdask.store import calls
calls.FIRST_WAIT = calls.LONGEST_WAIT = 0.05
FaultyFileSystem.befall({fault}, {times}, "")
FaultyFileSystem.methods = {methods}
"""


def in_faulty_store(scene: Scene) -> list[str]:
    return ["--plan-dir", "faulty://plan"]


def keeping(scene: Scene) -> list[str]:
    return ["--plan-dir", str(scene.plan)]


def change_an_object(scene: Scene) -> None:
    files = [path for path in scene.plan.rglob("*") if path.is_file() and path.parent.name != "chunks"]
    if files:
        path = max(files, key=lambda path: path.stat().st_size)
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :])


def another_driver(scene: Scene) -> None:
    log = scene.place.parent / f"{scene.place.name}-other"
    source = scene.place.parent / "project"
    scene.others.append(start_command(source, scene.place / "other.mp4", *keeping(scene), log=log))


def step_the_clock(scene: Scene) -> None:
    offset = Offset.__new__(Offset)
    offset.path = scene.clock
    for seconds in (YEAR, -YEAR, 0.0):
        offset.set(seconds)
        time.sleep(1)


def hang_up(scene: Scene) -> None:
    assert scene.command is not None
    scene.command.send_signal(signal.SIGHUP)


def mounted(what: str, where: str) -> list[str]:
    """A mount that only the command sees."""
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o {what} none {where} && exec "$@"', "sh"]


CONDITIONS = [
    Condition("full scratch", env=lambda scene: {"TMPDIR": str(scene.disk)}),
    Condition("full cache", env=lambda scene: {"HFDASK_CACHE": str(scene.disk / "cache")}),
    Condition("full output", output=lambda scene: scene.disk / "out.mp4"),
    Condition("full plan", options=lambda scene: ["--plan-dir", str(scene.disk / "plan")]),
    Condition("slow store", faulty("lambda: time.sleep(0.2)", "FOR_EVER"), options=in_faulty_store),
    Condition("flaky store", faulty("raising(OSError(errno.EIO, 'flaky'))", "2"), options=in_faulty_store),
    Condition("dead store", faulty("raising(OSError(errno.EIO, 'dead'))", "FOR_EVER"), options=in_faulty_store),
    Condition("truncating store", faulty("'truncates'"), options=in_faulty_store),
    Condition("lying store", faulty("'lies'"), options=in_faulty_store),
    Condition("store that always lies", faulty("'lies'", "FOR_EVER", "('get',)"), options=in_faulty_store),
    Condition("changed object", options=keeping, blow=change_an_object),
    Condition("deleted plan", options=keeping, blow=lambda scene: shutil.rmtree(scene.plan, ignore_errors=True)),
    Condition("two drivers", options=keeping, blow=another_driver),
    Condition(
        "clock steps",
        f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); from pathlib import Path; import jumping_clock; "
        "jumping_clock.put_clock(Path('{clock}'))\n",
        blow=step_the_clock,
    ),
    Condition("64 files", wrap=["prlimit", "--nofile=64"]),
    Condition("no /dev/shm", wrap=mounted("ro,size=4k", "/dev/shm")),
    Condition("little memory", env=lambda scene: {"HFDASK_BROWSER_BYTES": "60000000"}),
    Condition("read-only HOME", wrap=mounted("ro,size=4k", "/mnt"), env=lambda scene: {"HOME": "/mnt"}),
    Condition("closed stdin and stdout", wrap=["sh", "-c", 'exec "$@" <&- >&-', "sh"]),
    Condition("head", wrap=["bash", "-o", "pipefail", "-c", '"$@" | head -0', "bash"], mute=True),
    Condition("hang up", blow=hang_up),
]


@contextmanager
def scene_of(condition: Condition, place: Path) -> Iterator[Scene]:
    """A scene, whose full disk there is for as long as the block runs."""
    scene = Scene(place)
    scene.disk.mkdir(parents=True)
    Offset(scene.clock)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "none", str(scene.disk)], check=True)
    try:
        yield scene
    finally:
        subprocess.run(["umount", "-l", str(scene.disk)], check=True)
        scene.disk.rmdir()


def play(
    this: Round, condition: Condition, target: str, folder: Path, quiet: str, usual: float, chance: random.Random
) -> Round:
    """A round under a condition, and if it ended with an error, the same without, after what the error says to do."""
    source, place = folder / "project", folder / f"round{this.number}"
    log = folder / f"command{this.number}"
    with scene_of(condition, place) as scene:
        began, blow_at = time.monotonic(), chance.uniform(0, usual)
        code = condition.prelude.replace("{clock}", str(scene.clock)) + MAIN
        command = scene.command = start_command(
            source,
            condition.output(scene),
            *condition.options(scene),
            log=log,
            code=code,
            wrap=condition.wrap,
            env=condition.env(scene),
        )
        strike, blows = Strike(this, target, chance, usual), [condition.blow] if condition.blow else []

        def tick(now: float) -> None:
            if blows and now >= blow_at:
                blows.pop()(scene)
            if this.fault in FAULTS:
                strike.tick(None, command, now)

        end = end_of(command, began, log, tick)
        strike.settle()
        this.commands.append(end)
        for number, other in enumerate(scene.others):
            ended = end_of(other, began, folder / f"round{this.number}-other")
            if ended.how != "ok":
                this.wrong.append(f"driver {number + 2}: {ended.how}: {ended.said[-500:]}")
        if end.how in ("HANGS", "UNTYPED") or (end.how == "mute" and not condition.mute):
            this.wrong.append(f"{end.how}: {end.said[-1500:]}")
        found = digest(condition.output(scene))
        if end.how == "ok" and found != quiet:
            this.wrong.append("the video is another one")
    if end.how != "ok":
        if "delete the plan's folder and plan again" in end.said:
            shutil.rmtree(scene.plan)
        again = time.monotonic()
        kept = keeping(scene) if condition.options(scene) == keeping(scene) else []
        second = end_of(start_command(source, scene.output, *kept, log=log), again, log)
        this.commands.append(second)
        if second.how != "ok":
            this.wrong.append(f"and then {second.how}: {second.said[-1000:]}")
        found = digest(scene.output)
    this.equal = found == quiet
    with suppress(FileNotFoundError):
        shutil.rmtree(scene.plan)
    this.left = leftovers(place, None, {"out.mp4", "other.mp4", "clock"})
    return this


def play_all(folder: Path, seed: int, with_chaos: bool, only: list[str]) -> list[Round]:
    """A round for each condition whose name contains one of these."""
    source = folder / "project"
    source.mkdir(parents=True)
    (source / "index.html").write_text(PAGE)
    quiet, usual = in_quiet(None, folder, source)
    done = []
    for number, condition in enumerate(CONDITIONS):
        if not any(text in condition.name for text in only):
            continue
        chance = random.Random(f"{seed}/{number}")
        fault, target = (
            (chance.choice(list(FAULTS)), chance.choice(list(BROWSER_PROCESSES))) if with_chaos else ("no", "")
        )
        this = Round(number, f"{condition.name}, {target}" if target else condition.name, fault)
        done.append(play(this, condition, target, folder, quiet, usual, chance))
        print(this, flush=True)
    return done
