"""Masks that differ from face to face: what of each face a paste may change.

Whoever looked (a network, landmarks, a swapper itself) saw the face in a crop of its own;
a paste asks for the mask in its crop.  Masks are combined by their minimum: a pixel that
one of them keeps is kept.  Knows 8-bit masks and matrices; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edged.faces import Image
from edged.geometry import Matrix, invert
from edged.stages.paste import Free, Mask, Rect

FINE_PX = 256
"""Masks are warped at this side at most and enlarged from there: on soft edges that is 9 of
255 steps at most, and a warp at 512 px takes three times as long."""


@dataclass(frozen=True, repr=False, eq=False)
class Layer:
    """One mask for each of n faces.

    Attributes:
        free: (n, M, M) uint8, 0 keeps what the picture shows, 255 lets the paste through.
        to_crop: n matrices, picture -> the crop of side M that it was seen in.
    """

    free: Image
    to_crop: Sequence[Matrix]

    def fits(self, row: int, to_crop: Matrix, size_px: int) -> bool:
        """Whether one face's mask was seen in just this crop."""
        same = self.free.shape[1] == size_px
        return same and np.array_equal(self.to_crop[row], to_crop)

    def seen_in(self, row: int, to_crop: Matrix, size_px: int) -> Image:
        """One face's mask in another crop, (size_px, size_px) uint8.

        Beyond the crop that it was seen in, its border goes on.
        """
        if self.fits(row, to_crop, size_px):
            return np.asarray(self.free[row], np.uint8)
        return self._warped(row, invert(to_crop), size_px, size_px)

    def over(self, row: int, rect: Rect) -> Image:
        """One face's mask over a rectangle of the picture, (h, w) uint8."""
        x1, y1, x2, y2 = rect
        return self._warped(row, np.array([[1.0, 0, x1], [0, 1.0, y1]]), x2 - x1, y2 - y1)

    def _warped(self, row: int, to_picture: Matrix, width: int, height: int) -> Image:
        """The mask as a window sees it whose matrix to the picture is known."""
        step = -(-max(width, height) // FINE_PX)
        wide, tall = -(-width // step), -(-height // step)
        coarse = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1.0]])
        across = self.to_crop[row] @ np.vstack([to_picture, (0.0, 0.0, 1.0)]) @ coarse
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        made = cv2.warpAffine(
            self.free[row], across, (wide, tall), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        if step > 1:
            made = cv2.resize(made, (wide * step, tall * step))[:height, :width]
        return np.asarray(made, np.uint8)


def resized(to_crop: Matrix, size_px: int, to_px: int) -> Matrix:
    """The matrix of a crop after `cv2.resize` from one side to another."""
    ratio = to_px / size_px
    matrix = to_crop * ratio
    matrix[:, 2] += (ratio - 1) / 2  # pixel centres are at integers
    return matrix


def of_rows(layers: Sequence[Layer], rows: Sequence[int]) -> list[Layer]:
    """The layers of some of the faces, in this order."""
    return [
        Layer(np.asarray(one.free)[[*rows]], [one.to_crop[row] for row in rows]) for one in layers
    ]


def through(mask: Mask, layers: Sequence[Layer], row: int, to_crop: Matrix) -> Mask:
    """A paste's mask, as far as the layers of one face let it through.

    Args:
        mask: the same for all faces.
        layers: none leave the mask as it is.
        row: number of the face.
        to_crop: picture -> crop that is pasted.
    """
    if not layers:
        return mask
    alpha = mask.alpha
    for layer in layers:
        alpha = np.asarray(cv2.min(alpha, layer.seen_in(row, to_crop, alpha.shape[0])), np.uint8)
    return replace(mask, alpha=alpha)


def besides(
    mask: Mask, layers: Sequence[Layer], row: int, to_crop: Matrix
) -> tuple[Mask, Free | None]:
    """A paste's mask and what else it heeds, each layer where it costs least.

    A layer that was seen in the pasted crop itself is put into the mask; the others are
    warped once, onto the rectangle of the picture that is pasted into.

    Args:
        mask: the same for all faces.
        layers: none leave the mask as it is.
        row: number of the face.
        to_crop: picture -> crop that is pasted.
    """
    if not layers:
        return mask, None
    size_px = mask.alpha.shape[0]
    own = [layer for layer in layers if layer.fits(row, to_crop, size_px)]
    rest = [layer for layer in layers if not layer.fits(row, to_crop, size_px)]

    def free(rect: Rect) -> Image:
        found = rest[0].over(row, rect)
        for layer in rest[1:]:
            found = np.asarray(cv2.min(found, layer.over(row, rect)), np.uint8)
        return found

    return through(mask, own, row, to_crop), free if rest else None
