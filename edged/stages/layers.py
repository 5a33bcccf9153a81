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
from edged.stages.paste import Mask

FINE_PX = 256
"""Masks are warped for crops of this side at most and enlarged from there: on soft edges that
is 9 of 255 steps at most, and a warp at 512 px takes three times as long."""


@dataclass(frozen=True, repr=False, eq=False)
class Layer:
    """One mask for each of n faces.

    Attributes:
        free: (n, M, M) uint8, 0 keeps what the picture shows, 255 lets the paste through.
        to_crop: n matrices, picture -> the crop of side M that it was seen in.
    """

    free: Image
    to_crop: Sequence[Matrix]

    def seen_in(self, row: int, to_crop: Matrix, size_px: int) -> Image:
        """One face's mask in another crop, (size_px, size_px) uint8.

        Beyond the crop that it was seen in, its border goes on.
        """
        mask, own = np.asarray(self.free[row], np.uint8), self.to_crop[row]
        if mask.shape[0] == size_px and np.array_equal(own, to_crop):
            return mask
        if size_px > FINE_PX:
            small = self.seen_in(row, resized(to_crop, size_px, FINE_PX), FINE_PX)
            return np.asarray(cv2.resize(small, (size_px, size_px)), np.uint8)
        square = np.vstack([invert(to_crop), (0.0, 0.0, 1.0)])
        across = own @ square  # this crop -> the mask's
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(
            mask, across, (size_px, size_px), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(warped, np.uint8)


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
