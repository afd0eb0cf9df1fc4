"""Give invisible pixels the colour of the visible ones beside them.

A video with alpha has the colours of its pixels apart from their alpha. Invisible pixels are black as the browser gives them.
But pixels share their colour with neighbours if colour is stored at half the resolution, and codecs smooth over edges.
So black would leak into the visible edge, as a dark fringe on any other background. If invisible pixels near an edge
have its colour, nothing leaks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hfdask.media.picture import Pixels

BLOCK = 16
"""Pixels of a side of the blocks in which invisible pixels are filled. Blocks without a visible pixel stay as they are."""


def without_fringes(pixels: Pixels) -> Pixels:
    """Return a picture with invisible pixels filled, in blocks that also have visible ones.

    An invisible pixel gets the mean colour, weighted by alpha, of the smallest square around it that has a visible pixel: of 2,
    4, 8 or 16 pixels. Visible pixels and all alpha are unchanged.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 4)
        Colours that are not multiplied with alpha.
    """
    height, width = pixels.shape[:2]
    grown = np.pad(pixels, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)))
    # Rows and columns of blocks, then the pixels of a block.
    blocks = grown.reshape(grown.shape[0] // BLOCK, BLOCK, -1, BLOCK, 4).swapaxes(1, 2)
    visible = blocks[..., 3] > 0
    mixed = visible.any((2, 3)) & ~visible.all((2, 3))
    if not mixed.any():
        return pixels
    blocks[mixed] = _filled(blocks[mixed])
    return np.ascontiguousarray(grown[:height, :width])


def _filled(blocks: Pixels) -> Pixels:
    """Fill blocks, shape (number, 16, 16, 4), each of which has a visible pixel."""
    alpha = blocks[..., 3].astype(np.uint32)
    weight = alpha
    total = blocks[..., :3].astype(np.uint32) * alpha[..., None]
    wanted = alpha == 0
    filled = blocks.copy()
    side = 1
    while wanted.any() and side < BLOCK:
        side *= 2
        weight, total = _halved(weight), _halved(total)
        colour = (total + weight[..., None] // 2) // np.maximum(weight, 1)[..., None]
        known = wanted & _spread(weight > 0, side)
        filled[known, :3] = _spread(colour.astype(np.uint8), side)[known]
        wanted &= ~known
    return filled


def _halved(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Sum squares of two by two, in the second and third axis."""
    summed: npt.NDArray[np.uint32] = (
        values[:, ::2, ::2] + values[:, 1::2, ::2] + values[:, ::2, 1::2] + values[:, 1::2, 1::2]
    )
    return summed


def _spread(values: npt.NDArray[np.generic], side: int) -> npt.NDArray[np.generic]:
    return values.repeat(side, 1).repeat(side, 2)
