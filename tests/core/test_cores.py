"""The number of cores: by affinity, and by the quota of a container in either version of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dask.system import CPU_COUNT

from hfdask.core.cores import _quotas, cores


def test_this_machine_has_as_many_cores_as_for_dask() -> None:
    assert cores() == CPU_COUNT <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("own", "files", "allowed"),
    [
        ("0::/", {}, []),
        ("0::/", {"cpu.max": "max 100000\n"}, []),
        ("0::/", {"cpu.max": "150000 100000\n"}, [2]),
        ("0::/", {"cpu.max": "50000 100000\n"}, [1]),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n", "cpu.max": "max 100000\n"}, [3]),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n"}, [4, 3]),
        ("0::/not/shown/here", {"cpu.max": "200000 100000\n"}, [2]),
        ("0::/../other", {"cpu.max": "200000 100000\n"}, [2]),
        ("1:cpu:/x", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
        ("1:cpu:/x", {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, [3]),
        ("1:cpu:/x", {"cpuacct,cpu/cpu.cfs_quota_us": "50000\n", "cpuacct,cpu/cpu.cfs_period_us": "50000\n"}, [1]),
        (None, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, [2]),
    ],
)
def test_quotas(own: str | None, files: dict[str, str], allowed: list[int], tmp_path: Path) -> None:
    if own is not None:
        (tmp_path / "own").write_text(f"12:pids:/\n{own}\n")
    groups = tmp_path / "groups"
    groups.mkdir()
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    assert list(_quotas(tmp_path / "own", groups)) == allowed
