"""Fit what chunks take to what they do, by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
from scipy.optimize import nnls

from hfdask.core.fields import Count, Seconds
from hfdask.core.values import Value

REPEATS = 5
"""Fits with new weights; after three, nothing changes any more."""


class TrialChunk(Value, frozen=True):
    """A chunk of a trial: its frames, the number of changed frames, its wall seconds, and if a browser was started for it."""

    frames: Count
    changed: Count
    seconds: Seconds
    cold: bool


class CostModel(Value, frozen=True):
    """Seconds of a chunk, as ``chunk + frame * frames + changed_frame * changed frames``, and ``startup`` if it starts a browser.

    Attributes
    ----------
    workers, quality : int, str
        Of the measured trials: chunks slow each other down, and encoding depends on the quality.
    startup, chunk, frame, changed_frame : float
        Seconds, none below 0.
    error : float
        Median difference between the seconds of a chunk and the model's, as a share of its seconds.
    chunks : int
        Number of chunks that were measured.
    """

    workers: Count
    quality: str
    startup: Seconds
    chunk: Seconds
    frame: Seconds
    changed_frame: Seconds
    error: Seconds
    chunks: Count

    @classmethod
    def fit(cls, workers: int, quality: str, chunks: Sequence[TrialChunk]) -> CostModel:
        """Fit the model by non-negative least squares (Lawson and Hanson, `scipy.optimize.nnls`).

        Differences count as shares of the model's seconds, or long chunks alone would decide: the fit is repeated with
        weights from the fit before. Shares of the measured seconds would make the model too quick, because a chunk that
        was held up would count less. If all chunks do the same, their seconds cannot be divided among the terms; then
        the sum is right all the same.

        Raises
        ------
        ValueError
            Without chunks.
        """
        if not chunks:
            raise ValueError("a model needs chunks")
        terms = np.array([[each.cold, 1.0, each.frames, each.changed] for each in chunks], dtype=float)
        seconds = np.array([max(each.seconds, 1e-4) for each in chunks])
        expected = np.full(len(seconds), seconds.mean())
        for _ in range(REPEATS):
            found = nnls(terms / expected[:, None], seconds / expected)[0]
            expected = np.maximum(terms @ found, seconds.min())
        startup, chunk, frame, changed_frame = (round(float(value), 6) for value in found)
        return cls(
            workers=workers,
            quality=quality,
            startup=startup,
            chunk=chunk,
            frame=frame,
            changed_frame=changed_frame,
            error=round(float(median(abs(terms @ found / seconds - 1))), 4),
            chunks=len(chunks),
        )

    def seconds(self, frames: int, changed: int, *, cold: bool = False) -> float:
        """Return the seconds of a chunk with these frames, of which ``changed`` change."""
        return self.chunk + self.frame * frames + self.changed_frame * changed + self.startup * cold

    def __str__(self) -> str:
        return (
            f"a chunk takes {self.chunk:.2f} s, {1000 * self.frame:.1f} ms a frame and {1000 * self.changed_frame:.1f} ms more "
            f"if it changes; a browser starts in {self.startup:.2f} s (error {self.error:.0%}, {self.chunks} chunks, quality "
            f"{self.quality}, {self.workers} at a time)"
        )
