"""`render` and `submit`: a project in, a verified video out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from hfdask.cluster.handle import Render
from hfdask.cluster.job import Job
from hfdask.cluster.local import Cluster, require_client
from hfdask.cluster.waiting import LEAVE, leave_thread_pool
from hfdask.config import JOB_OPTIONS, JobConfig, RenderConfig, RenderOptions, explicit
from hfdask.core.forks import at_work
from hfdask.core.results import RenderResult
from hfdask.store import StorageOptions

if TYPE_CHECKING:
    from distributed import Client
    from rich.progress import Progress, TaskID


def submit(
    project: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    client: Client,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[RenderOptions],
) -> Render:
    """Start a render on a cluster and return at once.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    output : str or path
        The video, any fsspec URL; it appears there only when it is complete and verified.
    client : distributed.Client
        A client of the cluster that renders the chunks. It must stay open until the render has ended.
    storage_options : mapping, optional
        Arguments of the file systems; they travel to the workers but are never stored or shown.
    config : RenderConfig, optional
        Options of the plan.
    **options
        Fields of `hfdask.RenderConfig` (fps, quality, chunk_size, variables, ...), which win over ``config``, and of
        `hfdask.JobConfig` (plan_dir, strict, certificate, retries, ...).

    Returns
    -------
    Render
        A handle with ``progress``, ``result`` and ``cancel``.

    Raises
    ------
    InvalidConfigError, OutputNotWritableError, ForkedProcessError
        At once; every other error comes from ``result``.
    """
    with at_work(with_dask=True):
        plan_options, job_config = _parted(config, options)
        require_client(client)
        return Render(Job.of(project, output, plan_options, job_config, storage_options), Cluster(client))


def render(
    project: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    client: Client | None = None,
    progress: bool | None = None,
    dashboard: bool = False,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[RenderOptions],
) -> RenderResult:
    """Render a project to a video and wait for it.

    Parameters
    ----------
    project, output, storage_options, config, **options
        As for `submit`.
    client : distributed.Client, optional
        Default: the current client. If there is none, a cluster runs in this process for the length of the call, unless
        the video is so short that it is captured while it is planned.
    progress : bool, optional
        True to show a progress bar on standard error. Default: on a terminal and in a notebook.
    dashboard : bool
        True to give the cluster in this process a dashboard. Its address goes to standard error.

    Returns
    -------
    RenderResult
        Paths, counts, stage seconds, chunk records and warnings.

    Raises
    ------
    HfdaskError
        Nothing is at the output's name then. Finished chunks are kept for the next call.
    """
    plan_options, job_config = _parted(config, options)
    job = Job.of(project, output, plan_options, job_config, storage_options)
    with at_work(with_dask=True), Cluster.of(client, job.workers, dashboard=dashboard) as cluster:
        if dashboard:
            print(f"dashboard: {cluster.client.dashboard_link}", file=sys.stderr)
        handle = Render(job, cluster)
        leave_thread_pool()
        try:
            _watch(handle, progress)
            return handle.result()
        except BaseException:
            handle.cancel(wait_seconds=LEAVE)
            raise


def _parted(config: RenderConfig | None, options: Mapping[str, Any]) -> tuple[dict[str, Any], JobConfig]:
    """Split the given options into the plan's and the others."""
    job = {name: value for name, value in options.items() if name in JOB_OPTIONS}
    plan = {name: value for name, value in options.items() if name not in JOB_OPTIONS}
    return explicit(config, plan), JobConfig.of(job)


def _watch(handle: Render, show: bool | None) -> None:
    if show is False or (show is None and not sys.stderr.isatty() and "IPython" not in sys.modules):
        return
    from rich.console import Console  # it takes 0.1 s of CPU, and the render goes on meanwhile
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if console.is_jupyter and (view := handle.show()) is not None:
        view.join()
        return
    if show is None and not (console.is_terminal or console.is_jupyter):
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} frames"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("plan", total=0, rate="")
        while not handle.done():
            _show(bar, task, handle)
            time.sleep(0.1)
        _show(bar, task, handle)


def _show(bar: Progress, task: TaskID, handle: Render) -> None:
    now = handle.progress
    rate = f"{now.fps:.1f} fps" if now.fps else ""
    if now.eta and now.stage == "render":
        rate += f", {now.eta:.0f} s left"
    bar.update(task, description=now.stage, completed=now.done, total=now.frames, rate=rate)
