"""The summary of a finished chunk that its task takes along to the scheduler.

It is part of the message that reports the end of the task (Dask's metadata of tasks), so it costs no message and no
event, whether anyone looks at it or not. ``client.get_task_stream()`` has it, too.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from hfdask.core.fields import Count, Frame, Line, Seconds
from hfdask.core.values import Value

if TYPE_CHECKING:
    from hfdask.core.results import ChunkResult

SLOW_FRAMES = 3
"""Slowest frames of a chunk that its summary has."""


class ChunkSummary(Value, frozen=True):
    """Numbers of a finished chunk.

    Attributes
    ----------
    frames, static_frames : int
        All frames, and frames that were equal to the frame before.
    stages : dict of str to float
        Wall seconds by stage.
    browser_bytes : int
        Most memory that its browser took.
    reused : bool
        True if the chunk existed already.
    slow : tuple of (int, float)
        Its slowest frames, as numbers in the video and wall seconds of the capture, slowest first.
    """

    frames: Frame
    static_frames: Frame
    stages: Annotated[dict[Line, Seconds], Meta(max_length=50)]
    browser_bytes: Count
    reused: bool
    slow: Annotated[tuple[tuple[Frame, Seconds], ...], Meta(max_length=SLOW_FRAMES)]

    @classmethod
    def of(cls, result: ChunkResult, slow: SlowFrames) -> ChunkSummary:
        """Summarise a chunk's record."""
        return cls(
            frames=result.frames,
            static_frames=result.static_frames,
            stages=result.stages,
            browser_bytes=result.browser_bytes,
            reused=result.reused,
            slow=slow.slowest(),
        )


class SlowFrames:
    """Keep the slowest frames of a chunk."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, int]] = []

    def note(self, frame: int, seconds: float) -> None:
        """Take note of the wall seconds of a frame."""
        if len(self._kept) < SLOW_FRAMES:
            heapq.heappush(self._kept, (seconds, frame))
        elif seconds > self._kept[0][0]:
            heapq.heapreplace(self._kept, (seconds, frame))

    def slowest(self) -> tuple[tuple[int, float], ...]:
        """Return frames and seconds, slowest first."""
        return tuple((frame, round(seconds, 4)) for seconds, frame in sorted(self._kept, reverse=True))
