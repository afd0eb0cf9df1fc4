"""``hfdask render`` as a separate process: how it is started, and how it ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from rounds import Ended

limit = 120.0
"""Seconds in which every command must end."""

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


def start_command(
    source: Path,
    output: Path,
    *options: str,
    log: Path,
    code: str = MAIN,
    wrap: list[str] | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``hfdask render`` in a separate process; its output goes to files beside ``log``."""
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
    """Wait for a command's end, with a ``tick`` now and then; kill it if it takes too long."""
    try:
        while command.poll() is None and time.monotonic() - began < limit:
            tick(time.monotonic() - began)
            time.sleep(0.02)
        command.wait(0)
    except subprocess.TimeoutExpired:
        command.send_signal(signal.SIGABRT)  # Python then prints the stack of each thread
        time.sleep(1)
        kill_tree(command.pid)
        command.wait()
        stacks = log.with_suffix(".err").read_text("utf-8", "replace").partition("\nExtension modules")[0]
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
