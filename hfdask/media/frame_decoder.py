"""Decode single frames of a source video. A frame does not depend on the frames that were decoded before it.

The decoder is reset at each key frame of the index, even if packets are read in order. So a frame depends only on the
packets of its own group, and a damaged file looks the same in every chunk. This decodes nothing twice: the packets of a
group are known, and the decoder is drained after the last one. A seek only comes near a key frame, because containers
seek by decoding times, or by a guess. The packet of the key frame is then recognized by its time stamps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from hfdask.core.video_source import FrameIndex, KeyFrame
from hfdask.errors import VideoReadError, VideoSourceError
from hfdask.media.video_file import decoder_of, open_media, packets_of, read_only

READ_ON = 300
"""If a key frame is at most this number of frames ahead, packets are read up to it. A seek would cost more."""

_BACK = (0, 1, 4, 16)
"""Seconds before a key frame. They are tried as targets of a seek, one after another, until the key frame is found."""

_NO_RUN = (-1, -1)


class FrameDecoder:
    """Decode frames of one stream by their number in display order. Close it after use.

    Parameters
    ----------
    path : Path
        The file.
    stream : int
        Number of its video stream.
    index : FrameIndex
        Index of that stream.
    alpha : bool
        True to decode transparency.

    Raises
    ------
    VideoReadError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, stream: int, index: FrameIndex, *, alpha: bool) -> None:
        self.path, self.index = path, index
        self._number, self._alpha = stream, alpha
        self._groups = [key.frame for key in index.keys]
        self._open()
        self._run: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._run_of = _NO_RUN
        self._before: tuple[int, av.VideoFrame] | None = None
        self._after: tuple[int, av.VideoFrame] | None = None
        self._damaged = False
        self._first_of: dict[int, int] = {}

    def close(self) -> None:
        """Close the file."""
        self._run, self._before, self._after = iter(()), None, None
        self._file.close()

    def frame(self, number: int) -> av.VideoFrame:
        """Return a frame.

        If the packet of the frame has no picture, the picture before is returned. Such a packet is a second field, or it
        says that nothing changed. The picture before is also returned if no frame from here to the end of the file can be
        decoded, as in a file that was cut off.

        Raises
        ------
        IndexError
            If there is no such frame.
        VideoSourceError
            If a frame in the middle is damaged; ``details`` has ``path`` and ``seconds``.
        VideoReadError
            If the file cannot be read, or if it is not the file of the index.
        """
        if not 0 <= number < len(self.index):
            raise IndexError(f"frame {number} of {len(self.index)}")
        group = self.index.group(number)
        for start in self._starts(group, number):
            self._reach(number, (start, group))
            if self._before is not None:
                break  # else the first frame that could be decoded is later
        cut = self._after is None and group == len(self._groups) - 1
        if self._before is not None and (self._before[0] == number or cut or not self._damaged):
            return self._before[1]
        seconds = float(self.index.time(number))
        raise VideoSourceError(
            f"{self.path} is damaged: its frame {number}, at {seconds:.3f} s, cannot be decoded; encode the video again",
            path=str(self.path),
            seconds=seconds,
            frame=number,
            reason="damaged",
        )

    def run(self, start: int, group: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode from key frame ``start`` to the end of the frames of key frame ``group``; yield numbers and frames.

        Frames that are not in the index are left out. Frames before the first key frame are also left out, because they
        refer to frames that were not decoded. Only one run can be in progress at a time.
        """
        first = self._groups[start]
        for count, frame in enumerate(self._decode(start, group)):
            number = count if self.index.counted else self._number_of(frame)
            if number is not None and first <= number < len(self.index):
                yield number, frame

    def _starts(self, group: int, number: int) -> list[int]:
        """List key frames to try: the frame's own, then earlier ones, because some packets are marked as key frames wrongly."""
        starts = [max(0, group - back) for back in (0, 1, 2, 4)]
        return [start for start in dict.fromkeys(starts) if number >= self._first_of.get(start, 0)]

    def _reach(self, number: int, run: tuple[int, int]) -> None:
        """Decode up to a frame, or to the first frame after it. Keep both the last frame not after it and the first after it."""
        if run != self._run_of or (self._before or (number + 1,))[0] > number:
            self._run, self._before, self._after, self._damaged = self.run(*run), None, None, False
        self._run_of = _NO_RUN  # in case of an error
        while self._before is None or self._before[0] < number:
            shown = self._after or next(self._run, None)
            if self._before is None:
                end = [*self._groups, len(self.index)][run[1] + 1]
                self._first_of[run[0]] = end if shown is None else shown[0]
            if shown is None:
                break
            self._after = shown if shown[0] > number else None
            if self._after is not None:
                break
            if self._before is None or shown[0] > self._before[0]:
                self._before = shown
        self._run_of = run

    def _decode(self, start: int, group: int) -> Iterator[av.VideoFrame]:
        self._approach(start)
        self._decoder.flush_buffers()
        for packet in chain(self._packets_of(start, group), (None,)):
            try:
                frames = self._decoder.decode(packet)
            except av.error.MemoryError as error:
                raise self._unreadable(str(error)) from error
            except av.FFmpegError:
                self._damaged = True
                continue
            yield from frames

    def _packets_of(self, start: int, group: int) -> Iterator[Packet[Any]]:
        """Yield the packets of key frames ``start`` to ``group``. Keep the packets of the next key frame for the next run."""
        self._position = start
        while (packet := self._next()) is not None:
            after = self._position + 1
            if after < len(self.index.keys) and _is(packet, self.index.keys[after]):
                if after > group:
                    leading = self._leading(packet)
                    self._waiting.extendleft((*reversed(leading), packet))
                    if leading:
                        yield from (packet, *leading)
                    return
                self._position = after
            yield packet

    def _leading(self, key: Packet[Any]) -> list[Packet[Any]]:
        """Read the packets that follow a key frame but are shown before it. They refer to frames of the group before."""
        leading: list[Packet[Any]] = []
        while (packet := self._next()) is not None:
            if packet.pts is None or key.pts is None or packet.pts > key.pts:
                self._waiting.appendleft(packet)
                break
            leading.append(packet)
        return leading

    def _approach(self, number: int) -> None:
        """Make the packet of a key frame the next packet."""
        key = self.index.keys[number]
        if self._position < number and not self.index.counted:
            behind = self.index.keys[self._position].frame if self._position >= 0 else 0
            if key.frame - behind <= READ_ON and self._find(key):
                return
        for seconds in () if number == 0 else _BACK:
            early = round(seconds / self.index.time_base.fraction)
            if self._seek(min(key.pts, key.dts) - early if early else key.pts) and self._find(key):
                return
        self._file.close()
        self._open()
        if not self.index.counted and not self._find(key, to_the_end=True):
            raise self._unreadable("it is not the file that was planned")

    def _find(self, key: KeyFrame, *, to_the_end: bool = False) -> bool:
        """Skip packets up to the packet of a key frame. Return false if a later packet or the end of the file comes first."""
        while (packet := self._next()) is not None:
            if _is(packet, key):
                self._waiting.appendleft(packet)
                return True
            if not to_the_end and packet.dts is not None and packet.dts > key.dts:
                return False
        return False

    def _next(self) -> Packet[Any] | None:
        if self._waiting:
            return self._waiting.popleft()
        try:
            return next(self._demuxed, None)
        except av.FFmpegError as error:
            raise self._unreadable(str(error)) from error

    def _number_of(self, frame: av.VideoFrame) -> int | None:
        if frame.pts is None:
            return None
        ticks = frame.pts - self.index.origin
        number = bisect_right(self.index.pts, ticks) - 1
        return number if number >= 0 and self.index.pts[number] == ticks else None

    def _open(self) -> None:
        try:
            self._file = open_media(self.path)
            stream = self._file.streams[self._number]
        except (av.FFmpegError, IndexError) as error:
            raise self._unreadable(str(error)) from error
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise self._unreadable("it is not the file that was planned")
        self._stream = stream
        self._decoder = decoder_of(stream, alpha=self._alpha)
        read_only(self._file, stream)
        self._restart()

    def _seek(self, ticks: int) -> bool:
        """Seek to a time, roughly. Return false if the file has no such time, or does not support seeking."""
        try:
            self._file.seek(ticks, stream=self._stream, backward=True)
        except av.FFmpegError:
            return False
        self._restart()
        return True

    def _restart(self) -> None:
        self._demuxed = packets_of(self._file, self._stream)
        self._waiting: deque[Packet[Any]] = deque()
        self._position = -1

    def _unreadable(self, why: str) -> VideoReadError:
        return VideoReadError(f"{self.path} cannot be read: {why}", path=str(self.path))


def _is(packet: Packet[Any], key: KeyFrame) -> bool:
    """Return true if a packet is the packet of a key frame. If a packet has only one time stamp, it counts as both."""
    pts = packet.dts if packet.pts is None else packet.pts
    dts = packet.pts if packet.dts is None else packet.dts
    return (pts, dts) == (key.pts, key.dts)
