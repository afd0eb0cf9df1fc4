"""Chunk graphs: names of tasks and how they are handed to a scheduler.

This module alone uses names of dask that begin with an underscore. They buy one thing: a task marked as a data producer
waits in the scheduler's queue until a worker is free, instead of being pushed to one at once. If dask has changed,
plain ``delayed`` does the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from hfdask.cluster.names import chunk_name
from hfdask.cluster.tasks import render_chunk_task
from hfdask.core.costs import first_to_last
from hfdask.store import shown

try:
    import dask._task_spec as task_spec
except ImportError:  # pragma: no cover - another dask
    task_spec = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from hfdask.manifest.plan import Plan


def chunk_token(plan: Plan, output_url: str, *, damage_test: bool = True) -> str:
    """Return a digest of the plan, the place of its chunks and the way of rendering, for the keys of tasks.

    The same token means the same work, so a second submission finds the futures of the first. Equal keys with other
    arguments would return another render's files, so everything in which two calls can differ is in it.
    """
    parts = (plan.hash, plan.url, shown(output_url), str(damage_test))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def chunk_tasks(
    plan: Plan,
    output_url: str,
    *,
    damage_test: bool = True,
    indices: Iterable[int] | None = None,
    attempt: int = 0,
    every: float | None = None,
    priority: float = 0.0,
) -> list[Delayed]:
    """Return a `Delayed` for each of the ``indices`` (default: all chunks), each giving a `ChunkResult`.

    Waiting chunks run by ``priority``, highest first. Chunks of one render run in order, so that assembly can begin with
    the first; only very dear ones go before (`hfdask.core.costs.first_to_last`). ``every`` is the number of seconds between
    progress events; None for no events.
    """
    token = chunk_token(plan, output_url, damage_test=damage_test)
    name = chunk_name(token, attempt)
    chunks = plan.manifest.chunks
    wanted = range(len(chunks)) if indices is None else indices
    output = plan.location.location_of(output_url)
    same = (damage_test, attempt, token, every)
    calls = {
        (name, index): (plan.location, plan.hash, index, output.child(chunks[index].file), *same) for index in wanted
    }
    turns = {index: turn for turn, index in enumerate(first_to_last([chunk.cost for chunk in chunks]))}
    moved = {index: turn for index, turn in turns.items() if index != turn}
    return queued_tasks(name, render_chunk_task, calls, priority, moved)


def delayed_chunks(plan: Plan, output_url: str | None = None, *, damage_test: bool = True) -> list[Delayed]:
    """Make a `dask.delayed.Delayed` for each chunk of a plan, for your own graphs. Each gives a `ChunkResult`.

    Parameters
    ----------
    plan : Plan
        The plan of the video.
    output_url : str, optional
        Folder for the chunk files. Default: the plan's own folder.
    damage_test : bool
        True to skip the capture of frames that did not change.
    """
    return chunk_tasks(plan, output_url or plan.chunks_url, damage_test=damage_test)


def queued_tasks(
    name: str,
    call: Callable[..., Any],
    arguments: Mapping[tuple[str, int], tuple[Any, ...]],
    priority: float,
    moved: Mapping[int, int] | None = None,
) -> list[Delayed]:
    """Return tasks of one layer, by key, that wait in the scheduler's queue until a worker is free.

    Waiting tasks run by ``priority``, highest first; those with the same by the number in their key, or by the number
    that ``moved`` has for it.
    """
    if task_spec is None:  # pragma: no cover - another dask
        return [delayed(call, pure=False)(*given, dask_key_name=key) for key, given in arguments.items()]
    tasks: dict[Any, Any] = {
        key: task_spec.Task(key, call, *given, _data_producer=True) for key, given in arguments.items()
    }
    # Without priorities, dask starts the tasks of a layer in the reverse order of their numbers as text.
    layer = MaterializedLayer(tasks, annotations={"priority": partial(_in_order, priority, moved or {})})
    graph = HighLevelGraph({name: layer}, {name: set()})
    return [Delayed(key, graph, layer=name) for key in arguments]


def queued_task(key: str, call: Callable[..., Any], *args: Any) -> Delayed:
    """Return a single task that waits in the scheduler's queue until a worker is free."""
    if task_spec is None:  # pragma: no cover - another dask
        return delayed(call, pure=False)(*args, dask_key_name=key)
    task = task_spec.Task(key, call, *args, _data_producer=True)
    return Delayed(key, HighLevelGraph({key: MaterializedLayer({key: task})}, {key: set()}), layer=key)


def _in_order(priority: float, moved: Mapping[int, int], key: tuple[str, int]) -> float:
    """Called on the scheduler; a step must show in the sum with seconds since the epoch, which is exact to 0.3 µs."""
    return priority - 1e-6 * moved.get(key[1], key[1])
