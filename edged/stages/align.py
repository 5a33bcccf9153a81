"""Aligned crops: warp faces out of a picture onto a template.

Knows pixels and landmarks; knows no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from edged.faces import Image, Points
from edged.geometry import Matrix, apply, clip, invert, scale_of, similarity, template

MOST_ENLARGED = 1.2
"""A face that was averaged is enlarged by so much at most: more would blur it."""


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


def averaged_px(to_crop: Matrix) -> int:
    """Side of the squares of picture pixels that are averaged before a crop is cut.

    A power of two, since halving is fast (0.05 ms for a face of 420 px, where a third takes
    0.65); such that what is left is a warp by 0.6 to 1.2.  1 where a crop pixel spans less
    than two.
    """
    spans = 1 / max(scale_of(to_crop), 1e-6)
    return 1 if spans < 2 else 1 << int(math.log2(MOST_ENLARGED * spans))


def fine_crops(image: Image, to_crop: Sequence[Matrix], size_px: int) -> Image:
    """Crops that do not alias: every pixel of a large face has its say.

    A linear warp looks at two pixels a row, whatever it shrinks, and INTER_AREA is no help
    (in `warpAffine` it is INTER_LINEAR, opencv #21060): what is pasted back flickers with the
    last tenth of a landmark.  So where a crop pixel spans two pixels or more, the face is
    averaged over whole pixels first and then warped.  Measured as the flicker of a face
    that is cut with landmarks half a crop pixel off and put back: from 2.5 to 5.7 grey levels
    at scales of 0.45 to 0.09 down to 0.9 to 1.6.  Up to that these are :func:`crops`, bit
    by bit: recognisers, whose bounds and parity hold for linear warps, keep those.

    Arguments and result as in :func:`crops`.
    """
    out = np.empty((len(to_crop), size_px, size_px, 3), np.uint8)
    for matrix, crop in zip(to_crop, out, strict=True):
        step = averaged_px(matrix)
        small, at = (image, matrix) if step == 1 else _averaged(image, matrix, size_px, step)
        cv2.warpAffine(small, at, (size_px, size_px), dst=crop, flags=cv2.INTER_LINEAR)
    return out


def _averaged(image: Image, to_crop: Matrix, size_px: int, step: int) -> tuple[Image, Matrix]:
    """The part of a picture that a crop shows, averaged over squares, and its matrix."""
    last = size_px - 1
    corners = np.array([[0, 0], [last, 0], [0, last], [last, last]], np.float32)
    seen = apply(invert(to_crop), corners)
    reach = np.concatenate([seen.min(axis=0) - step, seen.max(axis=0) + step + 1])
    x1, y1, x2, y2 = clip(reach.astype(np.float32), image.shape[1], image.shape[0])
    wide, tall = -(-(x2 - x1) // step), -(-(y2 - y1) // step)
    if not (wide and tall):
        return image, to_crop  # outside
    small = image[y1 : y1 + tall * step, x1 : x1 + wide * step]
    beyond = tall * step - small.shape[0], wide * step - small.shape[1]
    if any(beyond):  # the last squares reach over the picture's edge
        small = np.asarray(
            cv2.copyMakeBorder(small, 0, beyond[0], 0, beyond[1], cv2.BORDER_REPLICATE), np.uint8
        )
    while small.shape[0] > tall:
        half = small.shape[1] // 2, small.shape[0] // 2
        small = np.asarray(cv2.resize(small, half, interpolation=cv2.INTER_AREA), np.uint8)
    matrix = to_crop.copy()
    middle = np.array([x1, y1]) + (step - 1) / 2  # of the first square
    matrix[:, 2] += to_crop[:, :2] @ middle
    matrix[:, :2] *= step
    return small, matrix
