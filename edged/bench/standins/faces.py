"""Draws the faces that the stand-in networks see: green squares with a pattern.

A face is a square of (B, G, R) = (<= 70, 255, <= 70); red and blue carry a 7 x 7
pattern that is its identity.  Natural pictures have no such green.  Knows pixels only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.faces import Floats, Image, Points
from edged.geometry import template

CELLS = 7
"""The pattern's side: the recogniser stand-in pools its 112 px crop into 7 x 7 means."""

BRIGHTEST = 70
"""Upper bound of red and blue, 0..255; above it the detector's green filter closes."""

CROP_SHARE = 0.8
"""Side of the 112 px crop in units of the face's side, and the pattern's side too."""


def pattern(identity: int) -> NDArray[np.int64]:
    """Red and blue of an identity, (7, 7, 2) in 0..70; the same number, the same pattern."""
    rng = np.random.default_rng(identity)
    return rng.integers(0, BRIGHTEST + 1, (CELLS, CELLS, 2))


def landmark_offsets() -> Floats:
    """Landmarks relative to the face's centre in units of its side, (5, 2) float32.

    Chosen so that the similarity onto the 112 px template has neither turn nor shift and
    a scale of 112 / (0.8 side).
    """
    return ((template("arcface_112", 112) - 56) / 56 * (CROP_SHARE / 2)).astype(np.float32)


def landmarks(centre: tuple[float, float], side_px: int) -> Points:
    """Where the detector stand-in puts the landmarks of a drawn face, (5, 2) px."""
    return landmark_offsets() * np.float32(side_px) + np.asarray(centre, np.float32)


def draw_face(image: Image, centre: tuple[float, float], side_px: int, identity: int) -> None:
    """Paint one face into a BGR picture, in place; parts outside of it are cut off.

    Args:
        image: (h, w, 3) uint8.
        centre: x, y px.
        side_px: side of the square; 30 to 190 px at the detector's scale are found.
        identity: seed of the pattern.
    """
    cell = pattern(identity)
    left = round(centre[0] - side_px / 2)
    top = round(centre[1] - side_px / 2)
    xs = np.arange(max(left, 0), min(left + side_px, image.shape[1]))
    ys = np.arange(max(top, 0), min(top + side_px, image.shape[0]))

    def to_cell(along: NDArray[np.int64], middle: float) -> NDArray[np.int64]:
        place = ((along + 0.5 - middle) / (CROP_SHARE * side_px) + 0.5) * CELLS
        return np.asarray(np.clip(place, 0, CELLS - 1), np.int64)

    red_blue = cell[to_cell(ys, centre[1])[:, None], to_cell(xs, centre[0])[None]]
    square = image[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] if len(ys) and len(xs) else image[:0]
    if square.size:
        square[..., 0] = red_blue[..., 0]
        square[..., 1] = 255
        square[..., 2] = red_blue[..., 1]
