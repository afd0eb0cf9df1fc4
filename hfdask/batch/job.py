"""A caller's request for a batch, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from hfdask.batch.names import Template
from hfdask.cluster.claim import FOLDER
from hfdask.config import JobConfig, RenderConfig
from hfdask.errors import InvalidConfigError
from hfdask.formats.table import format_of, with_format_of
from hfdask.manifest.location import PlanLocation
from hfdask.project.settings import with_project_file
from hfdask.store import Location, StorageOptions, split_output, split_url

MANIFEST = "batch.jsonl"
"""Default name of a manifest, in the folder of the outputs."""

TASK_FRAMES = 300
"""Default for the frames of the longest video that is one task: ten seconds at 30 frames a second."""

OnError = Literal["collect", "raise"]

# A batch keeps no plans, so nothing could be reused, and no certificate be verified.
_OF_ONE_VIDEO = frozenset({"plan_dir", "certificate", "plan_on", "assemble_on"})


@dataclass(frozen=True)
class BatchJob:
    """The project, the place of its videos, and the options.

    Attributes
    ----------
    options : mapping
        Options of the plans of all rows, with the project's own.
    config : JobConfig
        The other options of a render.
    task_frames : int
        Frames of the longest video that is one task.
    workers : int, optional
        Slots of a cluster in this process. A video of one task has one chunk, and others are split by the cluster's size.
    """

    project: str | os.PathLike[str]
    template: Template
    manifest: Location
    options: Mapping[str, Any]
    config: JobConfig
    on_error: OnError
    task_frames: int
    workers: int | None
    storage_options: StorageOptions | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        project: str | os.PathLike[str],
        output: str | os.PathLike[str],
        options: Mapping[str, Any],
        job: Mapping[str, Any],
        *,
        manifest: str | os.PathLike[str] | None,
        on_error: str,
        task_frames: int,
        storage_options: StorageOptions | None,
    ) -> BatchJob:
        """Check what can be checked without the rows.

        Raises
        ------
        InvalidConfigError, OutputNotWritableError
        """
        for name in sorted(_OF_ONE_VIDEO & job.keys()):
            if job[name] != getattr(JobConfig, name):
                raise InvalidConfigError(f"a batch has no option {name}, which is for single videos", field=name)
        if on_error not in ("collect", "raise"):
            raise InvalidConfigError(f"on_error must be 'collect' or 'raise', not {on_error!r}", field="on_error")
        if not isinstance(task_frames, int) or not 1 <= task_frames <= 3600:
            raise InvalidConfigError(
                f"task_frames must be a whole number from 1 to 3600, not {task_frames!r}", field="task_frames"
            )
        template = Template.of(output, storage_options)
        given = with_project_file(project, with_format_of(template.sample, options), storage_options)
        options_of_all = RenderConfig.of(given)
        options_of_all.require_output(template.sample)
        template.folder.require_writable()
        beside = Location.at(template.folder, MANIFEST)
        where = Location.at(*split_output(beside if manifest is None else manifest, storage_options))
        given.pop("workers", None)
        return cls(
            project=project,
            template=template,
            manifest=where,
            options=given,
            config=JobConfig.of(job),
            on_error="raise" if on_error == "raise" else "collect",
            task_frames=task_frames,
            workers=options_of_all.workers,
            storage_options=storage_options,
        )

    def output(self, name: str) -> Location:
        """Return the place of a video."""
        return Location.at(self.template.folder, name)

    def sizes_there(self) -> dict[str, int] | None:
        """Return the sizes of all files at the place of the videos, by URL; None if they are looked at one by one.

        That is cheap on a local disk. Outputs of many files must be: a list of all of them would be long.
        """
        known, folder = format_of(self.template.sample), self.template.folder
        if folder.local or known is None or known.names_files or known.is_folder(self.template.sample):
            return None
        return {folder.url_of(name): size for name, size in folder.names().items()}

    def plan_of(self, name: str) -> PlanLocation:
        """Return the folder of the plan of a long video. Only the batch that holds the manifest uses it."""
        return PlanLocation.of(Location.at(self.template.folder, f"{self._work}.plans/{name}"))

    def forget_plans(self) -> None:
        """Remove the plans of long videos, when all videos are there."""
        self.template.folder.delete(f"{self._work}.plans")

    @property
    def _work(self) -> str:
        """The beginning of the names of this batch's folders."""
        return f"{FOLDER}/{self.manifest.url.rpartition('/')[2]}"

    def shown(self, name: str) -> str:
        """Return the place of a video as people write it."""
        return self.template.folder.shown(name)

    @property
    def manifest_shown(self) -> str:
        """The place of the manifest as people write it."""
        store, name = split_url(self.manifest)
        return store.shown(name)

    @property
    def frozen(self) -> PlanLocation:
        """The folder of the frozen project: the same for each run, so that a killed run leaves nothing for good."""
        return PlanLocation.of(Location.at(self.template.folder, f"{self._work}.project"))


BATCH_OPTIONS = frozenset(item.name for item in fields(JobConfig)) - _OF_ONE_VIDEO
"""Fields of `JobConfig` that a batch takes."""
