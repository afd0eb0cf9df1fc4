"""Keep the tasks of one run of chunks that the scheduler has, and the state of each."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from distributed import Client, Future
from msgspec import Struct, field

from hfdask.cluster.placement import Workers
from hfdask.cluster.scheduler import cancel
from hfdask.core.results import ChunkResult


class Attempt(Struct):
    """One task for a chunk.

    Attributes
    ----------
    index, number : int
        Of the chunk, and of the attempt, from 0.
    workers : frozenset of str
        The only workers that may run it; empty for any.
    heard : float
        Time of its submission or its last message, by `time.monotonic`.
    began : float or None
        Time of its first message.
    worker : str
        The worker that sent its first message.
    stuck : bool
        True if its worker has stopped.
    """

    index: int
    number: int
    workers: frozenset[str] = frozenset()
    heard: float = field(default_factory=time.monotonic)
    began: float | None = None
    worker: str = ""
    stuck: bool = False


class Attempts:
    """All attempts of a run that have not ended. Any thread may use it.

    Parameters
    ----------
    compute : callable
        Called with chunk numbers, the number of the attempt, and workers. Submits the tasks and returns their futures.
    workers : Workers
        Decides which workers may run an attempt.

    Attributes
    ----------
    ended : SimpleQueue
        Gets each future that ends, also of attempts that were withdrawn.
    """

    def __init__(
        self,
        client: Client,
        workers: Workers,
        compute: Callable[[list[int], int, frozenset[str]], list[Future[ChunkResult]]],
    ) -> None:
        self.ended: queue.SimpleQueue[Future[ChunkResult] | None] = queue.SimpleQueue()
        self._client, self._workers, self._compute = client, workers, compute
        self._by_future: dict[Future[ChunkResult], Attempt] = {}
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_future)

    def items(self) -> list[tuple[Future[ChunkResult], Attempt]]:
        """List the attempts with their futures."""
        with self._lock:
            return list(self._by_future.items())

    def all(self) -> list[Attempt]:
        """List the attempts."""
        return [attempt for _, attempt in self.items()]

    def submit(self, indices: Iterable[int]) -> None:
        """Submit a new attempt for each of these chunks."""
        alike: defaultdict[tuple[int, frozenset[str]], list[int]] = defaultdict(list)
        for index, workers in self._workers.allowed(indices).items():
            alike[self._numbers.get(index, 0), workers].append(index)
        for (number, workers), same in alike.items():
            futures = self._compute(same, number, workers)
            with self._lock:
                for future, index in zip(futures, same, strict=True):
                    self._by_future[future] = Attempt(index, number, workers)
                    self._numbers[index] = number + 1
            for future in futures:
                future.add_done_callback(self.ended.put)

    def take(self, future: Future[ChunkResult]) -> Attempt | None:
        """Remove and return an attempt that has ended; return None if it was withdrawn."""
        with self._lock:
            return self._by_future.pop(future, None)

    def withdraw(self, futures: Iterable[Future[ChunkResult]]) -> None:
        """Cancel these tasks."""
        futures = list(futures)
        with self._lock:
            for future in futures:
                self._by_future.pop(future, None)
        cancel(self._client, futures)

    def withdraw_all(self) -> None:
        """Cancel all tasks."""
        self.withdraw(future for future, _ in self.items())

    def withdraw_chunk(self, index: int) -> None:
        """Cancel all tasks for a chunk."""
        self.withdraw(future for future, attempt in self.items() if attempt.index == index)

    def note_progress(self, message: dict[str, Any]) -> None:
        """Record a progress event."""
        now = time.monotonic()
        for attempt in self.all():
            if (attempt.index, attempt.number) == (message["chunk"], message["attempt"]):
                attempt.heard = now
                if attempt.began is None:
                    attempt.began, attempt.worker = now, message["worker"]
