"""Compare two videos or pictures frame by frame, in every format that hfdask writes, and wherever they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av

from hfdask.core.forks import worked
from hfdask.core.frames import parse_fps
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import MediaError
from hfdask.formats.output_files import OutputFiles
from hfdask.formats.shown import Held, Shown, frames_of, is_held
from hfdask.media.compare import Comparison, Meter
from hfdask.store import Location, StorageOptions, split_url

Pair = tuple[av.VideoFrame | None, av.VideoFrame | None]


@worked
def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    fps: int | str | Fraction | None = None,
    storage_options: StorageOptions | None = None,
) -> Comparison:
    """Compare two videos or pictures frame by frame, by frame number.

    Parameters
    ----------
    a, b : path or URL
        Files that FFmpeg reads, animated WebP, or sequences of PNG pictures in folders or ZIP files. A name that ends in ``.png``
        is a single picture. Any fsspec URL; a playlist at a URL must be of hfdask.
    fps : int or str or Fraction, optional
        Frames a second, such as 30 or ``"30000/1001"``, of a sequence of pictures. It is needed only to compare one with a WebP,
        whose pictures have times and no numbers.
    storage_options : mapping, optional
        Arguments of the file systems.

    Returns
    -------
    Comparison
        Numbers for the frames that both have, and both counts of frames.

    Raises
    ------
    MediaError
        If a file cannot be read, has no frames, is less than 16 pixels wide or high, the sizes differ, or ``fps`` is missing.
    InvalidConfigError
        If ``fps`` is not a rate.
    MissingArtifactError, StoreError, StoreRefusedError
        If it is at a URL that cannot be read.
    """
    meter: Meter | None = None
    count_a = count_b = 0
    with ExitStack() as stack:
        path_a, path_b = (_local(place, storage_options, stack) for place in (a, b))
        for frame_a, frame_b in _pairs(path_a, path_b, None if fps is None else parse_fps(fps), stack):
            count_a += frame_a is not None
            count_b += frame_b is not None
            if frame_a is not None and frame_b is not None:
                meter = meter or Meter(frame_a, frame_b)
                meter.push(frame_a, frame_b)
    if meter is None:
        raise MediaError(f"{b if count_a else a} has no frames")
    return meter.finish(count_a, count_b)


def _local(place: str | os.PathLike[str], options: StorageOptions | None, stack: ExitStack) -> Path:
    """Return the path of an output that is on this machine, or of a copy of it."""
    store, name = split_url(place, options, may_be_folder=True)
    if store.local:
        return Path(store.path, name)
    into = stack.enter_context(scratch_subfolder("compare"))
    OutputFiles.at(Location.at(store, name)).fetch(into)
    return into / name


def _pairs(a: Path, b: Path, fps: Fraction | None, stack: ExitStack) -> Iterator[Pair]:
    """Yield the frames of both videos that belong together; None if one has ended."""
    if is_held(a) and is_held(b):
        yield from _both_held(Held(a, stack), Held(b, stack))
    elif is_held(a):
        yield from _held(Held(a, stack), frames_of(b, stack), fps)
    elif is_held(b):
        yield from ((frame_a, frame_b) for frame_b, frame_a in _held(Held(b, stack), frames_of(a, stack), fps))
    else:
        yield from zip_longest(*((shown.frame for shown in frames_of(path, stack)) for path in (a, b)))


def _both_held(a: Held, b: Held) -> Iterator[Pair]:
    """Yield what is shown whenever a picture of either begins."""
    for begin in sorted({*a.begins, *b.begins}):
        yield a.at(begin), b.at(begin)
    if a.end != b.end:
        last = max(a.end, b.end) - Fraction(1, 1000)
        yield a.at(last), b.at(last)


def _held(held: Held, frames: Iterator[Shown], fps: Fraction | None) -> Iterator[Pair]:
    """Yield each frame of a video after the picture that is shown in the middle of it, then what is left of the pictures."""
    middles: list[Fraction] = []
    for number, shown in enumerate(frames):
        middles = [*middles[-1:], _middle(shown, number, fps)]
        yield held.at(middles[-1]), shown.frame
    if held.end and len(middles) == 2 and middles[0] < middles[1]:
        last, step = middles[1], middles[1] - middles[0]
        while (picture := held.at(last := last + step)) is not None:
            yield picture, None


def _middle(shown: Shown, number: int, fps: Fraction | None) -> Fraction:
    if shown.middle is not None:
        return shown.middle
    if fps is None and number:
        raise MediaError("pictures of a sequence have no times: give fps to compare them with a WebP")
    return (number + Fraction(1, 2)) / (fps or 25)
