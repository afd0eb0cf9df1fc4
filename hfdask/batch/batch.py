"""`render_batch`: a project and a table in, a video for each row out."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import ExitStack
from typing import Unpack

from distributed import Client

from hfdask.batch.checked import checked_rows
from hfdask.batch.handle import Batch
from hfdask.batch.job import TASK_FRAMES, BatchJob, OnError
from hfdask.batch.sources import Rows, opened_rows
from hfdask.cluster.local import client_for, default_slots
from hfdask.config import JOB_OPTIONS, RenderConfig, RenderOptions, explicit
from hfdask.core.forks import at_work
from hfdask.store import StorageOptions

PREFIX = "hfdask."
"""Default beginning of the names of columns that are options."""

SLOTS_A_CORE = 2
"""Videos at a time for each core of this machine, without a cluster: a short video waits for its page for half of its time."""


def render_batch(
    project: str | os.PathLike[str],
    rows: Rows,
    output: str | os.PathLike[str] = "out/{id}.mp4",
    *,
    client: Client | None = None,
    on_error: OnError = "collect",
    manifest: str | os.PathLike[str] | None = None,
    prefix: str = PREFIX,
    ignore: Collection[str] = (),
    task_frames: int = TASK_FRAMES,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[RenderOptions],
) -> Batch:
    """Start to render a video for each row of a table, and return at once.

    All rows are checked before anything runs. The project is read once. If the driver is stopped or killed, the same call goes
    on: videos that are there, with the same values, options and project, are not rendered again.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    rows : table
        A pandas or Dask DataFrame, an Arrow table, mappings, or the URL of a file: JSONL or CSV, also compressed, or Parquet.
        Columns are variables of the composition. A missing value leaves the composition's default.
    output : str or path
        Names of the videos, any fsspec URL, with columns in braces. ``{index}`` is the number of the row, from 0.
    client : distributed.Client, optional
        Default: the current client. If there is none, a cluster runs in this process until the batch ends, with ``workers``
        slots, by default two a core.
    on_error : {"collect", "raise"}
        ``collect`` to go on if a row fails, and report its error in the table; ``raise`` to end the batch with the first one.
    manifest : str or path, optional
        File of the results, from which a later call goes on. Default: ``batch.jsonl`` in the folder of the videos.
    prefix : str
        Columns that begin with it are options of their row, such as ``hfdask.fps``; empty for none.
    ignore : collection of str
        Columns that are not variables, such as an id that is only for names.
    task_frames : int
        Frames of the longest video that is rendered as one task; longer ones are rendered in chunks.
    storage_options : mapping, optional
        Arguments of the file systems of all URLs.
    config : RenderConfig, optional
        Options of all rows.
    **options
        Fields of `hfdask.RenderConfig`, which win over ``config``, and ``damage_test``, ``strict`` and ``retries`` of
        `hfdask.JobConfig`. A row's own values win over all of them.

    Returns
    -------
    Batch
        A handle with ``progress``, ``result`` and ``cancel``.

    Raises
    ------
    RowsError
        If a row cannot be read or rendered, or two rows have one name; ``details["problems"]`` lists the first problems.
    InvalidConfigError, OutputNotWritableError, ForkedProcessError
        Also at once. All other errors come from ``result``.
    """
    job_options = {name: value for name, value in options.items() if name in JOB_OPTIONS}
    plan_options = {name: value for name, value in options.items() if name not in JOB_OPTIONS}
    with at_work(with_dask=True), ExitStack() as held:
        job = BatchJob.of(
            project,
            output,
            explicit(config, plan_options),
            job_options,
            manifest=manifest,
            on_error=on_error,
            task_frames=task_frames,
            storage_options=storage_options,
        )
        cluster = held.enter_context(client_for(client, job.workers or SLOTS_A_CORE * default_slots()))
        with opened_rows(rows, cluster, storage_options) as found:
            checked = checked_rows(found, job.template, job.options, prefix=prefix, ignore=ignore)
        return Batch(job, checked, cluster, held.pop_all())
