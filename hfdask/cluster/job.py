"""A caller's request for a render, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfdask.assembly.place import require_place
from hfdask.cluster.claim import FOLDER
from hfdask.cluster.tasks import Planned
from hfdask.config import JobConfig, RenderConfig
from hfdask.formats.table import FORMATS, with_format_of
from hfdask.manifest.location import PlanLocation
from hfdask.project.settings import with_project_file
from hfdask.store import Location, StorageOptions, split_output


@dataclass(frozen=True)
class Job:
    """The project to render, its output, and the options.

    ``plan_options`` are the caller's options of the plan; ``workers`` is the caller's value, else the project's. ``planned`` is what
    a worker has reported of the plan, if it is at its place already.
    """

    project: str | os.PathLike[str]
    output: Location
    plan: PlanLocation
    plan_options: Mapping[str, Any]
    config: JobConfig
    workers: int | None
    storage_options: StorageOptions | None = field(default=None, repr=False)
    planned: Planned | None = None

    @classmethod
    def of(
        cls,
        project: str | os.PathLike[str],
        output: str | os.PathLike[str],
        plan_options: Mapping[str, Any],
        config: JobConfig,
        storage_options: StorageOptions | None,
    ) -> Job:
        """Check what can be checked at once. The plan is kept at ``plan_dir``, else next to the output until the video is done."""
        store, name = split_output(output, storage_options, may_be_folder=True)
        plan_options = with_format_of(name, plan_options)
        options = RenderConfig.of(with_project_file(project, plan_options, storage_options))
        options.require_output(name)
        require_place(FORMATS[options.output_format], store, name)
        store.require_writable()
        place = Location.at(store, name)
        plan = Location.at(store, f"{FOLDER}/{name}")
        if config.plan_dir:
            plan = Location.of(config.plan_dir, place.options_for(config.plan_dir))
        return cls(project, place, PlanLocation.of(plan), plan_options, config, options.workers, storage_options)

    @property
    def keeps_plan(self) -> bool:
        """True if the plan stays when the video is done."""
        return self.config.plan_dir is not None
