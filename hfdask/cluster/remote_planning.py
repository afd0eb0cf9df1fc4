"""Planning for drivers without a browser: the driver freezes the project, and a worker probes it.

Hashing needs no browser, so the project's files go from the driver into the plan's store, once. Workers need not see this
machine's disk: they get the files from there, as for any chunk. Other files for them are in `hfdask.cluster.handover`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from distributed import Client

from hfdask.browser.discovery import find_browser
from hfdask.cluster.handover import handed_over
from hfdask.cluster.scheduler import in_process
from hfdask.cluster.tasks import Planned, plan_task
from hfdask.config import RenderConfig
from hfdask.core.observer import Observer, StageClock
from hfdask.errors import BrowserNotFoundError, MissingArtifactError
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.planning.planning import freeze, options_of
from hfdask.project.files import local_project
from hfdask.store import SecretOptions, Snapshot, StorageOptions


def needs_worker(client: Client) -> bool:
    """Return true if this process has no browser, and there are workers in other processes."""
    try:
        find_browser()
    except BrowserNotFoundError:
        return not in_process(client)
    return False


def plan_on_worker(
    run: Callable[..., Planned],
    project: str | os.PathLike[str],
    location: PlanLocation,
    options: Mapping[str, Any],
    *,
    slots: int,
    storage_options: StorageOptions | None,
) -> tuple[Plan, str]:
    """Plan as `hfdask.plan` does, with a task that probes the page; return the plan and the worker's address.

    Parameters
    ----------
    options : mapping
        The caller's options; ``slots`` is the default of ``workers``, 0 for none.
    run : callable
        Runs a task of `hfdask.cluster.tasks` with these arguments; see `hfdask.cluster.single_task`.

    Raises
    ------
    HfdaskError
        The errors of planning, and `MissingArtifactError` if this machine and the worker do not share the folder.
    """
    clock = StageClock(Observer())
    with Snapshot(location.store()) as snapshot, local_project(project, storage_options) as folder:
        given = options_of(folder, options, slots)
        config = RenderConfig.of(given)
        with clock("compile"):
            frozen = freeze(folder, config, snapshot)
            snapshot.publish(frozen.artifacts)
        with handed_over(location, frozen, config.replace_urls) as handover:
            # Prefixes of URLs may hold secrets.
            made = run("plan", plan_task, location, handover, SecretOptions(given))
    try:
        plan = Plan.open(location)
    except MissingArtifactError as error:
        raise MissingArtifactError(
            f"worker {made.worker} has planned to {location.url}, but this machine does not find the plan: "
            "set plan_dir to a folder that all machines share, or to another URL",
            url=location.manifest,
        ) from error
    stages = {**clock.rounded(), **made.stages}
    return replace(with_report(plan, made), stages=stages), made.worker


def with_report(plan: Plan, made: Planned) -> Plan:
    """Add to a plan that was opened what the worker that made it has reported."""
    return replace(plan, stages=made.stages, messages=made.messages, findings=made.findings, split=made.split)
