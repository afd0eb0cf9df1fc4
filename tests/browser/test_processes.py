"""The processes of a browser: found without a look at all others of the machine, and none is forgotten."""

from __future__ import annotations

import asyncio
import subprocess
import time

import psutil

from hfdask.browser.processes import Processes

TREE = "sleep 60 & sh -c 'sleep 60 & sleep 60 & wait' & wait"


def test_all_descendants_are_found_and_killed():
    async def found() -> tuple[set[psutil.Process], set[psutil.Process]]:
        processes = Processes(shell.pid)
        seen, all_of_them = set(processes.all()), {processes.main, *processes.main.children(recursive=True)}
        processes.kill()
        processes.close()
        return seen, all_of_them

    with subprocess.Popen(["sh", "-c", TREE]) as shell:
        until = time.monotonic() + 10
        while len(psutil.Process(shell.pid).children(recursive=True)) < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        seen, all_of_them = asyncio.run(found())
    assert len(seen) == 5
    assert seen == all_of_them
    psutil.wait_procs(seen, timeout=10)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in seen)
