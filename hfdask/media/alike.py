"""Compare two pictures of one page that were drawn in different ways.

Such pictures may differ at edges: one way draws an edge between two pixels, another snaps it to one, and text is drawn
or resampled. Anything else is a mistake of one of them. A mean, such as PSNR, cannot distinguish the two: a small
picture with many edges has 35 dB, and so has a large picture without its button.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from hfdask.media.picture import Pixels

Places = tuple[npt.NDArray[np.intp], ...]
"""Rows and columns of pixels."""

CLOSE = 8
"""Difference of a channel that cannot be seen: gradients and blurs differ by 1 to 4."""

SHARP = 96
"""Difference from everything around it that a pixel of a thin line may have, because it is spread over two pixels."""


def beyond_edges(a: Pixels, b: Pixels) -> int:
    """Count the pixels in which two pictures differ by more than the drawing of edges.

    A pixel is right if it differs by at most `CLOSE`. It also is if it lies between its neighbours in the other picture (3x3
    pixels, give or take `CLOSE`) in one of the pictures, and roughly (give or take `SHARP`) in both.

    Parameters
    ----------
    a, b : ndarray of uint8, shape (height, width, 3)
        Pictures of one size.
    """
    if a.shape != b.shape:
        return int(max(a[..., 0].size, b[..., 0].size))
    wrong = np.maximum(a, b) - np.minimum(a, b) > CLOSE
    places = np.nonzero(wrong[..., 0] | wrong[..., 1] | wrong[..., 2])
    in_a, in_b = _outside(b, a, places), _outside(a, b, places)
    fits = (np.minimum(in_a, in_b) <= CLOSE) & (np.maximum(in_a, in_b) <= SHARP)
    return int((wrong[places] & ~fits).any(axis=-1).sum())


def _outside(picture: Pixels, other: Pixels, places: Places) -> npt.NDArray[np.int16]:
    """Return how far the values at these places are outside of the range of their neighbours in the other picture; 0 inside."""
    height, width, _ = other.shape
    rows, columns = (
        [np.clip(of + step, 0, size - 1) for step in (-1, 0, 1)]
        for of, size in zip(places, (height, width), strict=True)
    )
    around = [other[row, column] for row in rows for column in columns]
    low, high = (reduce(of, around).astype(np.int16) for of in (np.minimum, np.maximum))
    values = picture[places]
    outside: npt.NDArray[np.int16] = np.maximum(np.maximum(low - values, values - high), 0)
    return outside
