"""Compare all workers of a cluster: what each would render with, and how they differ."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Worker
from msgspec import Struct, field

from hfdask.browser import browser_thread
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.scheduler import ask, worker_addresses
from hfdask.cluster.tasks import memory_share
from hfdask.diagnostics.doctor import Diagnosis, diagnose

DECISIVE = ("hfdask", "browser version", "av", "ffmpeg", "capture", "platform")
"""Facts that must be equal everywhere: a plan is locked to them."""

INDIVIDUAL = ("disk", "cache", "pictures of videos")
"""Facts that may differ."""

RECOMMENDED = Path(str(files("hfdask.cluster") / "dask.yaml"))
"""The recommended configuration, with reasons."""

_PROFILE = "distributed.worker.profile.enabled"
_DURATION = "distributed.scheduler.default-task-durations.render_chunk"


class FleetReport(Struct):
    """Diagnoses by worker address; ``differing`` lists the facts that differ, ``advice`` is about the cluster."""

    workers: dict[str, Diagnosis] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-safe form."""
        return {
            "workers": {worker: found.as_dict() for worker, found in self.workers.items()},
            "differing": self.differing,
            "problems": self.problems,
            "advice": self.advice,
            "ok": not self.problems,
        }


def survey(client: Client) -> FleetReport:
    """Diagnose every worker at once; each starts its browser.

    Raises
    ------
    SchedulerLostError, WorkerLostError
    """
    answers, stopped = connection_of(client).ask_workers(_diagnose, workers=worker_addresses(client))
    report = FleetReport(workers=dict(sorted(answers.items())))
    report.problems += [f"{worker}: has stopped: no answers and no heartbeats" for worker in sorted(stopped)]
    if not report.workers:
        report.problems.append("the cluster has no worker that answers")
        return report
    names = list(dict.fromkeys(name for found in report.workers.values() for name in found.facts))
    values = {name: {found.facts.get(name) for found in report.workers.values()} for name in names}
    report.differing = [name for name in names if name not in INDIVIDUAL and len(values[name]) > 1]
    for worker, found in report.workers.items():
        report.problems += [f"{worker}: {text}" for text in found.problems]
    report.problems += [
        f"workers differ in {name}: a plan is locked to one of them, and the other workers get no chunks; use one image"
        for name in report.differing
        if name in DECISIVE
    ]
    report.advice = _advice(client, set(report.workers))
    return report


def _advice(client: Client, workers: set[str]) -> list[str]:
    advice = []
    threads = max(ask(client, client.nthreads).values(), default=1)
    if threads > 1:
        advice.append(
            f"workers have up to {threads} threads: give each process one (--nthreads 1), so that a crash costs one chunk"
        )
    wanted = dict(recommended())
    of_scheduler = {name: value for name, value in wanted.items() if name.startswith("distributed.scheduler.")}
    of_workers = {name: value for name, value in wanted.items() if name not in of_scheduler}
    differing = {("the scheduler", *each) for each in ask(client, client.run_on_scheduler, _other, of_scheduler)}
    for found in connection_of(client).ask_workers(_other, of_workers, workers=workers)[0].values():
        differing |= {("workers", *each) for each in found}
    advice += [f"{name} is {there} on {who}; recommended is {wanted[name]}" for who, name, there in sorted(differing)]
    if differing:
        advice.append(f"{RECOMMENDED} explains these settings: copy it to /etc/dask on the scheduler and the workers")
    return advice


def recommended() -> Iterator[tuple[str, Any]]:
    """Yield the settings of the recommended configuration with their dotted names."""
    for settings in dask.config.collect_yaml([str(RECOMMENDED)]):
        yield from _flat(settings, "")


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _other(wanted: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings of this process that differ from the wanted ones, with their values."""
    here = {name: dask.config.get(name, None) for name in wanted}
    if sys.version_info >= (3, 13):
        here.pop(_PROFILE, None)
    if here.get(_DURATION) is not None:
        del here[_DURATION]  # the user has set a duration already
    return [(name, str(value)) for name, value in here.items() if value != wanted[name]]


async def _diagnose(dask_worker: Worker) -> Diagnosis:
    browser_thread().pool.share = memory_share(dask_worker)
    return await asyncio.to_thread(diagnose)
