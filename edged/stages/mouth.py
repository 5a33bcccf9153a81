"""The mouth that is kept: a soft mask from landmarks or from a parser's labels.

A kept mouth lies inside a fixed zone of the aligned face (:data:`ZONE_112`), whatever
landmarks or a network say: the guard leaves that zone, and no more, out of its comparison
of pixels.  Knows landmarks and labels; knows no model and no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from edged.faces import Image, Points
from edged.geometry import Matrix, apply
from edged.stages.layers import Layer, resized
from edged.stages.segment import SOFT_PX, labelled

TEMPLATE, SIDE_PX = "arcface_128", 128
"""The crop that mouths are drawn in: the usual swapper's, which takes them as they are."""

ZONE_112 = (31, 78, 81, 112)
"""x1, y1, x2, y2 on the 112 px ArcFace crop; the mirror image of itself."""

_WIDER, _HIGHER = 0.72, 0.40
"""Half axes: in widths of the mouth, and in distances from eyes to mouth.  Lips lie within
0.5 and 0.25; an open mouth reaches further down."""

_LOWER = 0.06
"""The middle lies so far below the corners' line, in distances from eyes to mouth."""

_EDGE = 0.45
"""The soft rim, as a share of the half axes."""


def mouths(landmarks: Sequence[Points], to_crop: Sequence[Matrix]) -> Layer:
    """Keep the mouths that five landmarks show.

    Args:
        landmarks: (5, 2) px of each face.
        to_crop: picture -> crop of :data:`TEMPLATE` at :data:`SIDE_PX`, likewise.
    """
    seen = [apply(matrix, points) for points, matrix in zip(landmarks, to_crop, strict=True)]
    return Layer(np.stack([_kept(_oval(points)) for points in seen]), to_crop)


def outlines(lips: Sequence[Points], to_crop: Sequence[Matrix]) -> Layer:
    """Keep the mouths inside outlines of the lips, (k, 2) px each; see :func:`mouths`."""
    masks = []
    for points, matrix in zip(lips, to_crop, strict=True):
        drawn = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        near = np.clip(apply(matrix, points), -SIDE_PX, 2 * SIDE_PX)  # what is drawn has 16 bits
        hull = cv2.convexHull(np.rint(near * 16).astype(np.int32))
        cv2.fillConvexPoly(drawn, hull, 255, cv2.LINE_AA, shift=4)
        masks.append(_kept(_swollen(drawn, SIDE_PX // 24)))
    return Layer(np.stack(masks), to_crop)


def parsed_mouths(labels: Image, seen_in: Sequence[Matrix], to_crop: Sequence[Matrix]) -> Layer:
    """Keep the mouths that a parser saw.

    Args:
        labels: (n, S, S) uint8 of the parser.
        seen_in: picture -> the parser's crop of each face.
        to_crop: see :func:`mouths`.
    """
    masks = np.stack([_swollen(one, SOFT_PX // 24) for one in labelled(labels, ("mouth", "lips"))])
    placed = Layer(masks, [resized(m, labels.shape[1], SOFT_PX) for m in seen_in])
    kept = [_kept(placed.seen_in(row, m, SIDE_PX)) for row, m in enumerate(to_crop)]
    return Layer(np.stack(kept), to_crop)


def _kept(mouth: Image) -> Image:
    """A mouth, 255 inside, as a mask that keeps it and nothing beyond the zone."""
    return np.asarray(255 - np.minimum(mouth, _zone()), np.uint8)


def _oval(points: Points) -> Image:
    """A soft oval over a mouth in the crop, (SIDE_PX, SIDE_PX) uint8."""
    eyes, (left, right) = points[:2].mean(axis=0), points[3:]
    middle, across = (left + right) / 2, right - left
    down = middle - eyes
    unit, width = float(np.linalg.norm(down)), float(np.linalg.norm(across))
    if not (unit > 1 and width > 1):  # false for NaN, too
        return np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    (cos, sin), radius = (across / width).tolist(), SIDE_PX / 2
    turned = np.array([[cos, sin], [-sin, cos]])
    turned[0] *= radius / (_WIDER * width)
    turned[1] *= radius / (_HIGHER * unit)
    to_disc = np.column_stack([turned, radius - turned @ (middle + _LOWER * down)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(_disc(), to_disc, (SIDE_PX, SIDE_PX), flags=flags), np.uint8)


@lru_cache(maxsize=1)
def _disc() -> Image:
    """A soft disc that fills the crop, (SIDE_PX, SIDE_PX) uint8."""
    ys, xs = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX / 2
    weights = np.clip((1 - np.hypot(xs, ys) / (SIDE_PX / 2)) / _EDGE, 0, 1)
    return np.asarray(np.rint(255 * weights * weights * (3 - 2 * weights)), np.uint8)


def _swollen(mask: Image, by_px: int) -> Image:
    """A mask grown by so many pixels, its rim made soft: lips lie inside, not on the seam."""
    size = 2 * by_px + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), by_px / 2), np.uint8)


@lru_cache(maxsize=1)
def _zone() -> Image:
    """The zone in the crop, with a soft rim inside it, (SIDE_PX, SIDE_PX) uint8."""
    x1, y1, x2, y2 = ZONE_112
    shift = 8  # of the 128 px template against the 112 px one, at the same scale
    rim = 4
    ys, xs = np.mgrid[:SIDE_PX, :SIDE_PX]
    inside = np.minimum.reduce([xs - x1 - shift, x2 + shift - 1 - xs, ys - y1, y2 - 1 - ys])
    return np.asarray(np.rint(255 * np.clip(inside / rim, 0, 1)), np.uint8)
