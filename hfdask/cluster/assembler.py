"""Assemble a render's chunks: in a thread of the driver, or in a task on a worker.

The thread takes chunks as they finish, so that at the end only the last chunk is left to do. The task starts when all chunks are
finished, because it holds a worker that could render. It is for workers that are nearer to the store than the driver.

A damaged chunk ends neither of them, because it can be rendered again: they report its number and continue with its replacement.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import msgspec

from hfdask.assembly.assemble import AssembleOptions, Assembly
from hfdask.cluster.tasks import assemble_task
from hfdask.core.observer import Observer
from hfdask.core.results import ChunkResult, RenderResult
from hfdask.errors import (
    ChunkMismatchError,
    ChunkMissingError,
    HfdaskError,
    OutputNotWritableError,
    RenderCancelledError,
)
from hfdask.manifest.location import PlanLocation
from hfdask.store import Location, split_url

Spoilt = dict[int, HfdaskError]
"""The errors of damaged chunks, by chunk number."""


def spoilt_chunk(error: HfdaskError) -> int | None:
    """Return the number of the chunk to render again; None if the error is not about one chunk."""
    if not isinstance(error, ChunkMismatchError | ChunkMissingError):
        return None
    index = error.details.get("chunk")
    return index if isinstance(index, int) else None


class AssemblyThread(Observer):
    """Run an `Assembly` in a separate thread until the block ends.

    Parameters
    ----------
    opened : callable
        Makes the assembly, given its ``observer``.
    failed : callable
        Called in that thread with the error that ended it.
    stop : threading.Event
        Ends it from outside.
    """

    def __init__(
        self,
        opened: Callable[..., Assembly],
        failed: Callable[[BaseException], None],
        stop: threading.Event,
    ) -> None:
        self._opened, self._failed, self._stop = opened, failed, stop
        self._left = self._all_given = False
        self._spoilt: Spoilt = {}
        self._given: queue.SimpleQueue[tuple[ChunkResult, ...] | None] = queue.SimpleQueue()
        self._outcome: Future[RenderResult | Spoilt] = Future()
        self._thread = threading.Thread(target=self._work, name="hfdask-assemble", daemon=True)

    def __enter__(self) -> AssemblyThread:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._left = True
        self._given.put(None)
        self._thread.join()

    def add(self, *chunks: ChunkResult) -> None:
        """Hand over chunks, and return at once."""
        self._given.put(chunks)

    def finish(self) -> RenderResult | Spoilt:
        """Wait until all added chunks are in the video and return it, or the damaged chunks to add once more, with their errors.

        Raises
        ------
        HfdaskError
            The error that ended the assembly.
        """
        self._given.put(None)
        outcome = self._outcome.result()
        if isinstance(outcome, dict):
            self._outcome = Future()
        return outcome

    def cancelled(self) -> bool:
        return self._left or self._stop.is_set()

    def _work(self) -> None:
        try:
            with self._opened(observer=self) as assembly:
                while not self._all_given:
                    self._add(assembly, self._take())
                    if self._all_given and self._spoilt and not self.cancelled():
                        spoilt, self._spoilt, self._all_given = self._spoilt, {}, False
                        self._outcome.set_result(spoilt)
                if self.cancelled():
                    raise RenderCancelledError("the render ended before its assembly")
                video = assembly.finish()
        except BaseException as error:  # noqa: BLE001 - it is raised again by finish()
            self._outcome.set_exception(error)
            self._failed(error)
        else:
            self._outcome.set_result(video)

    def _add(self, assembly: Assembly, chunks: list[ChunkResult]) -> None:
        """Add chunks, and remember each chunk that turns out to be damaged, also earlier ones."""
        try:
            assembly.add(*chunks)
        except HfdaskError as error:
            index = spoilt_chunk(error)
            if index is None:
                raise
            self._spoilt[index] = error
            assembly.drop(index)
            self._add(assembly, [chunk for chunk in chunks if chunk.index != index and chunk.index not in assembly])

    def _take(self) -> list[ChunkResult]:
        """Return all waiting chunks, so that files can be fetched ahead. Wait for at least one item."""
        items = [self._given.get()]
        with suppress(queue.Empty):
            while True:
                items.append(self._given.get_nowait())
        self._all_given = None in items
        return [chunk for chunks in items if chunks for chunk in chunks]


class AssemblyTask:
    """An assembly on a worker, with the methods of `AssemblyThread`.

    Parameters
    ----------
    run : callable
        Runs a task of `hfdask.cluster.tasks` with these arguments; see `hfdask.cluster.single_task`.
    plan : PlanLocation
    output : Location
    options : AssembleOptions
        As in `hfdask.assemble`.
    """

    def __init__(
        self, run: Callable[..., RenderResult], plan: PlanLocation, output: Location, options: AssembleOptions
    ) -> None:
        self._run, self._plan, self._output, self._options = run, plan, output, options
        self._chunks: list[ChunkResult] = []

    def __enter__(self) -> AssemblyTask:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def add(self, *chunks: ChunkResult) -> None:
        """Take chunks; `finish` reports the damaged ones."""
        self._chunks += chunks

    def finish(self) -> RenderResult | Spoilt:
        """Run the task and return the video, or the damaged chunk to add once more, with its error.

        Raises
        ------
        OutputNotWritableError
            If the worker wrote to a disk that this machine cannot read.
        HfdaskError
            The error that ended the task.
        """
        numbers = {chunk.url: chunk.index for chunk in self._chunks}
        try:
            video = self._run("assemble", assemble_task, self._plan, tuple(numbers), self._output, self._options)
        except HfdaskError as error:
            if (url := error.details.get("url")) in numbers:
                error.details.setdefault("chunk", numbers[url])
            index = spoilt_chunk(error)
            if index is None:
                raise
            self._chunks = [chunk for chunk in self._chunks if chunk.index != index]
            return {index: error}
        store, name = split_url(self._output)
        if not store.exists(name):
            raise OutputNotWritableError(
                f"worker {video.assembled_on} has written {self._output.url}, but this machine does not find it: "
                "choose a folder that all machines share, or another URL",
                url=self._output.url,
            )
        return msgspec.structs.replace(video, chunks=tuple(sorted(self._chunks, key=lambda chunk: chunk.index)))
