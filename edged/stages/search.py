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

from edged.errors import EngineError
from edged.faces import Detections, Face, Image, Tensor
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

SAME_CENTRE = 0.25
"""Findings of one face have their landmarks' centres within this share of its side; two
people cheek to cheek overlap as much as two findings of one face, but have two noses.
A finding that is merged all the same, because it is not sure, keeps its landmarks."""

OTHER_CENTRE = 0.1
"""From this share on, a merged finding's landmarks are kept beside the best ones."""

SAME_BOX_CENTRE = 0.2
"""Likewise of the boxes: looks at 128 px misplace landmarks by up to 0.3 of a side in a box
that is right (seen on a photo of six)."""

SURE = 0.7
"""Score from which a finding that leans like another one may be a second person's."""

SURELY = 0.8
"""Score from which a finding that is turned against another one is a second person's; what
one face answers in the wrong turn stays below (0.51 to 0.72 on two photos in four turns)."""

FINE_SCALE = 0.5
"""Large pictures are searched at this scale too, in tiles.  Detectors find faces from 12 to
16 px on; a recogniser still knows a face of 30 px (measured: cosine 0.74 to 0.96 at 37 px
in a 4K frame, where a look at 640 px shows 6 px of it)."""

TILE_OVERLAP = 96
"""Neighbouring tiles share so many pixels; a face that is cut off in one is whole in the
next, and one that is larger is found in the whole picture."""

WHOLE_ONLY = frozenset({"haar"})
"""Families that look at one size of picture whatever they are asked: no tiles for them."""

STRIP = 0.002
"""Scales of the two axes that differ more than this are used apart."""

FAR_PX = 1e6
"""No box of a frame lies further out; beyond it areas would leave float32."""

NEAREST_UP_TO = 15
"""Whole factors that OpenCV's nearest neighbour takes exactly; from 93 on it rounds the
inverse of some (93, 99, 105, ...) down and reads one row and column too early."""


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
        tiles: also search large pictures in tiles, for faces that are small in them.
    """

    sizes_px: tuple[int, ...]
    turns: tuple[int, ...] = (0,)
    families: int = 0
    tiles: bool = False

    def looks(self, detectors: int, shape: tuple[int, ...] = (0, 0)) -> int:
        """Detector runs that this effort takes, on a picture of so many rows and columns."""
        pictures = len(self.sizes_px)
        side = max(self.sizes_px)
        if self.tiles and max(shape[:2]) * FINE_SCALE > side:
            rows, columns = (round(extent * FINE_SCALE) for extent in shape[:2])
            pictures += len(_starts(rows, side)) * len(_starts(columns, side))
        return pictures * len(self.turns) * (min(self.families, detectors) or detectors)


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


def search(image: Image, detectors: Sequence[Detector], effort: Effort) -> list[Face]:
    """Every face that any of the detectors sees.

    Args:
        image: (h, w, 3) uint8 BGR.
        detectors: families, the one with the best landmarks first.
        effort: sizes, turns and how many families.

    Returns:
        The union, largest face first; boxes and landmarks in picture pixels.

    Raises:
        EngineError: a detector answered with something else than places in a picture.
    """
    used = detectors[: effort.families] if effort.families else detectors
    found: list[Detections] = []
    for side in effort.sizes_px:
        picture, scale = fit(image, side)
        height, width = picture.shape[:2]
        scales = (_across(width / image.shape[1], scale), scale)
        for turn in effort.turns:
            turned = np.ascontiguousarray(np.rot90(picture, turn)) if turn else picture
            for detector in used:
                seen = detector(turned, side)
                if turn:
                    seen = seen.above(TURNED_MIN_SCORE)
                if len(seen):
                    found.append(_to_image(seen, turn, width, height, scales))
    if effort.tiles:
        found += _in_tiles(image, used, max(effort.sizes_px), effort.turns)
    return union(found, prefer=detectors[0].family)


def _across(scale_x: float, scale_y: float) -> float:
    """The scale of x: the height's, as in insightface, but where that would be far off.

    `fit` truncates extents; in a strip of 12 to 1 that moves x by a fifth of a face.
    """
    return scale_y if abs(scale_x / scale_y - 1) < STRIP else scale_x


def _in_tiles(
    image: Image, detectors: Sequence[Detector], side: int, turns: Sequence[int]
) -> list[Detections]:
    """What is seen in tiles of a large picture, at `FINE_SCALE`."""
    detectors = [d for d in detectors if d.family not in WHOLE_ONLY]
    if not detectors or max(image.shape[:2]) * FINE_SCALE <= side:
        return []
    scaled = cv2.resize(image, None, fx=FINE_SCALE, fy=FINE_SCALE, interpolation=cv2.INTER_AREA)
    height, width = scaled.shape[:2]
    scales = np.array([width / image.shape[1], height / image.shape[0]], np.float32)
    found: list[Detections] = []
    for top in _starts(height, side):
        for left in _starts(width, side):
            tile = np.ascontiguousarray(scaled[top : top + side, left : left + side], np.uint8)
            rows, columns = tile.shape[:2]
            shift = np.array([left, top], np.float32)
            for turn in turns:
                turned = np.ascontiguousarray(np.rot90(tile, turn)) if turn else tile
                for detector in detectors:
                    seen = detector(turned, side)
                    if turn:
                        seen = seen.above(TURNED_MIN_SCORE)
                    if not len(seen):
                        continue
                    seen = _to_image(seen, turn, columns, rows, (1.0, 1.0))
                    seen = _whole(seen, (left, top, left + columns, top + rows), (width, height))
                    found.append(
                        Detections(
                            np.asarray(
                                (seen.boxes + np.tile(shift, 2)) / np.tile(scales, 2), np.float32
                            ),
                            seen.scores,
                            np.asarray((seen.landmarks + shift) / scales, np.float32),
                            seen.family,
                        )
                    )
    return found


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin, evenly, so that neighbours overlap by `TILE_OVERLAP` at least."""
    count = max(1, -(-(length - TILE_OVERLAP) // (side - TILE_OVERLAP)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)] if count > 1 else [0]


def _whole(seen: Detections, tile: tuple[int, int, int, int], size: tuple[int, int]) -> Detections:
    """Findings that no inner edge of the tile cuts off; boxes are in the tile's pixels."""
    left, top, right, bottom = tile
    x1, y1, x2, y2 = seen.boxes.T
    keep = np.ones(len(seen), bool)
    keep &= (x1 > 1) | (left == 0)
    keep &= (y1 > 1) | (top == 0)
    keep &= (x2 < right - left - 1) | (right >= size[0])
    keep &= (y2 < bottom - top - 1) | (bottom >= size[1])
    return Detections(seen.boxes[keep], seen.scores[keep], seen.landmarks[keep], seen.family)


def _to_image(
    seen: Detections, turn: int, width: int, height: int, scale: tuple[float, float]
) -> Detections:
    """Pixels of the turned, scaled picture -> pixels of the image."""
    per_axis = np.asarray(scale, np.float32)  # (2,): x and y
    boxes = unturn_boxes(seen.boxes, turn, width, height) / np.tile(per_axis, 2)
    landmarks = unturn(seen.landmarks, turn, width, height) / per_axis
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
        weaker finding only adds its family's name, and its landmarks where they lie on
        another place.

    Raises:
        EngineError: a box or score is not finite, or far beyond any picture: such a
            face could neither be swapped nor filled.
    """
    if not found:
        return []
    boxes = np.concatenate([d.boxes for d in found])
    scores = np.concatenate([d.scores for d in found])
    landmarks = np.concatenate([d.landmarks for d in found])
    if not (np.abs(boxes) < FAR_PX).all() or not np.isfinite(scores).all():
        raise EngineError("a detector gave boxes that are no places in a picture")
    families = [d.family for d in found for _ in range(len(d))]
    bonus = np.array([FIRST_FAMILY_BONUS if f == prefer else 0.0 for f in families])
    order = np.argsort(-(scores + bonus), kind="stable")
    overlap = iou(boxes, boxes)
    inside = _inside(boxes)
    apart = _apart(boxes, landmarks)
    # One face answers weakly to the wrong turn and in small pictures, with landmarks
    # anywhere in its box: that is a second person only where it is as sure as a real one.
    alike = _alike(landmarks)
    elsewhere = (apart > SAME_CENTRE) & (alike | (scores[None] >= SURELY))
    sure = scores[None] >= np.where(alike, SURE, SURELY)
    others = (apart > OTHER_CENTRE) & (alike | (scores[None] >= SURELY))
    two = elsewhere & sure & (_apart(boxes, boxes.reshape(-1, 2, 2)) > SAME_BOX_CENTRE)
    faces: list[Face] = []
    free = np.ones(len(order), bool)
    for best in order:
        if not free[best]:
            continue
        same = free & ((overlap[best] > SAME_FACE_IOU) | inside[best] | inside[:, best])
        same &= ~two[best]
        same[best] = True
        free &= ~same
        faces.append(
            Face(
                box=boxes[best].astype(np.float32),
                score=float(scores[best]),
                landmarks=landmarks[best].astype(np.float32),
                families=frozenset(families[i] for i in np.flatnonzero(same)),
                others=tuple(
                    landmarks[i].astype(np.float32) for i in np.flatnonzero(same & others[best])
                ),
            )
        )
    return sorted(faces, key=lambda f: -float(np.prod(f.box[2:] - f.box[:2])))


def _inside(boxes: Tensor) -> Tensor:
    """(n, n) bool: j lies inside i and is not much smaller."""
    top_left = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share = overlap / np.maximum(area[None], 1e-6)
    near = area[None] >= area[:, None] / 3
    return np.asarray((share >= INSIDE_SHARE) & near)


def _apart(boxes: Tensor, landmarks: Tensor) -> Tensor:
    """(n, n) distance of the landmarks' centres, in sides of the smaller box."""
    centres = landmarks.mean(axis=1)
    side = np.sqrt(np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-6))
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return np.asarray(distance / np.minimum(side[:, None], side[None]))


def _alike(landmarks: Tensor) -> Tensor:
    """(n, n) bool: the faces stand upright in about the same direction (within 60 degrees)."""
    down = landmarks[:, 3:].mean(axis=1) - landmarks[:, :2].mean(axis=1)  # eyes to mouth
    down = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
    return np.asarray(down @ down.T > 0.5)
