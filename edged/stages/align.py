"""Aligned crops: warp faces out of a picture onto a template.

Knows pixels and landmarks; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edged.faces import Image, Points
from edged.geometry import Matrix, similarity, template


def matrices(landmarks: Sequence[Points], template_name: str, size_px: int) -> list[Matrix | None]:
    """Picture -> crop matrix of each face; None where its landmarks are degenerate."""
    target = template(template_name, size_px)
    return [similarity(points, target) for points in landmarks]


def crops(image: Image, to_crop: Sequence[Matrix], size_px: int) -> Image:
    """Warp faces onto square crops.

    Linear interpolation and black borders, as in insightface's `norm_crop`: recognisers
    and swappers were trained on that.

    Args:
        image: (h, w, 3) uint8 BGR.
        to_crop: n matrices, picture -> crop.
        size_px: side of a crop.

    Returns:
        (n, size_px, size_px, 3) uint8 BGR, newly allocated (crops are small).
    """
    out = np.empty((len(to_crop), size_px, size_px, 3), np.uint8)
    for matrix, crop in zip(to_crop, out, strict=True):
        cv2.warpAffine(image, matrix, (size_px, size_px), dst=crop, flags=cv2.INTER_LINEAR)
    return out
