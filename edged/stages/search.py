"""Search one picture for faces: several detectors, sizes and turns, one union.

Knows how pictures are scaled and turned; knows no model and no policy (who asks decides
the effort).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edged.faces import Detections, Face, Image
from edged.geometry import Matrix, apply, clip, invert, scale_of
from edged.stages.closer import TURNED_MIN_SCORE, WHOLE_ONLY, Detector, Look, look_closely, verified
from edged.stages.union import union
from edged.stages.views import FINE_SCALE, Effort, View, fitted, in_picture, views

__all__ = ["TURNED_MIN_SCORE", "WHOLE_ONLY", "Detector", "HostLook", "Look", "fit", "search"]

NEAREST_UP_TO = 15
"""Whole factors that OpenCV's nearest neighbour takes exactly; from 93 on it rounds the
inverse of some (93, 99, 105, ...) down and reads one row and column too early."""


class HostLook:
    """Views that OpenCV makes in host memory, each once.

    Args:
        image: (h, w, 3) uint8 BGR; only read.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._scaled: tuple[object, Image] = (None, image)
        self._shown: tuple[View | None, Image] = (None, image)

    def __call__(self, view: View, detector: Detector) -> Detections:
        """See :data:`Look`."""
        return detector(self.picture(view), view.side)

    def picture(self, view: View) -> Image:
        """(h, w, 3) uint8 BGR, contiguous."""
        if self._shown[0] != view and view.spot is not None:
            self._shown = view, _close(self._image, view.spot.to_view(view.side), view.side)
        elif self._shown[0] != view:
            x1, y1, x2, y2 = view.part
            part = self._whole(view)[y1:y2, x1:x2]
            turned = np.rot90(part, view.turn) if view.turn else part
            self._shown = view, np.ascontiguousarray(turned, np.uint8)
        return self._shown[1]

    def _whole(self, view: View) -> Image:
        """The scaled picture."""
        key = (view.tile, view.scaled)
        if self._scaled[0] != key:
            scaled = _fine(self._image) if view.tile else fit(self._image, view.side)[0]
            self._scaled = key, scaled
        return self._scaled[1]


def search(
    image: Image, detectors: Sequence[Detector], effort: Effort, look: Look | None = None
) -> list[Face]:
    """Every face that any of the detectors sees.

    Args:
        image: (h, w, 3) uint8 BGR.
        detectors: families, the one with the best landmarks first.
        effort: sizes, turns and how many families.
        look: how they are shown the picture, when it does not only lie in host memory.

    Returns:
        The union, largest face first; boxes and landmarks in picture pixels.

    Raises:
        EngineError: a detector answered with something else than places in a picture.
    """
    show = look or HostLook(image)
    used = detectors[: effort.families] if effort.families else detectors
    found: list[Detections] = []
    for view in views(image.shape, effort):
        for detector in used[:1] if view.alone else used:
            if view.tile and detector.family in WHOLE_ONLY:
                continue
            seen = show(view, detector)
            if view.turn or view.spot:
                seen = seen.above(TURNED_MIN_SCORE)
            if len(seen):
                found.append(in_picture(seen, view))
    faces = union(found, prefer=detectors[0].family)
    if close := look_closely(faces, detectors[0], effort, show):
        faces = union([*found, *close], prefer=detectors[0].family, close=len(close))
    return verified(faces, detectors, effort, show)


def fit(image: Image, side: int) -> tuple[Image, float]:
    """Scale a picture to fit a square, enlarging a small one.

    The arithmetic (truncated extents, linear interpolation, the height's ratio for both
    axes) is that of insightface's SCRFD, so that boxes agree to a hundredth of a pixel.

    Returns:
        (h, w, 3) uint8 BGR and the scale, result px per picture px.
    """
    height, width = image.shape[:2]
    new_width, new_height = fitted(width, height, side)
    factor, rest = divmod(width, new_width)
    whole = not rest and height == factor * new_height
    if whole and factor % 2 and factor <= NEAREST_UP_TO:
        # Bilinear sampling by an odd whole factor falls on the middle pixel of each
        # block: nearest gives the same bytes at half the price (1080p to 640).
        middle = image[factor // 2 :, factor // 2 :]
        scaled = cv2.resize(
            middle, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_NEAREST
        )
        if scaled.shape[:2] == (new_height, new_width):
            return np.asarray(scaled, np.uint8), new_height / height
    return np.asarray(cv2.resize(image, (new_width, new_height)), np.uint8), new_height / height


def _close(image: Image, to_view: Matrix, side: int) -> Image:
    """A spot of the picture, (side, side, 3) uint8 BGR; black beyond the picture.

    A warp samples linearly: what would be shrunk to less than half is shrunk before.
    """
    shrink = int(min(1.0, scale_of(to_view)) ** -1)
    if shrink > 1:
        corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float32)
        reach = apply(invert(to_view), corners)
        height, width = image.shape[:2]
        x1, y1, x2, y2 = clip(np.concatenate([reach.min(axis=0), reach.max(axis=0)]), width, height)
        if min(x2 - x1, y2 - y1) < shrink:
            return np.zeros((side, side, 3), np.uint8)
        size = ((x2 - x1) // shrink, (y2 - y1) // shrink)
        image = np.asarray(
            cv2.resize(image[y1:y2, x1:x2], size, interpolation=cv2.INTER_AREA), np.uint8
        )
        ratio = np.array([(x2 - x1) / size[0], (y2 - y1) / size[1]])
        first = np.array([x1, y1]) + (ratio - 1) / 2  # middle of the first block
        to_view = np.column_stack([to_view[:, :2] * ratio, to_view[:, :2] @ first + to_view[:, 2]])
    warped = cv2.warpAffine(image, to_view, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8)


def _fine(image: Image) -> Image:
    """The picture that tiles are cut of."""
    scaled = cv2.resize(image, None, fx=FINE_SCALE, fy=FINE_SCALE, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)
