"""The inner face: the region that the built-in swapper changes, brows to chin.

Knows the ArcFace alignment (where eyes and mouth sit in a crop).  Knows no networks and
no pictures.  Upper forehead, ears and outline stay out: hair, hats and backgrounds of
two people seldom agree, and a seam on smooth skin shows least.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHIFT_128_PX = 8
"""The 128 px template is the 112 px one moved right by so much, at the same scale."""

# The outline in pixels of the 112 px template: a squarish superellipse, which covers
# brows out to their ends, a little narrower towards the chin.  Its size was chosen by
# what a recogniser still knew of the target outside it.
_CENTRE_X, _CENTRE_Y = 56.0, 73.0
HALF_WIDTH = 41.0
HALF_ABOVE = 46.0
_HALF_BELOW = 39.5
_CHIN_TAPER = 0.16
_POWER = 3.1
_EDGE = 0.20  # the soft rim, as a share of the half axes


@lru_cache(maxsize=8)
def inner_face_mask(
    size: int = 128, half_above: float = HALF_ABOVE, half_width: float = HALF_WIDTH
) -> NDArray[np.float32]:
    """Soft mask of the inner face in an aligned crop.

    Args:
        size: side of the crop in px: 112 for the recogniser's crop, or a multiple of
            128 for the swapper's.
        half_above: how far the outline reaches above its middle, px of the 112 template.
        half_width: how far it reaches aside, likewise.

    Returns:
        (size, size) float32, 0 outside to 1 inside, read-only and shared.

    Raises:
        ValueError: the size belongs to neither template.
    """
    if size == 112:
        scale, shift = 1.0, 0.0
    elif size > 0 and size % 128 == 0:
        scale, shift = size / 128.0, float(SHIFT_128_PX)
    else:
        raise ValueError(f"crop size must be 112 or a multiple of 128, not {size}")
    axis = np.arange(size, dtype=np.float64) / scale
    y = axis[:, None] - _CENTRE_Y  # (size, 1)
    x = axis[None, :] - shift - _CENTRE_X  # (1, size)
    v = y / np.where(y > 0.0, _HALF_BELOW, half_above)
    u = x / (half_width * (1.0 - _CHIN_TAPER * np.clip(v, 0.0, 1.0) ** 2))
    radius = (np.abs(u) ** _POWER + np.abs(v) ** _POWER) ** (1.0 / _POWER)
    t = np.clip((1.0 - radius) / _EDGE, 0.0, 1.0)
    mask = np.asarray(t * t * t * (t * (6.0 * t - 15.0) + 10.0), np.float32)
    mask.setflags(write=False)
    return mask
