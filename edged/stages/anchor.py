"""Landmarks of a full look, kept where the quick look of the same frame saw them.

A full look takes the best-scored of many findings, and that may be one of a small picture,
whose landmarks lie elsewhere by a tenth of the face; the frames before and after have those
of the quick look.  A paste would jump there and back at every full look.
Knows faces; knows no pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edged.faces import Face
from edged.geometry import iou
from edged.stages.assign import FORBIDDEN, assign
from edged.stages.union import OTHER_CENTRE, SAME_FACE_IOU

AS_GOOD = 0.2
"""A quick finding whose score is lower by more has the worse landmarks."""


def anchored(faces: Sequence[Face], quick: Sequence[Face]) -> None:
    """Give faces of a full look the landmarks that the quick look has of them, in place.

    What the full look had goes to `others` where it lies apart, for the guard to look at;
    boxes stay.

    Args:
        faces: of the full look.
        quick: of the quick look at the same picture.
    """
    if not faces or not quick:
        return
    overlap = iou(np.stack([f.box for f in faces]), np.stack([q.box for q in quick]))
    pairs = assign(np.where(overlap >= SAME_FACE_IOU, overlap, FORBIDDEN))
    for face, number in zip(faces, pairs, strict=True):
        if number < 0 or quick[number].score < face.score - AS_GOOD:
            continue
        side = float(np.sqrt(max(float(np.prod(face.box[2:] - face.box[:2])), 1.0)))
        off = (face.landmarks - quick[number].landmarks).mean(axis=0)
        if float(np.linalg.norm(off)) > OTHER_CENTRE * side:
            face.others = (*face.others, face.landmarks)
        face.landmarks = quick[number].landmarks
