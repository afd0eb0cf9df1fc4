"""The processor cores of this process."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def cores() -> int:
    """Return the number of cores that this process may use: by its affinity, and by the CPU quota of its container.

    The quota is rounded up, as in Dask. (To import `dask.system` would take a quarter of a second of CPU.)
    """
    return min([len(os.sched_getaffinity(0)), *_quotas(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _quotas(own: Path, groups: Path) -> Iterator[int]:
    """Yield the cores that each CPU quota of this process allows.

    ``own`` names its control group, and ``groups`` has the files of all groups: ``cpu.max`` in version 2, in which each group above has a
    quota as well (docs.kernel.org/admin-guide/cgroup-v2.html), and two files in version 1.
    """
    with suppress(OSError):
        path = next((line[3:].strip("/") for line in own.read_text().splitlines() if line.startswith("0::")), "")
        for folder in (groups / path, *(groups / path).parents):
            with suppress(OSError):
                yield from _allowed(*(folder / "cpu.max").read_text().split())
            if folder == groups:
                break
    for name in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        with suppress(OSError):
            quota, period = ((groups / name / f"cpu.cfs_{each}_us").read_text().strip() for each in ("quota", "period"))
            yield from _allowed(quota, period)


def _allowed(quota: str, period: str) -> Iterator[int]:
    """Yield the cores of a quota in microseconds a period, unless there is none: ``max`` or -1."""
    if quota.isdigit() and int(quota):
        yield math.ceil(int(quota) / int(period))
