"""`render` and `submit`: a project in, a verified video out."""

from __future__ import annotations

import os
import time
from typing import Any

from distributed import Client
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hfdask.cluster.handle import RETRIES, Job, Render
from hfdask.cluster.local import client_for
from hfdask.config import AssembleOn, PlanOn, RenderConfig, with_project_file
from hfdask.core.forks import at_work
from hfdask.core.model import RenderResult
from hfdask.store import StorageOptions


def submit(
    project: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    client: Client,
    plan_dir: str | os.PathLike[str] | None = None,
    storage_options: StorageOptions | None = None,
    damage_test: bool = True,
    strict: bool = False,
    certificate: bool = False,
    retries: int = RETRIES,
    plan_on: PlanOn = "auto",
    assemble_on: AssembleOn = "driver",
    **config: Any,
) -> Render:
    """Start a render on a cluster and return at once.

    Parameters
    ----------
    project : path
        A folder with an entry document, or the document itself.
    output : str or path
        The video, any fsspec URL; it appears there only when it is whole and verified.
    client : distributed.Client
        Where the chunks run. It must stay open until the render has ended.
    plan_dir : str or path, optional
        Folder of the plan and its chunks, any fsspec URL that the workers can write to. It is kept, so that the next
        render there, of a changed project too, uses every chunk again that did not change. By default it is next to
        the output, and removed when the video is done.
    storage_options : mapping, optional
        Arguments of the file systems; they travel to the workers but are never stored or shown.
    damage_test : bool
        Whether frames that the compositor did not touch are taken from the frame before. The pixels are the same.
    strict : bool
        Whether a seam between chunks that cannot be proven equal is an error.
    certificate : bool
        Whether to write a certificate next to the video (see `hfdask.assembly.certificate`); to use it later, keep the plan.
    retries : int
        New attempts of a chunk after errors that can heal.
    plan_on : {"auto", "driver", "worker"}
        Where the project is planned. ``auto`` takes a worker where this process has no browser and there are workers in
        others; a local project is then carried to the plan's folder for as long as that takes.
    assemble_on : {"driver", "worker"}
        Where the video is written. The driver does it while chunks render; a worker afterwards, which is better where it is
        nearer to the store.
    **config
        Fields of `hfdask.config.RenderConfig`: fps, quality, crf, chunk_size, variables, ...

    Returns
    -------
    Render
        A handle with ``progress``, ``result``, ``cancel``.

    Raises
    ------
    InvalidConfigError, OutputNotWritableError, ForkedProcessError
        At once; every other error comes from ``result``.
    """
    with at_work(with_dask=True):
        RenderConfig.of(with_project_file(project, config))
        job = Job.of(
            project,
            output,
            plan_dir,
            storage_options=storage_options,
            damage_test=damage_test,
            strict=strict,
            certificate=certificate,
            retries=retries,
            plan_on=plan_on,
            assemble_on=assemble_on,
        )
        return Render(job, config, client)


def render(
    project: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    client: Client | None = None,
    progress: bool | None = None,
    dashboard: bool = False,
    **options: Any,
) -> RenderResult:
    """Render a project to a video and wait for it.

    Parameters
    ----------
    project, output
        As in `submit`, with all its other options.
    client : distributed.Client, optional
        Default: the current client, else a cluster embedded in this process for the length of the call.
    progress : bool, optional
        Whether to show a progress bar on standard error. Default: on a terminal and in a notebook.
    dashboard : bool
        Whether an embedded cluster has a dashboard; its address goes to standard error.

    Returns
    -------
    RenderResult
        Paths, counts, stage seconds, chunk records and warnings.

    Raises
    ------
    HfdaskError
        Typed, with nothing at the output's name; finished chunks are kept for the next call.
    """
    config = with_project_file(project, {name: options[name] for name in options.keys() - _SUBMIT_OPTIONS})
    RenderConfig.of(config)
    with (
        at_work(with_dask=True),
        client_for(client, config.get("workers"), dashboard=dashboard) as cluster,
    ):
        if dashboard:
            Console(stderr=True).print(f"dashboard: {cluster.dashboard_link}")
        handle = submit(project, output, client=cluster, **options)
        try:
            _watch(handle, progress)
            return handle.result()
        except BaseException:
            handle.cancel()
            raise


# All that `submit` takes besides the configuration of a plan.
_SUBMIT_OPTIONS = frozenset(submit.__kwdefaults__ or {})


def _watch(handle: Render, show: bool | None) -> None:
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter if show is None else show):
        while not handle.done():
            time.sleep(0.02)
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
