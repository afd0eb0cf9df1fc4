"""Frame rates, frame counts, frame times and chunk ranges: the arithmetic that every layer must agree on.

All of it is exact. A frame's time is always computed as a fraction from its absolute index, and becomes a float once.
Nothing is accumulated, and nothing is relative to a chunk. So a frame cannot depend on its chunk.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from hfdask.core.fields import MAX_CHUNKS, MAX_RECORD_FRAMES
from hfdask.errors import DurationError, InvalidConfigError

MAX_DURATION = 86_400
"""Longest composition in seconds (24 h); more is usually an endless repeat."""

MAX_CHUNK_FRAMES = 3600
MIN_AUTO_CHUNK_FRAMES = 30
FULL_CHUNK_FRAMES = 90
"""Frames that a chunk should have before a worker gets more than one: a chunk costs as much as 25 frames that change besides."""
_CHUNKS_A_WORKER = 3  # at most: more would balance better, but each loads the page

_MAX_PART = 10**9
_RATIONAL = re.compile(r"(\d{1,9})/(\d{1,9})")


def parse_fps(value: str | int | Fraction) -> Fraction:
    """Read a frame rate: a whole number from 1 to 240, or a rational such as ``"30000/1001"``.

    Raises
    ------
    InvalidConfigError
        For anything else. Decimals are refused because they name no exact rate: 29.97 is not 30000/1001.
    """
    if isinstance(value, Fraction):
        rate = value
    elif isinstance(value, int) and not isinstance(value, bool):
        rate = Fraction(value)
    else:
        text = str(value).strip()
        match = _RATIONAL.fullmatch(text)
        if text.isascii() and text.isdigit() and len(text) < 10:
            rate = Fraction(int(text))
        elif match and int(match[2]):
            rate = Fraction(int(match[1]), int(match[2]))
        else:
            hint = " (write 24000/1001, 30000/1001 or 60000/1001 for NTSC rates)" if "." in text else ""
            raise InvalidConfigError(
                f"fps must be a whole number or a rational like 30000/1001, not {str(value)[:50]!r}{hint}", field="fps"
            )
    if not 1 <= rate <= 240 or rate.numerator > _MAX_PART:
        raise InvalidConfigError(
            f"fps must be between 1 and 240, in whole numbers up to {_MAX_PART}, not {str(value)[:50]}", field="fps"
        )
    return rate


def frame_time(frame: int, fps: Fraction) -> float:
    """Return the time of a frame in seconds: ``frame / fps``, rounded once to a double (docs/compositions.md, 3.5)."""
    return float(frame / fps)


def frame_at(time: float, fps: Fraction) -> int:
    """Return the index of the frame that shows ``time``: ``floor(t * fps + 1e-9)`` (docs/compositions.md, 3.5).

    Without the epsilon, some times that were computed from a frame index would fall into the frame before: 0.28 × 25 is
    6.999… in doubles.
    """
    return math.floor(time * float(fps) + 1e-9)


def first_frame(start: float, fps: Fraction) -> int:
    """Return the index of the first frame of an element that starts at a time in seconds.

    A frame that is less than a millionth of a frame early counts, because times were rounded to doubles.
    """
    return math.ceil(Fraction(start) * fps - Fraction(1, 10**6))


def evenly_spaced(frames: int, count: int) -> tuple[int, ...]:
    """Return the middle frames of ``count`` equal parts of a video; all frames if it has no more than that."""
    count = min(count, frames)
    return tuple((2 * number + 1) * frames // (2 * count) for number in range(count))


def frame_count(duration: float, fps: Fraction) -> int:
    """Return the number of frames (docs/compositions.md, 3.5): the nearest whole number within 1e-3, else the ceiling.

    Raises
    ------
    DurationError
        For durations that are not finite, not positive, or longer than 24 hours.
    """
    if not math.isfinite(duration) or duration <= 0:
        raise DurationError(
            f"the composition's duration is {duration:g} s; give its root a data-duration: seconds without a unit, such as 2.5",
            duration=str(duration),
        )
    if duration > MAX_DURATION:
        raise DurationError(
            f"the composition's duration is {duration:.0f} s, more than 24 hours; an endless repeat (repeat: -1) is the "
            "usual cause: give the root a data-duration",
            duration=duration,
        )
    exact = Fraction(duration) * fps
    nearest = round(exact)
    return max(1, nearest if abs(exact - nearest) <= Fraction(1, 1000) else math.ceil(exact))


def auto_chunks(work: int, full: int, workers: int) -> int:
    """Return the number of chunks for some workers: one to three for each, as many as there are with ``full`` of the work."""
    return workers * max(1, min(_CHUNKS_A_WORKER, work // (workers * full)))


def chunk_ranges(
    total: int,
    *,
    size: int | None = None,
    target: int | None = None,
    max_chunks: int | None = None,
    workers: int | None = None,
) -> list[tuple[int, int]]:
    """Split ``total`` frames into contiguous half-open ranges of equal length, the last one shorter or equal.

    Parameters
    ----------
    total : int
        Frames of the whole video.
    size : int, optional
        Frames of a chunk. Wins over ``target``.
    target : int, optional
        Desired frames of a chunk: lowers the number of chunks to ``ceil(total / target)``.
    max_chunks : int, optional
        Hard limit on the number of chunks; chunks grow to respect it.
    workers : int, optional
        With neither ``size`` nor ``target``: one to three chunks a worker, as many as have 90 frames, and never of less
        than 30. More balance the load and keep the retry of a chunk cheap, but each loads the page. With no
        ``workers`` either, the limit (16 by default) is what splits the video, into chunks of at least 10 frames.

    Returns
    -------
    list of (start, end)
        Covers ``[0, total)`` with no empty range.

    Raises
    ------
    InvalidConfigError
        For numbers that are not whole and positive, sizes over 3600 frames, and settings that make more than
        `hfdask.core.fields.MAX_CHUNKS` chunks or chunks of more than `hfdask.core.fields.MAX_RECORD_FRAMES` frames.

    Notes
    -----
    The rule is part of the plan format: docs/plan-format.md, "Chunks".
    """
    named = {
        "total": total,
        "chunk_size": size,
        "target_chunk_frames": target,
        "max_chunks": max_chunks,
        "workers": workers,
    }
    for field, value in named.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InvalidConfigError(f"{field} must be a whole number of at least 1, not {value!r}", field=field)
        if field in ("chunk_size", "target_chunk_frames") and value is not None and value > MAX_CHUNK_FRAMES:
            raise InvalidConfigError(f"{field} must be at most {MAX_CHUNK_FRAMES} frames, not {value}", field=field)
    if size and not max_chunks and _ceil(total, size) > MAX_CHUNKS:
        raise InvalidConfigError(
            f"chunk_size={size} makes {_ceil(total, size)} chunks of {total} frames, more than {MAX_CHUNKS}; "
            f"give at least {_ceil(total, MAX_CHUNKS)}",
            field="chunk_size",
        )
    limit = max_chunks or (16 if size is None and target is None and workers is None else total)
    if size is None and target is None and workers is not None:
        count = auto_chunks(total, FULL_CHUNK_FRAMES, workers)
        size = min(MAX_CHUNK_FRAMES, max(MIN_AUTO_CHUNK_FRAMES, _ceil(total, count)))
    limit = min(limit, MAX_CHUNKS)
    parallel = limit if target is None else min(limit, _ceil(total, target))
    wanted = size or max(10 if target is None else 1, _ceil(total, parallel))
    count = min(limit, _ceil(total, wanted))
    effective = max(wanted, _ceil(total, count))
    if effective > MAX_RECORD_FRAMES:
        raise InvalidConfigError(
            f"{count} chunks of {total} frames are of more than {MAX_RECORD_FRAMES} frames each; "
            f"give max_chunks={_ceil(total, MAX_RECORD_FRAMES)} at least",
            field="max_chunks",
        )
    return [(start, min(start + effective, total)) for start in range(0, total, effective)]


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
