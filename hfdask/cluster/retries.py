"""Decide if a failed task is tried again, by one rule for chunks, planning and assembly."""

from __future__ import annotations

from hfdask.errors import HfdaskError

BACK_OFF = 0.5
"""Seconds before the first new attempt; doubled for each further one."""

FETCH = 15.0
"""Seconds in which a finished task's result, which is small, must come from its worker."""


def retry_delay(error: HfdaskError, failures: int, retries: int, *, killed: bool) -> float | None:
    """Return the seconds to wait before the next attempt, or None if there is none.

    Parameters
    ----------
    error : HfdaskError
        The last attempt's error.
    failures : int
        Number of failed attempts, including this one.
    retries : int
        New attempts that the caller allows.
    killed : bool
        True if the task's worker was lost. The scheduler has tried such a task on several workers already. It gets one more
        attempt, because the scheduler also blames tasks that only waited on the same workers.
    """
    if not error.retryable or failures > (min(1, retries) if killed else retries):
        return None
    return BACK_OFF * 2.0 ** (failures - 1)
