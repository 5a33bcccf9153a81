"""Which of the dense landmarks are eyes, mouth and outline.

68 points: the iBUG 300-W mark-up.  106 points: insightface's `2d106det`; its mark-up is a
picture (alignment/coordinate_reg), the numbers here are those that several unrelated public
programs read off it.  Rings are closed and go round, eyes from corner to corner; left is
left on an upright face in the picture.  Knows indices only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edged.faces import Points


@dataclass(frozen=True)
class Parts:
    """Indices of one mark-up.

    Attributes:
        eyes: ring of the left and of the right eye.
        corners: of each eye, the two ends.
        mouth: ring of the outer lips.
        outline: jaw from ear to ear, open.
        brows: of both eyes, which close the outline.
    """

    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    corners: tuple[tuple[int, int], tuple[int, int]]
    mouth: tuple[int, ...]
    outline: tuple[int, ...]
    brows: tuple[int, ...]


PARTS: Mapping[int, Parts] = {
    68: Parts(
        eyes=((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47)),
        corners=((36, 39), (42, 45)),
        mouth=tuple(range(48, 60)),
        outline=tuple(range(17)),
        brows=tuple(range(17, 27)),
    ),
    106: Parts(
        eyes=((35, 41, 40, 42, 39, 37, 33, 36), (89, 95, 94, 96, 93, 91, 87, 90)),
        corners=((35, 39), (89, 93)),
        mouth=(52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55),
        outline=tuple(range(33)),
        brows=(*range(43, 52), *range(97, 106)),
    ),
}
"""By number of points."""


def parts_of(points: Points) -> Parts:
    """The mark-up of some points.

    Raises:
        KeyError: neither 68 nor 106.
    """
    return PARTS[len(points)]


def eye_opening(points: Points) -> float:
    """How far the eyes are open: height over width of an eye, the mean of both.

    The eye aspect ratio of Soukupova and Cech (2016), with the extent across the line
    through the corners as the height, so that it holds for rings of any length.  About 0.3
    when open, under 0.15 when shut; 0 where an eye has no width.

    Args:
        points: (68 or 106, 2) float32.
    """
    parts = parts_of(points)
    found = []
    for ring, (first, last) in zip(parts.eyes, parts.corners, strict=True):
        along = points[last] - points[first]
        width = float(np.hypot(*along))
        if width < 1e-6:
            return 0.0
        away = (points[list(ring)] - points[first]) @ np.array([-along[1], along[0]]) / width
        found.append(float(np.ptp(away)) / width)
    return sum(found) / len(found)
