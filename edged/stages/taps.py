"""Where the pixels of a resized, cut or pasted picture come from: OpenCV's arithmetic, as tables.

A frame that stays on its device is sampled by graphs (`runtime/graph/picture.py`).  The
host makes their tables, a few numbers for each row and column, with the double precision
and the rounding of OpenCV's `resize` (8 bit, linear) and `warpAffine` (linear), so that
both paths see the same pixels: equal to the byte with OpenCV 4.14 on x86-64, where its
plain C++ runs.  Builds that compute in other ways (vendor libraries on ARM) may differ by
a grey level.  Knows extents and matrices; knows no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.faces import Floats
from edged.geometry import Matrix
from edged.stages.paste import Mask, Rect, place

Table = NDArray[np.int32]

RESIZE_ONE = 2048
"""Weights of `resize` are in 1/2048 (OpenCV's INTER_RESIZE_COEF_BITS)."""

WARP_ONE = 1024
"""Places of `warpAffine` are in 1/1024 px before they are cut to 1/32 (AB_BITS)."""

_HALF_STEP = WARP_ONE // 32 // 2

OUTSIDE = np.float32(-(2**30))
"""A sampling line that begins here meets no crop: about a million pixels away."""


@dataclass(frozen=True)
class Axis:
    """One axis of a resized picture.

    Attributes:
        length: of the frame, px.
        scaled: of the resized picture, px.
        step: frame px a scaled px, where a factor was asked for and not an extent.
    """

    length: int
    scaled: int
    step: float = 0.0

    def places(self) -> tuple[NDArray[np.int64], Floats]:
        """(scaled,) the pixel before each place, maybe -1, and the share of the next one."""
        step = self.step or self.length / self.scaled
        at = ((np.arange(self.scaled) + 0.5) * step - 0.5).astype(np.float32)
        first = np.floor(at).astype(np.int64)
        return first, np.asarray(at - first, np.float32)


def resize_taps(
    axis: Axis, canvas: int, *, down: bool, reverse: bool = False, part: tuple[int, int] = (0, 0)
) -> Table:
    """Taps of one axis of a resized picture, black beyond it.

    Args:
        axis: the frame's and the scaled picture's extents.
        canvas: extent of the result, at least that of the part.
        down: the axis of rows; OpenCV treats the two axes' ends differently.
        reverse: run backwards, for turned pictures.
        part: of the scaled picture, first and end; (0, 0) is all of it.

    Returns:
        (4, canvas) int32: two places and their weights in 1/2048, 0 beyond the picture.
    """
    first, share = axis.places()
    if not down:
        share[(first < 0) | (first >= axis.length - 1)] = 0
    weight = np.rint(share * np.float32(RESIZE_ONE))
    rest = np.rint((1 - share) * np.float32(RESIZE_ONE))
    taps = np.stack([first, first + 1, rest, weight])[:, part[0] : part[1] or None]
    taps[:2] = np.clip(taps[:2], 0, axis.length - 1)
    table = np.zeros((4, canvas), np.int32)
    table[:, : taps.shape[1]] = taps[:, ::-1] if reverse else taps
    return table


def warp_lines(to_crop: Matrix, width: int, height: int) -> tuple[Floats, Floats]:
    """The sampling lines of a warp, as `cv2.warpAffine(..., to_crop, (width, height))` has.

    Args:
        to_crop: source -> result matrix.
        width: of the result, px.
        height: likewise.

    Returns:
        (2, height) and (2, width) float32, whole numbers in 1/1024 px of the source: where
        each row begins and how far along it each column is, x and y.  Their sum is the
        place; the half step that rounds it to 1/32 px is in the rows.
    """
    (a, b, x), (c, d, y) = _inverse(to_crop)
    along, rows = np.arange(width), np.arange(height)
    return (
        _whole(np.stack([b * rows + x, d * rows + y])) + np.float32(_HALF_STEP),
        _whole(np.stack([a * along, c * along])),
    )


def crop_table(to_crop: Sequence[Matrix], size_px: int, count: int) -> Floats:
    """The table `lines` of n faces for a square crop, [count, 4, S]; padded with the last."""
    table = np.empty((count, 4, size_px), np.float32)
    for face, matrix in enumerate(to_crop):
        table[face, :2], table[face, 2:] = warp_lines(matrix, size_px, size_px)
    table[len(to_crop) :] = table[len(to_crop) - 1]
    return table


def paste_tables(
    to_crop: Sequence[Matrix], mask: Mask, shape: Sequence[int], count: int
) -> tuple[Floats, Floats, list[Rect]]:
    """The tables `rows` and `cols` of n pasted crops, and what they touch.

    All tiles are squares as large as the longest side of a rectangle, in a few steps: a GPU
    sees few shapes, each of which it captures once.  A tile that would leave the frame is
    moved back into it; lines of its that lie beyond the rectangle sample nothing, and so do
    those of the padding.

    Args:
        to_crop: n matrices, frame -> crop.
        mask: of the crops.
        shape: of the frame: height and width first.
        count: faces of the tables, n or more.

    Returns:
        [count, 3, h] and [count, 3, w] float32, and n rectangles as `paste` gives them.
    """
    places = [place(matrix, mask, shape) for matrix in to_crop]
    side = _step(max((max(x2 - x1, y2 - y1) for (x1, y1, x2, y2), _ in places), default=0))
    tall, wide = min(side, shape[0]), min(side, shape[1])
    rows = np.full((count, 3, tall), OUTSIDE, np.float32)
    cols = np.full((count, 3, wide), OUTSIDE, np.float32)
    rows[:, 0], cols[:, 0] = np.arange(tall), np.arange(wide)
    for face, ((x1, y1, x2, y2), to_rect) in enumerate(places):
        if x1 >= x2 or y1 >= y2:
            continue
        begins, along = warp_lines(to_rect, x2 - x1, y2 - y1)
        left, top = min(x1, shape[1] - wide), min(y1, shape[0] - tall)
        rows[face, 0] += top
        cols[face, 0] += left
        rows[face, 1:, y1 - top : y2 - top] = begins
        cols[face, 1:, x1 - left : x2 - left] = along
    rects = [r if r[0] < r[2] and r[1] < r[3] else (r[0], r[1]) * 2 for r, _ in places]
    return rows, cols, rects


def _step(extent: int) -> int:
    """The next of 64, 96, 128, 192, ... px."""
    power = 1 << max(6, (max(extent, 1) - 1).bit_length())
    return power * 3 // 4 if power > 64 and extent <= power * 3 // 4 else power


def _inverse(matrix: Matrix) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """As `cv2.warpAffine` inverts: by one reciprocal, which a quotient each is not always."""
    (a, b, x), (c, d, y) = matrix.tolist()
    area = a * d - b * c
    one = 1.0 / area if area else 0.0
    a, b, c, d = d * one, -b * one, -c * one, a * one
    return (a, b, -a * x - b * y), (c, d, -c * x - d * y)


def _whole(places: NDArray[np.float64]) -> Floats:
    """Pixels to whole 1/1024, bounded like OpenCV's 32 bits."""
    return np.clip(np.rint(places * WARP_ONE), -(2.0**31), 2.0**31).astype(np.float32)
