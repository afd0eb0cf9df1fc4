"""Expected costs of frames, from facts that are the same whenever a project is planned.

Planning measures seconds, too, but on a busy machine these differ from run to run, and so would the ranges of chunks: a
second plan would reuse nothing. So costs come from what the page does, not from how long it takes:

- a frame in which nothing changes costs `STILL`: no picture is taken, and the encoder writes a skipped slice;
- a frame that changes costs more if its picture is fuller, by the bytes of its PNG for each pixel. A full picture takes
  long to draw, to compress, to decode and to encode. A script that works long for a simple picture is not noticed;
- source videos cost by the share of the picture that they can fill, because planning shows no pictures of them.

Costs of changing frames are rounded to steps (`STEPS`), so a picture that differs in a few bytes costs the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from hfdask.core.costs import MOVING, STILL
from hfdask.core.frames import first_frame
from hfdask.core.model import Clip, Manifest, Sweep, Video
from hfdask.core.video_clip import VideoClip, frames_of

FULLNESS = 4.0
"""Cost of a byte of PNG a pixel, in costs of an empty picture (measured: docs/decisions/equal-cost.md)."""

FILM = 2.0
"""Cost of a source video that fills the picture, in the same unit."""

STEPS = tuple(round(MOVING * 2 ** (step / 2)) for step in range(13))
"""Possible costs of a frame that changes: each is about 1.4 times the one before."""


def costs_in(manifest: Manifest, sweep: Sweep) -> list[int]:
    """Return the expected costs of a plan's frames; the chunks of the manifest do not matter."""
    films = ((clip, manifest.videos[clip.video]) for clip in manifest.clips)
    pixels = manifest.width * manifest.height
    scale = manifest.page.scale.fraction
    return frame_costs(sweep, manifest.frames, pixels, manifest.fps.fraction, manifest.timeline.clips, films, scale)


def picture_bytes(manifest: Manifest, sweep: Sweep) -> np.ndarray:
    """Return the expected bytes of each frame's PNG."""
    borders = _borders(manifest.timeline.clips, manifest.fps.fraction, manifest.frames)
    return _picture_bytes(sweep, manifest.frames, borders)


def frame_costs(
    sweep: Sweep,
    frames: int,
    pixels: int,
    fps: Fraction,
    clips: Iterable[Clip] = (),
    films: Iterable[tuple[VideoClip, Video]] = (),
    scale: Fraction = Fraction(1),
) -> list[int]:
    """Return the expected cost of each frame of a video, in units of `hfdask.core.costs`; nothing without a sweep.

    Parameters
    ----------
    sweep : Sweep
        What planning saw on its way through the timeline.
    frames, pixels : int
        Frames of the video, and pixels of one.
    fps : Fraction
        Frames a second.
    clips : iterable of Clip
        Timed elements: at their starts and ends the picture changes most.
    films : iterable of (VideoClip, Video)
        Source videos, and the clips that play them.
    scale : Fraction
        Pixels of a frame for each pixel of the page.
    """
    if not sweep.frames:
        return []
    fullness, shown = _picture_bytes(sweep, frames, _borders(clips, fps, frames)) / pixels, np.zeros(frames)
    for clip, film in films:
        window = frames_of(clip, fps)
        area = math.prod(film.source.natural_size) * scale**2
        shown[max(0, window.start) : max(0, window.stop)] += min(1.0, float(area / pixels))
    costs = MOVING * (1 + FULLNESS * fullness + FILM * shown)
    steps = np.array(STEPS)[np.searchsorted(STEPS, costs, side="right") - 1]
    return [int(cost) for cost in np.where(changing_frames(sweep, frames) | (shown > 0), steps, STILL)]


def changing_frames(sweep: Sweep, frames: int) -> np.ndarray:
    """Return for each frame if it is expected to differ from the one before.

    If a visited frame has moved, so have all frames since the visited frame before it. If a picture differs from the
    last one although nothing has moved, a canvas drew: then all frames between them count.
    """
    changing = np.zeros(frames, dtype=bool)
    before = drawn = -1
    quiet = False  # nothing moved since the last picture
    for frame, moved, differs, size in zip(sweep.frames, sweep.moved, sweep.damage, sweep.pictures, strict=True):
        if moved:
            changing[before + 1 : frame + 1] = True
        quiet = quiet and not moved
        if size is not None:
            if differs and quiet:
                changing[drawn + 1 : frame + 1] = True
            drawn, quiet = frame, True
        before = frame
    return changing


def _borders(clips: Iterable[Clip], fps: Fraction, frames: int) -> list[int]:
    """Return the frames at which clips begin or have ended, with the first frame and the end of the video."""
    times = (time for clip in clips for time in (clip.start, clip.end) if time is not None and math.isfinite(time))
    places = (first_frame(time, fps) for time in times)
    return sorted({0, frames, *(place for place in places if 0 < place < frames)})


def _picture_bytes(sweep: Sweep, frames: int, borders: Sequence[int]) -> np.ndarray:
    """Return the size of the nearest picture for each frame, if possible of one between the same borders."""
    known = [(frame, size) for frame, size in zip(sweep.frames, sweep.pictures, strict=True) if size]
    places = [frame for frame, _ in known]
    sizes = np.zeros(frames)
    for start, end in pairwise(borders) if known else ():
        near = known[bisect_left(places, start) : bisect_left(places, end)]
        if not near:
            near = [min(known, key=lambda each: abs(2 * each[0] - (start + end - 1)))]
        middles = [(left + right + 1) // 2 for (left, _), (right, _) in pairwise(near)]
        for (first, last), (_, size) in zip(pairwise([start, *middles, end]), near, strict=True):
            sizes[first:last] = size
    return sizes
