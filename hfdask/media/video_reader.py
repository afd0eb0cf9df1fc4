"""Read frames of a planned source video in any order. Reading forward is fastest."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import av

from hfdask.core.video_source import FrameIndex, VideoSource
from hfdask.media.deinterlace import Deinterlacer
from hfdask.media.frame_decoder import FrameDecoder


class VideoReader:
    """Decode frames by their number in display order, with one thread. Close it after use.

    A frame does not depend on the frames that were read before it. Reading forward decodes each frame once. Frames of
    interlaced sources are deinterlaced.

    Parameters
    ----------
    path : Path
        The file.
    source : VideoSource
        Its properties, from `hfdask.media.probe.probe_video`.
    index : FrameIndex
        Its frames.

    Raises
    ------
    VideoReadError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, source: VideoSource, index: FrameIndex) -> None:
        self._decoder = FrameDecoder(path, source.stream, index, alpha=source.alpha)
        self._deinterlacer = Deinterlacer(self._decoder.frame, len(index)) if source.interlaced else None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(self, number: int) -> av.VideoFrame:
        """Return a frame in the pixel format of the source.

        Raises
        ------
        IndexError
            If there is no such frame. `FrameIndex.at` returns only frames that exist.
        VideoSourceError
            If the frame cannot be decoded, because the file is damaged; ``details`` has ``path`` and ``seconds``. If no
            later frame can be decoded either, there is no error, and the last frame before it is returned.
        VideoReadError
            If the file cannot be read, or if it is not the file that was planned.
        """
        return self._deinterlacer.frame(number) if self._deinterlacer else self._decoder.frame(number)

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()
