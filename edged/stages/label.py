"""A visible label on a picture: a few words in a corner, on a ground of their own.

It is opaque and the same for every picture, so drawing it can hide pixels and never show any.
It goes where no face is, and stays there while it can, so that it does not jump about a live
picture.  Letters are OpenCV's Hershey strokes: ASCII, and no font file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from edged.faces import Floats, Image
from edged.geometry import grow

HEIGHT_SHARE = 1 / 32
"""Of the picture's shorter side: 34 px at 1080p, letters of 17."""
MIN_HEIGHT_PX = 16
"""Below it the strokes run together."""
MAX_WIDTH_SHARE = 0.6
GROUND_BGR, LETTERS_BGR = (32, 32, 32), (255, 255, 255)
MARGIN = 1.25
"""So much larger than its box a face is kept free."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITALS_PX = 21
"""Height of this font's capitals at scale 1."""
_STROKE = 2.6
"""Width of a stroke at scale 1, px: half as heavy again as OpenCV's own."""
_FINER = 4
"""Drawn so many times larger and made small, which is what makes thin strokes smooth."""
_CORNERS = ((1, 1), (0, 1), (1, 0), (0, 0))
"""(right, bottom): the lower right one first, where labels are looked for."""

Rect = tuple[int, int, int, int]


@lru_cache(maxsize=16)
def drawn(text: str, picture_height: int, picture_width: int) -> Image:
    """A label for pictures of one size, (h, w, 3) uint8 BGR; not to be written to."""
    height = max(MIN_HEIGHT_PX, round(min(picture_height, picture_width) * HEIGHT_SHARE))
    (unit, _), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = height / 2 / _CAPITALS_PX
    scale = min(scale, max(picture_width * MAX_WIDTH_SHARE - height, 1.0) / max(unit, 1))
    width = min(round(unit * scale) + height, picture_width)
    height = min(height, picture_height)
    large = np.full((height * _FINER, width * _FINER, 3), GROUND_BGR, np.uint8)
    left = (large.shape[1] - unit * scale * _FINER) / 2
    base = (large.shape[0] + _CAPITALS_PX * scale * _FINER * 0.9) / 2
    stroke = max(1, round(scale * _FINER * _STROKE))
    at = (round(left), round(base))
    cv2.putText(large, text, at, _FONT, scale * _FINER, LETTERS_BGR, stroke, cv2.LINE_AA)
    label = np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    label.flags.writeable = False
    return label


@dataclass(repr=False)
class Labeller:
    """Draws labels; remembers the corner of each camera."""

    _corner: dict[str, int] = field(default_factory=dict)

    def __call__(self, image: Image, text: str, boxes: Sequence[Floats], camera: str) -> Rect:
        """Draw a label in place.

        Args:
            image: (h, w, 3) uint8 BGR; written to.
            text: printable ASCII.
            boxes: (4,) px each, faces that it should keep free; where no corner is, it
                takes the one that covers least of them.
            camera: whose picture it is.

        Returns:
            x1, y1, x2, y2 of the label, px.
        """
        label = drawn(text, *image.shape[:2])
        places = [_place(image, label, corner) for corner in _CORNERS]
        faces = [grow(box, MARGIN) for box in boxes]
        covered = [sum(_common(place, face) for face in faces) for place in places]
        least = min(covered)
        last = self._corner.get(camera, 0)
        corner = last if covered[last] == least else covered.index(least)
        self._corner[camera] = corner
        x1, y1, x2, y2 = places[corner]
        image[y1:y2, x1:x2] = label
        return x1, y1, x2, y2


def _place(image: Image, label: Image, corner: tuple[int, int]) -> Rect:
    height, width = label.shape[:2]
    x1 = corner[0] * (image.shape[1] - width)
    y1 = corner[1] * (image.shape[0] - height)
    return x1, y1, x1 + width, y1 + height


def _common(place: Rect, box: Floats) -> float:
    """Area that a label and a face share, square px."""
    width = min(place[2], float(box[2])) - max(place[0], float(box[0]))
    height = min(place[3], float(box[3])) - max(place[1], float(box[1]))
    return max(0.0, width) * max(0.0, height)
