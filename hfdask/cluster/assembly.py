"""Assembly beside the render: chunks are taken as they finish, so that at the end only the last one is left to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from hfdask.assemble import Assembly
from hfdask.errors import RenderCancelledError
from hfdask.model import ChunkResult, RenderResult
from hfdask.stages import Observer


class AssemblyThread(Observer):
    """An `Assembly` in a thread of its own, for the length of a block.

    Parameters
    ----------
    opened : callable
        Makes the assembly, given its observer.
    failed : callable
        Told the error that ended it, in that thread.
    stop : threading.Event
        Ends it from outside.
    """

    def __init__(
        self,
        opened: Callable[[Observer], Assembly],
        failed: Callable[[BaseException], None],
        stop: threading.Event,
    ) -> None:
        self._opened, self._failed, self._stop = opened, failed, stop
        self._left = self._all_given = False
        self._given: queue.SimpleQueue[tuple[ChunkResult, ...] | None] = queue.SimpleQueue()
        self._outcome: Future[RenderResult] = Future()
        self._thread = threading.Thread(target=self._work, name="hfdask-assemble", daemon=True)

    def __enter__(self) -> AssemblyThread:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._left = True
        self._given.put(None)
        self._thread.join()

    def add(self, *chunks: ChunkResult) -> None:
        """Hand over chunks; returns at once."""
        self._given.put(chunks)

    def finish(self) -> RenderResult:
        """The finished video, when all that was handed over is in it; or raise what ended the assembly."""
        self._given.put(None)
        return self._outcome.result()

    def cancelled(self) -> bool:
        return self._left or self._stop.is_set()

    def _work(self) -> None:
        try:
            with self._opened(self) as assembly:
                while not self._all_given:
                    assembly.add(*self._take())
                if self.cancelled():
                    raise RenderCancelledError("the render ended before its assembly")
                video = assembly.finish()
        except BaseException as error:  # noqa: BLE001 - it is raised again by finish()
            self._outcome.set_exception(error)
            self._failed(error)
        else:
            self._outcome.set_result(video)

    def _take(self) -> list[ChunkResult]:
        """All chunks that wait, so that files can be fetched ahead; at least one item is waited for."""
        items = [self._given.get()]
        with suppress(queue.Empty):
            while True:
                items.append(self._given.get_nowait())
        self._all_given = None in items
        return [chunk for chunks in items if chunks for chunk in chunks]
