"""Submit second copies of chunks that run too long, and of chunks on workers that have stopped or gone.

The first copy to finish wins. Which chunk runs too long is decided in `hfdask.cluster.backup`, which worker has stopped in
`hfdask.cluster.liveness`.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from distributed import Client

from hfdask.cluster.attempts import Attempts
from hfdask.cluster.backup import needs_backup
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.liveness import LOOK, QUIET
from hfdask.cluster.placement import Workers
from hfdask.cluster.scheduler import worker_slots, workers_of
from hfdask.manifest.plan import Plan


class Copies:
    """Submits chunks of a run again that may never finish otherwise."""

    def __init__(self, client: Client, plan: Plan, attempts: Attempts, workers: Workers) -> None:
        self._client, self._attempts, self._workers = client, attempts, workers
        self._connection = connection_of(client)
        self._work = {chunk.index: chunk.cost or chunk.frames for chunk in plan.manifest.chunks}
        self._durations: list[tuple[int, float]] = []
        self._look_at = self._stuck_look_at = 0.0

    def note_finished(self, index: int, seconds: float) -> None:
        """Remember how long a chunk took, for comparison with the running chunks."""
        self._durations.append((self._work[index], seconds))

    def submit(self, total: int, waiting: Collection[int]) -> None:
        """Look at all running chunks, and submit copies.

        Parameters
        ----------
        total : int
            Chunks of the run.
        waiting : collection of int
            Chunks that failed and are to be tried again later.
        """
        self._copy_stuck(waiting)
        if not waiting:
            self._copy_stragglers(total)
        self._free_stranded()

    def _copy_stragglers(self, total: int) -> None:
        now = time.monotonic()
        attempts = self._attempts.all()
        if any(attempt.began is None and not (attempt.workers or attempt.stuck) for attempt in attempts):
            return  # no worker is free
        alone = [attempt for attempt in attempts if sum(other.index == attempt.index for other in attempts) == 1]
        running = {attempt.index: (self._work[attempt.index], now - (attempt.began or now)) for attempt in alone}
        if late := needs_backup(running, self._durations, total):
            late = late[: max(0, worker_slots(self._client) - len(attempts))]  # asks the scheduler
            for attempt in alone:
                if attempt.index in late:
                    self._workers.record_attempt(attempt.index, attempt.worker)
            self._attempts.submit(late)

    def _copy_stuck(self, waiting: Collection[int]) -> None:
        """Submit chunks again that run or wait on stopped workers. The first copy may still win if its worker continues."""
        now = time.monotonic()
        if now < self._stuck_look_at or all(now - attempt.heard < QUIET for attempt in self._attempts.all()):
            return
        self._stuck_look_at = now + LOOK
        silent = self._workers.silent = self._connection.silent_workers()
        items = self._attempts.items()
        places = workers_of(self._client, [future for future, _ in items]) if silent else {}
        for future, attempt in items:
            place = places.get(str(future.key), "")
            attempt.stuck = place in silent
            if attempt.stuck:
                self._workers.record_attempt(attempt.index, place)
        stuck = {attempt.index for _, attempt in items if attempt.stuck}
        stuck -= {attempt.index for _, attempt in items if not attempt.stuck} | set(waiting)
        if stuck and not self._workers.eligible() <= silent:
            self._attempts.submit(sorted(stuck))

    def _free_stranded(self) -> None:
        """Submit chunks again that are bound to workers that are gone: the scheduler would wait for them without end."""
        now = time.monotonic()
        bound = [(future, attempt) for future, attempt in self._attempts.items() if attempt.workers]
        if not bound or now < self._look_at:
            return
        self._look_at = now + LOOK
        eligible = self._workers.eligible()
        stranded = {future: attempt.index for future, attempt in bound if eligible.isdisjoint(attempt.workers)}
        if stranded and eligible:
            self._attempts.withdraw(stranded)
            self._attempts.submit(stranded.values())
