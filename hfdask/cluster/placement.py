"""Decide which workers may take a chunk.

A worker that would render other pixels than the plan takes none. A chunk that failed on a worker is tried again on another
worker, and the second copy of a slow chunk goes to another worker, as long as some worker has not had it. A stopped worker
gets no copies.

A caller that measures can name the only workers to use. Chunks are bound to workers for no other reason, because a bound task
does not wait in the scheduler's queue for whichever worker is free first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distributed import Client

from hfdask.cluster.client_state import connection_of
from hfdask.cluster.scheduler import in_process, worker_addresses
from hfdask.core.model import Environment
from hfdask.errors import EnvironmentMismatchError


class Workers:
    """The workers of a cluster, as one run of a plan sees them.

    Attributes
    ----------
    warnings : list of str
        Warnings that name skipped workers and the reasons.
    silent : set of str
        Workers that are known to have stopped.
    """

    def __init__(self, client: Client, planned: Environment, only: frozenset[str] = frozenset()) -> None:
        self.warnings: list[str] = []
        self.silent: set[str] = set()
        self._client = client
        self._planned = planned
        self._only = only
        self._unfit: dict[str, dict[str, Any]] = {}
        self._had: dict[int, list[str]] = {}

    def ask(self) -> None:
        """Compare the environment of every worker with the plan, before any takes a chunk.

        Raises
        ------
        EnvironmentMismatchError
            If no worker would render the planned pixels.
        """
        if not in_process(self._client):
            self.exclude(connection_of(self._client).unfit_workers(self._planned))

    def exclude(self, unfit: dict[str, dict[str, Any]]) -> None:
        """Give no chunk to these workers, because they differ from the plan.

        Raises
        ------
        EnvironmentMismatchError
            If no other worker is left.
        """
        self._unfit.update(unfit)
        self.warnings += [f"worker {worker} gets no chunk: {_listed(unfit[worker])}" for worker in sorted(unfit)]
        if unfit and not self.eligible():
            each = "; ".join(f"{worker}: {_listed(differences)}" for worker, differences in sorted(self._unfit.items()))
            raise EnvironmentMismatchError(
                f"no worker would render the planned pixels: {each}; use the same image everywhere, or plan on a worker's",
                workers=self._unfit,
            )

    def eligible(self) -> set[str]:
        """Return the present workers that would render the planned pixels. Asks the scheduler."""
        fit = worker_addresses(self._client) - set(self._unfit)
        return fit & self._only if self._only else fit

    def record_attempt(self, index: int, worker: str) -> None:
        """Remember that a worker had this chunk, so that a new attempt goes elsewhere."""
        had = self._had.setdefault(index, [])
        if worker in had:
            had.remove(worker)
        had.append(worker)

    def allowed(self, indices: Iterable[int]) -> dict[int, frozenset[str]]:
        """Return the workers to which a new attempt of each chunk is bound; an empty set means any worker.

        Once all workers have had a chunk, the first of them may have it again.
        """
        had = {index: self._had.get(index, []) for index in indices}
        if not (self._unfit or self._only or self.silent or any(had.values())):
            return dict.fromkeys(had, frozenset())
        all_fit = self.eligible()
        fit = (all_fit - self.silent) or all_fit
        return {index: self._bound(fit, workers) for index, workers in had.items()}

    def _bound(self, fit: set[str], had: list[str]) -> frozenset[str]:
        fresh = next(filter(None, (fit.difference(had[oldest:]) for oldest in range(len(had)))), fit)
        free = fresh == fit and not (self._unfit or self._only or self.silent)
        return frozenset() if free else frozenset(fresh)


def _listed(differences: dict[str, Any]) -> str:
    return ", ".join(f"{name}: planned {two['planned']}, there {two['here']}" for name, two in differences.items())
