"""Stage times, and the interface through which a caller follows a primitive.

The stages are check, compile, probe, sweep, freeze, mix, materialise, boot, capture, encode, upload and assemble: the same
names in records, metrics, dashboards and errors.

The primitives know nothing of Dask. They report to an `Observer`. The Dask layer's observer reports to the dashboard,
the command line's to a progress bar, and the base class ignores everything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hfdask.media.captured import Picture


class Observer:
    """Follow stages and progress of a primitive, or stop it. This class does nothing: make a subclass of it."""

    worker: str = ""
    """Name of the process for records. If it is empty, records have host and process id."""
    attempt: int = 0
    """Earlier attempts at this chunk, for records."""

    def meter(self, stage: str) -> AbstractContextManager[object]:
        """Return a context manager for a stage's share of the calling thread's time. Shares never overlap."""
        return nullcontext()

    def progress(self, done: int, total: int) -> None:
        """Take note of finished frames of a chunk. It is called from the calling thread."""

    def frame(self, index: int, picture: Picture | None, seconds: float) -> None:
        """Take note of a frame of a chunk: its number in the video, its picture, and the wall seconds of its capture.

        ``picture`` is None if the frame equals the one before. It is called from the calling thread, before `progress`.
        """

    def cancelled(self) -> bool:
        """Return true to end the primitive with `RenderCancelledError`. It is asked a few times a second."""
        return False


class StageClock:
    """Add up wall seconds by stage name, and meter them with the observer.

    Attributes
    ----------
    began : float
        Time at which the clock was made, in seconds since 1970 by this machine's clock.
    """

    def __init__(self, observer: Observer) -> None:
        self.began = time.time()
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self._observer = observer

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with self._observer.meter(stage):
                yield
        finally:
            self.add(stage, time.perf_counter() - began)

    @property
    def elapsed(self) -> float:
        """Wall seconds since the clock was made."""
        return time.perf_counter() - self._started

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def move(self, stage: str, part: str, seconds: float) -> None:
        """Move seconds from a running stage to another one."""
        self.add(stage, -seconds)
        self.add(part, seconds)

    def rounded(self) -> dict[str, float]:
        """Return the seconds by stage, rounded to a tenth of a millisecond."""
        return {stage: round(seconds, 4) for stage, seconds in self.seconds.items()}
