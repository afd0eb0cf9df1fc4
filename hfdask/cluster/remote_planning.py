"""Planning on a worker, for drivers without a browser.

Workers need not see this machine's disk, so what planning reads from it is carried to the plan's folder first: the files
of the project, and those that replace URLs. They are removed when the plan is made; the plan has its own copies.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributed import Client

from hfdask.browser.discovery import find_browser
from hfdask.cluster.scheduler import in_process
from hfdask.cluster.tasks import Planned, plan_task
from hfdask.config import is_url
from hfdask.core.places import local_path
from hfdask.errors import BrowserNotFoundError, InvalidConfigError, MissingArtifactError
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.project.files import SKIPPED, Project, files_below, local_project
from hfdask.project.settings import with_project_file
from hfdask.store import SecretOptions, StorageOptions, Store, concurrently


@dataclass(frozen=True)
class Luggage:
    """What a worker is to plan: a project's URL, or none where it is in ``url``, and where in there is what replaces URLs."""

    project: str
    config: dict[str, Any]
    url: str = ""
    replacing: dict[str, str] = field(default_factory=dict)


def needs_worker(client: Client) -> bool:
    """Whether this process has no browser, and there are others."""
    try:
        find_browser()
    except BrowserNotFoundError:
        return not in_process(client)
    return False


def plan_on_worker(
    run: Callable[..., Planned],
    project: str | os.PathLike[str],
    plan: PlanLocation,
    options: Mapping[str, Any],
    *,
    slots: int,
    storage_options: StorageOptions | None,
) -> tuple[Plan, str]:
    """Plan as `hfdask.plan` does, as a task; the second is the worker's address.

    Parameters
    ----------
    options : mapping
        Those that the caller gave; ``slots`` is the default of ``workers``, 0 for none.
    run : callable
        Runs a task of `hfdask.cluster.tasks` with these arguments; see `hfdask.cluster.single_task`.

    Raises
    ------
    HfdaskError
        As of planning; and `MissingArtifactError` where this machine and the worker do not see the same folder.
    """
    secret = SecretOptions(storage_options) if storage_options else None
    plan_url = plan.url
    with _carried(project, plan, options, storage_options) as luggage:
        made = run(
            "plan",
            plan_task,
            luggage.project,
            plan,
            SecretOptions(luggage.config),  # prefixes of URLs may hold secrets
            slots,
            luggage.url,
            SecretOptions(luggage.replacing),
            secret,
        )
    try:
        made_plan = Plan.open(plan)
    except MissingArtifactError as error:
        raise MissingArtifactError(
            f"worker {made.worker} has planned to {plan_url}, but the plan is not there for this machine: "
            "let plan_dir be a folder that all share, or another URL",
            url=plan_url,
        ) from error
    return replace(made_plan, stages=made.stages, messages=made.messages, findings=made.findings), made.worker


@contextmanager
def _carried(
    project: str | os.PathLike[str],
    plan: PlanLocation,
    config: Mapping[str, Any],
    storage_options: StorageOptions | None,
) -> Iterator[Luggage]:
    """A project as workers can read it, for as long as the block runs."""
    files: dict[str, Path] = {}
    found: Project | None = None
    merged = dict(config)
    with ExitStack() as held:
        if Store(project, storage_options).local or os.fspath(project).startswith("memory:"):
            path = held.enter_context(local_project(project, storage_options))
            merged = with_project_file(path, merged)
            found = Project.find(path, merged.get("entry", "index.html"))
            files = {f"project/{name}": file for name, file in found.files()}
            merged["entry"] = found.entry
        replacing = {}
        for number, (prefix, target) in enumerate(merged.get("replace_urls", {}).items()):
            if not is_url(target):
                replacing[prefix] = _place(Path(local_path(target)), number, found, files)
        project_url = "" if found else os.fspath(project)
        if not files:
            yield Luggage(project_url, merged)
            return
        store = plan.child(f"carried-{uuid.uuid4().hex[:12]}").store()
        held.callback(store.delete)
        concurrently(lambda item: store.put(*item), files.items())
        yield Luggage(project_url, merged, store.url, replacing)


def _place(target: Path, number: int, found: Project | None, files: dict[str, Path]) -> str:
    """The name of what replaces a URL among the files that are carried; it is added to them if it is not there."""
    path = target.resolve()
    if not path.exists():
        raise InvalidConfigError(f"replace_urls: {target} does not exist", field="replace_urls")
    if found and path.is_relative_to(found.folder):
        inside = path.relative_to(found.folder).as_posix()
        if inside.partition("/")[0] not in SKIPPED:
            return f"project/{inside}"
    below = {path.name: path} if path.is_file() else {f"{path.name}/{name}": file for name, file in files_below(path)}
    files.update({f"replacing/{number}/{name}": file for name, file in below.items()})
    return f"replacing/{number}/{path.name}"
