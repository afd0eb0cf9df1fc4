"""Make progressive pictures of interlaced pictures with FFmpeg's ``bwdif``.

A picture of two fields becomes one picture, at the time of its first field, so the number of frames stays the same.
Pictures that are not marked as interlaced are kept as they are. The filter needs one frame before and one frame after.
It gets exactly these frames, so its result does not depend on the frame from which reading began.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
from av.filter import Graph

_FILTER = "mode=send_frame:parity=auto:deint=interlaced"
_CLOCK = Fraction(1, 25)  # the time stamps are frame numbers, so any clock will do


class Deinterlacer:
    """Deinterlace frames of a video by their number.

    Parameters
    ----------
    frame_of : callable
        Returns a decoded frame by its number.
    frames : int
        Number of frames.
    """

    def __init__(self, frame_of: Callable[[int], av.VideoFrame], frames: int) -> None:
        self._frame_of, self._frames = frame_of, frames
        self._graph = Graph()
        self._shown: tuple[int, av.VideoFrame] | None = None

    def frame(self, number: int) -> av.VideoFrame:
        """Return a frame as a progressive picture."""
        if self._shown is None or number not in (self._shown[0], self._shown[0] + 1):
            self._begin(number)
        if self._shown is None or number != self._shown[0]:
            self._push(number + 1)
            self._shown = (number, self._graph.vpull())
        return self._shown[1]

    def _begin(self, number: int) -> None:
        """Build a filter and push the frame before and this frame, so that it returns this frame next."""
        before = max(0, number - 1)
        first = self._frame_of(before)
        self._graph, self._shown = Graph(), None
        self._graph.threads = 1
        source = self._graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=_CLOCK)
        self._graph.link_nodes(source, self._graph.add("bwdif", _FILTER), self._graph.add("buffersink")).configure()
        self._push(before)
        if before < number:
            self._push(number)
            self._graph.vpull()

    def _push(self, number: int) -> None:
        """Push a frame into the filter, or the end of the video."""
        if number >= self._frames:
            self._graph.vpush(None)
            return
        frame = self._frame_of(number)
        frame.pts, frame.time_base = number, _CLOCK
        self._graph.vpush(frame)
