"""The project of a batch: frozen once, for all rows and all workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
from distributed import Client
from msgspec import Struct

from hfdask.batch.job import BatchJob
from hfdask.batch.tasks import Frozen
from hfdask.cluster.handover import handed_over
from hfdask.cluster.scheduler import in_process
from hfdask.config import RenderConfig
from hfdask.core.model import PROTOCOL, Environment
from hfdask.errors import InvalidConfigError
from hfdask.planning.planning import FrozenProject, freeze
from hfdask.project.files import local_project
from hfdask.store import SecretOptions, Snapshot, split_url


class SharedProject(Struct, frozen=True):
    """A frozen project, as the driver sees it.

    Attributes
    ----------
    on_workers : Frozen
        The project for tasks.
    digest : str
        Of the project's files and their names. What workers make of them may change with the plan's protocol, so that is in it.
    """

    on_workers: Frozen
    digest: str


@contextmanager
def shared_project(job: BatchJob, client: Client, environment: Environment) -> Iterator[SharedProject]:
    """Take a project into the batch's folder, and remove that folder at the end of the block.

    Raises
    ------
    EntryNotFoundError, ProjectError, StoreError, StoreRefusedError, DiskFullError
    InvalidConfigError
        If the folder is in this process's memory, but workers in other processes need it.
    """
    place = job.frozen
    if place.url.startswith("memory:") and not in_process(client):
        raise InvalidConfigError("memory:// is not shared with the workers' processes; use another URL", field="output")
    with ExitStack() as held:
        options = RenderConfig.of(job.options)
        store, name = split_url(place)
        held.enter_context(store.removed_at_end(name))
        with Snapshot(place.store()) as snapshot, local_project(job.project, job.storage_options) as folder:
            project = freeze(folder, options, snapshot)
            snapshot.publish(project.artifacts)
        handover = held.enter_context(handed_over(place, project, options.replace_urls))
        frozen = Frozen(
            location=place,
            handed_over=handover,
            options=SecretOptions(job.options),
            environment=environment,
            limit=job.task_frames,
            strict=job.config.strict,
            damage_test=job.config.damage_test,
        )
        yield SharedProject(frozen, _digest(project))


def _digest(project: FrozenProject) -> str:
    files = sorted((each.path, each.sha256) for each in project.artifacts)
    return hashlib.sha256(msgspec.json.encode([PROTOCOL, project.entry, files])).hexdigest()[:32]
