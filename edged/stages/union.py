"""The union of what several looks at one picture saw: one face for each person.

Knows findings and how those of one face differ; knows no picture, no detector and no policy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edged.errors import EngineError
from edged.faces import Detections, Face, Tensor
from edged.geometry import iou

SAME_FACE_IOU = 0.35
"""Two findings that overlap more are one face; below the 0.4 of each family's own NMS,
because families draw their boxes differently (YuNet's are tighter at the chin)."""

FIRST_FAMILY_BONUS = 0.15
"""Added to the first family's scores when the cluster's best finding is chosen: recognisers
and swappers are aligned to its landmarks, and scores of families are not on one scale."""

CLOSE_BONUS = 0.4
"""Likewise for findings of close looks that are sure of theirs: a face is upright and of the
size that detectors know best there."""

CLOSE_SURE = 0.6

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

FAR_PX = 1e6
"""No box of a frame lies further out; beyond it areas would leave float32."""


def union(found: Sequence[Detections], prefer: str = "", close: int = 0) -> list[Face]:
    """Merge findings of several looks; the best-scored one gives box and landmarks.

    Args:
        found: findings in picture pixels.
        prefer: family whose landmarks are taken when scores are close.
        close: so many of them, the last ones, are findings of close looks.

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
    if close:
        near = np.zeros(len(scores), bool)
        near[-sum(len(d) for d in found[-close:]) :] = True
        bonus += CLOSE_BONUS * (near & (scores >= CLOSE_SURE))
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
