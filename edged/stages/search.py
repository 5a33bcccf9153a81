"""Search one picture for faces: several detectors, sizes and turns, one union.

Knows how pictures are scaled and turned and how findings are merged; knows no model and no
policy (who asks decides the effort).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from edged.faces import Detections, Face, Image
from edged.geometry import iou, unturn, unturn_boxes

SAME_FACE_IOU = 0.35
"""Two findings that overlap more are one face; below the 0.4 of each family's own NMS,
because families draw their boxes differently (YuNet's are tighter at the chin)."""

FIRST_FAMILY_BONUS = 0.15
"""Added to the first family's scores when the cluster's best finding is chosen: recognisers
and swappers are aligned to its landmarks, and scores of families are not on one scale."""

TURNED_MIN_SCORE = 0.6
"""A finding in a turned picture counts from here: detectors answer weakly (0.5 to 0.55)
to creases and hands when people are on their side, and with 0.8 or more to faces that
really are (seen on group photos turned by 90, 180 and 270 degrees)."""

INSIDE_SHARE = 0.75
"""A finding of which so much lies inside another, of at least a third of its area, is
the same face seen by a family with smaller boxes."""


class Detector(Protocol):
    """One detector family.

    Takes a picture that was scaled to fit a square of `side` pixels, (h, w, 3) uint8
    BGR with h, w <= side, and the side; answers in that picture's pixels.
    """

    @property
    def family(self) -> str:
        """Name of the family: "scrfd", "yunet", "haar"."""
        ...

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces."""
        ...


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        sizes_px: sides of the square that the picture is scaled to fit.
        turns: quarter turns, counter-clockwise.
        families: how many of the detectors, from the first on; 0 means all.
    """

    sizes_px: tuple[int, ...]
    turns: tuple[int, ...] = (0,)
    families: int = 0

    def looks(self, detectors: int) -> int:
        """Detector runs that this effort takes."""
        return len(self.sizes_px) * len(self.turns) * (min(self.families, detectors) or detectors)


def fit(image: Image, side: int) -> tuple[Image, float]:
    """Scale a picture to fit a square, enlarging a small one.

    The arithmetic (truncated extents, linear interpolation, the height's ratio for both
    axes) is that of insightface's SCRFD, so that boxes agree to a hundredth of a pixel.

    Returns:
        (h, w, 3) uint8 BGR and the scale, result px per picture px.
    """
    height, width = image.shape[:2]
    if height > width:
        new_height, new_width = side, int(side / (height / width))
    else:
        new_height, new_width = int(side * (height / width)), side
    new_height, new_width = max(1, new_height), max(1, new_width)
    factor, rest = divmod(width, new_width)
    if factor % 2 and not rest and height == factor * new_height:
        # Bilinear sampling by an odd whole factor falls on the middle pixel of each
        # block: nearest gives the same bytes at half the price (1080p to 640).
        middle = image[factor // 2 :, factor // 2 :]
        scaled = cv2.resize(
            middle, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_NEAREST
        )
        if scaled.shape[:2] == (new_height, new_width):
            return np.asarray(scaled, np.uint8), new_height / height
    return np.asarray(cv2.resize(image, (new_width, new_height)), np.uint8), new_height / height


def search(image: Image, detectors: Sequence[Detector], effort: Effort) -> list[Face]:
    """Every face that any of the detectors sees.

    Args:
        image: (h, w, 3) uint8 BGR.
        detectors: families, the one with the best landmarks first.
        effort: sizes, turns and how many families.

    Returns:
        The union, largest face first; boxes and landmarks in picture pixels.
    """
    used = detectors[: effort.families] if effort.families else detectors
    found: list[Detections] = []
    for side in effort.sizes_px:
        picture, scale = fit(image, side)
        height, width = picture.shape[:2]
        for turn in effort.turns:
            turned = np.ascontiguousarray(np.rot90(picture, turn)) if turn else picture
            for detector in used:
                seen = detector(turned, side)
                if turn:
                    seen = seen.above(TURNED_MIN_SCORE)
                if len(seen):
                    found.append(_to_image(seen, turn, width, height, scale))
    return union(found, prefer=detectors[0].family)


def _to_image(seen: Detections, turn: int, width: int, height: int, scale: float) -> Detections:
    """Pixels of the turned, scaled picture -> pixels of the image."""
    boxes = unturn_boxes(seen.boxes, turn, width, height) / np.float32(scale)
    landmarks = unturn(seen.landmarks, turn, width, height) / np.float32(scale)
    return Detections(
        boxes.astype(np.float32), seen.scores, landmarks.astype(np.float32), seen.family
    )


def union(found: Sequence[Detections], prefer: str = "") -> list[Face]:
    """Merge findings of several looks; the best-scored one gives box and landmarks.

    Args:
        found: findings in picture pixels.
        prefer: family whose landmarks are taken when scores are close.

    Returns:
        One face a cluster, largest first.  A cluster's box covers its best finding; a
        weaker finding only adds its family's name.
    """
    if not found:
        return []
    boxes = np.concatenate([d.boxes for d in found])
    scores = np.concatenate([d.scores for d in found])
    landmarks = np.concatenate([d.landmarks for d in found])
    families = [d.family for d in found for _ in range(len(d))]
    bonus = np.array([FIRST_FAMILY_BONUS if f == prefer else 0.0 for f in families])
    order = np.argsort(-(scores + bonus), kind="stable")
    overlap = iou(boxes, boxes)
    inside = _inside(boxes)
    faces: list[Face] = []
    free = np.ones(len(order), bool)
    for best in order:
        if not free[best]:
            continue
        same = free & ((overlap[best] > SAME_FACE_IOU) | inside[best] | inside[:, best])
        same[best] = True
        free &= ~same
        faces.append(
            Face(
                box=boxes[best].astype(np.float32),
                score=float(scores[best]),
                landmarks=landmarks[best].astype(np.float32),
                families=frozenset(families[i] for i in np.flatnonzero(same)),
            )
        )
    return sorted(faces, key=lambda f: -float(np.prod(f.box[2:] - f.box[:2])))


def _inside(boxes: np.ndarray) -> np.ndarray:
    """(n, n) bool: j lies inside i and is not much smaller."""
    top_left = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share = overlap / np.maximum(area[None], 1e-6)
    near = area[None] >= area[:, None] / 3
    return np.asarray((share >= INSIDE_SHARE) & near)
