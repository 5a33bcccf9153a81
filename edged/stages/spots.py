"""Spots: places where a face is, or was a moment ago, and how they are looked at close up.

A close look cuts the spot out upright and at the size that detectors know best, whatever
lean and size the face has in the picture: a head on its side, one that fills the frame and
one of 20 px in 4K all look alike in it.  Knows boxes, landmarks and matrices; knows no
pixels, no model and no policy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Detections, Face, Floats, Points
from edged.geometry import Matrix, apply, invert, iou

FACE_SHARE = 0.5
"""A face takes so much of a close look's side.  Of 191 faces of 10 to 1700 px, at spots that
were off by 8 % of a side, 12 % of the size and 8 degrees, SCRFD found all in 128 px, with
landmarks as good as those of the best look at the whole picture."""

MIDDLE = 0.25
"""A close look is about the face whose landmarks' centre lies this near to its middle, in
sides of the look; a neighbour may be cut off there."""

LEANING_DEG = 25.0
"""From here on landmarks of upright looks are worse than those of a close one."""

SAME_WAY_DEG = 60.0
"""A finding that leans otherwise does not explain a spot: detectors answer to faces that
stand on their head, with landmarks anywhere."""

EXPLAINED_IOU = 0.3
"""Of a finding's box and a spot's."""

MOST = 16
"""Close looks at one picture; a crowd has its largest faces looked at."""


@dataclass(frozen=True, repr=False)
class Spot:
    """One place.

    Attributes:
        box: x1, y1, x2, y2, px of the picture.
        lean_deg: of the face, clockwise; 0 is upright.
    """

    box: tuple[float, float, float, float]
    lean_deg: float

    def to_view(self, side: int) -> Matrix:
        """Picture -> close look of so many px."""
        x1, y1, x2, y2 = self.box
        scale = FACE_SHARE * side / max(x2 - x1, y2 - y1, 1.0)
        turn = math.radians(-self.lean_deg)
        c, s = scale * math.cos(turn), scale * math.sin(turn)
        linear = np.array([[c, -s], [s, c]])
        middle = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
        return np.column_stack([linear, side / 2 - linear @ middle])


def spot_of(face: Face) -> Spot:
    """Where a face is."""
    x1, y1, x2, y2 = face.box.tolist()
    return Spot((x1, y1, x2, y2), lean_deg(face.landmarks))


def lean_deg(landmarks: Points) -> float:
    """Which way a face leans, -180 to 180 clockwise, from the line of its eyes to its mouth."""
    x, y = (landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)).tolist()
    return math.degrees(math.atan2(-x, y))


def to_look_at(faces: Sequence[Face], expected: Sequence[Spot], *, every: bool) -> list[Spot]:
    """Spots that are worth a close look.

    Args:
        faces: found in the picture by other looks, largest first.
        expected: where faces were a moment ago.
        every: look at every face, not only at those that lean.

    Returns:
        Expected spots that no face explains, then faces; `MOST` at most.
    """
    found = [spot_of(face) for face in faces]
    missed = [spot for spot in expected if not _explained(spot, found)]
    return [*missed, *(s for s in found if every or abs(s.lean_deg) > LEANING_DEG)][:MOST]


def in_picture(seen: Detections, spot: Spot, side: int, *, everywhere: bool = False) -> Detections:
    """Findings of a look at a spot, in px of the picture.

    A close look counts for the face that it is about, in its middle, and not `everywhere`.

    Boxes are the bounds of the ellipse that fills them: a head has no corners, and the
    bounds of a leaning box's corners would be too large by up to 41 %.
    """
    centres = seen.landmarks.mean(axis=1)
    middle = np.linalg.norm(centres - side / 2, axis=1) < MIDDLE * side
    middle |= everywhere
    back = invert(spot.to_view(side))
    boxes = seen.boxes[middle]
    centre = apply(back, (boxes[:, :2] + boxes[:, 2:]) / 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    reach = np.hypot(half[:, :1] * back[:, 0], half[:, 1:] * back[:, 1])
    return Detections(
        np.concatenate([centre - reach, centre + reach], axis=1).astype(np.float32),
        seen.scores[middle],
        apply(back, seen.landmarks[middle]),
        seen.family,
    )


@dataclass(repr=False, eq=False)
class Memory:
    """Where the faces of one camera were, for as long as a lost face is held."""

    _spots: list[tuple[Spot, int]] = field(default_factory=list)

    def expected(self, now_ms: int, hold_ms: int) -> tuple[Spot, ...]:
        """Where faces are looked for in a frame of this time."""
        return tuple(spot for spot, seen_ms in self._spots if now_ms - seen_ms <= hold_ms)

    def update(self, faces: Sequence[Face], now_ms: int, hold_ms: int) -> None:
        """Take the faces of a frame; spots that they do not explain stay for a while."""
        found = [spot_of(face) for face in faces]
        boxes = _boxes(found)
        kept = [
            (spot, seen_ms)
            for spot, seen_ms in self._spots
            if now_ms - seen_ms <= hold_ms
            and not (iou(_boxes([spot]), boxes) > EXPLAINED_IOU).any()
        ]
        self._spots = [*((spot, now_ms) for spot in found), *kept]


def _boxes(spots: Sequence[Spot]) -> Floats:
    return np.array([spot.box for spot in spots], np.float32).reshape(-1, 4)


def _explained(spot: Spot, found: Sequence[Spot]) -> bool:
    """Whether a face was found at a spot, leaning as it did there."""
    near = (iou(_boxes([spot]), _boxes(found)) > EXPLAINED_IOU)[0]
    return any(
        near[index] and abs((other.lean_deg - spot.lean_deg + 180) % 360 - 180) < SAME_WAY_DEG
        for index, other in enumerate(found)
    )
