"""Paste crops back: inside the face's rectangle only, soft mask, rounded, no frame copy.

Knows pixels; knows no model.  Cost follows the size of the face, not of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edged.faces import Floats, Image
from edged.geometry import Matrix, apply, clip, invert, template

DETAIL_ZERO = 128
"""Nothing added, in the bytes of a detail."""

Rect = tuple[int, int, int, int]
"""x1, y1, x2, y2 px, ends exclusive."""


@dataclass(frozen=True, repr=False, eq=False)
class Mask:
    """How much of a crop is pasted.

    Attributes:
        alpha: (S, S) uint8, 0 keeps the frame, 255 takes the crop; 0 on the border.
        corners: (4, 2) float32 px, the corners of the part that is not 0.
    """

    alpha: Image
    corners: Floats

    @staticmethod
    def of(weights: Floats) -> Mask:
        """From (S, S) float32 0..1; the outermost pixels are set to 0."""
        alpha = np.rint(np.clip(weights, 0, 1) * 255).astype(np.uint8)
        alpha[[0, -1]] = 0
        alpha[:, [0, -1]] = 0
        ys, xs = np.nonzero(alpha)
        x1, x2, y1, y2 = xs.min() - 1, xs.max() + 1, ys.min() - 1, ys.max() + 1
        corners = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]], np.float32)
        return Mask(alpha, corners)


@lru_cache(maxsize=16)
def oval_mask(template_name: str, size_px: int) -> Mask:
    """A soft oval from the brows to the chin, placed by a template's landmarks.

    The radii are in eye-to-mouth distances, read off average face proportions: about
    1.1 to each temple, 0.5 above the eyes, 0.7 below the mouth; the edge fades over a
    fifth of that distance.
    """
    points = template(template_name, size_px).astype(np.float64)
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    unit = float(np.linalg.norm(mouth - eyes))
    centre = eyes + (mouth - eyes) * 0.6
    ys, xs = np.mgrid[:size_px, :size_px]
    distance = np.hypot((xs - centre[0]) / (1.08 * unit), (ys - centre[1]) / (1.12 * unit))
    weights = np.clip((1 - distance) / 0.2, 0, 1)
    soft = weights * weights * (3 - 2 * weights)
    return Mask.of(soft.astype(np.float32))


@lru_cache(maxsize=16)
def box_mask(size_px: int) -> Mask:
    """The whole crop but for its rim, which fades over a seventh of the side.

    A crop is cut at the forehead and beside the ears; the wider the fade, the less its
    straight edges show.
    """
    axis = np.arange(size_px)
    depth = np.clip(np.minimum(axis, size_px - 1 - axis) / (size_px / 7), 0, 1)
    soft = depth * depth * (3 - 2 * depth)
    return Mask.of(np.minimum.outer(soft, soft).astype(np.float32))


@lru_cache(maxsize=16)
def sized(mask: Mask, size_px: int) -> Mask:
    """The same mask for crops of another side; made once."""
    if mask.alpha.shape[0] == size_px:
        return mask
    alpha = cv2.resize(mask.alpha, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return Mask.of(np.asarray(alpha, np.float32) / np.float32(255))


def place(to_crop: Matrix, mask: Mask, shape: Sequence[int]) -> tuple[Rect, Matrix]:
    """Where a crop is pasted.

    Args:
        to_crop: frame -> crop matrix.
        mask: of the crop.
        shape: of the frame: height and width first.

    Returns:
        The rectangle that the mask reaches, x1, y1, x2, y2 px, ends exclusive, maybe
        empty, and the crop -> rectangle matrix.
    """
    to_frame = invert(to_crop)
    outline = apply(to_frame, mask.corners)
    reach = np.concatenate([outline.min(axis=0), outline.max(axis=0) + 1])
    x1, y1, x2, y2 = clip(reach.astype(np.float32), shape[1], shape[0])
    to_frame[:, 2] -= (x1, y1)
    return (x1, y1, x2, y2), to_frame


Free = Callable[[Rect], Image]
"""What of a rectangle of the frame may be changed: (h, w) uint8, as in a mask."""


def paste(frame: Image, crop: Image, to_crop: Matrix, mask: Mask, free: Free | None = None) -> Rect:
    """Blend one crop into a frame, in place.

    Args:
        frame: (h, w, 3) uint8 BGR, written to.
        crop: (S, S, 3) uint8 BGR.
        to_crop: frame -> crop matrix, the one that the crop was cut with.
        mask: of the same side S.
        free: besides the mask; None means all.

    Returns:
        The rectangle that was touched: x1, y1, x2, y2 px, ends exclusive; empty when
        the face lies outside the frame.
    """
    return _onto(frame, crop, to_crop, mask, blend, free=free)


def paste_detail(
    frame: Image, detail: Image, to_crop: Matrix, mask: Mask, free: Free | None = None
) -> Rect:
    """Add to a frame what was added to a crop of it, in place.

    The frame keeps all that the crop was too coarse to hold.

    Args:
        frame: (h, w, 3) uint8 BGR, written to.
        detail: (S, S, 3) uint8 around :data:`DETAIL_ZERO`.
        to_crop: frame -> crop matrix, the one that the crop was cut with.
        mask: of the same side S.
        free: besides the mask; None means all.

    Returns:
        The rectangle that was touched, as :func:`paste` does.
    """
    return _onto(frame, detail, to_crop, mask, _add, free=free)


def _onto(
    frame: Image,
    crop: Image,
    to_crop: Matrix,
    mask: Mask,
    put: Callable[[Image, Image], None],
    *,
    free: Free | None,
) -> Rect:
    """Warp a crop and its mask onto their rectangle and put them there."""
    (x1, y1, x2, y2), to_rect = place(to_crop, mask, frame.shape)
    if x1 >= x2 or y1 >= y2:
        return x1, y1, x1, y1
    size = (x2 - x1, y2 - y1)
    layers = cv2.warpAffine(cv2.merge([crop, mask.alpha]), to_rect, size, flags=cv2.INTER_LINEAR)
    if free is not None:
        alpha = cv2.min(cv2.extractChannel(layers, 3), free((x1, y1, x2, y2)))
        cv2.insertChannel(alpha, layers, 3)
    put(frame[y1:y2, x1:x2], np.asarray(layers, np.uint8))
    return x1, y1, x2, y2


def blend(region: Image, layers: Image) -> None:
    """Does region += round((colour - region) * alpha / 255), in place.

    The difference is taken upwards and downwards apart: never both are above 0, so each
    pixel is rounded once and everything stays in 8 bits.

    Args:
        region: (h, w, 3) uint8, written to.
        layers: (h, w, 4) uint8, colour and alpha.
    """
    colour = cv2.cvtColor(layers, cv2.COLOR_BGRA2BGR)
    _move(region, np.asarray(colour, np.uint8), region, layers)


def _add(region: Image, layers: Image) -> None:
    """Does region += round((detail - 128) * alpha / 255), in place; likewise."""
    detail = np.asarray(cv2.cvtColor(layers, cv2.COLOR_BGRA2BGR), np.uint8)
    _move(region, detail, np.full_like(detail, DETAIL_ZERO), layers)


def _move(region: Image, high: Image, low: Image, layers: Image) -> None:
    """Does region += (high - low) * alpha / 255, of whole pictures, in place."""
    alpha = cv2.cvtColor(cv2.extractChannel(layers, 3), cv2.COLOR_GRAY2BGR)
    up, down = cv2.subtract(high, low), cv2.subtract(low, high)
    cv2.multiply(up, alpha, dst=up, scale=1 / 255)
    cv2.multiply(down, alpha, dst=down, scale=1 / 255)
    cv2.add(region, up, dst=region)
    cv2.subtract(region, down, dst=region)
