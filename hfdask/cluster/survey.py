"""All workers of a cluster side by side: what each would render with, and where they differ."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

import dask
from distributed import Client

from hfdask.doctor import Diagnosis, diagnose

DECISIVE = ("hfdask", "browser version", "av", "ffmpeg", "capture", "platform")
"""Facts that must be equal everywhere: a plan is locked to them."""

SATURATION = "distributed.scheduler.worker-saturation"
PROFILE = "distributed.worker.profile.enabled"


@dataclass
class Survey:
    """Diagnoses by worker address; ``differing`` are the facts that are not the same on all, ``advice`` is about the cluster."""

    workers: dict[str, Diagnosis] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "workers": {worker: found.as_dict() for worker, found in self.workers.items()},
            "differing": self.differing,
            "problems": self.problems,
            "advice": self.advice,
            "ok": not self.problems,
        }


def survey(client: Client) -> Survey:
    """Diagnose every worker at once; each starts its browser."""
    report = Survey(workers=dict(sorted(client.run(_diagnose, on_error="ignore").items())))
    if not report.workers:
        report.problems.append("the cluster has no worker that answers")
        return report
    names = list(dict.fromkeys(name for found in report.workers.values() for name in found.facts))
    values = {name: {found.facts.get(name) for found in report.workers.values()} for name in names}
    report.differing = [name for name in names if len(values[name]) > 1]
    for worker, found in report.workers.items():
        report.problems += [f"{worker}: {text}" for text in found.problems]
    report.problems += [
        f"workers differ in {name}: plans are locked to one, and the others take no chunk; use one image"
        for name in report.differing
        if name in DECISIVE
    ]
    report.advice = _advice(client)
    return report


def _advice(client: Client) -> list[str]:
    advice = []
    threads = {int(worker["nthreads"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values()}
    if max(threads) > 1:
        advice.append(
            f"workers have up to {max(threads)} threads: give each process one (--nthreads 1), so that a crash costs one chunk"
        )
    saturation = client.run_on_scheduler(_configured, SATURATION)
    if saturation != 1.0:
        advice.append(
            f"{SATURATION} is {saturation}: with 1.0 no chunk waits behind another on a worker while a third is idle"
        )
    if sys.version_info < (3, 13) and any(client.run(_configured, PROFILE, on_error="ignore").values()):
        advice.append(
            f"{PROFILE} is on: on Python before 3.13 the profiler can lock a worker up (CPython issue 106883); turn it off"
        )
    return advice


def _configured(name: str) -> Any:
    return dask.config.get(name)


async def _diagnose() -> Diagnosis:
    return await asyncio.to_thread(diagnose)
